"""What the recipes of small experiments share: a command, models, and their scores."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping

from tqdm import tqdm

from recipes.results_file import ResultsFile, of_seed
from s2s_keras import batches, corpora, evaluation, models, training
from s2s_keras.records import Pair
from s2s_keras.text import Tokenizer
from s2s_keras.translator import Translator


def main(
    recipe: str,
    description: str,
    runs: dict[str, dict],
    train_and_measure: Callable[[dict, int], dict],
    seeds: Mapping[str, int] | None = None,
) -> None:
    """Trains and measures what is not in the results of a recipe yet.

    Args:
        recipe: its name, which the results file has, too.
        description: what `--help` says.
        runs: for each name all settings that the results depend on but the seed.
        train_and_measure: function of settings and seed that returns the results.
        seeds: see `results_file.of_seed`.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="the runs whose name holds this text")
    asked = parser.parse_args()
    results = ResultsFile(recipe, asked.seed)
    runs = of_seed(runs, asked.seed, seeds)
    if not runs:
        parser.error(f"--seed must be one that a run has. Received: {asked.seed}")
    names = [name for name in runs if (asked.only or "") in name]
    if not names:
        parser.error(
            f"--only must be part of the name of a run that seed {asked.seed} has. "
            f"Received: {asked.only!r}; the runs are {list(runs)}"
        )
    for name in tqdm(names, desc=f"seed {asked.seed}", mininterval=30):
        if not results.has(name, runs[name]):
            results.add(name, runs[name], train_and_measure(runs[name], asked.seed))


def changed(base: dict, **changes) -> dict:
    """Returns settings with changes; those of a dict, such as the model, go into it."""
    settings = dict(base)
    for name, value in changes.items():
        inside = isinstance(value, dict) and isinstance(base.get(name), dict)
        settings[name] = {**base[name], **value} if inside else value
    return settings


def new_translator(
    corpus: corpora.Corpus,
    model: dict,
    kinds: tuple[str, str] = ("word", "word"),
    vocabulary_sizes: tuple[int | None, int | None] = (None, None),
    max_length: int = 40,
) -> Translator:
    """Returns an untrained translator with tokenizers learned from a corpus.

    Args:
        corpus: its training pairs are learned from.
        model: the builder's name and its arguments but the vocabularies.
        kinds: kinds of the tokenizers of source and target.
        vocabulary_sizes: most ids of source and target; None keeps all.
        max_length: tokens of a translation.
    """
    sides = [
        Tokenizer.train(texts, kind, size)
        for texts, kind, size in zip(
            (
                [pair.source for pair in corpus.train],
                [pair.target for pair in corpus.train],
            ),
            kinds,
            vocabulary_sizes,
            strict=True,
        )
    ]
    sizes = {
        "source_vocabulary": len(sides[0]),
        "target_vocabulary": len(sides[1]),
    }
    return Translator(models.build({**model, **sizes}), *sides, max_length=max_length)


def batches_for(translator: Translator, pairs: list[Pair], size: int, **arguments):
    """Makes batches of pairs as a translator's model reads them."""
    tokenizers = translator.source_tokenizer, translator.target_tokenizer
    copying = translator.seq2seq.copies
    return batches.make(pairs, *tokenizers, size, copying=copying, **arguments)


def own_tokens(translator: Translator) -> set[str]:
    """Returns the tokens that a translator can write without copying."""
    tokenizer = translator.target_tokenizer
    return set(tokenizer.tokens(range(len(tokenizer))))


def some(values: list, count: int) -> list:
    """Returns at most so many values, from all over a list."""
    chosen = min(count, len(values))
    return [values[place * len(values) // chosen] for place in range(chosen)]


def perplexity(translator: Translator, pairs: list[Pair]) -> float:
    """Returns the teacher-forced perplexity per token."""
    measured = training.evaluate(
        translator.seq2seq, batches_for(translator, pairs, 64, shuffle=False)
    )
    return evaluation.perplexity(measured.negative_log_likelihood, measured.tokens)


def translations(translator: Translator, pairs: list[Pair]) -> list[str]:
    """Returns the greedy translation of each pair's source."""
    return [found.text for found in translator.translate([p.source for p in pairs])]
