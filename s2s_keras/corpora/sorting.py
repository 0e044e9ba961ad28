"""Numbers to sort: the target says where each stands, from the smallest to the largest.

The numbers are uniform in [0, 1), as float32 holds them. No two of a task are equal, so
there is one right answer.
"""

from __future__ import annotations

import numpy as np

from s2s_keras.arguments import check_whole
from s2s_keras.corpora.corpus import Corpus
from s2s_keras.records import Pointing

LENGTHS = (5, 10, 15)  # numbers to sort
SIZES = (20_000, 1_000, 1_000)  # tasks: train, valid, test


def read(length: int) -> Corpus:
    """Returns tasks to sort `length` numbers, at least one; see `examples`."""
    train, valid, test = SIZES
    return Corpus(
        train=examples(train, length, seed=0),
        valid=examples(valid, length, seed=1),
        test=examples(test, length, seed=2),
        name=f"sorting/{length}",
        licence="part of this package",
        citation="Generated.",
    )


def examples(count: int, length: int, seed: int) -> list[Pointing]:
    """Draws tasks.

    Args:
        count: how many tasks. Fewer of them are the first of more.
        length: how many numbers each has.
        seed: a whole number; `read` has 0 for `train`, 1 for `valid`, 2 for `test`.

    Returns:
        The tasks: sources are read-only float32 arrays `(length, 1)`.

    Raises:
        ValueError: a number is not whole, or below 0, or `length` below 1.
    """
    check_whole("count", count, 0)
    check_whole("length", length, 1)
    check_whole("seed", seed, 0)
    draw = np.random.default_rng([length, seed])
    tasks = []
    while len(tasks) < count:
        numbers = draw.random(length, dtype=np.float32)
        if len(np.unique(numbers)) < length:
            continue
        source = numbers[:, None]
        source.flags.writeable = False
        tasks.append(Pointing(source, tuple(np.argsort(numbers).tolist())))
    return tasks
