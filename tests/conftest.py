"""What the tests share: quiet logs, hypothesis without deadlines, small models."""

import functools
import os

import hypothesis
import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

hypothesis.settings.register_profile("without deadlines", deadline=None)
hypothesis.settings.load_profile("without deadlines")

# Every axis has a size of its own, so that no two can be mistaken for each other.
SIZES = {
    "source_vocabulary": 11,
    "target_vocabulary": 13,
    "units": 7,
    "embedding_dim": 5,
}


@pytest.fixture(scope="session")
def fresh_model():
    """Builds a small model; equal arguments give equal weights."""
    import keras  # here, so that tests without a model do not wait for TensorFlow

    from s2s_keras import models

    def build(builder="encoder_decoder", **arguments):
        keras.utils.set_random_seed(3)
        return models.build({"builder": builder, **SIZES, **arguments})

    return build


@pytest.fixture(scope="session")
def shared_model(fresh_model):
    """Gives the one small model of its arguments. No test may change its weights."""
    return functools.cache(fresh_model)


@pytest.fixture(scope="session")
def random_batch():
    """Draws a batch whose rows have the given lengths, EOS counted, as NumPy arrays.

    Returns `source, target_in, target_out, weight`.
    """
    from s2s_keras import batches
    from s2s_keras.text import EOS, SOS

    def draw(source_lengths=(6, 4, 2), target_lengths=(3, 5, 1), seed=0):
        random = np.random.default_rng(seed)
        source, target_out = (
            batches.pad(
                [[*random.integers(4, SIZES[name], n - 1), EOS] for n in lengths]
            )
            for name, lengths in (
                ("source_vocabulary", source_lengths),
                ("target_vocabulary", target_lengths),
            )
        )
        target_in = np.roll(target_out, 1, axis=1)
        target_in[target_in == EOS] = 0
        target_in[:, 0] = SOS
        weight = (target_out != 0).astype("float32")
        return source, target_in, target_out, weight

    return draw


@pytest.fixture(scope="session")
def walk():
    """Feeds gold tokens `(batch, target_length)` one by one through a model's step.

    Returns the logits `(batch, target_length, vocabulary)` and the states: the
    encoder's first, then one after each token.
    """
    import keras

    def feed(model, source, target_in):
        states, logits = [model.encoder(source)], []
        for token in keras.ops.convert_to_tensor(np.transpose(target_in)):
            step_logits, state = model.step([token, states[-1]])
            logits.append(step_logits)
            states.append(state)
        return np.stack(logits, axis=1), states

    return feed


@pytest.fixture(scope="session")
def toy():
    """The toy corpus and its tokenizers: `pairs, source, target`."""
    from s2s_keras import corpora
    from s2s_keras.text import Tokenizer

    pairs = corpora.load("toy").train
    source = Tokenizer.train([pair.source for pair in pairs])
    target = Tokenizer.train([pair.target for pair in pairs])
    return pairs, source, target
