"""Tests of `s2s_keras.layers.tied_embedding`, alone and in the models that use it."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from s2s_keras import models, training
from s2s_keras.layers import TiedEmbedding
from s2s_keras.losses import CrossEntropy

VOCABULARY, SIZE = 9, 4
IDS = np.array([[3, 1, 3], [0, 8, 5]], "int32")
MODELS = [
    {"layers": 2, "residual": True, "layer_norm": True},
    {"context": "every_step", "bidirectional": True},
    {"builder": "attention_seq2seq"},
    {"builder": "attention_seq2seq", "input_feeding": True},
    {"builder": "attention_seq2seq", "placement": "bahdanau"},
]


def named(arguments):
    return " ".join(str(value) for value in arguments.values())


every_model = pytest.mark.parametrize("arguments", MODELS, ids=named)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def layer_of(stddev=0.5, **arguments):
    """Makes a layer whose matrix and bias matter."""
    layer = TiedEmbedding(VOCABULARY, SIZE, stddev, **arguments)
    layer.build((None, None))
    layer.set_weights([normal(VOCABULARY, SIZE, seed=1), normal(VOCABULARY, seed=2)])
    return layer


# The layer


def test_a_tokens_vector_is_its_row_scaled():
    layer = layer_of(stddev=0.5)
    matrix, _ = layer.get_weights()
    vectors = layer(IDS)
    assert vectors.shape == (2, 3, SIZE)
    expected = np.sqrt(SIZE) * 0.5 * np.float64(matrix)[IDS]
    np.testing.assert_allclose(vectors, expected, rtol=1e-6)
    np.testing.assert_array_equal(layer(IDS[:, 0]), vectors[:, 0])


def test_a_tokens_logit_is_its_rows_product_with_the_state():
    layer, hidden = layer_of(), normal(2, 3, SIZE)
    matrix, bias = (np.float64(weight) for weight in layer.get_weights())
    logits = layer(hidden, reverse=True)
    assert logits.shape == (2, 3, VOCABULARY)
    for row in range(2):
        for step in range(3):
            expected = [matrix[w] @ hidden[row, step] + bias[w] for w in range(9)]
            np.testing.assert_allclose(logits[row, step], expected, atol=1e-6)
    one_step = layer(hidden[:, 0], reverse=True)
    np.testing.assert_allclose(one_step, logits[:, 0], atol=1e-6)


def test_reading_and_writing_both_reach_the_gradient_of_the_matrix():
    layer, hidden = layer_of(stddev=0.5), normal(2, 3, SIZE)
    to_vectors, to_logits = normal(2, 3, SIZE, seed=3), normal(2, 3, VOCABULARY, seed=4)
    with tf.GradientTape() as tape:
        read = ops.sum(layer(IDS) * to_vectors)
        written = ops.sum(layer(hidden, reverse=True) * to_logits)
        total = read + written
    gradient, bias_gradient = tape.gradient(total, [w.value for w in layer.weights])
    expected = np.einsum("btw,btd->wd", np.float64(to_logits), hidden)
    np.add.at(expected, IDS, np.sqrt(SIZE) * 0.5 * np.float64(to_vectors))
    np.testing.assert_allclose(tf.convert_to_tensor(gradient), expected, atol=1e-5)
    np.testing.assert_allclose(bias_gradient, to_logits.sum((0, 1)), atol=1e-5)


@pytest.mark.parametrize("stddev", [1.0, 0.05])
def test_vectors_start_with_the_given_standard_deviation(stddev):
    layer = TiedEmbedding(300, 50, stddev)
    vectors = np.asarray(layer(np.arange(300)))
    assert vectors.std() == pytest.approx(stddev, rel=0.05)
    matrix, bias = layer.get_weights()
    assert matrix.std() == pytest.approx(50**-0.5, rel=0.05)
    np.testing.assert_array_equal(bias, 0.0)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "float16"])
def test_vectors_and_logits_are_float32_under_any_policy(policy):
    layer = layer_of(dtype=policy)
    assert {weight.dtype for weight in layer.weights} == {"float32"}
    hidden = normal(2, 3, SIZE).astype("float16")
    for outputs in (layer(IDS), layer(ops.convert_to_tensor(hidden), reverse=True)):
        assert outputs.dtype == "float32"


def test_symbolic_shapes_are_the_real_ones():
    layer = layer_of()
    for shape in ((None, None), (None,)):
        vectors = layer(keras.Input(shape[1:], dtype="int32"))
        assert (vectors.shape, vectors.dtype) == ((*shape, SIZE), "float32")
        logits = layer(keras.Input((*shape[1:], SIZE)), reverse=True)
        assert (logits.shape, logits.dtype) == ((*shape, VOCABULARY), "float32")


def test_the_configuration_makes_the_same_layer():
    layer = TiedEmbedding(VOCABULARY, SIZE, 0.25, name="words")
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(layer)
    )
    assert copy.get_config() == layer.get_config()
    assert (copy.name, copy.vocabulary, copy.embedding_dim, copy.stddev) == (
        *("words", VOCABULARY, SIZE, 0.25),
    )


# In a model


@every_model
def test_a_model_has_one_matrix_for_the_target_and_one_bias(arguments, shared_model):
    model = shared_model(**arguments, tie_embeddings=True)
    for graph in (model.training, model.step):
        shapes = [tuple(weight.shape) for weight in graph.weights]
        assert sorted(s for s in shapes if 13 in s) == [(13,), (13, 5)]
    untied = shared_model(**arguments).training
    shapes = [weight.shape for weight in untied.weights if 13 in weight.shape]
    assert len(shapes) == 3


@every_model
def test_a_models_logits_are_the_products_with_its_embeddings(
    arguments, fresh_model, random_batch
):
    model = fresh_model(**arguments, tie_embeddings=True)
    for seed, weight in enumerate(model.training.weights):  # biases start from 0
        weight.assign(weight + 0.3 * normal(*weight.shape, seed=seed))
    source, target_in, *_ = random_batch()
    narrow = model.training.get_layer("to_embedding")
    hidden = keras.Model(model.training.inputs, narrow.input)([source, target_in])
    (kernel,) = narrow.get_weights()
    matrix, bias = model.training.get_layer("target_embedding").get_weights()
    expected = np.float64(hidden) @ np.float64(kernel) @ np.float64(matrix.T) + bias
    np.testing.assert_allclose(
        model.training([source, target_in]), expected, rtol=1e-5, atol=1e-5
    )


@every_model
def test_the_gradient_of_the_one_matrix_is_the_slope_of_the_loss(
    arguments, fresh_model, random_batch
):
    model = fresh_model(**arguments, tie_embeddings=True)
    source, target_in, target_out, weight = random_batch()
    matrix = model.training.get_layer("target_embedding").embeddings
    start, direction = matrix.numpy(), normal(13, 5, seed=7)
    direction /= np.linalg.norm(direction)

    def loss():
        logits = model.training([source, target_in])
        return CrossEntropy()(target_out, logits, weight)

    with tf.GradientTape() as tape:
        value = loss()
    gradient = np.float64(tf.convert_to_tensor(tape.gradient(value, matrix.value)))
    losses = []
    for side in (1.0, -1.0):
        matrix.assign(start + side * 0.01 * direction)
        losses.append(float(loss()))
    slope = (losses[0] - losses[1]) / 0.02
    assert slope == pytest.approx((gradient * direction).sum(), rel=0.02, abs=1e-4)
    assert np.abs(gradient).max(axis=1).min() > 0.0, "every id is written"


@pytest.mark.parametrize("builder", ["encoder_decoder", "attention_seq2seq"])
def test_the_first_loss_is_about_the_logarithm_of_the_vocabulary(builder, random_batch):
    keras.utils.set_random_seed(0)
    model = getattr(models, builder)(
        11, 300, units=32, embedding_dim=16, tie_embeddings=True
    )
    source, target_in, target_out, weight = random_batch()
    whole = tf.data.Dataset.from_tensors(((source, target_in), target_out, weight))
    assert training.evaluate(model, whole).loss == pytest.approx(np.log(300), rel=0.05)


@every_model
def test_a_saved_training_graph_gives_the_same_logits_from_one_matrix(
    arguments, shared_model, random_batch, tmp_path
):
    model = shared_model(**arguments, tie_embeddings=True)
    model.training.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    source, target_in, *_ = random_batch()
    np.testing.assert_allclose(
        loaded([source, target_in]), model.training([source, target_in]), atol=1e-6
    )
    assert len(loaded.weights) == len(model.training.weights)


def test_the_diagram_shows_the_matrix_at_both_of_its_places(shared_model):
    import matplotlib

    matplotlib.use("agg")
    model = shared_model(tie_embeddings=True)
    nodes = dict(models.seq2seq._nodes(model.training))
    assert nodes["target_embedding"] == ["target_in"]
    assert nodes["target_embedding (call 2)"] == ["to_embedding"]
    assert nodes["to_embedding"] == ["decoder_1"]
    drawn = {text.get_text() for text in model.diagram().findobj(matplotlib.text.Text)}
    assert {"target_embedding", "target_embedding (call 2)", "to_embedding"} <= drawn
