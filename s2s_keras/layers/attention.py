r"""Attention as published: scores, masked softmax, weighted sum.

All layers share one interface, `(query, memory, memory_mask) -> context, weights`, and
differ in the score of a query $q$ and a vector $m_s$ of the memory:

| layer                | score                      | source                     |
|----------------------|----------------------------|----------------------------|
| `AdditiveAttention`  | $v^T \tanh(W q + U m_s)$   | Bahdanau 2015, A.1.2       |
| `ConcatAttention`    | $v^T \tanh(W [q; m_s])$    | Luong 2015, section 3.1    |
| `DotAttention`       | $q^T m_s$                  | Luong 2015, section 3.1    |
| `GeneralAttention`   | $q^T W m_s$                | Luong 2015, section 3.1    |
| `LocationAttention`  | $(W q)_s$                  | Luong 2015, equation 8     |
| `ScaledDotAttention` | $q^T m_s / \sqrt{units}$   | Vaswani 2017, equation 1   |
| `CosineAttention`    | $\beta(q) \cos(q, m_s)$    | Graves 2014, equations 5, 6|

`LocalMonotonicAttention` and `LocalPredictiveAttention` (Luong 2015, section 3.2) look
through a window at what any of them scores.
"""

import keras
from keras import ops

from s2s_keras.arguments import check_whole

# Both are far below any score, and MASKED far below UNKNOWN. MASKED is about the least
# float32: an infinity would make NaN gradients.
MASKED, UNKNOWN = -3e38, -1e30


@keras.saving.register_keras_serializable(package="s2s_keras")
class Attention(keras.layers.Layer):
    """The frame of every attention: a subclass says how to score.

    Scores, softmax and weights are float32 also where the model computes in float16.

    Call arguments:
        query: `(batch, units)`, or `(batch, target_length, units)` for many queries.
        memory: `(batch, source_length, memory_units)`.
        memory_mask: boolean `(batch, source_length)`, False at the padding.
        keys: what `project` made of `memory`; made anew when left out.
        position: int32 `(batch,)`, how many queries came before the first of these; 0
            when left out. Only monotonic attention needs it.

    Returns:
        `context, weights`: the weighted sum of the memory, `(batch, memory_units)`, and
        float32 weights `(batch, source_length)`; or with `target_length` after `batch`.
        The weights of a row sum to 1, or are all 0 where the mask has no True; those of
        padding are exactly 0.

    Raises:
        ValueError: if the shapes do not fit.
    """

    has_keys = False  # whether `project` changes the memory
    compares_directly = False  # whether query and memory must have the same units
    needs_position = False

    def __init__(self, **kwargs):
        super().__init__(autocast=False, **kwargs)  # keys must stay precise

    def project(self, memory):
        """Returns the keys `(batch, source_length, …)`: once a sentence is enough."""
        if not self.built:
            raise ValueError(
                f"{self.name} must be built before it projects: call it, or its build "
                "with the shapes of query and memory."
            )
        return self.keys_of(memory)

    def keys_of(self, memory):
        """Does what `project` promises."""
        return memory

    def score(self, query, keys):
        """Returns scores, `(batch, target_length, source_length)`, of many queries."""
        raise NotImplementedError

    def weigh(self, query, scores, memory_mask, position):
        """Returns weights shaped like `scores`."""
        return masked_softmax(scores, memory_mask[:, None, :])

    def build(self, query_shape, memory_shape, *_, **__):
        self._check(query_shape, memory_shape)
        self.built = True

    def call(self, query, memory, memory_mask, keys=None, position=None):
        self._check_mask(query.shape, memory.shape, memory_mask.shape)
        memory = ops.cast(memory, self.compute_dtype)
        single = len(query.shape) == 2
        queries = query[:, None, :] if single else query
        if position is None:
            position = ops.zeros_like(memory_mask[:, 0], dtype="int32")  # (batch,)
        keys = self.keys_of(memory) if keys is None else keys
        precise = self.precise
        queries, keys = ops.cast(queries, precise), ops.cast(keys, precise)
        scores = self.score(queries, keys)  # (batch, target_length, source_length)
        weights = self.weigh(queries, scores, memory_mask, position)
        context = ops.matmul(ops.cast(weights, self.compute_dtype), memory)
        if single:
            context, weights = context[:, 0], weights[:, 0]
        return context, weights

    def compute_output_spec(self, query, memory, memory_mask, *_, **__):
        self._check(query.shape, memory.shape)
        self._check_mask(query.shape, memory.shape, memory_mask.shape)
        steps = query.shape[:-1]
        return (
            keras.KerasTensor((*steps, memory.shape[-1]), dtype=self.compute_dtype),
            keras.KerasTensor((*steps, memory.shape[1]), dtype=self.precise),
        )

    def _check(self, query_shape, memory_shape):
        if len(memory_shape) != 3:
            raise ValueError(
                "memory must be (batch, source_length, memory_units). Received: memory "
                f"with shape {tuple(memory_shape)}"
            )
        if self.compares_directly and query_shape[-1] != memory_shape[-1]:
            raise ValueError(
                f"{self.name} compares query and memory directly: both must have the "
                f"same units. Received: query with shape {tuple(query_shape)}, memory "
                f"with shape {tuple(memory_shape)}. Project one of them, or use "
                "GeneralAttention."
            )

    def _check_mask(self, query_shape, memory_shape, mask_shape):
        if len(mask_shape) != 2 or len(query_shape) not in (2, 3):
            raise ValueError(
                "query must be (batch, units) or (batch, target_length, units) and "
                "memory_mask (batch, source_length). Received: query with shape "
                f"{tuple(query_shape)}, memory_mask with shape {tuple(mask_shape)}"
            )
        lengths = memory_shape[1], mask_shape[1]
        if None not in lengths and lengths[0] != lengths[1]:
            raise ValueError(
                "memory_mask must be as long as memory, (batch, source_length). "
                f"Received: memory with shape {tuple(memory_shape)}, memory_mask with "
                f"shape {tuple(mask_shape)}"
            )

    @property
    def precise(self):
        """The dtype of scores and weights."""
        return "float64" if self.compute_dtype == "float64" else "float32"

    def _dense(self, units, name, **kwargs):
        """Makes a matrix without a bias, as the papers' equations have it."""
        return keras.layers.Dense(
            units, use_bias=False, dtype=self.precise, name=name, **kwargs
        )


def masked_softmax(scores, mask):
    """Returns the softmax over the last axis, 0 where `mask` is False.

    Scores are replaced before the softmax and weights after it, so that neither huge
    scores nor a row without any True can make a NaN.

    Args:
        scores: float32 `(…, source_length)`.
        mask: boolean, broadcast to the shape of `scores`.
    """
    weights = ops.softmax(ops.where(mask, scores, MASKED), axis=-1)
    return ops.where(mask, weights, 0.0)


@keras.saving.register_keras_serializable(package="s2s_keras")
class AdditiveAttention(Attention):
    r"""$v^T \tanh(W q + U m_s)$: Bahdanau et al. (2015), appendix A.1.2.

    The layer itself in `keras.layers` of this name has no $W$ and $U$.

    Args:
        units: size of the space in which query and memory are added.
    """

    has_keys = True

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.query_projection = self._dense(units, "query_projection")
        self.key_projection = self._dense(units, "key_projection")
        self.energy = self._dense(1, "energy")

    def build(self, query_shape, memory_shape, *_, **__):
        self.query_projection.build((None, None, query_shape[-1]))
        self.key_projection.build((None, None, memory_shape[-1]))
        self.energy.build((None, self.units))
        super().build(query_shape, memory_shape)

    def keys_of(self, memory):
        return self.key_projection(memory)  # (batch, source_length, units)

    def score(self, query, keys):
        query = self.query_projection(query)  # (batch, target_length, units)
        both = ops.tanh(query[:, :, None, :] + keys[:, None, :, :])
        # As a product of two matrices: Keras 3.10 leaves one of rank 4 to TensorFlow,
        # which with oneDNN writes past the end of the result for a single query.
        energy = self.energy(ops.reshape(both, (-1, self.units)))
        return ops.reshape(energy, ops.shape(both)[:3])

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable(package="s2s_keras")
class ConcatAttention(AdditiveAttention):
    r"""$v^T \tanh(W [q; m_s])$: Luong et al. (2015), section 3.1, "concat".

    A matrix times two stacked vectors is the sum of two matrices times one each, so
    this is the additive score under another name: the rows of $W$ that meet the query
    are `query_projection`, the others `key_projection`. What the two papers do
    differently is where the query comes from.
    """


@keras.saving.register_keras_serializable(package="s2s_keras")
class DotAttention(Attention):
    """$q^T m_s$: Luong et al. (2015), section 3.1, "dot"."""

    compares_directly = True

    def score(self, query, keys):
        return ops.matmul(query, ops.transpose(keys, (0, 2, 1)))


@keras.saving.register_keras_serializable(package="s2s_keras")
class ScaledDotAttention(DotAttention):
    r"""$q^T m_s / \sqrt{units}$: Vaswani et al. (2017), equation 1."""

    def score(self, query, keys):
        return super().score(query, keys) / query.shape[-1] ** 0.5


@keras.saving.register_keras_serializable(package="s2s_keras")
class GeneralAttention(Attention):
    """$q^T W m_s$: Luong et al. (2015), section 3.1, "general"."""

    has_keys = True

    def build(self, query_shape, memory_shape, *_, **__):
        self.key_projection = self._dense(query_shape[-1], "key_projection")
        self.key_projection.build((None, None, memory_shape[-1]))
        super().build(query_shape, memory_shape)

    def keys_of(self, memory):
        return self.key_projection(memory)  # (batch, source_length, query_units)

    def score(self, query, keys):
        return ops.matmul(query, ops.transpose(keys, (0, 2, 1)))


@keras.saving.register_keras_serializable(package="s2s_keras")
class CosineAttention(Attention):
    r"""$\beta(q) \cos(q, m_s)$: Graves et al. (2014), equations 5 and 6.

    A cosine lies between -1 and 1, too narrow for a softmax that is to choose one of
    many. The paper's key strength $\beta(q) > 0$ widens it. Here it is
    $softplus(w^T q + b)$, and $b$ starts at 5.
    """

    compares_directly = True

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.strength = keras.layers.Dense(
            1,
            activation="softplus",
            bias_initializer=keras.initializers.Constant(5.0),
            dtype=self.precise,
            name="strength",
        )

    def build(self, query_shape, memory_shape, *_, **__):
        self.strength.build((None, None, query_shape[-1]))
        super().build(query_shape, memory_shape)

    def score(self, query, keys):
        cosine = ops.matmul(
            _of_length_1(query), ops.transpose(_of_length_1(keys), (0, 2, 1))
        )
        return self.strength(query) * cosine


def _of_length_1(vectors):
    """Divides vectors by their length; zeros stay zeros.

    `ops.normalize` takes the root before the maximum: compiled with XLA, its gradient
    at a padding's zeros is NaN.
    """
    square = ops.sum(ops.square(vectors), axis=-1, keepdims=True)
    return vectors * ops.rsqrt(ops.maximum(square, 1e-12))


@keras.saving.register_keras_serializable(package="s2s_keras")
class LocationAttention(Attention):
    """$(W q)_s$: Luong et al. (2015), equation 8, "location".

    The score of a position does not depend on what stands there. Positions from
    `longest` on get the weight 0, as in the paper, unless a local attention's window
    shows nothing else.

    Args:
        longest: how many positions $W$ has a row for.
    """

    def __init__(self, longest=50, **kwargs):
        super().__init__(**kwargs)
        self.longest = longest
        self.position_scores = self._dense(longest, "position_scores")

    def build(self, query_shape, memory_shape, *_, **__):
        self.position_scores.build((None, None, query_shape[-1]))
        super().build(query_shape, memory_shape)

    def score(self, query, keys):
        scores = self.position_scores(query)  # (batch, target_length, longest)
        positions = ops.arange(ops.shape(keys)[1], dtype="int32")  # (source_length,)
        known = ops.take(scores, ops.minimum(positions, self.longest - 1), axis=2)
        return ops.where(positions < self.longest, known, UNKNOWN)

    def get_config(self):
        return {**super().get_config(), "longest": self.longest}


@keras.saving.register_keras_serializable(package="s2s_keras")
class LocalAttention(Attention):
    """The frame of attention through a window: a subclass says where its center is.

    Args:
        scoring: the `Attention` layer whose scores are used.
        window: how many positions it sees on each side of its center.
    """

    def __init__(self, scoring, window=10, **kwargs):
        super().__init__(**kwargs)
        check_whole("window", window, 1)
        self.scoring = scoring
        self.window = window
        self.has_keys = scoring.has_keys
        self.compares_directly = scoring.compares_directly

    def build(self, query_shape, memory_shape, *_, **__):
        if not self.scoring.built:  # loading a model builds it first
            self.scoring.build(query_shape, memory_shape)
        super().build(query_shape, memory_shape)

    def keys_of(self, memory):
        return self.scoring.keys_of(memory)

    def score(self, query, keys):
        return self.scoring.score(query, keys)

    def center(self, query, memory_mask, position):
        """Returns the window's center as a float, `(batch, target_length)`."""
        raise NotImplementedError

    def _seen(self, center, memory_mask):
        """Returns distances from the center, and which positions the window shows."""
        positions = ops.arange(ops.shape(memory_mask)[1], dtype=center.dtype)
        distance = positions[None, None, :] - center[:, :, None]
        seen = ops.logical_and(
            memory_mask[:, None, :], ops.abs(distance) <= float(self.window)
        )
        return distance, seen  # both (batch, target_length, source_length)

    def _last(self, memory_mask, dtype):
        """Returns the position of the last real token, `(batch,)`."""
        return ops.sum(ops.cast(memory_mask, dtype), axis=1) - 1.0

    def get_config(self):
        scoring = keras.saving.serialize_keras_object(self.scoring)
        return {**super().get_config(), "scoring": scoring, "window": self.window}

    @classmethod
    def from_config(cls, config):
        scoring = keras.saving.deserialize_keras_object(config["scoring"])
        return cls(**{**config, "scoring": scoring})


@keras.saving.register_keras_serializable(package="s2s_keras")
class LocalMonotonicAttention(LocalAttention):
    """Attention near the diagonal: Luong et al. (2015), section 3.2, "local-m".

    The window of target position $t$ has its center at source position $t$, or at the
    last real token where the source is shorter.
    """

    needs_position = True

    def center(self, query, memory_mask, position):
        steps = ops.arange(ops.shape(query)[1], dtype=query.dtype)
        center = ops.cast(position, query.dtype)[:, None] + steps[None, :]
        return ops.minimum(center, self._last(memory_mask, query.dtype)[:, None])

    def weigh(self, query, scores, memory_mask, position):
        center = self.center(query, memory_mask, position)
        _, seen = self._seen(center, memory_mask)
        return masked_softmax(scores, seen)


@keras.saving.register_keras_serializable(package="s2s_keras")
class LocalPredictiveAttention(LocalAttention):
    r"""Attention near a learned place: Luong et al. (2015), equations 9, 10, "local-p".

    The center is $S \cdot sigmoid(v^T \tanh(W q))$ for a source of $S$ tokens, and a
    weight falls with its distance from it as $\exp(-distance^2 / 2 \sigma^2)$, where
    $\sigma$ is half the window. The paper leaves it there; here the weights are then
    divided by their sum, so that they sum to 1 as everywhere.

    Args:
        units: size of the hidden layer that predicts the center.
    """

    def __init__(self, scoring, window=10, units=64, **kwargs):
        super().__init__(scoring, window, **kwargs)
        self.units = units
        self.hidden = self._dense(units, "hidden", activation="tanh")
        self.place = self._dense(1, "place", activation="sigmoid")

    def build(self, query_shape, memory_shape, *_, **__):
        self.hidden.build((None, None, query_shape[-1]))
        self.place.build((None, None, self.units))
        super().build(query_shape, memory_shape)

    def center(self, query, memory_mask, position):
        share = self.place(self.hidden(query))[..., 0]  # (batch, target_length)
        return share * (self._last(memory_mask, query.dtype)[:, None] + 1.0)

    def weigh(self, query, scores, memory_mask, position):
        center = self.center(query, memory_mask, position)
        distance, seen = self._seen(center, memory_mask)
        # A factor on a weight is a term of its score; the softmax divides by the sum.
        fading = -0.5 * ops.square(distance / (0.5 * self.window))
        return masked_softmax(scores + fading, seen)

    def get_config(self):
        return {**super().get_config(), "units": self.units}


SCORES = {
    "additive": AdditiveAttention,
    "concat": ConcatAttention,
    "dot": DotAttention,
    "scaled_dot": ScaledDotAttention,
    "general": GeneralAttention,
    "cosine": CosineAttention,
    "location": LocationAttention,
}
