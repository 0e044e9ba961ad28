"""Tests of `s2s_keras.gradients`: what reaches each token, and where it ends."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from test_models import (
    ATTENDING,
    COPIERS,
    FAMILIES,
    OF_VECTORS,
    POINTERS,
    VARIANTS,
    named,
)

from s2s_keras import batches, corpora, gradients, models
from s2s_keras.losses import CrossEntropy
from s2s_keras.text import Tokenizer

FAMILY_NAMES = ("luong", "input feeding", "bahdanau")
TRUNCATED = {
    "gru": {"cell": "gru", "layers": 2},
    "lstm both ways": {"bidirectional": True, "context": "every_step"},
    "tied": {"cell": "rnn", "tie_embeddings": True, "layer_norm": True},
    **dict(zip(FAMILY_NAMES, FAMILIES, strict=True)),
    "monotonic": {"builder": "attention_seq2seq", "local": "monotonic", "window": 1},
    "predictive": FAMILIES[2] | {"cell": "gru", "local": "predictive"},
}
SMOOTHED = CrossEntropy(0.1)


@pytest.fixture(scope="module")
def batch(random_batch):
    """Three targets of 3, 5 and 1 tokens, all padded to 7."""
    source, *target = random_batch()
    target_in, target_out, weight = (np.pad(part, ((0, 0), (0, 2))) for part in target)
    return tuple(
        tf.nest.map_structure(tf.constant, ((source, target_in), target_out, weight))
    )


def taken_back(model, batch):
    """The gradients of the training graph."""
    inputs, target_out, weight = batch
    with tf.GradientTape() as tape:
        logits = model.training(list(inputs), training=True)
        loss = SMOOTHED(target_out, logits, weight)
    return dense(tape.gradient(loss, model.training.trainable_variables))


def token_by_token(model, batch, length):
    """The gradients of a loop over `step` that cuts the recurrent state off.

    What is read at every step, and not written, stays connected.
    """
    (source, target_in), target_out, weight = batch
    variables = model.training.trainable_variables
    with tf.GradientTape() as tape:
        state = model.encoder(source, training=True)
        logits = []
        for position in range(target_in.shape[1]):
            if position and position % length == 0:
                state = {
                    name: tf.stop_gradient(part)
                    if name.startswith(("hidden_", "cell_", "attentional"))
                    else part
                    for name, part in state.items()
                }
            now, state = model.step([target_in[:, position], state])
            logits.append(now)
        loss = SMOOTHED(target_out, tf.stack(logits, axis=1), weight)
    return dense(
        tape.gradient(
            loss, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
    )


def truncated(model, batch, length, loss_of=SMOOTHED):
    return gradients.truncated(model, batch, length, loss_of)


def dense(found):
    return [tf.convert_to_tensor(gradient).numpy() for gradient in found]


def assert_close(found, expected, atol=1e-5):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=atol)


def differ(found, others):
    return [
        np.abs(one - other).max() > 1e-4
        for one, other in zip(found, others, strict=True)
    ]


def of_encoder(model):
    """Says of each trainable variable whether it belongs to the encoder."""
    return [
        variable.path.startswith(("source_embedding", "encoder_", "bridge_"))
        for variable in model.training.trainable_variables
    ]


# Truncation


@pytest.mark.parametrize("arguments", (VARIANTS + ATTENDING)[::2], ids=named)
def test_a_chunk_that_covers_the_target_truncates_nothing(
    arguments, shared_model, batch
):
    model = shared_model(**arguments)
    expected = taken_back(model, batch)
    assert all(np.any(gradient) for gradient in expected)
    assert_close(truncated(model, batch, 7), expected)


@pytest.mark.parametrize("arguments", [POINTERS[0], POINTERS[2], COPIERS[1]], ids=named)
def test_a_model_that_points_or_copies_may_be_truncated(
    arguments, shared_model, batch_of
):
    model = shared_model(**arguments)
    source, *target = batch_of(arguments)
    batch = tf.nest.map_structure(tf.constant, ((source, target[0]), *target[1:]))
    whole = taken_back(model, batch)
    assert_close(truncated(model, batch, 5), whole)
    assert any(differ(truncated(model, batch, 2), whole))


@pytest.mark.parametrize("length", [0, -1, 2.0, None])
def test_a_chunk_without_a_step_is_refused(length, shared_model, batch):
    with pytest.raises(ValueError, match="length must be a whole number of at least 1"):
        truncated(shared_model(**FAMILIES[0]), batch, length)


def test_a_batch_without_weight_has_no_gradient(shared_model, batch):
    model = shared_model(**FAMILIES[0])
    inputs, target_out, weight = batch
    for found in truncated(model, (inputs, target_out, 0.0 * weight), 2):
        assert not np.any(found)


@pytest.mark.parametrize("length", [8, 1_000])
def test_a_chunk_may_be_longer_than_the_target(length, shared_model, batch):
    model = shared_model(**FAMILIES[0])
    assert_close(truncated(model, batch, length), taken_back(model, batch))


@pytest.mark.parametrize(
    "arguments, length",
    [(arguments, 2) for arguments in TRUNCATED.values()]
    + [(FAMILIES[0], 1), (FAMILIES[1], 3)],
    ids=[*TRUNCATED, "luong by 1", "input feeding by 3"],
)
def test_a_short_chunk_cuts_the_recurrent_state_off_and_nothing_else(
    arguments, length, shared_model, batch
):
    """The last chunks hold padding alone."""
    model = shared_model(**arguments)
    found = truncated(model, batch, length)
    assert_close(found, token_by_token(model, batch, length))
    assert any(differ(found, taken_back(model, batch)))


def first_chunk_alone(model, batch, length):
    """The gradients of the batch's mean loss without what comes after a chunk."""
    inputs, target_out, weight = batch
    weight_of_chunk = tf.where(tf.range(weight.shape[1]) < length, weight, 0.0)
    share = tf.reduce_sum(weight_of_chunk) / tf.reduce_sum(weight)
    masked = taken_back(model, (inputs, target_out, weight_of_chunk))
    return [share * gradient for gradient in masked]


@pytest.mark.parametrize(
    "arguments", [TRUNCATED["gru"], {"bidirectional": True}], ids=named
)
def test_without_attention_the_first_chunk_alone_teaches_the_encoder(
    arguments, shared_model, batch
):
    model = shared_model(**arguments)
    found, expected = truncated(model, batch, 2), first_chunk_alone(model, batch, 2)
    encoders = of_encoder(model)
    assert 0 < sum(encoders) < len(encoders)
    for one, other, in_encoder in zip(found, expected, encoders, strict=True):
        if in_encoder:
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)
        else:
            assert np.abs(one - other).max() > 1e-4, "later chunks teach the decoder"


@pytest.mark.parametrize("arguments", FAMILIES, ids=FAMILY_NAMES)
def test_through_the_memory_every_chunk_teaches_the_encoder(
    arguments, shared_model, batch
):
    model = shared_model(**arguments)
    found, first = truncated(model, batch, 2), first_chunk_alone(model, batch, 2)
    into_memory = [
        variable.path.startswith(("source_embedding", "encoder_"))
        for variable in model.training.trainable_variables
    ]
    assert sum(into_memory) == 1 + 2 * 3  # the bridges lead into the state alone
    for different, in_memory in zip(differ(found, first), into_memory, strict=True):
        assert different or not in_memory


def test_each_chunk_has_its_loss_once_from_the_logits_of_the_training_graph(
    shared_model, batch
):
    model, noted = shared_model(**FAMILIES[1]), []

    def loss_of(*piece):
        noted.append(piece)
        return SMOOTHED(*piece)

    truncated(model, batch, 3, loss_of)
    inputs, target_out, weight = batch
    assert [part.shape[1] for part, *_ in noted] == [3, 3, 1]
    found = [tf.concat(pieces, axis=1) for pieces in zip(*noted, strict=True)]
    assert_close(found, [target_out, model.training(list(inputs)), weight])


def test_compiled_it_gives_the_same_for_batches_of_any_shape(shared_model, batch):
    model = shared_model(**FAMILIES[1])
    signature = tf.nest.map_structure(
        lambda part: tf.TensorSpec([None] * part.shape.rank, part.dtype), batch
    )
    compiled = tf.function(
        lambda *batch: truncated(model, batch, 2), input_signature=signature
    )
    narrow = tf.nest.map_structure(lambda part: part[:2, :5], batch)
    for one in (batch, narrow):
        assert_close(compiled(*one), truncated(model, one, 2), atol=1e-6)


def test_in_mixed_precision_too_a_chunk_that_covers_the_target_truncates_nothing(
    fresh_model, batch
):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        for arguments in (TRUNCATED["gru"], FAMILIES[0]):
            model = fresh_model(**arguments)
            expected = taken_back(model, batch)
            found = truncated(model, batch, 7)
            assert {gradient.dtype for gradient in found} == {tf.float32}
            assert_close(found, expected, atol=2e-3)
    finally:
        keras.config.set_dtype_policy("float32")


# What reaches the source


def row(batch, number, wider=0):
    """One row by itself, its padding cut off or of another width."""
    (source, target_in), target_out, weight = tf.nest.map_structure(
        lambda part: part[number : number + 1], batch
    )

    def cut(part, like):
        part = part[:, : np.count_nonzero(like)]
        return tf.pad(part, ((0, 0), (0, wider)))

    return (
        (cut(source, source), cut(target_in, target_out)),
        cut(target_out, target_out),
        cut(weight, target_out),
    )


@pytest.mark.parametrize(
    "arguments",
    [
        {"cell": "gru", "bidirectional": True, "dropout": 0.5},
        {"cell": "gru", "reverse_source": True, "embedding_dropout": 0.5},
        FAMILIES[2],
    ],
    ids=named,
)
def test_what_reaches_a_token_depends_on_its_own_row_alone(
    arguments, shared_model, batch
):
    model = shared_model(**arguments)
    (source, _), *_ = batch
    norms = gradients.at_source(model, batch)
    assert (norms.shape, norms.dtype) == (source.shape, "float32")
    real = source.numpy() != 0
    assert (norms[~real] == 0.0).all() and (norms[real] > 0.0).all()
    for number, wider in ((0, 3), (1, 0), (2, 0)):
        length = real[number].sum()
        alone = gradients.at_source(model, row(batch, number, wider))
        np.testing.assert_allclose(alone[0, :length], norms[number, :length], rtol=1e-4)
        assert (alone[0, length:] == 0.0).all()


@pytest.mark.parametrize(
    "arguments", [OF_VECTORS[0], POINTERS[0], COPIERS[0]], ids=named
)
def test_it_reaches_vectors_and_words_that_may_be_copied(
    arguments, shared_model, batch_of
):
    model = shared_model(**arguments)
    source, *target = batch_of(arguments)
    batch = tf.nest.map_structure(tf.constant, ((source, target[0]), *target[1:]))
    norms = gradients.at_source(model, batch)
    real = source["mask"] if "mask" in source else source["ids"] != 0
    assert (norms.shape, norms.dtype) == (real.shape, "float32")
    assert (norms[~real] == 0.0).all() and (norms[real] > 0.0).all()
    alone = gradients.at_source(model, tf.nest.map_structure(lambda p: p[1:2], batch))
    np.testing.assert_allclose(alone[0], norms[1], rtol=1e-4)


@pytest.mark.parametrize(
    "arguments", [{"bidirectional": True}, FAMILIES[2]], ids=["plain", "bahdanau"]
)
def test_it_is_how_much_the_loss_changes_with_an_embedded_token(arguments, fresh_model):
    """Each word moved a little along each feature is a word of its own here."""
    tokens, features, step = 4, 5, 0.01
    moved = np.arange(2 * tokens * features).reshape(2, tokens, features)
    model = fresh_model(source_vocabulary=11 + moved.size, **arguments)
    source = np.array([9, 4, 7, 2])
    target_in, target_out = [1, 5, 12, 6], [5, 12, 6, 2]
    matrix = model.training.get_layer("source_embedding").embeddings
    vectors, sources = matrix.numpy(), np.tile(source, (moved.size, 1))
    for (sign, token, feature), number in np.ndenumerate(moved):
        vectors[11 + number] = vectors[source[token]]
        vectors[11 + number, feature] += step if sign else -step
        sources[number, token] = 11 + number
    matrix.assign(vectors)
    targets = np.tile(target_in, (moved.size, 1))
    logits = np.float64(model.training([sources, targets]))
    log_p = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    losses = -log_p[:, np.arange(tokens), target_out].sum(axis=1)
    below, above = losses[moved]
    slopes = (above - below) / (2 * step)  # (tokens, features)
    batch = ((source[None], np.array([target_in])), np.array([target_out]))
    found = gradients.at_source(model, (*batch, np.ones((1, tokens), "float32")))
    np.testing.assert_allclose(found[0], np.linalg.norm(slopes, axis=-1), rtol=2e-3)


def test_in_mixed_precision_it_is_float32_and_about_the_same(fresh_model, batch):
    expected = gradients.at_source(fresh_model(cell="gru"), batch)
    keras.config.set_dtype_policy("mixed_float16")
    try:
        found = gradients.at_source(fresh_model(cell="gru"), batch)
    finally:
        keras.config.set_dtype_policy("float32")
    assert found.dtype == "float32"
    np.testing.assert_allclose(found, expected, rtol=0.05, atol=1e-3)


def test_little_reaches_the_first_of_fifty_words_through_a_plain_rnn():
    pairs = corpora.load("memory/50").valid[:16]
    source, target = (
        Tokenizer.train([getattr(pair, side) for pair in pairs])
        for side in ("source", "target")
    )
    (batch,) = batches.make(pairs, source, target, 16)
    keras.utils.set_random_seed(0)
    model = models.encoder_decoder(len(source), len(target), cell="rnn", units=16)
    norms = gradients.at_source(model, batch)
    assert norms.shape == (16, 51)
    assert (norms[:, 0] < 1e-3 * norms[:, -1]).all()
    # Its square is no float32 any more, but the norm is not 0.
    kernel = model.training.get_layer("encoder_1").recurrent.cell.recurrent_kernel
    kernel.assign(0.5 * kernel)
    norms = gradients.at_source(model, batch)
    assert (0.0 < norms[:, 0]).all() and (norms[:, 0] < 1e-19).all()
