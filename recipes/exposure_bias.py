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

import argparse
import dataclasses

import keras
import numpy as np
from tqdm import tqdm

from recipes.fitting import Stopwatch, warmup_cosine
from recipes.results_file import ResultsFile
from s2s_keras import batches, corpora, decoding, evaluation, models, training
from s2s_keras.scheduled_sampling import ScheduledSampling
from s2s_keras.text import EOS, PAD, SOS, SPECIAL_TOKENS, Tokenizer

PAIRS = 5_000
MODEL = {
    "builder": "encoder_decoder",
    "cell": "gru",
    "units": 128,
    "embedding_dim": 64,
    "bidirectional": True,
}
EPOCHS = 12
BATCH_SIZE = 64
LEARNING_RATE = 8e-3  # the highest, after 5% of the steps; then down along a cosine
LAST_LEARNING_RATE = 0.01  # as a share of the highest
HALFWAY = 0.25  # by this share of the steps, a schedule has come down to 1/2
DISTANCES = 4  # positions measured after a wrong token


@dataclasses.dataclass(frozen=True)
class Run:
    """What differs from `MODEL`, and from teacher forcing."""

    model: dict = dataclasses.field(default_factory=dict)
    sampling: dict | None = None


def _constant(probability, **sampling):
    """The right token with a probability that stays the same."""
    return {"schedule": None, "least": probability, **sampling}


ATTENTION = {"builder": "attention_seq2seq"}
SAMPLE, UNIFORM = {"choose": "sample"}, {"choose": "uniform"}
RUNS = {
    "teacher forcing": Run(),
    "linear": Run(sampling={"schedule": "linear"}),
    "exponential": Run(sampling={"schedule": "exponential"}),
    "inverse sigmoid": Run(sampling={"schedule": "inverse_sigmoid"}),
    "inverse sigmoid, sample": Run(sampling={"schedule": "inverse_sigmoid", **SAMPLE}),
    "constant 0.75": Run(sampling=_constant(0.75)),
    "constant 0.5": Run(sampling=_constant(0.5)),
    "constant 0.25": Run(sampling=_constant(0.25)),
    "always": Run(sampling=_constant(0.0)),
    "constant 0.75, random words": Run(sampling=_constant(0.75, **UNIFORM)),
    "attention, teacher forcing": Run(ATTENTION),
    "attention, constant 0.5": Run(ATTENTION, _constant(0.5)),
    "attention, always": Run(ATTENTION, _constant(0.0)),
}


def main():
    """Trains and measures what is not in the results yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="the runs whose name holds this text")
    asked = parser.parse_args()
    results = ResultsFile("exposure_bias", asked.seed)
    names = [name for name in RUNS if (asked.only or "") in name]
    for name in tqdm(names, desc=f"seed {asked.seed}"):
        settings = settings_of(RUNS[name])
        if not results.has(name, settings):
            results.add(name, settings, train_and_measure(RUNS[name], asked.seed))


def settings_of(run):
    """Returns all that the run's results depend on but the seed."""
    return {
        "corpus": "phrasebook",
        "pairs": PAIRS,
        "model": {**MODEL, **run.model},
        "sampling": run.sampling,
        "halfway": HALFWAY,
        "epochs": EPOCHS,
        "batch_size": BATCH_SIZE,
        "learning_rate": LEARNING_RATE,
        "last_learning_rate": LAST_LEARNING_RATE,
    }


def train_and_measure(run, seed):
    """Returns a run's results as a dict that JSON can hold."""
    keras.utils.set_random_seed(seed)
    corpus = corpora.load("phrasebook")
    pairs = corpus.train[:PAIRS]
    tokenizers = (
        Tokenizer.train([pair.source for pair in pairs], "word"),
        Tokenizer.train([pair.target for pair in pairs], "word"),
    )
    seq2seq = models.build(
        {
            **MODEL,
            **run.model,
            "source_vocabulary": len(tokenizers[0]),
            "target_vocabulary": len(tokenizers[1]),
        }
    )
    train = batches.make(pairs, *tokenizers, BATCH_SIZE, seed=seed)
    steps = EPOCHS * train.report.batches
    watch = Stopwatch()
    curves = Curves(Measured(seq2seq, tokenizers, corpus.valid))
    history = training.fit(
        seq2seq,
        train,
        epochs=EPOCHS,
        learning_rate=warmup_cosine(LEARNING_RATE, steps, LAST_LEARNING_RATE),
        scheduled_sampling=sampling_of(run, steps, seed),
        callbacks=[watch, curves],  # in this order: measuring takes no part of the time
    )
    return {
        "parameters": seq2seq.training.count_params(),
        "seconds": watch.seconds,
        "cpu_seconds": watch.cpu_seconds,
        "epochs": {**history.history, **curves.columns},
        **Measured(seq2seq, tokenizers, corpus.test).all(),
    }


def sampling_of(run, steps, seed):
    """Returns the run's `ScheduledSampling`, or None for teacher forcing."""
    if run.sampling is None:
        return None
    halfway = round(HALFWAY * steps)
    return ScheduledSampling(**{"halfway": halfway, "seed": seed, **run.sampling})


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
    main()
