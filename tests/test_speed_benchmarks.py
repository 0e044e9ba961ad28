"""The benchmarks of speed run without PyTorch, and what they compare agrees."""

import numpy as np
import pytest
import tensorflow as tf

from benchmarks import cross_entropy, decode, train
from s2s_keras import losses, models


@pytest.fixture
def small(monkeypatch):
    sizes = {"UNITS": 4, "EMBEDDING_DIM": 4, "VOCABULARY": 11, "STEPS": 3}
    for name, size in sizes.items():
        monkeypatch.setattr(decode, name, size)
    model = {"cell": "lstm", "units": 4, "embedding_dim": 4}
    for name, value in {"SIZES": model, "VOCABULARY": 11, "BATCH_SIZE": 2}.items():
        monkeypatch.setattr(train, name, value)


def test_compiled_decoding_writes_what_the_classic_loop_writes(small):
    plain, attending = map(
        decode.endless, (models.encoder_decoder, models.attention_seq2seq)
    )
    assert decode.lstm_row(plain, 2, 1).split()[0] == "2"
    for width in (1, 5):  # a row raises where two ways differ
        assert decode.attention_row(attending, None, width, 2, 1)


@pytest.mark.parametrize("name", ["plain", "bahdanau additive"])
def test_models_of_the_table_train(name, small):
    data = train.random_batches(2)
    assert train.tokens_per_second(train.MODELS[name], [11, 11], data) > 0


@pytest.mark.parametrize("way", [cross_entropy.alone, cross_entropy.with_gradient])
def test_the_two_losses_that_are_timed_are_the_same(way):
    logits = np.random.default_rng(0).normal(size=(2, 3, 5)).astype("float32")
    batch = tf.constant([[4, 1, 2], [0, 3, 3]]), tf.constant(logits)
    ours, other = losses.token_losses, cross_entropy.keras_losses
    np.testing.assert_allclose(way(ours)(*batch), way(other)(*batch), rtol=1e-5)
