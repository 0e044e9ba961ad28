"""Tests of `s2s_keras.corpora.scan`: what commands mean, and the published splits."""

import collections
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2s_keras import corpora
from s2s_keras.corpora import Pair, scan

SIZES = {
    "scan/simple": (16_728, 4_182),
    "scan/length": (16_990, 3_920),
    "scan/addprim_jump": (14_670, 7_706),
    "scan/addprim_turn_left": (21_890, 1_208),
}
PRIMITIVES = {"scan/addprim_jump": "jump", "scan/addprim_turn_left": "turn left"}
LEFT, RIGHT, JUMP, WALK = "I_TURN_LEFT", "I_TURN_RIGHT", "I_JUMP", "I_WALK"


@pytest.fixture(scope="module")
def commands():
    return scan.commands()


@pytest.fixture(scope="module")
def loaded():
    """Loads a corpus, or skips the test where that would need the network."""

    def load(name):
        if not corpora.is_here(name):
            pytest.skip(f"{name} is neither in S2S_KERAS_DATA nor in the cache")
        return corpora.load(name)

    return load


@pytest.fixture
def offline(monkeypatch):
    """No published file can be had."""

    def fetch(path):
        raise corpora.DataUnavailable(f"{path} is not here")

    monkeypatch.setattr(scan, "fetch", fetch)


def line(pair):
    """A line of the published files."""
    return f"IN: {pair.source} OUT: {pair.target}\n"


# What commands mean


@pytest.mark.parametrize(
    ("command", "meaning"),
    [  # the paper's Figure 1, in the spelling of the files
        ("jump", [JUMP]),
        ("jump left", [LEFT, JUMP]),
        ("jump around right", [RIGHT, JUMP] * 4),
        ("turn left twice", [LEFT, LEFT]),
        ("jump thrice", [JUMP, JUMP, JUMP]),
        ("jump opposite left and walk thrice", [LEFT, LEFT, JUMP, WALK, WALK, WALK]),
        (
            "jump opposite left after walk around left",
            [LEFT, WALK] * 4 + [LEFT, LEFT, JUMP],
        ),
        ("turn around right", [RIGHT] * 4),
        ("turn opposite left thrice", [LEFT] * 6),
    ],
)
def test_actions_by_hand(command, meaning):
    assert scan.actions(command) == " ".join(meaning)


def test_the_grammar_makes_each_command_once(commands):
    assert len(commands) == len(set(commands)) == 20_910
    assert len({word for command in commands for word in command.split()}) == 13


phrases = st.sampled_from(scan.commands()[:102])  # those without "and" and "after"


@given(phrases, phrases)
def test_meaning_is_composed(first, second):
    one, other = scan.actions(first), scan.actions(second)
    assert scan.actions(f"{first} and {second}") == f"{one} {other}"
    assert scan.actions(f"{first} after {second}") == f"{other} {one}"
    if not first.endswith(("twice", "thrice")):
        assert scan.actions(f"{first} twice") == f"{one} {one}"
        assert scan.actions(f"{first} thrice") == f"{one} {one} {one}"


def test_all_commands_and_meanings_are_the_published_ones(commands):
    lines = sorted(line(Pair(command, scan.actions(command))) for command in commands)
    # of the published files of the simple split, sorted
    hashed = hashlib.sha256("".join(lines).encode()).hexdigest()
    assert hashed == "6be4b39bc8bf3a20be810b6991250d0493e608560609db6765dd679e1ed1c98e"


@pytest.mark.parametrize(
    "command",
    ["", "turn", "jump  twice", "Jump", "walk and run and look", "twice", "left jump"],
)
def test_what_is_no_command_is_refused(command):
    with pytest.raises(ValueError, match=f"command must be .* received {command!r}"):
        scan.actions(command)


# The splits


@pytest.mark.parametrize("name", scan.NAMES)
def test_each_split_has_its_published_size_and_divides_all_commands(
    name, loaded, commands
):
    corpus = loaded(name)
    assert (len(corpus.train), len(corpus.test)) == SIZES[name]
    assert corpus.valid == []
    train, test = ({pair.source for pair in p} for p in (corpus.train, corpus.test))
    assert not train & test
    assert train | test == set(commands)
    assert len(test) == len(corpus.test)
    for pair in corpus.train + corpus.test:
        assert pair.target == scan.actions(pair.source)


def test_the_simple_split_holds_the_lines_of_its_files(loaded):
    corpus = loaded("scan/simple")
    for pairs, path in zip((corpus.train, corpus.test), scan.PUBLISHED, strict=True):
        published = scan.fetch(path).read_text(encoding="utf-8")
        assert list(map(line, pairs)) == published.splitlines(keepends=True)


def test_all_splits_are_made_of_published_lines(loaded):
    simple = loaded("scan/simple")
    published = collections.Counter(map(line, simple.train + simple.test))
    for name in set(scan.NAMES) - set(PRIMITIVES):
        corpus = loaded(name)
        assert collections.Counter(map(line, corpus.train + corpus.test)) == published
    for name, primitive in PRIMITIVES.items():
        corpus = loaded(name)
        found = collections.Counter(map(line, corpus.train + corpus.test))
        repeated = line(Pair(primitive, scan.actions(primitive)))
        assert found.pop(repeated) == len(corpus.train) / 10
        assert found == published - collections.Counter([repeated])


def test_the_turn_left_split_is_as_long_as_its_published_files(loaded):
    corpus = loaded("scan/addprim_turn_left")
    lengths = [sum(map(len, map(line, p))) for p in (corpus.train, corpus.test)]
    assert lengths == [3_974_537, 173_679]  # characters


def test_the_length_split_tests_on_longer_actions(loaded):
    corpus = loaded("scan/length")
    lengths = [
        {len(pair.target.split()) for pair in pairs}
        for pairs in (corpus.train, corpus.test)
    ]
    assert max(lengths[0]) == 22
    assert (min(lengths[1]), max(lengths[1])) == (24, 48)


@pytest.mark.parametrize("name", PRIMITIVES)
def test_a_primitive_is_learned_alone_and_tested_in_company(name, loaded):
    corpus, primitive = loaded(name), PRIMITIVES[name]
    learned = {pair.source for pair in corpus.train if primitive in pair.source}
    assert learned == {primitive}
    assert all(primitive in pair.source for pair in corpus.test)


def test_generated_splits_are_the_same_everywhere_and_shuffled(loaded):
    names = sorted(set(scan.NAMES) - {"scan/simple"})
    texts = [line(p) for n in names for p in loaded(n).train + loaded(n).test]
    hashed = hashlib.sha256("".join(texts).encode()).hexdigest()
    assert hashed[:16] == "7452a4d94ce490d5"
    first = loaded("scan/addprim_jump").train[:1000]
    assert 60 < sum(pair.source == "jump" for pair in first) < 140


# Without the published files


def test_an_own_split_says_that_it_is_one(offline, commands):
    with pytest.warns(UserWarning, match="own.*tasks_train_simple.txt is not here"):
        corpus = scan.read("scan/simple")
    assert corpus.name == "scan/simple, own split"
    assert "this is our own" in corpus.citation
    assert (len(corpus.train), len(corpus.test)) == SIZES["scan/simple"]
    assert {pair.source for pair in corpus.train + corpus.test} == set(commands)
    assert corpus.train[0] == Pair(
        "run around right twice and turn around right thrice",
        scan.actions("run around right twice and turn around right thrice"),
    )


def test_an_own_split_is_not_kept_for_the_published_one(offline, monkeypatch):
    monkeypatch.setattr(corpora, "_READ", {})
    for _ in range(2):
        with pytest.warns(UserWarning, match="own"):
            assert corpora.load("scan/simple").name == "scan/simple, own split"


@pytest.mark.parametrize("name", [name for name in scan.NAMES if name != "scan/simple"])
def test_the_other_splits_need_no_files(name, offline):
    assert scan.read(name).name == name
    assert corpora.is_here(name)


def test_the_simple_split_is_here_with_its_files(tmp_path, monkeypatch):
    monkeypatch.setenv("S2S_KERAS_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert not corpora.is_here("scan/simple")


def test_a_wrong_file_is_an_error_not_another_split(tmp_path, monkeypatch):
    monkeypatch.setenv("S2S_KERAS_DATA", str(tmp_path))
    copy = tmp_path / scan.PUBLISHED[0]
    copy.parent.mkdir()
    copy.write_text("IN: jump OUT: I_JUMP\n")
    with pytest.raises(ValueError, match="is not the published file"):
        scan.read("scan/simple")


# Learning from few commands


def test_a_share_divides_all_commands(commands):
    corpus = scan.read_share(4)
    assert (len(corpus.train), len(corpus.valid), len(corpus.test)) == (836, 0, 20_074)
    assert {pair.source for pair in corpus.train + corpus.test} == set(commands)
    assert corpus.name == "scan, 4% to train"
    assert scan.read_share(4).train == corpus.train


def test_a_smaller_share_belongs_to_a_larger_one():
    shares = [set(scan.read_share(percent).train) for percent in (1, 2, 8)]
    assert list(map(len, shares)) == [209, 418, 1673]
    assert shares[0] < shares[1] < shares[2]
    assert len(shares[0] & set(scan.read_share(1, seed=1).train)) < 20


@pytest.mark.parametrize("percent", [0, 100, -1, 0.001, float("nan"), "4"])
def test_a_share_leaves_something_to_learn_and_to_test(percent):
    with pytest.raises(ValueError, match="percent must be a number from 0.01 to 99.99"):
        scan.read_share(percent)


@pytest.mark.parametrize("seed", [None, "a", 1.5, -1])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(ValueError, match="seed must be a whole number"):
        scan.read_share(4, seed)


def test_a_split_that_is_none_is_named():
    with pytest.raises(ValueError, match="name must be one of .*'scan/addprim_walk'"):
        scan.read("scan/addprim_walk")
