"""The model that `benchmarks.decode` measures in PyTorch is the same as ours."""

import keras
import numpy as np
import pytest

from s2s_keras import decoding, models
from s2s_keras.batches import pad
from s2s_keras.text import EOS

torch = pytest.importorskip(
    "torch", reason="PyTorch is needed: pip install -r benchmarks/requirements.txt"
)

from benchmarks import decode_torch  # noqa: E402

SOURCE = pad([[4, 7, 5, 9, EOS], [6, 4, 8, 8, EOS], [9, 9, 5, 4, EOS]])


@pytest.fixture(scope="module")
def both():
    keras.utils.set_random_seed(1)
    seq2seq = models.attention_seq2seq(10, 11, units=6, embedding_dim=7)
    for variable in seq2seq.training.trainable_variables:  # no bias stays zero
        variable.assign(keras.random.normal(variable.shape, stddev=0.7))
    return seq2seq, decode_torch.from_keras(seq2seq)


def test_logits_are_the_same(both):
    seq2seq, in_torch = both
    token = np.array([4, 9, 10], "int32")
    state = seq2seq.encoder(SOURCE)
    expected, _ = seq2seq.step([keras.ops.convert_to_tensor(token), state])
    with torch.no_grad():
        state = in_torch.encode(torch.from_numpy(SOURCE))
        logits, *_ = in_torch.step(torch.from_numpy(token), *state)
    np.testing.assert_allclose(logits.numpy(), expected, rtol=1e-4, atol=1e-5)


def test_greedy_tokens_are_the_same(both):
    seq2seq, in_torch = both
    expected = decoding.greedy(seq2seq, SOURCE, 9).tokens
    np.testing.assert_array_equal(decode_torch.search(in_torch, SOURCE, 1, 9), expected)


def test_beam_search_finds_the_same_while_nothing_ends(both):
    seq2seq, in_torch = both
    bias = seq2seq.training.get_layer("logits").bias
    bias.assign(np.where(np.arange(11) == EOS, -1e9, bias))
    in_torch = decode_torch.from_keras(seq2seq)
    expected = decoding.beam_search(seq2seq, SOURCE, beam_width=3, max_length=9)
    np.testing.assert_array_equal(
        decode_torch.search(in_torch, SOURCE, 3, 9), expected.tokens
    )
