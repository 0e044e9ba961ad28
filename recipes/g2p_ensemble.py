"""The models of `recipes.g2p`, pronouncing together: the mean of their probabilities.

    python -m recipes.g2p_ensemble

The seeds' models are in `recipes/made/` once `python -m recipes.g2p --seed N` has run.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from recipes import g2p
from recipes.results_file import ResultsFile
from s2s_keras import corpora, decoding
from s2s_keras.translator import Translator

MEMBERS = (0, 1, 2)  # seeds
RUNS = {"together": {**g2p.BASE, "seeds": list(MEMBERS)}}


def main() -> None:
    """Measures what is not in the results of the recipe yet."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    results = ResultsFile("g2p_ensemble", 0)
    ((name, settings),) = RUNS.items()
    if results.has(name, settings):
        return
    missing = [seed for seed in MEMBERS if not g2p.made_by(seed).exists()]
    if missing:
        sys.exit(
            f"recipes/made lacks the models of seeds {missing}. A run whose results "
            "are there is not trained again: for each of them delete "
            "recipes/results/g2p-SEED.json, then run python -m recipes.g2p --seed SEED"
        )
    results.add(name, settings, measure(corpora.load(settings["corpus"]), MEMBERS))


def measure(corpus: corpora.Corpus, seeds: Sequence[int]) -> dict:
    """Returns the ensemble's error rates, as `g2p.measure` gives them."""
    together = joined([Translator.load(g2p.made_by(seed)) for seed in seeds])
    return {
        "valid": g2p.measure(together, corpus.valid),
        "test": g2p.measure(together, corpus.test),
    }


def joined(translators: list[Translator]) -> Translator:
    """Returns the ensemble of translators that have the same tokenizers."""
    first = translators[0]
    return Translator(
        decoding.ensemble([translator.seq2seq for translator in translators]),
        first.source_tokenizer,
        first.target_tokenizer,
        max_length=first.max_length,
    )


if __name__ == "__main__":
    main()
