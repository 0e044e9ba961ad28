"""How long a cell remembers: the first word of n, with n from 5 to 200.

    python -m recipes.memory --seed 0

needs some 20 minutes of one CPU core. The first word of a source is its target, the
others say nothing (`s2s_keras.corpora.memory`). A model has learned a length when it
names the first word of nearly every validation source.

"alone": a fresh model for each length. "in steps": one model, first trained at length
5, then at 10, and so on, a curriculum (Bengio et al., 2009).
"""

from __future__ import annotations

import keras
import numpy as np

from recipes import small_runs
from recipes.small_runs import changed
from s2s_keras import batches, corpora, decoding, models, training
from s2s_keras.corpora.memory import DISTRACTING, LENGTHS, REMEMBERED
from s2s_keras.text import Tokenizer

LEARNED = 0.99  # share of right first words
BASE = {
    "way": "in steps",
    "lengths": LENGTHS,
    "model": {
        "builder": "encoder_decoder",
        "cell": "rnn",
        "units": 64,
        "embedding_dim": 16,
    },
    "most_epochs": 10,  # at each length; training ends earlier when it is learned
    "batch_size": 64,
    "learning_rate": 3e-3,
    "clip_norm": 1.0,
}


def _of(cell, **changes):
    model = {"cell": cell, **changes.pop("model", {})}
    return changed(BASE, model=model, **changes)


CELLS = ("rnn", "gru", "lstm")
UP_TO_100 = tuple(length for length in LENGTHS if length <= 100)
ATTENTION = {"builder": "attention_seq2seq", "bidirectional": False}
RUNS = {
    **{f"{cell}, in steps": _of(cell) for cell in CELLS},
    **{f"{cell}, alone": _of(cell, way="alone", lengths=UP_TO_100) for cell in CELLS},
    "lstm with attention, alone": _of("lstm", model=ATTENTION, way="alone"),
    "rnn, glorot_uniform, in steps": _of(
        "rnn", model={"recurrent_initializer": "glorot_uniform"}, lengths=UP_TO_100
    ),
    "rnn, not clipped, in steps": _of("rnn", clip_norm=None, lengths=UP_TO_100),
    "lstm, forget bias 0, in steps": _of("lstm", model={"forget_bias": False}),
    "lstm, forget bias 0, alone": _of(
        "lstm", model={"forget_bias": False}, way="alone", lengths=(5, 10, 20)
    ),
}


def train_and_measure(settings: dict, seed: int) -> dict:
    """Returns a run's results as a dict that JSON can hold."""
    found = {}
    seq2seq = new_model(settings["model"], seed)
    for length in settings["lengths"]:
        if settings["way"] == "alone":
            seq2seq = new_model(settings["model"], seed)
        found[length] = learn(seq2seq, length, settings, seed)
    return {"by_length": found}


def new_model(model: dict, seed: int) -> models.Seq2Seq:
    """Returns an untrained model of the memory task."""
    keras.utils.set_random_seed(seed)
    source_vocabulary, target_vocabulary = map(len, tokenizers())
    return models.build(
        {
            **model,
            "source_vocabulary": source_vocabulary,
            "target_vocabulary": target_vocabulary,
        }
    )


def tokenizers() -> tuple[Tokenizer, Tokenizer]:
    """Returns tokenizers that give a word the same id at every length."""
    return (
        Tokenizer.train([" ".join(REMEMBERED + DISTRACTING)]),
        Tokenizer.train([" ".join(REMEMBERED)]),
    )


def learn(seq2seq: models.Seq2Seq, length: int, settings: dict, seed: int) -> dict:
    """Trains a model at one length until it has learned it, or time is up.

    Returns:
        Shares of right first words, "valid" and "test"; "epochs"; and the mean norm of
        the gradients in each of them.
    """
    corpus = corpora.load(f"memory/{length}")
    stop = StopWhenLearned(seq2seq, corpus.valid)
    history = training.fit(
        seq2seq,
        batches.make(corpus.train, *tokenizers(), settings["batch_size"], seed=seed),
        epochs=settings["most_epochs"],
        learning_rate=settings["learning_rate"],
        clip_norm=settings["clip_norm"],
        callbacks=[stop],
    )
    return {
        "valid": stop.share,
        "test": right_first_words(seq2seq, corpus.test),
        "epochs": len(history.epoch),
        "gradient_norms": history.history["gradient_norm"],
    }


class StopWhenLearned(keras.callbacks.Callback):
    """Ends a training when `share`, of right first words, is large enough."""

    def __init__(self, seq2seq, pairs):
        super().__init__()
        self.seq2seq, self.pairs = seq2seq, pairs

    def on_epoch_end(self, epoch, logs=None):
        self.share = right_first_words(self.seq2seq, self.pairs)
        self.model.stop_training |= self.share >= LEARNED


def right_first_words(seq2seq: models.Seq2Seq, pairs) -> float:
    """Returns the share of pairs whose target is the first that the model writes."""
    of_source, of_target = tokenizers()
    source = batches.sources([pair.source for pair in pairs], of_source)
    right = np.array([of_target.encode(pair.target) for pair in pairs])  # (pairs, 1)
    return float(np.mean(decoding.greedy(seq2seq, source, 1).tokens == right))


if __name__ == "__main__":
    small_runs.main("memory", __doc__.splitlines()[0], RUNS, train_and_measure)
