"""Layers that know where padding is."""

import keras
from keras import ops

from s2s_keras.text import PAD


@keras.saving.register_keras_serializable(package="s2s_keras")
class PaddingMask(keras.layers.Layer):
    """Tells real tokens from padding.

    Call arguments:
        token_ids: integer tensor `(batch, length)`.

    Returns:
        Boolean tensor `(batch, length)`, False where `token_ids` is PAD.
    """

    def call(self, token_ids):
        return ops.not_equal(token_ids, PAD)

    def compute_output_spec(self, token_ids):
        return keras.KerasTensor(token_ids.shape, dtype="bool")


@keras.saving.register_keras_serializable(package="s2s_keras")
class ReverseSequence(keras.layers.Layer):
    """Turns the real part of each row round and leaves its padding on the right.

    Call arguments:
        sequence: tensor `(batch, length, features)`.
        sequence_mask: boolean tensor `(batch, length)`, False at the padding, which
            stands on the right.

    Returns:
        A tensor shaped like `sequence`.
    """

    def call(self, sequence, sequence_mask):
        positions = ops.arange(ops.shape(sequence)[1], dtype="int32")  # (length,)
        lengths = ops.sum(ops.cast(sequence_mask, "int32"), axis=1)  # (batch,)
        mirrored = lengths[:, None] - 1 - positions[None, :]  # (batch, length)
        order = ops.where(sequence_mask, mirrored, positions[None, :])
        return ops.take_along_axis(sequence, order[:, :, None], axis=1)

    def compute_output_spec(self, sequence, sequence_mask):
        return keras.KerasTensor(sequence.shape, dtype=sequence.dtype)
