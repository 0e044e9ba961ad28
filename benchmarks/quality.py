"""How well encoder–decoders learn `hsk`, by cell: mean and spread over seeds.

    python -m benchmarks.quality

Each model is trained for 9 epochs and keeps the weights of its best one by validation
loss. Scores are free-running and greedy; perplexity is teacher-forced.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time

import keras

from s2s_keras import batches, corpora, evaluation, models, training
from s2s_keras.text import Tokenizer
from s2s_keras.translator import Translator

CELLS = ("rnn", "gru", "lstm")
SETTINGS = {"units": 256, "embedding_dim": 128}
EPOCHS, LEARNING_RATE, BATCH_SIZE = 9, 4e-3, 64


def measure(corpus, tokenizers, cell, seed):
    """Trains one model; returns its scores on the test split and its minutes."""
    keras.utils.set_random_seed(seed)
    train, valid, test = (
        batches.make(pairs, *tokenizers, BATCH_SIZE, seed=seed)
        for pairs in (corpus.train, corpus.valid, corpus.test)
    )
    model = models.encoder_decoder(*map(len, tokenizers), cell=cell, **SETTINGS)
    start = time.monotonic()
    training.fit(
        model,
        train,
        valid,
        epochs=EPOCHS,
        learning_rate=LEARNING_RATE,
        keep_best=True,
    )
    minutes = (time.monotonic() - start) / 60
    measured = training.evaluate(model, test)
    sources, references = evaluation.group_references(corpus.test)
    found = Translator(model, *tokenizers).translate(sources)
    texts = [translation.text for translation in found]
    bleu, chrf = (
        score(texts, references) for score in (evaluation.bleu, evaluation.chrf)
    )
    scores = {
        "perplexity": evaluation.perplexity(
            measured.negative_log_likelihood, measured.tokens
        ),
        "BLEU": bleu.value,
        "chrF": chrf.value,
        "exact match (%)": 100 * evaluation.exact_match(texts, references),
        "minutes": minutes,
    }
    return scores, (bleu.signature, chrf.signature)


def main():
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    seeds = range(parser.parse_args().seeds)
    corpus = corpora.load("hsk")
    tokenizers = (
        Tokenizer.train([pair.source for pair in corpus.train], kind="character"),
        Tokenizer.train([pair.target for pair in corpus.train], vocabulary_size=3_000),
    )
    rows = {}
    for cell in CELLS:
        runs = [measure(corpus, tokenizers, cell, seed) for seed in seeds]
        rows[cell] = [scores for scores, _ in runs]
        signatures = runs[0][1]
    names = list(rows[CELLS[0]][0])
    print("| cell |", " | ".join(names), "|")
    print("|---" * (len(names) + 1) + "|")
    for cell, runs in rows.items():
        columns = [[run[name] for run in runs] for name in names]
        cells = [
            f"{statistics.mean(c):.1f} ± {statistics.stdev(c) if len(c) > 1 else 0:.1f}"
            for c in columns
        ]
        print(f"| `{cell}` |", " | ".join(cells), "|")
    print(f"\nhsk's test split, {len(corpus.test)} pairs; {len(seeds)} seeds, mean and")
    print(f"standard deviation; {os.cpu_count()} cores. Signatures:")
    print("\n".join(signatures))


if __name__ == "__main__":
    main()
