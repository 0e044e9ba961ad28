"""Tests of `s2s_keras.layers.pointing`, and of the networks that point."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from s2s_keras import batches, decoding, models, training
from s2s_keras.layers import ItemsAt, Pointer, Visited
from s2s_keras.layers.pointing import FIRST, IMPOSSIBLE
from s2s_keras.records import Pointing
from s2s_keras.text import EOS, PAD, SOS, UNK, Tokenizer

LENGTHS = (6, 4, 1)  # items of each source, with the one that ends it
MASK = np.arange(6) < np.array(LENGTHS)[:, None]
POINTING = {"builder": "pointer_network", "cell": "gru"}
POINTS = POINTING | {"source_features": 2}


def softmax(scores):
    powers = np.exp(scores - np.max(scores))
    return powers / powers.sum()


# The layers


@pytest.fixture(scope="module")
def pointer():
    """A pointer, two queries for each of three memories, and what should come out.

    The expected scores are those of Vinyals et al. (2015), equation 3, item by item.
    """
    random = np.random.default_rng(0)
    keras.utils.set_random_seed(0)
    layer = Pointer(5)
    query, memory = random.normal(size=(3, 2, 7)), random.normal(size=(3, 6, 4))
    layer.build(query.shape, memory.shape)
    of_query, of_memory, energy = (
        np.float64(part.kernel)
        for part in (layer.query_projection, layer.key_projection, layer.energy)
    )
    scores = np.empty((3, 2, 6))
    for row, step, item in np.ndindex(scores.shape):
        both = memory[row, item] @ of_memory + query[row, step] @ of_query
        scores[row, step, item] = np.tanh(both) @ energy[:, 0]
    return layer, query.astype("float32"), memory.astype("float32"), scores


def test_logits_are_the_scores_of_equation_3_by_id(pointer):
    layer, query, memory, scores = pointer
    logits, weights = layer(query, memory, MASK)
    assert (logits.shape, weights.shape) == ((3, 2, 4 + 6), (3, 2, 6))
    for row, length in enumerate(LENGTHS):
        for step in range(2):
            expected = np.full(10, IMPOSSIBLE)
            expected[EOS] = scores[row, step, length - 1]
            expected[FIRST : FIRST + length - 1] = scores[row, step, : length - 1]
            np.testing.assert_allclose(logits[row, step], expected, rtol=1e-5)
            np.testing.assert_allclose(
                weights[row, step, :length],
                softmax(scores[row, step, :length]),
                atol=1e-6,
            )
    np.testing.assert_array_equal(weights.numpy()[:, 1][~MASK], 0.0)


def test_a_single_query_with_keys_made_before_gives_the_same(pointer):
    layer, query, memory, _ = pointer
    several = layer(query, memory, MASK)
    alone = layer(query[:, 1], memory, MASK, keys=layer.project(memory))
    for one, other in zip(alone, several, strict=True):
        np.testing.assert_allclose(one, other[:, 1], rtol=1e-6)


def test_what_was_pointed_at_cannot_be_an_answer(pointer):
    layer, query, memory, scores = pointer
    pointed = np.zeros((3, 2, 6), "float32")
    pointed[0, 0, 2], pointed[0, 1, [2, 4]], pointed[1, 1, 0] = 1.0, 2.0, 1.0
    logits, weights = layer(query, memory, MASK, pointed=pointed)
    free, _ = layer(query, memory, MASK)
    gone = np.pad(pointed, [(0, 0), (0, 0), (FIRST, 0)]) > 0
    np.testing.assert_array_equal(logits, np.where(gone, IMPOSSIBLE, free))
    np.testing.assert_array_equal(weights.numpy()[pointed > 0], 0.0)
    left = [0, 1, 3, 5]
    np.testing.assert_allclose(
        weights[0, 1].numpy()[left], softmax(scores[0, 1, left]), atol=1e-6
    )
    one, one_weights = layer(query[:, 1], memory, MASK, pointed=pointed[:, 1])
    np.testing.assert_allclose(one, logits[:, 1], rtol=1e-6)
    np.testing.assert_allclose(one_weights, weights[:, 1], atol=1e-6)


def test_a_pointing_decoder_reads_the_item_it_pointed_at():
    items = np.random.default_rng(1).normal(size=(2, 5, 3)).astype("float32")
    layer = ItemsAt()
    tokens = np.array([[SOS, FIRST + 4, FIRST, EOS], [SOS, FIRST + 2, UNK, PAD]])
    layer.build(tokens.shape, items.shape)
    layer.start.assign([0.5, -1.0, 2.0])
    zeros = np.zeros(3)
    expected = [
        [[0.5, -1.0, 2.0], items[0, 4], items[0, 0], zeros],
        [[0.5, -1.0, 2.0], items[1, 2], zeros, zeros],
    ]
    tokens = tokens.astype("int32")
    np.testing.assert_array_equal(layer(tokens, items), expected)
    for step in range(4):
        found = layer(tokens[:, step], items)
        np.testing.assert_array_equal(found, np.array(expected)[:, step])


def test_visited_counts_how_often_each_item_was_read():
    tokens = np.array([[SOS, FIRST + 1, FIRST + 1, EOS], [SOS, FIRST + 2, PAD, PAD]])
    before = np.array([[0, 0, 1], [0, 0, 0]], "float32")
    counts = Visited()(tokens.astype("int32"), before)
    expected = [
        [[0, 0, 1], [0, 1, 1], [0, 2, 1], [0, 2, 1]],
        [[0, 0, 0], [0, 0, 1], [0, 0, 1], [0, 0, 1]],
    ]
    np.testing.assert_array_equal(counts, expected)
    one = Visited()(tokens[:, 1].astype("int32"), before)
    np.testing.assert_array_equal(one, np.array(expected)[:, 1])


# The model


@pytest.mark.parametrize("distinct", [False, True])
def test_the_softmax_of_the_logits_is_the_weights_by_id(
    distinct, shared_model, batch_of
):
    arguments = POINTS | {"distinct": distinct}
    model = shared_model(**arguments)
    source, target_in, *_ = batch_of(arguments)
    inputs = [source, target_in]
    shares = keras.ops.softmax(model.training(inputs)).numpy()
    weights = model.attention(inputs).numpy()
    for row, length in enumerate(source["mask"].sum(axis=1)):
        np.testing.assert_allclose(
            shares[row, :, FIRST : FIRST + length - 1],
            weights[row, :, : length - 1],
            atol=1e-6,
        )
        np.testing.assert_allclose(
            shares[row, :, EOS], weights[row, :, length - 1], atol=1e-6
        )
    np.testing.assert_array_equal(shares[..., [PAD, SOS, UNK]], 0.0)
    np.testing.assert_allclose(shares.sum(axis=-1), 1.0, atol=1e-6)


def test_the_state_holds_items_and_what_was_pointed_at(shared_model, batch_of, walk):
    arguments = POINTS | {"distinct": True}
    source, target_in, *_ = batch_of(arguments)
    _, (state, *states) = walk(shared_model(**arguments), source, target_in)
    shapes = {"hidden_1": (3, 7), "items": (3, 6, 5), "memory": (3, 6, 7)}
    shapes |= dict.fromkeys(("memory_mask", "weights", "pointed"), (3, 6))
    shapes |= {"keys": (3, 6, 7)}
    assert {name: tuple(part.shape) for name, part in state.items()} == shapes
    for number, after in enumerate(states):
        read = target_in[:, : number + 1, None] - FIRST == np.arange(6)
        np.testing.assert_array_equal(after["pointed"], read.sum(axis=1))
    plain = shared_model(**POINTS).encoder(source)
    assert plain.keys() == shapes.keys() - {"pointed"}


def test_in_training_no_weight_falls_on_an_item_that_was_read(shared_model, batch_of):
    weights = {}
    for distinct in (True, False):
        arguments = POINTS | {"distinct": distinct}
        source, target_in, *_ = batch_of(arguments)
        found = shared_model(**arguments).attention([source, target_in])
        weights[distinct] = found.numpy()
    hits = target_in[:, :, None] - FIRST == np.arange(6)
    read = np.cumsum(hits, axis=1) > 0
    assert read.any()
    np.testing.assert_array_equal(weights[True][read], 0.0)
    assert (weights[False][read] > 0.0).all()
    np.testing.assert_allclose(weights[True].sum(axis=-1), 1.0, atol=1e-6)


DECODERS = {
    "greedy": lambda model, source: decoding.greedy(model, source, 12),
    "beam": lambda model, source: decoding.beam_search(
        model, source, beam_width=4, n_best=4, max_length=12
    ),
    "sample": lambda model, source: decoding.sample(
        model, source, max_length=12, seed=2, num_samples=8, temperature=3.0
    ),
}


def repeats(found):
    """Counts the hypotheses that point at an item twice."""
    rows = batches.places(found.tokens.reshape(-1, found.tokens.shape[-1]))
    return sum(len(set(row)) < len(row) for row in rows)


@pytest.mark.parametrize("decode", DECODERS.values(), ids=DECODERS)
def test_no_decoder_points_twice_where_answers_are_distinct(
    decode, shared_model, batch_of
):
    source, *_ = batch_of(POINTS, (6, 4, 2, 9, 7), (1,) * 5)
    assert repeats(decode(shared_model(**POINTS), source)) > 0
    found = decode(shared_model(**POINTS, distinct=True), source)
    assert repeats(found) == 0
    finished = found.lengths.reshape(-1) > 0
    rows = found.tokens.reshape(-1, found.tokens.shape[-1])[finished]
    assert (rows == EOS).any(axis=1).all(), "when all items are used, EOS is left"
    assert not np.isin(rows, (SOS, UNK)).any()


def test_distinct_answers_are_decoded_in_mixed_precision(batch_of):
    source, *_ = batch_of(POINTS, (6, 4, 2, 9, 7), (1,) * 5)
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = models.build({**POINTS, "distinct": True})
        assert repeats(decoding.greedy(model, source, 12)) == 0
    finally:
        keras.config.set_dtype_policy("float32")


def test_blocking_single_tokens_forbids_pointing_twice(shared_model, batch_of):
    source, *_ = batch_of(POINTS, (6, 4, 2, 9, 7), (1,) * 5)
    search = {"beam_width": 3, "max_length": 12, "n_best": 2}
    model = shared_model(**POINTS)
    assert repeats(decoding.beam_search(model, source, **search)) > 0
    blocked = decoding.beam_search(model, source, **search, block_ngrams=1)
    assert repeats(blocked) == 0


def test_a_beam_may_be_wider_than_there_are_answers(shared_model, batch_of):
    source, *_ = batch_of(POINTS, (2, 1), (1, 1))
    model = shared_model(**POINTS, distinct=True)
    found = decoding.beam_search(model, source, beam_width=9, n_best=4, max_length=5)
    np.testing.assert_array_equal(found.lengths > 0, [[1, 1, 0, 0], [1, 0, 0, 0]])
    rows = {tuple(row[row != PAD]) for row in found.tokens[0, :2]}
    assert rows == {(EOS,), (FIRST, EOS)}
    np.testing.assert_allclose(np.exp(found.scores[0, :2]).sum(), 1.0, rtol=1e-5)


def test_words_may_be_the_items(shared_model, batch_of, walk):
    """The same word at two places is two answers."""
    arguments = POINTING | {"bidirectional": True}
    model = shared_model(**arguments)
    source = np.array([[5, 8, 5, EOS]], "int32")
    state = model.encoder(source)
    table = model.training.get_layer("source_embedding").get_weights()[0]
    np.testing.assert_array_equal(state["items"], table[source])
    logits, _ = model.step([tf.constant([SOS]), state])
    assert logits.shape == (1, 8)
    assert logits[0, FIRST] != logits[0, FIRST + 2]


def test_words_are_pointed_at_after_training(fresh_model):
    """Points at the words in the order of the alphabet."""
    words = list("abcdef")
    random = np.random.default_rng(0)
    tokenizer = Tokenizer.train([" ".join(words)])
    examples = [
        Pointing(tuple(words[n] for n in order), tuple(np.argsort(order)))
        for order in (random.permutation(6)[:3] for _ in range(120))
    ]
    data = batches.pointing(examples, 20, source_tokenizer=tokenizer)
    model = fresh_model(
        **POINTING, source_vocabulary=len(tokenizer), units=24, distinct=True
    )
    training.fit(model, data, epochs=12, learning_rate=0.03)
    source = batches.pointing_sources([e.source for e in examples], tokenizer)
    found = batches.places(decoding.greedy(model, source, 5).tokens)
    right = [
        tuple(row) == example.target
        for row, example in zip(found, examples, strict=True)
    ]
    assert np.mean(right) > 0.95


def test_it_learns_to_sort_and_takes_sources_longer_than_any_of_training(fresh_model):
    random = np.random.default_rng(0)

    def drawn(count, lengths):
        numbers = [random.random((random.choice(lengths), 1)) for _ in range(count)]
        return [Pointing(row, tuple(np.argsort(row[:, 0]))) for row in numbers]

    data = batches.pointing(drawn(600, (3, 4)), 30)
    model = fresh_model(
        **POINTING, source_features=1, units=24, embedding_dim=12, distinct=True
    )
    history = training.fit(model, data, epochs=12, learning_rate=0.02).history
    # Five answers of a source of four, then four, and so on.
    assert history["loss"][0] < np.log(5)
    for lengths, least in (((3, 4), 0.9), ((6,), 0.0)):
        examples = drawn(100, lengths)
        source = batches.pointing_sources([e.source for e in examples])
        found = batches.places(decoding.greedy(model, source, 8).tokens)
        pairs = list(zip(found, examples, strict=True))
        assert np.mean([tuple(row) == e.target for row, e in pairs]) >= least
        for row, example in pairs:
            assert set(row) <= set(example.target)
            assert len(set(row)) == len(row)
    first = [row[0] == e.target[0] for row, e in pairs]
    assert np.mean(first) > 0.5, "what it learned holds for six numbers too"
