"""What truncated backpropagation saves: peak memory and time by length of the target.

Run it with `python -m benchmarks.truncation`.

Each setting runs in a process of its own, because a process never gives back its peak.
The process builds the model, trains on one batch as long as a chunk, and notes its peak
so far: that is the baseline, with all of TensorFlow and the model in it. Then it trains
on batches of the length that is measured. What the peak has grown by is the memory that
the length costs, the logits of a chunk or of the whole target among it.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time

import keras
import numpy as np
import tensorflow as tf

from benchmarks import machine
from s2s_keras import models, training
from s2s_keras.text import EOS, SPECIAL_TOKENS

MODEL = {"builder": "encoder_decoder", "cell": "lstm", "units": 128}
VOCABULARY = 2_000
SOURCE_LENGTH = 20
BATCH_SIZE = 16
LENGTHS = (100, 400, 1_600)
CHUNK = 50
BATCHES = 4


def main():
    """Prints the table, or measures one setting in this process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lengths", type=int, nargs="+", default=LENGTHS)
    parser.add_argument("--chunk", type=int, default=CHUNK)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--one", type=json.loads, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(measure(**asked.one)))
    else:
        compare(asked.lengths, asked.chunk, asked.repeats)


def compare(lengths, chunk, repeats):
    """Measures every length with and without truncation, in turns."""
    print(machine())
    print(
        f"\nLSTM, {MODEL['units']} units, vocabulary {VOCABULARY:,}, batches of "
        f"{BATCH_SIZE}, chunks of {chunk} steps; medians of {repeats} processes\n"
    )
    print(
        "| target length | memory, full | memory, truncated | full / truncated "
        "| seconds a batch, full | seconds a batch, truncated | truncated / full |"
    )
    print("| ---: " * 7 + "|")
    for length in lengths:
        turns = [
            [in_own_process(length, chunk, truncate) for truncate in (None, chunk)]
            for _ in range(repeats)
        ]
        full, truncated = (
            {
                name: statistics.median(one[name] for one in runs)
                for name in ("megabytes", "seconds")
            }
            for runs in zip(*turns, strict=True)
        )
        memory = [run["megabytes"] for run in (full, truncated)]
        seconds = [run["seconds"] for run in (full, truncated)]
        print(
            f"| {length:,} | {memory[0]:,.0f} MB | {memory[1]:,.0f} MB "
            f"| {memory[0] / max(memory[1], 1):.1f} "
            f"| {seconds[0]:.2f} | {seconds[1]:.2f} | {seconds[1] / seconds[0]:.2f} |",
            flush=True,
        )


def in_own_process(length, chunk, truncate):
    """Returns what `measure` finds in a fresh process."""
    one = json.dumps({"length": length, "chunk": chunk, "truncate": truncate})
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.truncation", "--one", one],
        capture_output=True,
        check=True,
        encoding="utf-8",
    )
    return json.loads(done.stdout.splitlines()[-1])


def measure(length, chunk, truncate):
    """Trains on targets of a length and returns what that took.

    Args:
        length: tokens of each target.
        chunk: tokens of the targets of the baseline.
        truncate: see `training.fit`.

    Returns:
        A dict: "megabytes", the growth of the peak of memory over the baseline's, and
        "seconds" of a batch, the median of those after the first one, which compiles.
    """
    keras.utils.set_random_seed(0)
    seq2seq = models.build(
        {**MODEL, "source_vocabulary": VOCABULARY, "target_vocabulary": VOCABULARY}
    )
    training.fit(seq2seq, random_batches(chunk, 1), epochs=1, truncate=truncate)
    baseline = peak_megabytes()
    watch = Stopwatch()
    dataset = random_batches(length, 1 + BATCHES)
    training.fit(seq2seq, dataset, epochs=1, truncate=truncate, callbacks=[watch])
    return {
        "megabytes": peak_megabytes() - baseline,
        "seconds": statistics.median(watch.seconds[1:]),
    }


def peak_megabytes():
    """Returns the most memory that this process ever held, in units of 10^6 bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e6


def random_batches(length, count):
    """Makes batches of random targets of one length, without padding."""
    random = np.random.default_rng(0)
    rows = count * BATCH_SIZE
    source, target_in, target_out = (
        random.integers(len(SPECIAL_TOKENS), VOCABULARY, (rows, columns), "int32")
        for columns in (SOURCE_LENGTH, length, length)
    )
    source[:, -1] = target_out[:, -1] = EOS
    weight = np.ones([rows, length], "float32")
    pairs = ((source, target_in), target_out, weight)
    return tf.data.Dataset.from_tensor_slices(pairs).batch(BATCH_SIZE)


class Stopwatch(keras.callbacks.Callback):
    """Keeps the seconds of every batch."""

    def __init__(self):
        super().__init__()
        self.seconds = []

    def on_train_batch_begin(self, batch, logs=None):
        self.start = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        self.seconds.append(time.perf_counter() - self.start)


if __name__ == "__main__":
    main()
