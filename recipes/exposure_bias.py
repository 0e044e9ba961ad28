"""Teacher forcing beside scheduled sampling, on a quarter of `phrasebook`.

    python -m recipes.exposure_bias --seed 0

needs some 20 minutes of one CPU core. Each run trains one model and measures it on the
1,000 test pairs, reading the right tokens (teacher-forced) and its own (free-running):
in all, at each position, for each length, and after a single wrong token. After every
epoch the 1,000 validation pairs are measured, too.

Every source of `phrasebook` has one right target. So a token that differs from the
target's at its position is an error, or the consequence of one.
"""

from __future__ import annotations

import dataclasses

import keras
import numpy as np

from recipes import small_runs
from recipes.fitting import Stopwatch, warmup_cosine
from recipes.small_runs import batches_for, changed
from s2s_keras import batches, corpora, decoding, evaluation, training
from s2s_keras.scheduled_sampling import ScheduledSampling
from s2s_keras.text import EOS, PAD, SOS, SPECIAL_TOKENS

BATCH_SIZE = 64
BASE = {
    "corpus": "phrasebook",
    "pairs": 5_000,
    "model": {
        "builder": "encoder_decoder",
        "cell": "gru",
        "units": 128,
        "embedding_dim": 64,
        "bidirectional": True,
    },
    "sampling": None,  # teacher forcing
    "halfway": 0.25,  # by this share of the steps, a schedule has come down to 1/2
    "epochs": 12,
    "batch_size": BATCH_SIZE,
    "learning_rate": 8e-3,  # the highest, after 5% of the steps; then down a cosine
    "last_learning_rate": 0.01,  # as a share of the highest
}
DISTANCES = 4  # positions measured after a wrong token


def _sampled(schedule, **sampling):
    return changed(BASE, sampling={"schedule": schedule, **sampling})


def _constant(probability, **changes):
    """The right token with a probability that stays the same."""
    return changed(_sampled(None, least=probability), **changes)


ATTENTION = {"model": {"builder": "attention_seq2seq"}}
RUNS = {
    "teacher forcing": BASE,
    "linear": _sampled("linear"),
    "exponential": _sampled("exponential"),
    "inverse sigmoid": _sampled("inverse_sigmoid"),
    "inverse sigmoid, sample": _sampled("inverse_sigmoid", choose="sample"),
    "constant 0.75": _constant(0.75),
    "constant 0.5": _constant(0.5),
    "constant 0.25": _constant(0.25),
    "always": _constant(0.0),
    "constant 0.75, random words": _constant(0.75, sampling={"choose": "uniform"}),
    "attention, teacher forcing": changed(BASE, **ATTENTION),
    "attention, constant 0.5": _constant(0.5, **ATTENTION),
    "attention, always": _constant(0.0, **ATTENTION),
}


def train_and_measure(settings, seed):
    """Returns a run's results as a dict that JSON can hold."""
    keras.utils.set_random_seed(seed)
    corpus = corpora.load(settings["corpus"])
    corpus = dataclasses.replace(corpus, train=corpus.train[: settings["pairs"]])
    translator = small_runs.new_translator(corpus, settings["model"])
    seq2seq = translator.seq2seq
    tokenizers = translator.source_tokenizer, translator.target_tokenizer
    train = batches_for(translator, corpus.train, settings["batch_size"], seed=seed)
    steps = settings["epochs"] * train.report.batches
    watch = Stopwatch()
    curves = Curves(Measured(seq2seq, tokenizers, corpus.valid))
    history = training.fit(
        seq2seq,
        train,
        epochs=settings["epochs"],
        learning_rate=warmup_cosine(
            settings["learning_rate"], steps, settings["last_learning_rate"]
        ),
        scheduled_sampling=sampling_of(settings, steps, seed),
        callbacks=[watch, curves],  # in this order: measuring takes no part of the time
    )
    return {
        "parameters": seq2seq.training.count_params(),
        "seconds": watch.seconds,
        "cpu_seconds": watch.cpu_seconds,
        "epochs": {**history.history, **curves.columns},
        **Measured(seq2seq, tokenizers, corpus.test).all(),
    }


def sampling_of(settings, steps, seed):
    """Returns a run's `ScheduledSampling`, or None for teacher forcing."""
    if settings["sampling"] is None:
        return None
    halfway = round(settings["halfway"] * steps)
    return ScheduledSampling(halfway=halfway, seed=seed, **settings["sampling"])


class Curves(keras.callbacks.Callback):
    """Measures a model after every epoch.

    Attributes:
        columns: for each measure a list, one number an epoch.
    """

    def __init__(self, measured):
        super().__init__()
        self.measured, self.columns = measured, {}

    def on_epoch_end(self, epoch, logs=None):
        for name, value in self.measured.in_all().items():
            self.columns.setdefault(name, []).append(value)


class Measured:
    """What a model makes of pairs, all at once: `tokens` are `(pairs, length)`.

    Args:
        seq2seq: a `Seq2Seq`; what is measured is the model as it is at that moment.
        tokenizers: those of source and target.
        pairs: list of `Pair`.
    """

    def __init__(self, seq2seq, tokenizers, pairs):
        self.seq2seq, (source_tokenizer, self.tokenizer) = seq2seq, tokenizers
        self.batches = batches.make(pairs, *tokenizers, BATCH_SIZE, shuffle=False)
        self.references = [pair.target for pair in pairs]
        self.source = batches.sources([pair.source for pair in pairs], source_tokenizer)
        self.target_out = batches.pad(
            [[*self.tokenizer.encode(text), EOS] for text in self.references]
        )
        self.target_in = shifted(self.target_out)
        self.real = self.target_out != PAD

    def all(self):
        """Returns every measure."""
        logits = self.logits(self.target_in)
        forced, free = self.hits(logits.argmax(axis=-1)), self.hits(self.written())
        tokens = self.real.sum(axis=1)  # (pairs,), EOS counted
        exact = free.sum(axis=1) == tokens
        by_length = {
            int(length): {
                "forced": int(forced[tokens == length].sum()),
                "free": int(free[tokens == length].sum()),
                "exact": int(exact[tokens == length].sum()),
                "pairs": int((tokens == length).sum()),
            }
            for length in np.unique(tokens)
        }
        by_position = {
            name: hits.sum(axis=0).tolist()
            for name, hits in (("forced", forced), ("free", free), ("real", self.real))
        }
        return {
            **self.in_all(),
            "by_length": by_length,
            "by_position": by_position,
            "after_a_wrong_token": self.after_a_wrong_token(logits),
        }

    def in_all(self):
        """Returns the measures of all pairs together."""
        forced = training.evaluate(self.seq2seq, self.batches)
        written = self.written()
        texts = [self.tokenizer.decode(cut_at_end(row)) for row in written.tolist()]
        return {
            "perplexity": evaluation.perplexity(
                forced.negative_log_likelihood, forced.tokens
            ),
            "forced_accuracy": forced.accuracy,
            "free_agreement": float(self.hits(written).sum() / self.real.sum()),
            "exact_match": evaluation.exact_match(texts, self.references),
            "chrf": evaluation.chrf(texts, self.references).value,
        }

    def logits(self, target_in):
        """Returns the logits `(pairs, length, vocabulary)` after reading these."""
        return np.asarray(self.seq2seq.training([self.source, target_in]))

    def written(self):
        """Returns what the model writes by itself, cut to the targets' length."""
        length = self.target_out.shape[1]
        found = decoding.greedy(self.seq2seq, self.source, length).tokens
        return np.pad(found, [(0, 0), (0, length - found.shape[1])])

    def hits(self, tokens):
        """Says which tokens are the target's: bool `(pairs, length)`."""
        return (tokens == self.target_out) & self.real

    def after_a_wrong_token(self, logits):
        """Counts hits after one wrong token, and at the same places without it.

        In each target one token, drawn with the same seed for every model, becomes the
        most probable of the wrong ones; all tokens behind it stay right. It is never
        the last word, behind which there is EOS alone.

        Returns:
            For each distance from 1 to `DISTANCES` a dict: hits with the "wrong" token,
            hits with the "right" one, and "tokens", the places.
        """
        random = np.random.default_rng(0)
        words = self.real.sum(axis=1) - 1  # (pairs,), without EOS
        rows = np.flatnonzero(words >= 2)
        places = random.integers(0, words[rows] - 1)  # where target_out becomes wrong
        rivals = logits[rows, places]  # (rows, vocabulary)
        rivals[:, : len(SPECIAL_TOKENS)] = -np.inf
        rivals[np.arange(len(rows)), self.target_out[rows, places]] = -np.inf
        target_in = self.target_in.copy()
        target_in[rows, places + 1] = rivals.argmax(axis=-1)
        with_wrong = self.hits(self.logits(target_in).argmax(axis=-1))
        with_right = self.hits(logits.argmax(axis=-1))
        counts = {}
        for distance in range(1, DISTANCES + 1):
            inside = places + distance <= words[rows]
            here = rows[inside], (places + distance)[inside]
            counts[distance] = {
                "wrong": int(with_wrong[here].sum()),
                "right": int(with_right[here].sum()),
                "tokens": int(inside.sum()),
            }
        return counts


def shifted(target_out):
    """Returns what the decoder reads under teacher forcing: SOS, then the targets."""
    first = np.full([len(target_out), 1], SOS, target_out.dtype)
    target_in = np.concatenate([first, target_out[:, :-1]], axis=1)
    return np.where(target_out == PAD, PAD, target_in)


def cut_at_end(tokens):
    """Returns the tokens before the first EOS."""
    return tokens[: tokens.index(EOS)] if EOS in tokens else tokens


if __name__ == "__main__":
    small_runs.main("exposure_bias", __doc__.splitlines()[0], RUNS, train_and_measure)
