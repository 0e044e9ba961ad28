"""Keras layers of the models, written with `keras.ops` alone."""

from s2s_keras.layers.padding import PaddingMask, ReverseSequence
from s2s_keras.layers.recurrent import Bidirectional, ConcatenateContext, Recurrent

__all__ = [
    "Bidirectional",
    "ConcatenateContext",
    "PaddingMask",
    "Recurrent",
    "ReverseSequence",
]
