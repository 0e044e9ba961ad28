"""How fast training is: with and without buckets, with and without attention.

Run it with `python -m benchmarks.train`.

What is compared trains in turns, since a shared machine is faster in one second than in
the next. Each turn trains a model on the same batches twice and times the second pass;
the first one warms up what is compiled. A rate counts the target tokens, EOS counted
and padding not; the tables show the median of the turns.
"""

from __future__ import annotations

import argparse
import statistics
import time

import keras
import numpy as np
import tensorflow as tf

from benchmarks import machine
from s2s_keras import batches, corpora, models, training
from s2s_keras.text import EOS, SPECIAL_TOKENS, Tokenizer

UNITS = 256
EMBEDDING_DIM = 128
VOCABULARY = 5_000
BATCH_SIZE = 64
LENGTH = 20
BATCHES = 40
REPEATS = 5
SIZES = {"cell": "lstm", "units": UNITS, "embedding_dim": EMBEDDING_DIM}

PLAIN = {"builder": "encoder_decoder", "bidirectional": True}
ATTENTION = {"builder": "attention_seq2seq"}
MODELS = {
    "plain": PLAIN,
    "luong dot": {**ATTENTION, "score": "dot"},
    "luong general": {**ATTENTION, "score": "general"},
    "luong additive": {**ATTENTION, "score": "additive"},
    "luong dot, input feeding": {**ATTENTION, "score": "dot", "input_feeding": True},
    "bahdanau dot": {**ATTENTION, "score": "dot", "placement": "bahdanau"},
    "bahdanau additive": {**ATTENTION, "score": "additive", "placement": "bahdanau"},
}


def main():
    """Measures and prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", type=int, default=BATCHES)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    asked = parser.parse_args()
    print(machine())
    compare_buckets(asked.batches, asked.repeats)
    compare_attention(asked.batches, asked.repeats)


def compare_buckets(count, repeats):
    """Trains on `tatoeba` with and without buckets and prints a table."""
    try:
        pairs = corpora.load("tatoeba").train
    except corpora.DataUnavailable as error:
        print(f"Buckets are not measured: the corpus tatoeba is not here. {error}")
        return
    tokenizers = (
        Tokenizer.train([pair.source for pair in pairs], "character", VOCABULARY),
        Tokenizer.train([pair.target for pair in pairs], "word", VOCABULARY),
    )
    made = {
        name: batches.make(pairs, *tokenizers, BATCH_SIZE, bucket=bucket)
        for name, bucket in (("with buckets", True), ("without", False))
    }
    model = {"builder": "encoder_decoder"}
    rates = in_turns(
        {
            name: (model, list(map(len, tokenizers)), dataset.take(count))
            for name, dataset in made.items()
        },
        repeats,
    )
    print(
        f"\ntatoeba, LSTM, {UNITS} units, vocabularies {len(tokenizers[0]):,} and "
        f"{len(tokenizers[1]):,}, {count} batches of {BATCH_SIZE}; medians of "
        f"{repeats} repeats\n"
    )
    print("batches        padding   target tokens per second (slowest to fastest)")
    for name, dataset in made.items():
        print(f"{name:12s}   {dataset.report.padding:7.1%}   {in_words(rates[name])}")
    with_buckets, without = map(statistics.median, rates.values())
    print(f"\nBuckets make training {with_buckets / without:.2f} times as fast.")


def compare_attention(count, repeats):
    """Trains models with and without attention on random ids and prints a table."""
    dataset = random_batches(count)
    rates = in_turns(
        {name: (model, [VOCABULARY] * 2, dataset) for name, model in MODELS.items()},
        repeats,
    )
    print(
        f"\nbidirectional LSTM, {UNITS} units, vocabularies {VOCABULARY:,}, sources "
        f"and targets of {LENGTH} tokens, {count} batches of {BATCH_SIZE}; medians of "
        f"{repeats} repeats\n"
    )
    print("model                      time / plain   target tokens per second")
    for name in MODELS:
        # A turn against its own neighbor: both met the same load of the machine.
        turns = zip(rates["plain"], rates[name], strict=True)
        ratio = statistics.median(plain / rate for plain, rate in turns)
        print(f"{name:24s}   {ratio:12.2f}   {in_words(rates[name])}")


def in_turns(contestants, repeats):
    """Returns for each name a list of rates, one a turn."""
    rates = {name: [] for name in contestants}
    for _ in range(repeats):
        for name, (model, vocabularies, dataset) in contestants.items():
            rates[name].append(tokens_per_second(model, vocabularies, dataset))
    return rates


def tokens_per_second(model, vocabularies, dataset):
    """Trains a fresh model on a dataset and returns its rate in the second pass."""
    keras.utils.set_random_seed(0)
    source, target = vocabularies
    seq2seq = models.build(
        {**SIZES, **model, "source_vocabulary": source, "target_vocabulary": target}
    )
    watch = Stopwatch()
    training.fit(seq2seq, dataset, epochs=2, callbacks=[watch])
    tokens = sum(float(weight.numpy().sum()) for _, _, weight in dataset)
    return tokens / watch.seconds[-1]


def random_batches(count):
    """Makes batches whose rows are all equally long, so that none has padding."""
    random = np.random.default_rng(0)
    shape = (count * BATCH_SIZE, LENGTH)
    source, target_in, target_out = random.integers(
        len(SPECIAL_TOKENS), VOCABULARY, (3, *shape), dtype="int32"
    )
    source[:, -1] = target_out[:, -1] = EOS
    weight = np.ones(shape, "float32")
    rows = tf.data.Dataset.from_tensor_slices(((source, target_in), target_out, weight))
    return rows.batch(BATCH_SIZE)


def in_words(rates):
    """Returns the median of some rates, and how far they lie apart."""
    median = statistics.median(rates)
    return f"{median:24,.0f} ({min(rates):,.0f} to {max(rates):,.0f})"


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
