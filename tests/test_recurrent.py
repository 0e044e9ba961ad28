"""Tests of `s2s_keras.layers.recurrent` against the cells' equations in float64."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from s2s_keras.layers import Bidirectional, ConcatenateContext, Recurrent
from s2s_keras.layers.recurrent import state_names

CELLS = ("rnn", "gru", "lstm")
BATCH, LENGTH, FEATURES, UNITS = 4, 6, 3, 5
LENGTHS = np.array([6, 1, 4, 2])
MASK = np.arange(LENGTH) < LENGTHS[:, None]
FINISHES = [
    {"residual": residual, "layer_norm": layer_norm}
    for residual, layer_norm in ((True, False), (False, True), (True, True))
]


WITHIN = {
    "recurrent_initializer": "glorot_uniform",
    "forget_bias": False,
    "recurrent_dropout": 0.25,
}


def named(arguments):
    return " and ".join(name for name, on in arguments.items() if on) or "plain"


every_layer = pytest.mark.parametrize("layer_class", [Recurrent, Bidirectional])
every_cell = pytest.mark.parametrize("cell", CELLS)
every_finish = pytest.mark.parametrize("finish", FINISHES, ids=named)
plain_or_finished = pytest.mark.parametrize("finish", [{}, FINISHES[-1]], ids=named)


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


def read_raw(layer, inputs):
    """Reads one row as `read` does, with either layer."""
    cell = layer.cell
    if isinstance(layer, Recurrent):
        return read(cell, inputs, zeros(cell), layer.recurrent.get_weights())
    ahead, ahead_state = read(cell, inputs, zeros(cell), layer.forward.get_weights())
    back, back_state = read(
        cell, inputs[::-1], zeros(cell), layer.backward.get_weights()
    )
    states = zip(ahead_state, back_state, strict=True)
    return (
        np.concatenate([ahead, back[::-1]], axis=-1),
        [np.concatenate(both) for both in states],
    )


def normalized(vectors, layer):
    """Ba et al. (2016), equation 4, with the small number that Keras adds."""
    gain, bias = (np.float64(weight) for weight in layer.get_weights())
    spread = vectors.var(axis=-1, keepdims=True) + layer.epsilon
    return gain * (vectors - vectors.mean(axis=-1, keepdims=True)) / spread**0.5 + bias


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


@every_cell
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


@every_cell
@plain_or_finished
def test_single_steps_equal_the_sequence(cell, finish):
    inputs = normal(BATCH, LENGTH, UNITS)
    layer = with_random_weights(Recurrent(cell, UNITS, **finish), inputs)
    state = [ops.zeros((BATCH, UNITS)) for _ in state_names(cell)]
    outputs, final = layer(inputs, initial_state=state)
    for position in range(LENGTH):
        output, state = layer(inputs[:, position], initial_state=state)
        close(output, outputs[:, position])
    for part, expected in zip(state, final, strict=True):
        close(part, expected)


@every_cell
def test_bidirectional_reads_each_row_from_both_of_its_real_ends(cell):
    inputs = normal(BATCH, LENGTH, FEATURES)
    layer = with_random_weights(Bidirectional(cell, UNITS), inputs, sequence_mask=MASK)
    outputs, state = layer(inputs, sequence_mask=MASK)
    assert outputs.shape == (BATCH, LENGTH, 2 * UNITS)
    for row, length in enumerate(LENGTHS):
        expected, final = read_raw(layer, inputs[row, :length])
        close(outputs[row, :length], expected)
        close(outputs[row, length:], 0.0)
        for actual_part, part in zip(state, final, strict=True):
            close(actual_part[row], part)


def output_units(layer_class):
    return UNITS if layer_class is Recurrent else 2 * UNITS


@every_layer
@every_cell
@every_finish
def test_outputs_are_added_to_and_normalized_while_the_state_stays(
    layer_class, cell, finish
):
    inputs = normal(BATCH, LENGTH, output_units(layer_class))
    layer = with_random_weights(
        layer_class(cell, UNITS, **finish), inputs, sequence_mask=MASK
    )
    outputs, state = layer(inputs, sequence_mask=MASK)
    for row, length in enumerate(LENGTHS):
        real = inputs[row, :length]
        expected, final = read_raw(layer, real)
        if finish["residual"]:
            expected = expected + real
        if finish["layer_norm"]:
            expected = normalized(expected, layer.norm)
        close(outputs[row, :length], expected)
        np.testing.assert_array_equal(outputs[row, length:], 0.0)
        for actual_part, part in zip(state, final, strict=True):
            close(actual_part[row], part)


@every_layer
@every_finish
def test_what_stands_at_padding_changes_nothing(layer_class, finish):
    inputs = normal(BATCH, LENGTH, output_units(layer_class))
    layer = with_random_weights(
        layer_class("gru", UNITS, **finish), inputs, sequence_mask=MASK
    )
    others = np.where(MASK[..., None], inputs, 9.0).astype("float32")
    wider = np.pad(others, ((0, 0), (0, 2), (0, 0)), constant_values=-9.0)
    expected, state = layer(inputs, sequence_mask=MASK)
    outputs, wide_state = layer(wider, sequence_mask=np.pad(MASK, ((0, 0), (0, 2))))
    close(outputs[:, :LENGTH], expected)
    np.testing.assert_array_equal(outputs[:, LENGTH:], 0.0)
    close(wide_state[0], state[0])


# Dropout between time steps


def repeating(cell, given=None, **arguments):
    """Makes a layer whose state goes on through an identity matrix and tanh alone.

    Inputs count for nothing; the gates stand wide open, and an LSTM and a GRU forget.
    """
    layer = with_random_weights(Recurrent(cell, UNITS, **arguments), given)
    kernel, recurrent_kernel, bias = map(np.zeros_like, layer.get_weights())
    candidate = {"rnn": 0, "gru": 2, "lstm": 2}[cell] * UNITS
    recurrent_kernel[:, candidate : candidate + UNITS] = np.eye(UNITS)
    if cell == "gru":
        bias[0, :UNITS], bias[0, UNITS : 2 * UNITS] = -200.0, 200.0  # update, reset
    if cell == "lstm":
        gates = np.split(np.full(4 * UNITS, 200.0), 4)  # input, forget, …, output
        bias[:] = np.concatenate([gates[0], -gates[1], 0.0 * gates[2], gates[3]])
    layer.set_weights([kernel, recurrent_kernel, bias])
    return layer


def repeated(cell, hidden):
    """The next hidden state of such a layer."""
    return np.tanh(np.tanh(hidden)) if cell == "lstm" else np.tanh(hidden)


@every_cell
def test_recurrent_dropout_drops_the_same_units_at_all_steps_of_a_row(cell):
    keras.utils.set_random_seed(1)
    rows, rate = 40, 0.3
    inputs = np.ones((rows, LENGTH, FEATURES), "float32")
    layer = repeating(cell, inputs, recurrent_dropout=rate)
    start = [0.5 + 0.0 * normal(rows, UNITS) for _ in state_names(cell)]
    state = [ops.convert_to_tensor(part) for part in start]
    outputs, (final, *_) = layer(inputs, initial_state=state, training=True)
    outputs = ops.convert_to_numpy(outputs)
    dropped = outputs[:, 0] == 0.0
    hidden = np.float64(start[0])
    for step in range(LENGTH):
        hidden = np.where(dropped, 0.0, repeated(cell, hidden / (1.0 - rate)))
        close(outputs[:, step], hidden)
    close(final, hidden)
    assert len(np.unique(dropped, axis=0)) > 10, "rows must differ"
    deviation = np.sqrt(rate * (1 - rate) * dropped.size)
    assert abs(dropped.sum() - rate * dropped.size) < 4 * deviation
    again, _ = layer(inputs, initial_state=state, training=True)
    assert ((ops.convert_to_numpy(again)[:, 0] == 0.0) != dropped).any()


@every_cell
def test_recurrent_dropout_drops_nothing_outside_of_training_or_in_single_steps(cell):
    inputs = np.ones((BATCH, LENGTH, FEATURES), "float32")
    layer = repeating(cell, inputs, recurrent_dropout=0.9)
    state = [0.5 * ops.ones((BATCH, UNITS)) for _ in state_names(cell)]
    expected = repeated(cell, np.full((BATCH, UNITS), 0.5))
    for training in (False, True):
        output, _ = layer(inputs[:, 0], initial_state=state, training=training)
        close(output, expected)
    outputs, _ = layer(inputs, initial_state=state)
    for step in range(LENGTH):
        close(outputs[:, step], expected)
        expected = repeated(cell, expected)


@every_cell
def test_a_single_step_leaves_no_mask_behind_for_the_next_sequence(cell):
    keras.utils.set_random_seed(1)
    inputs = np.ones((BATCH, LENGTH, FEATURES), "float32")
    layer = repeating(cell, inputs, recurrent_dropout=0.5)

    @tf.function
    def step_then_read(inputs):
        state = [0.5 * ops.ones((BATCH, UNITS)) for _ in state_names(cell)]
        for position in tf.range(2):
            layer(inputs[:, position], initial_state=state)
        return layer(inputs, initial_state=state, training=True)[0]

    masks = [ops.convert_to_numpy(step_then_read(inputs))[:, 0] == 0 for _ in range(9)]
    assert len(np.unique(masks, axis=0)) == 9, "each call must draw its own"


@every_cell
def test_both_directions_drop_units_of_their_own(cell):
    keras.utils.set_random_seed(1)
    inputs = normal(40, LENGTH, FEATURES)
    mask = np.ones((40, LENGTH), bool)
    layer = with_random_weights(
        Bidirectional(cell, UNITS, recurrent_dropout=0.5), inputs, sequence_mask=mask
    )
    calm, _ = layer(inputs, sequence_mask=mask)
    wild, _ = layer(inputs, sequence_mask=mask, training=True)
    apart = np.abs(wild - calm).max(axis=(0, 2))
    first, last = np.abs(wild - calm)[:, 0], np.abs(wild - calm)[:, -1]
    assert first[:, :UNITS].max() == last[:, UNITS:].max() == 0.0, "nothing before it"
    assert (apart > 0.01).all()


# How the weights start


@every_layer
@every_cell
def test_the_recurrent_matrix_and_the_forget_gate_start_as_asked(layer_class, cell):
    for initializer, forget_bias in (("orthogonal", True), ("glorot_uniform", False)):
        layer = layer_class(
            cell, UNITS, recurrent_initializer=initializer, forget_bias=forget_bias
        )
        layer.build((None, None, FEATURES))
        cells = [layer] if layer_class is Recurrent else [layer.forward, layer.backward]
        for part in cells:
            _, kernel, bias = map(np.float64, part.get_weights())
            unlike = np.abs(kernel @ kernel.T - np.eye(UNITS)).max()
            assert (unlike < 1e-6) == (initializer == "orthogonal")
            opened = np.zeros(bias.shape)
            if cell == "lstm":
                opened[UNITS : 2 * UNITS] = forget_bias
            np.testing.assert_array_equal(bias, opened)


@every_layer
def test_an_unknown_cell_is_named(layer_class):
    with pytest.raises(ValueError, match="cell must be one of .*'lstm'.*: 'LSTM'"):
        layer_class("LSTM", UNITS)


def test_a_single_step_without_a_state_is_refused():
    with pytest.raises(ValueError, match="initial_state must be given for a single"):
        Recurrent("lstm", UNITS)(normal(BATCH, FEATURES))


@every_layer
def test_a_residual_of_another_size_is_refused(layer_class):
    units = output_units(layer_class)
    layer = layer_class("gru", UNITS, residual=True)
    message = f"residual must be False where inputs have 3 features and outputs {units}"
    with pytest.raises(ValueError, match=message):
        layer(normal(BATCH, LENGTH, FEATURES), sequence_mask=MASK)


def test_the_context_stands_beside_every_step():
    steps, context = normal(BATCH, LENGTH, FEATURES), normal(BATCH, 2, seed=1)
    sequence = ConcatenateContext()(steps, context)
    assert sequence.shape == (BATCH, LENGTH, FEATURES + 2)
    for position in range(LENGTH):
        expected = np.concatenate([steps[:, position], context], axis=-1)
        close(sequence[:, position], expected)
        close(ConcatenateContext()(steps[:, position], context), expected)


def model_of(layer_class, cell, finish):
    inputs = keras.Input((None, output_units(layer_class)))
    mask = keras.Input((None,), dtype="bool")
    layer = layer_class(cell, UNITS, name="layer", **finish)
    outputs, state = layer(inputs, sequence_mask=mask)
    context = ConcatenateContext()(outputs, state[0])
    return keras.Model([inputs, mask], [context, *state])


@every_cell
@every_layer
@plain_or_finished
def test_a_model_with_the_layers_saves_and_loads(layer_class, cell, finish, tmp_path):
    model = model_of(layer_class, cell, finish)
    for seed, weight in enumerate(model.weights):
        weight.assign(normal(*weight.shape, seed=seed))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    inputs = [normal(BATCH, LENGTH, output_units(layer_class)), MASK]
    for output, expected in zip(loaded(inputs), model(inputs), strict=True):
        np.testing.assert_array_equal(output, expected)


@every_cell
@every_layer
@plain_or_finished
def test_symbolic_shapes_are_the_real_ones(layer_class, cell, finish):
    model = model_of(layer_class, cell, finish)
    outputs = model([normal(BATCH, LENGTH, output_units(layer_class)), MASK])
    for symbolic, tensor in zip(model.outputs, outputs, strict=True):
        assert symbolic.dtype == tensor.dtype.name
        for size, real_size in zip(symbolic.shape, tensor.shape, strict=True):
            assert size in (None, real_size)


@every_layer
@pytest.mark.parametrize("finish", [{}, *FINISHES], ids=named)
def test_outputs_carry_no_keras_mask_and_nothing_is_warned_of(layer_class, finish):
    features = output_units(layer_class)
    layer = layer_class("gru", UNITS, **finish)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        real = layer(normal(BATCH, LENGTH, features), sequence_mask=ops.array(MASK))
        symbolic = layer(
            keras.Input((None, features)),
            sequence_mask=keras.Input((None,), dtype="bool"),
        )
    for tensor in keras.tree.flatten([real, symbolic]):
        assert getattr(tensor, "_keras_mask", None) is None


@every_layer
@every_finish
def test_the_configuration_makes_the_same_layer(layer_class, finish):
    layer = layer_class(
        "gru", UNITS, name="reader", dtype="mixed_float16", **finish, **WITHIN
    )
    copy = layer_class.from_config(layer.get_config())
    assert copy.get_config() == layer.get_config()
    assert layer.get_config().items() >= WITHIN.items()
    assert (copy.name, copy.cell, copy.units) == ("reader", "gru", UNITS)
    assert copy.compute_dtype == "float16"
    assert copy.residual == finish["residual"]
    assert (copy.norm is not None) == finish["layer_norm"]
