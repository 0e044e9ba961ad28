"""Word alignment: the links that attention makes, and the gold links it should make.

A link `(source_index, target_index)` says that two words translate each other.
"""

from __future__ import annotations

import functools

import numpy as np

from s2s_keras.records import Pair
from s2s_keras.text import Tokenizer

Links = set[tuple[int, int]]


def attention_links(weights: np.ndarray) -> Links:
    """Turns soft attention into links: one at most for each target word.

    A target word is linked to the source token with its greatest weight, the first
    among equal ones. It makes no link if that token is EOS, or if all its weights are
    zero. The row of the target's EOS is left out.

    Args:
        weights: floats `(target_tokens + 1, source_tokens + 1)`; EOS stands last.

    Returns:
        The links.
    """
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


def _words_in(text: str) -> int:
    return len(_word_tokenizer().encode(text))


@functools.cache
def _word_tokenizer() -> Tokenizer:
    return Tokenizer.train(["a"], kind="word")  # unknown words count all the same
