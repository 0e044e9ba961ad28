"""What README and notebooks show of the results of `recipes.copying`."""

from __future__ import annotations

from recipes import results_file
from recipes.copying import RUNS
from recipes.formats import mean_and_spread, table


def scores() -> str:
    """Writes for each model sentences right, unknown words right, and mean p_gen."""
    head = (
        "model",
        "exact match, %",
        "unknown words right, %",
        "p_gen, known words",
        "p_gen, unknown words",
    )
    rows = []
    for name in RUNS:
        runs = results_file.several("copying", name)
        rows.append([name, *_cells(runs)])
        if "replaced" in runs[0]:
            replaced = [run["replaced"] for run in runs]
            rows.append([f"{name}, unknown words replaced", *_cells(replaced)])
    return table(head, rows)


def _cells(runs: list[dict]) -> list[str]:
    cells = [
        mean_and_spread([100 * run[measure] for run in runs], 1)
        for measure in ("exact_match", "copy_accuracy")
    ]
    for measure in ("generation_of_known", "generation_of_unknown"):
        values = [run[measure] for run in runs if measure in run]
        cells.append(mean_and_spread(values, 3) if values else "–")
    return cells


REGIONS = {"copying scores": scores}
