"""The rules of a synchronous grammar, read from text that `rules.txt` explains."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Iterator

from s2s_keras.corpora.phrasebook.lexicon import COMMENT

# Columns of the lexicon that name another word: the classifier of 书 is not 书.
_COMPANIONS = ("classifier", "unit", "at", "the")
_SYMBOL = re.compile(r"(\{[^}]*\}|[^\s=~]+)([=~]\S+)?")
_LINK = re.compile(r"([=~])([^=~]+)")
_SLOT = re.compile(
    r"(?:(?P<label>[^=]+)=)?(?P<category>[^:/*]+)(?P<tags>(?::[^:/*]+)*)"
    r"(?:/(?P<partner>[^*]+))?(?P<head>\*?)"
)


@dataclasses.dataclass(frozen=True)
class Symbol:
    """One place on one side of a rule.

    Attributes:
        name: what links call it: "not", "noun", "noun.plural".
        text: the word that stands here; None for a slot.
        slot: the slot whose word or phrase stands here; None for a fixed word.
        forms: what is done to the slot's word, one after the other.
        agrees: the slot that a verb or an article agrees with, or None.
    """

    name: str
    text: str | None
    slot: str | None
    forms: tuple[str, ...]
    agrees: str | None


@dataclasses.dataclass(frozen=True)
class Slot:
    """What may fill a part that both sides of a rule share.

    Attributes:
        label: its name inside the rule.
        category: a category of rules or of words.
        tags: what its head must be.
        partner: the slot that its head must go with, or None.
        head: whether it is the head of its own phrase.
    """

    label: str
    category: str
    tags: frozenset[str]
    partner: str | None
    head: bool


@dataclasses.dataclass(frozen=True, eq=False)
class Rule:
    """A category and what it becomes in both languages.

    Attributes:
        category: what the rule expands.
        name: tells it from the other rules of the category.
        weight: how often it is drawn, compared with those.
        number: "singular", "plural", or the slot that has the phrase's number.
        slots: the shared parts, each after its partner.
        chinese: the symbols of the Chinese side.
        english: the symbols of the English side.
        links: `(sure, index in chinese, index in english)` of symbols that are linked.
    """

    category: str
    name: str
    weight: int
    number: str
    slots: tuple[Slot, ...]
    chinese: tuple[Symbol, ...]
    english: tuple[Symbol, ...]
    links: tuple[tuple[bool, int, int], ...]


def read(text: str, word_categories: Collection[str]) -> dict[str, list[Rule]]:
    """Reads rules and checks that they fit together.

    Args:
        text: three lines a rule; blank lines and comments are ignored.
        word_categories: the categories of words, which need no rules.

    Returns:
        The rules of each category.

    Raises:
        ValueError: a rule is not well formed. The message names it.
    """
    lines = (line for line in text.splitlines() if line.strip())
    lines = (line for line in lines if not line.startswith(COMMENT))
    rules: dict[str, list[Rule]] = {}
    for header, chinese, english in zip(lines, lines, lines, strict=True):
        try:
            rule = _rule(header, chinese, english, word_categories)
        except ValueError as error:
            raise ValueError(f"The rule {header!r}: {error}.") from error
        rules.setdefault(rule.category, []).append(rule)
    for alternatives in rules.values():
        for rule in alternatives:
            _check_slots(rule, rules, word_categories)
    return rules


def _rule(
    header: str, chinese: str, english: str, word_categories: Collection[str]
) -> Rule:
    category, name, weight, number = map(str.strip, header.split("|"))
    slots: dict[str, Slot] = {}
    here = list(_symbols(chinese, slots, declares=True))
    there = list(_symbols(english, slots, declares=False))
    return Rule(
        category,
        name,
        int(weight),
        number,
        tuple(_partners_first(slots)),
        tuple(symbol for symbol, _ in here),
        tuple(symbol for symbol, _ in there),
        tuple(dict.fromkeys(_links(here, there, slots, word_categories))),
    )


def _symbols(
    side: str, slots: dict[str, Slot], declares: bool
) -> Iterator[tuple[Symbol, list[tuple[bool, str]]]]:
    """Yields each symbol of a side with its links `(sure, name)`.

    The Chinese side declares the slots; the English side uses them.
    """
    for body, tail in _SYMBOL.findall(side):
        links = [(mark == "=", name) for mark, name in _LINK.findall(tail)]
        if not body.startswith("{"):
            word, _, agrees = body.partition("@")
            symbol = Symbol(body, word.partition("#")[0], None, (), agrees or None)
            yield symbol, links
            continue
        inside = body[1:-1]
        if declares and "." not in inside:
            slot = _slot(inside)
            slots[slot.label] = slot
            inside = slot.label
        name, _, agrees = inside.partition("@")
        label, *forms = name.partition("#")[0].split(".")
        if label not in slots and not declares:
            raise ValueError(f"{label!r} is not on the Chinese side")
        yield Symbol(name, None, label, tuple(forms), agrees or None), links


def _slot(text: str) -> Slot:
    found = _SLOT.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no slot")
    return Slot(
        label=found["label"] or found["category"],
        category=found["category"],
        tags=frozenset(found["tags"].split(":")[1:]),
        partner=found["partner"],
        head=bool(found["head"]),
    )


def _partners_first(slots: dict[str, Slot]) -> list[Slot]:
    ordered: list[Slot] = []
    waiting = list(slots.values())
    while waiting:
        placed = {slot.label for slot in ordered}
        ready = [s for s in waiting if s.partner is None or s.partner in placed]
        if not ready:
            raise ValueError(f"{waiting[0].partner!r} is no slot that can come first")
        ordered.append(ready[0])
        waiting.remove(ready[0])
    return ordered


def _links(
    here: list, there: list, slots: dict[str, Slot], word_categories: Collection[str]
) -> Iterator[tuple[bool, int, int]]:
    for english, (symbol, links) in enumerate(there):
        of_word = symbol.slot and slots[symbol.slot].category in word_categories
        if of_word and not set(symbol.forms) & set(_COMPANIONS):
            links = [(True, symbol.slot), *links]
        for sure, name in links:
            for chinese in _called(name, here):
                yield sure, chinese, english
    for chinese, (_, links) in enumerate(here):
        for sure, name in links:
            for english in _called(name, there):
                yield sure, chinese, english


def _called(name: str, side: list) -> list[int]:
    """Returns the indices of the symbols that a link calls by this name."""
    symbols = [symbol for symbol, _ in side]
    by_name = [index for index, one in enumerate(symbols) if one.name == name]
    by_slot = [index for index, one in enumerate(symbols) if one.slot == name]
    if not by_name and not by_slot:
        raise ValueError(f"a link calls {name!r}, which is not on the other side")
    return by_name or by_slot


def _check_slots(
    rule: Rule, rules: dict[str, list[Rule]], word_categories: Collection[str]
) -> None:
    place = f"The rule {rule.name!r} of {rule.category!r}"
    for slot in rule.slots:
        if (slot.category in rules) == (slot.category in word_categories):
            raise ValueError(
                f"{place}: {slot.category!r} must be a category of rules or of words, "
                "and not both."
            )
        if not (slot.tags or slot.partner or slot.head):
            continue
        for inner in rules.get(slot.category, ()):
            if not any(part.head for part in inner.slots):
                raise ValueError(
                    f"{place} asks something of {slot.category!r}, but its rule "
                    f"{inner.name!r} marks no head."
                )
