"""The links of the pages in docs/ lead to files and headings that are there."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from tools import notebooks

PAGES = sorted(notebooks.PICTURES.glob("*.md"))
LINK = re.compile(r"\]\(((?!https?://)[^()\s]+)\)")


def anchors(path: Path) -> set[str]:
    """Returns the anchors that headings get: Jupyter's, or GitHub's in Markdown."""
    if path.suffix == ".ipynb":
        cells = notebooks.read(path).cells
        text = "\n\n".join(c.source for c in cells if c.cell_type == "markdown")
        return {h.replace("`", "").replace(" ", "-") for h in headings(text)}
    return {
        re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-")
        for heading in headings(path.read_text(encoding="utf-8"))
    }


def headings(markdown: str) -> list[str]:
    return re.findall(r"^#+ (.+?)\s*$", markdown, re.MULTILINE)


def links(page: Path) -> list[str]:
    return LINK.findall(page.read_text(encoding="utf-8"))


def problem(page: Path, link: str) -> str | None:
    """Says what is wrong with a link of a page, if anything."""
    file, _, anchor = link.partition("#")
    path = (page.parent / file).resolve() if file else page
    if not path.exists():
        return f"{link}: there is no such file"
    if anchor and unquote(anchor) not in anchors(path):
        return f"{link}: {path.name} has no such heading"
    return None


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_links_lead_to_files_and_headings(page):
    assert [found for link in links(page) if (found := problem(page, link))] == []


def test_every_line_of_the_checklist_links_to_a_heading_of_a_notebook():
    page = notebooks.PICTURES / "when_it_does_not_learn.md"
    text = page.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    lines = [line for line in lines if not line.startswith("| what you see")]
    assert len(lines) > 15
    for line in lines:
        assert re.search(r"\]\(\.\./notebooks/\w+\.ipynb#[^)]+\) \|$", line), line


def test_a_wrong_link_is_found():
    page = notebooks.PICTURES / "a_page.md"
    path = "../notebooks/01_corpus.ipynb"
    assert problem(page, f"{path}#Coverage") is None
    assert "no such heading" in problem(page, f"{path}#coverage")
    assert "no such file" in problem(page, "../notebooks/01.ipynb")
