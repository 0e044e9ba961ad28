"""The plain records that pass between the floors of the package."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import numpy as np

from s2s_keras.arguments import check_list


@dataclasses.dataclass(frozen=True)
class Pair:
    """A source text and one of its right answers.

    The indices of links count the words of `source` between its spaces, and the tokens
    of `target` as the tokenizer of kind "word" makes them: each punctuation mark is
    one, "teacher's" is one. Words without a counterpart, such as articles, have
    possible links to the word that calls for them, or none.

    Attributes:
        source: the text to translate.
        target: a translation.
        alignment: the sure links `(source_index, target_index)`: which word translates
            which; None where the corpus does not know.
        possible: further links `(source_index, target_index)` that an aligner may make
            or leave out.
    """

    source: str
    target: str
    alignment: tuple[tuple[int, int], ...] | None = None
    possible: tuple[tuple[int, int], ...] = ()


def listed_pairs(pairs: Iterable[Pair]) -> list[Pair]:
    """Returns pairs as a list; raises TypeError if anything in it is no `Pair`."""
    check_list("pairs", pairs)
    pairs = list(pairs)
    for index, pair in enumerate(pairs):
        if not isinstance(pair, Pair):
            raise TypeError(f"pairs[{index}] must be a Pair. Received: {pair!r}")
    return pairs


@dataclasses.dataclass(frozen=True, eq=False)
class Pointing:
    """Some items, and which of them answer, in which order: a task for pointers.

    Attributes:
        source: the items: an array `(items, features)` of numbers, or a tuple of words.
        target: places of items, counted from 0; each may come once or more often.
    """

    source: np.ndarray | tuple[str, ...]
    target: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Hypotheses:
    """What a decoder found for a batch of sources.

    Where it returns several hypotheses of each source, every array has an axis for them
    after `batch`; a beam search puts the best first.

    Attributes:
        tokens: int32 array `(batch, target_length)`: the chosen ids without SOS,
            with the EOS that ends a finished row, then PAD.
        lengths: int32 array `(batch,)`: ids in each row, its EOS counted.
        scores: float32 array `(batch,)`: natural logarithm of each row's
            probability under the model, its EOS counted.
        weights: float32 array `(batch, target_length, source_length)` of attention
            weights, zero after a row's end; None where the model has no attention.
        ranks: float32 array `(batch,)`: what a beam search ranked by; None where
            there was nothing to rank.
    """

    tokens: np.ndarray
    lengths: np.ndarray
    scores: np.ndarray
    weights: np.ndarray | None = None
    ranks: np.ndarray | None = None


@dataclasses.dataclass(frozen=True)
class Translation:
    """One translated text.

    Attributes:
        text: the translation.
        tokens: its tokens as a figure shows them, ending in `<eos>` if it ended.
        score: natural logarithm of its probability under the model.
        weights: float32 array `(len(tokens), len(source_tokens))` of attention
            weights; None where the model has no attention.
        source_tokens: the source's tokens, ending in `<eos>`.
        generation: float32 array `(len(tokens),)`: the probability with which a model
            that copies would have generated, not copied, at each token; None where
            the model does not copy.
    """

    text: str
    tokens: list[str]
    score: float
    weights: np.ndarray | None = None
    source_tokens: list[str] = dataclasses.field(default_factory=list)
    generation: np.ndarray | None = None
