"""Tests of `s2s_keras.scheduled_sampling`."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from s2s_keras import batches, models, training
from s2s_keras.losses import CrossEntropy
from s2s_keras.models import Seq2Seq
from s2s_keras.scheduled_sampling import CHOICES, SCHEDULES, ScheduledSampling
from s2s_keras.text import SOS

RIGHT, OWN = (ScheduledSampling(None, least=least) for least in (1.0, 0.0))
MODELS = {
    "plain": {"cell": "gru", "layers": 2},
    "luong": {"builder": "attention_seq2seq"},
    "bahdanau": {"builder": "attention_seq2seq", "placement": "bahdanau"},
    "pointing": {"builder": "pointer_network", "source_features": 2, "cell": "rnn"},
    "copying": {"builder": "pointer_generator", "cell": "rnn"},
}


def free_running(model, source, rows, length):
    """The most probable tokens, one step after the other, SOS first."""
    state = model.encoder(source)
    tokens = [np.full(rows, SOS)]
    for _ in range(length - 1):
        logits, state = model.step([tf.constant(tokens[-1], tf.int32), state])
        tokens.append(np.argmax(logits, axis=-1))
    return np.stack(tokens, axis=1)


# Schedules


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_half_of_the_tokens_are_right_at_halfway(schedule):
    sampling = ScheduledSampling(schedule, halfway=500)
    steps = np.arange(0, 2_000, 50)
    probabilities = [float(sampling.probability(step)) for step in steps]
    assert float(sampling.probability(500)) == pytest.approx(0.5, abs=1e-4)
    assert probabilities[0] > 0.98
    assert all(later <= sooner for sooner, later in itertools.pairwise(probabilities))


def test_the_schedules_are_those_of_the_paper():
    steps = np.arange(0.0, 1_500.0, 100.0)
    k = 131.2  # k ln k is about 640
    halfway = round(k * np.log(k))
    found = {
        schedule: [
            float(ScheduledSampling(schedule, halfway, least=0.1).probability(step))
            for step in steps
        ]
        for schedule in SCHEDULES
    }
    expected = {
        "linear": 1 - steps / (2 * halfway),
        "exponential": (0.5 ** (1 / halfway)) ** steps,
        "inverse_sigmoid": k / (k + np.exp(steps / k)),
    }
    for schedule, values in expected.items():
        np.testing.assert_allclose(
            found[schedule], np.maximum(values, 0.1), rtol=0.01, err_msg=schedule
        )


def test_a_long_training_overflows_nothing():
    for schedule in SCHEDULES:
        sampling = ScheduledSampling(schedule, halfway=3)
        assert float(sampling.probability(10**7)) == 0.0


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"schedule": "cosine"}, "schedule must be one of .* Received: 'cosine'"),
        ({"choose": "beam"}, "choose must be one of .* Received: 'beam'"),
        ({"halfway": 2}, "halfway must be a whole number of at least 3"),
        ({"halfway": 10.5}, "halfway must be a whole number of at least 3"),
        ({"least": 1.5}, "least must be a number from 0 to 1. Received: 1.5"),
        ({"least": "all"}, "least must be a number from 0 to 1. Received: 'all'"),
        ({"seed": 0.7}, "seed must be a whole number of at least 0. Received: 0.7"),
    ],
)
def test_an_attribute_out_of_range_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        ScheduledSampling(**arguments)


# Mixing


@pytest.mark.parametrize("arguments", MODELS.values(), ids=MODELS)
def test_probability_1_gives_the_right_tokens(arguments, shared_model, batch_of):
    source, target_in, _, _ = batch_of(arguments)
    mixed = RIGHT.mix(shared_model(**arguments), source, target_in, 0)
    np.testing.assert_array_equal(mixed, target_in)


@pytest.mark.parametrize("arguments", MODELS.values(), ids=MODELS)
def test_probability_0_runs_free(arguments, shared_model, batch_of):
    model = shared_model(**arguments)
    source, target_in, _, _ = batch_of(arguments)
    mixed = OWN.mix(model, source, target_in, 0)
    expected = free_running(model, source, *target_in.shape)
    np.testing.assert_array_equal(mixed, expected)


def test_each_token_has_a_coin_of_its_own():
    """The right tokens are all 5, the model's all 6."""

    def step(inputs):
        token, state = inputs
        return tf.one_hot(tf.fill(tf.shape(token), 6), 9), state

    model = Seq2Seq(training=None, encoder=lambda source: {"source": source}, step=step)
    target_in = np.full((400, 9), 5)
    mixed = ScheduledSampling(None, least=0.3).mix(model, target_in, target_in, 7)
    right = np.asarray(mixed)[:, 1:] == 5
    assert ((np.asarray(mixed)[:, 1:] == 6) == ~right).all()
    assert right.mean() == pytest.approx(0.3, abs=4 * np.sqrt(0.21 / right.size))
    neighbors = (right[:, 1:] & right[:, :-1]).mean()
    assert neighbors == pytest.approx(0.09, abs=0.02)
    below = (right[1:] & right[:-1]).mean()
    assert below == pytest.approx(0.09, abs=0.02)


def test_coins_are_a_function_of_seed_and_step(shared_model, random_batch):
    source, target_in, _, _ = random_batch((5,) * 50, (7,) * 50)
    model = shared_model()

    def mix(seed=0, step=0):
        sampling = ScheduledSampling(None, least=0.5, seed=seed)
        return np.asarray(sampling.mix(model, source, target_in, step))

    np.testing.assert_array_equal(mix(3, 4), mix(3, 4))
    assert (mix(3, 4) != mix(3, 5)).any() and (mix(3, 4) != mix(4, 4)).any()


def test_padding_changes_no_token(shared_model, random_batch):
    model = shared_model(builder="attention_seq2seq")
    source, target_in, _, _ = random_batch()
    for choose in CHOICES:
        sampling = ScheduledSampling(None, least=0.5, choose=choose)
        mixed = sampling.mix(model, source, target_in, 3)
        padded = [np.pad(ids, ((0, 0), (0, 4))) for ids in (source, target_in)]
        wide = sampling.mix(model, *padded, 3)
        np.testing.assert_array_equal(wide[:, : target_in.shape[1]], mixed)


def test_samples_follow_the_model_s_distribution(shared_model, random_batch):
    model = shared_model()
    source, target_in, _, _ = random_batch((4,), (2,))
    logits, _ = model.step([tf.constant(target_in[:, 0]), model.encoder(source)])
    expected = np.asarray(tf.nn.softmax(logits))[0]
    rows = 4_000
    source, target_in = (np.repeat(ids, rows, axis=0) for ids in (source, target_in))
    sampling = ScheduledSampling(None, least=0.0, choose="sample")
    drawn = np.asarray(sampling.mix(model, source, target_in, 0))[:, 1]
    counts = np.bincount(drawn, minlength=len(expected))
    chi_square = ((counts - rows * expected) ** 2 / (rows * expected)).sum()
    assert chi_square < 33  # 12 degrees of freedom; one in a thousand is larger


def test_uniform_draws_every_word_alike_whatever_the_model_says():
    vocabulary, words = 9, 5  # of which four are special

    def step(inputs):
        token, state = inputs
        return tf.one_hot(tf.fill(tf.shape(token), 6), vocabulary, 99.0), state

    model = Seq2Seq(training=None, encoder=lambda source: {"source": source}, step=step)
    target_in = np.full((400, 11), SOS)
    sampling = ScheduledSampling(None, least=0.0, choose="uniform")
    drawn = np.asarray(sampling.mix(model, target_in, target_in, 3))[:, 1:]
    counts = np.bincount(drawn.ravel(), minlength=vocabulary)
    assert not counts[: vocabulary - words].any() and len(counts) == vocabulary
    expected = drawn.size / words
    chi_square = ((counts[-words:] - expected) ** 2 / expected).sum()
    assert chi_square < 18.5  # 4 degrees of freedom; one in a thousand is larger
    same = (drawn[:, 1:] == drawn[:, :-1]).mean()
    assert same == pytest.approx(1 / words, abs=0.03)


# Training


def one_step(model, sampling, batch):
    """The loss and the gradients by a loop that feeds tokens one by one."""
    (source, target_in), target_out, weight = batch
    mixed = sampling.mix(model, source, target_in, 0)
    with tf.GradientTape() as tape:
        state = model.encoder(source)
        logits = []
        for position in range(mixed.shape[1]):
            now, state = model.step([mixed[:, position], state])
            logits.append(now)
        loss = CrossEntropy()(target_out, tf.stack(logits, axis=1), weight)
    return loss, tape.gradient(loss, model.training.trainable_variables)


@pytest.mark.parametrize("arguments", MODELS.values(), ids=MODELS)
def test_the_training_graph_on_mixed_tokens_is_the_loop_over_the_step(
    arguments, shared_model, batch_of
):
    model, sampling = shared_model(**arguments), ScheduledSampling(None, least=0.5)
    source, target_in, target_out, weight = tf.nest.map_structure(
        tf.constant, batch_of(arguments)
    )
    loss, gradients = one_step(
        model, sampling, ((source, target_in), target_out, weight)
    )
    with tf.GradientTape() as tape:
        mixed = sampling.mix(model, source, target_in, 0)
        parallel = CrossEntropy()(target_out, model.training([source, mixed]), weight)
    assert float(parallel) == pytest.approx(float(loss), abs=1e-5)
    found = tape.gradient(parallel, model.training.trainable_variables)
    for one, other in zip(found, gradients, strict=True):
        one, other = map(tf.convert_to_tensor, (one, other))
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-5)


def fitted(toy, sampling, build=models.encoder_decoder, **arguments):
    pairs, source, target = toy
    keras.utils.set_random_seed(4)
    model = build(len(source), len(target), cell="rnn", units=8, embedding_dim=6)
    history = training.fit(
        model,
        batches.make(pairs, source, target, 2),
        epochs=4,
        learning_rate=0.01,
        scheduled_sampling=sampling,
        **arguments,
    )
    return history.history, model.training.get_weights()


def test_probability_1_trains_as_teacher_forcing(toy):
    build = models.attention_seq2seq
    history, weights = fitted(toy, RIGHT, build)
    plain_history, plain_weights = fitted(toy, None, build)
    assert history["teacher_probability"] == [1.0] * 4
    assert "teacher_probability" not in plain_history
    np.testing.assert_allclose(history["loss"], plain_history["loss"], atol=1e-5)
    for one, other in zip(weights, plain_weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-5)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_probability_of_each_epoch_s_last_batch_is_logged(toy, accumulate):
    sampling = ScheduledSampling("linear", halfway=6)
    history, weights = fitted(toy, sampling, accumulate=accumulate)
    last = np.array([2, 5, 8, 11])  # 3 batches an epoch
    np.testing.assert_allclose(
        history["teacher_probability"], np.maximum(1 - last / 12, 0), rtol=1e-6
    )
    _, plain = fitted(toy, None)
    assert any((a != b).any() for a, b in zip(weights, plain, strict=True))


def test_batches_of_one_step_throw_coins_of_their_own(toy, monkeypatch):
    steps, mix = [], ScheduledSampling.mix

    def spy(self, seq2seq, source, target_in, step):
        tf.py_function(lambda step: steps.append(int(step)), [step], [])
        return mix(self, seq2seq, source, target_in, step)

    monkeypatch.setattr(ScheduledSampling, "mix", spy)
    fitted(toy, ScheduledSampling(), accumulate=3)
    assert steps == list(range(12))


def test_a_run_that_was_broken_off_throws_the_same_coins(toy, tmp_path):
    sampling = ScheduledSampling("linear", halfway=6, choose="sample")
    _, whole = fitted(toy, sampling)

    class Kill(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    backup = tmp_path / "run.npz"
    with pytest.raises(KeyboardInterrupt):
        fitted(toy, sampling, callbacks=[Kill()], backup=backup)
    with pytest.raises(ValueError, match="another scheduled_sampling"):
        fitted(toy, None, backup=backup)
    _, resumed = fitted(toy, sampling, backup=backup)
    for one, other in zip(resumed, whole, strict=True):
        np.testing.assert_array_equal(one, other)
