"""Everyday Chinese sentences by HSK level, in words, with English translations."""

from __future__ import annotations

from collections.abc import Iterable

from s2s_keras.corpora.corpus import Corpus
from s2s_keras.records import Pair

NOT_TRANSLATED = "placeholder"  # and "placeholder-p1", …: what a few records hold


def read() -> Corpus:
    """Returns the sentences of the package `hsk-sentences-audio`, split by hash.

    A source is the sentence with a space between its words and punctuation marks, such
    as "老师 ， 您 好 ！". Without the spaces it is the sentence as published.
    Records without a translation are left out.

    Raises:
        ImportError: the package is not installed.
    """
    try:
        import hsk_sentences_audio
    except ImportError as error:
        raise ImportError(
            "The corpus 'hsk' needs the package hsk-sentences-audio. "
            "Install it: pip install hsk-sentences-audio"
        ) from error
    pairs = []
    for sentence in hsk_sentences_audio.load_sentences():
        translation = sentence["translation"]["en"]
        if translation.startswith(NOT_TRANSLATED):
            continue
        words = [token["word"] for token in sentence["tokens"]]
        pairs.append(Pair(segmented(sentence["chinese"], words), translation))
    return Corpus.from_pairs(
        pairs,
        name="hsk",
        source_language="zh",
        target_language="en",
        licence="CC-BY-SA-4.0",
        citation="hsk-sentences-audio contributors: hsk-sentences-audio. "
        "https://github.com/no7z/hsk-sentences-audio",
    )


def segmented(sentence: str, words: Iterable[str]) -> str:
    """Writes a sentence with spaces between its words.

    A character that no word covers, such as a punctuation mark, stands alone.

    Args:
        sentence: the sentence without spaces.
        words: its words in their order.

    Raises:
        ValueError: a word does not occur after the one before it.
    """
    pieces: list[str] = []
    end = 0
    for word in words:
        start = sentence.find(word, end)
        if start < 0:
            raise ValueError(
                f"words must occur in {sentence!r} in their order, received {word!r} "
                f"after {sentence[:end]!r}."
            )
        pieces.extend(sentence[end:start])
        pieces.append(word)
        end = start + len(word)
    pieces.extend(sentence[end:])
    return " ".join(pieces)
