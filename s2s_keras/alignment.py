"""Word alignment: the links that attention makes, and the gold links it should make.

A link `(source_index, target_index)` says that two words translate each other.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np

from s2s_keras.records import Pair, Translation
from s2s_keras.text import EOS, SPACE, SPECIAL_TOKENS, UNK, Tokenizer

Links = set[tuple[int, int]]


@dataclasses.dataclass(frozen=True, eq=False)
class Attention:
    """What a picture of attention shows of one translation.

    Attributes:
        source_tokens: as a figure shows them, EOS included.
        tokens: those of the translation.
        weights: float64 array `(len(tokens), len(source_tokens))`.
        sure: the sure links; empty where they are not known.
        possible: the further links that an aligner may make.
    """

    source_tokens: list[str]
    tokens: list[str]
    weights: np.ndarray
    sure: Links
    possible: Links


def attention_links(weights: np.ndarray) -> Links:
    """Turns soft attention into links: one at most for each target word.

    A target word is linked to the source token with its greatest weight, the first
    among equal ones. It makes no link if that token is EOS, or if all its weights are
    zero. The row of the target's EOS is left out.

    Args:
        weights: floats `(target_tokens + 1, source_tokens + 1)`; EOS stands last.

    Returns:
        The links.

    Raises:
        ValueError: they are no such weights.
    """
    weights = checked_weights(weights)
    best = weights[:-1].argmax(axis=1)
    makes_one = (best < weights.shape[1] - 1) & (weights[:-1].max(axis=1) > 0)
    targets = np.flatnonzero(makes_one)
    return set(zip(best[targets].tolist(), targets.tolist(), strict=True))


def gold_links(
    pair: Pair, shape: tuple[int, ...], name: str = "pair"
) -> tuple[Links, Links]:
    """Returns the links of a pair, once they fit the weights they are to judge.

    Args:
        pair: a pair that knows its alignment.
        shape: the shape of attention weights for it.
        name: names the pair in an error.

    Returns:
        The sure links, and all gold links: the sure and the possible ones.

    Raises:
        ValueError: the pair has no alignment, `shape` is not
            `(target_tokens + 1, source_tokens + 1)` in words, or a link leads to a
            word that is not there.
    """
    if pair.alignment is None:
        raise ValueError(
            f"{name}.alignment must hold the pair's gold links. Received: None. Take "
            'pairs that know them: corpora.load("phrasebook").'
        )
    targets, sources = _words_in(pair.target), len(pair.source.split())
    if tuple(shape) != (targets + 1, sources + 1):
        raise ValueError(
            f"{name} must have weights of shape {(targets + 1, sources + 1)}: "
            f"{targets} target words, {sources} source words, and EOS after each. "
            f"Received: shape {tuple(shape)}. Weights fit when they come from the "
            'pair\'s own target and from tokenizers of kind "word".'
        )
    sure = set(map(tuple, pair.alignment))
    gold = sure | set(map(tuple, pair.possible))
    for source, target in gold:
        if not (0 <= source < sources and 0 <= target < targets):
            raise ValueError(
                f"{name} must link the source words 0 to {sources - 1} with the "
                f"target words 0 to {targets - 1}. Received: {(source, target)}. A "
                "link is (source_index, target_index)."
            )
    return sure, gold


def checked_weights(weights, name: str = "weights") -> np.ndarray:
    """Returns attention weights as a float64 array of two axes.

    Args:
        weights: floats `(target_length, source_length)`, from 0 to 1.
        name: names them in an error.

    Raises:
        ValueError: they are not that.
    """
    try:
        rows = np.asarray(weights, np.float64)
    except (TypeError, ValueError):
        rows = np.empty(0)
    if rows.ndim != 2 or not rows.size:
        kind = type(weights).__name__
        came = f"shape {weights.shape}" if hasattr(weights, "shape") else kind
        raise ValueError(
            f"{name} must be an array (target_length, source_length) of attention "
            f"weights. Received: {came}. Only a model with attention gives them."
        )
    # A float16 row can round to a little more than 1.
    if not (rows.min() >= 0 and rows.max() <= 1.01):  # NaN fails both
        raise ValueError(
            f"{name} must be attention weights from 0 to 1, after the softmax. "
            f"Received: values from {rows.min():g} to {rows.max():g}."
        )
    return rows


def to_show(
    translations: Translation | Sequence[Translation],
    pairs: Pair | Sequence[Pair | None] | None = None,
) -> list[Attention]:
    """Checks translations, and their gold links if any, for a picture.

    Args:
        translations: one or several, with attention weights.
        pairs: for each the pair whose gold links it should follow, or None.

    Returns:
        What to show of each translation.

    Raises:
        TypeError: something is not a `Translation` or not a `Pair`.
        ValueError: there is no translation, one has no weights or weights of another
            shape than its tokens, or a pair is not the pair of its translation.
    """
    translations = _listed(translations, Translation, "translations")
    if not translations:
        raise ValueError("translations must hold at least one. Received: none.")
    if pairs is None:
        pairs = [None] * len(translations)
    pairs = _listed(pairs, (Pair, type(None)), "pairs")
    if len(pairs) != len(translations):
        raise ValueError(
            "pairs must hold one pair, or None, for each translation. Received: "
            f"{len(pairs)} pairs and {len(translations)} translations."
        )
    shown = []
    for index, (translation, pair) in enumerate(zip(translations, pairs, strict=True)):
        weights = _checked_attention(translation, f"translations[{index}]")
        sure, gold = set(), set()
        if pair is not None:
            name = f"pairs[{index}]"
            if not _is_of(pair, translation):
                raise ValueError(
                    f"{name} must be the pair of its translation: its links count the "
                    f"words of {pair.target!r}. Received: a translation "
                    f"{translation.text!r}. Feed the pair's own target to the model, "
                    "or pass None for this pair."
                )
            sure, gold = gold_links(pair, weights.shape, name)
        source_tokens, tokens = translation.source_tokens, translation.tokens
        shown.append(Attention(source_tokens, tokens, weights, sure, gold - sure))
    return shown


def _is_of(pair: Pair, translation: Translation) -> bool:
    """Says whether a translation is a pair's target; `<unk>` may stand for any word."""
    unknown = SPECIAL_TOKENS[UNK]
    if unknown not in translation.tokens:
        return translation.text.split() == pair.target.split()
    tokens = [token for token in translation.tokens if token != SPECIAL_TOKENS[EOS]]
    pieces = _word_tokenizer().pieces(pair.target)
    return len(tokens) == len(pieces) and all(
        token in (piece.removeprefix(SPACE), unknown)
        for token, piece in zip(tokens, pieces, strict=True)
    )


def _listed(value, kind, name: str) -> list:
    several = [value] if isinstance(value, kind) else value
    if isinstance(several, Sequence) and all(isinstance(one, kind) for one in several):
        return list(several)
    wanted = "Pair" if name == "pairs" else "Translation"
    raise TypeError(
        f"{name} must be a {wanted} or a list of them. Received: {value!r}."
    )


def _checked_attention(translation: Translation, name: str) -> np.ndarray:
    weights = checked_weights(translation.weights, f"{name}.weights")
    shape = len(translation.tokens), len(translation.source_tokens)
    if weights.shape != shape:
        raise ValueError(
            f"{name}.weights must have shape {shape}: one row a token, one column a "
            f"source token. Received: shape {weights.shape}."
        )
    return weights


def _words_in(text: str) -> int:
    return len(_word_tokenizer().encode(text))


@functools.cache
def _word_tokenizer() -> Tokenizer:
    return Tokenizer.train(["a"], kind="word")  # unknown words count all the same
