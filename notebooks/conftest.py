"""How pytest runs the notebooks: `pytest --nbval notebooks`."""

import functools
from collections import defaultdict

import nbval.kernel
import pytest

from tools import notebooks

nbval.kernel.start_new_kernel = functools.partial(
    nbval.kernel.start_new_kernel, extra_arguments=notebooks.KERNEL_ARGUMENTS
)
SECONDS = defaultdict(float)


def pytest_collection_modifyitems(items):
    """Skip a notebook whose data this machine cannot get, before its kernel starts."""
    reason_of = {}
    for cell in items:
        if cell.path.suffix != ".ipynb":
            continue
        if cell.path not in reason_of:
            reason_of[cell.path] = _reason_to_skip(cell.parent.nb)
        if reason := reason_of[cell.path]:
            cell.add_marker(pytest.mark.skip(reason=reason))


def _reason_to_skip(notebook):
    try:
        return notebooks.missing_data(notebook)
    except (ValueError, ImportError):
        return None  # a damaged copy, a missing package: the cell that meets it tells


def pytest_runtest_logreport(report):
    """Add a test's time to its file's: a cell's, and its kernel's start, too."""
    SECONDS[report.nodeid.split("::")[0]] += report.duration


def pytest_terminal_summary(terminalreporter):
    """Say how long each file took."""
    terminalreporter.section("seconds of each file, a kernel's start included")
    for name, seconds in sorted(SECONDS.items(), key=lambda item: -item[1]):
        terminalreporter.write_line(f"{seconds:6.1f}  {name}")
