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
from s2s_keras.layers.copying import (
    CopyDistribution,
    CopyingDecoder,
    CoverageAttention,
    CoverageLoss,
    KnownTokens,
)
from s2s_keras.layers.padding import PaddingMask, ReverseSequence
from s2s_keras.layers.pointing import ItemsAt, Pointer, Visited
from s2s_keras.layers.recurrent import Bidirectional, ConcatenateContext, Recurrent
from s2s_keras.layers.tied_embedding import TiedEmbedding
from s2s_keras.layers.word_dropout import WordDropout

__all__ = [
    "AdditiveAttention",
    "BahdanauDecoder",
    "Bidirectional",
    "ConcatAttention",
    "ConcatenateContext",
    "CopyDistribution",
    "CopyingDecoder",
    "CosineAttention",
    "CoverageAttention",
    "CoverageLoss",
    "DotAttention",
    "GeneralAttention",
    "InputFeedingDecoder",
    "ItemsAt",
    "KnownTokens",
    "LocalMonotonicAttention",
    "LocalPredictiveAttention",
    "LocationAttention",
    "PaddingMask",
    "Pointer",
    "Recurrent",
    "ReverseSequence",
    "ScaledDotAttention",
    "TiedEmbedding",
    "Visited",
    "WordDropout",
]
