"""Multi30k: German–English captions of photographs, with their published splits."""

from __future__ import annotations

import gzip

from s2s_keras.corpora.checked_pairs import checked_pairs
from s2s_keras.corpora.corpus import Corpus
from s2s_keras.corpora.downloads import fetch
from s2s_keras.records import Pair


def read() -> Corpus:
    """Returns the captions of task 1 with the test set "2016 Flickr".

    The splits are the published ones, complete and in their order, so that scores can
    be compared with those of papers.

    Raises:
        DataUnavailable: a file is not on this machine and could not be downloaded.
    """
    return Corpus(
        train=_pairs("train"),
        valid=_pairs("val"),
        test=_pairs("test_2016_flickr"),
        name="multi30k",
        source_language="de",
        target_language="en",
        licence="captions derived from Flickr30k, for research and education",
        citation="Desmond Elliott, Stella Frank, Khalil Sima'an, Lucia Specia (2016): "
        "Multi30K: Multilingual English-German Image Descriptions. Proceedings of the "
        "5th Workshop on Vision and Language, pages 70–74.",
    )


def _pairs(split: str) -> list[Pair]:
    german, english = (_lines(f"multi30k/{split}.{code}.gz") for code in ("de", "en"))
    return checked_pairs(zip(german, english, strict=True))


def _lines(path: str) -> list[str]:
    with gzip.open(fetch(path), "rt", encoding="utf-8", newline="\n") as file:
        return file.readlines()
