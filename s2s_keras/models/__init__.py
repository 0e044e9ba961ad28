"""Models as three graphs that share their layers.

A builder makes every layer once and calls it in the training graph, in the encoder
and in the step graph. Nothing is looked up in a finished model.
"""

import keras

from s2s_keras.models.builders import attention_seq2seq, encoder_decoder
from s2s_keras.models.embeddings import set_embedding
from s2s_keras.models.pointers import pointer_generator, pointer_network
from s2s_keras.models.seq2seq import Seq2Seq

__all__ = [
    "Seq2Seq",
    "attention_seq2seq",
    "build",
    "encoder_decoder",
    "pointer_generator",
    "pointer_network",
    "set_embedding",
]

if keras.config.backend() != "tensorflow":
    raise ImportError(
        "s2s_keras needs Keras with TensorFlow: set the environment variable "
        "KERAS_BACKEND=tensorflow before Keras is imported. Received: "
        f"{keras.config.backend()!r}"
    )

_BUILDERS = {
    "encoder_decoder": encoder_decoder,
    "attention_seq2seq": attention_seq2seq,
    "pointer_network": pointer_network,
    "pointer_generator": pointer_generator,
}


def build(config):
    """Returns a model with fresh weights.

    Args:
        config: a `Seq2Seq.config`: the builder's name, and its arguments.

    Raises:
        TypeError: if the builder has no such argument.
        ValueError: if the builder is unknown or an argument is out of range.
    """
    arguments = dict(config)
    name = arguments.pop("builder", None)
    if name not in _BUILDERS:
        raise ValueError(
            f"config['builder'] must be one of {sorted(_BUILDERS)}. Received: {name!r}"
        )
    return _BUILDERS[name](**arguments)
