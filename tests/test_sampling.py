"""Sampling, held against the distribution it must draw from."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from s2s_keras import decoding
from s2s_keras.batches import pad
from s2s_keras.models import Seq2Seq
from s2s_keras.text import EOS, PAD

PROBABILITIES = np.array([0.02, 0.03, 0.25, 0.30, 0.22, 0.18])
CHI_SQUARE_5 = 20.5  # exceeded once in a thousand times with 5 degrees of freedom


def one_step(probabilities=PROBABILITIES):
    """A model whose every step has the same distribution, whatever the source."""
    logits = tf.constant(np.log(probabilities)[None], tf.float32)
    return Seq2Seq(
        None,
        lambda source: {"position": tf.zeros_like(source[:, 0])},
        lambda inputs: (tf.repeat(logits, tf.shape(inputs[0])[0], axis=0), inputs[1]),
    )


MODEL = one_step()


def drawn(number=4_000, **arguments):
    """Returns how often each token came first."""
    arguments = {"max_length": 1, "seed": 7, **arguments}
    found = decoding.sample(MODEL, [[4, EOS]], num_samples=number, **arguments)
    return np.bincount(found.tokens[0, :, 0], minlength=len(PROBABILITIES))


def assert_drawn_from(counts, probabilities):
    probabilities = probabilities / probabilities.sum()
    possible = probabilities > 0
    assert counts[~possible].sum() == 0
    expected = counts.sum() * probabilities[possible]
    chi_square = ((counts[possible] - expected) ** 2 / expected).sum()
    assert chi_square < CHI_SQUARE_5


def only(*tokens):
    return np.where(np.isin(np.arange(len(PROBABILITIES)), tokens), PROBABILITIES, 0.0)


def test_tokens_come_as_often_as_the_model_says():
    assert_drawn_from(drawn(), PROBABILITIES)


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_a_temperature_divides_the_logits(temperature):
    assert_drawn_from(
        drawn(temperature=temperature), PROBABILITIES ** (1.0 / temperature)
    )


@pytest.mark.parametrize("temperature", [1e-8, 1e-10, 1e-40])
@pytest.mark.parametrize("cuts", [{}, {"top_k": 2}, {"top_p": 0.5}], ids=str)
def test_the_coldest_draws_are_of_the_most_probable_token(temperature, cuts):
    assert_drawn_from(drawn(temperature=temperature, **cuts), only(3))


@pytest.mark.parametrize("top_k, left", [(1, [3]), (2, [3, 2]), (4, [3, 2, 4, 5])])
def test_top_k_leaves_the_k_most_probable(top_k, left):
    assert_drawn_from(drawn(top_k=top_k), only(*left))


@pytest.mark.parametrize(
    "top_p, left",
    [
        (0.29, [3]),
        (0.31, [3, 2]),
        (0.56, [3, 2, 4]),
        (0.94, [3, 2, 4, 5]),
        (1.0, range(6)),
    ],
)
def test_top_p_leaves_the_fewest_that_sum_to_p(top_p, left):
    assert_drawn_from(drawn(top_p=top_p), only(*left))


@pytest.mark.parametrize(
    "top_k, top_p, left",
    [
        (3, 0.4, [3, 2]),
        (1, 0.5, [3]),
        (3, 0.385, [3]),  # 0.30 of 0.77; of all it would be [3, 2]
    ],
)
def test_top_p_takes_from_what_top_k_leaves(top_k, top_p, left):
    assert_drawn_from(drawn(top_k=top_k, top_p=top_p), only(*left))


def test_scores_are_those_of_the_model_itself():
    found = decoding.sample(
        MODEL, [[4, EOS]], max_length=6, seed=1, temperature=0.5, top_k=3, num_samples=9
    )
    for tokens, length, score in zip(
        found.tokens[0], found.lengths[0], found.scores[0], strict=True
    ):
        logs = np.log(PROBABILITIES[tokens[:length]])
        assert score == pytest.approx(logs.sum(), rel=1e-5)
        assert EOS not in tokens[: length - 1]
        assert length == 6 or tokens[length - 1] == EOS
        assert (tokens[length:] == PAD).all()


@given(st.integers(0, 1_000), st.integers(1, 4), st.integers(0, 2))
def test_a_seed_fixes_the_samples_whatever_the_company(seed, number, row):
    sources = [[4, EOS], [5, 6, EOS], [7, 8, 9, EOS]]
    arguments = {"max_length": 5, "seed": seed, "num_samples": number}
    together = decoding.sample(MODEL, pad(sources), **arguments)
    alone = decoding.sample(MODEL, pad(sources[row : row + 1]), **arguments)
    lengths = np.atleast_2d(alone.lengths.reshape(1, -1))
    theirs = together.lengths.reshape(3, -1)[row]
    np.testing.assert_array_equal(theirs, lengths[0])
    width = lengths.max()
    np.testing.assert_array_equal(
        together.tokens.reshape(3, number, -1)[row, :, :width],
        alone.tokens.reshape(number, -1)[:, :width],
    )


def growing(source):
    """Logits of one more impossible answer for each token of the longest source."""
    logits = tf.constant(np.log(PROBABILITIES)[None], tf.float32)
    logits = tf.repeat(logits, tf.shape(source)[0], axis=0)
    more = tf.fill(tf.shape(source), -1e9)
    return tf.concat([logits, more], axis=1)


GROWING = Seq2Seq(
    None,
    lambda source: {"logits": growing(source)},
    lambda inputs: (inputs[1]["logits"], inputs[1]),
)


@pytest.mark.parametrize("number", [1, 5])
def test_what_only_other_sources_allow_changes_no_sample(number):
    sources = [[4, EOS], [7, 8, 9, 4, 5, 6, EOS]]
    arguments = {"max_length": 5, "seed": 3, "num_samples": number}
    together = decoding.sample(GROWING, pad(sources), **arguments).tokens[0]
    alone = decoding.sample(GROWING, pad(sources[:1]), **arguments).tokens[0]
    np.testing.assert_array_equal(together[..., : alone.shape[-1]], alone)
    assert number == 1 or len({tuple(row) for row in alone}) > 1


def test_answers_that_grow_with_the_source_are_drawn_as_often_as_the_model_says():
    found = decoding.sample(
        GROWING, [[4, EOS]], num_samples=2_000, max_length=1, seed=1
    )
    counts = np.bincount(found.tokens[0, :, 0], minlength=len(PROBABILITIES))
    assert_drawn_from(counts, PROBABILITIES)


def test_other_seeds_steps_and_samples_draw_anew():
    arguments = {"max_length": 8, "num_samples": 20}
    first, again, other = (
        decoding.sample(MODEL, [[4, EOS]], seed=seed, **arguments).tokens[0]
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert len({tuple(row) for row in first.tolist()}) > 10
    assert (first[:, 0] != other[: len(first), 0]).any()
    assert any(len(set(row[row != PAD].tolist())) > 1 for row in first)


def test_more_samples_begin_with_the_same_ones():
    few, many = (
        decoding.sample(MODEL, [[4, EOS]], max_length=1, seed=3, num_samples=number)
        for number in (3, 6)
    )
    np.testing.assert_array_equal(few.tokens[0], many.tokens[0, :3])


@pytest.mark.parametrize(
    "argument, value",
    [
        ("max_length", 0),
        ("temperature", 0.0),
        ("top_k", 0),
        ("top_p", 0.0),
        ("top_p", 1.1),
        ("num_samples", 0),
        ("seed", 0.5),
    ],
)
def test_bad_arguments_are_named(argument, value):
    with pytest.raises(ValueError, match=f"^{argument} must be"):
        drawn(number=1, **{argument: value}) if argument != "num_samples" else drawn(0)
