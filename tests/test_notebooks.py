"""What every notebook keeps to; `make test` executes them apart from these tests."""

import re
from collections import Counter

import pytest
from nbval.plugin import comment_markers, find_comment_markers, metadata_tags

from tools import links, notebooks

SECTIONS = [
    "What you will learn",
    "The idea",
    "By hand",
    "In s2s_keras",
    "At work",
    "What went wrong, and what it cannot do",
    "Exercises",
    "What to read",
]
PATHS = notebooks.every_notebook()
PAGES = [path for path in PATHS if path.parent == notebooks.FOLDER]
LESSONS = [path for path in PAGES if path.name < "90"]  # appendices follow


def named(paths):
    return pytest.mark.parametrize("path", paths, ids=[path.name for path in paths])


def headings(notebook):
    prose = [c.source for c in notebook.cells if c.cell_type == "markdown"]
    return re.findall(r"^## (.+?)\s*$", "\n".join(prose), flags=re.MULTILINE)


@named(PATHS)
def test_name_has_a_number_and_a_topic(path):
    assert re.fullmatch(r"\d\d_[a-z0-9_]+\.ipynb", path.name)


@named(PATHS)
def test_first_code_cell_finds_the_package(path):
    notebook = notebooks.read(path)
    first = notebooks.code_cells(notebook)[0]
    repository = notebooks.stamped_for(notebook)
    address = repository and notebooks.GITHUB.format(repository=repository)
    assert notebooks.tagged(notebook, "setup") == [first]
    assert first.source == notebooks.setup_source(address), (
        "Copy the cell from another notebook; `make colab` stamps it."
    )


@named(PATHS)
def test_cells_ran_once_from_top_to_bottom(path):
    cells = notebooks.code_cells(notebooks.read(path))
    counts = [cell.execution_count for cell in cells]
    assert counts == list(range(1, len(cells) + 1)), "Run `make notebooks`."


@named(PATHS)
def test_outputs_are_the_same_on_other_machines(path):
    assert notebooks.output_problems(notebooks.read(path)) == []


@named(PATHS)
def test_no_cell_is_empty_or_clears_its_output(path):
    for cell in notebooks.code_cells(notebooks.read(path)):
        assert cell.source.strip()
        assert "clear_output" not in cell.source


@named(PATHS)
def test_no_cell_hides_its_value_with_a_semicolon(path):
    for cell in notebooks.code_cells(notebooks.read(path)):
        assert not cell.source.rstrip().endswith(";"), (
            "Jupyter hides the value and nbval does not: they would always differ. "
            "Let the last line have no value, as `plt.show()`."
        )


@named(PATHS)
def test_output_that_is_not_compared_has_a_reason_in_words(path):
    for cell in notebooks.code_cells(notebooks.read(path)):
        tags = cell.metadata.get("tags", [])
        assert not metadata_tags.keys() & set(tags), "Readers do not see a tag."
        assert set(find_comment_markers(cell.source)) <= {("check", False)}, (
            "Every cell runs and succeeds; NBVAL_IGNORE_OUTPUT is all that may be said."
        )
        lines = [line.strip("# ") for line in cell.source.splitlines()] + [""]
        for marker in comment_markers.keys() & set(lines):
            below = cell.source.splitlines()[lines.index(marker) + 1 :][:1]
            assert re.match(r"# (\S+ ){3,}", " ".join(below) + " "), (
                f"Say in a comment below # {marker} why this output cannot be exact."
            )


@named(PATHS)
def test_size_is_below_3_megabytes(path):
    assert path.stat().st_size < 3e6


@named(PATHS)
def test_metadata_says_nothing_about_one_machine(path):
    notebook = notebooks.read(path)
    kept = {
        key: value for key, value in notebook.metadata.items() if key != "s2s_keras"
    }
    assert kept == notebooks.METADATA, "Run `make notebooks`."
    pattern = notebooks.NOT_REPEATABLE["a path of this machine"]
    assert not any(re.search(pattern, cell.source) for cell in notebook.cells)
    keys = Counter(key for cell in notebook.cells for key in cell.metadata)
    assert keys.keys() <= {"tags"}, "Run `make notebooks`."


@named(LESSONS)
def test_sections_stand_in_the_same_order(path):
    found = headings(notebooks.read(path))
    if path.stem == "00_quickstart":
        assert found == [section for section in SECTIONS if section in found]
    else:
        assert found == SECTIONS


@named(PAGES)
def test_notebook_begins_with_its_title(path):
    prose = [c for c in notebooks.read(path).cells if c.cell_type == "markdown"]
    titles = [c for c in prose if "colab-badge" not in c.metadata.get("tags", [])]
    assert titles[0].source.startswith("# ")


@named(PATHS)
def test_links_lead_to_files_and_headings(path):
    assert links.problems(path) == []


@named(LESSONS)
def test_picture_in_readme_is_the_notebooks_own(path):
    (picture,) = notebooks.figures(notebooks.read(path))
    assert (notebooks.PICTURES / f"{path.stem}.png").read_bytes() == picture, (
        "Tag one cell `figure` and run `make notebooks`."
    )
