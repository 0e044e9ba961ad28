"""Reading the source from its end: an LSTM without attention, on `phrasebook`.

    python -m recipes.source_reversal --seed 0

needs some 5 minutes of one CPU core. Sutskever et al. (2014), section 3.3, reverse the
source, which brings its first words close to the target's first words, and so the
gradient to them.
"""

from __future__ import annotations

import collections

import keras

from recipes import small_runs
from recipes.fitting import warmup_cosine
from recipes.small_runs import batches_for, changed
from s2s_keras import corpora, evaluation, gradients, training
from s2s_keras.text import PAD

BASE = {
    "corpus": "phrasebook",
    "model": {
        "builder": "encoder_decoder",
        "cell": "lstm",
        "units": 128,
        "embedding_dim": 64,
    },
    "epochs": 4,
    "batch_size": 64,
    "learning_rate": 8e-3,  # the highest, after 5% of the steps; then down a cosine
}
RUNS = {
    "as it is": BASE,
    "reversed": changed(BASE, model={"reverse_source": True}),
    "from both ends": changed(BASE, model={"bidirectional": True}),
}


def train_and_measure(settings: dict, seed: int) -> dict:
    """Returns a run's results as a dict that JSON can hold."""
    keras.utils.set_random_seed(seed)
    corpus = corpora.load(settings["corpus"])
    translator = small_runs.new_translator(corpus, settings["model"])
    train = batches_for(translator, corpus.train, settings["batch_size"], seed=seed)
    at_first = first_over_last(translator, corpus.valid)
    history = training.fit(
        translator.seq2seq,
        train,
        batches_for(translator, corpus.valid, 100, shuffle=False),
        epochs=settings["epochs"],
        learning_rate=warmup_cosine(
            settings["learning_rate"], settings["epochs"] * train.report.batches
        ),
    )
    texts = small_runs.translations(translator, corpus.test)
    return {
        "valid_losses": history.history["val_loss"],
        "gradient_at_first": at_first,
        "perplexity": small_runs.perplexity(translator, corpus.test),
        "exact_match": evaluation.exact_match(texts, [p.target for p in corpus.test]),
        "by_length": by_length(texts, corpus.test),
    }


def first_over_last(translator, pairs) -> float:
    """Returns the gradient at the first word over that at the last, sums over pairs.

    The pairs are the first 100; EOS, which is always the last token, is left out.
    """
    (batch,) = batches_for(translator, pairs[:100], 100)
    norms = gradients.at_source(translator.seq2seq, batch)  # (pairs, source_length)
    words = (batch[0][0].numpy() != PAD).sum(axis=1) - 1  # (pairs,)
    return float(norms[:, 0].sum() / norms[range(len(norms)), words - 1].sum())


def by_length(texts, pairs) -> dict:
    """Counts by words of the source: `{words: [exact matches, first words, pairs]}`."""
    counts = collections.defaultdict(lambda: [0, 0, 0])
    for text, pair in zip(texts, pairs, strict=True):
        count = counts[len(pair.source.split())]
        count[0] += text == pair.target
        count[1] += text.split()[:1] == pair.target.split()[:1]
        count[2] += 1
    return {words: counts[words] for words in sorted(counts)}


if __name__ == "__main__":
    small_runs.main("source_reversal", __doc__.splitlines()[0], RUNS, train_and_measure)
