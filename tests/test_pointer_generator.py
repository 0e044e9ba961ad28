"""Tests of `s2s_keras.layers.copying`, and of pointer-generator networks."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from s2s_keras import batches, decoding, training
from s2s_keras.layers import (
    CopyDistribution,
    CoverageAttention,
    CoverageLoss,
    KnownTokens,
)
from s2s_keras.losses import CrossEntropy
from s2s_keras.records import Pair
from s2s_keras.text import EOS, PAD, SOS, UNK, Tokenizer

COPYING = {"builder": "pointer_generator", "cell": "rnn"}
VOCABULARY = 7


def sigmoid(number):
    return 1.0 / (1.0 + np.exp(-np.asarray(number, "float64")))


def softmax(scores):
    powers = np.exp(scores - np.max(scores, axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


# The final distribution


def mixed(logits, gate, weights, extended_ids):
    """See et al. (2017), equation 9, word by word."""
    words = max(logits.shape[-1], extended_ids.max() + 1)
    shares = np.zeros((*logits.shape[:2], words))
    shares[..., : logits.shape[-1]] = sigmoid(gate) * softmax(np.float64(logits))
    for row, step, place in np.ndindex(weights.shape):
        copied = (1.0 - sigmoid(gate[row, step, 0])) * weights[row, step, place]
        shares[row, step, extended_ids[row, place]] += copied
    return shares


def drawn(seed, rows=2, steps=3, length=5, beyond=3):
    """Random logits, gate, weights and ids; the first word comes twice."""
    random = np.random.default_rng(seed)
    ids = random.integers(UNK, VOCABULARY + beyond, (rows, length))
    ids[:, 2] = ids[:, 0]
    ids[0, length - random.integers(0, length - 2) :] = PAD
    scores = np.where(ids == PAD, -np.inf, 1.0)[:, None] * random.gamma(
        1.0, size=(rows, steps, length)
    )
    return (
        random.normal(size=(rows, steps, VOCABULARY)).astype("float32") * 3.0,
        random.normal(size=(rows, steps, 1)).astype("float32") * 3.0,
        softmax(scores).astype("float32"),
        ids.astype("int32"),
    )


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.integers(0, 4))
def test_the_final_distribution_is_that_of_equation_9(seed, beyond):
    parts = drawn(seed, beyond=beyond)
    found = np.float64(CopyDistribution()(*parts))
    assert found.dtype == "float64" and np.isfinite(found).all()
    np.testing.assert_allclose(np.exp(found), mixed(*parts), atol=1e-6)
    np.testing.assert_allclose(np.exp(found).sum(axis=-1), 1.0, atol=1e-5)
    one = CopyDistribution()(*(part[:, 1] for part in parts[:3]), parts[3])
    np.testing.assert_allclose(one, found[:, 1], rtol=1e-5)


def test_a_word_that_stands_twice_in_the_source_is_copied_with_both_weights():
    ids = np.array([[5, 8, 5, 8, EOS]], "int32")
    weights = np.array([[0.1, 0.2, 0.3, 0.15, 0.25]], "float32")
    gate, logits = np.zeros((1, 1), "float32"), np.zeros((1, VOCABULARY), "float32")
    shares = np.exp(CopyDistribution()(logits, gate, weights, ids))[0]
    half = 0.5 / VOCABULARY
    expected = np.full(9, half)
    expected[[5, 8, EOS]] += [0.2, 0.175, 0.125]
    expected[[7, 8]] -= half  # beyond the vocabulary nothing is generated
    np.testing.assert_allclose(shares, expected, atol=1e-6)


def test_a_gate_that_is_open_generates_and_one_that_is_shut_copies():
    logits, gate, weights, ids = drawn(3)
    found = np.asarray(
        CopyDistribution()(logits, np.full_like(gate, 1e4), weights, ids)
    )
    expected = keras.ops.log_softmax(logits)
    np.testing.assert_allclose(found[..., :VOCABULARY], expected, atol=1e-6)
    assert (found[..., VOCABULARY:] < -5e3).all()
    found = np.asarray(
        CopyDistribution()(logits, np.full_like(gate, -1e4), weights, ids)
    )
    copied = mixed(logits, np.full_like(gate, -700.0), weights, ids)
    np.testing.assert_allclose(np.exp(found), copied, atol=1e-6)
    assert (found[copied < 1e-20] < -5e3).all()


EXTREMES = {
    "certain": [1.0, 0.0, 0.0, 0.0],
    "denormal": [1.0, 1e-40, 0.0, 0.0],
    "tiny": [1.0, 1e-30, 2e-38, 0.0],
    "even": [0.25, 0.25, 0.25, 0.25],
}


@pytest.mark.parametrize("weights", EXTREMES.values(), ids=EXTREMES)
@pytest.mark.parametrize("size", [0.0, 1e4, 1e30], ids=str)
@pytest.mark.parametrize("gate", [0.0, 1e4, -1e4, 3e38, -3e38], ids=str)
def test_no_extreme_makes_a_value_or_a_gradient_infinite(gate, size, weights):
    """One row for each target: generated, copied, both, and neither."""
    ids = tf.constant([[4, 8, 5, EOS]] * 9)
    logits = size * np.array([1, -1, 0, 0, 1, -1, 0.5], "float32")
    parts = [
        tf.constant([np.float32(part)] * 9)
        for part in (logits, [gate], np.array(weights, "float32"))
    ]
    with tf.GradientTape() as tape:
        tape.watch(parts)
        found = CopyDistribution()(*parts, ids)
        losses = keras.losses.sparse_categorical_crossentropy(
            tf.range(9), found, from_logits=True
        )
        loss = tf.reduce_mean(losses)
    assert np.isfinite(found).all() and np.isfinite(losses).all()
    for gradient in tape.gradient(loss, parts):
        assert np.isfinite(gradient).all()


def test_a_word_of_the_source_without_any_weight_costs_less_than_an_impossible_one():
    """A weight that is too small for float32 must not ruin a whole epoch's mean."""
    parts = [[0.0] * VOCABULARY], [[-50.0]], [[1.0, 0.0]], [[4, 8]]
    found = CopyDistribution()(*(np.float32(x) for x in parts[:3]), np.int32(parts[3]))
    np.testing.assert_allclose(found[0, 8], np.log(1e-37), rtol=1e-4)
    assert found[0, 7] < -1e8


def test_float16_inputs_are_mixed_in_float32():
    logits, gate, weights, ids = drawn(5)
    layer = CopyDistribution(dtype="mixed_float16")
    found = layer(logits.astype("float16"), gate, weights, ids)
    assert found.dtype == "float32"
    np.testing.assert_allclose(
        np.exp(found), mixed(logits, gate, weights, ids), atol=2e-3
    )


# Coverage


@pytest.fixture(scope="module")
def covered():
    """A layer, its inputs, and the energies of equation 11, item by item."""
    random = np.random.default_rng(0)
    keras.utils.set_random_seed(1)
    layer = CoverageAttention(5)
    query, memory = random.normal(size=(3, 7)), random.normal(size=(3, 6, 4))
    coverage = random.gamma(1.0, size=(3, 6))
    layer.build(query.shape, memory.shape)
    layer.coverage_projection.kernel.assign(random.normal(size=(1, 5)))
    w_s, w_h, w_c, v = (
        np.float64(part.kernel)
        for part in (
            layer.query_projection,
            layer.key_projection,
            layer.coverage_projection,
            layer.energy,
        )
    )

    def energies(counts):
        result = np.empty((3, 6))
        for row, item in np.ndindex(3, 6):
            inside = memory[row, item] @ w_h + query[row] @ w_s
            result[row, item] = np.tanh(inside + counts[row, item] * w_c[0]) @ v[:, 0]
        return result

    return layer, query, memory, coverage, energies


def test_coverage_changes_the_energies_as_equation_11_says(covered):
    layer, query, memory, coverage, energies = covered
    query, memory, coverage = map(np.float32, (query, memory, coverage))
    mask = np.arange(6) < np.array([[6], [4], [1]])
    for given_coverage, counts in ((coverage, coverage), (None, 0.0 * coverage)):
        for keys in (None, layer.project(memory)):
            context, weights = layer(
                query, memory, mask, keys=keys, coverage=given_coverage
            )
            expected = softmax(np.where(mask, energies(counts), -np.inf))
            np.testing.assert_allclose(weights, expected, atol=1e-6)
            np.testing.assert_allclose(
                context, np.einsum("bs,bsm->bm", expected, memory), atol=1e-5
            )


def test_coverage_changes_nothing_at_first(shared_model, batch_of):
    """So weights of a model without coverage may be handed over, all others."""
    source, target_in, *_ = batch_of(COPYING)
    covering, plain = (shared_model(**COPYING, coverage=c) for c in (True, False))
    by_path = {w.path: w.numpy() for w in covering.training.weights}
    others = {w.path: w.numpy() for w in plain.training.weights}
    (extra,) = by_path.keys() - others.keys()
    assert "coverage_projection" in extra
    np.testing.assert_array_equal(by_path[extra], 0.0)
    for path, value in others.items():
        np.testing.assert_array_equal(by_path[path], value)
    np.testing.assert_allclose(
        covering.training([source, target_in]),
        plain.training([source, target_in]),
        atol=1e-6,
    )


def test_the_coverage_loss_of_a_tiny_case_by_hand():
    weights = np.float32([[[0.7, 0.3, 0.0], [0.6, 0.0, 0.4], [0.1, 0.8, 0.1]]])
    # Coverage: nothing; 0.7, 0.3, 0; 1.3, 0.3, 0.4.
    expected = np.array([[0.0, 0.6, 0.1 + 0.3 + 0.1]])
    np.testing.assert_allclose(CoverageLoss()(weights), expected, atol=1e-6)
    np.testing.assert_allclose(CoverageLoss(0.5)(weights), 0.5 * expected, atol=1e-6)


def test_ids_beyond_the_vocabulary_are_read_as_unk():
    tokens = np.array([[SOS, 12, 13, 40, PAD]], "int32")
    np.testing.assert_array_equal(KnownTokens(13)(tokens), [[SOS, 12, UNK, UNK, PAD]])
    np.testing.assert_array_equal(KnownTokens(13)(tokens[0, :3]), [SOS, 12, UNK])


# The model


def wild(model):
    """Gives every weight of a model noise, so that nothing is left at zero."""
    random = np.random.default_rng(0)
    for weight in model.training.weights:
        weight.assign(weight + random.normal(size=weight.shape, scale=0.4))
    return model


def by_hand(model, source, target_in):
    """One row's final distributions, attention and $p_{gen}$ from the paper."""
    state = {n: np.float64(part[0]) for n, part in model.encoder(source).items()}
    layer = {layer.name: layer for layer in model.training.layers}
    loop = layer["decoder"]
    kernel, recurrent, bias = map(np.float64, loop.cells[0].recurrent.get_weights())
    w_s, w_h, v = (
        np.float64(part.kernel)
        for part in (
            loop.attention.query_projection,
            loop.attention.key_projection,
            loop.attention.energy,
        )
    )
    w_c = 0.0
    if model.config["coverage"]:
        w_c = np.float64(loop.attention.coverage_projection.kernel)

    def dense(name, inputs):
        matrix, offset = (np.asarray(w, "float64") for w in layer[name].get_weights())
        return inputs @ matrix + offset

    table = np.float64(layer["target_embedding"].get_weights()[0])
    memory, hidden = state["memory"], state["hidden_1"]
    context, coverage = np.zeros(memory.shape[1]), np.zeros(len(memory))
    shares, all_weights, generation = [], [], []
    for token in target_in[0]:
        embedded = table[token if token < 13 else UNK]
        inputs = np.concatenate([embedded, context])
        hidden = np.tanh(inputs @ kernel + hidden @ recurrent + bias)
        energies = np.tanh(memory @ w_h + hidden @ w_s + coverage[:, None] * w_c) @ v
        weights = softmax(energies[:, 0])
        context, coverage = weights @ memory, coverage + weights
        both = np.concatenate([hidden, context])
        generated = softmax(dense("logits", dense("readout", both)))  # equation 4
        p_gen = sigmoid(dense("gate", np.concatenate([both, embedded])))[0]
        share = np.zeros(13 + 6)
        share[:13] = p_gen * generated
        for word, weight in zip(source["extended_ids"][0], weights, strict=True):
            share[word] += (1.0 - p_gen) * weight
        shares.append(share)
        all_weights.append(weights)
        generation.append(p_gen)
    return np.array(shares), np.array(all_weights), np.array(generation)


@pytest.mark.parametrize("coverage", [True, False])
def test_the_model_follows_the_paper(coverage, fresh_model, batch_of):
    arguments = COPYING | {"coverage": coverage}
    model = wild(fresh_model(**arguments))
    source, target_in, *_ = batch_of(arguments, (6, 6), (6, 6))
    logits = model.training([source, target_in])
    weights = model.attention([source, target_in])
    generation = model.generation([source, target_in])
    for row in range(2):
        one = {name: ids[row : row + 1] for name, ids in source.items()}
        expected = by_hand(model, one, target_in[row : row + 1])
        np.testing.assert_allclose(
            np.exp(logits[row]), expected[0][:, : logits.shape[-1]], atol=1e-5
        )
        np.testing.assert_allclose(weights[row], expected[1], atol=1e-5)
        np.testing.assert_allclose(generation[row], expected[2], atol=1e-5)
    if coverage:
        sums = np.cumsum(weights, axis=1) - weights
        logits_too, penalty = model.penalized([source, target_in])
        np.testing.assert_array_equal(logits_too, logits)
        np.testing.assert_allclose(
            penalty, np.minimum(weights, sums).sum(axis=-1), atol=1e-5
        )
    else:
        assert model.penalized is None


def test_the_state_tells_coverage_context_and_the_probability_of_generating(
    fresh_model, batch_of, walk
):
    model = wild(fresh_model(**COPYING))
    source, target_in, *_ = batch_of(COPYING)
    _, (state, *states) = walk(model, source, target_in)
    shapes = {"hidden_1": (3, 7), "context": (3, 14), "generation": (3,)}
    shapes |= {"memory": (3, 6, 14), "keys": (3, 6, 7)}
    of_source = ("memory_mask", "weights", "coverage", "extended_ids")
    shapes |= dict.fromkeys(of_source, (3, 6))
    for part in (state, states[-1]):
        assert {name: tuple(tensor.shape) for name, tensor in part.items()} == shapes
    weights = np.stack([after["weights"] for after in states], axis=1)
    coverage = np.stack([after["coverage"] for after in states], axis=1)
    np.testing.assert_allclose(coverage, np.cumsum(weights, axis=1), atol=1e-6)
    generation = np.stack([after["generation"] for after in states], axis=1)
    expected = model.generation([source, target_in])
    np.testing.assert_allclose(generation, expected, atol=1e-5)
    for row, after in enumerate(states):
        found = np.einsum("bs,bsm->bm", weights[:, row], state["memory"])
        np.testing.assert_allclose(after["context"], found, atol=1e-5)


def test_a_word_beyond_the_vocabulary_is_read_as_unk(shared_model, batch_of):
    model = shared_model(**COPYING)
    source, target_in, *_ = batch_of(COPYING)
    assert (target_in >= 13).any()
    known = np.where(target_in < 13, target_in, UNK)
    np.testing.assert_array_equal(
        model.training([source, target_in]), model.training([source, known])
    )


# Training


def gradients_of(model, batch):
    (source, target_in), target_out, weight = batch
    with tf.GradientTape() as tape:
        log_p, penalty = model.penalized([source, target_in])
        gold = tf.gather(log_p, target_out, axis=2, batch_dims=2)
        loss = tf.reduce_sum((penalty - gold) * weight) / tf.reduce_sum(weight)
    variables = model.training.trainable_variables
    return [tf.convert_to_tensor(g) for g in tape.gradient(loss, variables)]


class Noted(keras.callbacks.Callback):
    """Keeps the logs of each batch."""

    def __init__(self):
        super().__init__()
        self.logs = []

    def on_train_batch_end(self, batch, logs=None):
        self.logs.append(dict(logs))


def fitted(model, batch, **settings):
    """Returns the weights after a step, and what was logged of it."""
    data = tf.data.Dataset.from_tensors(tf.nest.map_structure(tf.constant, batch))
    noted = Noted()
    training.fit(model, data, epochs=1, callbacks=[noted], **settings)
    return model.training.get_weights(), noted.logs[0]


def test_fit_adds_the_coverage_loss_and_leaves_padded_steps_out(fresh_model, batch_of):
    factor = 2.0
    arguments = COPYING | {"coverage_weight": factor}
    source, target_in, target_out, weight = batch_of(arguments)
    batch = ((source, target_in), target_out, weight)
    wider = [np.pad(part, [(0, 0), (0, 4)]) for part in (target_in, target_out, weight)]
    model = fresh_model(**arguments)
    right = gradients_of(model, batch)
    _, costs = model.penalized([source, target_in])
    weights = model.attention([source, target_in]).numpy()
    by_step = np.minimum(weights, np.cumsum(weights, axis=1) - weights).sum(axis=-1)
    np.testing.assert_allclose(costs, factor * by_step, atol=1e-5)
    penalty = factor * (by_step * weight).sum() / weight.sum()
    loss = CrossEntropy()(target_out, model.training([source, target_in]), weight)

    settings = {"learning_rate": 0.01, "clip_norm": None}
    after, logs = fitted(model, batch, **settings)
    wide_after, wide_logs = fitted(
        fresh_model(**arguments), ((source, wider[0]), wider[1], wider[2]), **settings
    )
    assert logs["penalty"] == pytest.approx(penalty, rel=1e-4)
    assert logs["loss"] == pytest.approx(float(loss), rel=1e-5)
    assert logs["gradient_norm"] == pytest.approx(
        float(tf.linalg.global_norm(right)), rel=1e-4
    )
    assert wide_logs == pytest.approx(logs, rel=1e-4)
    for one, other in zip(after, wide_after, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


NAMES = [f"{a}{b}o" for a in "bdfgklmn" for b in ("a", "i", "u")]
PAIRS = [
    Pair(f"name {name} of {other}", f"{other} has {name} .")
    for name, other in zip(NAMES, NAMES[5:] + NAMES[:5], strict=True)
]
SOURCE = Tokenizer.train([PAIRS[0].source] * 2 + ["name of"], vocabulary_size=6)
TARGET = Tokenizer.train(["has .", "has ."])


def data_of(pairs, batch_size, **arguments):
    return batches.make(pairs, SOURCE, TARGET, batch_size, copying=True, **arguments)


def model_of_names(fresh_model, **arguments):
    sizes = {"source_vocabulary": len(SOURCE), "target_vocabulary": len(TARGET)}
    return fresh_model(**COPYING | sizes | arguments)


def test_gradients_of_several_batches_with_a_penalty_make_one_step(fresh_model):
    pairs = [PAIRS[0], PAIRS[1], Pair(PAIRS[2].source, "has has . . . .")]
    weights, penalties = [], []
    for batch_size, accumulate in ((3, 1), (2, 2)):
        model = model_of_names(fresh_model, coverage_weight=5.0)
        data = data_of(pairs, batch_size, shuffle=False, bucket=False)
        history = training.fit(
            model, data, epochs=1, accumulate=accumulate, learning_rate=0.01
        )
        weights.append(model.training.get_weights())
        penalties += history.history["penalty"]
    assert penalties[0] == pytest.approx(penalties[1], rel=1e-5)
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_it_learns_to_copy_names_that_it_never_saw(fresh_model):
    model = model_of_names(
        fresh_model, cell="gru", units=20, embedding_dim=10, coverage=True
    )
    train = data_of(PAIRS[:-4], 5)
    history = training.fit(model, train, epochs=30, learning_rate=0.02).history
    assert history["penalty"][-1] < history["penalty"][0]
    texts = [pair.source for pair in PAIRS[-4:]]
    source, beyond = batches.copying_sources(texts, SOURCE, TARGET)
    found = decoding.greedy(model, source, 7)
    for row, words, pair in zip(found.tokens, beyond, PAIRS[-4:], strict=True):
        assert TARGET.decode(row, words) == pair.target
    generation = np.array(model.generation([source, np.full((4, 1), SOS)]))
    assert (generation < 0.5).all(), "the first word is a copy"


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"label_smoothing": 0.1}, "label_smoothing must be 0 for a model that points"),
        ({"truncate": 2}, "truncate must be None .* coverage. Received: 2"),
    ],
    ids=str,
)
def test_what_cannot_be_trained_is_refused(settings, message, shared_model, batch_of):
    source, target_in, target_out, weight = batch_of(COPYING)
    data = tf.data.Dataset.from_tensors(((source, target_in), target_out, weight))
    with pytest.raises(ValueError, match=message):
        training.fit(shared_model(**COPYING), data, epochs=1, **settings)
