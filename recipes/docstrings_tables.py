"""What README and notebooks show of the results of `recipes.docstrings`."""

from __future__ import annotations

import textwrap

from recipes import results_file
from recipes.docstrings import LEAD, NGRAMS, REFERENCES, RUNS
from recipes.formats import literal, mean_and_spread, table

ROUGE = {"one": "ROUGE-1", "two": "ROUGE-2", "longest": "ROUGE-L"}


def scores() -> str:
    """Writes ROUGE of each model by beam search, of the lead, and what repeats."""
    head = ("summary", *ROUGE.values(), "repeated words, %", "new words, %", "p_gen")
    rows = []
    for name in RUNS:
        runs = [run["beam"] for run in results_file.several("docstrings", name)]
        rows.append([name, *_cells(runs), _generation(runs)])
    (first, *_) = results_file.several("docstrings", next(iter(RUNS)))
    for name in (LEAD, REFERENCES):
        rows.append([name, *_cells([first[name]]), "–"])
    return table(head, rows)


def _cells(runs: list[dict]) -> list[str]:
    cells = [mean_and_spread([run["rouge"][part] for run in runs], 1) for part in ROUGE]
    for measure in ("repeated", "novel"):
        cells.append(mean_and_spread([100 * run[measure][0] for run in runs], 1))
    return cells


def _generation(runs: list[dict]) -> str:
    values = [run["generation"] for run in runs if "generation" in run]
    return mean_and_spread(values, 2) if values else "–"


def repetition() -> str:
    """Writes the percents of repeated n-grams of greedy summaries, for a figure.

    The literal is a dict: "n", and for each model `(seeds, n)`, for the references
    `(n,)`.
    """
    value = {"n": NGRAMS}
    for name in RUNS:
        runs = results_file.several("docstrings", name)
        value[name] = [_percents(run["greedy"]["repeated"]) for run in runs]
    value[REFERENCES] = _percents(runs[0][REFERENCES]["repeated"])
    return literal("REPEATED", value)


def _percents(shares: list[float]) -> list[float]:
    return [round(100 * share, 1) for share in shares]


def own_summaries() -> str:
    """Writes how seed 0 of each model summarizes this package, for figures.

    The literal is a list of dicts: "source", "reference", and "summaries", which holds
    for each model "tokens", "beyond", "generation" and "coverage" (see the recipe), the
    numbers as percents. All are lists of lines, with spaces between what they hold.
    """
    by_model = {
        name: results_file.several("docstrings", name)[0]["own"] for name in RUNS
    }
    value = []
    for each in zip(*by_model.values(), strict=True):
        made = {
            name: {
                "tokens": _lines(own["tokens"]),
                "beyond": _lines(map(int, own["beyond"])),
                "generation": _lines(map(_percent, own["generation"])),
                "coverage": _lines(map(_percent, own["coverage"])),
            }
            for name, own in zip(by_model, each, strict=True)
        }
        source, reference = each[0]["source"], each[0]["reference"]
        value.append(
            {
                "source": _lines(source.split()),
                "reference": _lines(reference.split()),
                "summaries": made,
            }
        )
    return literal("OWN_SUMMARIES", value)


def _lines(values) -> list[str]:
    """Writes values with spaces between them, in lines that are not too long."""
    return textwrap.wrap(" ".join(map(str, values)), 60, break_on_hyphens=False)


def _percent(share: float) -> int:
    return round(100 * share)


REGIONS = {
    "docstrings scores": scores,
    "docstrings repetition": repetition,
    "docstrings own summaries": own_summaries,
}
