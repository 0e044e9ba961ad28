"""Tests of `s2s_keras.layers.attention_decoders` by themselves.

That they follow the papers' equations, step by step and as a loop, is tested with the
models that they are part of, in `test_models.py`.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from s2s_keras.layers import (
    AdditiveAttention,
    BahdanauDecoder,
    GeneralAttention,
    InputFeedingDecoder,
    LocalMonotonicAttention,
)

BATCH, LENGTH, SOURCE = 3, 8, 6
FEATURES, UNITS, MEMORY = 4, 5, 7
MASK = np.arange(SOURCE) < np.array([6, 2, 4])[:, None]
DECODERS = {BahdanauDecoder: UNITS + MEMORY, InputFeedingDecoder: UNITS}

FINISH = {"residual": True, "layer_norm": True}

every_decoder = pytest.mark.parametrize("decoder", DECODERS)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def start(decoder, layers=1, cell="gru", **more):
    parts = ("hidden", "cell") if cell == "lstm" else ("hidden",)
    state = {
        f"{part}_{number}": normal(BATCH, UNITS, seed=number)
        for part in parts
        for number in range(1, layers + 1)
    }
    if decoder is InputFeedingDecoder:
        state["attentional"] = np.zeros((BATCH, UNITS), "float32")
    return {
        name: ops.convert_to_tensor(value) for name, value in (state | more).items()
    }


def distinct(vectors):
    """Counts the different vectors along the last axis."""
    rows = np.round(vectors, 5).reshape(-1, vectors.shape[-1])
    return len(np.unique(rows, axis=0))


def close(actual, expected):
    np.testing.assert_allclose(actual, expected, atol=2e-6)


@every_decoder
@pytest.mark.parametrize(
    "cell, layers, finish",
    [("rnn", 2, {}), ("gru", 2, {}), ("lstm", 2, {}), ("lstm", 3, FINISH)],
)
def test_single_steps_equal_the_loop(decoder, cell, layers, finish):
    layer = decoder(GeneralAttention(), cell, UNITS, layers, **finish)
    inputs, memory = normal(BATCH, LENGTH, FEATURES), normal(BATCH, SOURCE, MEMORY)
    state = start(decoder, layers, cell)
    layer.build(inputs.shape, None, memory.shape)
    keys = layer.attention.project(memory)
    outputs, weights, last = layer(inputs, state, memory, MASK)
    assert outputs.shape == (BATCH, LENGTH, DECODERS[decoder])
    assert weights.shape == (BATCH, LENGTH, SOURCE)
    for position in range(LENGTH):
        output, row, state = layer(inputs[:, position], state, memory, MASK, keys=keys)
        close(output, outputs[:, position])
        close(row, weights[:, position])
    assert state.keys() == last.keys()
    for name, tensor in state.items():
        close(tensor, last[name])


@every_decoder
def test_the_position_counts_the_steps_from_where_it_starts(decoder):
    attention = LocalMonotonicAttention(GeneralAttention(), window=1)
    layer = decoder(attention, "gru", UNITS)
    inputs, memory = normal(BATCH, LENGTH, FEATURES), normal(BATCH, SOURCE, MEMORY)
    state = start(decoder, position=np.array([0, 1, 3], "int32"))
    _, weights, last = layer(inputs, state, memory, MASK)
    np.testing.assert_array_equal(last["position"], [LENGTH, LENGTH + 1, LENGTH + 3])
    for row, (first, length) in enumerate([(0, 6), (1, 2), (3, 4)]):
        for step in range(LENGTH):
            center = min(first + step, length - 1)
            expected = [n for n in range(length) if abs(n - center) <= 1]
            assert np.flatnonzero(weights[row, step]).tolist() == expected


@every_decoder
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_dropout_drops_other_units_in_each_step_and_row(decoder, compiled):
    keras.utils.set_random_seed(1)
    layer = decoder(GeneralAttention(), "rnn", UNITS, layers=2, dropout=0.5)
    inputs = np.ones((BATCH, LENGTH, FEATURES), "float32")
    memory, mask = np.ones((BATCH, 1, MEMORY), "float32"), np.ones((BATCH, 1), bool)
    state = {name: ops.zeros_like(part) for name, part in start(decoder, 2).items()}
    layer(inputs, state, memory, mask)
    for cell in layer.cells:  # without memory, all steps and rows compute the same
        kernel, recurrent_kernel, bias = cell.get_weights()
        cell.set_weights([kernel, 0.0 * recurrent_kernel, bias])
    if decoder is InputFeedingDecoder:  # nor may the attentional vector come back
        kernel, *others = layer.cells[0].get_weights()
        kernel[FEATURES:] = 0.0
        layer.cells[0].set_weights([kernel, *others])
    run = tf.function(layer) if compiled else layer
    (calm, *_), (wild, *_), (again, *_) = (
        run(inputs, state, memory, mask, training=training)
        for training in (False, True, True)
    )
    assert distinct(calm) == 1
    assert distinct(wild[0]) > 3, "steps must differ"
    assert distinct(wild[:, :2]) > 3, "rows must differ"
    assert np.abs(again - wild).max() > 0.01, "and calls"


@every_decoder
def test_an_attention_that_is_shared_keeps_its_weights(decoder):
    attention = AdditiveAttention(3)
    inputs, memory = normal(BATCH, LENGTH, FEATURES), normal(BATCH, SOURCE, MEMORY)
    attention(normal(BATCH, UNITS), memory, MASK)
    before = attention.get_weights()
    layer = decoder(attention, "gru", UNITS)
    layer(inputs, start(decoder), memory, MASK)
    for value, expected in zip(attention.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, expected)


@every_decoder
def test_the_configuration_makes_the_same_decoder(decoder):
    attention = LocalMonotonicAttention(AdditiveAttention(3), window=2)
    start = {"recurrent_initializer": "glorot_uniform", "forget_bias": False}
    layer = decoder(attention, "lstm", UNITS, 2, 0.25, name="writer", **FINISH, **start)
    copy = decoder.from_config(layer.get_config())
    assert copy.get_config() == layer.get_config()
    assert (copy.name, copy.cell, copy.units) == ("writer", "lstm", UNITS)
    assert (copy.layers, copy.dropout, copy.attention.window) == (2, 0.25, 2)
    assert copy.attention.scoring.units == 3
    assert copy.residual and copy.layer_norm
    assert copy.get_config().items() >= start.items()
    assert [cell.residual for cell in copy.cells] == [False, True]
    assert all(cell.norm for cell in copy.cells)


@every_decoder
def test_the_cells_start_as_asked(decoder):
    for initializer, forget_bias in (("orthogonal", True), ("glorot_uniform", False)):
        layer = decoder(
            GeneralAttention(),
            "lstm",
            UNITS,
            layers=2,
            recurrent_initializer=initializer,
            forget_bias=forget_bias,
        )
        layer.build((BATCH, LENGTH, FEATURES), None, (BATCH, SOURCE, MEMORY))
        for cell in layer.cells:
            _, kernel, bias = map(np.float64, cell.get_weights())
            unlike = np.abs(kernel @ kernel.T - np.eye(UNITS)).max()
            assert (unlike < 1e-6) == (initializer == "orthogonal")
            opened = np.repeat([0.0, float(forget_bias), 0.0, 0.0], UNITS)
            np.testing.assert_array_equal(bias, opened)


@every_decoder
def test_symbolic_shapes_and_dtypes_are_the_real_ones(decoder):
    layer = decoder(AdditiveAttention(3), "lstm", UNITS, layers=2, **FINISH)
    inputs, memory = normal(BATCH, LENGTH, FEATURES), normal(BATCH, SOURCE, MEMORY)
    for given in (inputs, inputs[:, 0]):
        arguments = given, start(decoder, 2, "lstm"), memory, MASK
        symbolic = keras.tree.map_structure(
            lambda part: keras.KerasTensor(part.shape, part.dtype),
            [ops.convert_to_tensor(given), *arguments[1:2]]
            + [ops.convert_to_tensor(part) for part in arguments[2:]],
        )
        expected, real = layer(*symbolic), layer(*arguments)
        keras.tree.assert_same_structure(expected, real)
        for one, other in zip(
            keras.tree.flatten(expected), keras.tree.flatten(real), strict=True
        ):
            assert tuple(one.shape) == tuple(other.shape)
            assert one.dtype == keras.backend.standardize_dtype(other.dtype)
            assert getattr(other, "_keras_mask", None) is None
