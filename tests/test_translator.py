"""Tests of `s2s_keras.translator`."""

import json
import os
import random
import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from s2s_keras import batches, decoding, models, translator
from s2s_keras.models import Seq2Seq
from s2s_keras.records import Pair, Translation
from s2s_keras.text import EOS, PAD, SOS, UNK, Tokenizer
from s2s_keras.translator import Translator

WORDS = [f"w{n}" for n in range(9)]
ANSWERS = [f"a{n}" for n in range(7)]
SOURCE = Tokenizer.train([" ".join(WORDS)])
TARGET = Tokenizer.train([" ".join(ANSWERS)])
TEXTS = ["w3", "w1 w2 w3 w4 w5", "w8 w0", "w1 w1 w7", "w5 w6 w7 w8", "w2", "w0 w0"]


def small_model(seed=2):
    keras.utils.set_random_seed(seed)
    sizes = {"cell": "gru", "units": 9, "embedding_dim": 5}
    return models.encoder_decoder(len(SOURCE), len(TARGET), **sizes)


@pytest.fixture(scope="module")
def made():
    return Translator(small_model(), SOURCE, TARGET, max_length=6, longest_source=5)


@pytest.fixture
def nothing_may_be_translated(monkeypatch):
    def refuse(*_):
        raise AssertionError("a text was translated")

    monkeypatch.setitem(translator.DECODINGS, "greedy", refuse)


# Translating


def test_a_translation_holds_text_tokens_and_score_of_the_greedy_search(made):
    for text, translation in zip(TEXTS, made.translate(TEXTS), strict=True):
        assert isinstance(translation, Translation)
        source = [*SOURCE.encode(text), EOS]
        found = decoding.greedy(made.seq2seq, [source], 6)
        ids = found.tokens[0, : found.lengths[0]]
        assert translation.text == TARGET.decode(ids)
        assert translation.tokens == TARGET.tokens(ids)
        assert translation.source_tokens == [*text.split(), "<eos>"]
        assert translation.score == pytest.approx(found.scores[0], rel=1e-5)
        assert translation.weights is None


def without_score(translations):
    return [(found.text, found.tokens, found.source_tokens) for found in translations]


def test_order_and_company_change_no_translation(made, monkeypatch):
    together = made.translate(TEXTS)
    assert len({found.text for found in together}) > 1, "the texts must matter"
    alone = [made.translate([text])[0] for text in TEXTS]
    order = random.Random(0).sample(range(len(TEXTS)), len(TEXTS))
    shuffled = made.translate([TEXTS[index] for index in order])
    monkeypatch.setattr(translator, "BATCH_SIZE", 3)
    in_threes = made.translate(TEXTS)
    reordered = [shuffled[order.index(index)] for index in range(len(TEXTS))]
    for others in (alone, reordered, in_threes):
        assert without_score(others) == without_score(together)
        assert [found.score for found in others] == pytest.approx(
            [found.score for found in together], rel=1e-5
        )


def test_weights_are_cut_to_the_tokens_of_both_sides():
    answer = TARGET.encode("a4")[0]

    def step(inputs):
        _, state = inputs
        lengths, position = state["lengths"], state["position"]
        token = tf.where(position == lengths - 1, EOS, answer)
        longest = tf.shape(state["weights"])[1]
        weights = tf.one_hot(position, longest) + tf.fill([1, longest], 0.25)
        state = state | {"position": position + 1, "weights": weights}
        return tf.one_hot(token, len(TARGET)), state

    def encode(source):
        lengths = tf.math.count_nonzero(source, axis=1, dtype=tf.int32)
        weights = tf.zeros(tf.shape(source))
        return {"lengths": lengths, "position": 0 * lengths, "weights": weights}

    attending = Translator(Seq2Seq(None, encode, step), SOURCE, TARGET)
    for text, found in zip(TEXTS, attending.translate(TEXTS), strict=True):
        length = len(text.split()) + 1
        assert found.tokens == ["a4"] * (length - 1) + ["<eos>"]
        np.testing.assert_array_equal(found.weights, np.eye(length) + 0.25)


def test_no_text_gives_no_translation(made):
    assert made.translate([]) == []


def test_a_translation_of_max_length_has_no_end():
    never_ends = small_model()
    kernel, bias = never_ends.training.get_layer("logits").get_weights()
    bias[EOS] = -1e9
    never_ends.training.get_layer("logits").set_weights([kernel, bias])
    (found,) = Translator(never_ends, SOURCE, TARGET, max_length=4).translate(["w1"])
    assert len(found.tokens) == 4
    assert "<eos>" not in found.tokens


def test_every_decoding_is_offered_with_its_options(made):
    source = [[*SOURCE.encode(TEXTS[0]), EOS]]
    beam = made.translate(TEXTS[:3], decoding="beam_search", beam_width=3, n_best=2)
    found = decoding.beam_search(
        made.seq2seq, source, beam_width=3, max_length=6, n_best=2
    )
    assert [len(several) for several in beam] == [2, 2, 2]
    for place, translation in enumerate(beam[0]):
        ids = found.tokens[0, place, : found.lengths[0, place]]
        assert translation.text == TARGET.decode(ids)
        assert translation.score == pytest.approx(found.scores[0, place], rel=1e-5)
    sampled = made.translate(TEXTS, decoding="sample", seed=0, max_length=2)
    assert all(len(translation.tokens) <= 2 for translation in sampled)


# Aligning


@pytest.fixture(scope="module")
def attending():
    """A translator with attention whose translations differ in length."""
    keras.utils.set_random_seed(4)
    sizes = {"cell": "gru", "units": 9, "embedding_dim": 5, "input_feeding": True}
    model = models.attention_seq2seq(len(SOURCE), len(TARGET), **sizes)
    logits = model.training.get_layer("logits")
    kernel, bias = logits.get_weights()
    bias[[PAD, SOS, UNK]], bias[EOS] = -1e9, 0.5  # as of a trained model
    logits.set_weights([3.0 * kernel, bias])
    return Translator(model, SOURCE, TARGET, max_length=9, longest_source=5)


TARGETS = ["a3", "a1 a2", "a6 a5 a4 a3 a2", "a0", "a1 a1", "a4", "a2 a0 a3"]
PAIRS = [Pair(source, target) for source, target in zip(TEXTS, TARGETS, strict=True)]


def test_aligning_shows_how_the_model_meets_each_given_token(attending):
    for pair, found in zip(PAIRS, attending.align(PAIRS), strict=True):
        assert isinstance(found, Translation)
        assert found.text == pair.target
        assert found.tokens == [*pair.target.split(), "<eos>"]
        assert found.source_tokens == [*pair.source.split(), "<eos>"]
        assert found.weights.shape == (len(found.tokens), len(found.source_tokens))
        np.testing.assert_allclose(found.weights.sum(axis=1), 1.0, atol=1e-6)
        source, target = (
            [[*tokenizer.encode(text), EOS]]
            for tokenizer, text in ((SOURCE, pair.source), (TARGET, pair.target))
        )
        expected = decoding.score(attending.seq2seq, source, target)
        assert found.score == pytest.approx(expected.scores[0], rel=1e-5)
        np.testing.assert_allclose(found.weights, expected.weights[0], atol=1e-6)


def assert_same(some, others):
    assert without_score(some) == without_score(others)
    for one, other in zip(some, others, strict=True):
        assert one.score == pytest.approx(other.score, rel=1e-5)
        np.testing.assert_allclose(one.weights, other.weights, atol=1e-6)


def test_order_and_company_change_no_alignment(attending, monkeypatch):
    together = attending.align(PAIRS)
    assert_same([attending.align([pair])[0] for pair in PAIRS], together)
    assert_same(attending.align(PAIRS[::-1])[::-1], together)
    assert_same(attending.align(iter(PAIRS)), together)
    monkeypatch.setattr(translator, "BATCH_SIZE", 3)
    assert_same(attending.align(PAIRS), together)


def test_aligning_a_model_s_own_translations_equals_translating(attending):
    translations = attending.translate(TEXTS)
    assert len({found.text for found in translations}) > 1, "the texts must matter"
    ended = [
        (text, found)
        for text, found in zip(TEXTS, translations, strict=True)
        if found.tokens[-1] == "<eos>" and len(found.tokens) > 1
    ]
    assert len({len(found.tokens) for _, found in ended}) > 1
    pairs = [Pair(text, found.text) for text, found in ended]
    assert_same(attending.align(pairs), [found for _, found in ended])


def test_a_model_without_attention_aligns_without_weights(made):
    for pair, found in zip(PAIRS, made.align(PAIRS), strict=True):
        assert found.text == pair.target
        assert found.score < 0.0
        assert found.weights is None


def test_no_pair_gives_no_alignment(made):
    assert made.align([]) == []


@pytest.mark.parametrize(
    "pair, error, message",
    [
        (Pair("", "a1"), ValueError, "source must hold a word. Received: ''"),
        (Pair("who knows", "a1"), ValueError, "source must hold a symbol"),
        (Pair("w1 " * 1_001, "a1"), ValueError, "source must be at most 1,000 tokens"),
        (Pair("w1", ""), ValueError, "target must hold a word. Received: ''"),
        (Pair("w1", " \n"), ValueError, "target must hold a word."),
        (Pair("w1", "\ud800"), ValueError, "target must be valid Unicode"),
        (Pair("w1", 3), TypeError, "target must be a string. Received: 3"),
    ],
    ids=["no source", "unknown", "long", "no target", "blank", "surrogate", "number"],
)
def test_a_pair_that_cannot_be_aligned_is_named(
    pair, error, message, made, monkeypatch
):
    def refuse(*_):
        raise AssertionError("a pair was aligned")

    monkeypatch.setattr(translator, "score", refuse)
    with pytest.raises(error, match=rf"pairs\[1\].{message}"):
        made.align([PAIRS[0], pair])


def test_what_is_no_pair_is_not_aligned(made):
    with pytest.raises(TypeError, match=r"pairs\[1\] must be a Pair. .*'a1'"):
        made.align([PAIRS[0], ("w1", "a1")])


def test_aligning_a_long_source_warns_the_caller(attending):
    with pytest.warns(UserWarning, match=r"pairs\[0\].source has 6 tokens") as seen:
        attending.align([Pair("w1 w2 w3 w4 w5 w6", "a1")])
    assert seen[0].filename == __file__


# Copying


@pytest.fixture(scope="module")
def copying():
    """A translator that copies nearly every word, known or not."""
    keras.utils.set_random_seed(11)
    sizes = {"cell": "gru", "units": 9, "embedding_dim": 5}
    model = models.pointer_generator(len(SOURCE), len(TARGET), **sizes)
    (energy,) = (w for w in model.training.weights if "energy" in w.path)
    energy.assign(4.0 * energy)
    gate = model.training.get_layer("gate")
    gate.set_weights([gate.get_weights()[0], np.array([-9.0])])
    return Translator(model, SOURCE, TARGET, max_length=6)


NEW_TEXTS = ["w3 Zork a2", "Xuxu", "Foo Bar Baz Qux, Zork!", "w1 w2", "Zork Zork w3"]
COPYING = {
    "greedy": {},
    "beam_search": {"beam_width": 3, "n_best": 2},
    "sample": {"seed": 3, "num_samples": 3},
}


@pytest.mark.parametrize("decoding", COPYING)
def test_words_that_no_vocabulary_holds_are_copied(decoding, copying, monkeypatch):
    options = {"decoding": decoding} | COPYING[decoding]
    together = copying.translate(NEW_TEXTS, **options)
    new = set()
    for text, found in zip(NEW_TEXTS, together, strict=True):
        for one in found if isinstance(found, list) else [found]:
            pieces = SOURCE.pieces(text)
            words = [piece.strip("▁") for piece in pieces]
            assert one.source_tokens == [*words, "<eos>"]
            assert set(one.tokens) <= {*words, "<eos>"}
            written = [token for token in one.tokens if token != "<eos>"]
            assert one.text.replace(" ", "") == "".join(written)
            assert one.weights.shape == (len(one.tokens), len(one.source_tokens))
            assert one.generation.shape == (len(one.tokens),)
            assert (one.generation < 0.2).all()
            new |= set(written) - {*WORDS, *ANSWERS}
    assert new, "some words must be new"
    monkeypatch.setattr(translator, "BATCH_SIZE", 2)
    for found, expected in zip(
        copying.translate(NEW_TEXTS[::-1], **options)[::-1], together, strict=True
    ):
        pair = (found, expected) if isinstance(found, list) else ([found], [expected])
        assert_same(*pair)


def test_aligning_follows_copied_words(copying):
    pairs = [Pair("w3 Zork a2", "Zork a2 a1"), Pair("Xuxu", "Xuxu Zork")]
    for pair, found in zip(pairs, copying.align(pairs), strict=True):
        source, beyond = batches.copying_sources([pair.source], SOURCE, TARGET)
        target = [[*batches.copied_ids(pair.target, TARGET, beyond[0]), EOS]]
        expected = decoding.score(copying.seq2seq, source, target)
        assert found.score == pytest.approx(expected.scores[0], rel=1e-5)
        np.testing.assert_allclose(found.weights, expected.weights[0], atol=1e-6)
        target_in = np.array([[SOS, *target[0][:-1]]])
        generation = copying.seq2seq.generation([source, target_in])
        np.testing.assert_allclose(found.generation, generation[0], atol=1e-6)
    assert copying.align(pairs)[0].text == "Zork a2 a1"
    assert copying.align(pairs)[1].text == "Xuxu <unk>", "it is not in the source"


def test_a_loaded_translator_copies_as_the_saved_one(copying, tmp_path):
    copying.save(tmp_path / "saved")
    loaded = Translator.load(tmp_path / "saved")
    found, expected = (each.translate(NEW_TEXTS) for each in (loaded, copying))
    assert_same(found, expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.generation, other.generation)


def test_an_ensemble_copies_too(copying):
    twice = decoding.ensemble([copying.seq2seq, copying.seq2seq])
    found = Translator(twice, SOURCE, TARGET, max_length=6).translate(NEW_TEXTS)
    assert_same(found, copying.translate(NEW_TEXTS))
    assert found[0].generation is None


def pointing_at_each():
    """A model that answers UNK for its second token, and attends to each in turn."""

    def step(inputs):
        _, state = inputs
        lengths, position = state["lengths"], state["position"]
        token = tf.where(position == 1, UNK, TARGET.encode("a4")[0])
        token = tf.where(position == lengths, EOS, token)
        weights = tf.one_hot(position, tf.shape(state["weights"])[1])
        state = state | {"position": position + 1, "weights": weights}
        return tf.one_hot(token, len(TARGET)), state

    def encode(source):
        lengths = tf.math.count_nonzero(source, axis=1, dtype=tf.int32)
        weights = tf.zeros(tf.shape(source))
        return {"lengths": lengths, "position": 0 * lengths, "weights": weights}

    return Seq2Seq(None, encode, step)


def test_an_unknown_word_may_be_replaced_by_the_one_attended_to():
    made = Translator(pointing_at_each(), SOURCE, TARGET)
    texts = ["w3 Zork! w5", "w2 w1", "w7"]
    plain = made.translate(texts)
    assert [found.text for found in plain] == [
        "a4 <unk> a4 a4 a4",
        "a4 <unk> a4",
        "a4 <unk>",
    ]
    replaced = made.translate(texts, replace_unknown=True)
    assert [found.text for found in replaced] == [
        "a4 Zork a4 a4 a4",
        "a4 w1 a4",
        "a4 w7",
    ]
    assert replaced[0].tokens == ["a4", "Zork", "a4", "a4", "a4", "<eos>"]
    assert [found.score for found in replaced] == [found.score for found in plain]
    beams = made.translate(texts, "beam_search", beam_width=2, replace_unknown=True)
    assert beams[0].text == replaced[0].text


def test_unknown_words_are_replaced_by_words_that_attention_found(made):
    with pytest.raises(ValueError, match="replace_unknown must be False .* attention"):
        made.translate(TEXTS, replace_unknown=True)
    subwords = Tokenizer.train([" ".join(WORDS)], "subword", len(SOURCE))
    cut = Translator(pointing_at_each(), subwords, TARGET)
    with pytest.raises(ValueError, match="replace_unknown must be False .* 'subword'"):
        cut.translate(TEXTS, replace_unknown=True)


@pytest.mark.parametrize(
    "arguments",
    [
        {"builder": "pointer_network", "source_features": 2},
        {"builder": "pointer_network", "source_vocabulary": 13},
        {"builder": "encoder_decoder", "source_features": 2},
    ],
    ids=str,
)
def test_a_model_of_vectors_or_places_translates_no_texts(arguments, shared_model):
    model = shared_model(**arguments, cell="rnn")
    for seq2seq in (model, decoding.ensemble([model])):
        with pytest.raises(ValueError, match="seq2seq must read words and write words"):
            Translator(seq2seq, SOURCE, TARGET)


# Bad input


@pytest.mark.parametrize(
    "texts, error, message",
    [
        (["w1", ""], ValueError, r"texts\[1\] must hold a word. Received: ''"),
        ([" \n\t "], ValueError, r"texts\[0\] must hold a word."),
        (
            ["w1", "who knows this?"],
            ValueError,
            r"texts\[1\] must hold a symbol .* Received: 'who knows this\?'",
        ),
        (
            ["长" * 10_000],
            ValueError,
            r"texts\[0\] must hold a symbol .* Received: '长+…",
        ),
        (
            ["w1", ("w1 w22 " * 1429)[:10_000]],
            ValueError,
            r"texts\[1\] must be at most 1,000 tokens long. Received 2,858: 'w1 .*…",
        ),
        (["w1", None], TypeError, r"texts\[1\] must be a string. Received: None of"),
        ([3.5], TypeError, r"texts\[0\] must be a string. Received: 3.5 of type float"),
        ([b"w1"], TypeError, r"texts\[0\] must be a string. .* of type bytes"),
        ([["w1"]], TypeError, r"texts\[0\] must be a string. .* of type list"),
        ("w1", TypeError, r"texts must be a list of str. Received: 'w1'. Write \[text"),
        (b"w1", TypeError, r"texts must be a list of str. Received: b'w1'"),
        (None, TypeError, "texts must be a list of str. Received: None"),
        (7, TypeError, "texts must be a list of str. Received: 7"),
        (["w1", "\ud800"], ValueError, r"texts\[1\] must be valid Unicode"),
    ],
    ids=[
        *("empty", "blank", "unknown", "10,000 characters of a word"),
        *("10,000 characters of words", "None", "float", "bytes", "list"),
        *("one text", "one text of bytes", "nothing", "number", "surrogate"),
    ],
)
def test_a_bad_text_is_named_and_nothing_is_translated(
    texts, error, message, made, nothing_may_be_translated
):
    with pytest.raises(error, match=message) as raised:
        made.translate(texts)
    assert len(str(raised.value)) < 250


def test_a_text_with_some_unknown_symbols_is_translated(made):
    (found,) = made.translate(["w1 who w2"])
    assert found.source_tokens == ["w1", "<unk>", "w2", "<eos>"]


def test_a_text_longer_than_any_of_training_is_translated_with_a_warning(made):
    with pytest.warns(UserWarning, match=r"texts\[1\] has 6 tokens, .*\(5\)") as seen:
        found = made.translate(["w1 w2 w3 w4 w5", "w1 w2 w3 w4 w5 w6"])
    assert len(seen) == 1
    assert seen[0].filename == __file__
    assert len(found[1].source_tokens) == 7


def test_a_search_that_finds_nothing_names_the_text(made):
    with pytest.raises(ValueError, match="found no translation of 'w3'"):
        made.translate(
            ["w3"],
            decoding="beam_search",
            beam_width=2,
            max_length=30,
            min_length=30,
            block_ngrams=1,
        )
    broken = Translator(small_model(), SOURCE, TARGET)
    for variable in broken.seq2seq.training.weights:
        variable.assign(np.full(variable.shape, np.nan))
    with pytest.raises(ValueError, match="weights are not finite"):
        broken.translate(["w3"])


@pytest.mark.parametrize("name", ["max_length", "longest_source"])
@pytest.mark.parametrize("value", [0, "9", 2.5])
def test_lengths_that_are_none_are_named(name, value):
    with pytest.raises(ValueError, match=f"^{name} must be a whole number"):
        Translator(small_model(), SOURCE, TARGET, **{name: value})


def test_without_longest_source_nothing_warns():
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        Translator(small_model(), SOURCE, TARGET, max_length=2).translate(["w1 " * 900])


@pytest.mark.parametrize(
    "tokenizers, message",
    [
        (
            (TARGET, TARGET),
            "source_tokenizer must have as many ids .* 13. Received: 11",
        ),
        (
            (SOURCE, SOURCE),
            "target_tokenizer must have as many ids .* 11. Received: 13",
        ),
    ],
    ids=["source", "target"],
)
def test_a_tokenizer_of_another_size_is_refused(tokenizers, message):
    with pytest.raises(ValueError, match=message):
        Translator(small_model(), *tokenizers)


def test_an_unknown_decoding_or_option_is_named(made):
    with pytest.raises(ValueError, match="^decoding must be one of .'greedy'"):
        made.translate(TEXTS, decoding="beam")
    with pytest.raises(TypeError, match="beam_width"):
        made.translate(TEXTS, beam_width=5)


# Saving and loading


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


CHILD = """
import dataclasses, json, sys
from s2s_keras.translator import Translator
translator = Translator.load(sys.argv[1])
found = translator.translate(json.loads(sys.argv[2]))
print(json.dumps([dataclasses.asdict(translation) for translation in found]))
print(translator.max_length, translator.longest_source)
"""


def test_a_new_process_translates_the_same(made, tmp_path):
    made.save(tmp_path / "deep" / "saved")
    child = subprocess.run(
        [sys.executable, "-c", CHILD, tmp_path / "deep" / "saved", json.dumps(TEXTS)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    translations, settings = child.stdout.splitlines()
    assert [Translation(**found) for found in json.loads(translations)] == (
        made.translate(TEXTS)
    )
    assert settings == "6 5"


@pytest.mark.parametrize(
    "arguments",
    [
        {"score": "general", "local": "predictive", "window": 2},
        {"score": "location", "placement": "bahdanau", "local": "monotonic"},
    ],
    ids=["luong", "bahdanau"],
)
def test_a_loaded_translator_attends_as_the_saved_one(arguments, tmp_path):
    keras.utils.set_random_seed(4)
    sizes = {"cell": "rnn", "units": 9, "embedding_dim": 5}
    model = models.attention_seq2seq(len(SOURCE), len(TARGET), **sizes, **arguments)
    saved = Translator(model, SOURCE, TARGET, max_length=6)
    saved.save(tmp_path / "saved")
    loaded = Translator.load(tmp_path / "saved")
    assert loaded.seq2seq.config == model.config
    assert_same(loaded.translate(TEXTS), saved.translate(TEXTS))
    assert_same(loaded.align(PAIRS), saved.align(PAIRS))


def test_a_saved_folder_holds_four_files_and_no_pickle(made, tmp_path):
    made.save(tmp_path / "saved")
    files = contents(tmp_path / "saved")
    assert set(files) == {
        *("translator.json", "model.weights.h5"),
        *("source_tokenizer.json", "target_tokenizer.json"),
    }
    for name, content in files.items():
        if name.endswith(".json"):
            json.loads(content)
        else:
            assert content.startswith(b"\x89HDF\r\n")
    assert os.listdir(tmp_path) == ["saved"]


def test_the_optimizer_is_not_saved(tmp_path):
    trained = small_model()
    Translator(trained, SOURCE, TARGET).save(tmp_path / "saved")
    before = (tmp_path / "saved" / "model.weights.h5").stat().st_size
    trained.training.compile(optimizer="adam")
    trained.training.optimizer.build(trained.training.trainable_variables)
    Translator(trained, SOURCE, TARGET).save(tmp_path / "saved")
    assert (tmp_path / "saved" / "model.weights.h5").stat().st_size == before


def test_half_precision_halves_the_weights_and_rounds_them(tmp_path):
    keras.utils.set_random_seed(6)
    sizes = {"units": 64, "embedding_dim": 64, "tie_embeddings": True}
    large = models.attention_seq2seq(len(SOURCE), len(TARGET), **sizes)
    whole = Translator(large, SOURCE, TARGET, max_length=6)
    whole.save(tmp_path / "whole")
    whole.save(tmp_path / "half", half_precision=True)
    sizes = [
        (tmp_path / name / "model.weights.h5").stat().st_size
        for name in ("whole", "half")
    ]
    assert sizes[1] < 0.6 * sizes[0]
    assert contents(tmp_path / "half").keys() == contents(tmp_path / "whole").keys()
    half = Translator.load(tmp_path / "half")
    assert {variable.dtype for variable in half.seq2seq.training.weights} == {"float32"}
    pairs = zip(
        large.training.get_weights(), half.seq2seq.training.get_weights(), strict=True
    )
    for before, after in pairs:
        np.testing.assert_array_equal(after, before.astype("float16"))
    assert len(half.translate(TEXTS)) == len(TEXTS)


@pytest.mark.parametrize("there", ["nothing", "an empty folder", "a translator"])
def test_saving_replaces_what_is_there_as_a_whole(there, made, tmp_path):
    folder = tmp_path / "saved"
    if there == "an empty folder":
        folder.mkdir()
    if there == "a translator":
        Translator(small_model(seed=8), SOURCE, TARGET).save(folder)
    made.save(str(folder))
    loaded = Translator.load(str(folder))
    assert loaded.translate(TEXTS) == made.translate(TEXTS)
    assert (loaded.max_length, loaded.longest_source) == (6, 5)
    assert os.listdir(tmp_path) == ["saved"]


def test_a_folder_may_be_the_one_we_are_in_or_a_link(made, tmp_path, monkeypatch):
    inside, link = tmp_path / "inside", tmp_path / "link"
    inside.mkdir()
    link.symlink_to(inside)
    monkeypatch.chdir(inside)
    made.save(".")
    made.save(link)
    assert link.is_symlink() and sorted(os.listdir(tmp_path)) == ["inside", "link"]
    assert Translator.load(inside).translate(TEXTS) == made.translate(TEXTS)


def test_numbers_of_numpy_are_numbers(tmp_path):
    keras.utils.set_random_seed(2)
    sizes = {"cell": "gru", "units": np.int64(9), "embedding_dim": np.int32(5)}
    model = models.encoder_decoder(len(SOURCE), len(TARGET), **sizes)
    lengths = np.array([3, 6])
    own = Translator(model, SOURCE, TARGET, max_length=lengths.max())
    own.save(tmp_path / "saved")
    plain = Translator.load(tmp_path / "saved")
    for options in ({}, {"decoding": "beam_search", "beam_width": 3, "n_best": 2}):
        ours = {n: np.int64(v) if n != "decoding" else v for n, v in options.items()}
        assert own.translate(TEXTS, **ours) == plain.translate(TEXTS, **options)


def test_weights_beyond_half_precision_are_not_saved_so(made, tmp_path):
    large = Translator(small_model(), SOURCE, TARGET)
    large.save(tmp_path / "saved")
    before = contents(tmp_path / "saved")
    variable = large.seq2seq.training.weights[0]
    variable.assign(keras.ops.full(variable.shape, 70_000.0))
    message = "half_precision must be False .* Received: a weight of 70,000"
    with pytest.raises(ValueError, match=message):
        large.save(tmp_path / "saved", half_precision=True)
    assert contents(tmp_path / "saved") == before
    large.save(tmp_path / "saved")


def test_an_ensemble_is_not_saved(made, tmp_path):
    joined = Translator(decoding.ensemble([made.seq2seq]), SOURCE, TARGET)
    with pytest.raises(ValueError, match="seq2seq must be a single model .* ensemble"):
        joined.save(tmp_path / "saved")
    assert not os.listdir(tmp_path)


def test_saving_over_anything_else_is_refused(made, tmp_path):
    notes = tmp_path / "notes.txt"
    notes.write_text("mine")
    with pytest.raises(FileExistsError, match=r"folder must be new.*\['notes.txt'\]"):
        made.save(tmp_path)
    with pytest.raises(
        FileExistsError, match="folder must be no file. Received: .*txt"
    ):
        made.save(notes)
    made.save(tmp_path / "saved")
    (tmp_path / "saved" / "notes.txt").write_text("mine too")
    with pytest.raises(FileExistsError, match=r"folder must be new.*\['notes.txt'\]"):
        made.save(tmp_path / "saved")
    assert (tmp_path / "saved" / "notes.txt").read_text() == "mine too"
    assert notes.read_text() == "mine"


def test_a_save_that_fails_leaves_the_old_translator(made, tmp_path, monkeypatch):
    folder = tmp_path / "saved"
    made.save(folder)
    before = contents(folder)
    other = Translator(small_model(seed=8), SOURCE, TARGET)
    rename = os.replace

    def no_space(tokenizer, path):
        raise OSError("no space left")

    def no_rename(source, destination):
        if os.path.basename(source) == "new":
            raise OSError("no rename")
        rename(source, destination)

    def interrupted(source, destination):
        if os.path.basename(source) == "new":
            raise KeyboardInterrupt("Ctrl-C")
        rename(source, destination)

    for owner, name, failing, kind, message in (
        (Tokenizer, "save", no_space, OSError, "no space left"),
        (translator.os, "replace", no_rename, OSError, "no rename"),
        (translator.os, "replace", interrupted, KeyboardInterrupt, "Ctrl-C"),
    ):
        with monkeypatch.context() as patch, pytest.raises(kind, match=message):
            patch.setattr(owner, name, failing)
            other.save(folder)
        assert contents(folder) == before
        assert os.listdir(tmp_path) == ["saved"]


def test_loading_names_what_is_missing(made, tmp_path):
    with pytest.raises(
        FileNotFoundError, match="nowhere, which has no translator.json"
    ):
        Translator.load(tmp_path / "nowhere")
    for name in translator.FILES:
        made.save(tmp_path / "saved")
        (tmp_path / "saved" / name).unlink()
        with pytest.raises(FileNotFoundError, match=f"which has no {name}."):
            Translator.load(tmp_path / "saved")


@pytest.mark.parametrize("name", [translator.SETTINGS, translator.WEIGHTS])
def test_loading_names_a_folder_whose_files_are_damaged(name, made, tmp_path):
    made.save(tmp_path / "saved")
    file = tmp_path / "saved" / name
    file.write_bytes(file.read_bytes()[:99])
    with pytest.raises(ValueError, match="folder must hold a saved .*saved, whose fil"):
        Translator.load(tmp_path / "saved")
