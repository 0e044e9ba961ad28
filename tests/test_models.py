"""Tests of `s2s_keras.models`: three graphs that share their layers."""

import importlib
import itertools
import json
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from matplotlib.figure import Figure

from s2s_keras import batches, decoding, models, training
from s2s_keras.layers import attention
from s2s_keras.losses import CrossEntropy

CELLS = ("rnn", "gru", "lstm")
VARIANTS = [
    {"cell": cell, "layers": layers, "bidirectional": bidirectional}
    for cell, layers, bidirectional in (
        *(("rnn", 2, False), ("gru", 1, False), ("gru", 2, True)),
        *(("lstm", 1, False), ("lstm", 1, True)),
    )
]
VARIANTS += [
    {"cell": "lstm", "layers": 2, "reverse_source": True, "context": "every_step"}
]
VARIANTS += [{"cell": "gru", "context": "every_step", "bidirectional": True}]
FINISH = {"residual": True, "layer_norm": True}
TIED = FINISH | {"tie_embeddings": True}
VARIANTS += [
    {"cell": "gru", "layers": 2} | FINISH,
    {"cell": "lstm", "layers": 3, "bidirectional": True} | TIED,
    {"cell": "rnn", "context": "every_step", "layer_norm": True} | TIED,
]

LUONG = {"builder": "attention_seq2seq", "cell": "rnn"}
FEEDING = LUONG | {"input_feeding": True}
BAHDANAU = LUONG | {"placement": "bahdanau"}
FAMILIES = (LUONG, FEEDING, BAHDANAU)
OTHERWISE = itertools.cycle(
    [
        {"layers": 2},
        {"bidirectional": False, "cell": "lstm"},
        {"reverse_source": True, "cell": "gru"},
        {"cell": "lstm", "layers": 2, "reverse_source": True, "bidirectional": False},
    ]
)
ATTENDING = [  # every score with one of the three families
    family | {"score": score} | next(OTHERWISE)
    for score, family in zip(attention.SCORES, itertools.cycle(FAMILIES))
]
ATTENDING += [
    family | {"score": score, "local": local, "window": 1} | next(OTHERWISE)
    for local, scores in (
        ("monotonic", ("additive", "location", "dot")),
        ("predictive", ("general", "concat", "cosine")),
    )
    for score, family in zip(scores, FAMILIES, strict=True)
]
ATTENDING += [
    LUONG | {"score": "general", "cell": "gru", "layers": 3} | FINISH,
    FEEDING | {"score": "additive", "cell": "lstm", "layers": 2} | TIED,
    BAHDANAU | {"score": "dot", "layers": 3, "reverse_source": True} | TIED,
]

POINTING = {"builder": "pointer_network", "cell": "gru"}
COPYING = {"builder": "pointer_generator", "cell": "gru"}
POINTERS = [
    POINTING | {"source_features": 2},
    POINTING | {"cell": "lstm", "bidirectional": True, "distinct": True},
    POINTING | {"source_features": 3, "distinct": True, "layers": 2} | FINISH,
]
COPIERS = [
    COPYING,
    COPYING | {"cell": "lstm", "coverage": False, "bidirectional": False},
    COPYING | {"cell": "rnn", "layers": 2} | TIED,
]
OF_VECTORS = [
    LUONG | {"source_features": 2, "reverse_source": True},
    BAHDANAU | {"source_features": 3, "local": "monotonic"},
]
VECTORS_ALONE = {"source_features": 2, "bidirectional": True, "reverse_source": True}
POINTING_OR_COPYING = [*POINTERS, *COPIERS]


def named(arguments):
    said = dict(arguments)
    if "pointer" not in said.get("builder", ""):
        said.pop("builder", None)
    return " ".join(f"{name}={value}" for name, value in said.items())


every_variant = pytest.mark.parametrize("arguments", VARIANTS, ids=named)
every_attending_variant = pytest.mark.parametrize("arguments", ATTENDING, ids=named)
everything_that_attends = pytest.mark.parametrize(
    "arguments", ATTENDING + OF_VECTORS + POINTING_OR_COPYING, ids=named
)
every_family = pytest.mark.parametrize("arguments", FAMILIES, ids=named)


# One set of layers, three graphs


@pytest.mark.parametrize("arguments", [*VARIANTS, VECTORS_ALONE], ids=named)
def test_gold_tokens_through_step_give_the_training_logits(
    arguments, shared_model, batch_of, walk
):
    model = shared_model(**arguments)
    source, target_in, *_ = batch_of(arguments)
    logits = model.training([source, target_in]).numpy()
    assert logits.shape == (3, 5, 13)
    step_logits, _ = walk(model, source, target_in)
    assert np.abs(step_logits - logits).max() <= 1e-5


@pytest.mark.parametrize(
    "arguments",
    [{"cell": "gru", "bidirectional": True}, {"cell": "lstm", "context": "every_step"}],
    ids=named,
)
def test_the_three_graphs_still_agree_after_training(arguments, fresh_model, toy, walk):
    pairs, source_tokenizer, target_tokenizer = toy
    model = fresh_model(
        source_vocabulary=len(source_tokenizer),
        target_vocabulary=len(target_tokenizer),
        dropout=0.2,
        **arguments,
    )
    train = batches.make(pairs, source_tokenizer, target_tokenizer, 3)
    training.fit(model, train, epochs=3, learning_rate=0.02)
    (source, target_in), *_ = next(iter(train))
    logits = model.training([source, target_in]).numpy()
    step_logits, _ = walk(model, source, target_in)
    assert np.abs(step_logits - logits).max() <= 1e-5


@every_variant
def test_the_state_keeps_its_structure_and_the_graphs_share_every_weight(
    arguments, shared_model, random_batch, walk
):
    model = shared_model(**arguments)
    source, target_in, *_ = random_batch()
    _, (state, new_state) = walk(model, source, target_in[:, :1])
    numbers = range(1, arguments.get("layers", 1) + 1)
    parts = ("hidden", "cell") if arguments["cell"] == "lstm" else ("hidden",)
    expected = {f"{part}_{number}" for part in parts for number in numbers}
    if arguments.get("context") == "every_step":
        expected.add("context")
    assert state.keys() == new_state.keys() == expected
    assert {tensor.shape for tensor in (*state.values(), *new_state.values())} == {
        (3, 7)
    }
    in_training = {id(weight) for weight in model.training.weights}
    in_parts = {id(w) for graph in (model.encoder, model.step) for w in graph.weights}
    assert in_training == in_parts


def test_layers_have_names_that_say_what_they_are(shared_model):
    model = shared_model(
        cell="lstm",
        layers=2,
        bidirectional=True,
        reverse_source=True,
        context="every_step",
        dropout=0.1,
    )
    assert {layer.name for layer in model.training.layers} == {
        *("source", "target_in", "source_mask", "reversed", "source_embedding"),
        *("source_dropout_1", "source_dropout_2", "encoder_1", "encoder_2"),
        *("bridge_hidden_1", "bridge_cell_1", "bridge_hidden_2", "bridge_cell_2"),
        *("target_embedding", "with_context", "target_dropout_1", "target_dropout_2"),
        *("decoder_1", "decoder_2", "output_dropout", "with_token_and_context"),
        "logits",
    }


# What the arguments do


@pytest.mark.parametrize("bidirectional", [False, True])
def test_without_attention_nothing_is_done_to_outputs_that_nobody_reads(
    bidirectional, shared_model
):
    model = shared_model(layers=3, bidirectional=bidirectional, **FINISH)
    layer = model.training.get_layer
    for name, residual, normalizes in (
        ("encoder_1", False, True),
        ("encoder_2", True, True),
        ("encoder_3", False, False),
        ("decoder_1", False, True),
        ("decoder_2", True, True),
        ("decoder_3", True, True),
    ):
        assert layer(name).residual == residual
        assert (layer(name).norm is not None) == normalizes
    attending = shared_model("attention_seq2seq", layers=2, **FINISH).training
    assert attending.get_layer("encoder_2").residual
    assert attending.get_layer("encoder_2").norm


def test_every_step_sees_the_top_layers_final_hidden_state(shared_model, random_batch):
    source, target_in, *_ = random_batch()
    model = shared_model(layers=2, context="every_step")
    state = model.encoder(source)
    np.testing.assert_array_equal(state["context"], state["hidden_2"])
    tokens = ops.convert_to_tensor(target_in.T)
    _, state = model.step([tokens[0], state])
    logits, _ = model.step([tokens[1], state])
    other, _ = model.step([tokens[1], state | {"context": state["context"] + 1.0}])
    assert (np.abs(other - logits).max(axis=-1) > 0.01).all()


def test_the_output_layer_of_cho_reads_hidden_state_token_and_context(shared_model):
    kernel = shared_model(context="every_step").training.get_layer("logits").kernel
    assert kernel.shape == (7 + 5 + 7, 13)
    kernel = shared_model().training.get_layer("logits").kernel
    assert kernel.shape == (7, 13)


def test_reversing_the_source_is_reading_it_from_its_end(fresh_model, random_batch):
    source, *_ = random_batch()
    backwards = source.copy()
    for row in backwards:
        length = np.count_nonzero(row)
        row[:length] = row[:length][::-1].copy()
    plain, reversing = fresh_model(), fresh_model(reverse_source=True)
    reversing.training.set_weights(plain.training.get_weights())
    expected = plain.encoder(backwards)
    for name, tensor in reversing.encoder(source).items():
        np.testing.assert_allclose(tensor, expected[name], atol=1e-6)


@pytest.mark.parametrize("stddev", [1.0, 0.05])
def test_embeddings_start_with_the_given_standard_deviation(stddev):
    model = models.encoder_decoder(
        200, 300, units=2, embedding_dim=50, embedding_stddev=stddev
    )
    for name in ("source_embedding", "target_embedding"):
        weights = model.training.get_layer(name).get_weights()[0]
        assert weights.std() == pytest.approx(stddev, rel=0.05)
        assert weights.mean() == pytest.approx(0.0, abs=0.05 * stddev)


STARTS = (
    {"cell": "lstm", "layers": 2, "bidirectional": True},
    {"builder": "attention_seq2seq", "input_feeding": True},
    {"builder": "attention_seq2seq", "placement": "bahdanau"},
)


def starting(model, part):
    """Returns the values of a part of each recurrent cell in a fresh model."""
    cell = {"rnn": "simple_rnn"}.get(model.config["cell"], model.config["cell"])
    weights = model.training.weights
    return [w.numpy() for w in weights if w.path.endswith(f"{cell}_cell/{part}")]


@pytest.mark.parametrize("arguments", STARTS, ids=named)
def test_forget_gates_start_open_or_not(arguments, fresh_model):
    forget = np.repeat([0.0, 1.0, 0.0, 0.0], 7)  # input, forget, candidate, output
    for more, expected in (
        ({}, forget),
        ({"forget_bias": True}, forget),
        ({"forget_bias": False}, 0.0 * forget),
    ):
        biases = starting(fresh_model(**arguments, **more), "bias")
        assert len(biases) == 3 * arguments.get("layers", 1)
        for bias in biases:
            np.testing.assert_array_equal(bias, expected)


@pytest.mark.parametrize("arguments", STARTS, ids=named)
@pytest.mark.parametrize("cell", CELLS)
def test_the_matrices_between_hidden_states_start_orthogonal_or_not(
    arguments, cell, fresh_model
):
    arguments = arguments | {"cell": cell}
    for initializer, orthogonal in (("orthogonal", True), ("glorot_uniform", False)):
        model = fresh_model(**arguments, recurrent_initializer=initializer)
        kernels = starting(model, "recurrent_kernel")
        assert len(kernels) == 3 * arguments.get("layers", 1)
        for kernel in np.float64(kernels):
            unlike = np.abs(kernel @ kernel.T - np.eye(7)).max()
            assert (unlike < 1e-6) if orthogonal else (unlike > 0.1)


@pytest.mark.parametrize(
    "arguments",
    [
        {"cell": "rnn"},
        {"cell": "gru", "bidirectional": True},
        {"cell": "lstm", "builder": "attention_seq2seq"},
    ],
    ids=named,
)
def test_recurrent_dropout_changes_training_alone(
    arguments, fresh_model, random_batch, walk
):
    """Also for a batch of another size than the single steps before it."""
    model = fresh_model(recurrent_dropout=0.5, **arguments)
    plain = fresh_model(**arguments)
    source, target_in, *_ = random_batch()
    expected = plain.training([source, target_in])
    step_logits, _ = walk(model, source, target_in)
    np.testing.assert_allclose(step_logits, expected, atol=1e-5)
    for rows in (2, 3):
        inputs = [source[:rows], target_in[:rows]]
        wild = model.training(inputs, training=True)
        assert np.abs(wild - expected[:rows]).max() > 0.01
        calm = model.training(inputs)
        np.testing.assert_allclose(calm, plain.training(inputs), atol=1e-6)


def test_dropout_changes_training_alone(fresh_model, random_batch, walk):
    model = fresh_model(dropout=0.5)
    source, target_in, *_ = random_batch()
    calm = [model.training([source, target_in]) for _ in range(2)]
    np.testing.assert_array_equal(*calm)
    wild = [model.training([source, target_in], training=True) for _ in range(2)]
    assert np.abs(wild[0] - wild[1]).max() > 0.1
    step_logits, _ = walk(model, source, target_in)
    np.testing.assert_allclose(step_logits, calm[0], atol=1e-5)


def test_mixed_precision_gives_finite_float32_logits(fresh_model, random_batch, walk):
    source, target_in, *_ = random_batch()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        for arguments in (
            {"bidirectional": True},
            {"context": "every_step"},
            {"context": "every_step", "layer_norm": True} | TIED,
        ):
            model = fresh_model(reverse_source=True, layers=2, **arguments)
            logits = model.training([source, target_in])
            assert logits.dtype == "float32"
            assert np.isfinite(logits).all()
            assert model.encoder(source)["hidden_1"].dtype == "float16"
            step_logits, _ = walk(model, source, target_in)
            assert np.abs(step_logits - logits).max() < 0.01
    finally:
        keras.config.set_dtype_policy("float32")


# Attention


def answers_of(arguments, source):
    """How many ids the logits of a small model are for."""
    if arguments.get("builder") == "pointer_network":
        return 4 + mask_of(source).shape[1]
    if arguments.get("builder") == "pointer_generator":
        assert source["extended_ids"].max() >= 13
        return 1 + source["extended_ids"].max()
    return 13


def mask_of(source):
    if not isinstance(source, dict):
        return source != 0
    return source["mask"] if "mask" in source else source["ids"] != 0


@everything_that_attends
def test_gold_tokens_through_step_give_the_training_logits_and_weights(
    arguments, shared_model, batch_of, walk
):
    model = shared_model(**arguments)
    source, target_in, *_ = batch_of(arguments)
    logits = model.training([source, target_in]).numpy()
    weights = model.attention([source, target_in]).numpy()
    assert logits.shape == (3, 5, answers_of(arguments, source))
    assert weights.shape == (3, 5, 6)
    step_logits, states = walk(model, source, target_in)
    np.testing.assert_allclose(step_logits, logits, atol=1e-5)
    step_weights = np.stack([state["weights"] for state in states[1:]], axis=1)
    np.testing.assert_allclose(step_weights, weights, atol=1e-5)

    np.testing.assert_allclose(weights.sum(axis=-1), 1.0, atol=1e-6)
    assert not weights[np.broadcast_to(~mask_of(source)[:, None], weights.shape)].any()
    assert np.ptp(weights[0], axis=1).min() > 1e-4, "the source must matter"


@pytest.mark.parametrize(
    "arguments",
    VARIANTS + ATTENDING + OF_VECTORS + [VECTORS_ALONE, *POINTING_OR_COPYING],
    ids=named,
)
def test_chunks_one_after_another_give_the_training_logits(
    arguments, shared_model, batch_of
):
    model = shared_model(**arguments)
    source, target_in, *_ = batch_of(arguments)
    expected = model.training([source, target_in])
    ends = []
    for lengths in ((5,), (1, 4)):
        logits, states = [], [model.encoder(source)]
        for tokens in np.split(target_in, np.cumsum(lengths)[:-1], axis=1):
            tokens = ops.convert_to_tensor(tokens)
            of_chunk, state = model.chunk([tokens, states[-1]])
            assert of_chunk.shape == (*tokens.shape, expected.shape[-1])
            logits.append(of_chunk)
            states.append(state)
        np.testing.assert_allclose(np.concatenate(logits, 1), expected, atol=1e-5)
        ends.append(state)
    one_logits, one = model.step([ops.convert_to_tensor(target_in[:, 0]), states[0]])
    np.testing.assert_allclose(logits[0][:, 0], one_logits, atol=1e-5)
    for found, right in ((states[1], one), ends):
        assert found.keys() == right.keys()
        for name, part in right.items():
            assert found[name].dtype == part.dtype
            assert found[name].shape == part.shape
            np.testing.assert_allclose(found[name], part, atol=1e-5, err_msg=name)


@every_attending_variant
def test_the_state_of_attention_keeps_its_structure(
    arguments, shared_model, random_batch, walk
):
    model = shared_model(**arguments)
    source, target_in, *_ = random_batch()
    _, (state, after) = walk(model, source, target_in[:, :1])
    shapes = {
        f"{part}_{number}": (3, 7)
        for part in (("hidden", "cell") if arguments["cell"] == "lstm" else ("hidden",))
        for number in range(1, arguments.get("layers", 1) + 1)
    }
    both_ways = arguments.get("bidirectional", True)
    direct = arguments["score"] in ("dot", "scaled_dot", "cosine")
    memory_units = 14 if both_ways and not direct else 7
    shapes |= {"memory": (3, 6, memory_units), "memory_mask": (3, 6)}
    shapes |= {"weights": (3, 6)}
    if arguments["score"] in ("additive", "concat", "general"):
        shapes["keys"] = (3, 6, 7)
    if arguments.get("local") == "monotonic":
        shapes["position"] = (3,)
    if arguments.get("input_feeding"):
        shapes["attentional"] = (3, 7)
    for tensors in (state, after):
        assert {name: tuple(tensor.shape) for name, tensor in tensors.items()} == shapes
    for name, tensor in state.items():
        assert tensor.dtype == after[name].dtype
    for name in {"memory", "memory_mask", "keys"} & shapes.keys():
        np.testing.assert_array_equal(after[name], state[name])
    np.testing.assert_array_equal(state["memory_mask"], source != 0)
    np.testing.assert_array_equal(state["weights"], 0.0)
    if "position" in shapes:
        np.testing.assert_array_equal(state["position"], 0)
        np.testing.assert_array_equal(after["position"], 1)
    if "attentional" in shapes:
        np.testing.assert_array_equal(state["attentional"], 0.0)


@everything_that_attends
def test_the_graphs_of_attention_share_every_weight_and_none_is_there_twice(
    arguments, shared_model
):
    model = shared_model(**arguments)
    in_training = {id(weight) for weight in model.training.weights}
    assert len(in_training) == len(model.training.weights)
    others = [model.generation, model.penalized, model.chunk]
    for graph in (model.encoder, model.step, model.attention, *filter(None, others)):
        assert {id(weight) for weight in graph.weights} <= in_training
    in_parts = {id(w) for graph in (model.encoder, model.step) for w in graph.weights}
    assert in_parts == in_training


@pytest.mark.parametrize(
    "arguments",
    VARIANTS[-4:] + ATTENDING + OF_VECTORS + [VECTORS_ALONE, *POINTING_OR_COPYING],
    ids=named,
)
def test_every_weight_gets_a_finite_gradient(arguments, shared_model, batch_of):
    model = shared_model(**arguments)
    source, target_in, target_out, weight = batch_of(arguments)
    with tf.GradientTape() as tape:
        logits = model.training([source, target_in], training=True)
        loss = CrossEntropy()(target_out, logits, weight)
    variables = model.training.trainable_variables
    gradients = tape.gradient(loss, [variable.value for variable in variables])
    assert len(variables) == len(model.training.weights)
    for variable, gradient in zip(variables, gradients, strict=True):
        assert gradient is not None, variable.path
        assert np.isfinite(tf.convert_to_tensor(gradient)).all(), variable.path
        assert np.any(tf.convert_to_tensor(gradient)), variable.path


def softmax(scores):
    powers = np.exp(scores - scores.max())
    return powers / powers.sum()


def weights_of(layer):
    return [np.asarray(weight, "float64") for weight in layer.get_weights()]


def by_hand(model, source, target_in):
    """Computes the logits and weights of one row from the papers' equations.

    The model has `"rnn"` cells, the score "general", and any placement.
    """
    state = {
        name: np.float64(tensor[0]) for name, tensor in model.encoder(source).items()
    }
    layer = {layer.name: layer for layer in model.training.layers}
    feeding, placement = (model.config[n] for n in ("input_feeding", "placement"))
    loop = layer.get("decoder")
    numbers = range(1, model.config["layers"] + 1)
    tied = model.config["tie_embeddings"]
    vectors = ends = weights_of(layer["target_embedding"])
    if tied:
        vectors = [np.sqrt(5) * model.config["embedding_stddev"] * ends[0]]
    cells = loop.cells if loop else [layer[f"decoder_{n}"] for n in numbers]
    attend = loop.attention if loop else layer["general_attention"]
    (general,) = weights_of(attend)
    memory = state["memory"][: np.count_nonzero(source)]  # (source_length, …)
    hidden = [state[f"hidden_{n}"] for n in numbers]
    attentional = np.zeros(model.config["units"])

    def attended(query):
        weights = softmax(np.array([query @ general.T @ vector for vector in memory]))
        return weights, weights @ memory

    def read(inputs):
        for number, cell in enumerate(cells):
            kernel, recurrent_kernel, bias = weights_of(cell.recurrent)
            hidden[number] = np.tanh(
                inputs @ kernel + hidden[number] @ recurrent_kernel + bias
            )
            added = inputs if model.config["residual"] and number else 0.0
            inputs = hidden[number] + added
            if model.config["layer_norm"]:
                gain, bias = weights_of(cell.norm)
                spread = np.sqrt(inputs.var() + cell.norm.epsilon)
                inputs = gain * (inputs - inputs.mean()) / spread + bias
        return inputs

    def beside(*vectors):
        return np.concatenate(vectors)

    all_logits, all_weights = [], []
    for token in target_in[0]:
        embedded = vectors[0][token]
        if placement == "bahdanau":
            weights, context = attended(hidden[-1])
            top = read(beside(embedded, context))
            kernel, bias = weights_of(layer["readout"])
            output = np.tanh(beside(top, context, embedded) @ kernel + bias)
        else:
            top = read(beside(embedded, attentional) if feeding else embedded)
            weights, context = attended(top)
            (kernel,) = weights_of(loop.combine if loop else layer["attentional"])
            output = attentional = np.tanh(beside(context, top) @ kernel)
        if tied:
            (narrow,) = weights_of(layer["to_embedding"])
            kernel, bias = narrow @ ends[0].T, ends[1]
        else:
            kernel, bias = weights_of(layer["logits"])
        all_logits.append(output @ kernel + bias)
        all_weights.append(weights)
    return np.array(all_logits), np.array(all_weights)


@every_family
@pytest.mark.parametrize("more", [{"layers": 1}, {"layers": 3} | TIED], ids=named)
def test_decoders_with_attention_follow_the_papers(
    arguments, more, fresh_model, random_batch
):
    model = fresh_model(**arguments, **more, score="general", embedding_stddev=0.9)
    random = np.random.default_rng(0)
    for weight in model.training.weights:  # the biases start from 0
        weight.assign(weight + random.normal(size=weight.shape, scale=0.3))
    source, target_in, target_out, _ = random_batch()
    logits = model.training([source, target_in])
    weights = model.attention([source, target_in])
    for row in range(3):
        length = np.count_nonzero(target_out[row])
        one = slice(row, row + 1)
        expected, expected_weights = by_hand(
            model, source[one], target_in[one, :length]
        )
        np.testing.assert_allclose(logits[row, :length], expected, atol=2e-5)
        real = np.count_nonzero(source[row])
        np.testing.assert_allclose(
            weights[row, :length, :real], expected_weights, atol=1e-5
        )


@every_family
def test_the_memory_is_what_the_top_reader_wrote_in_the_sources_order(
    arguments, fresh_model, random_batch
):
    source, *_ = random_batch()
    backwards = source.copy()
    for row in backwards:
        length = np.count_nonzero(row)
        row[:length] = row[:length][::-1].copy()
    sizes = {"layers": 2, "bidirectional": False}
    plain = fresh_model(**arguments, **sizes)
    reversing = fresh_model(**arguments, **sizes, reverse_source=True)
    values = {weight.path: weight.value for weight in plain.training.weights}
    for weight in reversing.training.weights:
        weight.assign(values[weight.path])
    expected, actual = plain.encoder(backwards), reversing.encoder(source)
    for row, length in enumerate(np.count_nonzero(source, axis=1)):
        memory = expected["memory"][row].numpy()
        np.testing.assert_allclose(
            memory[length - 1], expected["hidden_2"][row], atol=1e-6
        )
        memory[:length] = memory[:length][::-1].copy()
        np.testing.assert_allclose(actual["memory"][row], memory, atol=1e-6)


@every_family
@pytest.mark.parametrize("reverse_source", [False, True])
def test_the_window_of_a_token_has_its_center_at_the_same_place_in_the_source(
    arguments, reverse_source, shared_model, random_batch
):
    model = shared_model(
        **arguments, local="monotonic", window=1, reverse_source=reverse_source
    )
    source, target_in, *_ = random_batch()
    seen = model.attention([source, target_in]).numpy() > 0.0
    for row, length in enumerate(np.count_nonzero(source, axis=1)):
        for step in range(5):
            center = min(step, length - 1)
            expected = [n for n in range(length) if abs(n - center) <= 1]
            assert np.flatnonzero(seen[row, step]).tolist() == expected


@every_family
def test_positions_from_longest_on_get_no_weight(arguments, shared_model, random_batch):
    model = shared_model(**arguments, score="location", longest=3)
    source, target_in, *_ = random_batch()
    weights = model.attention([source, target_in]).numpy()
    np.testing.assert_array_equal(weights[:, :, 3:], 0.0)
    assert (weights[0, :, :3] > 0.0).all()


@every_family
@pytest.mark.parametrize("score", ["additive", "general"])
def test_keys_are_projected_once_in_the_encoder(
    arguments, score, fresh_model, random_batch
):
    model = fresh_model(**arguments, score=score)
    source, target_in, *_ = random_batch()
    token, state = ops.convert_to_tensor(target_in[:, 0]), model.encoder(source)
    logits, _ = model.step([token, state])
    (kernel,) = (
        w for w in model.encoder.weights if w.path.endswith("key_projection/kernel")
    )
    np.testing.assert_allclose(state["keys"], state["memory"] @ kernel, atol=1e-6)
    kernel.assign(2.0 * kernel + 1.0)
    same, _ = model.step([token, state])
    np.testing.assert_array_equal(same, logits)
    other, _ = model.step([token, model.encoder(source)])
    assert np.abs(other - logits).max() > 1e-3


@pytest.mark.parametrize(
    "family, score, bidirectional, expected",
    [
        (LUONG, "dot", False, 0),
        (LUONG, "dot", True, 14 * 7),  # the bridge of the memory
        (LUONG, "general", True, 14 * 7),
        (LUONG, "additive", True, 14 * 7 + 7 * 7 + 7),
        (FEEDING, "concat", True, 14 * 7 + 7 * 7 + 7),
        (FEEDING, "cosine", False, 7 + 1),
        (BAHDANAU, "location", True, 7 * 50),
    ],
    ids=str,
)
def test_a_model_has_the_weights_of_the_papers_and_no_more(
    family, score, bidirectional, expected, shared_model
):
    model = shared_model(**family, score=score, bidirectional=bidirectional)

    def rnn(inputs):
        return inputs * 7 + 7 * 7 + 7

    direct = score in ("dot", "scaled_dot", "cosine")
    memory_units = 14 if bidirectional and not direct else 7
    expected += 11 * 5 + 13 * 5 + rnn(5) * (2 if bidirectional else 1)
    expected += 14 * 7 + 7 if bidirectional else 0  # the bridge of the state
    expected += {
        named(LUONG): rnn(5) + (memory_units + 7) * 7,
        named(FEEDING): rnn(5 + 7) + (memory_units + 7) * 7,
        named(BAHDANAU): rnn(5 + memory_units) + (7 + memory_units + 5) * 7 + 7,
    }[named(family)]
    expected += 7 * 13 + 13
    assert model.training.count_params() == expected


@pytest.mark.parametrize("arguments", [FEEDING, BAHDANAU], ids=named)
def test_a_looping_decoder_is_a_loop_in_the_graph(arguments, shared_model):
    training_graph = shared_model(**arguments).training
    sizes = set()
    for length in (3, 40):
        traced = tf.function(training_graph).get_concrete_function(
            [tf.TensorSpec([2, 6], tf.int32), tf.TensorSpec([2, length], tf.int32)]
        )
        sizes.add(len(traced.graph.get_operations()))
    assert len(sizes) == 1
    traces = []

    @tf.function(input_signature=2 * [tf.TensorSpec([None, None], tf.int32)])
    def run(source, target_in):
        traces.append(target_in.shape)
        return training_graph([source, target_in])

    for length in (1, 4, 30):
        source, target_in = np.full((2, 6), 5), np.full((2, length), 5)
        logits = run(source.astype("int32"), target_in.astype("int32"))
        np.testing.assert_allclose(
            logits, training_graph([source, target_in]), atol=1e-5
        )
    assert len(traces) == 1


@every_family
def test_dropout_has_its_places(arguments, shared_model):
    layers = shared_model(**arguments, dropout=0.3, layers=2).training.layers
    rates = {
        layer.name: layer.rate
        for layer in layers
        if isinstance(layer, keras.layers.Dropout)
    }
    places = {"source_dropout_1", "source_dropout_2", "output_dropout"}
    if arguments is LUONG:
        places |= {"target_dropout_1", "target_dropout_2"}
    else:
        places |= {"target_dropout"}
        (decoder,) = (layer for layer in layers if layer.name == "decoder")
        assert [drop.rate for drop in decoder.drops] == [0.3]
    assert rates == dict.fromkeys(places, 0.3)


@pytest.mark.parametrize(
    "arguments",
    [{"cell": "gru"}, LUONG, FEEDING, BAHDANAU],
    ids=named,
)
@pytest.mark.parametrize("rates", [(0.3, 0.0), (0.0, 0.2), (0.3, 0.2)], ids=str)
def test_the_output_may_have_a_dropout_of_its_own(arguments, rates, shared_model):
    of_stack, of_output = rates
    model = shared_model(**arguments, dropout=of_stack, output_dropout=of_output)
    found = {
        layer.name: layer.rate
        for layer in model.training.layers
        if isinstance(layer, keras.layers.Dropout)
    }
    assert found.pop("output_dropout", 0.0) == of_output
    assert bool(found) == bool(of_stack)
    assert set(found.values()) <= {of_stack}


@every_family
def test_dropout_changes_training_of_attention_alone(
    arguments, fresh_model, random_batch, walk
):
    model = fresh_model(**arguments, dropout=0.5, layers=2)
    source, target_in, *_ = random_batch()
    calm = [model.training([source, target_in]) for _ in range(2)]
    np.testing.assert_array_equal(*calm)
    wild = [model.training([source, target_in], training=True) for _ in range(2)]
    assert np.abs(wild[0] - wild[1]).max() > 0.1
    step_logits, _ = walk(model, source, target_in)
    np.testing.assert_allclose(step_logits, calm[0], atol=1e-5)


@pytest.mark.parametrize(
    "arguments", [LUONG, FEEDING | TIED, BAHDANAU | TIED], ids=named
)
def test_mixed_precision_keeps_attention_weights_in_float32(
    arguments, fresh_model, random_batch, walk
):
    source, target_in, target_out, weight = random_batch()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = fresh_model(**arguments, dropout=0.2, layers=2, local="predictive")
        with tf.GradientTape() as tape:
            logits = model.training([source, target_in], training=True)
            loss = CrossEntropy()(target_out, logits, weight)
        variables = model.training.trainable_variables
        for gradient in tape.gradient(loss, [v.value for v in variables]):
            assert np.isfinite(tf.convert_to_tensor(gradient)).all()
        logits = model.training([source, target_in])
        weights = model.attention([source, target_in])
        assert (logits.dtype, weights.dtype) == ("float32", "float32")
        step_logits, states = walk(model, source, target_in)
        _, after, *_ = states
        assert after["memory"].dtype == after["hidden_1"].dtype == "float16"
        assert after["weights"].dtype == after["keys"].dtype == "float32"
        assert np.abs(step_logits - logits).max() < 0.01
        step_weights = np.stack([state["weights"] for state in states[1:]], axis=1)
        assert np.abs(step_weights - weights).max() < 0.01
        np.testing.assert_allclose(tf.reduce_sum(weights, -1), 1.0, atol=1e-6)
    finally:
        keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize(
    "arguments",
    [VARIANTS[-2], VARIANTS[-1], *ATTENDING[-3:], POINTERS[2], COPIERS[2]],
    ids=named,
)
def test_building_and_calling_the_graphs_brings_no_warning(
    arguments, fresh_model, batch_of, walk
):
    source, target_in, *_ = batch_of(arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model = fresh_model(**arguments)
        model.training([source, target_in], training=True)
        walk(model, source, target_in[:, :1])


def toy_batches(toy):
    pairs, source_tokenizer, target_tokenizer = toy
    train = batches.make(pairs, source_tokenizer, target_tokenizer, 5)
    vocabularies = {
        "source_vocabulary": len(source_tokenizer),
        "target_vocabulary": len(target_tokenizer),
    }
    return train, vocabularies


@pytest.mark.parametrize("arguments", [LUONG, FEEDING, BAHDANAU | TIED], ids=named)
def test_attention_learns_the_toy_corpus_and_its_graphs_still_agree(
    arguments, fresh_model, toy, walk
):
    train, vocabularies = toy_batches(toy)
    sizes = {"units": 16, "embedding_dim": 16, "dropout": 0.1}
    model = fresh_model(**arguments | sizes | vocabularies)
    history = training.fit(model, train, epochs=25, learning_rate=0.03)
    assert history.history["loss"][0] == pytest.approx(
        np.log(vocabularies["target_vocabulary"]), rel=0.3
    )
    ((source, target_in), target_out, _), *_ = train
    found = decoding.greedy(model, source, 20)
    np.testing.assert_array_equal(found.tokens, target_out)
    logits = model.training([source, target_in])
    step_logits, _ = walk(model, source, target_in)
    np.testing.assert_allclose(step_logits, logits, atol=1e-4)
    weights = model.attention([source, target_in]).numpy()
    real = target_out.numpy() != 0
    np.testing.assert_allclose(found.weights[real], weights[real], atol=1e-5)


@pytest.mark.parametrize(
    "arguments",
    [OF_VECTORS[0], *POINTERS[1:], COPIERS[0], COPIERS[2]],
    ids=named,
)
def test_mixed_precision_points_and_copies_with_float32_logits_and_weights(
    arguments, fresh_model, batch_of, walk
):
    source, target_in, target_out, weight = batch_of(arguments)
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = fresh_model(**arguments, dropout=0.2)
        graph = model.penalized or model.training
        with tf.GradientTape() as tape:
            logits, *cost = tf.nest.flatten(graph([source, target_in], training=True))
            loss = CrossEntropy()(target_out, logits, weight)
            loss += sum(tf.reduce_sum(penalty * weight) for penalty in cost)
        variables = model.training.trainable_variables
        for gradient in tape.gradient(loss, [v.value for v in variables]):
            assert np.isfinite(tf.convert_to_tensor(gradient)).all()
        logits = model.training([source, target_in])
        weights = model.attention([source, target_in])
        assert (logits.dtype, weights.dtype) == ("float32", "float32")
        step_logits, (_, *states) = walk(model, source, target_in)
        assert states[0]["memory"].dtype == states[0]["hidden_1"].dtype == "float16"
        assert np.abs(step_logits - logits).max() < 0.01
        step_weights = np.stack([state["weights"] for state in states], axis=1)
        assert np.abs(step_weights - weights).max() < 0.01
        np.testing.assert_allclose(tf.reduce_sum(weights, -1), 1.0, atol=1e-6)
    finally:
        keras.config.set_dtype_policy("float32")


def test_mixed_precision_trains_attention(fresh_model, toy):
    train, vocabularies = toy_batches(toy)
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = fresh_model(**BAHDANAU | vocabularies, score="cosine")
        history = training.fit(model, train, epochs=4, learning_rate=0.02).history
        assert np.isfinite(history["loss"]).all()
        assert history["loss"][-1] < history["loss"][0]
        for variable in model.training.weights:
            assert np.isfinite(variable).all()
    finally:
        keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize(
    "arguments",
    [
        LUONG | {"score": "cosine", "local": "predictive", "reverse_source": True},
        FEEDING | {"score": "location", "local": "monotonic", "layers": 2},
        BAHDANAU | {"score": "additive", "cell": "lstm", "dropout": 0.1},
        VARIANTS[-2],
        *ATTENDING[-3:],
        OF_VECTORS[0],
        *POINTERS[1:],
        *COPIERS[1:],
    ],
    ids=named,
)
def test_a_saved_training_graph_gives_the_same_logits(
    arguments, shared_model, batch_of, tmp_path
):
    model = shared_model(**arguments)
    model.training.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    source, target_in, *_ = batch_of(arguments)
    np.testing.assert_allclose(
        loaded([source, target_in]), model.training([source, target_in]), atol=1e-6
    )


@pytest.mark.parametrize(
    "arguments",
    ATTENDING[::5] + OF_VECTORS[:1] + POINTERS[1:] + COPIERS[1:],
    ids=named,
)
def test_configuration_and_weights_make_the_same_model_with_attention(
    arguments, shared_model, batch_of, tmp_path, walk
):
    model = shared_model(**arguments)
    copy = models.build(json.loads(json.dumps(model.config)))
    assert copy.config == model.config
    model.training.save_weights(tmp_path / "model.weights.h5")
    copy.training.load_weights(tmp_path / "model.weights.h5")
    source, target_in, *_ = batch_of(arguments)
    np.testing.assert_array_equal(
        copy.attention([source, target_in]), model.attention([source, target_in])
    )
    step_logits, _ = walk(model, source, target_in)
    np.testing.assert_array_equal(walk(copy, source, target_in)[0], step_logits)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"score": "Dot"}, "score must be one of .*'dot'.* Received: 'Dot'"),
        ({"placement": "Luong"}, "placement must be one of .* Received: 'Luong'"),
        (
            {"placement": "bahdanau", "input_feeding": True},
            "input_feeding must be False with placement='bahdanau'.* Received: True",
        ),
        (
            {"placement": "bahdanau", "recurrent_dropout": 0.2},
            "recurrent_dropout must be 0 with placement='bahdanau'.* Received: 0.2",
        ),
        (
            {"input_feeding": True, "recurrent_dropout": 0.5},
            "recurrent_dropout must be 0 with .* input_feeding.* Received: 0.5",
        ),
        ({"input_feeding": "yes"}, "input_feeding must be True or False.*'yes'"),
        ({"bidirectional": "no"}, "bidirectional must be True or False.*'no'"),
        ({"reverse_source": 2}, "reverse_source must be True or False.* 2"),
        ({"residual": None}, "residual must be True or False. Received: None"),
        ({"local": "window"}, "local must be one of .*'monotonic'.*'window'"),
        ({"window": 0}, "window must be a whole number of at least 1. Received: 0"),
        ({"window": 2.5}, "window .* Received: 2.5"),
        ({"longest": 0}, "longest must be a whole number of at least 1. Received: 0"),
        ({"units": 0}, "units must be a whole number of at least 1. Received: 0"),
        ({"units": True}, "units must be a whole number .* Received: True"),
        ({"cell": "elman"}, "cell must be one of .* Received: 'elman'"),
        ({"dropout": 1.0}, "dropout .* below 1. Received: 1.0"),
        ({"source_vocabulary": 4}, "source_vocabulary .* at least 5. Received: 4"),
    ],
    ids=str,
)
def test_a_bad_argument_of_attention_is_named(arguments, message, fresh_model):
    with pytest.raises(ValueError, match=message):
        fresh_model("attention_seq2seq", **arguments)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (POINTERS[0] | {"distinct": 1}, "distinct must be True or False. Received: 1"),
        (POINTERS[0] | {"source_features": 0}, "source_features .* least 1.* 0"),
        (
            POINTERS[0] | {"source_vocabulary": 9},
            "One of source_vocabulary and source_",
        ),
        (POINTING | {"source_vocabulary": None}, "One of source_vocabulary and source"),
        (LUONG | {"source_features": 2.5}, "source_features .* Received: 2.5"),
        ({"source_features": 2, "source_vocabulary": 9}, "One of source_vocabulary"),
        (POINTING | {"units": None}, "units must be a whole number.* Received: None"),
        (POINTING | {"recurrent_dropout": 1.0}, "recurrent_dropout .* Received: 1.0"),
        (COPYING | {"source_vocabulary": None}, "source_vocabulary .*Received: None"),
        (COPYING | {"target_vocabulary": None}, "target_vocabulary .*Received: None"),
        (LUONG | {"target_vocabulary": None}, "target_vocabulary .*Received: None"),
        (COPYING | {"coverage": "yes"}, "coverage must be True or False.*'yes'"),
        (COPYING | {"coverage_weight": -1.0}, "coverage_weight .* least 0.*: -1.0"),
        (COPYING | {"cell": "magic"}, "cell must be one of .* Received: 'magic'"),
    ],
    ids=str,
)
def test_a_bad_argument_of_pointing_and_copying_is_named(
    arguments, message, fresh_model
):
    with pytest.raises(ValueError, match=message):
        fresh_model(**arguments)


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (LUONG, {"additive_attention", "context_and_hidden", "logits"}),
        (FEEDING | {"local": "monotonic"}, {"decoder", "bridge_hidden_1", "logits"}),
        (
            BAHDANAU | {"score": "dot", "reverse_source": True, "dropout": 0.1},
            {"decoder", "output_and_token", "readout", "reversed", "turned_back"},
        ),
        (POINTERS[1], {"pointer", "items_at", "visited"}),
        (COPIERS[0], {"ids", "extended_ids", "known", "gate", "distribution"}),
    ],
    ids=["luong", "input feeding", "bahdanau", "pointer", "copying"],
)
def test_the_diagram_shows_attention_by_its_layers_alone(
    arguments, expected, shared_model
):
    import matplotlib

    matplotlib.use("agg")
    model = shared_model(**arguments)
    drawn = {text.get_text() for text in model.diagram().findobj(matplotlib.text.Text)}
    assert expected | {"training", "encoder", "step", "encoder_1"} <= drawn
    layers = {
        layer.name
        for graph in (model.training, model.encoder, model.step)
        for layer in graph.layers
    }
    assert drawn - {"", "training", "encoder", "step"} == layers


# The configuration


@pytest.mark.parametrize(
    "arguments",
    [
        {"cell": "gru", "dropout": 0.1, "recurrent_dropout": 0.2},
        {"embedding_dropout": 0.3, "recurrent_initializer": "glorot_uniform"},
        BAHDANAU | {"cell": "lstm", "embedding_dropout": 0.3, "forget_bias": False},
    ],
    ids=named,
)
def test_a_model_is_built_again_from_its_configuration_as_json(arguments, shared_model):
    model = shared_model(layers=2, bidirectional=True, **arguments)
    for name, value in arguments.items():
        assert model.config[name] == value
    copy = models.build(json.loads(json.dumps(model.config)))
    assert copy.config == model.config
    for graph, same in (
        (model.training, copy.training),
        (model.encoder, copy.encoder),
        (model.step, copy.step),
    ):
        shapes = [(weight.path, weight.shape) for weight in graph.weights]
        assert shapes == [(weight.path, weight.shape) for weight in same.weights]
        assert [t.shape for t in keras.tree.flatten(same.outputs)] == [
            t.shape for t in keras.tree.flatten(graph.outputs)
        ]


def test_an_unknown_builder_is_refused():
    with pytest.raises(ValueError, match=r"config\['builder'\] .* Received: 'magic'"):
        models.build({"builder": "magic"})


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"source_vocabulary": 4}, "source_vocabulary .* at least 5. Received: 4"),
        ({"target_vocabulary": 0}, "target_vocabulary .* at least 5. Received: 0"),
        ({"target_vocabulary": "9"}, "target_vocabulary .* Received: '9'"),
        ({"cell": "LSTM"}, "cell must be one of .*'lstm'.* Received: 'LSTM'"),
        ({"context": "always"}, "context must be one of .* Received: 'always'"),
        ({"units": 0}, "units must be a whole number of at least 1. Received: 0"),
        ({"units": 2.0}, "units must be a whole number .* Received: 2.0"),
        ({"embedding_dim": -1}, "embedding_dim .* Received: -1"),
        ({"layers": 0}, "layers must be a whole number of at least 1. Received: 0"),
        (
            {"dropout": 1.0},
            "dropout must be a number of at least 0 and below 1. Received: 1.0",
        ),
        ({"dropout": -0.1}, "dropout .* Received: -0.1"),
        ({"dropout": "0.1"}, "dropout .* Received: '0.1'"),
        ({"output_dropout": 1}, "output_dropout .* below 1. Received: 1"),
        ({"recurrent_dropout": 1}, "recurrent_dropout .* below 1. Received: 1"),
        ({"recurrent_dropout": None}, "recurrent_dropout .* Received: None"),
        (
            {"recurrent_initializer": "zeros"},
            "recurrent_initializer must be one of .*'orthogonal'.* Received: 'zeros'",
        ),
        ({"forget_bias": 1.0}, "forget_bias must be True or False. Received: 1.0"),
        ({"tie_embeddings": 1}, "tie_embeddings must be True or False. Received: 1"),
        ({"residual": "yes"}, "residual must be True or False. Received: 'yes'"),
        ({"layer_norm": 0}, "layer_norm must be True or False. Received: 0"),
        (
            {"embedding_stddev": 0.0},
            "embedding_stddev must be a number above 0. Received: 0.0",
        ),
        (
            {"embedding_stddev": -1},
            "embedding_stddev must be a number above 0. Received: -1",
        ),
    ],
    ids=str,
)
def test_a_bad_argument_is_named(arguments, message, fresh_model):
    with pytest.raises(ValueError, match=message):
        fresh_model(**arguments)


# What a reader sees


def test_the_summary_lists_every_layer(shared_model):
    lines = []
    shared_model(layers=2).summary(print_fn=lambda line, **_: lines.append(line))
    text = "\n".join(lines)
    for name in ("source_embedding", "encoder_2", "decoder_2", "logits"):
        assert name in text


@pytest.mark.parametrize("arguments", [POINTERS[2], COPIERS[2]], ids=named)
def test_the_summary_lists_every_layer_that_points_or_copies(arguments, shared_model):
    lines, model = [], shared_model(**arguments)
    model.summary(print_fn=lambda line, **_: lines.append(line), line_length=200)
    text = "\n".join(lines)
    for layer in model.training.layers:
        assert layer.name in text


def test_the_diagram_shows_the_three_graphs(shared_model):
    import matplotlib

    matplotlib.use("agg")
    for arguments in ({}, {"bidirectional": True, "context": "every_step"}):
        figure = shared_model(**arguments).diagram()
        assert isinstance(figure, Figure)
        drawn = {text.get_text() for text in figure.findobj(matplotlib.text.Text)}
        assert {"training", "encoder", "step", "encoder_1", "logits"} <= drawn


def test_a_models_nodes_are_its_layers_with_their_inputs(shared_model):
    nodes = dict(models.seq2seq._nodes(shared_model(layers=2).training))
    assert nodes["encoder_1"] == ["source_embedding", "source_mask"]
    assert nodes["encoder_2"] == ["encoder_1", "source_mask"]
    assert nodes["decoder_1"] == ["encoder_1", "target_embedding"]
    assert nodes["decoder_2"] == ["decoder_1", "encoder_2"]
    assert nodes["logits"] == ["decoder_2"]
    assert nodes["source"] == []


def test_another_backend_is_named_when_models_are_imported(monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "torch")
    with pytest.raises(ImportError, match="KERAS_BACKEND=tensorflow .* 'torch'"):
        importlib.reload(models)
