"""The words of a grammar: Chinese, English, and the forms that English inflects."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping

COMMENT = "#"
_VOWELS = "aeiou"
_SET_COLUMNS = ("tags", "takes")


@dataclasses.dataclass(frozen=True, eq=False)
class Word:
    """A word and its translation.

    Attributes:
        category: the table that it stands in, such as "noun".
        chinese: the word; "classifier" and the like stand in `columns`.
        english: its translation in the form that dictionaries list.
        tags: what it is.
        takes: the tags of the words that it goes with.
        family: words of one family may not meet in a sentence: 我 and 我们 in "We help
            me", or a word and itself.
        columns: what else its line says, by the name of the column.
    """

    category: str
    chinese: str
    english: str
    tags: frozenset[str]
    takes: frozenset[str]
    family: str
    columns: Mapping[str, str]

    def suits(self, other: Word) -> bool:
        """Tells whether one of the two takes the other."""
        return bool(self.takes & other.tags or other.takes & self.tags)


class Lexicon:
    """All words by category, and how their English is inflected.

    Attributes:
        words: the words of each category, in their order.
    """

    def __init__(self, text: str):
        tables = _tables(text)
        irregular = tables.pop("forms")
        self._consonant = {row[0] for row in tables.pop("consonant")}
        self._irregular = {
            (row[0], form): inflected
            for row in irregular
            for form, _, inflected in (cell.partition(" ") for cell in row[1:])
        }
        self.words = {
            category: [_word(category, rows[0], row) for row in rows[1:]]
            for category, rows in tables.items()
        }

    def inflect(self, english: str, form: str) -> str:
        """Returns a form of one or more English words.

        A phrasal verb such as "wait for" inflects its first word, a compound such as
        "train station" its last.

        Args:
            english: the words as a dictionary lists them.
            form: "third" (the present of he, she, it), "past", "participle",
                "gerund", "comparative", "superlative", "plural" or "owner" ("the
                teacher's").

        Raises:
            ValueError: there is no such form.
        """
        if form in ("plural", "owner"):
            start, space, last = english.rpartition(" ")
            return start + space + self._inflect_word(last, form)
        if form in ("comparative", "superlative"):
            return self._inflect_word(english, form)
        first, space, rest = english.partition(" ")
        return self._inflect_word(first, form) + space + rest

    def _inflect_word(self, word: str, form: str) -> str:
        if (word, form) in self._irregular:
            return self._irregular[word, form]
        return _regular(word, form)

    def present(self, verb: str, number: str) -> str:
        """Returns the present of a verb that agrees with a subject of that number.

        Args:
            verb: the verb, "be" among them; "was" gives the past of "be".
            number: "first" ("I"), "second" ("you"), "singular" or "plural".
        """
        form = {"singular": "third", "plural": "many"}.get(number, number)
        first, space, rest = verb.partition(" ")
        if form != "third":
            first = self._irregular.get((first, form), first)
        else:
            first = self._inflect_word(first, form)
        return first + space + rest

    def article(self, following: str) -> str:
        """Returns "a" or "an", by the sound at the start of the following word."""
        vowel = following[0] in _VOWELS and following not in self._consonant
        return "an" if vowel else "a"


def _tables(text: str) -> dict[str, list[list[str]]]:
    tables: dict[str, list[list[str]]] = {}
    rows: list[list[str]] = []
    for line in text.splitlines():
        if not line.strip() or line.startswith(COMMENT):
            continue
        if header := re.fullmatch(r"\[(.+)\]", line):
            rows = tables[header[1]] = []
        else:
            rows.append([cell.strip() for cell in line.split("|")])
    return tables


def _word(category: str, header: Iterable[str], row: Iterable[str]) -> Word:
    cells = dict(zip(header, row, strict=True))
    columns = {name: "" if cell == "-" else cell for name, cell in cells.items()}
    sets = {name: frozenset(columns.pop(name, "").split()) for name in _SET_COLUMNS}
    chinese, english = columns.pop(""), columns.pop("english")
    family = columns.pop("family", chinese)
    return Word(category, chinese, english, family=family, columns=columns, **sets)


def _regular(word: str, form: str) -> str:
    consonant_y = word.endswith("y") and word[-2] not in _VOWELS
    if form in ("plural", "third"):
        if consonant_y:
            return word[:-1] + "ies"
        return word + ("es" if word.endswith(("s", "x", "z", "ch", "sh")) else "s")
    if form in ("past", "participle"):
        if consonant_y:
            return word[:-1] + "ied"
        return word + ("d" if word.endswith("e") else "ed")
    if form == "gerund":
        silent = word.endswith("e") and not word.endswith("ee")
        return (word[:-1] if silent else word) + "ing"
    if form in ("comparative", "superlative"):
        return _compared(word, form, consonant_y)
    if form == "owner":
        return word + "'s"
    raise ValueError(f"form must be one that English has, received {form!r}.")


def _compared(word: str, form: str, consonant_y: bool) -> str:
    ending, adverb = {"comparative": ("er", "more"), "superlative": ("est", "most")}[
        form
    ]
    syllables = len(re.findall(r"[aeiouy]+", word.removesuffix("e")))
    if consonant_y and syllables <= 2:
        return word[:-1] + "i" + ending
    if syllables > 1:
        return f"{adverb} {word}"
    return word.removesuffix("e") + ending
