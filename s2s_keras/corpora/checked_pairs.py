"""Pairs from Python values or a file, each text checked and cleaned."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from s2s_keras.arguments import is_whole
from s2s_keras.records import Pair


def checked_text(text: str, where: str) -> str:
    """Returns a text in composed form (NFC) without white space at its ends.

    Args:
        text: the text.
        where: names the text in an error.

    Raises:
        TypeError: `text` is not a str.
        ValueError: `text` is blank, or holds half a surrogate pair.
    """
    if not isinstance(text, str):
        raise TypeError(f"{where} must be a str, received {text!r}.")
    cleaned = unicodedata.normalize("NFC", text).strip()
    if not cleaned:
        raise ValueError(f"{where} must not be empty, received {text!r}.")
    try:
        cleaned.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{where} must be text that UTF-8 can write, received {text!r} with half a "
            f"surrogate pair at character {error.start}. Was it decoded with "
            "errors='surrogateescape'?"
        ) from None
    return cleaned


def checked_pairs(pairs: Iterable[Pair | tuple[str, str]]) -> list[Pair]:
    """Returns `Pair`s of checked texts, one for each of `pairs`.

    Raises:
        TypeError: an element is neither a `Pair` nor two texts.
        ValueError: a text is blank.
    """
    try:
        candidates = list(pairs)
    except TypeError:
        raise TypeError(
            f"pairs must be a list of Pair or of (source, target), received {pairs!r}."
        ) from None
    checked = []
    for index, pair in enumerate(candidates):
        if isinstance(pair, (tuple, list)) and len(pair) == 2:
            pair = Pair(*pair)
        if not isinstance(pair, Pair):
            raise TypeError(
                f"pairs[{index}] must be a Pair or a tuple (source, target), "
                f"received {pair!r}."
            )
        source = checked_text(pair.source, f"The source of pairs[{index}]")
        target = checked_text(pair.target, f"The target of pairs[{index}]")
        alignment = pair.alignment  # links from JSON are lists, which have no hash
        if alignment is not None:
            alignment = tuple(map(tuple, alignment))
        possible = tuple(map(tuple, pair.possible))
        checked.append(Pair(source, target, alignment, possible))
    return checked


def pairs_from_tsv(
    path: str | Path,
    source_column: int = 0,
    target_column: int = 1,
    encoding: str = "utf-8",
) -> list[Pair]:
    """Reads one pair a line from columns separated by tabs.

    `Corpus.from_tsv` says what is accepted and which errors are raised.
    """
    columns = {"source_column": source_column, "target_column": target_column}
    for name, column in columns.items():
        if not is_whole(column) or column < 0:
            raise ValueError(f"{name} must be a column from 0 on, received {column!r}.")
    if source_column == target_column:
        raise ValueError(
            f"source_column and target_column must differ, both are {source_column}."
        )
    pairs = []
    lines = re.split(r"\r\n|\r|\n", _decoded(Path(path), encoding))
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        here = f"{path}, line {number}"
        cells = line.split("\t")
        if len(cells) <= max(source_column, target_column):
            raise ValueError(
                f"{here}: a line must have at least {max(columns.values()) + 1} "
                f"columns separated by tabs, received {len(cells)}: {line.strip()!r}."
            )
        source = checked_text(cells[source_column], f"{here}: the source")
        target = checked_text(cells[target_column], f"{here}: the target")
        pairs.append(Pair(source, target))
    if not pairs:
        raise ValueError(
            f"{path} holds no pairs. Write one a line: source, tab, target."
        )
    return pairs


def _decoded(path: Path, encoding: str) -> str:
    content = path.read_bytes()
    try:
        return content.decode(encoding).removeprefix("\ufeff")
    except LookupError:
        raise ValueError(
            f"encoding must be one that Python knows, received {encoding!r}."
        ) from None
    except UnicodeDecodeError as error:
        # "utf-8-sig" counts from behind the byte order mark.
        start = error.start + len(content) - len(error.object)
        line = len(re.findall(rb"\r\n|\r|\n", content[:start])) + 1
        raise ValueError(
            f"{path}, line {line}: byte "
            f"0x{content[start]:02x}, number {start} of the file, is not "
            f"valid {encoding} ({error.reason}). Save the file as UTF-8, or name its "
            "encoding, such as encoding='gb18030'."
        ) from None
