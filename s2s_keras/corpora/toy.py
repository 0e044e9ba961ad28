"""The five Chinese–English pairs of the original lesson."""

from __future__ import annotations

from s2s_keras.corpora.corpus import Corpus
from s2s_keras.records import Pair

PAIRS = (
    Pair("咖哥 喜欢 小冰", "KaGe likes XiaoBing"),
    Pair("我 爱 学习 人工智能", "I love studying AI"),
    Pair("深度学习 改变 世界", "DL changed the world"),
    Pair("自然 语言 处理 很 强大", "NLP is so powerful"),
    Pair("神经网络 非常 复杂", "Neural-Nets are complex"),
)


def read() -> Corpus:
    """Returns the five pairs, all of them in `train`; their words are segmented."""
    return Corpus(
        train=list(PAIRS),
        valid=[],
        test=[],
        name="toy",
        source_language="zh",
        target_language="en",
        licence="part of this package",
        citation="The five sentences of the original lesson.",
    )
