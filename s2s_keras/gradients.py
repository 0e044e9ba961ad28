"""Gradients through time: what reaches each step, and where to let them end."""

from __future__ import annotations

import keras
import tensorflow as tf

from s2s_keras.arguments import check_whole
from s2s_keras.losses import CrossEntropy


def at_source(seq2seq, batch):
    """Measures how much of the gradient reaches each token of the source.

    Backpropagation goes through every step between the loss and a token. What comes out
    there says how far the loss can teach the model about it (Bengio et al., 1994;
    Pascanu et al., 2013).

    Args:
        seq2seq: a `Seq2Seq` of a builder.
        batch: `((source, target_in), target_out, weight)`, sources of ids or vectors.

    Returns:
        Float32 array `(batch, source_length)`: for each row the norms of the gradient
        of its summed cross-entropy, in nats, with respect to the embedded tokens; 0 at
        padding.
    """
    (source, target_in), target_out, weight = batch
    model = seq2seq.training
    embedded = model.get_layer("source_embedding").output
    both = keras.Model(model.inputs, [embedded, model.output])
    with tf.GradientTape() as tape:
        vectors, logits = both(keras.tree.flatten([source, target_in]))
        mean = CrossEntropy()(target_out, logits, weight)
        loss = mean * tf.reduce_sum(weight)
    # In float32 the square of a number below 1e-19 is 0, and so would its norm be.
    gradient = tf.cast(tape.gradient(loss, vectors), tf.float64)
    return tf.cast(tf.norm(gradient, axis=-1), tf.float32).numpy()


def truncated(seq2seq, batch, length, loss_of):
    """Returns the gradients of a batch's mean loss, truncated every `length` steps.

    The target is taken in chunks. Each starts in the state that the one before left,
    but no gradient goes back there, and what a chunk kept for its gradient is gone
    before the next one begins (Williams & Peng, 1990). So memory grows with the chunk,
    not with the target.

    What a step hands on untouched, the encoder's memory above all, gets its gradient
    from every chunk; the rest of the encoder's state gets it from the first chunk
    alone, which starts there. The encoder itself is not truncated.

    Args:
        seq2seq: a `Seq2Seq` with a `chunk` graph.
        batch: `((source, target_in), target_out, weight)`.
        length: steps in a chunk, at least 1.
        loss_of: function of target_out, logits and weight that returns the mean loss,
            called for each chunk.

    Returns:
        List of tensors, one for each trainable variable of `seq2seq.training`. With a
        `length` of at least the target's they are those without truncation.

    Raises:
        ValueError: if `length` is no whole number of at least 1.
    """
    check_whole("length", length, 1)
    (source, target_in), target_out, weight = batch
    variables = [v.value for v in seq2seq.training.trainable_variables]
    tokens = tf.reduce_sum(weight)
    steps = tf.shape(target_in)[1]
    with tf.GradientTape() as reading:
        encoded = seq2seq.encoder(source, training=True)
    floats = [name for name, part in encoded.items() if part.dtype.is_floating]

    def take_chunk(start, state, found, reaching):
        piece = [part[:, start : start + length] for part in (target_in, target_out)]
        piece_weight = weight[:, start : start + length]
        with tf.GradientTape() as tape:
            tape.watch([state[name] for name in floats])
            logits, after = seq2seq.chunk([piece[0], state], training=True)
            mean = loss_of(piece[1], logits, piece_weight)
            loss = mean * tf.math.divide_no_nan(tf.reduce_sum(piece_weight), tokens)
        of_variables, of_state = tape.gradient(
            loss,
            (variables, [state[name] for name in floats]),
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        found = [
            tf.ensure_shape(total + part, total.shape)  # which an axis of size 1 loses
            for total, part in zip(found, of_variables, strict=True)
        ]
        for name, gradient in zip(floats, of_state, strict=True):
            handed_on = after[name] is state[name]
            counts = tf.cast(handed_on or start == 0, gradient.dtype)
            reaching[name] += counts * gradient
        after = {
            name: tf.ensure_shape(tf.stop_gradient(part), encoded[name].shape)
            for name, part in after.items()
        }
        return start + length, after, found, reaching

    _, _, found, reaching = tf.while_loop(
        lambda start, *_: start < steps,
        take_chunk,
        (
            tf.constant(0),
            {name: tf.stop_gradient(part) for name, part in encoded.items()},
            [tf.zeros(variable.shape, variable.dtype) for variable in variables],
            {name: tf.zeros_like(encoded[name]) for name in floats},
        ),
        parallel_iterations=1,
    )
    of_encoder = reading.gradient(
        [encoded[name] for name in floats],
        variables,
        output_gradients=[reaching[name] for name in floats],
        unconnected_gradients=tf.UnconnectedGradients.ZERO,
    )
    return [total + part for total, part in zip(found, of_encoder, strict=True)]
