"""One token after the other: the most probable ones, or those of a given target."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from s2s_keras.arguments import check_whole
from s2s_keras.decoding.compiling import as_source, as_tensor, rows, run
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
    check_whole("max_length", max_length, 1)
    limit = tf.constant(max_length, tf.int32)
    return Hypotheses(**run(_greedy, seq2seq, as_source(source), limit))


def score(seq2seq, source, target):
    """Gives the model the tokens of a target one by one, as teacher forcing does.

    Args:
        seq2seq: a `Seq2Seq`; its `encoder` and `step` may be any callables.
        source: int ids `(batch, source_length)`, or the dict of tensors that the
            encoder reads.
        target: int ids `(batch, target_length)` without SOS; each row at least one
            token, as a rule its last EOS, then PAD.

    Returns:
        `Hypotheses` with the given tokens, the logarithm of their probability, and the
        attention weights with which the model chose among all tokens at each step.

    Raises:
        TypeError: if `target` holds anything but integers.
        ValueError: if `source` has no row, or `target` not one row of tokens for each.
    """
    source, target = as_source(source), np.asarray(target)
    if target.ndim != 2 or len(target) != rows(source) or not target.size:
        raise ValueError(
            f"target must be (batch, target_length) with {rows(source)} rows, one "
            f"for each source. Received: shape {target.shape}"
        )
    if not np.issubdtype(target.dtype, np.integer):
        raise TypeError(f"target must be int ids. Received: dtype {target.dtype}")
    real, going_on = target != PAD, (target != PAD) & (target != EOS)
    if not real[:, 0].all() or (real[:, 1:] > going_on[:, :-1]).any():
        raise ValueError(
            f"every row of target must be tokens, at least one, the last of them EOS "
            f"({EOS}) or none, and after them PAD ({PAD}) alone. "
            f"Received: {target.tolist()}"
        )
    target, lengths = as_tensor(target), as_tensor((target != PAD).sum(axis=1))
    return Hypotheses(**run(_score_steps, seq2seq, source, target, lengths))


def _greedy(seq2seq, source, max_length):
    def most_probable(step, logits):
        return tf.argmax(logits, axis=-1, output_type=tf.int32)

    return walk(seq2seq, source, most_probable, max_length)


def _score_steps(seq2seq, source, target, lengths):
    """Takes the steps of targets `(batch, target_length)`, `lengths` of each row."""
    return walk(seq2seq, source, lambda step, logits: target[:, step], lengths)


def walk(seq2seq, source, choose, max_length):
    """Takes steps until every row has chosen EOS or has `max_length` tokens."""
    state = seq2seq.encoder(source)
    batch = tf.shape(tf.nest.flatten(source)[0])[0]
    attends = isinstance(state, dict) and "weights" in state
    tokens = tf.TensorArray(tf.int32, 0, dynamic_size=True, element_shape=[None])
    weights = tf.TensorArray(
        tf.float32, 0, dynamic_size=True, element_shape=[None, None]
    )

    def going_on(step, token, ended, *_):
        return ~tf.reduce_all(ended)

    def advance(step, token, ended, lengths, scores, state, tokens, weights):
        logits, state = seq2seq.step([token, state])  # (batch, vocabulary)
        log_probabilities = tf.nn.log_softmax(tf.cast(logits, tf.float32))
        token = tf.where(ended, PAD, choose(step, logits))
        chosen = tf.gather(log_probabilities, token, axis=1, batch_dims=1)  # (batch,)
        scores += tf.where(ended, 0.0, chosen)
        lengths += tf.cast(~ended, tf.int32)
        tokens = tokens.write(step, token)
        if attends:
            row = tf.cast(state["weights"], tf.float32)  # (batch, source_length)
            weights = weights.write(step, tf.where(ended[:, None], 0.0, row))
        ended |= (token == EOS) | (step + 1 >= max_length)
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
