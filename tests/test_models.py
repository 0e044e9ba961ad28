"""Tests of `s2s_keras.models`: three graphs that share their layers."""

import json

import keras
import numpy as np
import pytest
from keras import ops
from matplotlib.figure import Figure

from s2s_keras import models, training

CELLS = ("rnn", "gru", "lstm")
VARIANTS = [
    {"cell": cell, "layers": layers, "bidirectional": bidirectional}
    for cell in CELLS
    for layers in (1, 2)
    for bidirectional in (False, True)
]
VARIANTS += [
    {"cell": cell, "layers": 2, "reverse_source": True, "context": "every_step"}
    for cell in CELLS
]
VARIANTS += [{"cell": "gru", "context": "every_step", "bidirectional": True}]


def named(arguments):
    return " ".join(f"{name}={value}" for name, value in arguments.items())


every_variant = pytest.mark.parametrize("arguments", VARIANTS, ids=named)


def steps(model, source, target_in):
    """Feeds gold tokens one by one; returns logits `(batch, target_length, …)`."""
    state = model.encoder(source)
    logits = []
    for token in ops.convert_to_tensor(target_in.T):
        step_logits, state = model.step([token, state])
        logits.append(step_logits)
    return np.stack(logits, axis=1)


# One set of layers, three graphs


@every_variant
def test_gold_tokens_through_step_give_the_training_logits(
    arguments, shared_model, random_batch
):
    model = shared_model(**arguments)
    source, target_in, *_ = random_batch()
    logits = model.training([source, target_in]).numpy()
    assert logits.shape == (3, 5, 13)
    assert np.abs(steps(model, source, target_in) - logits).max() <= 1e-5


@pytest.mark.parametrize(
    "arguments",
    [{"cell": "gru", "bidirectional": True}, {"cell": "lstm", "context": "every_step"}],
    ids=named,
)
def test_the_three_graphs_still_agree_after_training(arguments, fresh_model, toy):
    from s2s_keras import batches

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
    difference = steps(model, source, target_in.numpy()) - logits
    assert np.abs(difference).max() <= 1e-5


@every_variant
def test_the_state_keeps_its_structure_and_the_graphs_share_every_weight(
    arguments, shared_model, random_batch
):
    model = shared_model(**arguments)
    source, target_in, *_ = random_batch()
    state = model.encoder(source)
    _, new_state = model.step([ops.convert_to_tensor(target_in[:, 0]), state])
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


def test_dropout_changes_training_alone(fresh_model, random_batch):
    model = fresh_model(dropout=0.5)
    source, target_in, *_ = random_batch()
    calm = [model.training([source, target_in]) for _ in range(2)]
    np.testing.assert_array_equal(*calm)
    wild = [model.training([source, target_in], training=True) for _ in range(2)]
    assert np.abs(wild[0] - wild[1]).max() > 0.1
    np.testing.assert_allclose(steps(model, source, target_in), calm[0], atol=1e-5)


def test_mixed_precision_gives_finite_float32_logits(fresh_model, random_batch):
    source, target_in, *_ = random_batch()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        for arguments in ({"bidirectional": True}, {"context": "every_step"}):
            model = fresh_model(reverse_source=True, layers=2, **arguments)
            logits = model.training([source, target_in])
            assert logits.dtype == "float32"
            assert np.isfinite(logits).all()
            assert model.encoder(source)["hidden_1"].dtype == "float16"
            difference = steps(model, source, target_in) - logits
            assert np.abs(difference).max() < 0.01
    finally:
        keras.config.set_dtype_policy("float32")


# The configuration


def test_a_model_is_built_again_from_its_configuration_as_json(shared_model):
    model = shared_model(cell="gru", layers=2, bidirectional=True, dropout=0.1)
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
            "dropout must be a number at least 0 and below 1. Received: 1.0",
        ),
        ({"dropout": -0.1}, "dropout .* Received: -0.1"),
        ({"dropout": "0.1"}, "dropout .* Received: '0.1'"),
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
