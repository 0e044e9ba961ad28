"""Summarizing documentation: attention, pointer-generator, and coverage.

    python -m recipes.docstrings --seed 0

needs some 35 minutes of one CPU core. The source is the body of a docstring, the target
its first sentence, of the libraries that are installed here: so scores compare with
those of the same versions alone. As in See et al. (2017), coverage joins at the end: a
model trains without charge for the first epochs, and with it for the last.
"""

from __future__ import annotations

import dataclasses
import inspect

import keras

from recipes import small_runs
from recipes.fitting import Stopwatch, warmup_cosine
from recipes.small_runs import batches_for, changed, own_tokens
from s2s_keras import batches, corpora, evaluation, models, summaries, training
from s2s_keras.corpora.docstrings import pair_of
from s2s_keras.translator import Translator

BEAM = {"decoding": "beam_search", "beam_width": 4, "length_penalty": 1.0}
BASE = {
    "corpus": "docstrings",
    "vocabulary_size": 2_000,  # of each side
    "model": {
        "builder": "pointer_generator",
        "cell": "lstm",
        "units": 128,
        "embedding_dim": 128,
        "bidirectional": True,
        "dropout": 0.2,
    },
    "epochs": 10,
    "charged_epochs": 0,  # the last ones, in which coverage costs something
    "batch_size": 64,
    "learning_rate": 3e-3,  # the highest, after 5% of the steps; then down a cosine
    "learning_rate_charged": 5e-4,
}
RUNS = {
    "attention": changed(BASE, model={"builder": "attention_seq2seq"}),
    "pointer-generator": changed(BASE, model={"coverage": False}),
    "pointer-generator, coverage": changed(BASE, epochs=8, charged_epochs=2),
}
LEAD, REFERENCES = "first sentence of the body", "references"
EXAMPLES = 8  # summaries that the results keep
# Of this package, which the corpus leaves out: what a notebook shows.
OWN = (batches.places, Translator.load, evaluation.exact_match)
NGRAMS = (1, 2, 3, 4)


def train_and_measure(settings: dict, seed: int) -> dict:
    """Returns a run's results as a dict that JSON can hold."""
    keras.utils.set_random_seed(seed)
    corpus = corpora.load(settings["corpus"])
    model = dict(settings["model"])
    if settings["charged_epochs"]:
        model["coverage_weight"] = 0.0
    translator = small_runs.new_translator(
        corpus,
        model,
        vocabulary_sizes=2 * [settings["vocabulary_size"]],
        max_length=30,
    )
    watch = Stopwatch()
    epochs, rate = settings["epochs"], settings["learning_rate"]
    losses = fit(translator, corpus, epochs, rate, settings, seed, watch)
    if settings["charged_epochs"]:
        translator = charged(translator)
        epochs, rate = settings["charged_epochs"], settings["learning_rate_charged"]
        losses += fit(translator, corpus, epochs, rate, settings, seed + 1, watch)
    return {
        "data": corpus.citation,
        "pairs": [len(corpus.train), len(corpus.valid), len(corpus.test)],
        "parameters": translator.seq2seq.training.count_params(),
        "cpu_seconds": watch.cpu_seconds,
        "valid_losses": losses,
        "greedy": measure(translator, corpus.test),
        "beam": measure(translator, corpus.test, **BEAM),
        "own": own_summaries(translator),
        **baselines(corpus.test),
    }


def fit(translator, corpus, epochs, rate, settings, seed, watch) -> list[float]:
    """Trains a translator; returns its validation losses."""
    size = settings["batch_size"]
    train = batches_for(translator, corpus.train, size, seed=seed)
    history = training.fit(
        translator.seq2seq,
        train,
        batches_for(translator, corpus.valid, 64, shuffle=False),
        epochs=epochs,
        learning_rate=warmup_cosine(rate, epochs * train.report.batches),
        callbacks=[watch],
    )
    return history.history["val_loss"]


def charged(translator: Translator) -> Translator:
    """Returns a translator with the same weights, which coverage costs something."""
    seq2seq = models.build({**translator.seq2seq.config, "coverage_weight": 1.0})
    seq2seq.training.set_weights(translator.seq2seq.training.get_weights())
    sides = translator.source_tokenizer, translator.target_tokenizer
    return Translator(seq2seq, *sides, max_length=translator.max_length)


def measure(translator: Translator, pairs: list, **options) -> dict:
    """Returns the scores of a translator's summaries."""
    sources = [pair.source for pair in pairs]
    found = translator.translate(sources, **options)
    texts = [one.text for one in found]
    scores = scores_of(texts, pairs)
    if translator.seq2seq.copies:
        tokens = sum(len(one.tokens) for one in found)
        generation = sum(float(one.generation.sum()) for one in found)
        scores["generation"] = generation / tokens
    scores["examples"] = texts[:EXAMPLES]
    return scores


def own_summaries(translator: Translator) -> list[dict]:
    """Summarizes documentation of this package, greedily.

    Returns:
        A dict for each of `OWN`: the "source" and the "reference"; the summary's
        "tokens"; of each whether it is "beyond" the vocabulary, and where the model
        copies, "generation", its p_gen; and "coverage", the attention that each source
        token got in all, EOS counted.
    """
    pairs = [pair_of(inspect.getdoc(documented)) for documented in OWN]
    known = own_tokens(translator)
    shown = []
    found = translator.translate([pair.source for pair in pairs])
    for pair, one in zip(pairs, found, strict=True):
        generation = [] if one.generation is None else one.generation.tolist()
        shown.append(
            {
                "source": pair.source,
                "reference": pair.target,
                "tokens": one.tokens,
                "beyond": [token not in known for token in one.tokens],
                "generation": [round(share, 2) for share in generation],
                "coverage": [round(w, 2) for w in one.weights.sum(axis=0).tolist()],
            }
        )
    return shown


def scores_of(texts: list[str], pairs: list) -> dict:
    """Returns ROUGE of some summaries, and what is new and what is repeated in them."""
    sources = [pair.source for pair in pairs]
    return {
        "rouge": dataclasses.asdict(
            summaries.rouge(texts, [pair.target for pair in pairs])
        ),
        "novel": [summaries.novel_ngrams(texts, sources, n) for n in NGRAMS],
        "repeated": [summaries.repeated_ngrams(texts, n) for n in NGRAMS],
    }


def baselines(pairs: list) -> dict:
    """Returns the scores of the first sentence, and of the references themselves."""
    return {
        LEAD: scores_of(summaries.lead([pair.source for pair in pairs]), pairs),
        REFERENCES: scores_of([pair.target for pair in pairs], pairs),
    }


if __name__ == "__main__":
    small_runs.main("docstrings", __doc__.splitlines()[0], RUNS, train_and_measure)
