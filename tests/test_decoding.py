"""Tests of `s2s_keras.decoding`, most with models that are a few lines of code."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from s2s_keras import decoding
from s2s_keras.batches import pad
from s2s_keras.models import Seq2Seq
from s2s_keras.text import EOS, PAD, SOS

VOCABULARY = 12
INTEGERS = ("int64", "int32", "int16", "uint8", "uint32")
SURE = 3.0
# The logarithm of the probability of a logit of 3 among eleven of 0.
SURE_SCORE = SURE - np.log(np.exp(SURE) + VOCABULARY - 1)


class Copier:
    """A model without weights that answers with its source, token by token.

    It attends to the token it copies, and refuses a token that it did not choose.
    """

    def __init__(self):
        self.traced = {"encoder": 0, "step": 0}
        self.taken = tf.Variable(0)
        self.seq2seq = Seq2Seq(None, self.encode, self.step)

    def encode(self, source):
        self.traced["encoder"] += 1
        position = tf.zeros([tf.shape(source)[0]], tf.int32)
        return {
            "source": source,
            "position": position,
            "weights": tf.zeros(tf.shape(source), tf.float32),
        }

    def step(self, inputs):
        self.traced["step"] += 1
        self.taken.assign_add(1)
        token, state = inputs
        source, position = state["source"], state["position"]
        padded = tf.pad(source, [[0, 0], [1, 99]])  # (batch, source_length + 100)
        last = tf.gather(padded, position, axis=1, batch_dims=1)
        expected = tf.where(position == 0, SOS, last)
        tf.debugging.Assert(tf.reduce_all(token == expected), [token, expected])
        answer = tf.gather(padded, position + 1, axis=1, batch_dims=1)
        weights = tf.one_hot(position, tf.shape(source)[1])
        state = state | {"position": position + 1, "weights": weights}
        return SURE * tf.one_hot(answer, VOCABULARY), state


rows_of_ids = st.lists(
    st.lists(st.integers(4, VOCABULARY - 1), max_size=6).map(lambda ids: [*ids, EOS]),
    min_size=1,
    max_size=4,
)
copier = Copier()


@given(rows_of_ids, st.integers(1, 9))
def test_a_copier_spells_each_row_up_to_its_end_or_max_length(rows, max_length):
    found = decoding.greedy(copier.seq2seq, pad(rows), max_length)
    expected = [row[:max_length] for row in rows]
    np.testing.assert_array_equal(found.tokens, pad(expected))
    np.testing.assert_array_equal(found.lengths, list(map(len, expected)))
    np.testing.assert_allclose(found.scores, SURE_SCORE * found.lengths, rtol=1e-5)
    dtypes = [array.dtype.name for array in (found.tokens, found.lengths, found.scores)]
    assert dtypes == ["int32", "int32", "float32"]


@given(rows_of_ids)
def test_the_weights_of_each_token_are_those_of_its_step_and_zero_after_the_end(rows):
    source = pad(rows)
    found = decoding.greedy(copier.seq2seq, source, 9)
    longest = source.shape[1]
    expected = np.broadcast_to(np.eye(longest), (len(rows), longest, longest)).copy()
    expected[source == PAD] = 0.0
    np.testing.assert_array_equal(found.weights, expected)


def test_one_function_serves_every_batch_size_length_and_max_length():
    copier = Copier()
    decoding.greedy(copier.seq2seq, [[4, EOS]], 3)
    after_the_first = dict(copier.traced)
    for batch, length, max_length in ((1, 2, 3), (5, 3, 7), (2, 8, 1), (64, 5, 30)):
        source = np.full((batch, length), 7)
        source[:, -1] = EOS
        found = decoding.greedy(copier.seq2seq, source, max_length)
        assert found.tokens.shape == (batch, min(length, max_length))
    assert copier.traced == after_the_first
    assert after_the_first["encoder"] == 1


def test_the_search_stops_as_soon_as_every_row_has_ended():
    copier = Copier()
    source = pad([[4, 5, EOS], [EOS], [6, EOS]])
    decoding.greedy(copier.seq2seq, source, 50)
    assert copier.taken.numpy() == 3


def test_lists_and_integers_of_any_size_are_sources_too():
    rows = [[4, 5, EOS], [6, EOS, PAD]]
    for source in (rows, *map(np.array(rows).astype, INTEGERS), tf.constant(rows)):
        found = decoding.greedy(copier.seq2seq, source, 5)
        np.testing.assert_array_equal(found.tokens, rows)
        scored = decoding.score(copier.seq2seq, source, source)
        np.testing.assert_array_equal(scored.tokens, rows)


def test_a_dict_of_tensors_is_a_source():
    def encode(source):
        nearest = tf.argmin(source["points"][..., 0], axis=1, output_type=tf.int32)
        picked = tf.gather(source["ids"], nearest, axis=1, batch_dims=1)
        return {"next": picked, "then": tf.fill(tf.shape(picked), EOS)}

    def step(inputs):
        _, state = inputs
        logits = tf.one_hot(state["next"], VOCABULARY)
        return logits, {"next": state["then"], "then": state["then"]}

    model = Seq2Seq(None, encode, step)
    points = np.float32([[[3, 0], [1, 0], [2, 0]], [[3, 0], [2, 0], [1, 0]]])
    source = {"points": points, "ids": [[4, 5, 6], [7, 8, 9]]}
    found = decoding.greedy(model, source, 4)
    np.testing.assert_array_equal(found.tokens, [[5, EOS], [9, EOS]])
    assert found.weights is None
    decoding.greedy(model, dict(reversed(source.items())), 4)
    assert len(model.compiled) == 1


# A real model


def many_sources():
    random = np.random.default_rng(1)
    return pad([[*random.integers(4, 11, n), EOS] for n in random.integers(1, 6, 12)])


def by_hand(model, ids, max_length):
    """Decodes one source in plain Python; returns tokens and score."""
    state = model.encoder(keras.ops.convert_to_tensor([ids]))
    tokens, score = [SOS], 0.0
    while tokens[-1] != EOS and len(tokens) <= max_length:
        token = keras.ops.convert_to_tensor(tokens[-1:])
        logits, state = model.step([token, state])
        logits = np.float64(logits[0])
        tokens.append(int(logits.argmax()))
        score += logits.max() - np.log(np.exp(logits).sum())
    return tokens[1:], score


# The bias towards EOS lets some rows end within 7 tokens, and some not.
@pytest.mark.parametrize(
    "arguments, bias_of_eos",
    [
        ({"cell": "gru", "bidirectional": True}, 0.5),
        ({"cell": "lstm", "layers": 2, "reverse_source": True}, 0.0),
        ({"cell": "rnn", "context": "every_step"}, 2.0),
    ],
    ids=lambda value: value["cell"] if isinstance(value, dict) else "",
)
def test_greedy_equals_plain_python_token_by_token(arguments, bias_of_eos, fresh_model):
    source = many_sources()
    model = fresh_model(**arguments)
    logits = model.training.get_layer("logits")
    kernel, bias = logits.get_weights()
    bias[EOS] = bias_of_eos
    logits.set_weights([2.0 * kernel, bias])
    found = decoding.greedy(model, source, 7)
    for row, ids in enumerate(source):
        tokens, score = by_hand(model, ids, 7)
        length = found.lengths[row]
        assert found.tokens[row, :length].tolist() == tokens
        assert (found.tokens[row, length:] == PAD).all()
        assert found.scores[row] == pytest.approx(score, rel=1e-5)
    ended = [EOS in row for row in found.tokens]
    assert any(ended) and not all(ended)
    assert found.weights is None


def test_another_step_is_compiled_for_itself(fresh_model):
    model = fresh_model()

    def always_ends(arguments):
        logits, state = model.step(arguments)
        return logits + 99 * tf.one_hot(EOS, logits.shape[-1]), state

    before = decoding.greedy(model, [[4, EOS]], max_length=3)
    other = dataclasses.replace(model, step=always_ends)
    assert decoding.greedy(other, [[4, EOS]], max_length=3).lengths.tolist() == [1]
    assert before.lengths.tolist() != [1]


def test_new_weights_count_without_compiling_anew(fresh_model, random_batch):
    model = fresh_model(cell="rnn")
    source, *_ = random_batch()
    decoding.greedy(model, source, 4)
    kernel, bias = model.training.get_layer("logits").get_weights()
    bias[9] = 1e3
    model.training.get_layer("logits").set_weights([kernel, bias])
    np.testing.assert_array_equal(decoding.greedy(model, source, 4).tokens, 9)
    assert len(model.compiled) == 1


# Scoring given targets


@given(rows_of_ids, st.integers(1, 9))
def test_scoring_takes_each_step_with_the_given_tokens(rows, length):
    shown = [row[:length] for row in rows]
    found = decoding.score(copier.seq2seq, pad(rows), pad(shown))
    np.testing.assert_array_equal(found.tokens, pad(shown))
    np.testing.assert_array_equal(found.lengths, list(map(len, shown)))
    np.testing.assert_allclose(found.scores, SURE_SCORE * found.lengths, rtol=1e-5)
    longest = found.tokens.shape[1]
    for row, tokens in enumerate(shown):
        expected = np.zeros((longest, pad(rows).shape[1]))
        expected[range(len(tokens)), range(len(tokens))] = 1.0
        np.testing.assert_array_equal(found.weights[row], expected)
    dtypes = [array.dtype.name for array in (found.tokens, found.lengths, found.scores)]
    assert dtypes == ["int32", "int32", "float32"]


ATTENDING = [
    {"score": "general", "cell": "rnn"},
    {"score": "dot", "cell": "gru", "input_feeding": True, "local": "monotonic"},
    {"score": "additive", "cell": "lstm", "placement": "bahdanau", "layers": 2},
]
with_attention = pytest.mark.parametrize(
    "arguments", ATTENDING, ids=["luong", "input feeding", "bahdanau"]
)


def log_softmax(logits):
    logits = np.float64(logits)
    logits -= logits.max(axis=-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


@with_attention
def test_scoring_equals_teacher_forcing(arguments, shared_model, random_batch):
    model = shared_model("attention_seq2seq", **arguments)
    source, target_in, target_out, weight = random_batch()
    found = decoding.score(model, source, target_out)
    logits = model.training([source, target_in])
    chosen = np.take_along_axis(log_softmax(logits), target_out[..., None], axis=-1)
    expected = (chosen[..., 0] * weight).sum(axis=1)
    np.testing.assert_allclose(found.scores, expected, rtol=1e-5)
    np.testing.assert_array_equal(found.tokens, target_out)
    np.testing.assert_array_equal(found.lengths, [3, 5, 1])
    weights = model.attention([source, target_in]) * weight[..., None]
    np.testing.assert_allclose(found.weights, weights, atol=1e-5)


@with_attention
def test_scoring_what_greedy_found_gives_its_score_and_weights(arguments, fresh_model):
    model = fresh_model("attention_seq2seq", **arguments)
    source = many_sources()
    logits = model.training.get_layer("logits")
    kernel, bias = logits.get_weights()
    bias[[PAD, SOS]], bias[EOS] = -1e9, 0.0  # as of a trained model
    logits.set_weights([2.0 * kernel, bias])
    found = decoding.greedy(model, source, 6)
    ended = [EOS in row for row in found.tokens]
    assert any(ended) and not all(ended)
    again = decoding.score(model, source, found.tokens)
    np.testing.assert_array_equal(again.tokens, found.tokens)
    np.testing.assert_array_equal(again.lengths, found.lengths)
    np.testing.assert_allclose(again.scores, found.scores, rtol=1e-5)
    np.testing.assert_allclose(again.weights, found.weights, atol=1e-6)


@with_attention
def test_padding_order_and_company_change_no_score(
    arguments, shared_model, random_batch
):
    model = shared_model("attention_seq2seq", **arguments)
    source, _, target, _ = random_batch()
    target[0, 2] = 7  # a row without an end, shorter than another
    found = decoding.score(model, source, target)
    np.testing.assert_array_equal(found.tokens, target)
    wide = decoding.score(
        model, np.pad(source, ((0, 0), (0, 3))), np.pad(target, ((0, 0), (0, 2)))
    )
    np.testing.assert_array_equal(wide.tokens, found.tokens)
    np.testing.assert_allclose(wide.scores, found.scores, rtol=1e-5)
    np.testing.assert_allclose(wide.weights[..., :6], found.weights, atol=1e-6)
    order = [2, 0, 1]
    turned = decoding.score(model, source[order], target[order])
    np.testing.assert_array_equal(turned.tokens, target[order])
    np.testing.assert_allclose(turned.scores, found.scores[order], rtol=1e-5)
    for row, (ids, answer) in enumerate(zip(source, target, strict=True)):
        alone = decoding.score(
            model, [ids[: np.count_nonzero(ids)]], [answer[: np.count_nonzero(answer)]]
        )
        np.testing.assert_allclose(alone.scores, found.scores[[row]], rtol=1e-5)
        shape = alone.weights.shape[1:]
        np.testing.assert_allclose(
            alone.weights[0], found.weights[row, : shape[0], : shape[1]], atol=1e-6
        )


def test_a_model_without_attention_scores_too(shared_model, random_batch):
    model = shared_model(cell="gru")
    source, target_in, target_out, weight = random_batch()
    found = decoding.score(model, source, target_out)
    logits = model.training([source, target_in])
    chosen = np.take_along_axis(log_softmax(logits), target_out[..., None], axis=-1)
    np.testing.assert_allclose(
        found.scores, (chosen[..., 0] * weight).sum(axis=1), rtol=1e-5
    )
    assert found.weights is None


def test_one_function_scores_every_batch_size_and_length(shared_model):
    model = shared_model(cell="rnn", units=3)
    for batch, length in ((1, 2), (4, 7), (2, 1)):
        decoding.score(
            model, np.full((batch, length), 5), np.full((batch, length + 1), 6)
        )
    decoding.greedy(model, [[5]], 2)
    assert len(model.compiled) == 2


# Bad input


@pytest.mark.parametrize("max_length", [0, -3])
def test_a_max_length_below_one_is_refused(max_length):
    with pytest.raises(ValueError, match="max_length must be a whole number of at"):
        decoding.greedy(copier.seq2seq, [[EOS]], max_length)


def test_a_source_without_rows_is_refused():
    with pytest.raises(ValueError, match="source must hold at least one row"):
        decoding.greedy(copier.seq2seq, np.zeros((0, 3), "int32"), 4)


@pytest.mark.parametrize(
    "source",
    [[4, EOS], ["four"], [[4, 5, EOS], [5, EOS]], np.zeros((2, 0), "int32"), None],
    ids=["a vector", "texts", "rows of two lengths", "no column", "none"],
)
def test_a_source_must_be_rows_of_ids(source):
    with pytest.raises(ValueError, match=r"source must be ids \(batch, .* Received: "):
        decoding.greedy(copier.seq2seq, source, 4)


@pytest.mark.parametrize(
    "target",
    [
        [[4, EOS]],
        [[4, EOS], [5, EOS], [6, EOS]],
        [[], []],
        [4, 5],
        [[[4]], [[5]]],
        np.zeros((0, 2), "int32"),
    ],
    ids=["few rows", "many rows", "no column", "a vector", "a cube", "no row"],
)
def test_a_target_must_have_a_row_for_each_source(target):
    with pytest.raises(ValueError, match="target must be .* 2 rows, .* Received: sh"):
        decoding.score(copier.seq2seq, [[4, EOS], [5, EOS]], target)


@pytest.mark.parametrize(
    "row",
    [[PAD, PAD, PAD], [PAD, 4, EOS], [4, PAD, EOS], [4, EOS, 5], [EOS, EOS, PAD]],
    ids=str,
)
def test_a_row_of_target_must_be_tokens_and_then_padding(row):
    with pytest.raises(ValueError, match="every row of target must be tokens.*Receiv"):
        decoding.score(copier.seq2seq, [[4, EOS], [5, EOS]], [[5, 4, EOS], row])


@pytest.mark.parametrize("target", [[[4.0, 2.0]], [["a", "b"]], [[True, True]]])
def test_a_target_must_be_of_integers(target):
    with pytest.raises(TypeError, match="target must be int ids. Received: dtype"):
        decoding.score(copier.seq2seq, [[4, EOS]], target)


def test_scoring_a_source_without_rows_is_refused():
    with pytest.raises(ValueError, match="source must hold at least one row"):
        decoding.score(copier.seq2seq, np.zeros((0, 3), "int32"), [[4, EOS]])
