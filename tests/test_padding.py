"""Tests of `s2s_keras.layers.padding`, and that padding changes no result at all."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from s2s_keras import decoding
from s2s_keras.layers import PaddingMask, ReverseSequence
from s2s_keras.losses import CrossEntropy, TokenAccuracy, TokenLoss

FINISH = {"residual": True, "layer_norm": True, "tie_embeddings": True}
MODELS = [
    {"cell": "rnn", "bidirectional": True},
    {"cell": "gru", "reverse_source": True},
    {"cell": "lstm"},
]
MODELS += [
    {"cell": "gru", "context": "every_step", "layers": 2, "bidirectional": True},
    {"cell": "lstm", "layers": 2, "bidirectional": True, "reverse_source": True},
    {"cell": "gru", "layers": 3, "bidirectional": True} | FINISH,
]
ATTENDING = [
    {"score": "additive", "cell": "gru"},
    {"score": "location", "longest": 4, "cell": "rnn", "reverse_source": True},
    {"score": "dot", "local": "monotonic", "cell": "rnn", "window": 1},
    {"score": "cosine", "input_feeding": True, "cell": "gru", "layers": 2},
    {"score": "location", "input_feeding": True, "local": "monotonic", "window": 1},
    {"score": "concat", "placement": "bahdanau", "bidirectional": False},
    {"score": "general", "placement": "bahdanau", "local": "predictive", "window": 2},
    {"score": "general", "cell": "lstm", "layers": 2, "reverse_source": True} | FINISH,
    {"score": "additive", "cell": "gru", "layers": 2, "input_feeding": True} | FINISH,
    {"score": "dot", "cell": "rnn", "layers": 2, "placement": "bahdanau"} | FINISH,
]
MODELS += [{"builder": "attention_seq2seq"} | arguments for arguments in ATTENDING]
POINTING, COPYING = ({"builder": b} for b in ("pointer_network", "pointer_generator"))
MODELS += [
    {"source_features": 2, "cell": "gru", "reverse_source": True},
    {"builder": "attention_seq2seq", "source_features": 2, "input_feeding": True},
    POINTING | {"source_features": 2, "distinct": True, "layers": 2},
    POINTING | {"cell": "gru", "bidirectional": True},
    COPYING | {"cell": "gru", "layers": 2} | FINISH,
    COPYING | {"coverage": False, "bidirectional": False},
]


def named(arguments):
    return " ".join(name if on is True else str(on) for name, on in arguments.items())


every_model = pytest.mark.parametrize("arguments", MODELS, ids=named)


OF_THE_SOURCE = (
    *("memory", "memory_mask", "keys", "weights"),
    *("items", "pointed", "extended_ids", "coverage"),
)


def right_padded(array, columns):
    """Adds zeros to the second axis, or in a source of vectors, nines."""
    if isinstance(array, dict):
        wider = {name: right_padded(part, columns) for name, part in array.items()}
        if "mask" in wider:
            wider["vectors"][~wider["mask"]] = 9.0
        return wider
    array = np.asarray(array)
    return np.pad(array, ((0, 0), (0, columns)) + ((0, 0),) * (array.ndim - 2))


def lengths_of(source):
    if not isinstance(source, dict):
        return np.count_nonzero(source, axis=1)
    return np.count_nonzero(source.get("mask", source.get("ids")), axis=1)


def one_row(source, row):
    """Returns a single row of a source, without padding."""
    length = lengths_of(source)[row]
    return tf.nest.map_structure(lambda part: part[row : row + 1, :length], source)


def real(state, mask):
    """Returns a state whose items at padding, which nobody sees, are zeros."""
    if "items" not in state:
        return state
    return state | {"items": np.where(mask[:, :, None], state["items"], 0.0)}


def graphs_of(model):
    graphs = [model.training, model.encoder, model.step, model.attention]
    return [graph for graph in graphs if graph is not None]


def same_answers(wide, logits):
    """Compares logits of which one may have more answers, all impossible."""
    answers = min(wide.shape[-1], logits.shape[-1])
    close(wide[..., :answers], logits[..., :answers])
    for more in (wide, logits):
        assert (np.asarray(more)[..., answers:] < -1e8).all()


def close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=2e-6, atol=2e-6)


# The layers


@given(arrays.arrays("int32", (3, 5), elements=st.integers(0, 3)))
def test_the_mask_is_false_at_pad_alone(token_ids):
    mask = keras.ops.convert_to_numpy(PaddingMask()(token_ids))
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, token_ids != 0)


@given(st.lists(st.integers(0, 6), min_size=1, max_size=4), st.integers(0, 2))
def test_reversing_equals_a_loop_over_rows(lengths, extra_columns):
    columns = max(lengths) + extra_columns
    if not columns:
        return
    random = np.random.default_rng(len(lengths))
    sequence = random.normal(size=(len(lengths), columns, 2)).astype("float32")
    mask = np.arange(columns) < np.array(lengths)[:, None]
    expected = sequence.copy()
    for row, length in zip(expected, lengths, strict=True):
        row[:length] = row[:length][::-1].copy()
    actual = ReverseSequence()(sequence, mask)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(actual), expected)


def test_the_layers_keep_symbolic_shapes_and_save_and_load(tmp_path):
    token_ids = keras.Input((None,), dtype="int32")
    sequence = keras.Input((None, 3))
    mask = PaddingMask()(token_ids)
    turned = ReverseSequence()(sequence, mask)
    assert (mask.shape, mask.dtype) == ((None, None), "bool")
    assert (turned.shape, turned.dtype) == ((None, None, 3), "float32")
    model = keras.Model([token_ids, sequence], [mask, turned])
    model.save(tmp_path / "model.keras")
    inputs = [np.array([[4, 5, 2, 0]]), np.arange(12.0).reshape(1, 4, 3)]
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for before, after in zip(model(inputs), loaded(inputs), strict=True):
        np.testing.assert_array_equal(before, after)


# Padding changes nothing


@every_model
def test_padding_changes_no_logit_state_loss_or_metric(
    arguments, shared_model, batch_of
):
    """Nor does any output carry a mask of Keras, which layers would obey unasked."""
    model = shared_model(**arguments)
    outputs = [graph.outputs for graph in graphs_of(model)]
    source, target_in, target_out, weight = batch_of(arguments)
    width = lengths_of(source).max()
    wider = [
        right_padded(source, 3),
        *(right_padded(ids, 4) for ids in (target_in, target_out, weight)),
    ]
    logits = model.training([source, target_in])
    wide_logits = model.training(wider[:2])
    same_answers(wide_logits[:, : target_in.shape[1]], logits)
    if model.attention:
        weights = model.attention([source, target_in])
        wide_weights = model.attention(wider[:2]).numpy()
        close(wide_weights[:, : target_in.shape[1], :width], weights)
        np.testing.assert_array_equal(wide_weights[:, :, width:], 0.0)
        outputs.append(weights)

    encoded = model.encoder(source)
    first = keras.ops.convert_to_tensor(target_in[:, 0])
    outputs += [logits, encoded, model.step([first, encoded])]
    for tensor in keras.tree.flatten(outputs):
        assert getattr(tensor, "_keras_mask", None) is None

    state, wide_state = (
        real(state, np.arange(columns) < lengths_of(source)[:, None])
        for state, columns in ((encoded, width), (model.encoder(wider[0]), width + 3))
    )
    assert state.keys() == wide_state.keys()
    for name, tensor in state.items():
        if name in OF_THE_SOURCE:
            tensor = right_padded(tensor, 3)
        close(wide_state[name], tensor)

    close(
        CrossEntropy()(wider[2], wide_logits, wider[3]),
        CrossEntropy()(target_out, logits, weight),
    )
    for metric, wide_metric in (
        (TokenLoss(), TokenLoss()),
        (TokenAccuracy(), TokenAccuracy()),
    ):
        metric.update_state(target_out, logits, weight)
        wide_metric.update_state(wider[2], wide_logits, wider[3])
        close(wide_metric.result(), metric.result())


@every_model
def test_the_other_rows_of_a_batch_change_no_logit_and_no_state(
    arguments, shared_model, batch_of
):
    model = shared_model(**arguments)
    source, target_in, target_out, _ = batch_of(arguments)
    logits = model.training([source, target_in])
    lengths = lengths_of(source)
    state = real(model.encoder(source), np.arange(lengths.max()) < lengths[:, None])
    row = 2  # the one with most padding
    source_length, own_source = lengths[row], one_row(source, row)
    length = np.count_nonzero(target_out[row])
    alone = model.training([own_source, target_in[row : row + 1, :length]])
    same_answers(logits[row, :length], alone[0])
    for name, tensor in model.encoder(own_source).items():
        if name in OF_THE_SOURCE:
            close(tensor[0], state[name][row, :source_length])
            assert not np.any(state[name][row, source_length:])
        else:
            close(tensor[0], state[name][row])


@every_model
def test_neither_padding_nor_other_rows_change_what_greedy_finds(
    arguments, shared_model, batch_of
):
    model = shared_model(**arguments)
    source, *_ = batch_of(arguments, (6, 4, 2, 5, 3), (1,) * 5)
    found = decoding.greedy(model, source, 8)
    wide = decoding.greedy(model, right_padded(source, 3), 8)
    np.testing.assert_array_equal(wide.tokens, found.tokens)
    np.testing.assert_array_equal(wide.lengths, found.lengths)
    close(wide.scores, found.scores)
    if model.attention:
        close(wide.weights[:, :, :6], found.weights)
        assert not np.any(wide.weights[:, :, 6:])
    for row in range(5):
        alone = decoding.greedy(model, one_row(source, row), 8)
        length = found.lengths[row]
        assert alone.lengths == [length]
        np.testing.assert_array_equal(alone.tokens[0], found.tokens[row, :length])
        close(alone.scores[0], found.scores[row])
        if model.attention:
            shape = alone.weights.shape[1:]
            close(alone.weights[0], found.weights[row, : shape[0], : shape[1]])
    assert len({tuple(row) for row in found.tokens}) > 1, "the sources must matter"


@pytest.mark.parametrize(
    "arguments", [POINTING | {"source_features": 2}, COPYING | {"cell": "rnn"}], ids=str
)
def test_other_sources_change_neither_beams_samples_nor_scores(
    arguments, shared_model, batch_of
):
    """Though they may have more items, or more words beyond the vocabulary."""
    model = shared_model(**arguments)
    source, _, target, _ = batch_of(arguments, (4, 9, 2), (3, 2, 1), seed=1)
    alone = one_row(source, 0)
    if "extended_ids" in source:
        source["extended_ids"][1, :8] = np.arange(13, 21)

    def found(sources, targets):
        limits = {"max_length": 6}
        yield decoding.beam_search(model, sources, beam_width=3, n_best=2, **limits)
        yield decoding.sample(model, sources, seed=4, num_samples=4, **limits)
        yield decoding.score(model, sources, targets)

    results = zip(found(source, target), found(alone, target[:1]), strict=True)
    for together, own in results:
        width = own.tokens.shape[-1]
        np.testing.assert_array_equal(own.tokens[0], together.tokens[0, ..., :width])
        np.testing.assert_array_equal(own.lengths[0], together.lengths[0])
        close(own.scores[0], together.scores[0])
        close(own.weights[0], together.weights[0, ..., :width, :4])
