"""What the recipes of real translation share: one run, from corpus to scores."""

from __future__ import annotations

import argparse
import dataclasses
import pathlib
from collections.abc import Mapping

import keras

from recipes.fitting import Stopwatch, progress_bar, warmup_cosine
from recipes.results_file import ResultsFile, of_seed
from s2s_keras import batches, corpora, evaluation, models, training
from s2s_keras.records import Pair
from s2s_keras.text import Tokenizer
from s2s_keras.translator import Translator

MADE = pathlib.Path(__file__).parent / "made"  # backups and weights; not in git
BEAM = {"decoding": "beam_search", "beam_width": 5, "length_penalty": 1.0}
LONGEST = 80  # tokens of a translation


@dataclasses.dataclass(frozen=True)
class Settings:
    """All that a run depends on but its seed.

    Attributes:
        corpus: name of the corpus.
        model: the builder's name and its arguments but the vocabularies.
        source_kind: kind of the source's tokenizer; targets are whole words where
            sources are, else subwords.
        vocabulary_size: most ids of each side.
        epochs: passes over the training pairs.
        batch_size: pairs in a batch.
        learning_rate: the highest one.
        schedule: `"cosine"` is `fitting.warmup_cosine`; `"constant"` keeps the highest.
        label_smoothing: see `training.fit`.
        averaging: see `training.fit`.
    """

    corpus: str
    model: dict
    source_kind: str
    vocabulary_size: int
    epochs: int
    batch_size: int
    learning_rate: float
    schedule: str = "cosine"
    label_smoothing: float = 0.1
    averaging: float | None = None


def main(
    recipe: str,
    description: str,
    runs: dict[str, Settings],
    seeds: Mapping[str, int] | None = None,
) -> None:
    """Trains and measures what is not in the results of a recipe yet.

    Args:
        recipe: its name, which the results file has, too.
        description: what `--help` says.
        runs: for each name its settings.
        seeds: see `results_file.of_seed`.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=runs, help="one run instead of all")
    asked = parser.parse_args()
    results = ResultsFile(recipe, asked.seed)
    runs = of_seed(runs, asked.seed, seeds)
    if asked.only not in (None, *runs):
        parser.error(f"{asked.only!r} has no seed {asked.seed}")
    for name in [asked.only] if asked.only else runs:
        settings = dataclasses.asdict(runs[name])
        if not results.has(name, settings):
            made = MADE / f"{recipe}-{asked.seed}-{name.replace(' ', '-')}"
            results.add(name, settings, train_and_measure(runs[name], asked.seed, made))


def train_and_measure(
    settings: Settings,
    seed: int,
    made: pathlib.Path,
    corpus: corpora.Corpus | None = None,
) -> dict:
    """Trains a translator, saves it, and returns its results for JSON.

    Args:
        settings: what to train.
        seed: of the weights and of the order of the batches.
        made: folder of the trained translator; beside it stands the backup from which
            a run that was broken off goes on.
        corpus: what to train and measure on; None is the whole corpus of the settings.
    """
    keras.utils.set_random_seed(seed)
    corpus = corpus or corpora.load(settings.corpus)
    translator = new_translator(corpus, settings)
    sides = translator.source_tokenizer, translator.target_tokenizer
    train = batches.make(corpus.train, *sides, settings.batch_size, seed=seed)
    watch, backup = Stopwatch(), made.with_name(f"{made.name}.backup.npz")
    history = training.fit(
        translator.seq2seq,
        train,
        batches.make(corpus.valid, *sides, shuffle=False),
        epochs=settings.epochs,
        learning_rate=learning_rate(settings, train.report.batches),
        label_smoothing=settings.label_smoothing,
        averaging=settings.averaging,
        callbacks=[watch, progress_bar(made.name)],
        backup=backup,
        backup_every=1_000,
    )
    translator.save(made)
    measured = {
        "parameters": translator.seq2seq.training.count_params(),
        "seconds_an_epoch": watch.seconds,
        "processor_seconds_an_epoch": watch.cpu_seconds,
        "valid_losses": history.history["val_loss"],
        "valid": measure(translator, corpus.valid),
        "test": measure(translator, corpus.test),
    }
    backup.unlink()
    return measured


def new_translator(corpus, settings: Settings) -> Translator:
    """Returns an untrained translator with tokenizers learned from a corpus."""
    sources = [pair.source for pair in corpus.train]
    targets = [pair.target for pair in corpus.train]
    size = settings.vocabulary_size
    source = Tokenizer.train(sources, settings.source_kind, size)
    target_kind = "word" if settings.source_kind == "word" else "subword"
    target = Tokenizer.train(targets, target_kind, size)
    sizes = {"source_vocabulary": len(source), "target_vocabulary": len(target)}
    return Translator(
        models.build({**settings.model, **sizes}),
        source,
        target,
        max_length=LONGEST,
        longest_source=max(len(source.encode(text)) for text in sources),
    )


def learning_rate(settings: Settings, batches_an_epoch: int):
    """Returns what `training.fit` takes for a learning rate."""
    highest = settings.learning_rate
    if settings.schedule == "constant":
        return highest
    return warmup_cosine(highest, settings.epochs * batches_an_epoch)


def measure(translator: Translator, pairs: list[Pair]) -> dict:
    """Returns free-running and teacher-forced scores on a split.

    A source counts once, with all its translations in the split as references.
    """
    sides = translator.source_tokenizer, translator.target_tokenizer
    evaluated = training.evaluate(
        translator.seq2seq, batches.make(pairs, *sides, shuffle=False)
    )
    sources, references = evaluation.group_references(pairs)
    scores = {}
    for name, options in {"greedy": {}, "beam": BEAM}.items():
        found = translator.translate(sources, **options)
        texts = [translation.text for translation in found]
        scores[name] = {
            metric.name: dataclasses.asdict(metric)
            for metric in (
                evaluation.bleu(texts, references, lowercase=True),
                evaluation.chrf(texts, references, lowercase=True),
            )
        }
    return {
        "sentences": len(sources),
        "perplexity": evaluation.perplexity(
            evaluated.negative_log_likelihood, evaluated.tokens
        ),
        **scores,
    }
