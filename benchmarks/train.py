"""How fast training is, with batches of about one length and with mixed ones.

Run it with `python -m benchmarks.train`.

Two models that start alike train on `tatoeba`, one with buckets and one without. They
take turns, since a shared machine is faster in one second than in the next. Each turn
trains on the same batches twice and times the second pass; the first one warms up what
is compiled. A rate counts the target tokens, EOS counted and padding not; the table
shows the median of the turns.
"""

from __future__ import annotations

import argparse
import statistics
import time

import keras

from benchmarks import machine
from s2s_keras import batches, corpora, models, training
from s2s_keras.text import Tokenizer

UNITS = 256
EMBEDDING_DIM = 128
VOCABULARY = 5_000
BATCH_SIZE = 64
BATCHES = 40
REPEATS = 5


def main():
    """Measures both ways and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", type=int, default=BATCHES)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    asked = parser.parse_args()
    try:
        pairs = corpora.load("tatoeba").train
    except corpora.DataUnavailable as error:
        print(f"Nothing is measured: the corpus tatoeba is not here. {error}")
        return

    tokenizers = (
        Tokenizer.train([pair.source for pair in pairs], "character", VOCABULARY),
        Tokenizer.train([pair.target for pair in pairs], "word", VOCABULARY),
    )
    made = {
        name: batches.make(pairs, *tokenizers, BATCH_SIZE, bucket=bucket)
        for name, bucket in (("with buckets", True), ("without", False))
    }
    rates = {name: [] for name in made}
    for _ in range(asked.repeats):
        for name, dataset in made.items():
            sizes = map(len, tokenizers)
            rates[name].append(tokens_per_second(sizes, dataset.take(asked.batches)))

    print(machine())
    print(
        f"tatoeba, LSTM, {UNITS} units, vocabularies {len(tokenizers[0]):,} and "
        f"{len(tokenizers[1]):,}, {asked.batches} batches of {BATCH_SIZE}; medians of "
        f"{asked.repeats} repeats\n"
    )
    print("batches        padding   target tokens per second (slowest to fastest)")
    for name, dataset in made.items():
        print(
            f"{name:12s}   {dataset.report.padding:7.1%}   "
            f"{statistics.median(rates[name]):24,.0f} "
            f"({min(rates[name]):,.0f} to {max(rates[name]):,.0f})"
        )
    with_buckets, without = map(statistics.median, rates.values())
    print(f"\nBuckets make training {with_buckets / without:.2f} times as fast.")


def tokens_per_second(vocabularies, dataset):
    """Trains a fresh model on a dataset and returns its rate in the second pass."""
    keras.utils.set_random_seed(0)
    seq2seq = models.encoder_decoder(
        *vocabularies, cell="lstm", units=UNITS, embedding_dim=EMBEDDING_DIM
    )
    watch = Stopwatch()
    training.fit(seq2seq, dataset, epochs=2, callbacks=[watch])
    tokens = sum(float(weight.numpy().sum()) for _, _, weight in dataset)
    return tokens / watch.seconds[-1]


class Stopwatch(keras.callbacks.Callback):
    """Keeps the seconds of every epoch."""

    def __init__(self):
        super().__init__()
        self.seconds = []

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self.start)


if __name__ == "__main__":
    main()
