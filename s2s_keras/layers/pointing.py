"""Layers of a pointer network: its answers are places in the source.

The answer with id `FIRST + i` is item `i` of the source; EOS is its last item, which
ends every source.
"""

import keras
from keras import ops

from s2s_keras.layers.attention import AdditiveAttention, masked_softmax
from s2s_keras.text import SOS, SPECIAL_TOKENS

FIRST = len(SPECIAL_TOKENS)  # id of the source's first item
IMPOSSIBLE = -1e9  # the logit of what cannot be an answer


@keras.saving.register_keras_serializable(package="s2s_keras")
class Pointer(AdditiveAttention):
    r"""Points: the scores of an attention are the logits themselves.

    $u_j = v^T \tanh(W_1 e_j + W_2 d)$ and $p = softmax(u)$ (Vinyals et al., 2015,
    equation 3), for an item $e_j$ of the memory and a state $d$ of the decoder.

    Call arguments:
        query, memory, memory_mask, keys: as of every `Attention`.
        pointed: `(batch, source_length)`, or with a `target_length` after `batch`:
            above 0 at the items that may not be pointed at; None allows all.

    Returns:
        `logits, weights`: float32 logits `(batch, [target_length,] FIRST +
        source_length)`, -1e9 where there is no answer, and their softmax by item,
        `(batch, [target_length,] source_length)`.
    """

    def call(self, query, memory, memory_mask, keys=None, pointed=None):
        self._check_mask(query.shape, memory.shape, memory_mask.shape)
        single = len(query.shape) == 2
        queries = query[:, None, :] if single else query
        keys = self.keys_of(ops.cast(memory, self.precise)) if keys is None else keys
        scores = self.score(
            ops.cast(queries, self.precise), ops.cast(keys, self.precise)
        )  # (batch, target_length, source_length)
        allowed = memory_mask[:, None, :]
        if pointed is not None:
            pointed = pointed[:, None, :] if single else pointed
            allowed = ops.logical_and(allowed, pointed < 0.5)
        weights = masked_softmax(scores, allowed)
        logits = self._by_id(ops.where(allowed, scores, IMPOSSIBLE), memory_mask)
        return (logits[:, 0], weights[:, 0]) if single else (logits, weights)

    def _by_id(self, scores, memory_mask):
        """Puts scores of items where their ids are, and that of the last at EOS."""
        places = ops.arange(ops.shape(memory_mask)[1], dtype="int32")
        lengths = ops.sum(ops.cast(memory_mask, "int32"), axis=1)  # (batch,)
        last = ops.equal(places[None, :], lengths[:, None] - 1)[:, None, :]
        end = ops.sum(ops.where(last, scores, 0.0), axis=-1, keepdims=True)
        never = ops.full_like(end, IMPOSSIBLE)  # (batch, target_length, 1)
        items = ops.where(last, IMPOSSIBLE, scores)
        return ops.concatenate([never, never, end, never, items], axis=-1)

    def compute_output_spec(self, query, memory, memory_mask, *_, **__):
        _, weights = super().compute_output_spec(query, memory, memory_mask)
        logits = keras.KerasTensor((*query.shape[:-1], None), dtype=self.precise)
        return logits, weights


@keras.saving.register_keras_serializable(package="s2s_keras")
class ItemsAt(keras.layers.Layer):
    """Looks up what a pointing decoder reads: the item that it pointed at last.

    Call arguments:
        tokens: int32 `(batch, target_length)`, or `(batch,)` for one step.
        items: `(batch, source_length, features)`.

    Returns:
        `(batch, [target_length,] features)`: items, for SOS a vector that is learned,
        for other special tokens zeros.
    """

    def build(self, tokens_shape, items_shape):
        self.start = self.add_weight(shape=(items_shape[-1],), name="start")
        self.built = True

    def call(self, tokens, items):
        single = len(tokens.shape) == 1
        ids = tokens[:, None] if single else tokens
        places = ops.maximum(ids - FIRST, 0)[:, :, None]  # (batch, target_length, 1)
        found = ops.take_along_axis(items, places, axis=1)
        found = ops.where((ids >= FIRST)[:, :, None], found, ops.zeros_like(found))
        start = ops.cast(self.start, found.dtype)
        found = ops.where(ops.equal(ids, SOS)[:, :, None], start, found)
        return found[:, 0] if single else found

    def compute_output_spec(self, tokens, items):
        return keras.KerasTensor((*tokens.shape, items.shape[-1]), dtype=items.dtype)


@keras.saving.register_keras_serializable(package="s2s_keras")
class Visited(keras.layers.Layer):
    """Counts how often each item has been pointed at.

    Call arguments:
        tokens: int32 `(batch, target_length)`, or `(batch,)` for one step: read last.
        pointed: float32 `(batch, source_length)`, the counts before.

    Returns:
        The counts after each token, `(batch, [target_length,] source_length)`, of the
        dtype of the counts before.
    """

    def __init__(self, **kwargs):
        super().__init__(autocast=False, **kwargs)

    def call(self, tokens, pointed):
        single = len(tokens.shape) == 1
        ids = tokens[:, None] if single else tokens
        places = ops.arange(ops.shape(pointed)[1], dtype="int32")
        hits = ops.cast(ops.equal(ids[:, :, None] - FIRST, places), pointed.dtype)
        counts = pointed[:, None, :] + ops.cumsum(hits, axis=1)
        return counts[:, 0] if single else counts

    def compute_output_spec(self, tokens, pointed):
        shape = (*tokens.shape, pointed.shape[-1])
        return keras.KerasTensor(shape, dtype=pointed.dtype)
