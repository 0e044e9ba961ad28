"""Every attention on `phrasebook`, beside the model without: 3 epochs of the same.

    python -m recipes.phrasebook --seed 0

needs some 20 minutes on 2 CPU cores. Each run trains a model on one of the corpus'
three splits and measures it on the 1,000 test pairs: exact match of greedy
translations, in all and by length of the source; teacher-forced perplexity; and for a
model with attention how well its weights on the gold translations find the gold links.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import itertools

import keras
import numpy as np
from tqdm import tqdm

from recipes.fitting import Stopwatch, warmup_cosine
from recipes.results_file import ResultsFile
from s2s_keras import batches, corpora, evaluation, models, training
from s2s_keras.layers.attention import SCORES
from s2s_keras.text import Tokenizer
from s2s_keras.translator import Translator

MODEL = {"cell": "lstm", "units": 128, "embedding_dim": 64, "bidirectional": True}
EPOCHS = 3
BATCH_SIZE = 64
LEARNING_RATE = 8e-3  # the highest, after 5% of the steps; then down along a cosine
LAST_LEARNING_RATE = 0.01  # as a share of the highest
LONGEST = 40  # tokens of a translation

RANDOM, LENGTH, COMPOSITION = (
    "phrasebook",
    "phrasebook/length",
    "phrasebook/composition",
)
PLAIN = {"builder": "encoder_decoder"}
FEEDING = {"input_feeding": True}


@dataclasses.dataclass(frozen=True)
class Run:
    """One model on one split; `model` is what differs from `MODEL`."""

    corpus: str
    model: dict
    epochs: int = EPOCHS


def _attention(score, **arguments):
    return {"builder": "attention_seq2seq", "score": score, **arguments}


RUNS = {
    "plain": Run(RANDOM, PLAIN),
    "plain, 9 epochs": Run(RANDOM, PLAIN, epochs=9),
    **{
        f"{placement} {score}": Run(RANDOM, _attention(score, placement=placement))
        for score, placement in itertools.product(SCORES, ("luong", "bahdanau"))
    },
    **{
        f"luong {score}, input feeding": Run(RANDOM, _attention(score, **FEEDING))
        for score in ("additive", "dot")
    },
    **{
        f"luong general, local {kind}": Run(
            RANDOM, _attention("general", local=kind, window=3)
        )
        for kind in ("monotonic", "predictive")
    },
    **{
        f"{name} on {corpus}": Run(corpus, model)
        for corpus in (LENGTH, COMPOSITION)
        for name, model in (
            ("plain", PLAIN),
            ("luong additive", _attention("additive")),
        )
    },
}


def main():
    """Trains and measures what is not in the results yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="the runs whose name holds this text")
    asked = parser.parse_args()
    results = ResultsFile("phrasebook", asked.seed)
    names = [name for name in RUNS if (asked.only or "") in name]
    for name in tqdm(names, desc=f"seed {asked.seed}"):
        settings = settings_of(RUNS[name])
        if not results.has(name, settings):
            results.add(name, settings, train_and_measure(RUNS[name], asked.seed))


def settings_of(run):
    """Returns all that the run's results depend on but the seed."""
    return {
        "corpus": run.corpus,
        "model": {**MODEL, **run.model},
        "epochs": run.epochs,
        "batch_size": BATCH_SIZE,
        "learning_rate": LEARNING_RATE,
        "last_learning_rate": LAST_LEARNING_RATE,
    }


def train_and_measure(run, seed):
    """Returns a run's results as a dict that JSON can hold."""
    keras.utils.set_random_seed(seed)
    corpus = corpora.load(run.corpus)
    translator = Translator(
        *_model_and_tokenizers(corpus, run.model), max_length=LONGEST
    )
    steps = run.epochs * -(-len(corpus.train) // BATCH_SIZE)
    watch = Stopwatch()
    training.fit(
        translator.seq2seq,
        _batches(translator, corpus.train, seed=seed),
        epochs=run.epochs,
        learning_rate=warmup_cosine(LEARNING_RATE, steps, LAST_LEARNING_RATE),
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
    evaluated = training.evaluate(
        translator.seq2seq, _batches(translator, pairs, shuffle=False)
    )
    texts = [t.text for t in translator.translate([pair.source for pair in pairs])]
    by_length = collections.defaultdict(lambda: [0, 0])  # words: matches, sentences
    for pair, text in zip(pairs, texts, strict=True):
        counts = by_length[len(pair.source.split())]
        counts[0] += text == pair.target
        counts[1] += 1
    scores = {
        "exact_match": evaluation.exact_match(texts, [pair.target for pair in pairs]),
        "by_length": {length: by_length[length] for length in sorted(by_length)},
        "perplexity": evaluation.perplexity(
            evaluated.negative_log_likelihood, evaluated.tokens
        ),
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


def _model_and_tokenizers(corpus, model):
    """Returns a fresh model, and the tokenizers of both its sides."""
    tokenizers = (
        Tokenizer.train([pair.source for pair in corpus.train], "word"),
        Tokenizer.train([pair.target for pair in corpus.train], "word"),
    )
    sizes = dict(
        zip(
            ("source_vocabulary", "target_vocabulary"),
            map(len, tokenizers),
            strict=True,
        )
    )
    return models.build({**MODEL, **model, **sizes}), *tokenizers


def _batches(translator, pairs, **arguments):
    tokenizers = translator.source_tokenizer, translator.target_tokenizer
    return batches.make(pairs, *tokenizers, BATCH_SIZE, **arguments)


if __name__ == "__main__":
    main()
