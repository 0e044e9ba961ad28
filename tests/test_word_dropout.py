"""Tests of `s2s_keras.layers.word_dropout`, alone and in the models that use it."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_keras import models
from s2s_keras.layers import WordDropout

RATE = 0.3
MODELS = {
    "plain": {},
    "plain, tied": {"tie_embeddings": True},
    "luong, tied": {"builder": "attention_seq2seq", "tie_embeddings": True},
    "input feeding": {"builder": "attention_seq2seq", "input_feeding": True},
    "bahdanau": {"builder": "attention_seq2seq", "placement": "bahdanau"},
}
every_model = pytest.mark.parametrize("arguments", MODELS.values(), ids=MODELS)


def normal(*shape):
    """Draws vectors none of whose features is 0."""
    draw = np.random.default_rng(0).normal(size=shape).astype("float32")
    return draw + np.where(draw < 0, -0.1, 0.1).astype("float32")


def assert_dropped(outputs, inputs, rate):
    """Asserts that every vector is gone or grown; returns which are gone."""
    outputs, inputs = map(ops.convert_to_numpy, (outputs, inputs))
    gone = (outputs == 0.0).all(axis=-1)
    np.testing.assert_allclose(outputs[~gone], inputs[~gone] / (1 - rate), rtol=1e-6)
    return gone


# The layer


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_whole_words_are_dropped_at_the_rate_and_the_others_grow(rate):
    keras.utils.set_random_seed(1)
    inputs = normal(50, 80, 3)
    gone = assert_dropped(WordDropout(rate)(inputs, training=True), inputs, rate)
    deviation = np.sqrt(rate * (1 - rate) * gone.size)
    assert abs(gone.sum() - rate * gone.size) < 4 * deviation
    rows, positions = gone.sum(axis=1), gone.sum(axis=0)
    assert np.ptp(rows) > 2 and np.ptp(positions) > 2, "each word has its own coin"


def test_a_single_step_drops_whole_words_too():
    keras.utils.set_random_seed(1)
    inputs = normal(400, 3)
    gone = assert_dropped(WordDropout(RATE)(inputs, training=True), inputs, RATE)
    assert 80 < gone.sum() < 160


def test_each_call_drops_other_words():
    layer, inputs = WordDropout(0.5), normal(20, 5, 3)
    first, second = (ops.convert_to_numpy(layer(inputs, training=True)) for _ in "12")
    assert (first != second).any()


def test_outside_of_training_the_inputs_come_out():
    layer, inputs = WordDropout(0.9), normal(4, 5, 3)
    for arguments in ({}, {"training": False}):
        np.testing.assert_array_equal(layer(inputs, **arguments), inputs)


def test_a_model_with_the_layer_saves_and_loads(tmp_path):
    inputs = keras.Input((None, 3))
    model = keras.Model(inputs, WordDropout(0.25, name="words")(inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.get_layer("words").rate == 0.25
    vectors = normal(40, 30, 3)
    np.testing.assert_array_equal(loaded(vectors), vectors)
    assert assert_dropped(loaded(vectors, training=True), vectors, 0.25).any()


def test_symbolic_shape_and_dtype_are_the_real_ones():
    layer = WordDropout(0.25, dtype="mixed_float16")
    for shape in ((4, 5, 3), (4, 3)):
        outputs = layer(normal(*shape), training=True)
        symbolic = layer(keras.Input(shape[1:], batch_size=4))
        assert tuple(symbolic.shape) == tuple(outputs.shape) == shape
        assert symbolic.dtype == keras.backend.standardize_dtype(outputs.dtype)
        assert symbolic.dtype == "float16"


# In the models


@every_model
def test_words_of_both_sides_are_dropped_in_training(
    arguments, shared_model, random_batch
):
    model = shared_model(embedding_dropout=RATE, **arguments).training
    source, target_in, *_ = random_batch(
        np.arange(1, 41), np.random.default_rng(1).integers(1, 30, 40)
    )
    for side, tokens in (("source", source), ("target", target_in)):
        drop = model.get_layer(f"{side}_word_dropout")
        assert drop.rate == RATE
        inside = keras.Model(model.inputs, [drop.input, drop.output])
        embedded, dropped = inside([source, target_in], training=True)
        embed = model.get_layer(f"{side}_embedding")
        np.testing.assert_array_equal(embedded, embed(tokens))
        gone = assert_dropped(dropped, embedded, RATE)
        assert abs(gone.mean() - RATE) < 0.06


@every_model
def test_all_but_training_is_as_without(
    arguments, fresh_model, shared_model, random_batch, walk
):
    model = fresh_model(embedding_dropout=0.8, **arguments)
    plain = shared_model(**arguments)
    values = {weight.path: weight.value for weight in plain.training.weights}
    for weight in model.training.weights:
        weight.assign(values[weight.path])
    source, target_in, *_ = random_batch()
    expected = plain.training([source, target_in]).numpy()
    np.testing.assert_array_equal(model.training([source, target_in]), expected)
    step_logits, _ = walk(model, source, target_in)
    np.testing.assert_allclose(step_logits, expected, atol=1e-5)
    wild = model.training([source, target_in], training=True)
    assert np.abs(wild - expected).max() > 0.01


def test_without_a_rate_there_is_no_layer_and_a_bad_one_is_named(shared_model):
    assert not any("word" in layer.name for layer in shared_model().training.layers)
    for builder in (models.encoder_decoder, models.attention_seq2seq):
        for rate in (1.0, -0.1, "0.1", True):
            with pytest.raises(
                ValueError,
                match="embedding_dropout must be a number of at least 0 and below 1",
            ):
                builder(11, 13, embedding_dropout=rate)
