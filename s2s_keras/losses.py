"""The loss of a batch of tokens, and metrics that weigh every real token alike.

Keras averages a sequence's values, and its weights, over the padded row before it
adds them up: a token counts for less in a wider batch, so the numbers change with
padding and with buckets. The metrics here flatten values and weights first: a token
counts once, padding never.
"""

import keras
from keras import ops


def cross_entropy():
    """Returns the loss: mean cross-entropy per real token, in nats.

    Call the result with `target_out (batch, length)`, `logits (batch, length,
    vocabulary)` and `sample_weight (batch, length)`: 1 at tokens, 0 at padding.
    """
    return keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, reduction="mean_with_sample_weight"
    )


@keras.saving.register_keras_serializable(package="s2s_keras")
class TokenLoss(keras.metrics.Mean):
    """Mean cross-entropy per real token since the last reset, in nats."""

    def __init__(self, name="loss", **kwargs):
        super().__init__(name=name, **kwargs)

    def update_state(self, target_out, logits, sample_weight=None):
        losses = keras.losses.sparse_categorical_crossentropy(
            target_out, logits, from_logits=True
        )
        super().update_state(*flat(losses, sample_weight))


@keras.saving.register_keras_serializable(package="s2s_keras")
class TokenAccuracy(keras.metrics.Mean):
    """Share of real tokens whose logit is the largest, since the last reset."""

    def __init__(self, name="accuracy", **kwargs):
        super().__init__(name=name, **kwargs)

    def update_state(self, target_out, logits, sample_weight=None):
        guesses = ops.cast(ops.argmax(logits, axis=-1), target_out.dtype)
        hits = ops.cast(ops.equal(guesses, target_out), self.dtype)
        super().update_state(*flat(hits, sample_weight))


def flat(values, weights):
    """Returns values and weights `(batch, length)` as vectors `(batch * length,)`."""
    if weights is not None:
        weights = ops.reshape(weights, (-1,))
    return ops.reshape(values, (-1,)), weights
