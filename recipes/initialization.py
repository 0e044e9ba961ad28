"""Where weights start: how soon a translator with attention learns, and what.

    python -m recipes.initialization --seed 0

needs some 10 minutes of one CPU core. All runs train the same model on `phrasebook`
and differ in what its weights start from. The validation loss is taken after every
`EVERY` batches, so the number of steps to a given loss is that fine.
"""

from __future__ import annotations

import keras

from recipes import small_runs
from recipes.fitting import warmup_cosine
from recipes.small_runs import batches_for, changed
from s2s_keras import corpora, evaluation, training

EVERY = 50  # batches between two measurements
MEASURED = 200  # validation pairs
MODEL = {
    "builder": "attention_seq2seq",
    "cell": "lstm",
    "units": 128,
    "embedding_dim": 64,
}
BASE = {
    "corpus": "phrasebook",
    "model": MODEL,
    "epochs": 3,
    "batch_size": 64,
    "learning_rate": 8e-3,  # the highest, after 5% of the steps; then down a cosine
    "every": EVERY,
    "measured": MEASURED,
}
KERAS_DEFAULT = 0.05 / 3**0.5  # standard deviation of uniform numbers within ±0.05


def _of(**model):
    return changed(BASE, model=model)


RUNS = {
    "embeddings at 1": _of(embedding_stddev=1.0),
    "embeddings at 0.35": _of(embedding_stddev=0.35),
    "embeddings at 0.125": _of(embedding_stddev=MODEL["embedding_dim"] ** -0.5),
    "embeddings at 0.029": _of(embedding_stddev=KERAS_DEFAULT),
    "glorot_uniform": _of(recurrent_initializer="glorot_uniform"),
    "forget bias 0": _of(forget_bias=False),
}


def train_and_measure(settings: dict, seed: int) -> dict:
    """Returns a run's results as a dict that JSON can hold."""
    keras.utils.set_random_seed(seed)
    corpus = corpora.load(settings["corpus"])
    translator = small_runs.new_translator(corpus, settings["model"])
    train = batches_for(translator, corpus.train, settings["batch_size"], seed=seed)
    followed = Followed(
        translator, corpus.valid[: settings["measured"]], settings["every"]
    )
    steps = settings["epochs"] * train.report.batches
    training.fit(
        translator.seq2seq,
        train,
        epochs=settings["epochs"],
        learning_rate=warmup_cosine(settings["learning_rate"], steps),
        callbacks=[followed],
    )
    aligned = [found.weights for found in translator.align(corpus.test)]
    return {
        "valid_losses": followed.losses,
        "alignment_error_rates": followed.error_rates,
        "exact_match": evaluation.exact_match(
            small_runs.translations(translator, corpus.test),
            [pair.target for pair in corpus.test],
        ),
        "perplexity": small_runs.perplexity(translator, corpus.test),
        "alignment_error_rate": evaluation.alignment_error_rate(
            aligned, corpus.test
        ).error_rate,
    }


class Followed(keras.callbacks.Callback):
    """Takes validation loss and alignment error rate every so many batches.

    Attributes:
        losses, error_rates: floats, one after each `every` batches.
    """

    def __init__(self, translator, pairs, every):
        super().__init__()
        self.translator, self.pairs, self.every = translator, pairs, every
        self.batches = batches_for(translator, pairs, 100, shuffle=False)
        self.steps, self.losses, self.error_rates = 0, [], []

    def on_train_batch_end(self, batch, logs=None):
        self.steps += 1
        if self.steps % self.every == 0:
            measured = training.evaluate(self.translator.seq2seq, self.batches)
            aligned = [found.weights for found in self.translator.align(self.pairs)]
            score = evaluation.alignment_error_rate(aligned, self.pairs)
            self.losses.append(measured.loss)
            self.error_rates.append(score.error_rate)


if __name__ == "__main__":
    small_runs.main("initialization", __doc__.splitlines()[0], RUNS, train_and_measure)
