"""Tests of the recipes of pointing and copying; only tiny runs are made anew."""

import dataclasses
import json

import pytest

from recipes import (
    copying,
    copying_tables,
    docstrings,
    docstrings_tables,
    pointers,
    pointers_tables,
    results_file,
)
from recipes.results_file import as_stored
from recipes.small_runs import changed
from s2s_keras import corpora
from s2s_keras.corpora import Pair

RECIPES = {"pointers": pointers, "copying": copying, "docstrings": docstrings}
TABLES = {
    "pointers": pointers_tables,
    "copying": copying_tables,
    "docstrings": docstrings_tables,
}
SMALL = {"units": 8, "embedding_dim": 4}


@pytest.mark.parametrize("name", RECIPES)
def test_runs_differ_in_what_their_names_say(name):
    runs, base = RECIPES[name].RUNS, RECIPES[name].BASE
    assert len({json.dumps(settings) for settings in runs.values()}) == len(runs)
    assert all(settings.keys() == base.keys() for settings in runs.values())


# Tiny runs


@pytest.mark.parametrize("name", ["pointer, convex hull of 5", "plain, sorting of 5"])
def test_a_tiny_run_points_or_writes(name, monkeypatch):
    monkeypatch.setattr(pointers, "TESTED", 4)
    settings = changed(pointers.RUNS[name], tasks=30, epochs=1, model=SMALL)
    found = as_stored(pointers.train_and_measure(settings, 0))
    assert found["by_length"].keys() == set(map(str, settings["tested"]))
    for scores in found["by_length"].values():
        assert 0 <= scores["exact"] <= 1
        assert ("failures" in scores) == ("hull" in name)


def test_tasks_of_several_lengths_are_mixed():
    settings = pointers.RUNS["pointer, sorting of 5-10"]
    tasks = pointers.drawn(settings, 12, 5, 10, part=0)
    assert [len(task.source) for task in tasks] == [5, 6, 7, 8, 9, 10] * 2


@pytest.fixture
def few_pairs(monkeypatch):
    """Two corpora of a few sentences, in which every name is new."""
    names = [f"Ba{letter}o" for letter in "bcdfghjklmnpqrst"]
    pairs = [
        Pair(f"the name is {name} , say hello .", f"hello {name} .") for name in names
    ]
    corpus = corpora.Corpus(train=pairs[:10], valid=pairs[10:12], test=pairs[12:])
    monkeypatch.setattr(corpora, "load", lambda name: corpus)
    return corpus


@pytest.mark.parametrize("name", ["attention", "pointer-generator, coverage"])
def test_a_tiny_run_copies_or_does_not(name, few_pairs):
    run = changed(copying.RUNS[name], vocabulary_sizes=[9, 11], epochs=1, model=SMALL)
    found = as_stored(copying.train_and_measure(run, 0))
    copies = name != "attention"
    assert 0 <= found["exact_match"] <= 1 and 0 <= found["copy_accuracy"] <= 1
    assert ("replaced" in found) == (not copies)
    assert [source for source, _, _ in found["examples"]] == [
        pair.source for pair in few_pairs.test
    ]


def test_a_tiny_run_charges_for_coverage_at_the_end(few_pairs):
    run = docstrings.RUNS["pointer-generator, coverage"]
    run = changed(run, vocabulary_size=11, epochs=1, charged_epochs=1, model=SMALL)
    found = as_stored(docstrings.train_and_measure(run, 0))
    assert len(found["valid_losses"]) == 2 and found["pairs"] == [10, 2, 4]
    for search in ("greedy", "beam"):
        assert 0 <= found[search]["generation"] <= 1
        assert len(found[search]["examples"]) == 4
    assert len(found["own"]) == len(docstrings.OWN)
    for own in found["own"]:
        assert len(own["tokens"]) == len(own["beyond"]) == len(own["generation"])
        assert len(own["coverage"]) == len(own["source"].split()) + 1
        assert sum(own["coverage"]) == pytest.approx(len(own["tokens"]), abs=0.5)
    assert found[docstrings.REFERENCES]["rouge"] == {
        **{"one": 100.0, "two": 100.0, "longest": 100.0}
    }


# Tables


@pytest.fixture
def made_up(monkeypatch):
    """Results of two seeds for every run of every recipe."""

    def load(recipe):
        return {
            name: [
                {"seed": seed, "settings": settings, **MADE_UP[recipe](settings, seed)}
                for seed in (0, 1)
            ]
            for name, settings in RECIPES[recipe].RUNS.items()
        }

    monkeypatch.setattr(results_file, "load", load)


def summary(repeated):
    scores = {"one": 30.0, "two": 10.0, "longest": 25.0}
    return {"rouge": scores, "novel": [0.5] * 4, "repeated": [repeated] * 4}


def copied(seed, copies):
    scores = {"exact_match": 0.5 + seed / 10, "copy_accuracy": 0.75}
    if copies:
        return {**scores, "generation_of_known": 0.9, "generation_of_unknown": 0.1}
    return {**scores, "replaced": scores}


MADE_UP = {
    "pointers": lambda settings, seed: {
        "by_length": {
            str(length): {
                "exact": 0.5,
                "accuracy": 0.6 + seed / 10,
                "coverage": 0.99,
                "failures": 0.005 if length < 10 else 0.02,
            }
            for length in settings["tested"]
        }
    },
    "copying": lambda settings, seed: copied(
        seed, settings["model"]["builder"] == "pointer_generator"
    ),
    "docstrings": lambda settings, seed: {
        "greedy": summary(0.02 * seed),
        "beam": {**summary(0.1), "generation": 0.5},
        docstrings.LEAD: summary(0.0),
        docstrings.REFERENCES: summary(0.04),
        "own": [OWN_SUMMARY],
    },
}
OWN_SUMMARY = {
    "source": "a text in many words " * 5 + ".",
    "reference": "a text .",
    "tokens": ["a", "bo", "<eos>"],
    "beyond": [False, True, False],
    "generation": [0.9, 0.07, 1.0],
    "coverage": [0.12, 1.5],
}


def rows(table):
    _, _, *lines = table.splitlines()
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]


@pytest.mark.parametrize("name", RECIPES)
def test_a_missing_run_is_named(name, monkeypatch):
    monkeypatch.setattr(results_file, "load", lambda recipe: {})
    for region in TABLES[name].REGIONS.values():
        with pytest.raises(ValueError, match=rf"2 seeds.*recipes\.{name} --seed"):
            region()


def test_hulls_and_sorted_lists_stand_by_model_and_by_length(made_up):
    table = rows(pointers_tables.hulls())
    assert len(table) == 6
    assert table[0] == ["pointer network", "5", "65.0 ± 7.1", "99.0 ± 0.0", "0.5 ± 0.0"]
    assert table[3] == [
        "pointer network",
        "10",
        "65.0 ± 7.1",
        "99.0 ± 0.0",
        "2.0 ± 0.0",
    ]
    assert rows(pointers_tables.sorting())[2] == ["neither", *["50.0 ± 0.0"] * 2]
    assert [row[1:3] for row in rows(pointers_tables.longer())[:3]] == [
        ["65.0 ± 7.1"] * 2,
        ["99.0 ± 0.0"] * 2,
        ["0.5 ± 0.0", "2.0 ± 0.0"],
    ]


def test_replaced_words_have_a_line_of_their_own(made_up):
    table = rows(copying_tables.scores())
    assert [row[0] for row in table] == [
        "attention",
        "attention, unknown words replaced",
        "pointer-generator",
        "pointer-generator, coverage",
    ]
    assert table[0][1:] == ["55.0 ± 7.1", "75.0 ± 0.0", "–", "–"]
    assert table[2][3:] == ["0.900 ± 0.000", "0.100 ± 0.000"]


def test_summaries_stand_beside_the_lead_and_the_references(made_up):
    table = rows(docstrings_tables.scores())
    assert [row[0] for row in table] == [
        *docstrings.RUNS,
        docstrings.LEAD,
        docstrings.REFERENCES,
    ]
    names = {}
    exec(docstrings_tables.repetition(), names)
    assert names["REPEATED"]["pointer-generator"] == [[0.0] * 4, [2.0] * 4]
    assert names["REPEATED"][docstrings.REFERENCES] == [4.0] * 4


def test_summaries_of_this_package_are_kept_in_short_lines(made_up):
    names = {}
    exec(docstrings_tables.own_summaries(), names)
    (example,) = names["OWN_SUMMARIES"]
    assert " ".join(example["source"]) == OWN_SUMMARY["source"]
    assert max(map(len, example["source"])) <= 60
    assert example["summaries"].keys() == docstrings.RUNS.keys()
    assert example["summaries"]["attention"] == {
        "tokens": ["a bo <eos>"],
        "beyond": ["0 1 0"],
        "generation": ["90 7 100"],
        "coverage": ["12 150"],
    }


def test_a_charged_translator_has_the_same_weights(few_pairs):
    model = {"builder": "pointer_generator", "coverage_weight": 0.0, **SMALL}
    free = copying.new_translator(
        few_pairs, {"model": model, "vocabulary_sizes": [9, 11]}
    )
    charged = docstrings.charged(free)
    assert charged.seq2seq.config["coverage_weight"] == 1.0
    assert dataclasses.is_dataclass(charged.seq2seq)
    for one, other in zip(
        free.seq2seq.training.get_weights(),
        charged.seq2seq.training.get_weights(),
        strict=True,
    ):
        assert (one == other).all()
