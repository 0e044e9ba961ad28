"""Tests of `s2s_keras.layers.recurrent` against the cells' equations in float64."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_keras.layers import Bidirectional, ConcatenateContext, Recurrent
from s2s_keras.layers.recurrent import state_names

CELLS = ("rnn", "gru", "lstm")
BATCH, LENGTH, FEATURES, UNITS = 4, 6, 3, 5
LENGTHS = np.array([6, 1, 4, 2])
MASK = np.arange(LENGTH) < LENGTHS[:, None]


# The equations


def sigmoid(values):
    return 1.0 / (1.0 + np.exp(-values))


def rnn_step(inputs, state, kernel, recurrent_kernel, bias):
    return [np.tanh(inputs @ kernel + state[0] @ recurrent_kernel + bias)]


def gru_step(inputs, state, kernel, recurrent_kernel, bias):
    (hidden,) = state
    z_in, r_in, n_in = np.split(inputs @ kernel + bias[0], 3, axis=-1)
    z_hid, r_hid, n_hid = np.split(hidden @ recurrent_kernel + bias[1], 3, axis=-1)
    update = sigmoid(z_in + z_hid)
    candidate = np.tanh(n_in + sigmoid(r_in + r_hid) * n_hid)
    return [update * hidden + (1.0 - update) * candidate]


def lstm_step(inputs, state, kernel, recurrent_kernel, bias):
    hidden, cell = state
    gates = inputs @ kernel + hidden @ recurrent_kernel + bias
    input_gate, forget_gate, candidate, output_gate = np.split(gates, 4, axis=-1)
    cell = sigmoid(forget_gate) * cell + sigmoid(input_gate) * np.tanh(candidate)
    return [sigmoid(output_gate) * np.tanh(cell), cell]


STEPS = {"rnn": rnn_step, "gru": gru_step, "lstm": lstm_step}


def read(cell, inputs, state, weights):
    """Reads one row `(length, features)`; returns outputs and the last state."""
    weights = [np.float64(weight) for weight in weights]
    outputs = []
    for features in inputs:
        state = STEPS[cell](features, state, *weights)
        outputs.append(state[0])
    return np.array(outputs), state


def zeros(cell):
    return [np.zeros(UNITS) for _ in state_names(cell)]


# Draws and comparisons


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def with_random_weights(layer, inputs, **arguments):
    """Builds a layer and gives every weight, bias too, a value that matters."""
    layer(inputs, **arguments)
    for seed, weight in enumerate(layer.weights, start=1):
        weight.assign(normal(*weight.shape, seed=seed))
    return layer


def close(actual, expected):
    np.testing.assert_allclose(ops.convert_to_numpy(actual), expected, atol=3e-6)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("given_state", [False, True], ids=["zeros", "given state"])
def test_a_sequence_equals_the_equations_and_ends_at_the_last_real_token(
    cell, given_state
):
    inputs = normal(BATCH, LENGTH, FEATURES)
    initial = [normal(BATCH, UNITS, seed=n) for n in range(len(state_names(cell)))]
    layer = with_random_weights(Recurrent(cell, UNITS), inputs)
    outputs, state = layer(
        inputs,
        initial_state=[*map(ops.convert_to_tensor, initial)] if given_state else None,
        sequence_mask=MASK,
    )
    assert outputs.shape == (BATCH, LENGTH, UNITS)
    for row, length in enumerate(LENGTHS):
        start = [part[row] for part in initial] if given_state else zeros(cell)
        expected, final = read(cell, inputs[row, :length], start, layer.get_weights())
        close(outputs[row, :length], expected)
        close(outputs[row, length:], 0.0)
        for actual_part, part in zip(state, final, strict=True):
            close(actual_part[row], part)


@pytest.mark.parametrize("cell", CELLS)
def test_single_steps_equal_the_sequence(cell):
    inputs = normal(BATCH, LENGTH, FEATURES)
    layer = with_random_weights(Recurrent(cell, UNITS), inputs)
    state = [ops.zeros((BATCH, UNITS)) for _ in state_names(cell)]
    outputs, final = layer(inputs, initial_state=state)
    for position in range(LENGTH):
        output, state = layer(inputs[:, position], initial_state=state)
        close(output, outputs[:, position])
    for part, expected in zip(state, final, strict=True):
        close(part, expected)


@pytest.mark.parametrize("cell", CELLS)
def test_bidirectional_reads_each_row_from_both_of_its_real_ends(cell):
    inputs = normal(BATCH, LENGTH, FEATURES)
    layer = with_random_weights(Bidirectional(cell, UNITS), inputs, sequence_mask=MASK)
    outputs, state = layer(inputs, sequence_mask=MASK)
    assert outputs.shape == (BATCH, LENGTH, 2 * UNITS)
    for row, length in enumerate(LENGTHS):
        real = inputs[row, :length]
        ahead, ahead_state = read(cell, real, zeros(cell), layer.forward.get_weights())
        back, back_state = read(
            cell, real[::-1], zeros(cell), layer.backward.get_weights()
        )
        close(outputs[row, :length], np.concatenate([ahead, back[::-1]], axis=-1))
        close(outputs[row, length:], 0.0)
        for part, *both in zip(state, ahead_state, back_state, strict=True):
            close(part[row], np.concatenate(both))


def test_the_context_stands_beside_every_step():
    steps, context = normal(BATCH, LENGTH, FEATURES), normal(BATCH, 2, seed=1)
    sequence = ConcatenateContext()(steps, context)
    assert sequence.shape == (BATCH, LENGTH, FEATURES + 2)
    for position in range(LENGTH):
        expected = np.concatenate([steps[:, position], context], axis=-1)
        close(sequence[:, position], expected)
        close(ConcatenateContext()(steps[:, position], context), expected)


def model_of(layer_class, cell):
    inputs = keras.Input((None, FEATURES))
    mask = keras.Input((None,), dtype="bool")
    outputs, state = layer_class(cell, UNITS, name="layer")(inputs, sequence_mask=mask)
    context = ConcatenateContext()(outputs, state[0])
    return keras.Model([inputs, mask], [context, *state])


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("layer_class", [Recurrent, Bidirectional])
def test_a_model_with_the_layers_saves_and_loads(layer_class, cell, tmp_path):
    model = model_of(layer_class, cell)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    inputs = [normal(BATCH, LENGTH, FEATURES), MASK]
    for output, expected in zip(loaded(inputs), model(inputs), strict=True):
        np.testing.assert_array_equal(output, expected)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("layer_class", [Recurrent, Bidirectional])
def test_symbolic_shapes_are_the_real_ones(layer_class, cell):
    model = model_of(layer_class, cell)
    outputs = model([normal(BATCH, LENGTH, FEATURES), MASK])
    for symbolic, tensor in zip(model.outputs, outputs, strict=True):
        assert symbolic.dtype == tensor.dtype.name
        for size, real_size in zip(symbolic.shape, tensor.shape, strict=True):
            assert size in (None, real_size)


@pytest.mark.parametrize("layer_class", [Recurrent, Bidirectional])
def test_outputs_carry_no_keras_mask(layer_class):
    layer = layer_class("gru", UNITS)
    real = layer(normal(BATCH, LENGTH, FEATURES), sequence_mask=ops.array(MASK))
    symbolic = layer(
        keras.Input((None, FEATURES)), sequence_mask=keras.Input((None,), dtype="bool")
    )
    for tensor in keras.tree.flatten([real, symbolic]):
        assert getattr(tensor, "_keras_mask", None) is None


@pytest.mark.parametrize("layer_class", [Recurrent, Bidirectional])
def test_the_configuration_makes_the_same_layer(layer_class):
    layer = layer_class("gru", UNITS, name="reader", dtype="mixed_float16")
    copy = layer_class.from_config(layer.get_config())
    assert copy.get_config() == layer.get_config()
    assert (copy.name, copy.cell, copy.units) == ("reader", "gru", UNITS)
    assert copy.compute_dtype == "float16"
