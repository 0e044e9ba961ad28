"""What beam search makes of the Multi30k model: BLEU by beam width and length penalty.

    python -m recipes.beam_width

Translates Multi30k's validation sentences with the model that comes with the package.
"""

from __future__ import annotations

import argparse
import itertools
import time

from tqdm import tqdm

from recipes.results_file import ResultsFile
from s2s_keras import corpora, evaluation
from s2s_keras.translator import Translator

NAME = "multi30k"
WIDTHS = (1, 2, 3, 5, 10, 20, 50)
LENGTH_PENALTIES = (0.0, 0.6, 1.0)
RUNS = {
    f"penalty {length_penalty}, width {beam_width}": {
        "model": NAME,
        "beam_width": beam_width,
        "length_penalty": length_penalty,
    }
    for length_penalty, beam_width in itertools.product(LENGTH_PENALTIES, WIDTHS)
}


def main() -> None:
    """Measures what is not in the results yet."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    translator = Translator.pretrained(NAME)
    pairs = corpora.load(NAME).valid
    results = ResultsFile("beam_width", 0)
    for name, settings in tqdm(RUNS.items()):
        if not results.has(name, settings):
            results.add(name, settings, measure(translator, pairs, settings))


def measure(translator, pairs, settings) -> dict:
    """Returns BLEU, lengths and log-probabilities of a search."""
    start = time.perf_counter()
    found = translator.translate(
        [pair.source for pair in pairs],
        decoding="beam_search",
        beam_width=settings["beam_width"],
        length_penalty=settings["length_penalty"],
    )
    seconds = time.perf_counter() - start
    texts, references = [one.text for one in found], [pair.target for pair in pairs]
    bleu = evaluation.bleu(texts, references, lowercase=True)
    return {
        "bleu": bleu.value,
        "signature": bleu.signature,
        "log_probability": sum(one.score for one in found) / len(found),
        "length_ratio": words(texts) / words(references),
        "seconds": seconds,
    }


def words(texts) -> int:
    return sum(len(text.split()) for text in texts)


if __name__ == "__main__":
    main()
