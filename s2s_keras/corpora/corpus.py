"""The `Corpus`: pairs, or tasks for pointers, in three splits, and their origin."""

from __future__ import annotations

import dataclasses
import numbers
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from s2s_keras.arguments import is_whole
from s2s_keras.corpora.checked_pairs import checked_pairs, pairs_from_tsv
from s2s_keras.corpora.splitting import split
from s2s_keras.records import Pair, Pointing


@dataclasses.dataclass(frozen=True, repr=False)
class Corpus:
    """Pairs of texts, or tasks for pointers, in three splits.

    A corpus keeps lists of its own: it copies those it is given. It holds records of
    one kind: `Pair` or `Pointing`.

    Attributes:
        train: the records to learn from; at least one.
        valid: the records that decide when to stop; may be empty.
        test: the records to report scores on; may be empty.
        name: what to call the corpus.
        source_language: the sources' language as a code such as "zh"; "" if unknown.
        target_language: the targets' language, likewise.
        licence: the terms of use; "" if unknown.
        citation: whom to credit; "" if unknown.

    Raises:
        TypeError: a split is not a list of `Pair` or of `Pointing`, both kinds are
            mixed, or a description is not a str.
        ValueError: `train` is empty, or a target points where no item is.
    """

    train: list[Pair] | list[Pointing]
    valid: list[Pair] | list[Pointing]
    test: list[Pair] | list[Pointing]
    name: str = "my corpus"
    source_language: str = ""
    target_language: str = ""
    licence: str = ""
    citation: str = ""

    def __post_init__(self) -> None:
        kinds = set()
        for split_name in ("train", "valid", "test"):
            records = getattr(self, split_name)
            if not isinstance(records, (list, tuple)):
                raise TypeError(
                    f"{split_name} must be a list of Pair or of Pointing, received "
                    f"{records!r}."
                )
            for index, record in enumerate(records):
                _check_record(record, f"{split_name}[{index}]")
                kinds.add(type(record).__name__)
            object.__setattr__(self, split_name, list(records))
        if not self.train:
            raise ValueError("train must hold at least one record, received none.")
        if len(kinds) > 1:
            raise TypeError(
                "train, valid and test must hold records of one kind, received both "
                f"{' and '.join(sorted(kinds))}."
            )
        texts = ("name", "source_language", "target_language", "licence", "citation")
        for field in texts:
            if not isinstance(value := getattr(self, field), str):
                raise TypeError(f"{field} must be a str, received {value!r}.")

    def __repr__(self) -> str:
        sizes = f"{len(self.train):,} / {len(self.valid):,} / {len(self.test):,}"
        if isinstance(self.train[0], Pointing):
            return f"<Corpus {self.name!r}: items → places, {sizes} tasks>"
        languages = f"{self.source_language or '?'} → {self.target_language or '?'}"
        return f"<Corpus {self.name!r}: {languages}, {sizes} pairs>"

    @classmethod
    def from_pairs(
        cls,
        pairs: Iterable[Pair | tuple[str, str]],
        *,
        name: str = "my corpus",
        source_language: str = "",
        target_language: str = "",
        licence: str = "",
        citation: str = "",
        valid_share: float = 0.05,
        test_share: float = 0.05,
    ) -> Corpus:
        """Makes a corpus of your own pairs and splits it.

        Texts are brought into Unicode's composed form (NFC) and lose the white space
        at both ends; nothing else changes. A pair that repeats an earlier one exactly
        is dropped; another target for the same source is kept. Each split keeps the
        order of `pairs`.

        Which pairs go where depends on the set of pairs alone, not on their order.
        Two pairs with the same source or the same target, spaces aside, are in the
        same split. Shares are rounded down, and only groups that fit are held out:
        fewer than 20 pairs with the default shares all go to `train`, and so does
        everything when each pair is linked to the next.

        Args:
            pairs: `Pair`s or tuples `(source, target)`; at least one.
            name: what to call the corpus.
            source_language: the sources' language as a code such as "zh".
            target_language: the targets' language, likewise.
            licence: the terms of use.
            citation: whom to credit.
            valid_share: the part of the pairs for `valid`, at least 0.
            test_share: the part for `test`, at least 0; both together below 1.

        Raises:
            TypeError: `pairs` holds something that is not a pair of texts.
            ValueError: there is no pair, a text is empty, or a share is out of range.
        """
        _check_shares(valid_share, test_share)
        checked = checked_pairs(pairs)
        if not checked:
            raise ValueError("pairs must hold at least one pair, received no pairs.")
        train, valid, test = split(checked, valid_share, test_share)
        return cls(
            train=train,
            valid=valid,
            test=test,
            name=name,
            source_language=source_language,
            target_language=target_language,
            licence=licence,
            citation=citation,
        )

    @classmethod
    def from_tsv(
        cls,
        path: str | Path,
        *,
        source_column: int = 0,
        target_column: int = 1,
        encoding: str = "utf-8",
        **options: Any,
    ) -> Corpus:
        """Reads a file with one pair a line, its columns separated by tabs.

        Blank lines and further columns are ignored. The file has no header line.
        Lines may end as on Linux, macOS or Windows; a byte order mark is dropped.

        Args:
            path: the file.
            source_column: the source's column, counted from 0.
            target_column: the target's column, counted from 0.
            encoding: the file's encoding, as Python names it.
            **options: passed on to `Corpus.from_pairs`; `name` is the file's name
                without its ending unless you say otherwise.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file holds no pair, or a line is not in `encoding`, has too
                few columns or an empty text. The message names the line.
        """
        pairs = pairs_from_tsv(path, source_column, target_column, encoding)
        return cls.from_pairs(pairs, **{"name": Path(path).stem, **options})


def _check_record(record: Pair | Pointing, where: str) -> None:
    if isinstance(record, Pointing):
        items = len(record.source)
        for place in record.target:
            if not is_whole(place) or not 0 <= place < items:
                raise ValueError(
                    f"{where} must point at one of its {items} items, counted from 0, "
                    f"received the place {place!r}."
                )
    elif not isinstance(record, Pair):
        raise TypeError(
            f"{where} must be a Pair or a Pointing, received {record!r}. "
            "Corpus.from_pairs accepts tuples."
        )


def _check_shares(valid_share: float, test_share: float) -> None:
    for name, share in (("valid_share", valid_share), ("test_share", test_share)):
        if not isinstance(share, numbers.Real):
            raise TypeError(f"{name} must be a number, received {share!r}.")
        if not 0 <= share < 1:
            raise ValueError(f"{name} must be in [0, 1), received {share}.")
    if valid_share + test_share >= 1:
        raise ValueError(
            "valid_share and test_share together must stay below 1 to leave pairs for "
            f"train, received {valid_share} and {test_share}."
        )
