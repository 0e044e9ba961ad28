"""Chinese–English sentence pairs from Tatoeba, in simplified characters."""

from __future__ import annotations

from collections.abc import Sequence

from s2s_keras.corpora.checked_pairs import pairs_from_tsv
from s2s_keras.corpora.corpus import Corpus
from s2s_keras.corpora.downloads import fetch
from s2s_keras.records import Pair


def read() -> Corpus:
    """Returns the pairs of the edition of 2020-08-23, split by hash.

    Nearly half of the published sources hold characters that OpenCC simplifies. The
    sources are not segmented into words.

    Raises:
        DataUnavailable: the file is not on this machine and could not be downloaded.
        ImportError: the package OpenCC is not installed.
    """
    published = pairs_from_tsv(
        fetch("tatoeba/cmn.txt"), source_column=1, target_column=0
    )
    sources = simplified([pair.source for pair in published])
    targets = [pair.target for pair in published]
    return Corpus.from_pairs(
        map(Pair, sources, targets),
        name="tatoeba",
        source_language="zh",
        target_language="en",
        licence="CC-BY 2.0 FR",
        citation="Tatoeba contributors (https://tatoeba.org), pairs selected by "
        "https://www.manythings.org/anki, edition of 2020-08-23. The published file "
        "credits the authors of every sentence.",
    )


def simplified(texts: Sequence[str]) -> list[str]:
    """Writes Chinese texts in simplified characters.

    Raises:
        ImportError: the package OpenCC is not installed.
    """
    try:
        import opencc
    except ImportError as error:
        raise ImportError(
            "The corpus 'tatoeba' needs the package OpenCC. "
            "Install it: pip install opencc"
        ) from error
    converter = opencc.OpenCC("t2s")
    return [converter.convert(text) for text in texts]
