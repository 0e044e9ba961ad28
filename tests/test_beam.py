"""Beam search, held against brute force over all sequences."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from s2s_keras import decoding
from s2s_keras.batches import pad
from s2s_keras.decoding.beam import _largest
from s2s_keras.models import Seq2Seq
from s2s_keras.text import EOS, PAD, SOS

VOCABULARY, LONGEST = 4, 3


class Tables:
    """A model that looks its logits up: `(sources, steps, last token, next token)`.

    A source is the number of a table, an id from 4 on, and EOS. The weights of a step
    are looked up by the last token. `filled` draws the tables anew, so that what is
    compiled for the model serves all of them.
    """

    def __init__(self, vocabulary, sources=3, steps=9):
        self.shape = (sources, steps, vocabulary, vocabulary)
        self.logit_table = tf.Variable(tf.zeros(self.shape))
        self.weight_table = tf.Variable(tf.zeros([vocabulary, 2]))
        self.seq2seq = Seq2Seq(None, self.encode, self.step)

    def filled(self, seed, scale=2.0):
        random = np.random.default_rng(seed)
        logits = scale * random.normal(size=self.shape)
        self.fill(logits, random.dirichlet([1.0, 1.0], self.shape[-1]))
        return self

    def fill(self, logits, attention):
        self.logit_table.assign(logits.astype("float32"))
        self.weight_table.assign(attention.astype("float32"))
        self.logits = self.logit_table.numpy().astype("float64")
        self.attention = self.weight_table.numpy().astype("float64")

    def encode(self, source):
        return {
            "table": source[:, 0] - 4,
            "position": tf.zeros_like(source[:, 0]),
            "memory_mask": source != PAD,
            "weights": tf.zeros_like(source, tf.float32),
        }

    def step(self, inputs):
        token, state = inputs
        at = tf.stack([state["table"], state["position"], token], axis=1)
        weights = tf.gather(self.weight_table, token)
        width = tf.shape(state["weights"])[1]
        state = {
            **state,
            "position": state["position"] + 1,
            "weights": tf.pad(weights, [[0, 0], [0, width - 2]]),
        }
        return tf.gather_nd(self.logit_table, at), state

    def log_probability(self, table, tokens):
        """The logarithm of a sequence's probability, in float64."""
        total, last = 0.0, SOS
        for position, token in enumerate(tokens):
            logits = self.logits[table, position, last]
            total += logits[token] - np.log(np.exp(logits).sum())
            last = token
        return total

    def coverage(self, tokens):
        """The sum over the source of log(min(weights of all steps, 1))."""
        total = sum(self.attention[last] for last in (SOS, *tokens[:-1]))
        return np.log(np.minimum(total, 1.0)).sum()


small, middle, large = Tables(VOCABULARY), Tables(6), Tables(7)


def all_sequences(vocabulary, longest, shortest=1):
    """Every sequence that ends in EOS, or is `longest` tokens long without."""
    others = [token for token in range(vocabulary) if token != EOS]
    for length in range(1, longest + 1):
        for begin in itertools.product(others, repeat=length - 1):
            if length >= shortest:
                yield (*begin, EOS)
            if length == longest:
                yield from ((*begin, token) for token in others)


def brute_force(
    model, table, alpha=0.0, beta=0.0, shortest=1, keep=lambda tokens: True
):
    """Returns all sequences of a table with rank and log-probability, best first."""
    found = []
    for tokens in all_sequences(VOCABULARY, LONGEST, shortest):
        if keep(tokens):
            score = model.log_probability(table, tokens)
            rank = score / ((5 + len(tokens)) / 6) ** alpha
            found.append((rank + beta * model.coverage(tokens), score, tokens))
    return sorted(found, reverse=True)


def search(model, source=((4, EOS), (5, EOS), (6, EOS)), **arguments):
    arguments = {"beam_width": 64, "max_length": LONGEST, **arguments}
    return decoding.beam_search(model.seq2seq, pad(source), **arguments)


def sequences(found, row):
    return [
        tuple(tokens[:length])
        for tokens, length in zip(found.tokens[row], found.lengths[row], strict=True)
    ]


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 10_000),
    st.sampled_from([0.0, 0.6, 1.3]),
    st.sampled_from([0.0, 0.4]),
    st.integers(1, 3),
)
def test_a_wide_beam_finds_what_brute_force_finds(seed, alpha, beta, shortest):
    model = small.filled(seed)
    found = search(
        model,
        length_penalty=alpha,
        coverage_penalty=beta,
        min_length=shortest,
        n_best=8,
    )
    for row in range(3):
        expected = brute_force(model, row, alpha, beta, shortest)[:8]
        ranks, scores, tokens = zip(*expected, strict=True)
        np.testing.assert_allclose(found.ranks[row], ranks, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found.scores[row], scores, rtol=1e-4, atol=1e-5)
        assert sequences(found, row) == list(tokens)


@given(st.integers(0, 10_000), st.sampled_from([1, 2, 7]), st.sampled_from([0.0, 1.0]))
def test_a_beam_of_one_is_greedy_search(seed, max_length, alpha):
    model = large.filled(seed)
    source = pad([[4, EOS], [5, EOS], [6, EOS]])
    greedy = decoding.greedy(model.seq2seq, source, max_length)
    found = decoding.beam_search(
        model.seq2seq,
        source,
        beam_width=1,
        max_length=max_length,
        length_penalty=alpha,
    )
    np.testing.assert_array_equal(found.tokens, greedy.tokens)
    np.testing.assert_array_equal(found.lengths, greedy.lengths)
    np.testing.assert_allclose(found.scores, greedy.scores, rtol=1e-5)
    np.testing.assert_allclose(found.weights, greedy.weights, atol=1e-6)


@given(st.integers(0, 10_000), st.integers(2, 5))
def test_hypotheses_are_distinct_sorted_and_end_where_eos_stands(seed, width):
    model = middle.filled(seed)
    found = search(model, beam_width=width, n_best=width, max_length=6)
    assert (np.diff(found.ranks, axis=1) <= 0).all()
    for row in range(3):
        several = [tokens for tokens in sequences(found, row) if tokens]
        assert len(set(several)) == len(several) > 0
        for tokens in several:
            assert EOS not in tokens[:-1]
            assert tokens[-1] == EOS or len(tokens) == 6
    positions = np.arange(found.tokens.shape[2])
    assert (found.tokens[positions >= found.lengths[:, :, None]] == PAD).all()


@given(st.integers(0, 10_000))
def test_the_score_is_the_one_that_score_gives(seed):
    model = middle.filled(seed)
    found = search(model, beam_width=3, max_length=5, length_penalty=0.8)
    for row, length in enumerate(found.lengths):
        tokens = found.tokens[row, :length]
        assert found.scores[row] == pytest.approx(
            model.log_probability(row, tokens), rel=1e-4, abs=1e-5
        )


@given(st.integers(0, 10_000))
def test_every_hypothesis_has_the_weights_of_its_own_steps(seed):
    model = middle.filled(seed)
    found = search(model, beam_width=3, n_best=3, max_length=5)
    for row in range(3):
        for best, tokens in enumerate(sequences(found, row)):
            expected = np.zeros(found.weights.shape[2:])
            expected[: len(tokens)] = model.attention[
                [SOS, *tokens[:-1]][: len(tokens)]
            ]
            np.testing.assert_allclose(found.weights[row, best], expected, atol=1e-6)


@given(st.integers(0, 10_000), st.integers(1, 300), st.integers(1, 20))
@settings(deadline=None)
def test_the_largest_values_and_the_first_of_equals_are_found(seed, size, count):
    values = np.random.default_rng(seed).integers(0, 9, (2, 3, size))
    values, count = values.astype("float32"), min(count, size)
    found, indices = _largest(tf.constant(values), count)
    expected = np.argsort(-values, axis=-1, kind="stable")[..., :count]
    np.testing.assert_array_equal(indices, expected)
    np.testing.assert_array_equal(found, np.take_along_axis(values, expected, axis=-1))


@given(st.integers(0, 10_000), st.permutations([4, 5, 6]), st.integers(0, 3))
def test_order_company_and_padding_of_a_batch_change_nothing(seed, order, padding):
    model = middle.filled(seed)
    arguments = {"beam_width": 3, "max_length": 5, "coverage_penalty": 0.2}
    source = np.pad(pad([[table, EOS] for table in order]), ((0, 0), (0, padding)))
    together = decoding.beam_search(model.seq2seq, source, **arguments)
    for row, table in enumerate(order):
        alone = decoding.beam_search(model.seq2seq, pad([[table, EOS]]), **arguments)
        length = alone.lengths[0]
        assert together.lengths[row] == length
        assert together.tokens[row, :length].tolist() == alone.tokens[0].tolist()
        assert together.scores[row] == pytest.approx(alone.scores[0], rel=1e-5)
        np.testing.assert_allclose(
            together.weights[row, :length, :2], alone.weights[0], atol=1e-6
        )


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 2))
def test_blocked_ngrams_never_come_twice_and_nothing_else_is_lost(seed, size):
    def no_repeat(tokens):
        ngrams = [tokens[i : i + size] for i in range(len(tokens) - size + 1)]
        return len(set(ngrams)) == len(ngrams)

    model = small.filled(seed)
    found = search(model, block_ngrams=size, n_best=4)
    for row in range(3):
        expected = brute_force(model, row, keep=no_repeat)[:4]
        assert sequences(found, row) == [tokens for _, _, tokens in expected]


@pytest.mark.parametrize("longest, size", [(3, 3), (3, 4), (3, 9), (1, 2), (1, 3)])
def test_ngrams_that_cannot_come_twice_block_nothing(longest, size):
    model = small.filled(0)
    free = search(model, max_length=longest, n_best=2)
    blocked = search(model, max_length=longest, n_best=2, block_ngrams=size)
    np.testing.assert_array_equal(blocked.tokens, free.tokens)
    np.testing.assert_array_equal(blocked.scores, free.scores)


def test_fewer_hypotheses_than_asked_for_are_empty_ones():
    model = small.filled(0)
    found = search(model, n_best=4, max_length=1)
    assert found.lengths.tolist() == [[1, 1, 1, 1]] * 3
    found = search(model, n_best=8, max_length=1, beam_width=8)
    assert found.lengths.tolist() == [[1] * 4 + [0] * 4] * 3
    assert (found.ranks[:, 4:] < -1e8).all() and not found.tokens[:, 4:].any()
    assert not found.weights[:, 4:].any()


def test_a_longer_hypothesis_wins_with_a_length_penalty():
    model, logits = small, np.zeros(small.shape)
    logits[0, 0, SOS, EOS] = 0.5  # at once, or after two sure tokens
    logits[0, 0, SOS, 3] = 0.4
    logits[0, 1, 3, 3] = logits[0, 2, 3, EOS] = 20.0
    model.fill(logits, np.full((VOCABULARY, 2), 0.5))
    short = search(model, [(4, EOS)], beam_width=4)
    long = search(model, [(4, EOS)], beam_width=4, length_penalty=1.0)
    assert short.tokens.tolist() == [[EOS]]
    assert long.tokens.tolist() == [[3, 3, EOS]]


@pytest.mark.parametrize(
    "argument, value",
    [
        ("beam_width", 0),
        ("max_length", 0),
        ("min_length", 0),
        ("min_length", 9),
        ("n_best", 0),
        ("n_best", 65),
        ("block_ngrams", -1),
        ("length_penalty", -0.1),
        ("coverage_penalty", -0.1),
        ("beam_width", 2.5),
    ],
)
def test_bad_arguments_are_named(argument, value):
    with pytest.raises(ValueError, match=f"^{argument} must be"):
        search(small.filled(0), **{argument: value})


def test_a_coverage_penalty_asks_for_attention(fresh_model):
    with pytest.raises(ValueError, match="^coverage_penalty must be 0"):
        decoding.beam_search(
            fresh_model(), [[4, EOS]], beam_width=2, max_length=3, coverage_penalty=0.1
        )
