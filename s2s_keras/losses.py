"""The loss of a batch of tokens, and metrics that weigh every real token alike.

Keras averages a sequence's values, and its weights, over the padded row before it
adds them up: a token counts for less in a wider batch, so the numbers change with
padding and with buckets. The metrics here flatten values and weights first: a token
counts once, padding never.
"""

import keras
import tensorflow as tf
from keras import ops

from s2s_keras.arguments import check_number


def token_losses(target_out, logits):
    r"""Returns the cross-entropy of each token, $-\log p(y_t)$, in nats.

    Keras' own calls an operation of TensorFlow that on a CPU computes one exponential
    after the other; this one needs two thirds of its time with 8,000 ids, gradient
    included (benchmarks/cross_entropy.py).

    Args:
        target_out: ids `(batch, length)`, from 0 to `vocabulary - 1`.
        logits: `(batch, length, vocabulary)`; those of half precision are computed
            with in float32.

    Returns:
        float32 `(batch, length)`; float64 where the logits are.

    Raises:
        tf.errors.InvalidArgumentError: on a CPU, if an id is out of range.
    """
    logits = _precise(logits)
    logits -= ops.stop_gradient(ops.max(logits, axis=-1, keepdims=True))  # now ≤ 0
    total = ops.sum(ops.exp(logits), axis=-1)
    return ops.log(total) - _logits_of(target_out, logits)


def _logits_of(target_out, logits):
    """Returns the logits of the given tokens, `(batch, length)`."""
    # Unlike ops.take_along_axis, which counts a negative id from the end.
    return tf.gather(logits, ops.cast(target_out, "int32"), batch_dims=2)


def _precise(logits):
    """Returns logits of half precision as float32, others as they are."""
    logits = ops.convert_to_tensor(logits)
    return ops.cast(logits, keras.backend.result_type(logits.dtype, "float32"))


@keras.saving.register_keras_serializable(package="s2s_keras")
class CrossEntropy(keras.losses.Loss):
    r"""Mean cross-entropy per real token, in nats.

    With label smoothing $\epsilon$ the right token's probability is to be
    $1 - \epsilon + \epsilon / V$ and every other's $\epsilon / V$, for a vocabulary of
    $V$ ids (Szegedy et al., 2016, section 7).

    Args:
        label_smoothing: $\epsilon$, from 0 to 1.

    Call arguments:
        target_out: int32 `(batch, length)`.
        logits: `(batch, length, vocabulary)`.
        sample_weight: `(batch, length)`, 1 at tokens, 0 at padding.

    Returns:
        The mean over all tokens of the batch, a float32 scalar; float16 logits are
        computed with in float32.
    """

    def __init__(self, label_smoothing=0.0, name="cross_entropy", **kwargs):
        check_number(
            "label_smoothing",
            label_smoothing,
            "from 0 to 1",
            lambda share: 0 <= share <= 1,
        )
        super().__init__(name=name, reduction="mean_with_sample_weight", **kwargs)
        self.label_smoothing = label_smoothing

    def call(self, target_out, logits):
        return self.smooth(token_losses(target_out, logits), target_out, logits)

    def smooth(self, losses, target_out, logits):
        """Returns the losses of tokens `(batch, length)`, their targets smoothed."""
        if not self.label_smoothing:
            return losses
        logits = _precise(logits)  # float16 has no room for their sum
        right = _logits_of(target_out, logits)
        return losses + self.label_smoothing * (right - ops.mean(logits, axis=-1))

    def get_config(self):
        config = super().get_config()
        del config["reduction"]
        return {**config, "label_smoothing": self.label_smoothing}


@keras.saving.register_keras_serializable(package="s2s_keras")
class TokenLoss(keras.metrics.Mean):
    """Mean cross-entropy per real token since the last reset, in nats.

    Call arguments:
        target_out: ids `(batch, length)`.
        logits: floats `(batch, length, vocabulary)`.
        sample_weight: `(batch, length)`, 1 at tokens, 0 at padding; None counts all.
    """

    def __init__(self, name="loss", **kwargs):
        super().__init__(name=name, **kwargs)

    def update_state(self, target_out, logits, sample_weight=None):
        losses = token_losses(target_out, logits)
        super().update_state(*flat(losses, sample_weight))


@keras.saving.register_keras_serializable(package="s2s_keras")
class TokenAccuracy(keras.metrics.Mean):
    """Share of real tokens that a greedy choice finds, since the last reset.

    Of equal logits the first one is chosen. Call arguments: see `TokenLoss`.
    """

    def __init__(self, name="accuracy", **kwargs):
        super().__init__(name=name, **kwargs)

    def update_state(self, target_out, logits, sample_weight=None):
        guesses = ops.cast(ops.argmax(logits, axis=-1), target_out.dtype)
        hits = ops.cast(ops.equal(guesses, target_out), self.dtype)
        super().update_state(*flat(hits, sample_weight))


def flat(values, weights):
    """Returns values and weights `(batch, length)` as vectors `(batch * length,)`."""
    if weights is not None:
        weights = ops.reshape(weights, (-1,))
    return ops.reshape(values, (-1,)), weights


def mean(values, weights):
    """Returns the weighted mean of values `(batch, length)`; 0 without any weight."""
    weights = ops.cast(weights, values.dtype)
    return ops.divide_no_nan(ops.sum(values * weights), ops.sum(weights))
