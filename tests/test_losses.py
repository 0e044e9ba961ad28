"""Tests of `s2s_keras.losses` against NumPy in float64."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from s2s_keras.losses import CrossEntropy, TokenAccuracy, TokenLoss, mean, token_losses

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


def expected_losses(target_out, logits):
    """Returns the cross-entropy of each position, `(batch, length)`."""
    logits = np.float64(logits)
    highest = logits.max(axis=-1, keepdims=True)
    total = np.log(np.exp(logits - highest).sum(axis=-1)) + highest[..., 0]
    return total - np.take_along_axis(logits, target_out[..., None], -1)[..., 0]


def expected_loss(target_out, logits, weight):
    return (expected_losses(target_out, logits) * weight).sum() / weight.sum()


def expected_accuracy(target_out, logits, weight):
    hits = logits.argmax(axis=-1) == target_out
    return hits[weight == 1].mean()


def smoothed(target_out, vocabulary, label_smoothing):
    """Returns the wanted probability of each id, `(batch, length, vocabulary)`."""
    return (1.0 - label_smoothing) * np.eye(vocabulary)[
        target_out
    ] + label_smoothing / vocabulary


def expected_smoothed_loss(target_out, logits, weight, label_smoothing):
    wanted = smoothed(target_out, logits.shape[-1], label_smoothing)
    everywhere = np.stack(
        [
            expected_losses(np.full_like(target_out, token), logits)
            for token in range(logits.shape[-1])
        ],
        axis=-1,
    )  # minus the logarithm of each id's probability
    return ((wanted * everywhere).sum(axis=-1) * weight).sum() / weight.sum()


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


@pytest.mark.parametrize("confidence", [2.0, 30.0, 1e4])
def test_each_token_has_its_loss_however_sure_the_model_is(confidence):
    target_out, logits, _ = batch(confidence=confidence)
    actual = token_losses(target_out, logits)
    assert actual.dtype == "float32"
    np.testing.assert_allclose(
        actual, expected_losses(target_out, logits), rtol=1e-5, atol=1e-7
    )


def test_a_token_that_cannot_be_has_an_infinite_loss_and_harms_no_other():
    target_out, logits, weight = batch()
    logits[..., 0] = -np.inf  # the padding's id
    found = token_losses(target_out, logits).numpy()
    assert (np.isposinf(found) == (target_out == 0)).all()
    np.testing.assert_allclose(
        found[weight == 1], expected_losses(target_out, logits)[weight == 1], rtol=1e-5
    )


def test_a_mean_without_any_weight_is_zero():
    assert float(mean(tf.ones((2, 3)), tf.zeros((2, 3)))) == 0


@pytest.mark.parametrize("dtype", ["int32", "float16", "float64"])
def test_weights_of_any_type_weigh(dtype):
    for values in (tf.constant([[1.0, 3.0]]), tf.constant([[1.0, 3.0]], tf.float64)):
        found = mean(values, tf.constant([[3, 1]], dtype))
        assert found.dtype == values.dtype and float(found) == 1.5


@pytest.mark.parametrize("token", [-1, VOCABULARY])
def test_an_id_beyond_the_vocabulary_is_refused(token):
    target_out, logits, _ = batch()
    target_out[0, 0] = token
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"= {token} is not in"):
        token_losses(target_out, logits)


def test_the_loss_is_the_mean_over_real_tokens():
    target_out, logits, weight = batch()
    actual = CrossEntropy()(target_out, logits, weight)
    assert float(actual) == pytest.approx(
        expected_loss(target_out, logits, weight), rel=1e-6
    )


@pytest.mark.parametrize("label_smoothing", [0.1, 0.5, 1.0])
def test_the_smoothed_loss_is_the_cross_entropy_with_the_smoothed_distribution(
    label_smoothing,
):
    target_out, logits, weight = batch()
    actual = CrossEntropy(label_smoothing)(target_out, logits, weight)
    expected = expected_smoothed_loss(target_out, logits, weight, label_smoothing)
    assert float(actual) == pytest.approx(expected, rel=1e-6)
    assert abs(expected - expected_loss(target_out, logits, weight)) > 0.01


def test_no_smoothing_is_the_plain_loss():
    target_out, logits, weight = batch()
    plain = keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, reduction="mean_with_sample_weight"
    )
    for loss in (CrossEntropy(), CrossEntropy(0.0), CrossEntropy(0)):
        np.testing.assert_allclose(
            loss(target_out, logits, weight),
            plain(target_out, logits, weight),
            rtol=1e-6,
        )


@pytest.mark.parametrize("label_smoothing", [0.0, 0.2])
def test_the_gradient_draws_the_probabilities_to_the_smoothed_distribution(
    label_smoothing,
):
    target_out, logits, weight = batch()
    tensor = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        loss = CrossEntropy(label_smoothing)(target_out, tensor, weight)
    powers = np.exp(np.float64(logits))
    away = powers / powers.sum(axis=-1, keepdims=True) - smoothed(
        target_out, VOCABULARY, label_smoothing
    )
    np.testing.assert_allclose(
        tape.gradient(loss, tensor),
        away * weight[..., None] / weight.sum(),
        atol=1e-7,
    )


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_float16_logits_give_a_finite_float32_loss(label_smoothing):
    target_out, logits, weight = batch()
    large = (6e4 * np.sign(logits)).astype("float16")
    loss = CrossEntropy(label_smoothing)(target_out, large, weight)
    expected = expected_smoothed_loss(target_out, large, weight, label_smoothing)
    assert loss.dtype == "float32"
    assert float(loss) == pytest.approx(expected, rel=1e-6)
    each = token_losses(target_out, large)
    smooth = CrossEntropy(label_smoothing).smooth(each, target_out, large)
    assert each.dtype == smooth.dtype == "float32"
    assert float(mean(smooth, weight)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.3])
def test_the_loss_can_be_made_again_from_its_configuration(label_smoothing):
    loss = CrossEntropy(label_smoothing, name="mine")
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(loss)
    )
    assert isinstance(copy, CrossEntropy)
    assert (copy.name, copy.label_smoothing) == ("mine", label_smoothing)
    np.testing.assert_array_equal(copy(*batch()), loss(*batch()))


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
    for loss in (CrossEntropy(), CrossEntropy(0.1)):
        assert np.isfinite(loss(target_out, 1e4 * logits, weight))
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
    for label_smoothing in (0.0, 0.1):
        assert float(CrossEntropy(label_smoothing)(*wider)) == pytest.approx(
            expected_smoothed_loss(target_out, logits, weight, label_smoothing),
            rel=1e-6,
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


@pytest.mark.parametrize("smoothing", [-0.1, 1.1, float("nan"), True, "a"])
def test_a_smoothing_that_is_none_is_named(smoothing):
    with pytest.raises(ValueError, match="label_smoothing must be a number from 0 to"):
        CrossEntropy(smoothing)


def test_the_metric_of_half_precision_is_finite():
    metric = TokenLoss()
    logits = tf.constant([[[6e4, -6e4], [6e4, -6e4]]], tf.float16)
    metric.update_state(tf.constant([[0, 1]]), logits)
    assert float(metric.result()) == pytest.approx(6e4, rel=1e-3)
