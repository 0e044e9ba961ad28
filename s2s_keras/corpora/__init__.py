"""Corpora of sentence pairs and of tasks for pointers, read and split with one call.

`load(name)` reads one of `names()`. `Corpus.from_pairs` and `Corpus.from_tsv` read
sentences of your own. Every corpus has its own module here; it says where the data
come from.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools

from s2s_keras.corpora import (
    cmudict,
    convex_hull,
    copying,
    docstrings,
    downloads,
    hsk,
    memory,
    multi30k,
    phrasebook,
    scan,
    sorting,
    tatoeba,
    toy,
)
from s2s_keras.corpora.corpus import Corpus
from s2s_keras.corpora.downloads import DataUnavailable
from s2s_keras.records import Pair, Pointing

__all__ = ["Corpus", "DataUnavailable", "Pair", "Pointing", "is_here", "load", "names"]

_READERS = {
    "toy": toy.read,
    "hsk": hsk.read,
    **{
        f"memory/{length}": functools.partial(memory.read, length)
        for length in memory.LENGTHS
    },
    "copying": copying.read,
    "docstrings": docstrings.read,
    "scan/simple": functools.partial(scan.read, "scan/simple"),
    "scan/length": functools.partial(scan.read, "scan/length"),
    "phrasebook": phrasebook.read,
    "phrasebook/length": phrasebook.read_length,
    "phrasebook/composition": phrasebook.read_composition,
    **{
        f"sorting/{length}": functools.partial(sorting.read, length)
        for length in sorting.LENGTHS
    },
    **{name: functools.partial(convex_hull.read, name) for name in convex_hull.RANGES},
    "scan/addprim_jump": functools.partial(scan.read, "scan/addprim_jump"),
    "scan/addprim_turn_left": functools.partial(scan.read, "scan/addprim_turn_left"),
    "tatoeba": tatoeba.read,
    "multi30k": multi30k.read,
    "cmudict": cmudict.read,
    "cmudict/stress": functools.partial(cmudict.read, stress=True),
}
_READ: dict[str, Corpus] = {}

# The files of a corpus whose name is not the folder they are in.
_PUBLISHED = {"scan/simple": scan.PUBLISHED}


def names() -> tuple[str, ...]:
    """Returns the names that `load` knows, from the smallest corpus to the largest."""
    return tuple(_READERS)


def is_here(name: str) -> bool:
    """Returns whether `load(name)` needs no download to give what is published.

    Raises:
        TypeError, ValueError: `name` is none of `names()`.
        ValueError: a file in the folder that S2S_KERAS_DATA names is not the published
            one.
    """
    _check(name)
    of_that_name = (path for path in downloads.FILES if path.split("/")[0] == name)
    return all(map(downloads.is_here, _PUBLISHED.get(name, of_that_name)))


def load(name: str) -> Corpus:
    """Reads a corpus by its name.

    A process reads each corpus once. Every call returns a new `Corpus` with lists of
    its own, so changing one changes no other.

    Args:
        name: one of `names()`.

    Returns:
        The `Corpus`.

    Raises:
        ValueError: `name` is unknown, or a file in the folder that the environment
            variable S2S_KERAS_DATA names is not the published one.
        DataUnavailable: a file is in neither S2S_KERAS_DATA nor the cache, and could
            not be downloaded. (For "scan/simple" another split is drawn then, with a
            warning.)
        ImportError: the corpus needs a package that is not installed.
    """
    _check(name)
    if name not in _READ:
        corpus = _READERS[name]()
        if corpus.name != name:  # it stands in for one that could not be had
            return corpus
        _READ[name] = corpus
    return dataclasses.replace(_READ[name])


def _check(name: str) -> None:
    if not isinstance(name, str):
        raise TypeError(f"name must be a str, received {name!r}.")
    if name not in _READERS:
        close = difflib.get_close_matches(name, _READERS, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        known = ", ".join(map(repr, _READERS))
        raise ValueError(f"name must be one of {known}, received {name!r}.{hint}")
