"""Every attention on `phrasebook`, beside the model without: 3 epochs of the same.

    python -m recipes.phrasebook --seed 0

needs some 20 minutes on 2 CPU cores. Each run trains a model on one of the corpus'
three splits and measures it on the 1,000 test pairs: exact match of greedy
translations, in all and by length of the source; teacher-forced perplexity; and for a
model with attention how well its weights on the gold translations find the gold links.
"""

from __future__ import annotations

import collections
import itertools

import keras
import numpy as np

from recipes import small_runs
from recipes.fitting import Stopwatch, warmup_cosine
from recipes.small_runs import batches_for, changed, translations
from s2s_keras import corpora, evaluation, training
from s2s_keras.layers.attention import SCORES

RANDOM, LENGTH, COMPOSITION = (
    "phrasebook",
    "phrasebook/length",
    "phrasebook/composition",
)
BASE = {
    "corpus": RANDOM,
    "model": {"cell": "lstm", "units": 128, "embedding_dim": 64, "bidirectional": True},
    "epochs": 3,
    "batch_size": 64,
    "learning_rate": 8e-3,  # the highest, after 5% of the steps; then down a cosine
    "last_learning_rate": 0.01,  # as a share of the highest
}


def _plain(**changes):
    return changed(BASE, model={"builder": "encoder_decoder"}, **changes)


def _attention(score, corpus=RANDOM, **arguments):
    model = {"builder": "attention_seq2seq", "score": score, **arguments}
    return changed(BASE, corpus=corpus, model=model)


RUNS = {
    "plain": _plain(),
    "plain, 9 epochs": _plain(epochs=9),
    **{
        f"{placement} {score}": _attention(score, placement=placement)
        for score, placement in itertools.product(SCORES, ("luong", "bahdanau"))
    },
    **{
        f"luong {score}, input feeding": _attention(score, input_feeding=True)
        for score in ("additive", "dot")
    },
    **{
        f"luong general, local {kind}": _attention("general", local=kind, window=3)
        for kind in ("monotonic", "predictive")
    },
    **{
        f"{name} on {corpus}": run
        for corpus in (LENGTH, COMPOSITION)
        for name, run in (
            ("plain", _plain(corpus=corpus)),
            ("luong additive", _attention("additive", corpus)),
        )
    },
}


def train_and_measure(settings, seed):
    """Returns a run's results as a dict that JSON can hold."""
    keras.utils.set_random_seed(seed)
    corpus = corpora.load(settings["corpus"])
    translator = small_runs.new_translator(corpus, settings["model"])
    train = batches_for(translator, corpus.train, settings["batch_size"], seed=seed)
    watch = Stopwatch()
    training.fit(
        translator.seq2seq,
        train,
        epochs=settings["epochs"],
        learning_rate=warmup_cosine(
            settings["learning_rate"],
            settings["epochs"] * train.report.batches,
            settings["last_learning_rate"],
        ),
        callbacks=[watch],
    )
    return {
        "parameters": translator.seq2seq.training.count_params(),
        "seconds": watch.seconds,
        "cpu_seconds": watch.cpu_seconds,
        **measure(translator, corpus.test),
    }


def measure(translator, pairs):
    """Returns free-running, teacher-forced and alignment scores."""
    texts = translations(translator, pairs)
    by_length = collections.defaultdict(lambda: [0, 0])  # words: matches, sentences
    for pair, text in zip(pairs, texts, strict=True):
        counts = by_length[len(pair.source.split())]
        counts[0] += text == pair.target
        counts[1] += 1
    scores = {
        "exact_match": evaluation.exact_match(texts, [pair.target for pair in pairs]),
        "by_length": {length: by_length[length] for length in sorted(by_length)},
        "perplexity": small_runs.perplexity(translator, pairs),
    }
    if translator.seq2seq.attention is not None:
        scores["alignment"] = measure_alignment(translator, pairs)
    return scores


def measure_alignment(translator, pairs):
    """Returns scores of the weights on gold translations, and where they miss."""
    weights = [translation.weights for translation in translator.align(pairs)]
    score = evaluation.alignment_error_rate(weights, pairs)
    earlier = [np.roll(rows, 1, axis=0) for rows in weights]
    later = [np.roll(rows, -1, axis=0) for rows in weights]
    return {
        **{
            name: getattr(score, name)
            for name in ("error_rate", "precision", "recall", "mass")
        },
        "error_rate_if_a_word_earlier": _error_rate(earlier, pairs),
        "error_rate_if_a_word_later": _error_rate(later, pairs),
        "offsets": offsets(weights, pairs),
    }


def offsets(weights, pairs):
    """Counts how far the strongest source word is from the only gold one.

    Target words with several gold links are left out; "eos" counts those whose greatest
    weight is EOS's.
    """
    counts = collections.Counter()
    for rows, pair in zip(weights, pairs, strict=True):
        gold = collections.defaultdict(list)
        for source, target in (*pair.alignment, *pair.possible):
            gold[target].append(source)
        for target, sources in gold.items():
            if len(sources) == 1:
                best, eos = rows[target].argmax(), rows.shape[1] - 1
                counts["eos" if best == eos else str(best - sources[0])] += 1
    return dict(counts.most_common())


def _error_rate(weights, pairs):
    return evaluation.alignment_error_rate(weights, pairs).error_rate


if __name__ == "__main__":
    small_runs.main("phrasebook", __doc__.splitlines()[0], RUNS, train_and_measure)
