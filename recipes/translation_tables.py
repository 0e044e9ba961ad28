"""What README and notebooks show of the recipes of real translation."""

from __future__ import annotations

import functools

from recipes import multi30k_ablation, results_file, tatoeba_size
from recipes.formats import mean_and_spread, table

IN_WORDS = {
    "lstm first state": "LSTM, source in its first state",
    "lstm": "LSTM, source at every step",
    "gru": "GRU, source at every step",
    "attention": "LSTM with attention",
}


def scores(recipe: str) -> str:
    """Writes a line for each model of a recipe: its test scores, mean and spread."""
    head = (
        *("model", "seeds", "parameters", "BLEU, greedy", "BLEU, beam 5"),
        *("chrF2, beam 5", "perplexity", "processor minutes"),
    )
    rows = []
    for name, words in IN_WORDS.items():
        runs = results_file.several(recipe, name, least=1)
        tests = [run["test"] for run in runs]
        rows.append(
            [
                words,
                str(len(runs)),
                f"{runs[0]['parameters'] / 1e6:.1f} M",
                *_scores(tests),
                _processor_minutes(runs),
            ]
        )
    return table(head, rows)


def _scores(tests: list[dict]) -> list[str]:
    return [
        mean_and_spread([test["greedy"]["BLEU"]["value"] for test in tests], 1),
        mean_and_spread([test["beam"]["BLEU"]["value"] for test in tests], 1),
        mean_and_spread([test["beam"]["chrF2"]["value"] for test in tests], 1),
        mean_and_spread([test["perplexity"] for test in tests], 2),
    ]


def signatures(recipe: str) -> str:
    """Writes sacreBLEU's signatures of the scores of a recipe."""
    several = [results_file.several(recipe, name, least=1) for name in IN_WORDS]
    runs = [run for runs in several for run in runs]
    found = sorted(
        {
            f"{metric['name']}: `{metric['signature']}`"
            for run in runs
            for search in ("greedy", "beam")
            for metric in run["test"][search].values()
        }
    )
    return "\n".join(f"- {line}" for line in found)


def ablation() -> str:
    """Writes what changes with each setting of the Multi30k recipe."""
    head = (
        *("changed", "BLEU, greedy", "BLEU, beam 5", "perplexity"),
        *("parameters", "processor minutes"),
    )
    rows = []
    for name in multi30k_ablation.RUNS:
        run = results_file.several("multi30k_ablation", name, least=1)[0]
        valid = run["valid"]
        rows.append(
            [
                "nothing" if name == "all" else name,
                f"{valid['greedy']['BLEU']['value']:.1f}",
                f"{valid['beam']['BLEU']['value']:.1f}",
                f"{valid['perplexity']:.2f}{_unit(run)}",
                f"{run['parameters'] / 1e6:.1f} M",
                _processor_minutes([run]),
            ]
        )
    return table(head, rows)


def _unit(run: dict) -> str:
    return " a word" if run["settings"]["source_kind"] == "word" else ""


def sizes() -> str:
    """Writes what the attention model of Tatoeba learns from parts of its pairs.

    Raises:
        ValueError: if a part has not been trained on.
    """
    head = ("pairs", "BLEU, greedy", "BLEU, beam 5", "chrF2, beam 5", "perplexity")
    parts = results_file.load("tatoeba_size")
    if parts.keys() != tatoeba_size.RUNS.keys():
        raise ValueError(
            f"recipes/results must hold {sorted(tatoeba_size.RUNS)}. Received: "
            f"{sorted(parts)}. Run `python -m recipes.tatoeba_size --seed 0`."
        )
    rows = [
        [f"{parts[name][0]['pairs']:,}", *_scores([run["test"] for run in parts[name]])]
        for name in tatoeba_size.RUNS
    ]
    whole = [run["test"] for run in results_file.several("tatoeba", "attention")]
    return table(head, [*rows, ["all", *_scores(whole)]])


def _processor_minutes(runs: list[dict]) -> str:
    """Writes the minutes of some trainings, both cores' counted: mean and spread.

    One that was broken off after its last epoch took its time with it.
    """
    minutes = [
        run["processor_seconds_an_epoch"] * run["settings"]["epochs"] / 60
        for run in runs
        if run["processor_seconds_an_epoch"] is not None
    ]
    return mean_and_spread(minutes, 0) if minutes else "–"


REGIONS = {
    **{
        f"{recipe} {name}": functools.partial(function, recipe)
        for recipe in ("multi30k", "tatoeba")
        for name, function in (("scores", scores), ("signatures", signatures))
    },
    "multi30k ablation": ablation,
    "tatoeba sizes": sizes,
}
