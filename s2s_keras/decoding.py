"""Searching a target with a model's `encoder` and `step`."""

from __future__ import annotations

import tensorflow as tf

from s2s_keras.records import Hypotheses
from s2s_keras.text import EOS, PAD, SOS


def greedy(seq2seq, source, max_length):
    """Takes the most probable token at every step.

    One function is compiled for a model and serves every batch size, source length
    and `max_length`. It stops as soon as every row has ended.

    Args:
        seq2seq: a `Seq2Seq`; its `encoder` and `step` may be any callables.
        source: int ids `(batch, source_length)`, or the dict of tensors that the
            encoder reads.
        max_length: most tokens of a target, EOS counted.

    Returns:
        `Hypotheses`. A row that has not ended by `max_length` has no EOS.

    Raises:
        ValueError: if `max_length` is less than 1 or `source` has no row.
    """
    if max_length < 1:
        raise ValueError(f"max_length must be at least 1. Received: {max_length!r}")
    if isinstance(source, dict):
        source = {name: _tensor(values) for name, values in source.items()}
    else:
        source = _tensor(source)
    if tf.nest.flatten(source)[0].shape[0] == 0:
        raise ValueError("source must hold at least one row. Received none.")
    search = _compiled("greedy", _greedy, seq2seq, source)
    found = search(source, tf.constant(max_length, tf.int32))
    return Hypotheses(**{name: tensor.numpy() for name, tensor in found.items()})


def _tensor(values):
    """Returns a tensor; int64, NumPy's integer, becomes the models' int32."""
    tensor = tf.convert_to_tensor(values)
    return tf.cast(tensor, tf.int32) if tensor.dtype == tf.int64 else tensor


def _compiled(name, search, seq2seq, source):
    """Compiles a search once for a model and a structure of sources."""
    signature = tf.nest.map_structure(
        lambda tensor: tf.TensorSpec([None] * tensor.shape.rank, tensor.dtype), source
    )
    flat = tf.nest.flatten(signature, expand_composites=True)
    key = (name, *(sorted(source) if isinstance(source, dict) else ()), *flat)
    if key not in seq2seq.compiled:
        seq2seq.compiled[key] = tf.function(
            lambda source, max_length: search(seq2seq, source, max_length)
        ).get_concrete_function(signature, tf.TensorSpec((), tf.int32))
    return seq2seq.compiled[key]


def _greedy(seq2seq, source, max_length):
    state = seq2seq.encoder(source)
    batch = tf.shape(tf.nest.flatten(source)[0])[0]
    attends = isinstance(state, dict) and "weights" in state
    tokens = tf.TensorArray(tf.int32, 0, dynamic_size=True, element_shape=[None])
    weights = tf.TensorArray(
        tf.float32, 0, dynamic_size=True, element_shape=[None, None]
    )

    def going_on(step, token, ended, *_):
        return (step < max_length) & ~tf.reduce_all(ended)

    def advance(step, token, ended, lengths, scores, state, tokens, weights):
        logits, state = seq2seq.step([token, state])  # (batch, vocabulary)
        logits = tf.cast(logits, tf.float32)
        token = tf.where(ended, PAD, tf.argmax(logits, axis=-1, output_type=tf.int32))
        score = tf.reduce_max(logits, axis=-1) - tf.reduce_logsumexp(logits, axis=-1)
        scores += tf.where(ended, 0.0, score)
        lengths += tf.cast(~ended, tf.int32)
        tokens = tokens.write(step, token)
        if attends:
            row = tf.cast(state["weights"], tf.float32)  # (batch, source_length)
            weights = weights.write(step, tf.where(ended[:, None], 0.0, row))
        ended |= token == EOS
        return step + 1, token, ended, lengths, scores, state, tokens, weights

    _, _, _, lengths, scores, _, tokens, weights = tf.while_loop(
        going_on,
        advance,
        (
            tf.constant(0),
            tf.fill([batch], SOS),
            tf.fill([batch], False),
            tf.fill([batch], 0),
            tf.fill([batch], 0.0),
            state,
            tokens,
            weights,
        ),
    )
    found = {
        "tokens": tf.transpose(tokens.stack()),  # (batch, target_length)
        "lengths": lengths,
        "scores": scores,
    }
    if attends:
        found["weights"] = tf.transpose(weights.stack(), [1, 0, 2])
    return found
