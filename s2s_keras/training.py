"""Fitting a model with teacher forcing, and measuring it the same way."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import os
import pathlib

import keras
import numpy as np
import tensorflow as tf

from s2s_keras import gradients as through_time
from s2s_keras.arguments import (
    SHARE,
    as_python,
    check_choice,
    check_number,
    check_switch,
    check_whole,
)
from s2s_keras.decoding.compiling import of_any_shape
from s2s_keras.losses import CrossEntropy, TokenAccuracy, flat, mean, token_losses
from s2s_keras.models import Seq2Seq
from s2s_keras.scheduled_sampling import ScheduledSampling

WHOLE = ("epochs", "backup_every", "accumulate")
NORMALIZATIONS = ("tokens", "sequences")
NO_NUMBER = {  # of batches
    int(tf.data.UNKNOWN_CARDINALITY): "a dataset of unknown length",
    int(tf.data.INFINITE_CARDINALITY): "a dataset without an end",
}
OF_A_RUN = (  # what a backup must share with the run that it carries on
    *("normalization", "label_smoothing", "scheduled_sampling", "accumulate"),
    *("truncate", "patience", "keep_best"),
)


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What a model makes of gold targets under teacher forcing.

    Attributes:
        loss: mean cross-entropy per token, in nats, EOS counted.
        accuracy: share of tokens that the model finds most probable.
        tokens: number of target tokens, EOS counted.
    """

    loss: float
    accuracy: float
    tokens: int

    @property
    def negative_log_likelihood(self):
        """Total cross-entropy of all tokens, in nats."""
        return self.loss * self.tokens


def evaluate(seq2seq, batches):
    """Measures a model under teacher forcing.

    Args:
        seq2seq: a `Seq2Seq`.
        batches: dataset of `((source, target_in), target_out, weight)`.

    Returns:
        `Evaluation`. Padding and the division into batches do not change it.

    Raises:
        TypeError: if `seq2seq` is no `Seq2Seq`, or `batches` no dataset.
        ValueError: if `batches` holds no token, has no end or is not made for such a
            model, or the model is an ensemble, which has no training graph.
    """
    _check_graph(seq2seq)
    _check_batches(seq2seq, "batches", batches, {tf.data.INFINITE_CARDINALITY})
    return _evaluate(seq2seq, batches, "batches")


def fit(
    seq2seq,
    train,
    valid=None,
    *,
    epochs,
    learning_rate=1e-3,
    clip_norm=1.0,
    normalization="tokens",
    label_smoothing=0.0,
    averaging=None,
    scheduled_sampling=None,
    accumulate=1,
    truncate=None,
    patience=None,
    keep_best=False,
    callbacks=(),
    backup=None,
    backup_every=100,
    verbose=0,
):
    """Trains a model with teacher forcing, Adam and cross-entropy.

    Killed at any moment and called again with the same arguments, a run with a
    `backup` ends as it would have ended unbroken: same weights, history, best epoch
    and patience. That asks for a fresh model built alike, and for `batches.make`
    with the same seed.

    Args:
        seq2seq: a `Seq2Seq`; its weights are changed.
        train: dataset of `((source, target_in), target_out, weight)`.
        valid: such a dataset to measure after each epoch, or None.
        epochs: passes over `train`.
        learning_rate: a number, or a `keras.optimizers.schedules.LearningRateSchedule`.
        clip_norm: the gradient of all weights together is scaled down to this norm
            where it is longer (Pascanu et al., 2013); None leaves it.
        normalization: what a step's summed loss is divided by, its `"tokens"` or its
            `"sequences"`. With `"tokens"` the mean of a batch of short targets counts
            as much as that of long ones, with `"sequences"` less. What is reported
            stays the loss per token.
        label_smoothing: the probability that the loss wants spread over all tokens,
            see `losses.CrossEntropy`. What is reported stays the cross-entropy itself.
            Not for models that point or copy, where most tokens are impossible.
        averaging: share that each step keeps of the running average of the weights,
            such as 0.999 for about the last 1,000 steps (Polyak & Juditsky, 1992);
            it starts as the weights after the first step. The average is validated
            and is what the run ends with; training goes on from the weights
            themselves, which callbacks see. None trains without.
        scheduled_sampling: a `ScheduledSampling`, which gives the decoder some of the
            model's own tokens to read; None gives it the right ones alone.
        accumulate: batches whose gradients make one step, as if they were one batch;
            the last step of an epoch may have fewer.
        truncate: steps of the target after which no gradient goes back any further
            (Williams & Peng, 1990); the state is carried on. It saves memory with
            targets longer than that. None goes back to the beginning. Recurrent dropout
            draws a new mask for each chunk.
        patience: epochs without a lower validation loss after which to stop; None
            never stops early.
        keep_best: whether to end with the weights of the epoch with the lowest
            validation loss.
        callbacks: Keras callbacks; validation calls none of their hooks. Their own
            state is not in the backup.
        backup: path of a file to resume from and to write to, or None.
        backup_every: batches between two backups within an epoch; one is written at
            the end of each epoch too.
        verbose: 0 is silent, 1 draws progress bars, 2 prints a line an epoch.

    Returns:
        `keras.callbacks.History` whose `history` holds `loss`, `accuracy`, and with
        `valid` `val_loss`, `val_accuracy`: means over real tokens; with a model that is
        `penalized`, `penalty`, the mean of what a token costs besides; with
        `scheduled_sampling` `teacher_probability`, the epoch's last; and
        `gradient_norm`, the mean norm of the steps' gradients before clipping, where
        callbacks see after each batch that of the last step; a step that mixed
        precision leaves out, its gradient being infinite, does not count. With `valid`
        its `best_epoch` is the index of the epoch with the lowest `val_loss`.

    Raises:
        TypeError: if `seq2seq` is no `Seq2Seq`, `train` or `valid` no dataset,
            `callbacks` no list of them, or `backup` no path.
        ValueError: if `patience` or `keep_best` lack `valid`, an argument is out of
            range, a dataset has no batch or no end or is not made for such a model,
            `train` does not say how many batches it has, the model cannot be trained
            so, or `backup` is no backup or one of another run.
    """
    arguments = dict(locals())
    _check(**arguments)
    model = seq2seq.training
    optimizer = _adam_for(model, learning_rate, clip_norm, averaging)
    metrics = _Metrics(penalized=seq2seq.penalized is not None)
    gradients = _Gradients(model, optimizer, normalization, accumulate)
    run = _Run(model, optimizer, metrics, gradients)
    kept = _Backup(
        backup,
        settings={
            "model": seq2seq.config,
            "frozen": [weight.path for weight in model.non_trainable_weights],
            "optimizer": keras.saving.serialize_keras_object(optimizer),
            "train": getattr(train, "fingerprint", None),
            "valid": getattr(valid, "fingerprint", None),
            **{name: arguments[name] for name in OF_A_RUN},
        },
    )
    loss = CrossEntropy(label_smoothing)
    step = _training_step(
        seq2seq, loss, scheduled_sampling, truncate, gradients, metrics, train
    )
    batches = int(train.cardinality())
    history = keras.callbacks.History()
    listeners = keras.callbacks.CallbackList(
        [*callbacks, history],
        add_progbar=bool(verbose),
        model=model,
        verbose=verbose,
        epochs=epochs,
        steps=batches,
    )
    model.stop_training = False
    listeners.on_train_begin()
    kept.restore(run)
    history.history, history.epoch = run.history, list(range(run.epoch))

    while run.epoch < epochs and not run.stopped:
        listeners.on_epoch_begin(run.epoch)
        if run.batch == 0:
            metrics.reset()
            gradients.norms.reset_state()
        if hasattr(train, "epoch"):
            train.epoch.assign(run.epoch)
        for batch in train.skip(run.batch):
            listeners.on_train_batch_begin(run.batch)
            step(*batch)
            run.batch += 1
            if run.batch % accumulate == 0 or run.batch == batches:
                gradients.apply()
            logs = {**metrics.results(), "gradient_norm": float(gradients.norm)}
            listeners.on_train_batch_end(run.batch - 1, logs)
            if run.batch % backup_every == 0:
                kept.write(run)
            if model.stop_training:
                break
        logs = {**metrics.results(), "gradient_norm": float(gradients.norms.result())}
        if scheduled_sampling is not None:
            last = gradients.batches - 1
            logs["teacher_probability"] = float(scheduled_sampling.probability(last))
        if valid is not None:
            with _lent_average(model, optimizer):
                measured = _evaluate(seq2seq, valid, "valid")
                logs |= {"val_loss": measured.loss, "val_accuracy": measured.accuracy}
                run.judge(measured.loss, patience, keep_best)
        listeners.on_epoch_end(run.epoch, logs)
        run.epoch, run.batch = run.epoch + 1, 0
        run.stopped |= bool(model.stop_training)
        kept.write(run)

    _take_average(model, optimizer)
    if keep_best and run.best_weights:
        model.set_weights(run.best_weights)
    history.best_epoch = run.best_epoch
    listeners.on_train_end()
    return history


class _Metrics:
    """Loss and accuracy per real token, and where there is one, the penalty."""

    def __init__(self, penalized=False):
        self.loss, self.accuracy = keras.metrics.Mean(name="loss"), TokenAccuracy()
        self.all = [self.loss, self.accuracy]
        if penalized:
            self.penalty = keras.metrics.Mean(name="penalty")
            self.all.append(self.penalty)

    def update(self, losses, target_out, logits, weight):
        self.loss.update_state(*flat(losses, weight))
        self.accuracy.update_state(target_out, logits, weight)

    def reset(self):
        for metric in self.all:
            metric.reset_state()

    def results(self):
        return {metric.name: float(metric.result()) for metric in self.all}

    def tokens(self):
        return int(self.loss.count)

    @property
    def variables(self):
        return [variable for metric in self.all for variable in metric.variables]


def _take_average(model, optimizer):
    """Gives a model the average of its weights, where the optimizer keeps one."""
    if optimizer.iterations > 0:  # before the first step all averages are zero
        optimizer.finalize_variable_values(model.trainable_variables)


@contextlib.contextmanager
def _lent_average(model, optimizer):
    """Lends a model the average of its weights, where the optimizer keeps one."""
    variables = model.trainable_variables
    latest = [variable.numpy() for variable in variables]
    _take_average(model, optimizer)
    try:
        yield
    finally:
        for variable, value in zip(variables, latest, strict=True):
            variable.assign(value)


class _Gradients:
    """The gradients of one step, and those of several batches added up for it.

    `norm` is the norm of the last step's, before clipping, and `norms` their mean;
    `batches` counts what was taken since the run began.
    """

    def __init__(self, model, optimizer, normalization, accumulate):
        self.variables, self.optimizer = model.trainable_variables, optimizer
        self.normalization = normalization
        self.norm = keras.Variable(0.0, trainable=False)
        self.norms = keras.metrics.Mean(name="gradient_norm")
        self.batches = keras.Variable(0, dtype="int64", trainable=False)
        self.kept = [self.norm, *self.norms.variables, self.batches]
        self.sums = []
        if accumulate > 1:
            self.sums = [
                keras.Variable(tf.zeros(v.shape), trainable=False)
                for v in self.variables
            ]
            self.count = keras.Variable(0.0, trainable=False)
            self.kept += [*self.sums, self.count]
            self.apply = _compile(self._apply, ())

    def take(self, gradients, weight):
        """Takes those of a batch's mean loss; without accumulation, applies them."""
        self.batches.assign_add(1)
        count = tokens = tf.reduce_sum(weight)
        if self.normalization == "sequences":
            count = tf.reduce_sum(tf.reduce_max(weight, axis=1))
            share = tf.math.divide_no_nan(tokens, count)
            gradients = [gradient * share for gradient in gradients]
        if not self.sums:
            self._step(gradients)
            return
        for total, gradient in zip(self.sums, gradients, strict=True):
            total.assign_add(gradient * count)
        self.count.assign_add(count)

    def apply(self):
        """Takes the step of the batches since the last; without accumulation, none."""

    def _apply(self):
        count = self.count.value
        self._step([tf.math.divide_no_nan(total.value, count) for total in self.sums])
        for variable in [*self.sums, self.count]:
            variable.assign(tf.zeros(variable.shape))

    def _step(self, gradients):
        scale = self.optimizer.scale_loss(1.0)  # of mixed precision
        norm = tf.linalg.global_norm(gradients) / scale
        self.norm.assign(norm)
        taken = 1.0
        if isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer):
            taken = tf.cast(tf.math.is_finite(norm), norm.dtype)
        self.norms.update_state(tf.where(taken > 0.0, norm, 0.0), taken)
        self.optimizer.apply(gradients, self.variables)


def _training_step(seq2seq, loss, sampling, truncate, gradients, metrics, dataset):
    """Compiles what a batch does to the weights, for batches of any shape."""
    model, optimizer = seq2seq.training, gradients.optimizer

    def scaled_loss_of(target_out, logits, weight):
        """Tells the metrics the losses; returns their mean, smoothed and scaled."""
        losses = token_losses(target_out, logits)  # (batch, length)
        metrics.update(losses, target_out, logits, weight)
        smoothed = loss.smooth(losses, target_out, logits)
        return optimizer.scale_loss(mean(smoothed, weight))

    def whole(inputs, target_out, weight):
        with tf.GradientTape() as tape:
            if seq2seq.penalized:
                logits, penalty = seq2seq.penalized(list(inputs), training=True)
                metrics.penalty.update_state(*flat(penalty, weight))
                cost = optimizer.scale_loss(mean(penalty, weight))
            else:
                logits, cost = model(list(inputs), training=True), 0.0
            total = scaled_loss_of(target_out, logits, weight) + cost
        return tape.gradient(total, model.trainable_variables)

    def in_chunks(*batch):
        return through_time.truncated(seq2seq, batch, truncate, scaled_loss_of)

    def step(inputs, target_out, weight):
        source, target_in = inputs
        if sampling is not None:
            target_in = sampling.mix(seq2seq, source, target_in, gradients.batches)
        backpropagate = in_chunks if truncate else whole
        found = backpropagate((source, target_in), target_out, weight)
        # Keras would square an embedding's rows token by token, not their sum by id.
        found = [tf.convert_to_tensor(gradient) for gradient in found]
        gradients.take(found, weight)

    return _compile(step, of_any_shape(dataset.element_spec))


def _evaluate(seq2seq, batches, name):
    """Measures a model, compiled once for it and for a structure of batches."""
    signature = of_any_shape(batches.element_spec)
    key = "evaluate", repr(signature)
    if key not in seq2seq.compiled:
        metrics = _Metrics()

        def step(inputs, target_out, weight):
            logits = seq2seq.training(list(inputs), training=False)
            losses = token_losses(target_out, logits)
            metrics.update(losses, target_out, logits, weight)

        seq2seq.compiled[key] = metrics, _compile(step, signature)
    metrics, step = seq2seq.compiled[key]
    metrics.reset()
    for batch in batches:
        step(*batch)
    if not (tokens := metrics.tokens()):
        raise ValueError(f"{name} must hold at least one token. Received none.")
    return Evaluation(**metrics.results(), tokens=tokens)


def _compile(step, signature):
    """Compiles a step when it is first called, for batches of any shape.

    A concrete function is not counted by TensorFlow's warning of many retracings, which
    otherwise comes with the fifth model of a session.
    """

    @functools.cache
    def compiled():
        return tf.function(step, autograph=False).get_concrete_function(*signature)

    return lambda *batch: compiled()(*batch)


class _Run:
    """Where a training run stands: all that a backup must hold."""

    def __init__(self, model, optimizer, metrics, gradients):
        self.model = model
        self.variables = [
            *model.variables,
            *optimizer.variables,
            *metrics.variables,
            *gradients.kept,
        ]
        self.epoch = self.batch = self.waited = 0
        self.history = {}
        self.best_epoch = None
        self.best_loss = float("inf")
        self.best_weights = []
        self.stopped = False

    def judge(self, loss, patience, keep_best):
        """Takes note of an epoch's validation loss."""
        if loss < self.best_loss:
            self.best_loss, self.best_epoch, self.waited = loss, self.epoch, 0
            if keep_best:
                self.best_weights = self.model.get_weights()
        else:
            self.waited += 1
            self.stopped = patience is not None and self.waited >= patience


class _Backup:
    """A file that holds a run, replaced as a whole."""

    PLACE = (
        *("epoch", "batch", "history"),
        *("best_epoch", "best_loss", "waited", "stopped"),
    )

    def __init__(self, path, settings):
        self.path = path and pathlib.Path(path)
        self.settings = json.loads(json.dumps(settings, default=_plain))

    def write(self, run):
        if not self.path:
            return
        record = {name: getattr(run, name) for name in self.PLACE}
        text = json.dumps({"settings": self.settings, "run": record}, default=float)
        arrays = {f"variable_{i}": v.numpy() for i, v in enumerate(run.variables)}
        arrays |= {f"best_{i}": w for i, w in enumerate(run.best_weights)}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.path.with_name(self.path.name + ".unfinished")
        with open(unfinished, "wb") as file:
            np.savez(file, record=np.frombuffer(text.encode(), np.uint8), **arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, self.path)

    def restore(self, run):
        if not self.path or not self.path.exists():
            return
        text, arrays = self._read()
        self._compare(text["settings"])
        for name in self.PLACE:
            setattr(run, name, text["run"][name])
        for index, variable in enumerate(run.variables):
            variable.assign(arrays[f"variable_{index}"])
        best = [name for name in arrays if name.startswith("best_")]
        run.best_weights = [arrays[f"best_{i}"] for i in range(len(best))]

    def _read(self):
        """Returns what the file holds: the record, and arrays by name."""
        try:
            with np.load(self.path, allow_pickle=False) as file:
                arrays = dict(file)
            return json.loads(arrays.pop("record").tobytes()), arrays
        except Exception as error:  # of a folder, a text, another file of arrays …
            raise ValueError(
                "backup must be a file that training.fit wrote, or none yet. "
                f"Received: {self.path}, which is not one ({type(error).__name__}: "
                f"{error})."
            ) from error

    def _compare(self, settings):
        differing = [
            name for name in self.settings if settings.get(name) != self.settings[name]
        ]
        if differing:
            name = differing[0]
            raise ValueError(
                f"backup must be of this very run, but {self.path} has another "
                f"{name}: {settings.get(name)!r} there, {self.settings[name]!r} here. "
                "Delete the file to start anew, or name another."
            )


def _plain(value):
    """Returns a setting as JSON knows it: NumPy's numbers as Python's."""
    value = as_python(value)
    return value if isinstance(value, (int, float)) else str(value)


def _adam_for(model, learning_rate, clip_norm, averaging):
    """Returns the optimizer that a model is compiled with, built for its weights."""
    if not _is_schedule(learning_rate):
        learning_rate = float(learning_rate)  # Keras takes no other number
    adam = keras.optimizers.Adam(
        learning_rate,
        global_clipnorm=clip_norm,
        use_ema=averaging is not None,
        ema_momentum=averaging or 0.0,
        name="adam",
    )
    model.compile(optimizer=adam)
    optimizer = model.optimizer  # which scales the loss under mixed precision
    optimizer.build(model.trainable_variables)
    return optimizer


def _check(
    seq2seq,
    train,
    valid,
    *,
    learning_rate,
    clip_norm,
    normalization,
    label_smoothing,
    averaging,
    scheduled_sampling,
    truncate,
    patience,
    keep_best,
    callbacks,
    backup,
    **others,
):
    """Raises ValueError for the first argument of `fit` that cannot be."""
    _check_graph(seq2seq)
    _check_batches(seq2seq, "train", train, {0, *NO_NUMBER})
    if valid is not None:
        _check_batches(seq2seq, "valid", valid, {0, tf.data.INFINITE_CARDINALITY})
    for name in WHOLE:
        check_whole(name, others[name], 1)
    check_switch("keep_best", keep_best)
    if not isinstance(callbacks, (list, tuple)) or not all(
        isinstance(callback, keras.callbacks.Callback) for callback in callbacks
    ):
        raise TypeError(
            f"callbacks must be a list of Keras callbacks. Received: {callbacks!r}"
        )
    if not _is_schedule(learning_rate):
        check_number(
            "learning_rate",
            learning_rate,
            "of at least 0",
            lambda rate: rate >= 0,
        )
    if clip_norm is not None:
        check_number("clip_norm", clip_norm, "above 0", lambda norm: norm > 0)
    check_choice("normalization", normalization, NORMALIZATIONS)
    for name, value in (("patience", patience), ("truncate", truncate)):
        if value is not None:
            check_whole(name, value, 1)
    if valid is None and (patience is not None or keep_best):
        raise ValueError("valid must be given for patience and keep_best to watch.")
    if backup is not None and not isinstance(backup, (str, os.PathLike)):
        raise TypeError(
            f"backup must be the path of a file or None. Received: {backup!r}"
        )
    if backup and not hasattr(train, "epoch"):
        raise ValueError(
            "train must come from batches.make for a backup, since its order must be "
            "a function of seed and epoch. Received: a dataset without `epoch`."
        )
    if truncate is not None and (seq2seq.chunk is None or seq2seq.penalized):
        raise ValueError(
            "truncate must be None for a seq2seq without a `chunk` graph, such as "
            "the builders make, and for one whose steps cost more than their "
            f"tokens, as with coverage. Received: {truncate!r}"
        )
    if scheduled_sampling is not None:
        if not isinstance(scheduled_sampling, ScheduledSampling):
            raise ValueError(
                "scheduled_sampling must be a ScheduledSampling or None. "
                f"Received: {scheduled_sampling!r}"
            )
        if seq2seq.config.get("distinct"):
            raise ValueError(
                "scheduled_sampling must be None for a model whose answers are "
                "distinct: what it has pointed at itself could not be right any more. "
                f"Received: {scheduled_sampling!r}"
            )
        if scheduled_sampling.choose == "uniform" and _chooses_places(seq2seq):
            raise ValueError(
                "scheduled_sampling must not choose 'uniform' for a model that points "
                "or copies, where most tokens are impossible. "
                f"Received: {scheduled_sampling!r}"
            )
    check_number("label_smoothing", label_smoothing, *SHARE)
    if label_smoothing and _chooses_places(seq2seq):
        raise ValueError(
            "label_smoothing must be 0 for a model that points or copies, where most "
            f"tokens are impossible. Received: {label_smoothing!r}"
        )
    if averaging is not None:
        check_number("averaging", averaging, *SHARE)


def _is_schedule(rate):
    return isinstance(rate, keras.optimizers.schedules.LearningRateSchedule)


def _check_graph(seq2seq):
    if not isinstance(seq2seq, Seq2Seq):
        raise TypeError(
            "seq2seq must be a Seq2Seq, such as the builders of s2s_keras.models make. "
            f"Received: {type(seq2seq).__name__}"
        )
    if seq2seq.training is None:
        raise ValueError(
            "seq2seq must have a training graph, which an ensemble has not: train and "
            "measure its members."
        )


def _check_batches(seq2seq, name, dataset, refused):
    """Raises TypeError for what is not in batches yet, ValueError for wrong batches.

    Args:
        seq2seq: the model that shall read them.
        name: names the dataset in an error.
        dataset: the dataset.
        refused: numbers of batches, such as 0, that it may not have.
    """
    if not (hasattr(dataset, "element_spec") and hasattr(dataset, "cardinality")):
        raise TypeError(
            f"{name} must be a dataset of batches, such as batches.make returns. "
            f"Received: {type(dataset).__name__}"
        )
    batches = int(dataset.cardinality())
    if batches in refused:
        raise ValueError(
            f"{name} must be a dataset with at least one batch, and with an end. "
            f"Received: {NO_NUMBER.get(batches, 'no batch')}. Where there is a number "
            "that TensorFlow cannot see, tf.data.experimental.assert_cardinality "
            "states it."
        )
    inputs = len(tf.nest.flatten(dataset.element_spec[0]))
    names = [part.name for part in seq2seq.training.inputs]
    if inputs != len(names):
        raise ValueError(
            f"{name} must be made for this model, whose {len(names)} inputs are "
            f"{', '.join(names)}: by batches.make, with copying=True for a model that "
            "copies, or by batches.pointing for one that points. "
            f"Received: batches of {inputs} inputs"
        )


def _chooses_places(seq2seq):
    """Says whether a model points or copies: its answers are as many as its items."""
    return seq2seq.training.output_shape[-1] is None
