"""How fast decoding is: compiled, with the classic `predict` a token, and in PyTorch.

Run it with `python -m benchmarks.decode`; for PyTorch, first install
`benchmarks/requirements.txt`.

All ways decode the same random sentences with the same random weights, on as many
threads. The weights make EOS impossible, so every row runs all steps.

The first table decodes greedily with a plain LSTM. Beside the two ways it measures a
floor: the matrix products that the decoding cannot do without, alone, in one compiled
function, with the same shapes and order.

The second table decodes with attention, greedily and with beam search. The same model
in PyTorch is decoded by the loops of `benchmarks/decode_torch.py`. The classic loop is
measured where it is greedy.

The ways of a line take turns, since a shared machine is faster in one second than in
the next. Each time is the median of its repeats; a first run, which compiles, is not
counted.
"""

from __future__ import annotations

import argparse
import math
import os
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

ATTENTION_SOURCE_LENGTH = 12
BEAM_WIDTH = 5
BATCHES = (1, 64)

# What a time step multiplies: (rows, columns) of the weights.
PRODUCTS = {
    "input": (EMBEDDING_DIM, 4 * UNITS),
    "state": (UNITS, 4 * UNITS),
    "logits": (UNITS, VOCABULARY),
}


def main():
    """Measures and prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    asked = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(asked.threads)
    print(f"{machine()}; {asked.threads} threads, medians of {asked.repeats} repeats")
    compare_lstm(asked.repeats)
    compare_attention(asked.repeats, load_torch(asked.threads))


def load_torch(threads):
    """Returns `benchmarks.decode_torch`; without PyTorch says so and returns None."""
    try:
        from benchmarks import decode_torch
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        print(
            "\nPyTorch is not measured: it is not installed. Install it with "
            "`pip install -r benchmarks/requirements.txt`."
        )
        return None
    decode_torch.torch.set_num_threads(threads)
    return decode_torch


def compare_lstm(repeats):
    """Decodes greedily with a plain LSTM and prints a table."""
    seq2seq = endless(models.encoder_decoder)
    print(
        f"\nLSTM, {UNITS} units, vocabulary {VOCABULARY:,}, sources of "
        f"{SOURCE_LENGTH} tokens, {STEPS} steps, greedy\n"
    )
    print(
        "batch   predict a token   compiled   speedup   products alone (rate)"
        "   compiled / products"
    )
    for batch in BATCHES:
        print(lstm_row(seq2seq, batch, repeats))


def compare_attention(repeats, in_torch):
    """Decodes with attention, greedily and with beam search, and prints a table.

    Args:
        repeats: how often each way is timed.
        in_torch: the module `benchmarks.decode_torch`, or None to leave PyTorch out.
    """
    seq2seq = endless(models.attention_seq2seq)
    print(
        f"\nBidirectional LSTM with additive attention, {UNITS} units, vocabulary "
        f"{VOCABULARY:,}, sources of {ATTENTION_SOURCE_LENGTH} tokens, {STEPS} steps\n"
    )
    print("                    sentences per second                     speedup")
    print(
        "decoding    batch   compiled   predict a token   PyTorch loop"
        "   over predict   over PyTorch"
    )
    for width in (1, BEAM_WIDTH):
        for batch in BATCHES:
            print(attention_row(seq2seq, in_torch, width, batch, repeats))


def endless(build):
    """Builds an LSTM model with random weights that never chooses EOS."""
    keras.utils.set_random_seed(0)
    seq2seq = build(
        VOCABULARY, VOCABULARY, cell="lstm", units=UNITS, embedding_dim=EMBEDDING_DIM
    )
    bias = seq2seq.training.get_layer("logits").bias
    bias.assign(np.where(np.arange(VOCABULARY) == EOS, -1e9, 0.0))
    return seq2seq


def lstm_row(seq2seq, batch, repeats):
    """Measures one batch size and returns its line of the table."""
    source = random_source(batch, SOURCE_LENGTH)
    products, operations = products_alone(batch)
    ways = {
        "classic": lambda: classic(seq2seq, source, STEPS),
        "compiled": lambda: decoding.greedy(seq2seq, source, STEPS).tokens,
        "products": products,
    }
    compare_tokens(ways["compiled"](), ways["classic"](), (batch, STEPS))
    products()  # compiles it
    seconds = interleaved(ways, repeats)
    speedup = seconds["classic"] / seconds["compiled"]
    times_products = seconds["compiled"] / seconds["products"]
    rate = operations / seconds["products"] / 1e9
    return (
        f"{batch:5d}   {seconds['classic'] * 1e3:12.0f} ms"
        f"   {seconds['compiled'] * 1e3:5.1f} ms"
        f"   {speedup:7.0f}"
        f"   {seconds['products'] * 1e3:5.1f} ms ({rate:3.0f} GFLOP/s)"
        f"   {times_products:18.2f}"
    )


def attention_row(seq2seq, in_torch, width, batch, repeats):
    """Measures one way to decode and one batch size; returns its line of the table."""
    source = random_source(batch, ATTENTION_SOURCE_LENGTH)
    ways = {"compiled": lambda: search(seq2seq, source, width)}
    if width == 1:
        ways["classic"] = lambda: classic(seq2seq, source, STEPS)
    if in_torch:
        model = in_torch.from_keras(seq2seq)
        ways["torch"] = lambda: in_torch.search(model, source, width, STEPS)
    expected = ways["compiled"]()
    for other in [name for name in ways if name != "compiled"]:
        compare_tokens(expected, ways[other](), (batch, STEPS))

    seconds = interleaved(ways, repeats)
    rates = {name: batch / taken for name, taken in seconds.items()}
    decoding_name = "greedy" if width == 1 else f"beam of {width}"
    return (
        f"{decoding_name:9s}   {batch:5d}   {cell(rates['compiled']):>8s}"
        f"   {cell(rates.get('classic')):>15s}   {cell(rates.get('torch')):>12s}"
        f"   {speedup(rates, 'classic'):>12s}   {speedup(rates, 'torch'):>12s}"
    )


def search(seq2seq, source, width):
    """Decodes greedily or, with a width above 1, with beam search: the best's ids."""
    if width == 1:
        return decoding.greedy(seq2seq, source, STEPS).tokens
    return decoding.beam_search(
        seq2seq, source, beam_width=width, max_length=STEPS
    ).tokens


def compare_tokens(tokens, others, shape):
    """Raises AssertionError if two ways did not decode the same."""
    np.testing.assert_array_equal(tokens.shape, shape)
    same = np.mean(tokens == others)
    if same < 0.99:  # rounding alone may turn a near-tie
        raise AssertionError(f"Only {same:.1%} of the tokens are the same both ways.")


def cell(rate):
    """Returns a rate in words, a dash for what was not measured."""
    return "–" if rate is None else f"{rate:,.1f}"


def speedup(rates, other):
    return f"{rates['compiled'] / rates[other]:.2f}" if other in rates else "–"


def random_source(batch, length):
    """Draws sentences without padding: ids `(batch, length)`, EOS last."""
    random = np.random.default_rng(0)
    source = random.integers(len(SPECIAL_TOKENS), VOCABULARY, (batch, length))
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
