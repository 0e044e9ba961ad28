"""Splits by hashes; those of pairs never divide what shares a source or a target."""

from __future__ import annotations

import collections
import hashlib
from collections.abc import Sequence

from s2s_keras.records import Pair


def split(
    pairs: Sequence[Pair], valid_share: float, test_share: float
) -> tuple[list[Pair], list[Pair], list[Pair]]:
    """Splits pairs by a hash of their texts.

    Groups of linked pairs are taken in the order of a SHA-256 hash. Each goes to the
    test split if it still fits there, else to the validation split if it fits there,
    else to the training split. So the first two never exceed their shares, the last is
    never empty, and the order of `pairs` has no influence.

    Args:
        pairs: the pairs; exact repetitions are dropped.
        valid_share: the part of the distinct pairs to validate with.
        test_share: the part to test with; both together below 1.

    Returns:
        The lists `(train, valid, test)`, each in the order of `pairs`.
    """
    pairs = list(dict.fromkeys(pairs))
    # The small number keeps a product such as 100 * 0.29 from falling below 29.
    room = {
        "test": int(len(pairs) * test_share + 1e-9),
        "valid": int(len(pairs) * valid_share + 1e-9),
        "train": len(pairs),
    }
    chosen = {}
    for group in sorted(linked_groups(pairs), key=lambda group: _hash(pairs, group)):
        fitting = next(name for name in room if len(group) <= room[name])
        room[fitting] -= len(group)
        chosen.update(dict.fromkeys(group, fitting))
    train, valid, test = (
        [pair for index, pair in enumerate(pairs) if chosen[index] == name]
        for name in ("train", "valid", "test")
    )
    return train, valid, test


def split_of(name: str, valid_share: float, test_share: float) -> str:
    """Returns "train", "valid" or "test", by a SHA-256 hash of a name.

    Where each name belongs does not hang on which others there are.

    Args:
        name: what all that stays together is called.
        valid_share: the part of all names to validate with.
        test_share: the part to test with; both together below 1.
    """
    share = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") / 2**32
    if share < test_share:
        return "test"
    return "valid" if share < test_share + valid_share else "train"


def linked_groups(pairs: Sequence[Pair]) -> list[list[int]]:
    """Groups the indices of pairs that share a source or a target, spaces aside.

    Sharing is passed on: two pairs without a common text are in one group when a chain
    of pairs links them. This is the union-find algorithm with path halving.
    """
    parents = list(range(len(pairs)))

    def root(index: int) -> int:
        while parents[index] != index:
            parents[index] = parents[parents[index]]
            index = parents[index]
        return index

    first_with_source: dict[str, int] = {}
    first_with_target: dict[str, int] = {}
    for index, pair in enumerate(pairs):
        source = first_with_source.setdefault(_without_spaces(pair.source), index)
        target = first_with_target.setdefault(_without_spaces(pair.target), index)
        parents[root(index)] = root(source)
        parents[root(index)] = root(target)
    groups = collections.defaultdict(list)
    for index in range(len(pairs)):
        groups[root(index)].append(index)
    return list(groups.values())


def _hash(pairs: Sequence[Pair], group: list[int]) -> bytes:
    smallest = min(_without_spaces(pairs[index].source) for index in group)
    return hashlib.sha256(smallest.encode()).digest()


def _without_spaces(text: str) -> str:
    # Chinese with and without spaces between its words is the same sentence.
    return "".join(text.split())
