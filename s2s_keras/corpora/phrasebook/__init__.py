"""Chinese–English pairs from a grammar of our own, which know their word alignment.

`rules.txt` is the synchronous grammar, `lexicon.txt` its words. English is a function
of the Chinese. Much of what English must say is marked: time by 昨天, 了, 过, 正在 and
会, number by 三 and 这些. Rules settle the rest: 我 的 书 is one book, 他 每天 看 书 is
"He reads books every day".
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.resources
import itertools
import random
from collections.abc import Iterator

from s2s_keras.corpora.corpus import Corpus
from s2s_keras.corpora.phrasebook.grammar import Derivation, Grammar
from s2s_keras.corpora.phrasebook.lexicon import Lexicon, Word
from s2s_keras.records import Pair

SEED = 1
TRAIN, VALID, TEST = 20_000, 1_000, 1_000
# In words of the source, punctuation counted.
SHORT, LONG = 9, 11
HELD_OUT = 0.1
_NOUNS = ("noun", "mass", "field", "human")
_COMPANIONS = ("verb", "state", "adjective")


@dataclasses.dataclass(frozen=True, eq=False)
class Sentence:
    """A pair and how it was derived."""

    pair: Pair
    derivation: Derivation

    @property
    def rules(self) -> set[tuple[str, str]]:
        """Category and name of the rules used."""
        steps = self.derivation.walk()
        return {(step.rule.category, step.rule.name) for step in steps}

    @property
    def couples(self) -> set[tuple[Word, Word]]:
        """Each verb with its object, each adjective with its noun; the noun last."""
        found = set()
        for step in self.derivation.walk():
            for couple in step.couples:
                noun, companion = sorted(couple, key=_is_noun, reverse=True)
                if _is_noun(noun) and companion.category in _COMPANIONS:
                    found.add((companion, noun))
        return found

    @property
    def length(self) -> int:
        """Words of the source, punctuation counted."""
        return len(self.pair.source.split())


def read() -> Corpus:
    """Returns 20,000, 1,000 and 1,000 sentences at random.

    No two pairs share a source or a target.
    """
    drawn = itertools.islice(sentences(), TRAIN + VALID + TEST)
    rest, test = _apart([sentence.pair for sentence in drawn], TEST)
    return _corpus("phrasebook", *_apart(rest, VALID), test)


def read_length() -> Corpus:
    """Returns a corpus with short sentences to learn from and long ones to test on.

    The sources of `train` and `valid` have at most 9 words, those of `test` at least
    11, punctuation counted. Every word and every rule of the test stands in `train`
    too: only their combination is longer.
    """
    short: list[Pair] = []
    long: list[tuple[Pair, set[tuple[str, str]]]] = []
    rules: set[tuple[str, str]] = set()
    words: set[str] = set()
    for sentence in sentences():
        if sentence.length <= SHORT:
            short.append(sentence.pair)
            rules |= sentence.rules
            words |= _words(sentence.pair)
        elif sentence.length >= LONG:
            long.append((sentence.pair, sentence.rules))
        if len(short) == TRAIN + VALID:
            break
    test = [pair for pair, used in long if used <= rules and _words(pair) <= words]
    return _corpus("phrasebook/length", *_apart(short, VALID), test[:TEST])


def read_composition() -> Corpus:
    """Returns a corpus whose test joins words that never met in training.

    Each sentence of `test` holds a verb with an object, or an adjective with a noun,
    that no sentence of `train` and `valid` holds together. Each of the words stands
    there with others.
    """
    held_out = held_out_couples()
    known: list[Pair] = []
    new: list[Pair] = []
    for sentence in sentences():
        kind = new if sentence.couples & held_out else known
        kind.append(sentence.pair)
        if len(known) == TRAIN + VALID:
            break
    return _corpus("phrasebook/composition", *_apart(known, VALID), new[:TEST])


def held_out_couples() -> set[tuple[Word, Word]]:
    """Returns the verbs with objects and adjectives with nouns kept for the test.

    Every word keeps at least two thirds of its partners for training.
    """
    words = read_grammar().lexicon.words
    couples = [
        (companion, noun)
        for companion in itertools.chain.from_iterable(map(words.get, _COMPANIONS))
        for noun in itertools.chain.from_iterable(map(words.get, _NOUNS))
        if companion.suits(noun)
    ]
    partners = {word: 0 for couple in couples for word in couple}
    for word in itertools.chain.from_iterable(couples):
        partners[word] += 1
    spare = {word: count // 3 for word, count in partners.items()}
    source = random.Random(SEED)
    held_out = set()
    for couple in couples:
        if source.random() < HELD_OUT and all(spare[word] for word in couple):
            held_out.add(couple)
            for word in couple:
                spare[word] -= 1
    return held_out


def sentences(seed: int = SEED) -> Iterator[Sentence]:
    """Yields sentences without end; none repeats a source or a target."""
    source = random.Random(seed)
    sources: set[str] = set()
    targets: set[str] = set()
    while True:
        derivation = read_grammar().derive(source)
        pair = read_grammar().pair(derivation)
        if pair.source in sources or pair.target in targets:
            continue
        sources.add(pair.source)
        targets.add(pair.target)
        yield Sentence(pair, derivation)


@functools.cache
def read_grammar() -> Grammar:
    """Reads the rules and the words; a process does so once."""
    folder = importlib.resources.files(__package__)
    rules, words = (
        (folder / name).read_text(encoding="utf-8")
        for name in ("rules.txt", "lexicon.txt")
    )
    return Grammar(rules, Lexicon(words))


def _apart(items: list, count: int) -> tuple[list, list]:
    """Takes `count` items out at equal distances, so that both parts are alike.

    The shortest sentences are few: they come early in what is drawn, and run out.
    """
    step = len(items) // count
    taken = items[::step]
    del items[::step]
    return items, taken


def _is_noun(word: Word) -> bool:
    return word.category in _NOUNS


def _words(pair: Pair) -> set[str]:
    return {*pair.source.split(), *pair.target.lower().rstrip(".?").split()}


def _corpus(
    name: str, train: list[Pair], valid: list[Pair], test: list[Pair]
) -> Corpus:
    return Corpus(
        train=train,
        valid=valid,
        test=test,
        name=name,
        source_language="zh",
        target_language="en",
        licence="part of this package",
        citation="Sentences from the grammar in s2s_keras/corpora/phrasebook.",
    )
