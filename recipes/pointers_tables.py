"""What README and notebooks show of the results of `recipes.pointers`."""

from __future__ import annotations

from recipes import results_file
from recipes.formats import mean_and_spread, table
from recipes.pointers import BUILDERS, LONGER

NAMES = {"pointer": "pointer network", "attention": "attention", "plain": "neither"}


def hulls() -> str:
    """Writes a line for each model and number of points: accuracy, area, failures."""
    head = ("model", "points", "right polygons, %", "area covered, %", "not simple, %")
    rows = [
        [NAMES[kind], str(points), *_hull_cells(kind, f"{points}", points)]
        for points in (5, 10)
        for kind in BUILDERS
    ]
    return table(head, rows)


def sorting() -> str:
    """Writes for each model the percent of lists that it sorts without a mistake."""
    rows = [
        [NAMES[kind], *(_exact(kind, f"{length}", length) for length in (5, 10))]
        for kind in BUILDERS
    ]
    return table(("model", "5 numbers, %", "10 numbers, %"), rows)


def longer() -> str:
    """Writes what a pointer network does that was trained on 5 to 10 items."""
    lengths = LONGER["tested"]
    head = ("trained on 5 to 10 items", *(f"{length} items" for length in lengths))
    hulls = [_hull_cells("pointer", "5-10", length) for length in lengths]
    rows = [
        ["right polygons, %", *(cells[0] for cells in hulls)],
        ["area covered, %", *(cells[1] for cells in hulls)],
        ["not simple, %", *(cells[2] for cells in hulls)],
        ["sorted, %", *(_exact("pointer", "5-10", length) for length in lengths)],
    ]
    return table(head, rows)


def _hull_cells(kind: str, trained: str, points: int) -> list[str]:
    """Returns accuracy, area coverage, and the share that is not simple, percent."""
    found = _measured(f"{kind}, convex hull of {trained}", points)
    return [
        _percent([scores[measure] for scores in found])
        for measure in ("accuracy", "coverage", "failures")
    ]


def _percent(shares: list[float | None]) -> str:
    """Writes a mean; not where no polygon was simple, which has no area coverage."""
    if None in shares:
        return "–"
    return mean_and_spread([100 * share for share in shares], 1)


def _exact(kind: str, trained: str, length: int) -> str:
    found = _measured(f"{kind}, sorting of {trained}", length)
    return _percent([scores["exact"] for scores in found])


def _measured(name: str, length: int) -> list[dict]:
    runs = results_file.several("pointers", name)
    return [run["by_length"][str(length)] for run in runs]


REGIONS = {
    "pointers hulls": hulls,
    "pointers sorting": sorting,
    "pointers longer": longer,
}
