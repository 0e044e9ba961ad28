"""Writes what the recipes measured into README.md and the notebooks.

    python -m recipes.tables            writes every region anew
    python -m recipes.tables --check    only says which files are out of date

A region stands between two marks. In Markdown, where it holds a table:

    <!-- results: phrasebook scores -->
    <!-- end of results -->

In a notebook's code, where it holds a Python literal, so that a notebook that stands
alone has the numbers of its figures:

    # results: phrasebook by length
    # end of results

Each module `*_tables.py` beside this one says what its regions hold.
"""

from __future__ import annotations

import argparse
import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from nbformat import NotebookNode

from tools import notebooks

MODULES = [
    importlib.import_module(f"recipes.{path.stem}")
    for path in sorted(Path(__file__).parent.glob("*_tables.py"))
]
REGIONS = {  # name: function that returns the text
    name: write_region
    for module in MODULES
    for name, write_region in module.REGIONS.items()
}
MARKS = {
    "markdown": (r"<!-- results: ([^\n]+) -->", "<!-- end of results -->"),
    "code": (r"# results: ([^\n]+)", "# end of results"),
}


def main() -> None:
    """Writes the regions, or says which files are out of date."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    only_check = parser.parse_args().check
    try:
        changed = write(only_check)
    except ValueError as error:
        sys.exit(str(error))
    for path, kinds in changed.items():
        done = "is out of date: run `make tables`" if only_check else "is written"
        run = f", then `make notebooks ONLY={path}`" if "code" in kinds else ""
        print(f"{path} {done}{run}.")
    sys.exit(only_check and bool(changed))


def write(only_check: bool = False) -> dict[Path, set[str]]:
    """Writes the regions of README and notebooks whose text has changed.

    Args:
        only_check: leave the files as they are.

    Returns:
        The changed files, and in which kinds of text: "markdown", "code". Where code
        has changed, the notebook's outputs are out of date.

    Raises:
        ValueError: a mark is wrong or a result is missing. Then nothing is written.
    """
    readme = notebooks.ROOT / "README.md"
    old = readme.read_text(encoding="utf-8")
    new = filled(old, "markdown", readme.name)
    changed = {readme: {"markdown"}} if new != old else {}
    books = {path: notebooks.read(path) for path in notebooks.every_notebook()}
    for path, book in books.items():
        if kinds := set(_fill_cells(book, path.name)):
            changed[path] = kinds
    for path in () if only_check else changed:
        if path == readme:
            notebooks.write_text(readme, new)
        else:
            notebooks.write(path, books[path])
    return {path.relative_to(notebooks.ROOT): kinds for path, kinds in changed.items()}


def filled(text: str, kind: str, where: str) -> str:
    """Returns a text with its regions written anew.

    Args:
        text: the README, or the source of a notebook's cell.
        kind: "markdown" or "code".
        where: names the text in an error.

    Raises:
        ValueError: a mark names no region, or begin and end of a region do not match.
    """
    begin, end = MARKS[kind]
    for line in text.splitlines():
        if re.fullmatch(f"({begin}|{end})", line.strip()) and line != line.strip():
            raise ValueError(f"{where}: a mark must fill its line. Received: {line!r}.")
    region = re.compile(f"^{begin}\n.*?^{end}$", re.MULTILINE | re.DOTALL)
    for mark in (f"^{begin}$", f"^{end}$"):
        if len(re.findall(mark, text, re.MULTILINE)) != len(region.findall(text)):
            raise ValueError(f"{where}: each region must have its own mark {end!r}.")
    return region.sub(lambda match: _region(match, kind, where), text)


def _region(match: re.Match, kind: str, where: str) -> str:
    """Returns a region's text, marks included."""
    name, lines = match[1], match[0].splitlines()
    if name not in REGIONS:
        raise ValueError(
            f"{where}: a mark must name one of {sorted(REGIONS)}. Received: {name!r}."
        )
    gap = "\n\n" if kind == "markdown" else "\n"  # Markdown wants it around a table
    return gap.join([lines[0], REGIONS[name](), lines[-1]])


def _fill_cells(book: NotebookNode, where: str) -> Iterator[str]:
    """Fills a notebook's regions; yields the kind of each cell that changes."""
    for cell in book.cells:
        if cell.cell_type in MARKS:
            source = filled(cell.source, cell.cell_type, where)
            if source != cell.source:
                cell.source = source
                yield cell.cell_type


if __name__ == "__main__":
    main()
