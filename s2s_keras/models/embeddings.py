"""Embeddings that come from elsewhere."""

from __future__ import annotations

import numpy as np

from s2s_keras.arguments import check_choice, check_switch
from s2s_keras.layers import TiedEmbedding
from s2s_keras.models.seq2seq import Seq2Seq

SIDES = ("source", "target")


def set_embedding(
    seq2seq: Seq2Seq, side: str, matrix: np.ndarray, *, trainable: bool = True
) -> None:
    """Puts word vectors into a model, in all of its graphs.

    Call it before training: `training.fit` leaves what is frozen as it is, to the last
    bit. A model that is saved and loaded has the vectors, and trains all its weights.

    Args:
        seq2seq: a `Seq2Seq` of a builder; it is changed.
        side: `"source"` or `"target"`: whose tokens the rows stand for. Where the
            target's embedding is tied to the output layer, the output layer gets and
            keeps them too, divided by the scale of `TiedEmbedding`.
        matrix: numbers `(vocabulary, embedding_dim)`; row `i` is the vector of id `i`,
            such as `text.load_vectors(…).matrix`.
        trainable: whether training goes on from these vectors; False freezes them.

    Raises:
        ValueError: `side` is none or one whose words the model does not embed, or
            `matrix` is no array of finite numbers of that shape, or the model is an
            ensemble.
    """
    check_choice("side", side, SIDES)
    check_switch("trainable", trainable)
    if seq2seq.training is None:
        raise ValueError(
            "seq2seq must be a single model. Received: an ensemble, to whose members "
            "vectors can be given."
        )
    layers = {layer.name: layer for layer in seq2seq.training.layers}
    layer = layers.get(f"{side}_embedding")
    if not hasattr(layer, "embeddings"):
        raise ValueError(
            f"side must be one of which the model embeds words. Received: {side!r} of "
            f"a model of the builder {seq2seq.config.get('builder')!r}"
        )
    variable = layer.embeddings
    try:
        matrix = np.asarray(matrix, dtype="float32")
    except (TypeError, ValueError):
        raise ValueError(
            "matrix must be numbers (vocabulary, embedding_dim), such as "
            f"text.load_vectors(…).matrix. Received: {type(matrix).__name__}"
        ) from None
    if matrix.shape != tuple(variable.shape):
        raise ValueError(
            f"matrix must be (vocabulary, embedding_dim), for the {side} embedding of "
            f"this model {tuple(variable.shape)}. Received: {matrix.shape}"
        )
    if not np.isfinite(matrix).all():
        raise ValueError("matrix must hold finite numbers. Received: inf or nan in it")
    if isinstance(layer, TiedEmbedding):
        matrix = matrix / (layer.embedding_dim**0.5 * layer.stddev)
    variable.assign(matrix)
    variable.trainable = trainable
