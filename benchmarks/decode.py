"""How fast greedy decoding is: compiled, and with the classic `predict` a token.

Run it with `python -m benchmarks.decode`.

Both ways decode the same random sentences with the same random LSTM. Its weights make
EOS impossible, so every row runs all steps. A third measurement is the floor: the
matrix products that the decoding cannot do without, alone, in one compiled function,
with the same shapes, order and threads.

The three take turns, since a shared machine is faster in one second than in the next.
Each time is the median of its repeats; a first run, which compiles, is not counted.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time

import keras
import numpy as np
import tensorflow as tf

from benchmarks import machine
from s2s_keras import decoding, models
from s2s_keras.text import EOS, SOS, SPECIAL_TOKENS

UNITS = 256
EMBEDDING_DIM = 256
VOCABULARY = 5_000
SOURCE_LENGTH = 10
STEPS = 30
REPEATS = 9
LEAST_SPEEDUP = {1: 80, 64: 15}  # by batch size
MOST_TIMES_PRODUCTS = {64: 2.2}

# What a time step multiplies: (rows, columns) of the weights.
PRODUCTS = {
    "input": (EMBEDDING_DIM, 4 * UNITS),
    "state": (UNITS, 4 * UNITS),
    "logits": (UNITS, VOCABULARY),
}


def main():
    """Measures both batch sizes and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=REPEATS)
    repeats = parser.parse_args().repeats

    keras.utils.set_random_seed(0)
    seq2seq = endless_model()
    print(machine())
    print(
        f"LSTM, {UNITS} units, vocabulary {VOCABULARY:,}, {STEPS} steps; "
        f"medians of {repeats} repeats\n"
    )
    print(
        "batch   predict a token   compiled   speedup (target)"
        "   products alone (rate)   compiled / products (target)"
    )
    for batch, least in LEAST_SPEEDUP.items():
        print(row(seq2seq, batch, repeats, least, MOST_TIMES_PRODUCTS.get(batch)))


def endless_model():
    """Builds a model with random weights that never chooses EOS."""
    seq2seq = models.encoder_decoder(
        VOCABULARY,
        VOCABULARY,
        cell="lstm",
        units=UNITS,
        embedding_dim=EMBEDDING_DIM,
    )
    bias = seq2seq.training.get_layer("logits").bias
    bias.assign(np.where(np.arange(VOCABULARY) == EOS, -1e9, 0.0))
    return seq2seq


def row(seq2seq, batch, repeats, least_speedup, most_times_products):
    """Measures one batch size and returns its line of the table."""
    source = random_source(batch)
    products, operations = products_alone(batch)
    ways = {
        "classic": lambda: classic(seq2seq, source, STEPS),
        "compiled": lambda: decoding.greedy(seq2seq, source, STEPS).tokens,
        "products": products,
    }
    tokens = {name: way() for name, way in ways.items()}
    np.testing.assert_array_equal(tokens["compiled"].shape, (batch, STEPS))
    same = np.mean(tokens["compiled"] == tokens["classic"])
    if same < 0.99:  # rounding alone may turn a near-tie
        raise AssertionError(f"Only {same:.1%} of the tokens are the same both ways.")

    seconds = interleaved(ways, repeats)
    speedup = seconds["classic"] / seconds["compiled"]
    times_products = seconds["compiled"] / seconds["products"]
    rate = operations / seconds["products"] / 1e9
    limit = f"at most {most_times_products}" if most_times_products else "none"
    return (
        f"{batch:5d}   {seconds['classic'] * 1e3:12.0f} ms"
        f"   {seconds['compiled'] * 1e3:5.1f} ms"
        f"   {speedup:6.0f} (at least {least_speedup})"
        f"   {seconds['products'] * 1e3:5.1f} ms ({rate:3.0f} GFLOP/s)"
        f"   {times_products:10.2f} ({limit})"
    )


def random_source(batch):
    """Draws sentences without padding: ids `(batch, SOURCE_LENGTH)`, EOS last."""
    random = np.random.default_rng(0)
    source = random.integers(len(SPECIAL_TOKENS), VOCABULARY, (batch, SOURCE_LENGTH))
    source[:, -1] = EOS
    return source.astype("int32")


def classic(seq2seq, source, max_length):
    """Decodes greedily as the classic Keras lesson does, `predict` for every token.

    It has what makes it faster: no progress bar, and one batch a call, where `predict`
    would cut 64 rows into two.

    Returns:
        int32 ids `(batch, max_length)`.
    """
    batch = len(source)
    state = seq2seq.encoder.predict(source, batch_size=batch, verbose=0)
    token = np.full(batch, SOS, "int32")  # (batch,)
    tokens = []
    for _ in range(max_length):
        logits, state = seq2seq.step.predict(
            [token, state], batch_size=batch, verbose=0
        )  # (batch, vocabulary)
        token = np.argmax(logits, axis=-1).astype("int32")
        tokens.append(token)
        if np.all(token == EOS):
            break
    return np.stack(tokens, axis=1)


def products_alone(batch):
    """Compiles the matrix products of one decoding and nothing else.

    Returns:
        A function that computes them and returns when they are done, and the number
        of floating-point operations in them.
    """
    random = np.random.default_rng(0)
    inputs = {name: normal(random, (batch, k)) for name, (k, _) in PRODUCTS.items()}
    weights = {name: normal(random, size) for name, size in PRODUCTS.items()}
    encoder, decoder = ["input", "state"], ["input", "state", "logits"]
    order = encoder * SOURCE_LENGTH + decoder * STEPS

    @tf.function
    def multiply(inputs, weights):
        ends = []
        for name in order:
            # One after the other, as decoding must; so they are not merged either.
            with tf.control_dependencies(ends[-1:]):
                product = tf.matmul(inputs[name], weights[name])
            ends.append(product[0, 0])
        return tf.stack(ends)

    operations = sum(2 * batch * math.prod(PRODUCTS[name]) for name in order)
    return lambda: multiply(inputs, weights).numpy(), operations


def normal(random, size):
    """Draws a float32 tensor of that size."""
    return tf.constant(random.normal(size=size), tf.float32)


def interleaved(ways, repeats):
    """Returns the median seconds of each way; they take turns."""
    seconds = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


if __name__ == "__main__":
    main()
