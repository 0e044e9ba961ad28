"""What README and notebooks show of the results of `recipes.memory`."""

from __future__ import annotations

from recipes import results_file
from recipes.formats import literal, mean_and_spread, table
from recipes.memory import RUNS
from s2s_keras.corpora.memory import LENGTHS


def scores() -> str:
    """Writes for each run the percent of right first words at each length."""
    head = ("model", "trained", *(f"{length} words" for length in LENGTHS))
    rows = []
    for name in RUNS:
        runs = _runs(name)
        model, _, way = name.rpartition(", ")
        cells = []
        for length in map(str, LENGTHS):
            shares = [
                100 * run["by_length"][length]["test"]
                for run in runs
                if length in run["by_length"]
            ]
            cells.append(mean_and_spread(shares, 0) if shares else "–")
        rows.append([model, way, *cells])
    return table(head, rows, words=2)


def shares() -> str:
    """Writes the percents of right first words, for a figure.

    The literal is a dict: "words", the lengths, and for each run `(seeds, lengths)`,
    with None where a length was not tried.
    """
    value = {"words": LENGTHS}
    for name in RUNS:
        value[name] = [
            [
                round(100 * run["by_length"][length]["test"], 1)
                if length in run["by_length"]
                else None
                for length in map(str, LENGTHS)
            ]
            for run in _runs(name)
        ]
    return literal("FIRST_WORDS", value)


def _runs(name: str) -> list[dict]:
    return results_file.several("memory", name)


REGIONS = {
    "memory scores": scores,
    "memory shares": shares,
}
