"""What the tests share: settings that make them quick and quiet, small models."""

import functools
import gc
import os
import sys

import hypothesis
import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

hypothesis.settings.register_profile("without deadlines", deadline=None)
hypothesis.settings.load_profile("without deadlines")


def pytest_collection_finish():
    """Keeps the tests from work that is not theirs.

    Python would look for garbage among all that was imported, again and again, and
    TensorFlow would optimize small graphs for longer than they run.
    """
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)
    if tensorflow := sys.modules.get("tensorflow"):
        tensorflow.config.optimizer.set_experimental_options(
            {"disable_meta_optimizer": True}
        )


@pytest.fixture(scope="module", autouse=True)
def collected():
    """Frees a module's models: compiled functions and their graphs lie in circles."""
    yield
    gc.collect()


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
        sizes = dict(SIZES)
        if builder == "pointer_network":
            del sizes["target_vocabulary"]
        if "source_features" in arguments:
            sizes["source_vocabulary"] = None
        return models.build({"builder": builder, **sizes, **arguments})

    return build


@pytest.fixture(scope="module")
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
def batch_of(random_batch):
    """Draws a batch for a small model of the given arguments, as `random_batch` does.

    Sources are dicts where the model reads them. Behind vectors stand nines, which
    nobody may see. Places come at most once in a target. A source that is copied from
    holds words beyond the target's vocabulary, and its target some of these.
    """
    from s2s_keras import batches
    from s2s_keras.text import EOS, SOS

    def shifted(target_out):
        target_in = np.roll(target_out, 1, axis=1)
        target_in[target_in == EOS] = 0
        target_in[:, 0] = SOS
        return target_out, target_in

    def draw(arguments, source_lengths=(6, 4, 2), target_lengths=None, seed=0):
        builder = arguments.get("builder", "encoder_decoder")
        points = builder == "pointer_network"
        lengths = target_lengths or ((5, 3, 1) if points else (3, 5, 1))
        source, target_in, target_out, weight = random_batch(
            source_lengths, lengths, seed
        )
        random = np.random.default_rng(seed + 1)
        mask = source != 0
        if points:
            target_out, target_in = shifted(
                batches.pad(
                    [
                        [*(4 + random.permutation(items - 1)[: tokens - 1]), EOS]
                        for items, tokens in zip(source_lengths, lengths, strict=True)
                    ]
                )
            )
            weight = (target_out != 0).astype("float32")
        if builder == "pointer_generator":
            extended = np.where(
                source > 3, random.integers(4, 16, source.shape), source
            )
            extended[0, :2], target_out[0, 0] = (14, 13), 14
            unknown = [np.setdiff1d(row, np.arange(13)) for row in extended]
            for row, own in enumerate(unknown):  # each counts its own on from 13
                words = {word: 13 + place for place, word in enumerate(own[::-1])}
                extended[row] = [words.get(word, word) for word in extended[row]]
            target_out[0, 0] = extended[0, 0]
            target_out, target_in = shifted(target_out)
            source = {"ids": source, "extended_ids": extended}
        elif "source_features" in arguments:
            shape = (*source.shape, arguments["source_features"])
            vectors = random.normal(size=shape).astype("float32")
            vectors[~mask] = 9.0
            source = {"vectors": vectors, "mask": mask}
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
