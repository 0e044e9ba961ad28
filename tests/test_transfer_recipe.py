"""Tests of `recipes.transfer` and its tables; of the runs, only tiny ones are made."""

import dataclasses
import math

import numpy as np
import pytest

from recipes import results_file, small_runs, transfer, transfer_tables
from recipes.results_file import as_stored
from recipes.small_runs import changed
from s2s_keras import corpora
from s2s_keras.records import Pair
from s2s_keras.text import Tokenizer
from s2s_keras.vectors import WordVectors

SMALL = {
    "vocabulary_size": 300,
    "model": {"units": 8, "embedding_dim": 3},
    "epochs": 1,
}


def check_results(result):
    for corpus in ("hsk", "phrasebook"):
        assert 1 < result["perplexity"][corpus] < math.inf
    for split in ("valid", "test"):
        assert 0 <= result[split]["chrf"]["value"] <= 100
        assert 0 <= result[split]["bleu"]["value"] <= 100
    losses, settings = result["valid_losses"], result["settings"]
    assert losses[result["best_epoch"]] == min(losses)
    assert len(losses) <= settings["epochs"]
    assert ("back_translation" in result) == (settings["added"] == "back-translated")
    assert ("pretrained" in result) == (settings["pretraining"] > 0)
    assert ("neighbors" in result) == (settings["vectors"] is not None)


@pytest.mark.parametrize("name", transfer.RUNS)
def test_stored_results_agree_with_one_another(name):
    for result in results_file.load("transfer")[name]:
        check_results(result)
        settings = result["settings"]
        pairs = 3_846 if settings["added"] is None else 2 * 3_846
        made = result.get("back_translation", {"empty": 0})
        assert result["pairs"] == pairs - made["empty"]
        if settings["vectors"]:
            assert result["neighbors"].keys() == set(transfer.NEIGHBORS_OF)


@pytest.fixture
def few_pairs(monkeypatch):
    """Cuts both corpora down to a few pairs."""
    whole = {name: corpora.load(name) for name in ("hsk", "phrasebook")}
    few = {
        name: dataclasses.replace(
            corpus,
            train=corpus.train[:40],
            valid=corpus.valid[:6],
            test=corpus.test[:6],
        )
        for name, corpus in whole.items()
    }
    monkeypatch.setattr(corpora, "load", few.__getitem__)
    return few


def test_a_tiny_run_gives_all_results(few_pairs):
    run = transfer.RUNS["back-translations"]
    settings = changed(run, pretraining=1, **SMALL)
    measured = transfer.train_and_measure(settings, 0)
    result = as_stored({"settings": settings, **measured})
    check_results(result)
    made = result["back_translation"]
    assert result["pairs"] == 80 - made["empty"]
    genuine = few_pairs["phrasebook"].train
    assert len(made["examples"]) == transfer.EXAMPLES
    for (target, _, source), pair in zip(made["examples"], genuine, strict=False):
        assert (target, source) == (pair.target, pair.source)


@pytest.mark.parametrize("kind", ["frozen", "fine-tuned", "shuffled"])
def test_vectors_are_frozen_fine_tuned_or_shuffled(
    kind, few_pairs, tmp_path, monkeypatch
):
    settings = changed(transfer.RUNS[f"vectors, {kind}"], **SMALL)
    small = few_pairs["hsk"]
    translator = transfer.new_translator(settings, small, few_pairs["phrasebook"])
    tokenizer = translator.target_tokenizer
    random = np.random.default_rng(0)
    lines = [
        " ".join([word.lower(), *map(str, random.normal(size=3).round(3))])
        for word in tokenizer.tokens(range(4, len(tokenizer)))
    ]
    path = tmp_path / "vectors.txt"
    path.write_text("\n".join(lines), encoding="utf-8")
    monkeypatch.setattr(transfer, "VECTORS", path)
    monkeypatch.setattr(transfer, "NEIGHBORS_OF", ("the",))
    told = transfer.set_vectors(translator, kind, small, seed=0)
    assert told["coverage"] == 1.0 and 0.5 < told["running_coverage"] <= 1.0
    assert len(told["neighbors"]["the"]) == 5

    layer = translator.seq2seq.training.get_layer("target_embedding")
    before = layer.embeddings.numpy().copy()
    expected = transfer.load_vectors(path, tokenizer).matrix
    assert np.array_equal(before, expected) == (kind != "shuffled")
    np.testing.assert_array_equal(np.sort(before, axis=0), np.sort(expected, axis=0))
    transfer.fit(translator, small.train, small.valid, settings, seed=0)
    assert np.array_equal(layer.embeddings, before) == (kind == "frozen")


def test_a_word_that_a_model_does_not_know_is_one_unknown_word(monkeypatch):
    made = ["我 <unk> 你 <unk> 。", "<unk>", ""]
    monkeypatch.setattr(transfer, "fit", lambda *_: {})
    monkeypatch.setattr(transfer, "scores", lambda *_, **__: {})
    monkeypatch.setattr(small_runs, "translations", lambda *_: made)
    pairs = [Pair(str(n), text) for n, text in enumerate("abc")]
    corpus = corpora.Corpus(pairs, [], [])
    found, known = transfer.back_translated(None, pairs, corpus, {}, 0)
    tokenizer = Tokenizer.train(["我 你 。"])
    encoded = [tokenizer.tokens(tokenizer.encode(pair.source)) for pair in found]
    assert encoded == [["我", "<unk>", "你", "<unk>", "。"], ["<unk>"]]
    assert [pair.target for pair in found] == ["a", "b"] and known["empty"] == 1
    assert known["examples"][0] == ["a", made[0], "0"]


def test_neighbors_are_found_words_by_cosine_without_the_word_itself():
    tokenizer = Tokenizer.train(["a A b c d"])
    vectors = {"a": [2, 0], "A": [2, 0], "b": [1, 1], "c": [5, 1], "d": [1, 0]}
    matrix = np.ones([len(tokenizer), 2], "float32")
    found = np.zeros(len(tokenizer), bool)
    for word, vector in vectors.items():
        (token_id,) = tokenizer.encode(word)
        matrix[token_id], found[token_id] = vector, word != "d"
    known = WordVectors(matrix, found, coverage=0.8)
    nearest = transfer.neighbors("a", known, tokenizer, count=2)
    assert [word for word, _ in nearest] == ["c", "b"]
    assert nearest[1][1] == pytest.approx(1 / math.sqrt(2))
    with pytest.raises(ValueError, match="'d'"):  # its row is noise
        transfer.neighbors("d", known, tokenizer)


# Tables


@pytest.fixture
def two_seeds(monkeypatch):
    """Made-up results of two seeds; "pretrained" is better in one of them."""
    runs = {}
    for name in transfer.RUNS:
        runs[name] = [
            {
                "seed": seed,
                "perplexity": {
                    "hsk": 10.0 + (seed - 0.5 if name == "pretrained" else 0.0),
                    "phrasebook": 2.0,
                },
                "test": {
                    "bleu": {"value": 1.0, "name": "BLEU", "signature": "one"},
                    "chrf": {"value": 2.0, "name": "chrF2", "signature": "two"},
                },
                "pretrained": {"hsk": 2_000.0 + seed, "phrasebook": 1.5},
                "best_epoch": 0,
                "cpu_seconds": 3.0,
                "valid_losses": [0.0, math.log(2)],
                "neighbors": {"dog": [["cat", 0.5]]},
                "back_translation": {"examples": [["I", "<unk>", "我"]]},
            }
            for seed in (0, 1)
        ]
    monkeypatch.setattr(results_file, "load", lambda recipe: runs)
    return runs


def test_the_table_has_a_line_for_each_run(two_seeds):
    lines = transfer_tables.scores().splitlines()
    assert transfer_tables.IN_WORDS.keys() == transfer.RUNS.keys()
    assert len(lines) == 2 + len(transfer.RUNS)
    (pretrained,) = [line for line in lines if "pretrained on" in line]
    assert "| 10.00 ± 0.71 | 1.0 ± 0.0 | 2.0 ± 0.0 | 1 of 2 | 1.0 ± 0.0 |" in pretrained
    (nothing,) = [line for line in lines if line.startswith("| nothing |")]
    assert "| – |" in nothing
    short = transfer_tables.in_short().splitlines()
    assert len(short) == len(lines)
    assert "| 10.00 ± 0.71 | 1 of 2 | 2.0 ± 0.0 |" in "\n".join(short)


def test_literals_and_short_tables_hold_what_was_measured(two_seeds):
    names = {}
    exec(transfer_tables.curves(), names)
    assert names["VALID_PERPLEXITIES"] == dict.fromkeys(transfer.RUNS, [[1.0, 2.0]] * 2)
    exec(transfer_tables.tests(), names)
    assert names["TEST_SCORES"]["pretrained"]["perplexity"] == [9.5, 10.5]
    assert transfer_tables.signatures() == "- BLEU: `one`\n- chrF2: `two`"
    assert "| dog | cat 0.50 |" in transfer_tables.neighbors()
    assert r"| I | \<unk> | 我 |" in transfer_tables.back_translations()
    before, after, mixed = transfer_tables.forgetting().splitlines()[2:]
    assert before.endswith("| 2000.5 ± 0.7 | 1.50 ± 0.00 |")
    assert after.endswith("| 10.0 ± 0.7 | 2.00 ± 0.00 |")
    assert mixed.endswith("| 10.0 ± 0.0 | 2.00 ± 0.00 |")


def test_a_missing_run_is_named(monkeypatch):
    monkeypatch.setattr(results_file, "load", lambda recipe: {})
    for write in transfer_tables.REGIONS.values():
        with pytest.raises(ValueError, match="recipes.transfer --seed"):
            write()
