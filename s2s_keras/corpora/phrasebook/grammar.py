"""Synchronous grammar: one derivation yields a sentence in two languages, linked.

The rules of a synchronous context-free grammar (Aho and Ullman 1969) have two right
sides that share their parts. Whoever fills the parts gets both sentences at once, and
knows which word comes from which.
"""

from __future__ import annotations

import bisect
import dataclasses
import itertools
import random
import re
from collections.abc import Iterator

from s2s_keras.corpora.phrasebook import rules
from s2s_keras.corpora.phrasebook.lexicon import Lexicon, Word
from s2s_keras.records import Pair

START = "sentence"
_ARTICLE = "a"
# "more interesting" is 有趣; "more" itself has no word in Chinese.
_COMPARING = ("more", "most")


@dataclasses.dataclass(frozen=True, eq=False)
class Derivation:
    """A rule with a word or another derivation in each of its slots.

    Attributes:
        rule: the rule.
        parts: what fills its slots, by label.
        couples: words of this phrase that stand in it because they go together, such as
            a verb and its object; first the one that was drawn first.
    """

    rule: rules.Rule
    parts: dict[str, Word | Derivation]
    couples: tuple[tuple[Word, Word], ...]

    def walk(self) -> Iterator[Derivation]:
        """Yields this derivation and all inside it."""
        yield self
        for part in self.parts.values():
            if isinstance(part, Derivation):
                yield from part.walk()


class Grammar:
    """Rules, and the words that their slots are filled with.

    Args:
        text: the rules.
        lexicon: the words.

    Attributes:
        lexicon: the words.
        rules: the rules of each category.

    Raises:
        ValueError: a rule is not well formed.
    """

    def __init__(self, text: str, lexicon: Lexicon):
        self.lexicon = lexicon
        self.rules = rules.read(text, lexicon.words)
        self._weights = {
            category: list(itertools.accumulate(rule.weight for rule in alternatives))
            for category, alternatives in self.rules.items()
        }
        self._candidates: dict[tuple, list[Word]] = {}

    def derive(self, source: random.Random) -> Derivation:
        """Draws a derivation of a sentence in which no word of the lexicon repeats.

        Args:
            source: where chance comes from. Only its `random()` is called, which is the
                same in every version of Python.
        """
        while True:
            drawn = self._phrase(START, frozenset(), None, source, set())
            if drawn is not None:
                return drawn

    def pair(self, derivation: Derivation) -> Pair:
        """Writes a derivation in both languages, with its word alignment."""
        return _Writer(self.lexicon).pair(derivation)

    def _phrase(
        self,
        category: str,
        tags: frozenset[str],
        partner: Word | None,
        source: random.Random,
        used: set[str],
    ) -> Derivation | None:
        """Draws a phrase whose head has the tags and goes with the partner.

        Returns:
            The derivation; None where no rule of the category allows one.
        """
        alternatives = self.rules[category]
        weights = self._weights[category]
        while True:
            chosen = bisect.bisect(weights, source.random() * weights[-1])
            drawn = self._fill(alternatives[chosen], tags, partner, source, used)
            if drawn is not None or len(alternatives) == 1:
                return drawn
            alternatives = alternatives[:chosen] + alternatives[chosen + 1 :]
            weights = list(itertools.accumulate(rule.weight for rule in alternatives))

    def _fill(
        self,
        rule: rules.Rule,
        tags: frozenset[str],
        partner: Word | None,
        source: random.Random,
        used: set[str],
    ) -> Derivation | None:
        parts: dict[str, Word | Derivation] = {}
        couples = []
        for slot in rule.slots:
            asked = slot.tags | tags if slot.head else slot.tags
            beside = partner if slot.head else None
            if slot.partner is not None:
                beside = parts[slot.partner]
            if slot.category in self.rules:
                part = self._phrase(slot.category, asked, beside, source, used)
            else:
                part = self._word(slot.category, asked, beside, source, used)
                if beside is not None:
                    couples.append((beside, part))
            if part is None:
                return None
            parts[slot.label] = part
        return Derivation(rule, parts, tuple(couples))

    def _word(
        self,
        category: str,
        tags: frozenset[str],
        partner: Word | None,
        source: random.Random,
        used: set[str],
    ) -> Word | None:
        key = (category, tags, partner)
        if key not in self._candidates:
            self._candidates[key] = [
                word
                for word in self.lexicon.words[category]
                if tags <= word.tags and (partner is None or word.suits(partner))
            ]
        words = self._candidates[key]
        while words:
            word = words[int(source.random() * len(words))]
            if word.family not in used:
                used.add(word.family)
                return word
            words = [other for other in words if other is not word]
        return None


class _Writer:
    """A derivation being written. Each word has an id until its place is known."""

    def __init__(self, lexicon: Lexicon):
        self.lexicon = lexicon
        self.texts: list[str] = []
        self.sure: set[tuple[int, int]] = set()
        self.possible: set[tuple[int, int]] = set()

    def pair(self, derivation: Derivation) -> Pair:
        chinese, english = self._phrase(derivation)
        place = {
            word: index
            for side in (chinese, english)
            for index, word in enumerate(side)
        }
        return Pair(
            " ".join(self.texts[word] for word in chinese),
            self._sentence([self.texts[word] for word in english]),
            tuple(sorted((place[a], place[b]) for a, b in self.sure)),
            tuple(sorted((place[a], place[b]) for a, b in self.possible - self.sure)),
        )

    def _phrase(self, derivation: Derivation) -> tuple[list[int], list[int]]:
        """Returns the ids of the phrase's words in Chinese and in English."""
        rule, parts = derivation.rule, derivation.parts
        inside = {
            label: self._phrase(part)
            for label, part in parts.items()
            if isinstance(part, Derivation)
        }
        chinese = [
            inside[symbol.slot][0]
            if symbol.slot in inside
            else self._new(_chinese(symbol, parts))
            for symbol in rule.chinese
        ]
        english = [
            inside[symbol.slot][1]
            if symbol.slot in inside
            else self._new(self._english(symbol, parts))
            for symbol in rule.english
        ]
        for sure, here, there in rule.links:
            for word in english[there]:
                is_sure = sure and self.texts[word] not in _COMPARING
                links = self.sure if is_sure else self.possible
                links.update((other, word) for other in chinese[here])
        return [*itertools.chain(*chinese)], [*itertools.chain(*english)]

    def _new(self, text: str) -> list[int]:
        start = len(self.texts)
        self.texts.extend(text.split(" ") if text else ())
        return list(range(start, len(self.texts)))

    def _english(
        self, symbol: rules.Symbol, parts: dict[str, Word | Derivation]
    ) -> str:
        text = symbol.text
        if text is None:
            text = parts[symbol.slot].english
        for form in symbol.forms:
            column = parts[symbol.slot].columns.get(form)
            text = self.lexicon.inflect(text, form) if column is None else column
        if symbol.agrees is None:
            return text
        number = _number(parts[symbol.agrees])
        if text == _ARTICLE:
            return "" if number == "plural" else text
        if symbol.slot and parts[symbol.slot].category == "human":
            return self.lexicon.inflect(text, "plural") if number == "plural" else text
        return self.lexicon.present(text, number)

    def _sentence(self, words: list[str]) -> str:
        spoken = [
            self.lexicon.article(words[index + 1]) if word == _ARTICLE else word
            for index, word in enumerate(words)
        ]
        text = re.sub(r" (?=[,.?])", "", " ".join(spoken))
        return text[0].upper() + text[1:]


def _chinese(symbol: rules.Symbol, parts: dict[str, Word | Derivation]) -> str:
    if symbol.text is not None:
        return symbol.text
    word = parts[symbol.slot]
    return word.columns[symbol.forms[0]] if symbol.forms else word.chinese


def _number(part: Word | Derivation | str) -> str:
    """Returns what verbs agree with: first, second, singular or plural."""
    if isinstance(part, Derivation):
        return _number(part.parts.get(part.rule.number, part.rule.number))
    if isinstance(part, Word):
        return part.columns.get("number", "singular")
    return part
