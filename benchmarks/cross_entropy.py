"""What our cross-entropy of tokens saves against Keras' own, loss and gradient.

Run it with `python -m benchmarks.cross_entropy`.

Both are compiled and called in turns, on the same batches. The first ratio is that of
the loss with its gradient, as in training, the second that of the loss alone, as in
validation.
"""

from __future__ import annotations

import argparse
import statistics
import time

import keras
import tensorflow as tf

from benchmarks import machine
from s2s_keras.losses import token_losses

BATCH = (64, 12)  # sentences, tokens of each
VOCABULARIES = (20, 600, 8_000)


def keras_losses(target_out, logits):
    """Returns Keras' loss of each token, `(batch, length)`."""
    return keras.losses.sparse_categorical_crossentropy(
        target_out, logits, from_logits=True
    )


def main():
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vocabularies", type=int, nargs="+", default=VOCABULARIES)
    parser.add_argument("--repeats", type=int, default=30)
    asked = parser.parse_args()
    print(machine())
    print(
        f"\n{BATCH[0]} sentences of {BATCH[1]} tokens; medians of {asked.repeats} "
        "calls, our time divided by that of Keras\n"
    )
    print("| vocabulary | loss and gradient | loss alone |")
    print("| ---: " * 3 + "|")
    for size in asked.vocabularies:
        target_out = tf.random.uniform(BATCH, 0, size, tf.int32)
        logits = tf.random.normal((*BATCH, size))
        ratios = [
            ratio(compiled, target_out, logits, asked.repeats)
            for compiled in (with_gradient, alone)
        ]
        print(f"| {size:,} | {ratios[0]:.2f} | {ratios[1]:.2f} |")


def ratio(compiled, target_out, logits, repeats):
    """Returns the median time of our loss over that of Keras, called in turns."""
    ours, other = compiled(token_losses), compiled(keras_losses)
    seconds = {ours: [], other: []}
    for turn in range(repeats + 2):
        for function in seconds:
            start = time.perf_counter()
            function(target_out, logits).numpy()
            if turn > 1:  # the first ones compile and warm up
                seconds[function].append(time.perf_counter() - start)
    return statistics.median(seconds[ours]) / statistics.median(seconds[other])


def alone(losses_of):
    """Compiles the mean loss."""
    return tf.function(
        lambda target_out, logits: tf.reduce_mean(losses_of(target_out, logits))
    )


def with_gradient(losses_of):
    """Compiles the mean loss and its gradient; returns one number of both."""

    @tf.function
    def both(target_out, logits):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            loss = tf.reduce_mean(losses_of(target_out, logits))
        return loss + tf.reduce_sum(tape.gradient(loss, logits))

    return both


if __name__ == "__main__":
    main()
