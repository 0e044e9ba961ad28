"""An ensemble is a model to every decoder."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from s2s_keras import decoding, models, training
from s2s_keras.text import EOS

SMALL = {"units": 6, "embedding_dim": 4}
SOURCE = np.array([[5, 7, 6, EOS], [8, EOS, 0, 0]], "int32")


@pytest.fixture(scope="module")
def members():
    made = []
    for seed, builder in enumerate(("attention_seq2seq", "attention_seq2seq")):
        keras.utils.set_random_seed(seed)
        made.append(getattr(models, builder)(11, 9, **SMALL))
    return made


def test_an_ensemble_of_one_is_that_model(members):
    one = decoding.ensemble(members[:1])
    alone, joined = (decoding.greedy(m, SOURCE, 5) for m in (members[0], one))
    np.testing.assert_array_equal(alone.tokens, joined.tokens)
    np.testing.assert_allclose(alone.scores, joined.scores, rtol=1e-5)
    np.testing.assert_allclose(alone.weights, joined.weights, atol=1e-6)


def test_probabilities_and_weights_are_the_means(members):
    joined = decoding.ensemble(members)
    token = keras.ops.convert_to_tensor([1, 1])
    logits, state = joined.step([token, joined.encoder(SOURCE)])
    probabilities, weights = [], []
    for model in members:
        own_logits, own_state = model.step([token, model.encoder(SOURCE)])
        probabilities.append(keras.ops.softmax(own_logits))
        weights.append(own_state["weights"])
    np.testing.assert_allclose(np.exp(logits), np.mean(probabilities, 0), rtol=1e-5)
    np.testing.assert_allclose(state["weights"], np.mean(weights, 0), rtol=1e-5)


def test_every_decoder_takes_an_ensemble(members):
    joined = decoding.ensemble(members)
    beam = decoding.beam_search(
        joined, SOURCE, beam_width=3, max_length=5, coverage_penalty=0.1
    )
    assert beam.weights.shape[:1] == (2,)
    scored = decoding.score(joined, SOURCE, np.array([[4, 5, EOS], [6, EOS, 0]]))
    assert (scored.scores < 0).all()
    assert decoding.sample(joined, SOURCE, max_length=4, seed=0).tokens.shape[0] == 2


def test_models_with_and_without_attention_join_without_weights(members):
    plain = models.encoder_decoder(11, 9, **SMALL)
    found = decoding.greedy(decoding.ensemble([members[0], plain]), SOURCE, 4)
    assert found.weights is None


def test_networks_that_copy_join_with_their_extended_vocabulary(fresh_model, batch_of):
    arguments = {"builder": "pointer_generator", "cell": "rnn"}
    source, target_in, *_ = batch_of(arguments)
    models = [fresh_model(**arguments, units=units) for units in (6, 7)]
    joined = decoding.ensemble(models)
    assert joined.copies
    token = keras.ops.convert_to_tensor(target_in[:, 0])
    logits, state = joined.step([token, joined.encoder(source)])
    shares = [np.exp(model.step([token, model.encoder(source)])[0]) for model in models]
    np.testing.assert_allclose(np.exp(logits), np.mean(shares, axis=0), atol=1e-6)
    found = decoding.greedy(joined, source, 4)
    np.testing.assert_array_equal(found.tokens[:, 0], np.mean(shares, 0).argmax(axis=1))
    np.testing.assert_allclose(found.weights[:, 0], state["weights"], atol=1e-6)


def test_networks_that_point_join(fresh_model, batch_of):
    arguments = {"builder": "pointer_network", "source_features": 2, "cell": "rnn"}
    source, target_in, *_ = batch_of(arguments)
    models = [fresh_model(**arguments, units=units) for units in (6, 7)]
    joined = decoding.ensemble(models)
    token = keras.ops.convert_to_tensor(target_in[:, 0])
    logits, _ = joined.step([token, joined.encoder(source)])
    shares = [
        keras.ops.softmax(model.step([token, model.encoder(source)])[0])
        for model in models
    ]
    np.testing.assert_allclose(np.exp(logits), np.mean(shares, axis=0), atol=1e-6)
    assert joined.points and joined.config["source_features"] == 2


def test_one_model_is_no_ensemble(members):
    with pytest.raises(TypeError, match="models must be a list. Received: "):
        decoding.ensemble(members[0])


def test_an_ensemble_is_neither_trained_nor_measured(members):
    joined = decoding.ensemble(members)
    inputs = (SOURCE, SOURCE), SOURCE, np.ones(SOURCE.shape, "float32")
    dataset = tf.data.Dataset.from_tensors(inputs)
    with pytest.raises(ValueError, match="seq2seq must have a training graph"):
        training.fit(joined, dataset, epochs=1)
    with pytest.raises(ValueError, match="seq2seq must have a training graph"):
        training.evaluate(joined, dataset)


def test_models_that_do_not_fit_are_refused(members, shared_model):
    other = models.encoder_decoder(11, 8, **SMALL)
    with pytest.raises(ValueError, match="^models must have the same target_vocab"):
        decoding.ensemble([members[0], other])
    vectors = models.encoder_decoder(None, 9, source_features=2, **SMALL)
    with pytest.raises(ValueError, match=r"the same source_vocabulary.*\[11, None\]"):
        decoding.ensemble([members[0], vectors])
    pointing = models.pointer_network(11, **SMALL)
    with pytest.raises(ValueError, match=r"^models must all point.*\[True, False\]"):
        decoding.ensemble([pointing, members[0]])
    copying = shared_model("pointer_generator", cell="rnn")
    plain = shared_model("encoder_decoder", cell="rnn")
    with pytest.raises(ValueError, match=r"^models must all copy.*\[True, False\]"):
        decoding.ensemble([copying, plain])
    with pytest.raises(ValueError, match="^models must hold at least one"):
        decoding.ensemble([])
