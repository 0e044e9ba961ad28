"""Pointing beside writing: convex hulls, as in Vinyals et al. (2015), and sorting.

    python -m recipes.pointers --seed 0

needs some 40 minutes of one CPU core. The same tasks, the same size: a pointer network;
an LSTM with attention and one without, which write places as words of a vocabulary and
so know only as many of them as they were built for. Points or numbers are the source of
all three.

Runs that end in "5-10" train on all lengths from 5 to 10 and are tested on longer ones,
too; the writers' vocabularies have no words for these.
"""

from __future__ import annotations

import dataclasses

import keras
import numpy as np

from recipes import small_runs
from recipes.fitting import Stopwatch, warmup_cosine
from recipes.small_runs import changed
from s2s_keras import batches, decoding, geometry, models, training
from s2s_keras.corpora import convex_hull, sorting
from s2s_keras.text import SPECIAL_TOKENS

TESTED = 1_000  # tasks of each length
BASE = {
    "task": "convex hull",
    "lengths": [5, 5],  # the fewest and the most items of a task
    "tested": [5],
    "tasks": 100_000,
    "model": {
        "builder": "pointer_network",
        "cell": "lstm",
        "units": 128,
        "embedding_dim": 64,
        "bidirectional": False,
    },
    "epochs": 10,
    "batch_size": 128,
    "learning_rate": 3e-3,  # the highest, after 5% of the steps; then down a cosine
}
BUILDERS = {
    "pointer": "pointer_network",
    "attention": "attention_seq2seq",
    "plain": "encoder_decoder",
}
LONGER = {"lengths": [5, 10], "tested": [5, 10, 15, 20]}


def _of(kind, task, length):
    model = {"builder": BUILDERS[kind]}
    few = {"tasks": 20_000} if task == "sorting" else {}
    lengths = {"lengths": [length, length], "tested": [length]}
    return changed(BASE, task=task, model=model, **few, **lengths)


RUNS = {
    f"{kind}, {task} of {length}": _of(kind, task, length)
    for task in ("convex hull", "sorting")
    for length in (5, 10)
    for kind in BUILDERS
}
RUNS["pointer, convex hull of 5-10"] = changed(BASE, **LONGER)
RUNS["pointer, sorting of 5-10"] = changed(BASE, task="sorting", **LONGER)


def train_and_measure(settings: dict, seed: int) -> dict:
    """Returns a run's results as a dict that JSON can hold."""
    keras.utils.set_random_seed(seed)
    tasks = drawn(settings, settings["tasks"], *settings["lengths"], part=0)
    train = batches.pointing(tasks, settings["batch_size"], seed=seed)
    seq2seq = new_model(settings)
    watch = Stopwatch()
    steps = settings["epochs"] * train.report.batches
    history = training.fit(
        seq2seq,
        train,
        epochs=settings["epochs"],
        learning_rate=warmup_cosine(settings["learning_rate"], steps),
        callbacks=[watch],
    )
    return {
        "parameters": seq2seq.training.count_params(),
        "cpu_seconds": watch.cpu_seconds,
        "losses": history.history["loss"],
        "by_length": {
            length: measure(seq2seq, drawn(settings, TESTED, length, length, part=2))
            for length in settings["tested"]
        },
    }


def drawn(settings: dict, count: int, least: int, most: int, part: int) -> list:
    """Draws tasks of a part: 0 to train on, 2 to test on."""
    if settings["task"] == "convex hull":
        return convex_hull.examples(count, least, most, seed=part)
    share = -(-count // (most - least + 1))  # of each length
    several = [sorting.examples(share, n, part) for n in range(least, most + 1)]
    return [task for tasks in zip(*several, strict=True) for task in tasks]


def new_model(settings: dict) -> models.Seq2Seq:
    """Returns an untrained model for the tasks of a run."""
    features = 2 if settings["task"] == "convex hull" else 1
    config = {**settings["model"], "source_features": features}
    if config["builder"] != "pointer_network":
        vocabulary = len(SPECIAL_TOKENS) + settings["lengths"][1]
        config |= {"source_vocabulary": None, "target_vocabulary": vocabulary}
    return models.build(config)


def measure(seq2seq: models.Seq2Seq, tasks: list) -> dict:
    """Returns the scores of greedy answers."""
    longest = max(len(task.target) for task in tasks) + 1
    source = batches.pointing_sources([task.source for task in tasks])
    answers = batches.places(decoding.greedy(seq2seq, source, longest).tokens)
    both = zip(answers, tasks, strict=True)
    scores = {"exact": np.mean([tuple(places) == task.target for places, task in both])}
    if tasks[0].source.shape[1] == 2:
        scores |= dataclasses.asdict(geometry.hull_score(tasks, answers))
    return scores


if __name__ == "__main__":
    small_runs.main("pointers", __doc__.splitlines()[0], RUNS, train_and_measure)
