"""What README and notebooks show of the results of `recipes.remedies`."""

from __future__ import annotations

from recipes import results_file
from recipes.formats import literal, mean_and_spread, table
from recipes.remedies import RUNS


def scores() -> str:
    """Writes a line of test scores for each remedy."""
    head = (
        *("changed", "perplexity", "BLEU", "chrF2", "epochs to the best"),
        "processor seconds an epoch",
    )
    rows = []
    for name in RUNS:
        runs = _runs(name)
        columns = (
            ([run["perplexity"] for run in runs], 1),
            ([run["bleu"]["value"] for run in runs], 1),
            ([run["chrf"]["value"] for run in runs], 1),
            ([run["best_epoch"] + 1 for run in runs], 1),
            ([run["cpu_seconds"] for run in runs], 1),
        )
        rows.append([name, *(mean_and_spread(*column) for column in columns)])
    return table(head, rows)


def measured() -> str:
    """Writes test scores, for a figure.

    The literal is a dict: for each remedy a dict "perplexity", "chrf", "bleu", each
    `(seeds,)`.
    """
    value = {
        name: {
            "perplexity": [round(run["perplexity"], 2) for run in _runs(name)],
            "chrf": [round(run["chrf"]["value"], 2) for run in _runs(name)],
            "bleu": [round(run["bleu"]["value"], 2) for run in _runs(name)],
        }
        for name in RUNS
    }
    return literal("REMEDIES", value)


def by_epoch() -> str:
    """Writes training and validation loss of the first seed, without a remedy.

    The literal is a dict: "losses", "valid_losses", each `(epochs,)`.
    """
    run = _runs("nothing")[0]
    value = {name: [round(x, 3) for x in run[name]] for name in CURVES}
    return literal("BY_HEART", value)


CURVES = ("losses", "valid_losses")


def _runs(name: str) -> list[dict]:
    return results_file.several("remedies", name)


REGIONS = {
    "remedies scores": scores,
    "remedies measured": measured,
    "remedies by epoch": by_epoch,
}
