"""What README and notebooks show of the results of `recipes.initialization`."""

from __future__ import annotations

from recipes import results_file
from recipes.formats import literal, mean_and_spread, table
from recipes.initialization import RUNS

LOSSES = (1.0, 0.5, 0.1)  # nats a token, of validation
DRAWN = (
    *("embeddings at 1", "embeddings at 0.35"),
    *("embeddings at 0.125", "embeddings at 0.029"),
)
EVERY = 2  # which of the measurements are drawn, so that a row fits the line


def scores() -> str:
    """Writes a line for each start: steps to given losses, and scores at the end."""
    head = (
        "start",
        *(f"steps to a loss of {loss}" for loss in LOSSES),
        "alignment error rate",
        "exact match, %",
        "perplexity",
    )
    rows = []
    for name in RUNS:
        runs = _runs(name)
        cells = [in_words([steps_to(loss, run) for run in runs]) for loss in LOSSES]
        for measure, factor, digits in (
            ("alignment_error_rate", 1, 3),
            ("exact_match", 100, 1),
            ("perplexity", 1, 3),
        ):
            values = [factor * run[measure] for run in runs]
            cells.append(mean_and_spread(values, digits))
        rows.append([name, *cells])
    return table(head, rows)


def steps_to(loss: float, run: dict) -> int | None:
    """Returns after how many steps a validation loss was measured below a value."""
    every = run["settings"]["every"]
    for number, measured in enumerate(run["valid_losses"], start=1):
        if measured < loss:
            return number * every
    return None


def in_words(steps: list[int | None]) -> str:
    """Writes mean and spread of some seeds' steps, or how many seeds got there."""
    reached = [count for count in steps if count is not None]
    if len(reached) == len(steps):
        return mean_and_spread(steps, 0)
    return f"{len(reached)} of {len(steps)} seeds"


def curves() -> str:
    """Writes every second measurement of validation loss and alignment error rate.

    The literal is a dict: "every", the steps between two measurements; and for each
    start a dict "losses", "error_rates", each `(seeds, measurements)`.
    """
    value = {"every": EVERY * _runs(DRAWN[0])[0]["settings"]["every"]}
    for name in DRAWN:
        runs = _runs(name)
        value[name] = {
            kind: [
                [round(x, 3) for x in run[measure][EVERY - 1 :: EVERY]] for run in runs
            ]
            for kind, measure in (
                ("losses", "valid_losses"),
                ("error_rates", "alignment_error_rates"),
            )
        }
    return literal("BY_START", value)


def _runs(name: str) -> list[dict]:
    return results_file.several("initialization", name)


REGIONS = {
    "initialization scores": scores,
    "initialization curves": curves,
}
