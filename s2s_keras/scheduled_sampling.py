r"""Training on the model's own tokens, more and more of them.

With teacher forcing the decoder always reads the right token before; in use it reads
what it wrote itself. Scheduled sampling (Bengio et al., 2015) throws a coin for every
token of every example: with probability $\epsilon_i$ in the $i$-th step of training
the decoder reads the right token, otherwise the model's own.
"""

from __future__ import annotations

import dataclasses
import math

import tensorflow as tf

from s2s_keras.arguments import check_choice, check_number, check_whole
from s2s_keras.decoding.compiling import as_source, as_tensor
from s2s_keras.text import SPECIAL_TOKENS

SCHEDULES = ("linear", "exponential", "inverse_sigmoid")
CHOICES = ("argmax", "sample", "uniform")


@dataclasses.dataclass(frozen=True)
class ScheduledSampling:
    r"""How often the decoder reads its own token, for `training.fit`.

    The schedules are those of Bengio et al. (2015), section 2.4, with the one constant
    of each chosen so that $\epsilon_i = 1/2$ at step $i$ = `halfway`:

    - `"linear"`: $\epsilon_i = 1 - c i$;
    - `"exponential"`: $\epsilon_i = k^i$;
    - `"inverse_sigmoid"`: $\epsilon_i = k / (k + \exp(i / k))$, which starts at
      $k / (k + 1)$;
    - `None`: $\epsilon_i$ is `least` from the first step on.

    Attributes:
        schedule: one of the above.
        halfway: step of training, counted in batches, by which half of the tokens are
            the model's own; at least 3.
        least: what $\epsilon_i$ never falls below.
        choose: `"argmax"` takes the model's most probable token, `"sample"` draws one
            from its distribution. `"uniform"` draws from all tokens but the special
            ones alike, whatever the model says: a control that shows what noise alone
            would do.
        seed: seed of coins and draws, a whole number from 0 on.

    Raises:
        ValueError: if an attribute is out of range.
    """

    schedule: str | None = "inverse_sigmoid"
    halfway: int = 1_000
    least: float = 0.0
    choose: str = "argmax"
    seed: int = 0

    def __post_init__(self):
        check_choice("schedule", self.schedule, (*SCHEDULES, None))
        check_choice("choose", self.choose, CHOICES)
        check_whole("halfway", self.halfway, 3)
        check_whole("seed", self.seed, 0)
        check_number("least", self.least, "from 0 to 1", lambda value: 0 <= value <= 1)

    def probability(self, step):
        r"""Returns $\epsilon_i$, a float32 tensor, for a batch, counted from 0 on."""
        step, halfway = tf.cast(step, tf.float32), float(self.halfway)
        if self.schedule is None:
            return tf.constant(self.least, tf.float32)
        if self.schedule == "linear":
            right = 1.0 - step / (2.0 * halfway)
        elif self.schedule == "exponential":
            right = 0.5 ** (step / halfway)
        else:  # k / (k + exp(i / k)), in a form that does not overflow
            k = _k_of(halfway)
            right = tf.sigmoid(math.log(k) - step / k)
        return tf.maximum(right, self.least)

    def mix(self, seq2seq, source, target_in, step):
        """Returns what the decoder reads: right tokens, and the model's own.

        One loop over the model's `step`. No gradient flows through the choice of a
        token, so the loss of the training graph on these tokens is that of the loop.

        Args:
            seq2seq: a `Seq2Seq`.
            source: what its encoder reads.
            target_in: int32 `(batch, target_length)`, the right tokens.
            step: how many batches were trained on before, an integer tensor.

        Returns:
            int32 `(batch, target_length)`. The first column, SOS, is always right.
        """
        source, target_in = as_source(source), as_tensor(target_in)
        right_with = self.probability(step)
        length = tf.shape(target_in)[1]
        seeds = tf.stack([tf.cast(self.seed, tf.int64), tf.cast(step, tf.int64)])

        def advance(position, token, state, tokens):
            tokens = tokens.write(position, token)
            logits, state = seq2seq.step([token, state])
            # The noise of a position does not hang on how far rows are padded.
            seed = tf.random.experimental.stateless_fold_in(seeds, position)
            own = self._own(logits, seed)
            coin = tf.random.stateless_uniform(tf.shape(token), seed)
            following = target_in[:, tf.minimum(position + 1, length - 1)]
            return (
                position + 1,
                tf.where(coin < right_with, following, own),
                state,
                tokens,
            )

        tokens = tf.TensorArray(tf.int32, length, element_shape=[None])
        *_, tokens = tf.while_loop(
            lambda position, *_: position < length,
            advance,
            (tf.constant(0), target_in[:, 0], seq2seq.encoder(source), tokens),
        )
        return tf.stop_gradient(tf.transpose(tokens.stack()))

    def _own(self, logits, seed):
        """Returns the model's token for each row of logits `(batch, vocabulary)`."""
        if self.choose == "argmax":
            return tf.argmax(logits, axis=-1, output_type=tf.int32)
        if self.choose == "uniform":
            rows, vocabulary = tf.unstack(tf.shape(logits))
            words = len(SPECIAL_TOKENS), vocabulary
            return tf.random.stateless_uniform([rows], seed + 1, *words, tf.int32)
        drawn = tf.random.stateless_categorical(logits, 1, seed + 1, dtype=tf.int32)
        return drawn[:, 0]


def _k_of(halfway):
    r"""Returns the $k$ for which $k / (k + \exp(i / k))$ is 1/2 at $i$ = `halfway`.

    There $k \ln k$ = `halfway`; Newton's method finds it.
    """
    k = float(halfway)
    for _ in range(50):
        k -= (k * math.log(k) - halfway) / (math.log(k) + 1.0)
    return k
