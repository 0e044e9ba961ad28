"""What each remedy is worth on 3,846 pairs: one thing changed at a time.

    python -m recipes.remedies --seed 0

needs some 25 minutes of one CPU core. Every run trains the same small model with
attention on `hsk`, until the validation loss has not fallen for two epochs, and keeps
the weights of the epoch where it was lowest. A schedule knows its end, so the runs with
one go on for 10 epochs.
"""

from __future__ import annotations

import dataclasses

import keras

from recipes import small_runs
from recipes.fitting import Stopwatch, warmup_cosine
from recipes.small_runs import batches_for, changed
from s2s_keras import corpora, evaluation, training

BASE = {
    "corpus": "hsk",
    "kinds": ("character", "word"),
    "vocabulary_size": 3_000,
    "model": {
        "builder": "attention_seq2seq",
        "cell": "gru",
        "units": 96,
        "embedding_dim": 64,
    },
    "epochs": 16,  # the most
    "patience": 2,
    "batch_size": 64,
    "learning_rate": 3e-3,
    "schedule": "constant",
    "fit": {},  # arguments of `training.fit`
}


def _model(**arguments):
    return changed(BASE, model=arguments)


def _fit(**arguments):
    return changed(BASE, fit=arguments)


RUNS = {
    "nothing": BASE,
    "dropout 0.3": _model(dropout=0.3),
    "word dropout 0.15": _model(embedding_dropout=0.15),
    "recurrent dropout 0.3": _model(recurrent_dropout=0.3),
    "tied embeddings": _model(tie_embeddings=True),
    "label smoothing 0.1": _fit(label_smoothing=0.1),
    "average of weights": _fit(averaging=0.99),
    "warm-up and cosine": changed(BASE, schedule="cosine", epochs=10),
    "batches of 16, 4 a step": changed(BASE, batch_size=16, fit={"accumulate": 4}),
    "not clipped": _fit(clip_norm=None),
    "dropout, tied, smoothed, cosine": changed(
        BASE,
        model={"dropout": 0.3, "tie_embeddings": True},
        fit={"label_smoothing": 0.1},
        schedule="cosine",
        epochs=10,
    ),
}


def train_and_measure(settings: dict, seed: int) -> dict:
    """Returns a run's results as a dict that JSON can hold."""
    keras.utils.set_random_seed(seed)
    corpus = corpora.load(settings["corpus"])
    translator = small_runs.new_translator(
        corpus, settings["model"], settings["kinds"], 2 * [settings["vocabulary_size"]]
    )
    train = batches_for(translator, corpus.train, settings["batch_size"], seed=seed)
    watch = Stopwatch()
    history = training.fit(
        translator.seq2seq,
        train,
        batches_for(translator, corpus.valid, 64, shuffle=False),
        epochs=settings["epochs"],
        learning_rate=learning_rate(settings, train.report.batches),
        patience=settings["patience"] if settings["schedule"] == "constant" else None,
        keep_best=True,
        callbacks=[watch],
        **settings["fit"],
    )
    sources, references = evaluation.group_references(corpus.test)
    texts = [found.text for found in translator.translate(sources)]
    return {
        "parameters": translator.seq2seq.training.count_params(),
        "cpu_seconds": watch.cpu_seconds,
        "losses": history.history["loss"],
        "valid_losses": history.history["val_loss"],
        "gradient_norms": history.history["gradient_norm"],
        "best_epoch": history.best_epoch,
        "perplexity": small_runs.perplexity(translator, corpus.test),
        "bleu": dataclasses.asdict(evaluation.bleu(texts, references)),
        "chrf": dataclasses.asdict(evaluation.chrf(texts, references)),
    }


def learning_rate(settings: dict, batches_an_epoch: int):
    """Returns what `training.fit` takes for a learning rate."""
    if settings["schedule"] == "constant":
        return settings["learning_rate"]
    steps = settings["epochs"] * batches_an_epoch
    return warmup_cosine(settings["learning_rate"], steps)


if __name__ == "__main__":
    small_runs.main("remedies", __doc__.splitlines()[0], RUNS, train_and_measure)
