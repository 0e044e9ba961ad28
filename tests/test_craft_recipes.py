"""Tests of the recipes of the craft of training: what they train, measure and show.

Of the long training runs only tiny ones are made anew.
"""

import dataclasses
import json
import math

import numpy as np
import pytest

from benchmarks import truncation
from recipes import (
    initialization,
    initialization_tables,
    memory,
    memory_tables,
    remedies,
    remedies_tables,
    results_file,
    small_runs,
    source_reversal,
    source_reversal_tables,
)
from recipes.results_file import ResultsFile, as_stored
from recipes.small_runs import changed
from s2s_keras import corpora

RECIPES = {
    "memory": memory,
    "initialization": initialization,
    "source_reversal": source_reversal,
    "remedies": remedies,
}
TABLES = {
    "memory": memory_tables,
    "initialization": initialization_tables,
    "source_reversal": source_reversal_tables,
    "remedies": remedies_tables,
}
SMALL = {"units": 8, "embedding_dim": 4}


@pytest.fixture
def few_pairs(monkeypatch):
    """Every corpus has few pairs."""
    load = corpora.load

    def load_few(name):
        corpus = load(name)
        return dataclasses.replace(
            corpus,
            train=corpus.train[:60],
            valid=corpus.valid[:20],
            test=corpus.test[:10],
        )

    monkeypatch.setattr(corpora, "load", load_few)


# Settings


@pytest.mark.parametrize("name", RECIPES)
def test_runs_differ_in_what_their_names_say(name):
    runs = RECIPES[name].RUNS
    assert len({json.dumps(settings) for settings in runs.values()}) == len(runs)
    base = RECIPES[name].BASE
    for settings in runs.values():
        assert settings.keys() == base.keys()


def test_changes_of_a_dict_go_into_it_and_leave_the_base_alone():
    base = {"model": {"units": 8}, "epochs": 3, "fit": {}}
    new = changed(base, model={"cell": "gru"}, epochs=4, fit={"accumulate": 2})
    assert new == {
        "model": {"units": 8, "cell": "gru"},
        "epochs": 4,
        "fit": {"accumulate": 2},
    }
    assert base == {"model": {"units": 8}, "epochs": 3, "fit": {}}


def test_a_command_runs_what_is_asked_and_not_in_the_results(tmp_path, monkeypatch):
    ran = []

    def train(settings, seed):
        ran.append((settings["units"], seed))
        return {"loss": 1.0}

    monkeypatch.setattr(
        small_runs,
        "ResultsFile",
        lambda recipe, seed: ResultsFile(recipe, seed, tmp_path),
    )
    runs = {"small": {"units": 1}, "large": {"units": 2}, "largest": {"units": 3}}
    for arguments in (["--seed", "5", "--only", "large"], ["--seed", "5"]):
        monkeypatch.setattr("sys.argv", ["recipe", *arguments])
        small_runs.main("a_recipe", "A recipe.", runs, train)
    assert ran == [(2, 5), (3, 5), (1, 5)]
    monkeypatch.setattr("sys.argv", ["recipe", "--seed", "6"])
    small_runs.main("a_recipe", "A recipe.", runs, train, {"small": 6, "large": 7})
    assert ran[3:] == [(2, 6), (3, 6)]
    assert results_file.load("a_recipe", tmp_path).keys() == runs.keys()


# Tiny runs


def test_a_memory_in_steps_is_one_model_and_alone_it_is_many(few_pairs, monkeypatch):
    made = []
    new_model = memory.new_model

    def counted(*arguments):
        made.append(new_model(*arguments))
        return made[-1]

    monkeypatch.setattr(memory, "new_model", counted)
    for way, models in (("in steps", 1), ("alone", 3)):
        made.clear()
        settings = changed(
            memory.BASE, way=way, lengths=(5, 10), model=SMALL, most_epochs=1
        )
        found = as_stored(memory.train_and_measure(settings, 0))
        assert len(made) == models
        assert found["by_length"].keys() == {"5", "10"}
        for measured in found["by_length"].values():
            assert measured["epochs"] == len(measured["gradient_norms"]) == 1
            assert 0 <= measured["valid"] <= 1 and 0 <= measured["test"] <= 1


def test_a_memory_that_is_learned_ends_its_training(few_pairs, monkeypatch):
    monkeypatch.setattr(memory, "right_first_words", lambda *_: memory.LEARNED)
    settings = changed(memory.BASE, model=SMALL)
    seq2seq = memory.new_model(settings["model"], 0)
    assert memory.learn(seq2seq, 5, settings, 0)["epochs"] == 1


def test_right_first_words_are_counted(few_pairs):
    seq2seq = memory.new_model({**memory.BASE["model"], **SMALL}, 0)
    bias = seq2seq.training.get_layer("logits").bias
    of_target = memory.tokenizers()[1]
    for word in "ab":
        (token,) = of_target.encode(word)
        bias.assign(np.where(np.arange(len(of_target)) == token, 1e6, 0.0))
        pairs = corpora.load("memory/5").train
        expected = np.mean([pair.target == word for pair in pairs])
        assert memory.right_first_words(seq2seq, pairs) == pytest.approx(expected)


def test_a_tiny_run_follows_where_the_weights_started(few_pairs):
    run = initialization.RUNS["embeddings at 0.029"]
    small = changed(run, model=SMALL, epochs=2, batch_size=10, every=3, measured=5)
    found = as_stored(initialization.train_and_measure(small, 0))
    assert len(found["valid_losses"]) == len(found["alignment_error_rates"]) == 4
    assert math.log(3) < found["valid_losses"][-1] < found["valid_losses"][0]
    assert found["perplexity"] > 3 and 0 <= found["alignment_error_rate"] <= 1


@pytest.mark.parametrize("name", ["as it is", "reversed"])
def test_a_tiny_run_reads_from_either_end(name, few_pairs):
    small = changed(source_reversal.RUNS[name], model=SMALL, epochs=1)
    found = as_stored(source_reversal.train_and_measure(small, 0))
    exact, first, pairs = map(sum, zip(*found["by_length"].values(), strict=True))
    assert pairs == 10 and exact <= first <= pairs
    assert found["exact_match"] == pytest.approx(exact / pairs)
    assert (found["gradient_at_first"] > 1) == (name == "reversed")


def test_a_tiny_run_tries_remedies(few_pairs):
    run = remedies.RUNS["dropout, tied, smoothed, cosine"]
    small = changed(run, model=SMALL, epochs=1)
    found = as_stored(remedies.train_and_measure(small, 0))
    assert found["best_epoch"] == 0 and found["perplexity"] > 1
    assert "nrefs" in found["bleu"]["signature"] + found["chrf"]["signature"]


# Tables


@pytest.fixture
def made_up(monkeypatch):
    """Results of two seeds for every run of every recipe."""

    def load(recipe):
        runs = RECIPES[recipe].RUNS
        return {
            name: [
                {"seed": seed, "settings": settings, **MADE_UP[recipe](settings, seed)}
                for seed in (0, 1)
            ]
            for name, settings in runs.items()
        }

    monkeypatch.setattr(results_file, "load", load)


def metric(value):
    return {"name": "a metric", "value": value, "signature": "a signature"}


MADE_UP = {
    "memory": lambda settings, seed: {
        "by_length": {
            str(length): {"test": 0.5 + seed / 10} for length in settings["lengths"]
        },
    },
    "initialization": lambda settings, seed: {
        "valid_losses": [2.0, 0.9, 0.4 + seed, 0.6],
        "alignment_error_rates": [0.5, 0.4, 0.3, 0.2],
        "alignment_error_rate": 0.25,
        "exact_match": 0.5,
        "perplexity": 2.0,
    },
    "source_reversal": lambda settings, seed: {
        "exact_match": 0.5,
        "perplexity": 2.0,
        "gradient_at_first": 0.1,
        "by_length": {"3": [1, 2, 4], "14": [1, 1, 1], "15": [0, 1, 3]},
    },
    "remedies": lambda settings, seed: {
        "perplexity": 20.0 + seed,
        "bleu": metric(2.0),
        "chrf": metric(15.0),
        "best_epoch": 5,
        "cpu_seconds": 4.0,
        "losses": [3.0, 2.0],
        "valid_losses": [3.5, 3.25],
    },
}


def rows(table):
    _, _, *lines = table.splitlines()
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]


def value(text):
    names = {}
    exec(text, names)
    return names[text.split(" = ")[0]]


@pytest.mark.parametrize("name", RECIPES)
def test_a_table_has_a_line_for_every_run(name, made_up):
    table = rows(TABLES[name].scores())
    assert len(table) == len(RECIPES[name].RUNS)
    assert len({tuple(row[:2]) for row in table}) == len(table)


@pytest.mark.parametrize("name", RECIPES)
def test_a_missing_run_is_named(name, monkeypatch):
    monkeypatch.setattr(results_file, "load", lambda recipe: {})
    for region in TABLES[name].REGIONS.values():
        with pytest.raises(ValueError, match=rf"2 seeds.*recipes\.{name} --seed"):
            region()


def test_lengths_that_were_not_tried_have_no_number(made_up):
    by_run = {tuple(row[:2]): row[2:] for row in rows(memory_tables.scores())}
    assert by_run["rnn", "alone"] == ["55 ± 7"] * 5 + ["–"]
    assert by_run["rnn, glorot_uniform", "in steps"] == ["55 ± 7"] * 5 + ["–"]
    shares = value(memory_tables.shares())
    assert shares["rnn, alone"][1] == [60.0] * 5 + [None]


def test_steps_to_a_loss_are_those_of_the_first_measurement_below_it(made_up):
    every = initialization.EVERY
    row = rows(initialization_tables.scores())[0]
    assert row[1] == f"{2 * every} ± 0"  # 2.0, 0.9
    assert row[2] == "1 of 2 seeds"  # 0.4, and 1.4
    assert row[3] == "0 of 2 seeds"


def test_every_second_measurement_is_drawn(made_up):
    curves = value(initialization_tables.curves())
    assert curves["every"] == 2 * initialization.EVERY
    assert curves["embeddings at 1"] == {
        "losses": [[0.9, 0.6]] * 2,
        "error_rates": [[0.4, 0.2]] * 2,
    }


def test_long_sources_are_counted_together(made_up):
    found = value(source_reversal_tables.by_length())
    assert found["words"] == [3, 14] and found["sentences"] == [4, 4]
    assert found["reversed"] == [[25.0, 25.0]] * 2
    assert rows(source_reversal_tables.scores())[0][2] == "50.0 ± 0.0"


def test_remedies_are_measured_by_seed(made_up):
    found = value(remedies_tables.measured())
    assert found["nothing"]["perplexity"] == [20.0, 21.0]
    assert value(remedies_tables.by_epoch())["valid_losses"] == [3.5, 3.25]


# The benchmark of truncation


def test_truncation_is_measured_and_memory_never_shrinks(monkeypatch):
    monkeypatch.setattr(truncation, "MODEL", {**truncation.MODEL, "units": 4})
    monkeypatch.setattr(truncation, "VOCABULARY", 20)
    monkeypatch.setattr(truncation, "BATCHES", 1)
    for truncate in (None, 3):
        found = truncation.measure(length=9, chunk=3, truncate=truncate)
        assert found["megabytes"] >= 0 and found["seconds"] > 0


def test_batches_of_the_benchmark_have_the_length_that_is_asked_for():
    (batch,) = truncation.random_batches(7, 1)
    (source, target_in), target_out, weight = batch
    assert target_in.shape == target_out.shape == (truncation.BATCH_SIZE, 7)
    assert weight.numpy().min() == 1
    assert source.shape == (truncation.BATCH_SIZE, truncation.SOURCE_LENGTH)
