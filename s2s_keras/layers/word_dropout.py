"""Dropout of whole words."""

import keras


@keras.saving.register_keras_serializable(package="s2s_keras")
class WordDropout(keras.layers.Layer):
    """Drops all features of a token at once, so that the others must do without it.

    Iyyer et al. (2015), section 3.1, leave the word out; here zeros stand in its place,
    and what is kept grows by `1 / (1 - rate)`, as with any dropout.

    Args:
        rate: share of the tokens to drop in training.

    Call arguments:
        inputs: `(batch, length, features)`, or `(batch, features)` for one step.

    Returns:
        The same shape; outside of training, the inputs.
    """

    def __init__(self, rate, **kwargs):
        super().__init__(**kwargs)
        self.rate = rate
        self.seeds = keras.random.SeedGenerator()

    def call(self, inputs, training=False):
        if not training:
            return inputs
        whole = (*[None] * (len(inputs.shape) - 1), 1)
        return keras.random.dropout(
            inputs, self.rate, noise_shape=whole, seed=self.seeds
        )

    def compute_output_spec(self, inputs, **_):
        return keras.KerasTensor(inputs.shape, dtype=self.compute_dtype)

    def get_config(self):
        return {**super().get_config(), "rate": self.rate}
