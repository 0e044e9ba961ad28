"""Keras layers of the models, written with `keras.ops` alone."""

from s2s_keras.layers.attention import (
    AdditiveAttention,
    ConcatAttention,
    CosineAttention,
    DotAttention,
    GeneralAttention,
    LocalMonotonicAttention,
    LocalPredictiveAttention,
    LocationAttention,
    ScaledDotAttention,
)
from s2s_keras.layers.attention_decoders import BahdanauDecoder, InputFeedingDecoder
from s2s_keras.layers.padding import PaddingMask, ReverseSequence
from s2s_keras.layers.recurrent import Bidirectional, ConcatenateContext, Recurrent
from s2s_keras.layers.tied_embedding import TiedEmbedding
from s2s_keras.layers.word_dropout import WordDropout

__all__ = [
    "AdditiveAttention",
    "BahdanauDecoder",
    "Bidirectional",
    "ConcatAttention",
    "ConcatenateContext",
    "CosineAttention",
    "DotAttention",
    "GeneralAttention",
    "InputFeedingDecoder",
    "LocalMonotonicAttention",
    "LocalPredictiveAttention",
    "LocationAttention",
    "PaddingMask",
    "Recurrent",
    "ReverseSequence",
    "ScaledDotAttention",
    "TiedEmbedding",
    "WordDropout",
]
