"""The links of README, CONTRIBUTING and docs/ lead to files and headings."""

import re

import pytest

from tools import links, notebooks

PAGES = [
    *(notebooks.ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
    *sorted(notebooks.PICTURES.glob("*.md")),
]


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_links_lead_to_files_and_headings(page):
    assert links.problems(page) == []


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
    assert links.problem(page, f"{path}#Coverage") is None
    assert "no such heading" in links.problem(page, f"{path}#coverage")
    assert "no such file" in links.problem(page, "../notebooks/01.ipynb")
