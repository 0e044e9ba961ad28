"""Drawing targets at random from a model's distribution, or from the likely part."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from s2s_keras.arguments import check_number, check_whole, is_whole
from s2s_keras.decoding.compiling import as_source, rows, run
from s2s_keras.decoding.walking import walk
from s2s_keras.records import Hypotheses

COLDEST = float(np.finfo("float32").tiny)  # a temperature below is 0 to TensorFlow


def sample(
    seq2seq,
    source,
    *,
    max_length,
    temperature=1.0,
    top_k=None,
    top_p=None,
    seed,
    num_samples=1,
):
    """Draws each next token at random.

    The token is the one with the largest sum of logit and Gumbel noise, which draws
    from the softmax of the logits (Gumbel, 1954). The noise of a step depends on `seed`
    and on the sample's number alone: neither the other sentences of a batch nor their
    order change a sample, and equal sentences get equal ones.

    Args:
        seq2seq: a `Seq2Seq`; its `encoder` and `step` may be any callables.
        source: int ids `(batch, source_length)`, or the dict of tensors that the
            encoder reads.
        max_length: most tokens of a target, EOS counted.
        temperature: divides the logits; below 1 favors likely tokens, above 1 others.
        top_k: draw from this many most probable tokens (Fan et al., 2018); None draws
            from all.
        top_p: draw from the fewest most probable tokens whose probabilities sum to at
            least this (Holtzman et al., 2020); None draws from all. With `top_k`, of
            those that `top_k` leaves, by the probabilities that they have then.
        seed: a whole number of 64 bits.
        num_samples: samples of each source.

    Returns:
        `Hypotheses`; with `num_samples` above 1 all arrays have an axis `num_samples`
        after `batch`. `scores` are log-probabilities under the model itself, whatever
        the temperature.

    Raises:
        ValueError: if an argument is out of range, or `source` has no row.
    """
    _check(max_length, temperature, top_k, top_p, seed, num_samples)
    source = as_source(source)
    batch = rows(source)
    source = tf.nest.map_structure(
        lambda part: tf.repeat(part, num_samples, axis=0), source
    )
    found = run(
        _sample,
        seq2seq,
        source,
        tf.constant(max_length, tf.int32),
        tf.constant(max(temperature, COLDEST), tf.float32),
        tf.constant(1.0 if top_p is None else top_p, tf.float32),
        tf.constant([seed, 0], tf.int64),
        top_k=top_k,
        cuts=top_p is not None,
        num_samples=num_samples,
    )
    if num_samples > 1:
        found = {
            name: array.reshape((batch, num_samples, *array.shape[1:]))
            for name, array in found.items()
        }
    return Hypotheses(**found)


def _sample(
    seq2seq, source, max_length, temperature, top_p, seed, *, top_k, cuts, num_samples
):
    def draw(step, logits):
        noise_of = _growing_noise if logits.shape[1] is None else _noise
        logits = tf.cast(logits, tf.float32)
        logits = (logits - tf.reduce_max(logits, axis=-1, keepdims=True)) / temperature
        if top_k is not None:
            logits = tf.where(_among_top_k(logits, top_k), logits, logits.dtype.min)
        if cuts:
            logits = tf.where(_among_top_p(logits, top_p), logits, logits.dtype.min)
        noise = noise_of(seed, step, num_samples, tf.shape(logits)[1])
        noise = tf.tile(noise, [tf.shape(logits)[0] // num_samples, 1])
        return tf.argmax(logits + noise, axis=-1, output_type=tf.int32)

    return walk(seq2seq, source, draw, max_length)


def _noise(seed, step, num_samples, vocabulary):
    """Returns Gumbel noise for one step, a row a sample."""
    seed = tf.random.experimental.stateless_fold_in(seed, step)
    return _gumbel(seed, [num_samples, vocabulary])


def _growing_noise(seed, step, num_samples, vocabulary):
    """Returns such noise that more words leave as it is, in every row.

    A model that points or copies has as many answers as the longest source of the batch
    wants, but a sample's noise must not hang on other sources.
    """
    seed = tf.random.experimental.stateless_fold_in(seed, step)
    return tf.map_fn(
        lambda number: _gumbel(
            tf.random.experimental.stateless_fold_in(seed, number), [vocabulary]
        ),
        tf.range(num_samples),
        fn_output_signature=tf.TensorSpec([None], tf.float32),
    )


def _gumbel(seed, shape):
    uniform = tf.random.stateless_uniform(
        shape, seed, minval=1e-30, dtype=tf.float64, alg="philox"
    )
    return tf.cast(-tf.math.log(-tf.math.log(uniform)), tf.float32)


def _among_top_k(logits, top_k):
    """Says which tokens `(batch, vocabulary)` are among the `top_k` most probable."""
    return _ranks(logits) < top_k


def _among_top_p(logits, top_p):
    """Says which tokens are among the fewest that sum to at least `top_p`."""
    ordered = tf.sort(tf.nn.softmax(logits), axis=-1, direction="DESCENDING")
    before = tf.cumsum(ordered, axis=-1, exclusive=True)  # what better tokens hold
    kept = tf.reduce_sum(tf.cast(before < top_p, tf.int32), axis=-1, keepdims=True)
    return _ranks(logits) < tf.maximum(kept, 1)


def _ranks(logits):
    """Returns each token's place: 0 is the most probable, of equals the first id."""
    order = tf.argsort(logits, axis=-1, direction="DESCENDING", stable=True)
    return tf.argsort(order, axis=-1, stable=True)


def _check(max_length, temperature, top_k, top_p, seed, num_samples):
    whole = {"max_length": max_length, "num_samples": num_samples}
    if top_k is not None:
        whole["top_k"] = top_k
    for name, value in whole.items():
        check_whole(name, value, 1)
    if not is_whole(seed) or not -(2**63) <= seed < 2**63:
        raise ValueError(f"seed must be a whole number of 64 bits. Received: {seed!r}")
    check_number("temperature", temperature, "above 0", lambda value: value > 0)
    if top_p is not None:
        check_number(
            "top_p", top_p, "above 0 and at most 1", lambda value: 0 < value <= 1
        )
