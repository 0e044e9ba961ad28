"""Layers of a pointer-generator network (See, Liu & Manning, 2017).

Words of a source that the target vocabulary lacks have ids beyond it, in each source
its own: *extended* ids.
"""

import keras
from keras import ops

from s2s_keras.layers.attention import AdditiveAttention
from s2s_keras.layers.attention_decoders import AttentionDecoder
from s2s_keras.layers.pointing import IMPOSSIBLE
from s2s_keras.text import PAD, UNK

LEAST = 1e-37  # a weight whose logarithm and gradient are finite in float32


@keras.saving.register_keras_serializable(package="s2s_keras")
class CoverageAttention(AdditiveAttention):
    r"""$v^T \tanh(W_h h_i + W_s s_t + w_c c_i)$: See et al. (2017), equation 11.

    Without `coverage` this is equation 1; the bias of both is left out. $w_c$ starts at
    zero, so that coverage at first changes nothing.

    Call arguments:
        query: `(batch, units)`, a single one.
        coverage: float32 `(batch, source_length)`, the sum of the weights of all steps
            before; None leaves the term out.
        memory, memory_mask, keys: as of every `Attention`.
    """

    def __init__(self, units, **kwargs):
        super().__init__(units, **kwargs)
        self.coverage_projection = self._dense(
            units, "coverage_projection", kernel_initializer="zeros"
        )

    def build(self, query_shape, memory_shape, *_, **__):
        self.coverage_projection.build((None, None, 1))
        super().build(query_shape, memory_shape)

    def call(self, query, memory, memory_mask, keys=None, coverage=None):
        keys = self.keys_of(ops.cast(memory, self.precise)) if keys is None else keys
        if coverage is not None:  # what is added to a key is added to its score's tanh
            coverage = ops.cast(coverage, self.precise)[:, :, None]
            keys = ops.cast(keys, self.precise) + self.coverage_projection(coverage)
        return super().call(query, memory, memory_mask, keys=keys)


@keras.saving.register_keras_serializable(package="s2s_keras")
class CopyingDecoder(AttentionDecoder):
    """Reads, then attends: See et al. (2017), section 2.1, with coverage section 2.3.

    As in the authors' program, the context of the step before goes into the first cell
    beside the input. A step's output is the new hidden state and the new context side
    by side, `(batch, units + memory_units)`. Where the state has a `coverage (batch,
    source_length)`, the attention sees it and each step adds its weights (equation 10);
    it stays float32 also where the model computes in float16.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, autocast=False, **kwargs)

    def build(self, inputs_shape, state_shape, memory_shape, *_, **__):
        self.build_attention(memory_shape)
        self.build_cells(inputs_shape[-1] + memory_shape[-1])
        self.built = True

    def output_units(self, memory_units):
        return self.units + memory_units

    def told(self, state):
        return {"coverage": state["coverage"]} if "coverage" in state else {}

    def advance(self, inputs, state, attend, training):
        inputs = ops.concatenate([inputs, state["context"]], axis=-1)
        hidden, after = self.read(inputs, state, training)
        context, weights = attend(hidden, state)
        after["context"] = context
        if "coverage" in state:
            after["coverage"] = state["coverage"] + weights
        return ops.concatenate([hidden, context], axis=-1), weights, after


@keras.saving.register_keras_serializable(package="s2s_keras")
class CopyDistribution(keras.layers.Layer):
    r"""Mixes generating with copying: See et al. (2017), equation 9.

    $P(w) = p_{gen} P_{vocab}(w) + (1 - p_{gen}) \sum_{i: w_i = w} a_i$, computed with
    logarithms in float32: a word that the source does not hold has the logarithm -1e9
    and a gradient of 0, one that it holds at least that of 1e-37, and neither `p_gen`
    of 0 or 1 nor huge logits make a NaN.

    Call arguments:
        logits: `(batch, [target_length,] vocabulary)`, of which $P_{vocab}$ is the
            softmax.
        gate: `(batch, [target_length,] 1)`, of which $p_{gen}$ is the sigmoid.
        weights: $a$, `(batch, [target_length,] source_length)`, 0 at padding.
        extended_ids: int32 `(batch, source_length)`, the words $w_i$ of the source;
            those that the vocabulary lacks count on from its size. PAD is no word.

    Returns:
        float32 log-probabilities `(batch, [target_length,] extended_vocabulary)`, whose
        last size is that of the vocabulary and of the batch's most unknown words.
    """

    def __init__(self, **kwargs):
        super().__init__(autocast=False, **kwargs)

    def call(self, logits, gate, weights, extended_ids):
        logits, gate, weights = (
            ops.cast(part, "float32") for part in (logits, gate, weights)
        )
        single = len(logits.shape) == 2
        if single:
            logits, gate, weights = (x[:, None] for x in (logits, gate, weights))
        vocabulary = logits.shape[-1]
        unknown = ops.maximum(ops.max(extended_ids) + 1 - vocabulary, 0)
        words = ops.not_equal(extended_ids, PAD)[:, None, :]
        weights = ops.where(words, weights + LEAST, 0.0)
        copied = _sum_by_id(weights, extended_ids, vocabulary + unknown)
        some = copied > 0.0  # the inner `where` keeps log 0 out of the gradient
        copied = ops.where(some, ops.log(ops.where(some, copied, 1.0)), IMPOSSIBLE)
        generated = ops.log_softmax(logits, axis=-1)
        beyond = ops.full_like(copied[:, :, vocabulary:], IMPOSSIBLE)
        generated = ops.concatenate([generated, beyond], axis=-1)
        mixed = ops.logaddexp(
            ops.log_sigmoid(gate) + generated, ops.log_sigmoid(-gate) + copied
        )
        return mixed[:, 0] if single else mixed

    def compute_output_spec(self, logits, *_, **__):
        return keras.KerasTensor((*logits.shape[:-1], None), dtype="float32")


def _sum_by_id(weights, ids, size):
    """Adds up the weights of each id: `(batch, target_length, size)`.

    Args:
        weights: `(batch, target_length, source_length)`.
        ids: int32 `(batch, source_length)`.
        size: scalar, more than the largest id.
    """
    batch, steps, length = (ops.shape(weights)[axis] for axis in range(3))
    rows = ops.reshape(ops.arange(batch * steps, dtype="int32"), (batch, steps, 1))
    cells = rows * size + ids[:, None, :]  # (batch, target_length, source_length)
    sums = ops.scatter(
        ops.reshape(cells, (-1, 1)),
        ops.reshape(weights, (-1,)),
        (batch * steps * size,),
    )
    return ops.reshape(sums, (batch, steps, size))


@keras.saving.register_keras_serializable(package="s2s_keras")
class CoverageLoss(keras.layers.Layer):
    r"""What attending twice costs: See et al. (2017), equation 12.

    $covloss_t = \sum_i \min(a_i^t, c_i^t)$, where $c^t$ sums the weights of all steps
    before (equation 10).

    Args:
        factor: $\lambda$ of equation 13, by which it is multiplied.

    Call arguments:
        weights: `(batch, target_length, source_length)`.

    Returns:
        float32 `(batch, target_length)`. Padded steps have values too: it is for the
        loss to leave them out.
    """

    def __init__(self, factor=1.0, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.factor = factor

    def call(self, weights):
        coverage = ops.cumsum(weights, axis=1) - weights
        return self.factor * ops.sum(ops.minimum(weights, coverage), axis=-1)

    def compute_output_spec(self, weights):
        return keras.KerasTensor(weights.shape[:-1], dtype=weights.dtype)

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


@keras.saving.register_keras_serializable(package="s2s_keras")
class KnownTokens(keras.layers.Layer):
    """Replaces ids beyond a vocabulary by UNK.

    Args:
        vocabulary: number of ids that are known.

    Call arguments:
        tokens: int32, of any shape.
    """

    def __init__(self, vocabulary, **kwargs):
        super().__init__(**kwargs)
        self.vocabulary = vocabulary

    def call(self, tokens):
        return ops.where(tokens < self.vocabulary, tokens, UNK)

    def compute_output_spec(self, tokens):
        return keras.KerasTensor(tokens.shape, dtype=tokens.dtype)

    def get_config(self):
        return {**super().get_config(), "vocabulary": self.vocabulary}
