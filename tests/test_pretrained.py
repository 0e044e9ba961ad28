"""Tests of the translators that come with the package."""

import json

import h5py
import pytest

from recipes import results_file, ship
from s2s_keras import corpora, evaluation
from s2s_keras.corpora.downloads import DataUnavailable
from s2s_keras.translator import PRETRAINED, Translator

NAMES = sorted(path.name for path in PRETRAINED.iterdir())
SENTENCES = {
    "g2p": ["knight", "psychology"],
    "multi30k": ["Ein Mann liest auf einer Bank.", "Zwei Hunde."],
    "tatoeba": ["你好！", "我想喝茶。"],
}


def size(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_they_are_small_enough_to_ship():
    assert NAMES == sorted(SENTENCES)
    assert all(size(PRETRAINED / name) <= ship.MOST_BYTES for name in NAMES)
    assert size(PRETRAINED) <= 40_000_000


@pytest.mark.parametrize("name", NAMES)
def test_their_weights_are_of_half_precision(name):
    kinds = set()

    def note(_, item):
        if isinstance(item, h5py.Dataset):
            kinds.add(item.dtype.name)

    with h5py.File(PRETRAINED / name / "model.weights.h5") as file:
        file.visititems(note)
    assert "float16" in kinds and not {"float32", "float64"} & kinds, kinds


@pytest.mark.parametrize("name", NAMES)
def test_they_translate_at_once_without_any_data(name, monkeypatch):
    def refuse(*_):
        raise AssertionError("a corpus was looked for")

    monkeypatch.setattr(corpora, "load", refuse)
    translator = Translator.pretrained(name)
    for decoding in ({}, {"decoding": "beam_search", "beam_width": 3}):
        for translation in translator.translate(SENTENCES[name], **decoding):
            assert translation.text
            assert translation.weights.shape == (
                len(translation.tokens),
                len(translation.source_tokens),
            )


@pytest.mark.parametrize("name", NAMES)
def test_they_score_what_the_recipe_measured(name):
    """Rounding to float16 moves a near-tie now and then, and no more."""
    runs = results_file.load(name)[ship.RUN]
    measured = next(run for run in runs if run["seed"] == ship.SEED)
    try:
        pairs = corpora.load(measured["settings"]["corpus"]).test
    except DataUnavailable as error:
        pytest.skip(str(error))
    sources, references = evaluation.group_references(pairs)
    translations = Translator.pretrained(name).translate(sources)
    texts = [translation.text for translation in translations]
    scores = measured["test"]["greedy"]
    if "wer" in scores:
        found = 100 * (1 - evaluation.exact_match(texts, references))
        assert found == pytest.approx(scores["wer"], abs=0.3)
    else:
        found = evaluation.bleu(texts, references, lowercase=True).value
        assert found == pytest.approx(scores["BLEU"]["value"], abs=0.3)


@pytest.mark.parametrize("name", NAMES)
def test_they_are_what_their_recipe_trains(name):
    runs = results_file.load(name)[ship.RUN]
    config = json.loads((PRETRAINED / name / "translator.json").read_text())["model"]
    assert config.items() >= runs[0]["settings"]["model"].items()


@pytest.mark.parametrize("name", ["multi40k", "", "../pretrained/multi30k", None])
def test_a_name_that_is_none_is_refused(name):
    expected = r"name must be one of \['g2p', 'multi30k', 'tatoeba'\]"
    with pytest.raises(ValueError, match=expected):
        Translator.pretrained(name)
