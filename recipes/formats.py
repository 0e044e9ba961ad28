"""How results are written: Markdown tables, Python literals, means with a spread."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Iterable, Sequence

from tools import notebooks


def table(head: Sequence[str], rows: Iterable[Sequence[str]], words: int = 1) -> str:
    """Writes a Markdown table.

    Args:
        head: the names of the columns.
        rows: as many cells each.
        words: how many columns, from the left, hold words; the others hold numbers.
    """
    rule = ["---"] * words + ["---:"] * (len(head) - words)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def mean_and_spread(values: Sequence[float], digits: int) -> str:
    """Writes the mean and the standard deviation of what several seeds gave.

    A single value stands alone.
    """
    values = [float(value) for value in values]
    mean = f"{statistics.mean(values):.{digits}f}"
    if len(values) == 1:
        return mean
    return f"{mean} ± {statistics.stdev(values):.{digits}f}"


def literal(name: str, value) -> str:
    """Writes `name = value` as `ruff format` has it."""
    command = [sys.executable, "-m", "ruff", "format", "-"]
    done = subprocess.run(
        command,
        input=f"{name} = {value!r}",
        cwd=notebooks.ROOT,  # where the length of a line is set
        capture_output=True,
        check=True,
        encoding="utf-8",
    )
    return done.stdout.rstrip()
