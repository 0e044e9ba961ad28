"""Tests of `s2s_keras.training`: one step by hand, and runs that are killed."""

import dataclasses
import functools
import itertools
import logging
import os
import pathlib
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from s2s_keras import batches, models, training
from s2s_keras.records import Pair
from s2s_keras.scheduled_sampling import ScheduledSampling
from s2s_keras.text import Tokenizer

WORDS = "one two three four five six seven eight nine ten eleven".split()
PAIRS = [
    Pair(" ".join(WORDS[n : n + 1 + n % 4]), " ".join(WORDS[n : n + 1 + n % 3][::-1]))
    for n in range(9)
]
# The right answer to another question: what training learns here soon hurts.
VALID = [
    Pair(a.source, b.target) for a, b in zip(PAIRS, PAIRS[2:] + PAIRS[:2], strict=True)
]
SOURCE = Tokenizer.train([pair.source for pair in PAIRS])
TARGET = Tokenizer.train([pair.target for pair in PAIRS])
BATCHES = 5  # an epoch


def dataset(pairs=PAIRS, batch_size=2, **arguments):
    return batches.make(pairs, SOURCE, TARGET, batch_size, **arguments)


def small_model(**arguments):
    keras.utils.set_random_seed(5)
    sizes = {"cell": "rnn", "units": 7, "embedding_dim": 5}
    return models.encoder_decoder(len(SOURCE), len(TARGET), **sizes | arguments)


def quick_model(dropout=0.0, units=7):
    """A model that compiles in a third of the time: its decoder remembers nothing."""
    keras.utils.set_random_seed(5)
    source, target_in = (keras.Input((None,), dtype="int32") for _ in range(2))
    first, other = (keras.initializers.RandomNormal(stddev=1.0) for _ in range(2))
    words = keras.layers.Embedding(len(SOURCE), 5, first, mask_zero=True)(source)
    whole = keras.layers.GlobalAveragePooling1D()(words)  # (batch, 5), without padding
    tokens = keras.layers.Embedding(len(TARGET), 5, other)(target_in)
    hidden = keras.layers.Dense(units, "tanh")(tokens + whole[:, None])
    hidden = keras.layers.Dropout(dropout)(hidden)
    logits = keras.layers.Dense(len(TARGET), dtype="float32")(hidden)
    training_graph = keras.Model([source, target_in], logits)
    return models.Seq2Seq(training_graph, None, None, config={"units": units})


def log_probabilities(model, source, target_in):
    logits = np.float64(model.training([source, target_in]))
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


# One step, by hand


def gradients_by_hand(model, batch, label_smoothing):
    (source, target_in), target_out, weight = batch
    size = len(TARGET)
    wanted = (1 - label_smoothing) * np.eye(size)[target_out] + label_smoothing / size
    with tf.GradientTape() as tape:
        log_p = tf.nn.log_softmax(model.training([source, target_in]))
        gold = tf.reduce_sum(log_p * wanted.astype("float32"), axis=-1)
        loss = -tf.reduce_sum(gold * weight) / tf.reduce_sum(weight)
    gradients = tape.gradient(loss, model.training.trainable_variables)
    return [np.float64(tf.convert_to_tensor(gradient)) for gradient in gradients]


def train_by_hand(model, epochs, learning_rate, clip_norm=None, label_smoothing=0.0):
    """Adam (Kingma & Ba, 2015, end of section 2), in NumPy.

    Returns the weights after each step.
    """
    variables = model.training.trainable_variables
    mean = [np.zeros(variable.shape) for variable in variables]
    square = [np.zeros(variable.shape) for variable in variables]
    after = []
    for time, batch in enumerate(itertools.chain.from_iterable(epochs), start=1):
        gradients = gradients_by_hand(model, batch, label_smoothing)
        norm = np.sqrt(sum((gradient**2).sum() for gradient in gradients))
        scale = min(1.0, clip_norm / norm) if clip_norm else 1.0
        for n, variable in enumerate(variables):
            gradient = scale * gradients[n]
            mean[n] = 0.9 * mean[n] + 0.1 * gradient
            square[n] = 0.999 * square[n] + 0.001 * gradient**2
            rate = learning_rate * np.sqrt(1 - 0.999**time) / (1 - 0.9**time)
            variable.assign_sub(rate * mean[n] / (np.sqrt(square[n]) + 1e-7))
        after.append(weights(model))
    return after


def epoch_of(epoch):
    train = dataset()
    train.epoch.assign(epoch)
    return list(train)


def assert_close(arrays, others):
    for array, other in zip(arrays, others, strict=True):
        np.testing.assert_allclose(array, other, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "settings",
    [
        {"clip_norm": None},
        {"clip_norm": 0.3, "label_smoothing": 0.2},
    ],
    ids=str,
)
def test_fit_takes_adams_steps_in_each_epochs_order_clipped_as_a_whole(settings):
    fitted, expected = quick_model(), quick_model()
    training.fit(fitted, dataset(), epochs=2, learning_rate=0.01, **settings)
    train_by_hand(expected, map(epoch_of, (0, 1)), 0.01, **settings)
    assert_close(weights(fitted), weights(expected))


@pytest.mark.parametrize("averaging", [0, 0.8])
def test_a_run_ends_with_the_running_average_of_its_weights(averaging):
    fitted, by_hand = quick_model(), quick_model()
    settings = {"learning_rate": 0.01, "clip_norm": None}
    training.fit(fitted, dataset(), epochs=2, averaging=averaging, **settings)
    average, *others = train_by_hand(by_hand, map(epoch_of, (0, 1)), **settings)
    for after in others:
        average = [
            averaging * kept + (1.0 - averaging) * new
            for kept, new in zip(average, after, strict=True)
        ]
    assert_close(weights(fitted), average)


# Measuring


def test_evaluating_equals_numpy_however_the_pairs_are_cut_into_batches():
    model = small_model()
    total, hits, tokens = 0.0, 0, 0
    for (source, target_in), target_out, _ in dataset(batch_size=1):
        log_p = log_probabilities(model, source, target_in)
        gold = target_out.numpy()[0]
        total -= log_p[0, np.arange(len(gold)), gold].sum()
        hits += (log_p[0].argmax(axis=-1) == gold).sum()
        tokens += len(gold)
    for batch_size, bucket in ((9, False), (2, True)):
        measured = training.evaluate(model, dataset(PAIRS, batch_size, bucket=bucket))
        assert measured.tokens == tokens
        assert measured.loss == pytest.approx(total / tokens, rel=1e-5)
        assert measured.accuracy == pytest.approx(hits / tokens)
        assert measured.negative_log_likelihood == pytest.approx(total, rel=1e-5)


def test_a_measurement_is_compiled_once_and_follows_the_weights():
    model = quick_model()
    before = training.evaluate(model, dataset(VALID))
    compiled = dict(model.compiled)
    assert len(compiled) == 1
    history = training.fit(model, dataset(), dataset(VALID), epochs=1).history
    after = training.evaluate(model, dataset(VALID, batch_size=3))
    assert model.compiled == compiled
    assert history["val_loss"] == [pytest.approx(after.loss, rel=1e-5)]
    assert history["val_accuracy"] == [pytest.approx(after.accuracy)]
    assert abs(after.loss - before.loss) > 1e-3


def test_evaluating_many_models_brings_no_warning_of_retracing():
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    tf.get_logger().addHandler(handler)
    try:
        for _ in range(6):
            training.evaluate(quick_model(), dataset(batch_size=len(PAIRS)))
    finally:
        tf.get_logger().removeHandler(handler)
    assert not [line for line in lines if "retracing" in line]


def test_batches_without_a_token_are_refused():
    with pytest.raises(ValueError, match="batches must hold at least one token"):
        training.evaluate(quick_model(), dataset().take(0))


def test_the_first_loss_is_about_the_logarithm_of_the_vocabulary(random_batch):
    keras.utils.set_random_seed(0)
    model = models.encoder_decoder(11, 300, units=32, embedding_dim=16)
    source, target_in, target_out, weight = random_batch()
    whole = tf.data.Dataset.from_tensors(((source, target_in), target_out, weight))
    assert training.evaluate(model, whole).loss == pytest.approx(np.log(300), rel=0.05)


# Learning


def test_the_toy_corpus_is_learned_and_told_by_the_history(toy):
    pairs, source_tokenizer, target_tokenizer = toy
    keras.utils.set_random_seed(0)
    model = models.encoder_decoder(
        len(source_tokenizer), len(target_tokenizer), cell="gru", units=32
    )
    train = batches.make(pairs, source_tokenizer, target_tokenizer, 2)
    history = training.fit(model, train, train, epochs=30, learning_rate=0.01)
    assert isinstance(history, keras.callbacks.History)
    assert history.epoch == list(range(30))
    losses = history.history
    measured = {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert set(losses) == {*measured, "gradient_norm"}
    assert {len(values) for values in losses.values()} == {30}
    assert losses["val_loss"][-1] < 0.05 < 2.0 < losses["loss"][0]
    assert losses["val_accuracy"][-1] == 1.0
    measured = training.evaluate(model, train)
    assert measured.loss == pytest.approx(losses["val_loss"][-1], rel=1e-5)


def test_a_schedule_sets_the_learning_rate_of_each_step():
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay(
        [BATCHES - 1], [0.01, 0.0]
    )
    once, twice = quick_model(), quick_model()
    training.fit(once, dataset(), epochs=1, learning_rate=0.01)
    training.fit(twice, dataset(), epochs=2, learning_rate=schedule)
    assert_same(weights(once), weights(twice))


def test_mixed_precision_trains_with_a_scaled_loss():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model, valid = small_model(), dataset(VALID)
        history = training.fit(
            model, dataset(), valid, epochs=6, learning_rate=0.02, averaging=0.5
        )
        measured = training.evaluate(model, valid).loss
    finally:
        keras.config.set_dtype_policy("float32")
    assert history.history["val_loss"][-1] == pytest.approx(measured, rel=1e-5)
    losses = history.history["loss"]
    assert np.isfinite(losses).all()
    assert losses[-1] < 0.9 * losses[0]
    assert model.training.optimizer.step_counter > 0  # steps with this scale


def test_what_is_reported_is_the_loss_without_smoothing():
    model = quick_model()
    history = training.fit(
        model,
        dataset(),
        dataset(VALID),
        epochs=1,
        learning_rate=0.0,
        label_smoothing=0.5,
    ).history
    for name, pairs in (("loss", PAIRS), ("val_loss", VALID)):
        measured = training.evaluate(model, dataset(pairs))
        assert history[name] == pytest.approx([measured.loss], rel=1e-5)


# Norms of gradients


class Norms(keras.callbacks.Callback):
    """Notes the norm in each batch's log, and the weights before the batch."""

    def __init__(self):
        super().__init__()
        self.noted, self.before = {}, {}

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        self.before[self.epoch, batch] = self.model.get_weights()

    def on_train_batch_end(self, batch, logs=None):
        self.noted[self.epoch, batch] = logs["gradient_norm"]


def test_the_norm_is_that_of_all_gradients_together_before_clipping():
    norms, model = Norms(), quick_model()
    history = training.fit(
        model,
        dataset(),
        epochs=2,
        learning_rate=0.01,
        clip_norm=0.3,
        label_smoothing=0.2,
        callbacks=[norms],
    )
    for epoch in (0, 1):
        expected = []
        for number, batch in enumerate(epoch_of(epoch)):
            model.training.set_weights(norms.before[epoch, number])
            squares = [(g**2).sum() for g in gradients_by_hand(model, batch, 0.2)]
            expected.append(np.sqrt(sum(squares)))
            assert norms.noted[epoch, number] == pytest.approx(expected[-1], rel=1e-5)
        mean = history.history["gradient_norm"][epoch]
        assert min(expected) > 0.3, "clipping must take part"
        assert mean == pytest.approx(np.mean(expected), rel=1e-5)


def test_a_summed_loss_may_be_divided_by_sequences():
    """Nothing is learned, so that both runs measure the same model."""
    norms = {}
    for normalization in training.NORMALIZATIONS:
        noted = Norms()
        history = training.fit(
            quick_model(),
            in_order(2),
            epochs=1,
            learning_rate=0.0,
            normalization=normalization,
            callbacks=[noted],
        )
        norms[normalization] = noted.noted, history.history["loss"]
    (by_tokens, loss), (by_sequences, same_loss) = norms.values()
    assert same_loss == loss
    lengths = [weight.numpy().sum(axis=1) for *_, weight in in_order(2)]
    assert len({len(rows) for rows in lengths}) == 2, "a last batch of one sequence"
    for number, rows in enumerate(lengths):
        expected = by_tokens[0, number] * rows.mean()
        assert by_sequences[0, number] == pytest.approx(expected, rel=1e-5)


def test_between_steps_of_several_batches_the_last_steps_norm_is_told():
    few, one = Norms(), Norms()
    settings = {"epochs": 2, "learning_rate": 0.01}
    training.fit(quick_model(), in_order(1), accumulate=4, callbacks=[few], **settings)
    training.fit(quick_model(), in_order(4), callbacks=[one], **settings)
    steps = [one.noted[epoch, step] for epoch in (0, 1) for step in (0, 1, 2)]
    told = 3 * [0.0] + 4 * steps[:1] + steps[1:3] + 3 * steps[2:3]
    told += 4 * steps[3:4] + steps[4:]
    np.testing.assert_allclose([*few.noted.values()], told, rtol=1e-4)


def test_in_mixed_precision_the_norm_is_not_scaled_and_left_out_steps_do_not_count():
    norms, plain = Norms(), Norms()
    settings = {"epochs": 1, "learning_rate": 0.0}
    training.fit(quick_model(), dataset(), callbacks=[plain], **settings)
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = quick_model()
        overflow = keras.callbacks.LambdaCallback(
            on_train_begin=lambda _: model.training.optimizer.dynamic_scale.assign(
                2**19
            )
        )
        history = training.fit(
            model, dataset(), callbacks=[overflow, norms], **settings
        )
    finally:
        keras.config.set_dtype_policy("float32")
    found = np.array([*norms.noted.values()])
    taken = np.isfinite(found)
    assert 0 < taken.sum() == model.training.optimizer.inner_optimizer.iterations < 5
    expected = np.array([*plain.noted.values()])
    np.testing.assert_allclose(found[taken], expected[taken], rtol=0.01)
    mean = history.history["gradient_norm"][0]
    assert mean == pytest.approx(found[taken].mean(), rel=1e-5)


# Truncation


LONGEST = 4  # a target of three words and EOS


def test_chunks_as_long_as_the_targets_or_longer_train_as_without_truncation():
    settings = {"dropout": 0.3, "embedding_dropout": 0.2, "recurrent_dropout": 0.2}
    plain, *others = (small_model(**settings) for _ in range(3))
    settings = {"epochs": 2, "learning_rate": 0.01}
    expected = training.fit(plain, dataset(), dataset(VALID), **settings)
    for truncated, truncate in zip(others, (LONGEST, 100), strict=True):
        history = training.fit(
            truncated, dataset(), dataset(VALID), truncate=truncate, **settings
        )
        assert_close(weights(truncated), weights(plain))
        assert history.history.keys() == expected.history.keys()
        for name, values in expected.history.items():
            assert history.history[name] == pytest.approx(values, rel=1e-5)


def test_truncation_changes_the_gradient_and_not_what_is_reported():
    model = small_model(cell="lstm")
    settings = {"epochs": 1, "learning_rate": 0.0, "label_smoothing": 0.3}
    histories = [
        training.fit(model, dataset(), truncate=truncate, **settings).history
        for truncate in (None, 1)
    ]
    measured = training.evaluate(model, dataset())
    for history in histories:
        assert history["loss"] == pytest.approx([measured.loss], rel=1e-5)
        assert history["accuracy"] == pytest.approx([measured.accuracy], rel=1e-5)
    full, cut = (history["gradient_norm"][0] for history in histories)
    assert abs(full - cut) > 0.01 * full


def test_a_model_of_one_unit_may_be_truncated():
    truncated, plain = small_model(units=1), small_model(units=1)
    training.fit(truncated, dataset(), epochs=1, truncate=LONGEST)
    training.fit(plain, dataset(), epochs=1)
    assert_close(weights(truncated), weights(plain))


@pytest.mark.parametrize("policy, atol", [("float32", 2e-6), ("mixed_float16", 1e-3)])
def test_truncation_goes_with_the_other_options(policy, atol):
    settings = {
        "epochs": 2,
        "learning_rate": 0.01,
        "accumulate": 2,
        "label_smoothing": 0.1,
        "averaging": 0.5,
        "scheduled_sampling": ScheduledSampling("linear", halfway=4),
    }
    keras.config.set_dtype_policy(policy)
    try:
        ends = []
        for truncate in (None, LONGEST):
            model = small_model(cell="gru")
            history = training.fit(model, dataset(), truncate=truncate, **settings)
            assert np.isfinite(history.history["gradient_norm"]).all()
            ends.append(weights(model))
    finally:
        keras.config.set_dtype_policy("float32")
    for one, other in zip(*ends, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=atol)


def test_a_killed_truncated_run_ends_as_an_unbroken_one(tmp_path):
    settings = {"truncate": 2, "epochs": 3, "patience": None}
    dropped = {"embedding_dropout": 0.2, "recurrent_dropout": 0.2}
    settings["build"] = functools.partial(small_model, **dropped)
    for epoch, batch in ((0, 3), (2, 2)):
        with pytest.raises(Killed):
            killer = Killer(epoch, "batch ends", batch)
            run(tmp_path / "run", callbacks=[killer], **settings)
    assert_same_run(run(tmp_path / "run", **settings), run(**settings))


def test_truncation_asks_for_a_chunk_graph():
    model = dataclasses.replace(small_model(), chunk=None)
    with pytest.raises(ValueError, match="truncate must be None for .* Received: 2"):
        training.fit(model, dataset(), epochs=1, truncate=2)


# Several batches a step


def in_order(batch_size):
    return dataset(batch_size=batch_size, shuffle=False, bucket=False)


@pytest.mark.parametrize(
    "accumulate, normalization", [(2, "tokens"), (9, "tokens"), (2, "sequences")]
)
def test_accumulated_batches_make_the_step_of_one_large_batch(
    accumulate, normalization
):
    """Rows are of unequal length, and the last step of an epoch has fewer batches."""
    many, one = quick_model(), quick_model()
    settings = {"epochs": 3, "learning_rate": 0.01, "clip_norm": 0.5}
    settings["normalization"] = normalization
    history = training.fit(many, in_order(1), accumulate=accumulate, **settings)
    large = training.fit(one, in_order(accumulate), **settings)
    steps = 3 * -(-len(PAIRS) // accumulate)
    assert many.training.optimizer.iterations == steps
    assert len({len(pair.target.split()) for pair in PAIRS}) > 1
    for found, right in zip(
        many.training.get_weights(), one.training.get_weights(), strict=True
    ):
        np.testing.assert_allclose(found, right, rtol=0, atol=2e-6)
    for name in ("loss", "gradient_norm"):
        np.testing.assert_allclose(
            history.history[name], large.history[name], rtol=1e-4
        )


def test_a_step_of_padding_alone_changes_no_weight():
    """As the last one of an epoch of three batches, of which two make a step."""
    ((inputs, target_out, weight), *_) = in_order(2)
    three = [(inputs, target_out, share * weight) for share in (1.0, 1.0, 0.0)]
    batches_of = tf.data.Dataset.from_generator(
        lambda: iter(three), output_signature=in_order(2).element_spec
    ).apply(tf.data.experimental.assert_cardinality(3))
    model = quick_model()
    training.fit(model, batches_of, epochs=1, accumulate=2, clip_norm=None)
    for found in model.training.get_weights():
        assert np.isfinite(found).all()


# The average of the weights


def test_the_average_is_measured_while_training_goes_on_from_the_weights_themselves():
    """Callbacks see the weights themselves, which are those of a plain run."""
    settings = {"epochs": 3, "learning_rate": 0.05}
    ends, seen = {}, {}
    for name, averaging, valid in (
        ("plain", None, dataset(VALID)),
        ("averaged", 0.8, dataset(VALID)),
        ("averaged without validation", 0.8, None),
    ):
        model, seen[name] = quick_model(), []
        note = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda *_, model=model, after=seen[name]: after.append(
                weights(model)
            )
        )
        history = training.fit(
            model, dataset(), valid, averaging=averaging, callbacks=[note], **settings
        )
        ends[name] = weights(model)
        if valid:
            measured = training.evaluate(model, valid).loss
            assert history.history["val_loss"][-1] == pytest.approx(measured, rel=1e-6)
    for name in ("averaged", "averaged without validation"):
        for after, expected in zip(seen[name], seen["plain"], strict=True):
            assert_same(after, expected)
    assert_same(ends["plain"], seen["plain"][-1])
    assert_same(ends["averaged"], ends["averaged without validation"])
    assert np.abs(ends["averaged"][0] - ends["plain"][0]).max() > 0.01


# Callbacks


class Recorder(keras.callbacks.Callback):
    """Notes which hooks are called, with what."""

    def __init__(self, **stop_at):
        super().__init__()
        self.hooks = []
        self.stop_at = stop_at

    def on_train_begin(self, logs=None):
        self.hooks.append("train begins")
        self.params_then = dict(self.params)

    def on_epoch_begin(self, epoch, logs=None):
        self.hooks.append(f"epoch {epoch} begins")

    def on_train_batch_begin(self, batch, logs=None):
        self.hooks.append(f"batch {batch} begins")

    def on_train_batch_end(self, batch, logs=None):
        assert set(logs) == {"loss", "accuracy", "gradient_norm"}
        self.hooks.append(f"batch {batch} ends")
        if self.stop_at == {"batch": batch}:
            self.model.stop_training = True

    def on_epoch_end(self, epoch, logs=None):
        self.hooks.append(f"epoch {epoch} ends")
        logs["mine"] = np.float32(epoch)
        if self.stop_at == {"epoch": epoch}:
            self.model.stop_training = True

    def on_train_end(self, logs=None):
        self.hooks.append("train ends")


def batch_hooks(count):
    return [f"batch {n} {verb}" for n in range(count) for verb in ("begins", "ends")]


def test_callbacks_are_called_and_may_stop_after_an_epoch(tmp_path):
    recorder, model = Recorder(epoch=1), quick_model()
    history = training.fit(
        model, dataset(), epochs=9, callbacks=[recorder], backup=tmp_path / "run"
    )
    assert recorder.hooks == [
        *("train begins", "epoch 0 begins", *batch_hooks(BATCHES), "epoch 0 ends"),
        *("epoch 1 begins", *batch_hooks(BATCHES), "epoch 1 ends", "train ends"),
    ]
    assert recorder.params_then["epochs"] == 9
    assert recorder.params_then["steps"] == BATCHES
    assert recorder.model is model.training
    assert history.history["mine"] == [0.0, 1.0]


def test_callbacks_may_stop_within_an_epoch():
    recorder = Recorder(batch=2)
    history = training.fit(
        quick_model(), dataset(), dataset(VALID), epochs=9, callbacks=[recorder]
    )
    assert recorder.hooks == [
        *("train begins", "epoch 0 begins", *batch_hooks(3), "epoch 0 ends"),
        "train ends",
    ]
    assert len(history.history["val_loss"]) == 1


def test_a_callback_of_keras_sets_the_learning_rate_of_each_epoch():
    rates = {0: 0.01, 1: 0.0, 2: 0.0}
    once, thrice = quick_model(), quick_model()
    training.fit(once, dataset(), epochs=1, learning_rate=0.01)
    scheduler = keras.callbacks.LearningRateScheduler(lambda epoch, _: rates[epoch])
    history = training.fit(thrice, dataset(), epochs=3, callbacks=[scheduler])
    assert_same(weights(once), weights(thrice))
    assert history.history["learning_rate"] == pytest.approx([0.01, 0.0, 0.0])


# Early stopping and the best weights


SETTINGS = {"epochs": 12, "learning_rate": 0.07, "keep_best": True, "patience": 3}


def run(
    backup=None, *, build=quick_model, train=None, valid=None, callbacks=(), **settings
):
    """Trains with dropout, as every run below does; returns all that it leaves."""
    seq2seq = build(dropout=0.3)
    history = training.fit(
        seq2seq,
        train or dataset(seed=4),
        valid or dataset(VALID, batch_size=4),
        callbacks=callbacks,
        backup=backup,
        backup_every=2,
        **SETTINGS | settings,
    )
    return seq2seq, history


def weights(seq2seq):
    return seq2seq.training.get_weights()


def assert_same(arrays, others):
    for array, other in zip(arrays, others, strict=True):
        np.testing.assert_array_equal(array, other)


def assert_same_run(finished, unbroken):
    (model, history), (other_model, other_history) = finished, unbroken
    assert history.history == other_history.history
    assert history.epoch == other_history.epoch
    assert history.best_epoch == other_history.best_epoch
    assert_same(weights(model), weights(other_model))
    states = [
        [
            variable.numpy()
            for variable in (*graph.variables, *graph.optimizer.variables)
        ]
        for graph in (model.training, other_model.training)
    ]
    assert_same(*states)


@pytest.fixture(scope="module")
def unbroken():
    return run()


@pytest.fixture(scope="module")
def without_patience():
    """A run to the last epoch, and the weights after each."""
    after = []
    keep = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda *_: after.append(keep.model.get_weights())
    )
    model, history = run(patience=None, keep_best=False, callbacks=[keep])
    return model, history, after


def test_patience_counts_the_epochs_since_the_lowest_validation_loss(
    unbroken, without_patience
):
    every_loss = without_patience[1].history["val_loss"]
    for patience, history in ((3, unbroken[1]), (1, run(patience=1)[1])):
        last = next(
            epoch
            for epoch in range(len(every_loss))
            if epoch - np.argmin(every_loss[: epoch + 1]) == patience
        )
        assert last < len(every_loss) - 1, "the run must stop early to show anything"
        assert history.history["val_loss"] == every_loss[: last + 1]
        assert history.best_epoch == np.argmin(every_loss[: last + 1])


def test_the_best_weights_are_kept_where_asked(unbroken, without_patience):
    model, history = unbroken
    last_model, every_history, after = without_patience
    assert 0 < history.best_epoch < history.epoch[-1]
    assert_same(weights(model), after[history.best_epoch])
    assert_same(weights(last_model), after[-1])
    assert every_history.best_epoch == np.argmin(every_history.history["val_loss"])


def test_with_an_average_the_best_average_is_kept():
    valid = dataset(VALID, batch_size=4)
    model, history = run(averaging=0.5, valid=valid)
    losses = history.history["val_loss"]
    assert history.best_epoch == np.argmin(losses) < history.epoch[-1]
    measured = training.evaluate(model, valid).loss
    assert measured == pytest.approx(min(losses), rel=1e-6)


def test_a_loss_that_is_no_number_counts_as_no_better():
    model = quick_model()
    model.training.set_weights([np.full_like(w, np.nan) for w in weights(model)])
    history = training.fit(
        model, dataset(), dataset(VALID), epochs=9, patience=2, keep_best=True
    )
    assert history.epoch == [0, 1]
    assert history.best_epoch is None


# Runs that are killed


class Killed(BaseException):
    """What no code of the package catches, as it catches no SIGKILL."""


class Killer(keras.callbacks.Callback):
    """Ends a run at a hook of an epoch, or at a batch of it."""

    def __init__(self, epoch, hook, batch=None, kill=None):
        super().__init__()
        self.epoch, self.hook, self.batch = epoch, hook, batch
        self.kill = kill

    def at(self, hook, batch=None):
        if (self.now, hook, batch) == (self.epoch, self.hook, self.batch):
            if self.kill:
                self.kill()
            raise Killed

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch
        self.at("epoch begins")

    def on_train_batch_end(self, batch, logs=None):
        self.at("batch ends", batch)

    def on_epoch_end(self, epoch, logs=None):
        self.at("epoch ends")


class KillingValidation:
    """A dataset that kills the run in the midst of its validations' `nth`."""

    def __init__(self, dataset, nth):
        self.dataset, self.left = dataset, nth
        self.element_spec, self.fingerprint = dataset.element_spec, dataset.fingerprint
        self.cardinality = dataset.cardinality

    def __iter__(self):
        self.left -= 1
        for batch in self.dataset:
            yield batch
            if not self.left:
                raise Killed


KILLERS = [
    {"callbacks": [Killer(0, "batch ends", 0)]},  # nothing is written yet
    {"callbacks": [Killer(0, "batch ends", 2)]},
    {"valid": KillingValidation(dataset(VALID, batch_size=4), 1)},
    {"callbacks": [Killer(1, "epoch begins")]},
    {"callbacks": [Killer(1, "batch ends", BATCHES - 1)]},
    {"callbacks": [Killer(2, "epoch ends")]},
    {"callbacks": [Killer(8, "batch ends", 2)]},  # while patience counts
]


def test_a_run_killed_again_and_again_ends_as_an_unbroken_one(
    unbroken, tmp_path, monkeypatch
):
    backup = tmp_path / "new" / "run"
    for killer in KILLERS:
        with pytest.raises(Killed):
            run(backup, **killer)
    _die_while_writing(backup, monkeypatch)
    best, last = unbroken[1].best_epoch, unbroken[1].epoch[-1]
    assert best + 1 < 8 < last < SETTINGS["epochs"] - 1
    assert_same_run(run(backup), unbroken)
    assert os.listdir(backup.parent) == ["run"]


def test_a_killed_run_takes_up_its_average_its_smoothing_and_half_a_step(tmp_path):
    """The second batch of three that make a step is the last of some runs.

    The norms that the last run tells are those of the run that nobody killed.
    """
    settings = {"averaging": 0.6, "label_smoothing": 0.1, "epochs": 4, "patience": None}
    settings["accumulate"] = 3
    for killer in (
        {"callbacks": [Killer(0, "batch ends", 2)]},
        {"callbacks": [Killer(0, "batch ends", 3)]},
        {"valid": KillingValidation(dataset(VALID, batch_size=4), 1)},
        {"callbacks": [Killer(2, "batch ends", 3)]},
    ):
        with pytest.raises(Killed):
            run(tmp_path / "run", **settings, **killer)
    whole, rest = Norms(), Norms()
    unbroken = run(callbacks=[whole], **settings)
    last = run(tmp_path / "run", callbacks=[rest], **settings)
    assert_same_run(last, unbroken)
    assert_same_run(run(tmp_path / "run", **settings), unbroken)  # finished already
    assert list(rest.noted)[:2] == [(2, 2), (2, 3)]
    assert rest.noted.items() <= whole.noted.items()


def _die_while_writing(backup, monkeypatch):
    before = backup.read_bytes()

    def die(source, destination):
        half = pathlib.Path(source).read_bytes()[: len(before) // 2]
        pathlib.Path(source).write_bytes(half)
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(training.os, "replace", die)
        run(backup)
    assert backup.read_bytes() == before
    assert len(os.listdir(backup.parent)) == 2


CHILD = """
import os, signal
import test_training as tests
kill = lambda: os.kill(os.getpid(), signal.SIGKILL)
tests.run({backup!r}, callbacks=[tests.Killer(2, "batch ends", 2, kill)])
"""


def test_a_killed_process_is_carried_on_by_another(unbroken, tmp_path):
    backup = str(tmp_path / "run")
    path = os.pathsep.join([os.path.dirname(__file__), *sys.path])
    ended = subprocess.run(
        [sys.executable, "-c", CHILD.format(backup=backup)],
        env=os.environ | {"PYTHONPATH": path},
    )
    assert ended.returncode == -signal.SIGKILL
    assert_same_run(run(backup), unbroken)


def test_a_finished_run_returns_at_once_and_more_epochs_carry_it_on(tmp_path):
    backup = tmp_path / "run"
    settings = {"patience": None, "keep_best": False}
    first = run(backup, epochs=2, **settings)
    recorder = Recorder()
    assert_same_run(run(backup, epochs=2, callbacks=[recorder], **settings), first)
    assert recorder.hooks == ["train begins", "train ends"]
    longer = run(backup, epochs=3, **settings)
    assert_same_run(longer, run(epochs=3, **settings))


def chunked_model(dropout):
    """A quick model that says it can be truncated; a backup is compared before that."""
    return dataclasses.replace(quick_model(dropout), chunk=lambda _: None)


@pytest.fixture(scope="module")
def backup_of_one_epoch(tmp_path_factory):
    path = tmp_path_factory.mktemp("backup") / "run"
    run(path, epochs=1)
    return path


@pytest.mark.parametrize(
    "changes, named",
    [
        ({"build": functools.partial(quick_model, units=8)}, "model"),
        ({"learning_rate": 0.03}, "optimizer"),
        ({"clip_norm": 2.0}, "optimizer"),
        ({"averaging": 0.9}, "optimizer"),
        ({"averaging": 0.0}, "optimizer"),
        ({"normalization": "sequences"}, "normalization"),
        ({"label_smoothing": 0.1}, "label_smoothing"),
        ({"accumulate": 2}, "accumulate"),
        ({"truncate": 3, "build": chunked_model}, "truncate"),
        ({"patience": 4}, "patience"),
        ({"keep_best": False}, "keep_best"),
        ({"train": dataset(seed=5)}, "train"),
        ({"train": dataset(PAIRS[1:], seed=4)}, "train"),
        ({"valid": dataset(VALID[1:], batch_size=4)}, "valid"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_a_backup_of_another_run_is_refused_and_left_alone(
    changes, named, backup_of_one_epoch
):
    before = backup_of_one_epoch.read_bytes()
    with pytest.raises(ValueError, match=f"backup must be .* has another {named}: "):
        run(backup_of_one_epoch, **changes)
    assert backup_of_one_epoch.read_bytes() == before


# Bad input


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"epochs": 0}, "epochs must be a whole number of at least 1. Received: 0"),
        ({"epochs": 1.5}, "epochs .* Received: 1.5"),
        ({"backup_every": 0}, "backup_every .* Received: 0"),
        ({"accumulate": 0}, "accumulate .* Received: 0"),
        ({"accumulate": True}, "accumulate .* Received: True"),
        ({"truncate": 0}, "truncate must be a whole number of at least 1. Received: 0"),
        ({"truncate": 1.5}, "truncate .* Received: 1.5"),
        ({"truncate": True}, "truncate .* Received: True"),
        ({"patience": 0, "valid": dataset(VALID)}, "patience .* Received: 0"),
        (
            {"label_smoothing": 1},
            "label_smoothing must be a number of at least 0 and below 1. Received: 1",
        ),
        ({"label_smoothing": -0.1}, "label_smoothing .* Received: -0.1"),
        ({"label_smoothing": None}, "label_smoothing .* Received: None"),
        ({"label_smoothing": True}, "label_smoothing .* Received: True"),
        ({"label_smoothing": "0.1"}, "label_smoothing .* Received: '0.1'"),
        ({"label_smoothing": float("nan")}, "label_smoothing .* Received: nan"),
        (
            {"averaging": 1.0},
            "averaging must be a number of at least 0 and below 1. Received: 1.0",
        ),
        ({"averaging": -1}, "averaging .* Received: -1"),
        ({"averaging": False}, "averaging .* Received: False"),
        ({"averaging": [0.9]}, r"averaging .* Received: \[0.9\]"),
        ({"clip_norm": 0.0}, "clip_norm must be a number above 0. Received: 0.0"),
        ({"clip_norm": "a"}, "clip_norm .* Received: 'a'"),
        (
            {"normalization": "sents"},
            "normalization must be one of .*'tokens', 'sequences'.* Received: 'sents'",
        ),
        ({"learning_rate": -0.1}, "learning_rate must be a number of at least 0"),
        ({"learning_rate": float("nan")}, "learning_rate .* Received: nan"),
        ({"keep_best": "no"}, "keep_best must be True or False. Received: 'no'"),
        ({"scheduled_sampling": 0.5}, "scheduled_sampling must be a ScheduledSampling"),
        (
            {"train": dataset().take(0)},
            "train must .* Received: no batch",
        ),
        ({"train": dataset().repeat()}, "train must .* Received: a dataset without an"),
        ({"train": dataset().unbatch()}, "train must .* dataset of unknown length"),
        (
            {"valid": dataset().take(0)},
            "valid must .* Received: no batch",
        ),
        ({"valid": dataset().repeat()}, "valid must .* Received: a dataset without an"),
        ({"patience": 2}, "valid must be given for patience and keep_best"),
        ({"keep_best": True}, "valid must be given for patience and keep_best"),
        (
            {"train": dataset().take(2), "backup": "run"},
            "train must come from batches.make for a backup",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_bad_arguments_are_named(arguments, message):
    arguments = {"train": dataset(), "epochs": 1} | arguments
    with pytest.raises(ValueError, match=message):
        training.fit(quick_model(), **arguments)


@pytest.mark.parametrize("callbacks", [None, keras.callbacks.Callback(), [print]])
def test_what_are_no_callbacks_is_named(callbacks):
    with pytest.raises(TypeError, match="callbacks must be a list of Keras callbacks"):
        training.fit(quick_model(), dataset(), epochs=1, callbacks=callbacks)


def test_a_dataset_without_an_end_is_not_measured():
    with pytest.raises(ValueError, match="batches must .* a dataset without an end"):
        training.evaluate(quick_model(), dataset().repeat())


@pytest.mark.parametrize("name", ["train", "valid"])
def test_pairs_that_are_not_in_batches_are_named(name):
    arguments = {"train": dataset(), "epochs": 1, name: PAIRS}
    message = "must be a dataset of batches, such as batches.make .* Received: list"
    with pytest.raises(TypeError, match=f"{name} {message}"):
        training.fit(quick_model(), **arguments)
    with pytest.raises(TypeError, match=f"batches {message}"):
        training.evaluate(quick_model(), PAIRS)


def test_batches_of_another_kind_of_model_are_named():
    sizes = {"cell": "rnn", "units": 4, "embedding_dim": 3}
    copier = models.pointer_generator(len(SOURCE), len(TARGET), **sizes)
    message = "train must be made for this model.*extended_ids.*copying=True.*2 inputs"
    with pytest.raises(ValueError, match=message):
        training.fit(copier, dataset(), epochs=1)
    with pytest.raises(ValueError, match="batches must be made for this mod.*3 inputs"):
        training.evaluate(quick_model(), dataset(copying=True))


def test_a_keras_model_alone_is_named():
    with pytest.raises(TypeError, match="seq2seq must be a Seq2Seq.*Received: Functio"):
        training.fit(quick_model().training, dataset(), epochs=1)


def test_a_backup_is_a_path():
    with pytest.raises(TypeError, match="backup must be the path .* Received: 3"):
        training.fit(quick_model(), dataset(), epochs=1, backup=3)


@pytest.mark.parametrize("rate", [0, 1, np.float32(0.01), np.int64(1)])
def test_any_real_number_is_a_learning_rate(rate):
    runs = [quick_model(), quick_model()]
    for model, same in zip(runs, (rate, float(rate)), strict=True):
        training.fit(model, dataset(), epochs=1, learning_rate=same)
    assert_close(*map(weights, runs))


@pytest.mark.parametrize("content", [b"notes", b"PK", "folder", "arrays"])
def test_a_file_that_is_no_backup_is_named_and_left_alone(content, tmp_path):
    path = tmp_path / "file"
    if content == "folder":
        path.mkdir()
    elif content == "arrays":
        with open(path, "wb") as file:
            np.savez(file, mine=np.zeros(3))
    else:
        path.write_bytes(content)
    before = path.is_file() and path.read_bytes()
    with pytest.raises(ValueError, match="backup must be a file that training.fit wro"):
        run(path)
    assert (path.is_file() and path.read_bytes()) == before


def test_a_backup_knows_what_was_frozen(tmp_path):
    def fit(trainable):
        model = small_model()
        matrix = np.ones(model.training.get_layer("source_embedding").embeddings.shape)
        models.set_embedding(model, "source", matrix, trainable=trainable)
        training.fit(model, dataset(), epochs=1, backup=tmp_path / "run")

    fit(trainable=False)
    fit(trainable=False)
    with pytest.raises(ValueError, match="has another frozen: "):
        fit(trainable=True)


def test_noise_cannot_be_drawn_from_impossible_tokens():
    model = models.pointer_network(9, units=3, embedding_dim=3)
    sampling = ScheduledSampling(None, least=0.5, choose="uniform")
    with pytest.raises(ValueError, match="scheduled_sampling must not choose"):
        training.fit(model, dataset(), epochs=1, scheduled_sampling=sampling)


def test_distinct_answers_cannot_be_sampled_in_training():
    model = models.pointer_network(9, units=3, embedding_dim=3, distinct=True)
    sampling = ScheduledSampling(None, least=0.5)
    with pytest.raises(ValueError, match="scheduled_sampling must be None for a model"):
        training.fit(model, dataset(), epochs=1, scheduled_sampling=sampling)
