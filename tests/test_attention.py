"""Tests of `s2s_keras.layers.attention` against the papers' equations in float64."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from s2s_keras.layers import (
    AdditiveAttention,
    ConcatAttention,
    CosineAttention,
    DotAttention,
    GeneralAttention,
    LocalMonotonicAttention,
    LocalPredictiveAttention,
    LocationAttention,
    ScaledDotAttention,
)
from s2s_keras.layers.attention import masked_softmax

BATCH, TARGET, SOURCE = 3, 4, 7
QUERY, MEMORY, HIDDEN, PLACE = 5, 9, 6, 8
LONGEST, WINDOW = 5, 2
LENGTHS = np.array([SOURCE, 2, 6])

GLOBAL = {
    "additive": lambda **dtype: AdditiveAttention(HIDDEN, **dtype),
    "concat": lambda **dtype: ConcatAttention(HIDDEN, **dtype),
    "dot": DotAttention,
    "scaled_dot": ScaledDotAttention,
    "general": GeneralAttention,
    "cosine": CosineAttention,
    "location": lambda **dtype: LocationAttention(LONGEST, **dtype),
}


WINDOWS = {
    "monotonic": lambda scoring, **dtype: LocalMonotonicAttention(
        scoring, WINDOW, **dtype
    ),
    "predictive": lambda scoring, **dtype: LocalPredictiveAttention(
        scoring, WINDOW, PLACE, **dtype
    ),
}
LAYERS = [
    *GLOBAL,
    *(
        f"{window} {scoring}"
        for window in WINDOWS
        for scoring in ("dot", "additive", "general", "location")
    ),
]
every_layer = pytest.mark.parametrize("name", LAYERS)
every_projecting_layer = pytest.mark.parametrize(
    "name", [n for n in LAYERS if n.split()[-1] in ("additive", "concat", "general")]
)


# The equations, of one query and the real part of one memory, without masks


def softmax(scores):
    powers = np.exp(scores - scores.max())
    return powers / powers.sum()


def additive(layer, query, memory):
    w, u, v = (np.asarray(weight, "float64") for weight in layer.get_weights())
    return np.array([v[:, 0] @ np.tanh(w.T @ query + u.T @ m) for m in memory])


def concat(layer, query, memory):
    of_query, of_memory, v = (
        np.asarray(weight, "float64") for weight in layer.get_weights()
    )
    w = np.concatenate([of_query, of_memory]).T  # (units, query_units + memory_units)
    return np.array([v[:, 0] @ np.tanh(w @ np.concatenate([query, m])) for m in memory])


def dot(layer, query, memory):
    return np.array([sum(query * m) for m in memory])


def scaled_dot(layer, query, memory):
    return dot(layer, query, memory) / np.sqrt(len(query))


def general(layer, query, memory):
    (kernel,) = layer.get_weights()  # (memory_units, query_units)
    return np.array([query @ np.float64(kernel).T @ m for m in memory])


def cosine(layer, query, memory):
    kernel, bias = (np.asarray(weight, "float64") for weight in layer.get_weights())
    strength = np.log1p(np.exp(query @ kernel[:, 0] + bias[0]))
    norms = np.linalg.norm(query) * np.linalg.norm(memory, axis=1)
    return strength * (memory @ query) / norms


def location(layer, query, memory):
    (kernel,) = layer.get_weights()
    scores = np.full(len(memory), -np.inf)
    scores[:LONGEST] = (query @ np.float64(kernel))[: len(memory)]
    return scores


EQUATIONS = {
    function.__name__: function
    for function in (additive, concat, dot, scaled_dot, general, cosine, location)
}


def predicted_center(layer, query, length):
    """Luong et al. (2015), equation 9."""
    (w,), (v,) = layer.hidden.get_weights(), layer.place.get_weights()
    place = np.tanh(query @ np.float64(w)) @ np.float64(v)[:, 0]
    return length / (1.0 + np.exp(-place))


def expected_weights(name, layer, query, memory, position):
    """Returns the weights `(length,)` of a query `(units,)` at a target position."""
    *window, scoring = name.split()
    if not window:
        return softmax(EQUATIONS[scoring](layer, query, memory))
    scores = EQUATIONS[scoring](layer.scoring, query, memory)
    positions = np.arange(len(memory))
    if window == ["monotonic"]:
        center = min(position, len(memory) - 1)
        gaussian = np.ones(len(memory))
    else:
        center = predicted_center(layer, query, len(memory))
        gaussian = np.exp(-((positions - center) ** 2) / (2.0 * (WINDOW / 2.0) ** 2))
    within = (positions >= center - WINDOW) & (positions <= center + WINDOW)
    aligned = np.zeros(len(memory))
    aligned[within] = softmax(scores[within]) * gaussian[within]  # equation 10
    return aligned / aligned.sum()


# Draws and comparisons


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def drawn(name, lengths=LENGTHS, *, target=TARGET, source=SOURCE, seed=0):
    """Draws queries, memory (garbage at the padding too) and a mask, in float64."""
    direct = name.split()[-1] in ("dot", "scaled_dot", "cosine")
    memory_units = QUERY if direct else MEMORY
    return (
        normal(len(lengths), target, QUERY, seed=seed),
        normal(len(lengths), source, memory_units, seed=seed + 1),
        np.arange(source) < np.array(lengths)[:, None],
    )


def new(name, **dtype):
    """Makes a layer, such as of the name "monotonic dot"."""
    *window, scoring = name.split()
    layer = GLOBAL[scoring](**dtype)
    return WINDOWS[window[0]](layer, **dtype) if window else layer


def made(name, seed=5, **dtype):
    """Makes a layer and gives every weight, bias too, a value that matters."""
    layer = new(name, **dtype)
    query, memory, _ = drawn(name)
    layer.build(query.shape, memory.shape)
    for number, weight in enumerate(layer.weights, start=seed):
        weight.assign(normal(*weight.shape, seed=number))
    return layer


@functools.cache
def shared(name):
    return made(name, dtype="float64")


def numpy(tensors):
    return [ops.convert_to_numpy(tensor) for tensor in tensors]


def assert_follows_the_equations(name, layer, query, memory, mask, tolerance):
    context, weights = numpy(layer(query, memory, mask))
    assert context.shape == (*query.shape[:2], memory.shape[-1])
    assert weights.shape == (*query.shape[:2], memory.shape[1])
    for row, length in enumerate(mask.sum(axis=1)):
        real = np.float64(memory[row, :length])
        for step in range(query.shape[1]):
            expected = expected_weights(
                name, layer, np.float64(query[row, step]), real, step
            )
            np.testing.assert_allclose(
                weights[row, step, :length], expected, atol=tolerance
            )
            np.testing.assert_allclose(
                context[row, step], expected @ real, atol=10 * tolerance
            )
    assert (weights[np.broadcast_to(~mask[:, None], weights.shape)] == 0.0).all()
    np.testing.assert_allclose(weights.sum(axis=-1), 1.0, rtol=1e-6)


# The equations


@every_layer
@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-12), ("float32", 1e-6)])
def test_many_queries_follow_the_equations(name, dtype, tolerance):
    query, memory, mask = drawn(name)
    layer = made(name, dtype=dtype)
    query, memory = query.astype(dtype), memory.astype(dtype)
    assert_follows_the_equations(name, layer, query, memory, mask, tolerance)


@every_layer
def test_a_single_query_gives_its_row_of_many_queries(name):
    query, memory, mask = drawn(name)
    layer = made(name, dtype="float64")
    contexts, rows = numpy(layer(query, memory, mask))
    for step in range(TARGET):
        position = np.full(BATCH, step, "int32")
        context, weights = layer(query[:, step], memory, mask, position=position)
        assert (context.shape, weights.shape) == (
            (BATCH, memory.shape[-1]),
            (BATCH, SOURCE),
        )
        np.testing.assert_allclose(weights, rows[:, step], atol=1e-14)
        np.testing.assert_allclose(context, contexts[:, step], atol=1e-14)


def test_each_row_has_a_position_of_its_own():
    query, memory, mask = drawn("monotonic dot")
    layer = made("monotonic dot", dtype="float64")
    positions = np.array([5, 0, 3], "int32")
    _, weights = numpy(layer(query[:, 0], memory, mask, position=positions))
    for row, position in enumerate(positions):
        length = LENGTHS[row]
        expected = expected_weights(
            "monotonic dot", layer, query[row, 0], memory[row, :length], position
        )
        np.testing.assert_allclose(weights[row, :length], expected, atol=1e-12)


@pytest.mark.parametrize("name", ["additive", "cosine", "monotonic general"])
@settings(max_examples=20)
@given(
    lengths=st.lists(st.integers(1, 6), min_size=1, max_size=3),
    target=st.integers(1, 8),
    more_columns=st.integers(0, 2),
    seed=st.integers(0, 99),
)
def test_any_lengths_follow_the_equations(name, lengths, target, more_columns, seed):
    sizes = {"target": target, "source": max(lengths) + more_columns, "seed": seed}
    query, memory, mask = drawn(name, lengths, **sizes)
    assert_follows_the_equations(name, shared(name), query, memory, mask, 1e-12)


def test_the_window_of_monotonic_attention_follows_the_diagonal_to_the_last_token():
    layer = made("monotonic dot")
    query, memory, mask = drawn("monotonic dot", [7, 3], target=9)
    _, weights = numpy(layer(query, memory, mask))
    for row, length in enumerate((7, 3)):
        for step in range(9):
            center = min(step, length - 1)
            seen = range(max(0, center - WINDOW), min(length, center + WINDOW + 1))
            assert np.flatnonzero(weights[row, step]).tolist() == list(seen)


@every_layer
def test_a_permuted_memory_permutes_scores_that_do_not_know_positions(name):
    query, memory, mask = drawn(name, [SOURCE] * BATCH)
    layer = made(name, dtype="float64")
    order = np.array([2, 6, 0, 5, 1, 4, 3])
    context, weights = numpy(layer(query, memory, mask))
    new_context, new_weights = numpy(layer(query, memory[:, order], mask))
    if name == "location":  # the memory does not matter at all
        np.testing.assert_array_equal(new_weights, weights)
    elif " " in name:  # the window stands where it stood
        np.testing.assert_array_equal(new_weights > 0.0, weights > 0.0)
        assert np.abs(new_context - context).max() > 0.1
    else:
        np.testing.assert_allclose(new_weights, weights[..., order], atol=1e-14)
        np.testing.assert_allclose(new_context, context, atol=1e-13)


def test_permuting_values_of_location_attention_permutes_what_the_weights_pick():
    query, memory, mask = drawn("location", [SOURCE] * BATCH)
    layer = made("location", dtype="float64")
    context, weights = numpy(layer(query, memory[:, ::-1], mask))
    np.testing.assert_allclose(context, weights @ memory[:, ::-1], atol=1e-14)


def test_the_predicted_center_is_where_the_weights_are_when_all_scores_are_equal():
    layer = made("predictive dot", dtype="float64")
    query, memory, mask = drawn("predictive dot")
    _, weights = numpy(layer(query, np.zeros_like(memory), mask))
    centers = set()
    for row, length in enumerate(LENGTHS):
        for step in range(TARGET):
            center = predicted_center(layer, query[row, step], length)
            nearest = min(round(center), length - 1)
            assert weights[row, step].argmax() == nearest
            centers.add(nearest)
    assert len(centers) > 3, "the queries must matter"


# Gradients


@every_layer
def test_gradients_equal_finite_differences(name):
    layer = made(name, dtype="float64")
    query, memory, mask = drawn(name)
    inputs = [tf.Variable(query), tf.Variable(memory)]
    tensors = inputs + [weight.value for weight in layer.trainable_variables]
    of_context, of_weights = normal(*memory.shape[-1:], seed=7), normal(SOURCE, seed=8)

    def loss():
        context, weights = layer(*inputs, mask)
        return tf.reduce_sum(context * of_context) + tf.reduce_sum(weights * of_weights)

    with tf.GradientTape() as tape:
        value = loss()
    gradients = tape.gradient(value, tensors, unconnected_gradients="zero")
    assert len(layer.trainable_variables) == len(layer.weights)
    step = 1e-6
    for number, (tensor, gradient) in enumerate(zip(tensors, gradients, strict=True)):
        direction = normal(*tensor.shape, seed=20 + number)
        start = tensor.numpy()
        tensor.assign(start + step * direction)
        above = loss()
        tensor.assign(start - step * direction)
        below = loss()
        tensor.assign(start)
        expected = (above - below) / (2.0 * step)
        np.testing.assert_allclose(
            tf.reduce_sum(gradient * direction), expected, rtol=1e-6, atol=1e-7
        )
        if name.endswith("location") and number == 1:
            continue  # the scores of this memory do not depend on it
        assert np.abs(expected) > 1e-4, "what is compared must not vanish"


def gradients_of(layer, query, memory, mask):
    with tf.GradientTape() as tape:
        tape.watch([query, memory])
        context, weights = layer(query, memory, mask)
        loss = tf.reduce_mean(tf.cast(context, tf.float32))
        loss += tf.reduce_sum(weights * np.arange(weights.shape[-1], dtype="float32"))
    watched = [query, memory, *layer.trainable_variables]
    return context, weights, *tape.gradient(loss, watched, unconnected_gradients="zero")


# Numbers at their limits


XLA = ("additive", "general", "cosine", "location", "predictive dot")


@pytest.mark.parametrize(
    "name, compiled",
    [*((name, False) for name in LAYERS), *((name, True) for name in XLA)],
    ids=lambda value: {True: "XLA float16", False: "eager float32"}.get(value, value),
)
def test_no_score_and_no_empty_row_makes_a_nan(name, compiled):
    dtype = "float16" if compiled else "float32"
    layer = made(name, dtype="mixed_float16" if compiled else dtype)
    run = tf.function(gradients_of, jit_compile=True) if compiled else gradients_of
    query, memory, mask = drawn(name, [SOURCE, 0, 3])
    memory = np.where(mask[:, :, None], memory, 0.0)  # as an encoder leaves it
    for size in (0.0, 1.0, 1e4):
        inputs = [tf.constant(size * part, dtype) for part in (query, memory)]
        context, weights, *gradients = run(layer, *inputs, mask)
        assert (context.dtype, weights.dtype) == (dtype, "float32")
        for tensor in (context, weights, *gradients):
            assert not np.isnan(tensor).any()
        assert np.isfinite(context).all()
        np.testing.assert_array_equal(weights[1], 0.0)
        np.testing.assert_array_equal(context[1], 0.0)
        np.testing.assert_array_equal(weights[2, :, 3:], 0.0)
        sums = tf.reduce_sum(weights, axis=-1)
        np.testing.assert_allclose(sums[0], 1.0, rtol=1e-6)
        np.testing.assert_allclose(sums[2], 1.0, rtol=1e-6)


@every_layer
def test_half_precision_comes_near_the_equations(name):
    layer = made(name, dtype="mixed_float16")
    query, memory, mask = drawn(name)
    query, memory = query.astype("float16"), memory.astype("float16")
    context, weights = numpy(layer(query, memory, mask))
    for row, length in enumerate(LENGTHS):
        real = np.float64(memory[row, :length])
        for step in range(TARGET):
            one = np.float64(query[row, step])
            expected = expected_weights(name, layer, one, real, step)
            # Scores are float32, and both sides have the same rounded inputs.
            np.testing.assert_allclose(weights[row, step, :length], expected, atol=1e-5)
            np.testing.assert_allclose(context[row, step], expected @ real, atol=0.01)


@every_layer
@pytest.mark.parametrize("garbage", [-7.0, 1e4, 1e30])
def test_what_stands_at_the_padding_does_not_matter(name, garbage):
    layer = made(name)
    query, memory, mask = drawn(name)
    query, memory = np.float32(query), np.float32(memory)
    clean = np.where(mask[:, :, None], memory, np.float32(0.0))
    dirty = np.where(mask[:, :, None], memory, np.float32(garbage))
    expected, actual = (
        gradients_of(layer, tf.constant(query), tf.constant(memory), mask)
        for memory in (clean, dirty)
    )
    for one, other in zip(actual, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(actual[1], expected[1])


def test_the_masked_softmax_knows_any_hole_in_a_mask():
    scores = np.float32(normal(2, 3, 5))
    mask = normal(2, 3, 5, seed=1) > 0.0
    mask[0, 0] = False
    weights = ops.convert_to_numpy(masked_softmax(scores, mask))
    for row, real, found in zip(
        *(a.reshape(-1, 5) for a in (scores, mask, weights)), strict=True
    ):
        expected = np.zeros(5)
        if real.any():
            expected[real] = softmax(np.float64(row[real]))
        np.testing.assert_allclose(found, expected, atol=1e-6)
        assert (found[~real] == 0.0).all()


@every_layer
def test_no_product_of_matrices_is_of_rank_4(name):
    """TensorFlow with oneDNN corrupts memory in some; Keras 3.10 leaves them to it."""
    layer = made(name)
    query, memory, mask = drawn(name)
    traced = tf.function(gradients_of).get_concrete_function(
        layer,
        *(tf.TensorSpec(part.shape, tf.float32) for part in (query[:, 0], memory)),
        tf.TensorSpec(mask.shape, tf.bool),
    )
    products = [op for op in traced.graph.get_operations() if "MatMul" in op.type]
    assert products
    assert max(tensor.shape.rank for op in products for tensor in op.inputs) <= 3


# Positions that the location score does not know


@pytest.mark.parametrize("name", ["location", "monotonic location"])
def test_positions_from_longest_on_get_no_weight(name):
    layer = made(name)
    query, memory, mask = drawn(name)
    _, weights = numpy(layer(query, memory, mask))
    np.testing.assert_array_equal(weights[:, :, LONGEST:], 0.0)
    assert (weights[0, :, : LONGEST - 1].max(axis=-1) > 0.0).all()
    np.testing.assert_allclose(weights.sum(axis=-1), 1.0, rtol=1e-6)


def test_a_window_beyond_longest_still_has_weights_that_sum_to_1():
    layer = made("monotonic location")
    query, memory, mask = drawn("monotonic location", [12, 1, 8], target=12, source=12)
    _, weights = numpy(layer(query, memory, mask))
    np.testing.assert_allclose(weights.sum(axis=-1), 1.0, rtol=1e-6)
    np.testing.assert_array_equal(weights[0, 11] > 0.0, np.arange(12) >= 9)


def test_a_source_may_be_shorter_and_longer_than_longest():
    layer = made("location")
    for source in (1, LONGEST - 1, LONGEST, LONGEST + 1):
        query, memory, mask = drawn("location", [source, 1, 1], source=source)
        assert_follows_the_equations(
            "location", layer, *map(np.float32, (query, memory)), mask, 1e-6
        )


# Keys


@every_projecting_layer
@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
@pytest.mark.parametrize("size", [1.0, 6e4])
def test_keys_projected_once_equal_keys_projected_in_place(name, policy, size):
    layer = made(name, dtype=policy)
    query, memory, mask = drawn(name)
    memory = size * np.clip(memory, -1.0, 1.0)
    if policy == "mixed_float16":
        query, memory = query.astype("float16"), memory.astype("float16")
    keys = layer.project(memory)
    assert keys.dtype == "float32", "half precision is for the memory alone"
    assert layer.has_keys
    context, weights = layer(query, memory, mask, keys=keys)
    expected_context, expected = layer(query, memory, mask)
    np.testing.assert_array_equal(weights, expected)
    np.testing.assert_array_equal(context, expected_context)
    _, other = layer(query, memory, mask, keys=keys[:, ::-1])
    assert np.abs(other - expected).max() > 0.01, "given keys must be used"


@every_layer
def test_only_layers_that_project_say_that_they_have_keys(name):
    layer = made(name)
    _, memory, _ = drawn(name)
    memory = ops.convert_to_tensor(memory, "float32")
    assert layer.has_keys == (layer.project(memory) is not memory)
    assert layer.needs_position == name.startswith("monotonic")


# Symbolic calls, saving, configurations


def model_of(layer, name):
    direct = name.split()[-1] in ("dot", "scaled_dot", "cosine")
    memory_units = QUERY if direct else MEMORY
    query = keras.Input((None, QUERY), name="query")
    one = keras.Input((QUERY,), name="one")
    memory = keras.Input((None, memory_units), name="memory")
    mask = keras.Input((None,), dtype="bool", name="mask")
    many = layer(query, memory, mask)
    single = layer(one, memory, mask)
    return keras.Model([query, one, memory, mask], [*many, *single])


@every_layer
def test_a_model_with_the_layer_saves_and_loads(name, tmp_path):
    model = model_of(new(name), name)
    for number, weight in enumerate(model.weights):
        weight.assign(normal(*weight.shape, seed=number))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    query, memory, mask = drawn(name)
    inputs = [query, query[:, 0], memory, mask]
    outputs = model(inputs)
    for output, expected in zip(loaded(inputs), outputs, strict=True):
        np.testing.assert_array_equal(output, expected)
    for symbolic, tensor in zip(model.outputs, outputs, strict=True):
        assert symbolic.dtype == tensor.dtype.name
        assert len(symbolic.shape) == len(tensor.shape)
        for size, real_size in zip(symbolic.shape, tensor.shape, strict=True):
            assert size in (None, real_size)
        assert getattr(tensor, "_keras_mask", None) is None


@every_layer
def test_the_configuration_makes_the_same_layer(name):
    layer = new(name, dtype="mixed_float16")
    copy = type(layer).from_config(layer.get_config())
    assert copy.get_config() == layer.get_config()
    assert (copy.name, copy.compute_dtype) == (layer.name, "float16")
    for attribute in ("units", "longest", "window"):
        assert getattr(copy, attribute, None) == getattr(layer, attribute, None)
    if " " in name:
        assert type(copy.scoring) is type(layer.scoring)


def test_weights_of_the_equations_alone_exist():
    counts = {name: made(name).count_params() for name in LAYERS}
    additive = QUERY * HIDDEN + MEMORY * HIDDEN + HIDDEN
    place = QUERY * PLACE + PLACE
    assert counts == {
        **{"additive": additive, "concat": additive, "dot": 0, "scaled_dot": 0},
        **{"general": MEMORY * QUERY, "cosine": QUERY + 1},
        "location": QUERY * LONGEST,
        **{"monotonic dot": 0, "monotonic additive": additive},
        **{"monotonic general": MEMORY * QUERY, "monotonic location": QUERY * LONGEST},
        **{"predictive dot": place, "predictive additive": additive + place},
        "predictive general": MEMORY * QUERY + place,
        "predictive location": QUERY * LONGEST + place,
    }


# Errors


@pytest.mark.parametrize("name", ["dot", "scaled_dot", "cosine", "predictive dot"])
def test_direct_comparison_of_different_units_is_refused(name):
    query, memory, mask = normal(3, QUERY), normal(3, SOURCE, MEMORY), np.ones((3, 7))
    message = r"same units. Received: query .*\(3, 5\), memory .*\(3, 7, 9\).*General"
    with pytest.raises(ValueError, match=message):
        new(name)(query, memory, mask.astype(bool))


@every_layer
def test_a_memory_of_the_wrong_rank_is_refused(name):
    with pytest.raises(ValueError, match=r"memory must be .* shape \(3, 5\)"):
        new(name)(normal(3, QUERY), normal(3, QUERY), np.ones((3, 7), bool))


@pytest.mark.parametrize(
    "query, mask",
    [((3, QUERY), (3, SOURCE, 1)), ((3, 1, 1, QUERY), (3, SOURCE)), ((3, QUERY), (3,))],
    ids=str,
)
@pytest.mark.parametrize("symbolic", [False, True])
def test_a_query_or_a_mask_of_the_wrong_rank_is_refused(query, mask, symbolic):
    query, memory, mask = normal(*query), normal(3, SOURCE, QUERY), np.ones(mask, bool)
    if symbolic:
        query, memory = (keras.KerasTensor(part.shape) for part in (query, memory))
        mask = keras.KerasTensor(mask.shape, dtype="bool")
    with pytest.raises(ValueError, match="query must be .* memory_mask .* Received"):
        DotAttention()(query, memory, mask)


@every_layer
@pytest.mark.parametrize("columns", [1, SOURCE - 1])
def test_a_mask_of_another_length_is_refused(name, columns):
    query, memory = normal(3, QUERY), normal(3, SOURCE, QUERY)
    message = rf"memory_mask must be as long as memory.*\(3, 7, 5\).*\(3, {columns}\)"
    with pytest.raises(ValueError, match=message):
        new(name)(query, memory, np.ones((3, columns), bool))


@pytest.mark.parametrize("window", [0, -1, 2.0, None])
@pytest.mark.parametrize(
    "layer_class", [LocalMonotonicAttention, LocalPredictiveAttention]
)
def test_a_window_that_shows_nothing_is_refused(layer_class, window):
    with pytest.raises(ValueError, match="window must be a whole number of at least 1"):
        layer_class(DotAttention(), window)


@every_projecting_layer
def test_projecting_before_build_is_refused(name):
    with pytest.raises(ValueError, match="must be built before it projects: call it"):
        new(name).project(normal(3, SOURCE, MEMORY))
