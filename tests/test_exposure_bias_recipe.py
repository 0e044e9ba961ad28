"""Tests of the recipe of exposure bias: what it measures, keeps and shows.

Of the long training runs only a tiny one is made anew.
"""

import json
import math

import numpy as np
import pytest
import tensorflow as tf

from recipes import exposure_bias, exposure_bias_tables, results_file
from recipes.results_file import as_stored
from recipes.small_runs import changed
from s2s_keras import batches, corpora
from s2s_keras.models import Seq2Seq
from s2s_keras.records import Pair
from s2s_keras.scheduled_sampling import ScheduledSampling
from s2s_keras.text import EOS, PAD, SOS, SPECIAL_TOKENS, Tokenizer

SHARES = ("forced_accuracy", "free_agreement", "exact_match")


# Results


@pytest.mark.parametrize("name", exposure_bias.RUNS)
def test_stored_results_agree_with_one_another(name):
    for result in results_file.load("exposure_bias")[name]:
        check_results(result)


def check_results(result):
    """Checks that what was measured in several ways agrees."""
    for name in ("parameters", "seconds", "cpu_seconds", "perplexity"):
        assert result[name] > 0 and math.isfinite(result[name])
    assert all(0 <= result[name] <= 1 for name in SHARES)
    by_position, by_length = result["by_position"], result["by_length"]
    tokens = sum(by_position["real"])
    assert tokens == sum(int(n) * counts["pairs"] for n, counts in by_length.items())
    for kind, name in (("forced", "forced_accuracy"), ("free", "free_agreement")):
        hits = sum(by_position[kind])
        assert hits == sum(counts[kind] for counts in by_length.values())
        assert hits / tokens == pytest.approx(result[name], abs=2 / tokens)
    exact = sum(counts["exact"] for counts in by_length.values())
    pairs = sum(counts["pairs"] for counts in by_length.values())
    assert exact / pairs == pytest.approx(result["exact_match"], abs=1e-6)
    assert by_position["forced"][0] == by_position["free"][0], "both have read SOS"
    for counts in result["after_a_wrong_token"].values():
        assert max(counts["wrong"], counts["right"]) <= counts["tokens"] <= pairs
    sampling = result["settings"]["sampling"]
    assert ("teacher_probability" in result["epochs"]) == (sampling is not None)
    for name in ("loss", "perplexity", *SHARES):
        assert len(result["epochs"][name]) == result["settings"]["epochs"]


def test_a_tiny_run_gives_all_results(monkeypatch):
    corpus = corpora.load("phrasebook")
    few = corpora.Corpus(corpus.train[:80], corpus.valid[:7], corpus.test[:20])
    monkeypatch.setattr(corpora, "load", lambda _: few)
    small = changed(
        exposure_bias.RUNS["linear"],
        model={"units": 8, "embedding_dim": 4},
        epochs=2,
        batch_size=10,
    )
    found = exposure_bias.train_and_measure(small, 0)
    found = as_stored({"settings": small, **found})
    check_results(found)
    assert sum(counts["pairs"] for counts in found["by_length"].values()) == 20
    last, halfway = 2 * 80 // 10 - 1, 2 * 80 // 10 * small["halfway"]
    assert found["epochs"]["teacher_probability"][-1] == pytest.approx(
        max(0, 1 - last / (2 * halfway))
    )


def test_every_run_is_of_one_model_and_one_way_to_read():
    sampled = [
        exposure_bias.sampling_of(run, 1_000, 7) for run in exposure_bias.RUNS.values()
    ]
    settings = [json.dumps(run) for run in exposure_bias.RUNS.values()]
    assert len(set(settings)) == len(settings)
    assert sampled[0] is None
    assert sampled[1] == ScheduledSampling("linear", halfway=250, seed=7)
    always = list(exposure_bias.RUNS).index("always")
    assert sampled[always].probability(0) == sampled[always].probability(999) == 0


# Measures


def successor(model_inputs):
    """Logits of a model that always expects the id after the one it reads."""
    _, target_in = model_inputs
    return tf.one_hot(tf.convert_to_tensor(target_in) + 1, 20)


def measured(rows, training=successor):
    """What is measured of a model on targets that are given by their ids."""
    tokenizer = Tokenizer.train([" ".join("abcdefghijklmnop")], "word")
    pairs = [
        Pair(f"a {index}", tokenizer.decode(row)) for index, row in enumerate(rows)
    ]
    model = Seq2Seq(training=training, encoder=None, step=None)
    found = exposure_bias.Measured(model, (tokenizer, tokenizer), pairs)
    assert [[*row, EOS] for row in rows] == [
        [token for token in row if token != PAD] for row in found.target_out.tolist()
    ]
    return found


def test_what_is_read_under_teacher_forcing_is_what_batches_hold():
    pairs = corpora.load("phrasebook").test[:9]
    tokenizers = [
        Tokenizer.train([pair.source for pair in pairs], "word"),
        Tokenizer.train([pair.target for pair in pairs], "word"),
    ]
    found = exposure_bias.Measured(None, tokenizers, pairs)
    plan = batches.make(pairs, *tokenizers, 9, shuffle=False, bucket=False)
    ((source, target_in), target_out, weight) = next(plan.as_numpy_iterator())
    np.testing.assert_array_equal(found.source, source)
    np.testing.assert_array_equal(found.target_in, target_in)
    np.testing.assert_array_equal(found.target_out, target_out)
    np.testing.assert_array_equal(found.real, weight == 1)


def test_one_wrong_token_changes_the_answer_right_behind_it_alone():
    """The model forgets all but the last token, so at distance 2 it is right again."""
    rows = [list(range(4, 4 + length)) for length in (2, 3, 5, 9, 12)]
    found = measured(rows)
    logits = found.logits(found.target_in)
    counts = found.after_a_wrong_token(logits)
    assert list(counts) == list(range(1, exposure_bias.DISTANCES + 1))
    assert counts[1]["tokens"] == len(rows), "the last word is never the wrong one"
    before_the_end = {1: 5, 2: 5}  # EOS follows the last word: the model never says so
    for distance, count in counts.items():
        assert count["wrong"] <= count["right"] <= before_the_end.get(distance, 5)
    assert counts[1]["wrong"] == 0
    assert counts[1]["right"] == 5
    assert counts[2]["wrong"] == counts[2]["right"] > 0


def test_the_wrong_token_is_the_best_word_that_is_not_the_right_one():
    read = []
    order = np.linspace(1, 0, 20)  # lower ids are likelier, special ones most of all

    def training(model_inputs):
        source, target_in = model_inputs
        read.append(np.asarray(target_in))
        return np.broadcast_to(order, (*target_in.shape, 20)).copy()

    rows = [[4, 5, 6], [7, 8, 4], [9, 4]]
    found = measured(rows, training)
    found.after_a_wrong_token(found.logits(found.target_in))
    right, wrong = read
    changed = right != wrong
    assert (changed.sum(axis=1) == 1).all() and not changed[:, 0].any()
    first = len(SPECIAL_TOKENS)
    for was, became in zip(right[changed], wrong[changed], strict=True):
        assert became == (first if was != first else first + 1)
    assert (wrong[:, 0] == SOS).all()


def test_a_text_ends_before_its_first_end():
    assert exposure_bias.cut_at_end([5, 6, EOS, 7, EOS]) == [5, 6]
    assert exposure_bias.cut_at_end([5, 6]) == [5, 6]
    assert exposure_bias.cut_at_end([EOS]) == []


# Tables


@pytest.fixture
def made_up(monkeypatch):
    """Made-up results of every run, two seeds each."""
    epochs = {measure: [0.5, 0.25] for measure in exposure_bias_tables.CURVES}

    def result(share):
        counts = {"forced": 30, "free": 20, "exact": 1, "pairs": 4}
        return {
            "perplexity": 2.0,
            "cpu_seconds": 1.0,
            "chrf": 50.0,
            "forced_accuracy": share,
            "free_agreement": share - 0.25,
            "exact_match": 0.125,
            "epochs": epochs,
            "by_position": {
                "forced": [150, 100, 1],
                "free": [120, 40, 1],
                "real": [200, 200, 199],
            },
            "by_length": {"14": counts, "15": counts, "18": counts},
            "after_a_wrong_token": {"1": {"wrong": 1, "right": 3, "tokens": 4}},
        }

    runs = {name: [result(0.75), result(0.5)] for name in exposure_bias.RUNS}
    monkeypatch.setattr(results_file, "load", lambda recipe: runs)
    return runs


def literal_of(region):
    names = {}
    exec(exposure_bias_tables.REGIONS[region](), names)
    (value,) = [value for name, value in names.items() if name.isupper()]
    return value


def test_scores_have_a_line_for_each_run_and_the_gap_of_each_seed(made_up):
    lines = exposure_bias_tables.REGIONS["exposure bias scores"]().splitlines()[2:]
    assert [line.split(" | ")[0].strip("| ") for line in lines] == list(made_up)
    assert lines[0] == (
        "| teacher forcing | 2.00 ± 0.00 | 62.5 ± 17.7 | 37.5 ± 17.7 | 25.0 ± 0.0 "
        "| 12.5 ± 0.0 | 50.0 ± 0.0 | 1.0 ± 0.0 |"
    )
    short = exposure_bias_tables.REGIONS["exposure bias in short"]().splitlines()[2:]
    assert set(short) < set(lines)


def test_literals_hold_percents_a_seed(made_up):
    curves = literal_of("exposure bias by epoch")
    assert list(curves) == list(exposure_bias_tables.DRAWN)
    assert curves["always"]["exact_match"] == [[50.0, 25.0]] * 2
    positions = literal_of("exposure bias by position")
    assert positions["tokens"] == [200, 200], "positions of few targets are left out"
    assert positions["always"] == {
        "forced": [[75.0, 50.0]] * 2,
        "free": [[60.0, 20.0]] * 2,
    }
    behind = literal_of("exposure bias after a wrong token")
    assert list(behind) == list(exposure_bias.RUNS)
    assert behind["always"] == {"wrong": [[25.0]] * 2, "right": [[75.0]] * 2}


def test_long_targets_are_counted_together(made_up):
    lengths = literal_of("exposure bias by length")
    assert exposure_bias_tables.LONG == 15
    assert lengths["tokens"] == [14, 15] and lengths["pairs"] == [4, 8]
    tokens = [14 * 4, 15 * 4 + 18 * 4]
    assert lengths["always"]["forced"][0] == [
        round(100 * hits / count, 1)
        for hits, count in zip([30, 60], tokens, strict=True)
    ]
    assert lengths["always"]["exact"] == [[25.0, 25.0]] * 2


@pytest.mark.parametrize("region", exposure_bias_tables.REGIONS)
def test_a_missing_run_is_named(region, monkeypatch):
    monkeypatch.setattr(results_file, "load", lambda recipe: {})
    with pytest.raises(ValueError, match="must hold 'teacher forcing'.*--seed"):
        exposure_bias_tables.REGIONS[region]()
