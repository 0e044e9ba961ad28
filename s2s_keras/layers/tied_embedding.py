"""An embedding that is the output layer as well."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="s2s_keras")
class TiedEmbedding(keras.layers.Layer):
    r"""One matrix $E$ that reads tokens and writes them (Press & Wolf, 2017).

    A token's vector is $\sqrt{d} \, \sigma E_w$, its logit $E_w \cdot h + b_w$ for a
    hidden state of $d$ units. $E$ starts with a standard deviation of $1 / \sqrt{d}$,
    so that vectors start with $\sigma$ and logits small (Vaswani et al., 2017, section
    3.4). Both are float32 under any dtype policy.

    Args:
        vocabulary: number of ids.
        embedding_dim: size $d$ of the vectors.
        stddev: $\sigma$, the standard deviation that the vectors start from.

    Call arguments:
        inputs: integer ids `(batch, …)`, or with `reverse=True` hidden states
            `(batch, …, embedding_dim)`.
        reverse: whether to go from hidden states to logits.

    Returns:
        Vectors `(batch, …, embedding_dim)`, or logits `(batch, …, vocabulary)`.
    """

    def __init__(self, vocabulary, embedding_dim, stddev=1.0, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.vocabulary = vocabulary
        self.embedding_dim = embedding_dim
        self.stddev = stddev

    def build(self, inputs_shape):
        self.embeddings = self.add_weight(
            shape=(self.vocabulary, self.embedding_dim),
            initializer=keras.initializers.RandomNormal(
                stddev=self.embedding_dim**-0.5
            ),
            name="embeddings",
        )
        self.bias = self.add_weight(
            shape=(self.vocabulary,), initializer="zeros", name="bias"
        )
        self.built = True

    def call(self, inputs, reverse=False):
        if reverse:
            return ops.matmul(inputs, ops.transpose(self.embeddings)) + self.bias
        vectors = ops.take(self.embeddings, inputs, axis=0)
        return vectors * (self.embedding_dim**0.5 * self.stddev)

    def compute_output_spec(self, inputs, reverse=False):
        if reverse:
            shape = (*inputs.shape[:-1], self.vocabulary)
        else:
            shape = (*inputs.shape, self.embedding_dim)
        return keras.KerasTensor(shape, dtype="float32")

    def get_config(self):
        return {
            **super().get_config(),
            "vocabulary": self.vocabulary,
            "embedding_dim": self.embedding_dim,
            "stddev": self.stddev,
        }
