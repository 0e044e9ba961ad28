"""Tests of `s2s_keras.losses` against NumPy in float64."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s2s_keras.losses import CrossEntropy, TokenAccuracy, TokenLoss

ROWS, LENGTH, VOCABULARY = 6, 5, 7
LENGTHS = np.array([5, 1, 3, 2, 4, 1])


def batch(seed=0, confidence=2.0):
    """Returns `target_out`, `logits` and `weight` of rows of different length.

    The longer a row, the better its logits: averages by row and by token differ.
    """
    random = np.random.default_rng(seed)
    weight = (np.arange(LENGTH) < LENGTHS[:, None]).astype("float32")
    target_out = random.integers(1, VOCABULARY, (ROWS, LENGTH)) * weight.astype(int)
    logits = random.normal(size=(ROWS, LENGTH, VOCABULARY))
    right = np.eye(VOCABULARY)[target_out] * (LENGTHS > 2)[:, None, None]
    logits += confidence * right
    return target_out.astype("int32"), logits.astype("float32"), weight


def token_losses(target_out, logits):
    """Returns the cross-entropy of each position, `(batch, length)`."""
    logits = np.float64(logits)
    highest = logits.max(axis=-1, keepdims=True)
    total = np.log(np.exp(logits - highest).sum(axis=-1)) + highest[..., 0]
    return total - np.take_along_axis(logits, target_out[..., None], -1)[..., 0]


def expected_loss(target_out, logits, weight):
    return (token_losses(target_out, logits) * weight).sum() / weight.sum()


def expected_accuracy(target_out, logits, weight):
    hits = logits.argmax(axis=-1) == target_out
    return hits[weight == 1].mean()


METRICS = [(TokenLoss, expected_loss), (TokenAccuracy, expected_accuracy)]
each_metric = pytest.mark.parametrize(
    "metric_class, expected", METRICS, ids=["loss", "accuracy"]
)


def cut(arrays, rows):
    """Cuts a batch in front of the given rows, each part as wide as it must be."""
    for part in zip(*(np.split(array, sorted(rows)) for array in arrays), strict=True):
        width = int(part[-1].sum(axis=1).max())
        yield [array[:, :width] for array in part]


def measured(metric, batches):
    for target_out, logits, weight in batches:
        metric.update_state(target_out, logits, weight)
    return float(metric.result())


def test_the_loss_is_the_mean_over_real_tokens():
    target_out, logits, weight = batch()
    actual = CrossEntropy()(target_out, logits, weight)
    assert float(actual) == pytest.approx(
        expected_loss(target_out, logits, weight), rel=1e-6
    )


@each_metric
def test_a_metric_is_the_mean_over_real_tokens(metric_class, expected):
    assert measured(metric_class(), [batch()]) == pytest.approx(
        expected(*batch()), rel=1e-6
    )


@each_metric
def test_without_weights_every_position_counts(metric_class, expected):
    target_out, logits, weight = batch()
    metric = metric_class()
    metric.update_state(target_out, logits)
    assert float(metric.result()) == pytest.approx(
        expected(target_out, logits, np.ones_like(weight)), rel=1e-6
    )


def test_logits_of_any_size_give_a_finite_loss():
    target_out, logits, weight = batch()
    assert np.isfinite(CrossEntropy()(target_out, 1e4 * logits, weight))
    assert np.isfinite(measured(TokenLoss(), [(target_out, 1e4 * logits, weight)]))


@each_metric
@settings(max_examples=25)
@given(cuts=st.sets(st.integers(1, ROWS - 1)), seed=st.integers(0, 9))
def test_a_metric_is_the_same_however_the_rows_are_cut_into_batches(
    metric_class, expected, cuts, seed
):
    whole = batch(seed)
    assert measured(metric_class(), cut(whole, cuts)) == pytest.approx(
        expected(*whole), rel=1e-5
    )


@each_metric
def test_padding_changes_neither_loss_nor_metric(metric_class, expected):
    target_out, logits, weight = batch()
    wider = (
        np.pad(target_out, ((0, 0), (0, 3))),
        np.pad(logits, ((0, 0), (0, 3), (0, 0)), constant_values=5.0),
        np.pad(weight, ((0, 0), (0, 3))),
    )
    assert measured(metric_class(), [wider]) == pytest.approx(
        expected(target_out, logits, weight), rel=1e-6
    )
    assert float(CrossEntropy()(*wider)) == pytest.approx(
        expected_loss(target_out, logits, weight), rel=1e-6
    )


@pytest.mark.parametrize(
    "keras_metric, expected",
    [
        (
            keras.metrics.SparseCategoricalCrossentropy(from_logits=True),
            expected_loss,
        ),
        (keras.metrics.SparseCategoricalAccuracy(), expected_accuracy),
    ],
    ids=["loss", "accuracy"],
)
def test_a_weighted_metric_of_keras_would_be_wrong(keras_metric, expected):
    """Were this to fail, Keras would weigh tokens alike, and we would not need to."""
    parts = cut(batch(), {1})  # of width 5 and 4
    assert abs(measured(keras_metric, parts) - expected(*batch())) > 0.01


@each_metric
def test_resetting_forgets(metric_class, expected):
    metric = metric_class()
    measured(metric, [batch(1)])
    metric.reset_state()
    assert measured(metric, [batch(2)]) == pytest.approx(expected(*batch(2)), rel=1e-6)


@each_metric
def test_a_metric_can_be_made_again_from_its_configuration(metric_class, expected):
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(metric_class(name="mine"))
    )
    assert isinstance(copy, metric_class)
    assert copy.name == "mine"
