"""Finds links of a page that lead to no file or to no heading."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

from tools import notebooks

LINK = re.compile(r"\]\(((?!https?://)[^()\s]+)\)")


def problems(page: Path) -> list[str]:
    """List what is wrong with the links in a notebook or in a page of Markdown."""
    links = LINK.findall(prose(page))
    return [found for link in links if (found := problem(page, link))]


def problem(page: Path, link: str) -> str | None:
    """Say what is wrong with a link of a page, if anything."""
    file, _, anchor = link.partition("#")
    path = (page.parent / file).resolve() if file else page
    if not path.exists():
        return f"{link}: there is no such file"
    if anchor and unquote(anchor) not in anchors(path):
        return f"{link}: {path.name} has no such heading"
    return None


def anchors(page: Path) -> set[str]:
    """Return the anchors that headings get: Jupyter's, or GitHub's in Markdown."""
    headings = re.findall(r"^#+ (.+?)\s*$", prose(page), re.MULTILINE)
    if page.suffix == ".ipynb":
        return {heading.replace("`", "").replace(" ", "-") for heading in headings}
    return {
        re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-")
        for heading in headings
    }


def prose(page: Path) -> str:
    """Return the Markdown of a page; of a notebook that of its cells."""
    if page.suffix != ".ipynb":
        return page.read_text(encoding="utf-8")
    cells = notebooks.read(page).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
