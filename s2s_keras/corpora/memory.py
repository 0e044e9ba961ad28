"""A test of memory: the first word of the source is the whole target.

The words after it say nothing. So the answer must be kept from the first step of the
encoder to its last, as in the long-lag problems of Hochreiter & Schmidhuber (1997).
"""

from __future__ import annotations

import random

from s2s_keras.arguments import check_whole
from s2s_keras.corpora.corpus import Corpus
from s2s_keras.records import Pair

LENGTHS = (5, 10, 20, 50, 100, 200)  # words of a source
SIZES = (6_000, 500, 500)  # pairs: train, valid, test
REMEMBERED = "abcdefgh"
DISTRACTING = "stuvwxyz"


def read(length: int) -> Corpus:
    """Returns pairs whose sources have `length` words, no source twice.

    Args:
        length: at least 5; shorter sources are fewer than the pairs.

    Raises:
        ValueError: `length` is none.
    """
    check_whole("length", length, 5)
    length = int(length)
    draw = random.Random(length)
    targets = {}
    while len(targets) < sum(SIZES):
        first = draw.choice(REMEMBERED)
        others = draw.choices(DISTRACTING, k=length - 1)
        targets[" ".join([first, *others])] = first
    pairs = [Pair(source, target) for source, target in targets.items()]
    train, valid, _ = SIZES
    return Corpus(
        train=pairs[:train],
        valid=pairs[train : train + valid],
        test=pairs[train + valid :],
        name=f"memory/{length}",
        licence="part of this package",
        citation="Generated.",
    )
