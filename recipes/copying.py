"""Copying words never seen: a pointer-generator network beside attention alone.

    python -m recipes.copying --seed 0

needs some 8 minutes of one CPU core. The corpus `copying` turns records into
sentences; every name and code in them occurs in one pair only. So a model that must
choose from a vocabulary cannot write a single sentence right. One that points can.
"""

from __future__ import annotations

import keras
import numpy as np

from recipes import small_runs
from recipes.fitting import Stopwatch, warmup_cosine
from recipes.small_runs import batches_for, changed, own_tokens
from s2s_keras import corpora, evaluation, summaries, training
from s2s_keras.translator import Translator

BASE = {
    "corpus": "copying",
    "vocabulary_sizes": [77, 99],  # the words that come again: no name and no code
    "model": {
        "builder": "pointer_generator",
        "cell": "lstm",
        "units": 128,
        "embedding_dim": 64,
        "bidirectional": True,
    },
    "epochs": 12,
    "batch_size": 64,
    "learning_rate": 5e-3,  # the highest, after 5% of the steps; then down a cosine
}
RUNS = {
    "attention": changed(BASE, model={"builder": "attention_seq2seq"}),
    "pointer-generator": changed(BASE, model={"coverage": False}),
    "pointer-generator, coverage": BASE,
}
EXAMPLES = 5  # sentences that the results keep


def train_and_measure(settings: dict, seed: int) -> dict:
    """Returns a run's results as a dict that JSON can hold."""
    keras.utils.set_random_seed(seed)
    corpus = corpora.load(settings["corpus"])
    translator = new_translator(corpus, settings)
    train = batches_for(translator, corpus.train, settings["batch_size"], seed=seed)
    watch = Stopwatch()
    history = training.fit(
        translator.seq2seq,
        train,
        epochs=settings["epochs"],
        learning_rate=warmup_cosine(
            settings["learning_rate"], settings["epochs"] * train.report.batches
        ),
        callbacks=[watch],
    )
    results = {
        "parameters": translator.seq2seq.training.count_params(),
        "cpu_seconds": watch.cpu_seconds,
        "losses": history.history["loss"],
        **measure(translator, corpus.test),
    }
    if not translator.seq2seq.copies:
        results["replaced"] = measure(translator, corpus.test, replace_unknown=True)
    return results


def new_translator(corpus, settings: dict) -> Translator:
    """Returns an untrained translator that knows the most frequent words alone."""
    return small_runs.new_translator(
        corpus,
        settings["model"],
        vocabulary_sizes=settings["vocabulary_sizes"],
        max_length=30,
    )


def measure(translator: Translator, pairs: list, **options) -> dict:
    """Returns the scores of greedy answers, and what a copying model generated.

    The mean of $p_{gen}$ is taken over the words that the vocabulary holds, EOS not
    counted, and over those that it does not.
    """
    found = translator.translate([pair.source for pair in pairs], **options)
    texts, references = [f.text for f in found], [pair.target for pair in pairs]
    vocabulary = translator.target_tokenizer.vocabulary
    scores = {
        "exact_match": evaluation.exact_match(texts, references),
        "copy_accuracy": summaries.copy_accuracy(texts, references, vocabulary),
        "examples": [
            [pair.source, text, pair.target]
            for pair, text in zip(pairs[:EXAMPLES], texts, strict=False)
        ],
    }
    if translator.seq2seq.copies:
        tokens = np.array([token for one in found for token in one.tokens])
        known = np.isin(tokens, list(own_tokens(translator)))
        generation = np.concatenate([one.generation for one in found])
        for name, among in (
            ("known", known & (tokens != "<eos>")),
            ("unknown", ~known),
        ):
            if among.any():
                scores[f"generation_of_{name}"] = float(generation[among].mean())
    return scores


if __name__ == "__main__":
    small_runs.main("copying", __doc__.splitlines()[0], RUNS, train_and_measure)
