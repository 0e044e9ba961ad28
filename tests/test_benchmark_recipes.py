"""Tests of the recipes of SCAN and CMUdict; only tiny runs are made anew."""

import json

import numpy as np
import pytest

from recipes import (
    g2p,
    g2p_ensemble,
    g2p_tables,
    results_file,
    scan,
    scan_tables,
    small_runs,
)
from recipes.results_file import as_stored
from recipes.small_runs import changed
from s2s_keras import corpora, training
from s2s_keras.corpora import Pair
from s2s_keras.corpora.scan import actions

SMALL = {"units": 6, "embedding_dim": 4}
COMMANDS = ("jump", "walk", "look left", "run twice", "turn right thrice", "walk right")


def corpus_of(pairs):
    return corpora.Corpus(train=pairs, valid=pairs[:3], test=pairs[1:])


def test_runs_have_settings_of_their_own():
    assert len({json.dumps(settings) for settings in scan.RUNS.values()}) == 17
    for name, run in scan.RUNS.items():
        more = scan.AS_IN_THE_PAPER if name.endswith("as in the paper") else {}
        assert run.keys() == scan.BASE.keys() | more.keys()


# SCAN


def test_a_share_of_all_commands_is_drawn_by_the_seed():
    first, again, other = (scan.load("1%", seed).train for seed in (0, 0, 1))
    assert len(first) == 209 and first == again != other


def test_a_tiny_run_says_which_commands_are_right(monkeypatch):
    pairs = [Pair(command, actions(command)) for command in COMMANDS]
    monkeypatch.setattr(scan, "load", lambda name, seed: corpus_of(pairs))
    small = changed(scan.RUNS["lstm, length"], model=SMALL, commands=12)
    found = as_stored(scan.train_and_measure(small, 0))
    assert found["epochs"] == 2 and found["pairs"] == [6, 5]
    assert {n: count[1] for n, count in found["by_actions"].items()} == {
        **{"1": 1, "2": 3, "3": 1}
    }
    assert found["by_word"]["walk"][1] == 2 and found["by_word"]["twice"][1] == 1
    right = sum(count[0] for count in found["by_actions"].values())
    assert found["exact_match"] == pytest.approx(right / 5)
    assert len(found["mistakes"]) == 5 - right
    assert 0 <= found["exact_match_of_known_length"] <= 1


def test_a_tiny_run_as_in_the_paper_takes_commands_one_by_one(monkeypatch):
    pairs = [Pair(command, actions(command)) for command in COMMANDS]
    monkeypatch.setattr(scan, "load", lambda name, seed: corpus_of(pairs))
    rates, asked = [], {}
    fit = training.fit

    def noted(seq2seq, train, **arguments):
        asked.update(arguments)
        history = fit(seq2seq, train, **arguments)
        adam = seq2seq.training.optimizer
        rates.append((float(adam.learning_rate), int(adam.iterations)))
        return history

    monkeypatch.setattr(training, "fit", noted)
    run = changed(scan.RUNS["best, turn left, as in the paper"], model=SMALL)
    scan.train_and_measure(changed(run, commands=6), 0)
    assert rates == [(pytest.approx(1e-3), 6)]
    assert (asked["normalization"], asked["clip_norm"]) == ("sequences", 5.0)
    assert isinstance(asked["scheduled_sampling"], scan.CoinACommand)


def test_a_coin_for_a_command_mixes_no_actions_within_it():
    pairs = [Pair(command, actions(command)) for command in COMMANDS] * 8
    translator = small_runs.new_translator(
        corpus_of(pairs), scan.BASE["model"] | SMALL, max_length=9
    )
    ((source, target_in), *_) = next(
        iter(small_runs.batches_for(translator, pairs, len(pairs), shuffle=False))
    )
    mixed = [
        scan.CoinACommand(None, least=least).mix(
            translator.seq2seq, source, target_in, 0
        )
        for least in (0.5, 0.0, 1.0)
    ]
    half, own, right = (tokens.numpy() for tokens in mixed)
    np.testing.assert_array_equal(right, target_in)
    differ = (own != right).any(axis=1)
    took_right = (half == right).all(axis=1)
    assert (took_right | (half == own).all(axis=1)).all()
    assert 0.2 < took_right[differ].mean() < 0.8


def test_answers_of_known_length_are_neither_shorter_nor_longer():
    class OnlyLooks:
        def translate(self, sources, decoding, beam_width, min_length):
            text = " ".join(["I_LOOK"] * (min_length + 3))
            return [type("Found", (), {"text": text}) for _ in sources]

    pairs = [Pair(c, actions(c)) for c in ("look", "look twice", "look left")]
    assert scan.of_known_length(OnlyLooks(), pairs) == pytest.approx(2 / 3)


# Grapheme to phoneme


@pytest.fixture
def few_words(monkeypatch, tmp_path):
    spoken = {"be": ("B IY",), "by": ("B AY",), "an": ("AE N", "AH N"), "eye": ("AY",)}
    pairs = [Pair(word, text) for word, texts in spoken.items() for text in texts]
    monkeypatch.setattr(corpora, "load", lambda name: corpus_of(pairs))
    monkeypatch.setattr(g2p, "MADE", tmp_path)


def test_tiny_runs_pronounce_alone_and_together(few_words):
    small = changed(g2p.BASE, model=SMALL, epochs=1)
    alone = [as_stored(g2p.train_and_measure(small, seed)) for seed in (0, 1)]
    assert alone[0]["pairs"] == [5, 3, 4]
    assert g2p.made_by(1).is_dir() and not list(g2p.MADE.glob("*.backup*"))
    together = as_stored(g2p_ensemble.measure(corpora.load("cmudict"), (0, 1)))
    for found in (*alone, together):
        assert found["test"]["words"] == 3, "a word with two pronunciations is one"
        for search in ("greedy", "beam"):
            assert 0 <= found["test"][search]["wer"] <= 100
            assert found["test"][search]["per"] >= 0
        wrong = round(found["test"]["beam"]["wer"] * 3 / 100)
        assert len(found["test"]["mistakes"]) == wrong


def test_the_nearest_pronunciation_counts():
    class Fixed:
        def translate(self, words, **options):
            texts = {"an": "AH N", "be": "B IY T"}
            return [type("Found", (), {"text": texts[word]}) for word in words]

    pairs = [Pair("an", "AE N"), Pair("an", "AH N"), Pair("be", "B IY")]
    found = g2p.measure(Fixed(), pairs)
    assert found["beam"] == {"per": pytest.approx(25.0), "wer": pytest.approx(50.0)}
    assert found["mistakes"] == [["be", "B IY T", "B IY"]]


# Tables


def test_tables_set_ours_beside_what_was_published(monkeypatch):
    rates = {"per": 6.0, "wer": 26.0}
    stored = {
        "g2p": [{"test": {"greedy": rates, "beam": rates}}] * 2,
        "g2p_ensemble": [{"test": {"beam": {"per": 5.5, "wer": 24.0}}}],
    }

    def several(recipe, name, least=2):
        if recipe in stored:
            return stored[recipe]
        counts = {
            "by_actions": {"9": [1, 2], "10": [0, 2]},
            "by_word": {"jump": [1, 4]},
        }
        return [
            {
                "exact_match": share,
                scan_tables.KNOWN: 0.5,
                "mistakes": [["jump thrice", "I_RUN " * 12, "I_JUMP " * 3]],
                **counts,
            }
            for share in (0.1, 0.2)
        ]

    monkeypatch.setattr(results_file, "several", several)
    rows = scan_tables.scores().splitlines()
    assert rows[2] == "| number of seeds | 5 | 2 | 5 | 2 | 2 |"
    assert rows[3] == "| simple | 99.7 | 15.0 ± 7.1 | 99.8 " + 2 * "| 15.0 ± 7.1 " + "|"
    assert rows[-2] == "| 4% | 93 | 15.0 ± 7.1 " + 3 * "| – " + "|"
    assert len(rows) == 2 + 1 + len(scan.SPLITS) + 1 + 1
    assert rows[-1].endswith("| 23.6 | 50.0 ± 0.0 | 60.2 " + 2 * "| 50.0 ± 0.0 " + "|")
    more = {"lstm, turn left": 3}
    monkeypatch.setattr(
        results_file,
        "several",
        lambda recipe, name, least: several(recipe, name)[:1] * more.get(name, 2),
    )
    seeds = scan_tables.scores().splitlines()[2]
    assert seeds == "| number of seeds | 5 | 2 to 3 | 5 | 2 | 2 |"
    monkeypatch.setattr(results_file, "several", several)
    names = {}
    exec(scan_tables.by_actions(), names)
    assert names["BY_ACTIONS"]["lstm, length"] == {9: 50.0, 10: 0.0}
    exec(scan_tables.mistakes(), names)
    assert names["MISTAKES"]["lstm"] == [
        ["jump thrice", [" ".join(["I_RUN"] * 10), "I_RUN I_RUN"]]
    ]
    exec(scan_tables.mistakes_with_turn_left(), names)
    assert names["WITH_TURN_LEFT"] == names["MISTAKES"]
    exec(scan_tables.by_word(), names)
    assert names["BY_WORD"]["attention, jump"] == {"jump": 25.0}
    rows = g2p_tables.scores().splitlines()
    together = f"ours, {len(g2p_ensemble.MEMBERS)} models together, beam"
    assert rows[-1] == f"| **{together}** | ours | 5.50 | 24.00 |"
    assert "| **ours, beam** | ours | 6.00 ± 0.00 | 26.00 ± 0.00 |" in rows
