"""Tests of the recipes of real translation: what they train, measure, keep and show.

Of the long training runs only a tiny one is made anew.
"""

import dataclasses
import json
import math

import pytest

from recipes import (
    multi30k,
    multi30k_ablation,
    results_file,
    tatoeba,
    tatoeba_size,
    translation,
    translation_tables,
)
from recipes.results_file import as_stored
from s2s_keras import corpora, training
from s2s_keras.translator import Translator

TINY = translation.Settings(
    corpus="toy",
    model={"builder": "attention_seq2seq", "units": 8, "embedding_dim": 6},
    source_kind="character",
    vocabulary_size=40,
    epochs=2,
    batch_size=2,
    learning_rate=1e-2,
    averaging=0.5,
)


@pytest.fixture(autouse=True)
def toy_with_all_splits(monkeypatch):
    pairs = corpora.load("toy").train
    toy = corpora.Corpus(train=pairs, valid=pairs[:3], test=[*pairs[:2], pairs[0]])
    monkeypatch.setattr(corpora, "load", lambda _: toy)


# Results


@pytest.mark.parametrize("recipe", ["multi30k", "tatoeba", "multi30k_ablation"])
def test_stored_results_agree_with_one_another(recipe):
    for runs in results_file.load(recipe).values():
        for result in runs:
            check_results(result)


def check_results(result):
    assert len(result["valid_losses"]) == result["settings"]["epochs"]
    assert result["parameters"] > 0
    for name in ("seconds_an_epoch", "processor_seconds_an_epoch"):
        assert result[name] is None or result[name] > 0
    assert math.log(result["valid"]["perplexity"]) == pytest.approx(
        result["valid_losses"][-1], rel=1e-4
    ), "perplexity and the last epoch's loss are of the same weights"
    for split in ("valid", "test"):
        for search in ("greedy", "beam"):
            for name, metric in result[split][search].items():
                assert metric["name"] == name and 0 <= metric["value"] <= 100
                assert "case:lc" in metric["signature"]


def test_a_tiny_run_gives_all_results_and_leaves_the_translator(tmp_path):
    made = tmp_path / "tiny-0-attention"
    found = as_stored(
        {
            "settings": dataclasses.asdict(TINY),
            **translation.train_and_measure(TINY, 0, made),
        }
    )
    check_results(found)
    assert found["test"]["sentences"] == 2, "equal sources count once"
    assert [path.name for path in tmp_path.iterdir()] == [made.name]
    pairs = corpora.load("toy").valid
    again = as_stored(translation.measure(Translator.load(made), pairs))
    assert again == found["valid"]


def test_a_run_that_was_broken_off_gives_the_same_results(tmp_path, monkeypatch):
    whole = translation.train_and_measure(TINY, 0, tmp_path / "whole")
    fit = training.fit

    def broken_off(*args, callbacks, **arguments):
        class Kill(type(callbacks[1])):
            def on_epoch_begin(self, epoch, logs=None):
                super().on_epoch_begin(epoch, logs)
                if epoch == 1:
                    raise KeyboardInterrupt

        return fit(*args, callbacks=[Kill()], **arguments)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(training, "fit", broken_off)
        translation.train_and_measure(TINY, 0, tmp_path / "resumed")
    assert (tmp_path / "resumed.backup.npz").exists()
    resumed = translation.train_and_measure(TINY, 0, tmp_path / "resumed")
    for name in ("parameters", "valid_losses", "valid", "test"):
        assert resumed[name] == whole[name]


@pytest.mark.parametrize("schedule", ["cosine", "constant"])
def test_the_learning_rate_of_a_schedule(schedule):
    settings = dataclasses.replace(TINY, schedule=schedule, epochs=10)
    rate = translation.learning_rate(settings, 100)
    if schedule == "constant":
        assert rate == 1e-2
        return
    rates = [float(rate(step)) for step in (0, 50, 550, 1050)]
    assert rates == pytest.approx([1e-3, 1e-2, (1e-2 + 1e-4) / 2, 1e-4], rel=1e-3)


def test_each_ablation_changes_one_thing_for_a_third_of_the_epochs():
    base = multi30k_ablation.RUNS["all"]
    assert base == dataclasses.replace(
        multi30k.RUNS["attention"], epochs=multi30k.BASE.epochs // 3
    )
    settings = [dataclasses.asdict(run) for run in multi30k_ablation.RUNS.values()]
    assert len({json.dumps(one) for one in settings}) == len(settings)
    assert {one["epochs"] for one in settings} == {base.epochs}


def test_a_part_of_tatoeba_is_every_so_manieth_pair(monkeypatch):
    parts = []

    def noted(settings, seed, made, corpus):
        parts.append((settings, made.name, corpus))
        return {"test": {}}

    monkeypatch.setattr(translation, "train_and_measure", noted)
    pairs = corpora.load("toy").train
    for settings in tatoeba_size.RUNS.values():
        found = tatoeba_size.train_and_measure(settings, 3)
        settings, name, corpus = parts.pop()
        assert corpus.train in (pairs[::4], pairs[::2])
        assert found["pairs"] == len(corpus.train)
        assert corpus.test == corpora.load("toy").test
        assert name.startswith("tatoeba_size-3-")
        assert settings == dataclasses.replace(tatoeba.BASE, epochs=settings.epochs)


# Tables


@pytest.fixture
def results(tmp_path, monkeypatch):
    """Results of two seeds, the second of one model alone, made up."""

    def split(bleu):
        metric = {"value": bleu, "signature": "s", "name": "BLEU"}
        chrf = {"value": 2 * bleu, "signature": "t", "name": "chrF2"}
        both = {"BLEU": metric, "chrF2": chrf}
        return {"perplexity": 4.0, "greedy": both, "beam": both}

    for seed, bleu in ((0, 30.0), (1, 31.0)):
        file = results_file.ResultsFile("multi30k", seed, tmp_path)
        for name in list(multi30k.RUNS)[: 1 if seed else None]:
            result = {"parameters": 5_900_000, "processor_seconds_an_epoch": 300}
            result |= {"valid": split(bleu), "test": split(bleu)}
            file.add(name, dataclasses.asdict(multi30k.RUNS[name]), result)
    load = results_file.load
    monkeypatch.setattr(results_file, "load", lambda recipe: load(recipe, tmp_path))


def test_a_line_holds_mean_and_spread_and_says_how_many_seeds(results):
    lines = translation_tables.scores("multi30k").splitlines()
    words = translation_tables.IN_WORDS
    assert [line.split(" | ")[0] for line in lines[2:]] == [
        f"| {model}" for model in words.values()
    ]
    of = dict(zip(words, lines[2:], strict=True))
    assert " | 1 | 5.9 M | 30.0 | 30.0 | 60.0 | 4.00 | 60 |" in of["lstm"]
    assert " | 2 | 5.9 M | 30.5 ± 0.7 | " in of["attention"]
    assert "| 61.0 ± 1.4 | 4.00 ± 0.00 | 60 ± 0 |" in of["attention"]


def test_a_missing_result_is_an_error_not_a_shorter_table(tmp_path, monkeypatch):
    load = results_file.load
    monkeypatch.setattr(results_file, "load", lambda recipe: load(recipe, tmp_path))
    for write in translation_tables.REGIONS.values():
        with pytest.raises(ValueError, match="recipes/results must hold"):
            write()


def test_every_signature_is_told_once(results):
    assert translation_tables.signatures("multi30k") == "- BLEU: `s`\n- chrF2: `t`"


def test_parts_of_tatoeba_have_a_line_each_and_all_of_it_too(results, monkeypatch):
    with pytest.raises(ValueError, match="tatoeba_size --seed 0"):
        translation_tables.sizes()
    test = results_file.load("multi30k")["lstm"][0]["test"]
    stored = {
        "tatoeba_size": {
            name: [{"pairs": 5_000, "test": test}] for name in tatoeba_size.RUNS
        },
        "tatoeba": {"attention": [{"test": test}] * 2},
    }
    monkeypatch.setattr(results_file, "load", stored.get)
    *_, part, whole = translation_tables.sizes().splitlines()
    assert part == "| 5,000 | 30.0 | 30.0 | 60.0 | 4.00 |"
    assert whole.startswith("| all | 30.0 ± 0.0 |")
