"""SCAN: commands such as "jump left twice", and the actions that carry them out.

The commands, their meaning and the splits are those of Lake & Baroni 2018,
"Generalization without Systematicity" (https://arxiv.org/abs/1711.00350). A grammar of
a few lines makes all 20,910 commands; `actions` says what each one means:

    sentence -> phrase "and" phrase | phrase "after" phrase | phrase
    phrase   -> act "twice" | act "thrice" | act
    act      -> "turn" turn | verb turn | verb
    turn     -> side | "opposite" side | "around" side
    verb     -> "walk" | "look" | "run" | "jump"
    side     -> "left" | "right"

`scan/simple` splits the commands at random: that split is read from its published
files. The other splits follow from rules, and are generated: their files hold the same
lines, in another order. The paper validates with nothing, and neither does a corpus
here: hold out some of `train` yourself if you want to. Different commands may mean the
same, so splits share targets; they never share a command.
"""

from __future__ import annotations

import functools
import itertools
import random
import warnings
from collections.abc import Iterable

from s2s_keras.arguments import check_choice, check_number, check_whole
from s2s_keras.corpora.corpus import Corpus
from s2s_keras.corpora.downloads import DataUnavailable, fetch
from s2s_keras.records import Pair

NAMES = ("scan/simple", "scan/length", "scan/addprim_jump", "scan/addprim_turn_left")
PUBLISHED = ("scan/tasks_train_simple.txt", "scan/tasks_test_simple.txt")

VERBS = {"walk": "I_WALK", "look": "I_LOOK", "run": "I_RUN", "jump": "I_JUMP"}
SIDES = {"left": "I_TURN_LEFT", "right": "I_TURN_RIGHT"}
TIMES = {"twice": 2, "thrice": 3}

SIMPLE_TRAIN = 16_728  # commands, four in five
LONGEST = 22  # actions that a command of the length split's training part asks for
SEED = 0  # of all orders and splits that are drawn here


def commands() -> list[str]:
    """Returns the 20,910 commands of the grammar, short forms first."""
    turns = [f"{how}{side}" for how in ("", "opposite ", "around ") for side in SIDES]
    acts = [*VERBS, *(f"{verb} {turn}" for verb in ("turn", *VERBS) for turn in turns)]
    phrases = [act + times for times in ("", " twice", " thrice") for act in acts]
    both = itertools.product(phrases, ("and", "after"), phrases)
    return phrases + list(map(" ".join, both))


@functools.cache
def actions(command: str) -> str:
    """Says what a command means.

    `actions("jump left twice")` is `"I_TURN_LEFT I_JUMP I_TURN_LEFT I_JUMP"`.

    Args:
        command: one of `commands()`.

    Returns:
        The actions in their published spelling, with spaces in between.

    Raises:
        ValueError: `command` is none of them.
    """
    if command not in _known():
        raise ValueError(
            "command must be one of SCAN's 20,910 commands, such as 'jump left twice "
            f"and walk', received {command!r}."
        )
    return " ".join(_meaning(command.split()))


def _meaning(words: list[str]) -> list[str]:
    if "and" in words:
        first, second = _parts(words, "and")
        return _meaning(first) + _meaning(second)
    if "after" in words:
        first, second = _parts(words, "after")
        return _meaning(second) + _meaning(first)
    *others, last = words
    if last in TIMES:
        return _meaning(others) * TIMES[last]
    if last in VERBS:
        return [VERBS[last]]
    verb, *how = others
    turn, act = [SIDES[last]], [VERBS[verb]] if verb in VERBS else []
    if how == ["opposite"]:
        return turn + turn + act
    if how == ["around"]:
        return (turn + act) * 4
    return turn + act


def _parts(words: list[str], conjunction: str) -> tuple[list[str], list[str]]:
    place = words.index(conjunction)
    return words[:place], words[place + 1 :]


def read(name: str) -> Corpus:
    """Returns the commands in one of the published splits, for `valid` none.

    - `scan/simple`: at random, 16,728 / 4,182.
    - `scan/length`: trains on what takes at most 22 actions, tests on what takes more.
    - `scan/addprim_jump`: tests on what combines "jump" with other words. It trains on
      all commands without "jump", and on "jump" alone, so often that it is one line in
      ten.
    - `scan/addprim_turn_left`: likewise with "turn left".

    Where the published files of `scan/simple` can neither be found nor downloaded, a
    split of the same sizes is drawn instead, always the same one. A warning says so,
    and so do the corpus' name and citation. What was trained on the published split
    must not be tested on it.

    Args:
        name: one of `NAMES`.

    Raises:
        ValueError: `name` is none of them.
    """
    check_choice("name", name, NAMES)
    if name == "scan/simple":
        return _simple()
    if name == "scan/length":
        return _corpus(name, *_by_length())
    return _corpus(name, *_adding(name.partition("addprim_")[2].replace("_", " ")))


def read_share(percent: float, seed: int = SEED) -> Corpus:
    """Returns a random split with few commands to learn from.

    In its Experiment 1 the paper trains on 1, 2, 4, 8, 16, 32 or 64 percent of all
    commands and tests on all the others. Its own draws are not read: these are new.

    Args:
        percent: the part of the 20,910 commands to train on, from 0.01 to 99.99.
        seed: a whole number. With the same one, a smaller part belongs to a larger one.

    Raises:
        ValueError: `percent` is out of range, or `seed` no whole number from 0 on.
    """
    check_number("percent", percent, "from 0.01 to 99.99", lambda p: 0.01 <= p <= 99.99)
    check_whole("seed", seed, 0)
    shuffled = _shuffled(commands(), int(seed))
    train = round(len(shuffled) * percent / 100)
    name = f"scan, {percent:g}% to train"
    return _corpus(name, _pairs(shuffled[:train]), _pairs(shuffled[train:]))


def _simple() -> Corpus:
    try:
        return _corpus("scan/simple", *map(_published, PUBLISHED))
    except DataUnavailable as error:
        note = "the published split of scan/simple cannot be had; this is our own"
        warnings.warn(f"{note}. {error}", stacklevel=2)
    shuffled = _pairs(_shuffled(commands()))
    train, test = shuffled[:SIMPLE_TRAIN], shuffled[SIMPLE_TRAIN:]
    return _corpus(
        "scan/simple, own split", train, test, f" Not split as there: {note}."
    )


def _published(path: str) -> list[Pair]:
    lines = fetch(path).read_text(encoding="utf-8").splitlines()
    return [Pair(*line.removeprefix("IN: ").split(" OUT: ")) for line in lines]


def _by_length() -> tuple[list[Pair], list[Pair]]:
    pairs = _pairs(_shuffled(commands()))
    takes_more = [len(pair.target.split()) > LONGEST for pair in pairs]
    train = [pair for pair, more in zip(pairs, takes_more, strict=True) if not more]
    return train, list(itertools.compress(pairs, takes_more))


def _adding(primitive: str) -> tuple[list[Pair], list[Pair]]:
    without = [command for command in commands() if primitive not in command]
    copies = [primitive] * (len(without) // 9)  # so a tenth of all
    test = [c for c in commands() if primitive in c and c != primitive]
    return _pairs(_shuffled(without + copies)), _pairs(_shuffled(test))


def _pairs(texts: Iterable[str]) -> list[Pair]:
    return [Pair(command, actions(command)) for command in texts]


def _shuffled(texts: list[str], seed: int = SEED) -> list[str]:
    return random.Random(seed).sample(texts, len(texts))


@functools.cache
def _known() -> frozenset[str]:
    return frozenset(commands())


def _corpus(name: str, train: list[Pair], test: list[Pair], note: str = "") -> Corpus:
    return Corpus(
        train=train,
        valid=[],
        test=test,
        name=name,
        source_language="en",
        target_language="x-actions",
        licence="BSD",
        citation="Brenden Lake, Marco Baroni (2018): Generalization without "
        "Systematicity: On the Compositional Skills of Sequence-to-Sequence Recurrent "
        f"Networks. ICML, PMLR 80, pages 2873–2882.{note}",
    )
