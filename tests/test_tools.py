"""The commands of tools/notebooks.py, on notebooks of their own."""

import sys

import nbformat
import pytest

from s2s_keras import corpora
from tools import notebooks

OUTPUT = nbformat.v4.new_output


@pytest.fixture
def notebook():
    title = nbformat.v4.new_markdown_cell("# A title")
    setup = nbformat.v4.new_code_cell(
        notebooks.setup_source(), metadata={"tags": ["setup"]}
    )
    result = nbformat.v4.new_code_cell(
        'print("two lines\\nof text")', metadata={"tags": ["result"]}
    )
    return nbformat.v4.new_notebook(cells=[title, setup, result])


@pytest.fixture
def repository(tmp_path, monkeypatch, notebook):
    """A repository of a notebook and its solutions, in a temporary folder."""
    (tmp_path / "notebooks" / "solutions").mkdir(parents=True)
    (tmp_path / "s2s_keras").mkdir()
    (tmp_path / "s2s_keras" / "__init__.py").touch()
    monkeypatch.setattr(notebooks, "ROOT", tmp_path)
    monkeypatch.setattr(notebooks, "FOLDER", tmp_path / "notebooks")
    monkeypatch.setattr(notebooks, "BUILD", tmp_path / "build")
    for path in ("notebooks/01_one.ipynb", "notebooks/solutions/01_one.ipynb"):
        notebooks.write(tmp_path / path, notebook)
    return tmp_path


def contents(repository):
    return [path.read_text(encoding="utf-8") for path in notebooks.every_notebook()]


def test_stamp_leads_to_the_notebook_and_installs_the_repository(repository):
    notebooks.stamp_all("someone/seq2seq")
    for path in notebooks.every_notebook():
        badge, _, setup, _ = notebooks.read(path).cells
        place = f"someone/seq2seq/blob/main/{path.relative_to(repository).as_posix()}"
        assert f"https://colab.research.google.com/github/{place})" in badge.source
        assert "git+https://github.com/someone/seq2seq" in setup.source
        assert notebooks.stamped_for(notebooks.read(path)) == "someone/seq2seq"


def test_stamping_twice_changes_nothing(repository):
    notebooks.stamp_all("someone/seq2seq")
    once = contents(repository)
    notebooks.stamp_all("someone/seq2seq")
    assert contents(repository) == once


def test_stamping_for_another_repository_replaces_the_stamp(repository):
    notebooks.stamp_all("other/place")
    there = contents(repository)
    notebooks.stamp_all("someone/seq2seq")
    notebooks.stamp_all("other/place")
    assert contents(repository) == there


@pytest.mark.parametrize("wrong", ["", "name", "https://github.com/a/b", "a/b c"])
def test_stamp_says_what_a_repository_is_and_changes_nothing(repository, wrong):
    before = contents(repository)
    with pytest.raises(ValueError, match="REPO=owner/name.* Received: "):
        notebooks.stamp_all(wrong)
    assert contents(repository) == before


def test_stamp_needs_a_setup_cell(notebook):
    del notebook.cells[1]
    with pytest.raises(ValueError, match="no cell tagged 'setup'"):
        notebooks.stamp(notebook, "notebooks/01_one.ipynb", "someone/seq2seq")


def test_setup_cell_finds_the_checkout(repository, monkeypatch):
    monkeypatch.chdir(repository / "notebooks" / "solutions")
    monkeypatch.syspath_prepend("elsewhere")
    exec(notebooks.setup_source(), {})
    assert sys.path[:2] == [str(repository), "elsewhere"]


def test_setup_cell_says_what_to_do_without_the_package(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"neither .* pip install git\+https"):
        exec(notebooks.setup_source(), {})


def test_store_keeps_outputs_and_nothing_of_the_run(repository):
    path = notebooks.FOLDER / "01_one.ipynb"
    draft = notebooks.read(path)
    draft.cells[2].metadata["execution"] = {"iopub.execute_input": "a time"}
    nbformat.write(draft, path)
    notebooks.store(path)
    setup, result = notebooks.code_cells(notebooks.read(path))
    assert (setup.execution_count, setup.outputs) == (1, [])
    assert result.outputs == [
        OUTPUT("stream", name="stdout", text="two lines\nof text\n")
    ]
    assert result.metadata == {"tags": ["result"]}
    assert [p.name for p in path.parent.iterdir() if p.is_file()] == [path.name]


def test_show_prints_the_results_and_leaves_the_notebook_alone(repository, capsys):
    path = notebooks.FOLDER / "01_one.ipynb"
    before = path.read_bytes()
    notebooks.show(path)
    assert "\ntwo lines\nof text\n" in capsys.readouterr().out
    assert path.read_bytes() == before
    page = (repository / "build" / "01_one.html").read_text(encoding="utf-8")
    assert "A title" in page


@pytest.mark.parametrize(
    "code, problem",
    [
        ("import sys; print('loud', file=sys.stderr)", "stderr: loud"),
        ("import os; print(os.__file__)", "a path of this machine"),
        ("print(object())", "a memory address"),
        ("import time; print(time.ctime())", "a time of day"),
    ],
)
def test_store_refuses_what_other_machines_would_not_show(repository, code, problem):
    path = notebooks.FOLDER / "01_one.ipynb"
    draft = notebooks.read(path)
    draft.cells[2].source = code
    notebooks.write(path, draft)
    before = path.read_bytes()
    with pytest.raises(SystemExit, match=f"not stored:\ncode cell 2 .*{problem}"):
        notebooks.store(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "text, problem",
    [
        ("file:///home/me/x.tsv", "a path of this machine"),
        ("cache:/home/me/x", "a path of this machine"),
        ("C:/Users/me/x", "a path of this machine"),
        ("on 2026-11-23T08", "a date"),
        ("8:21:33", "a time of day"),
        ("0x7FFDEADBEEF0", "a memory address"),
        ("Traceback (most recent call last):", "a traceback"),
    ],
)
def test_what_belongs_to_one_machine_or_day_is_named(notebook, text, problem):
    notebook.cells[2].outputs = [OUTPUT("stream", name="stdout", text=text)]
    (found,) = notebooks.output_problems(notebook)
    assert found.startswith(f"code cell 2 shows {problem}: ")


@pytest.mark.parametrize(
    "text",
    [
        "我 爱 学习 / I love studying AI",
        "and/or, 1/2/3, ./here/is, ../shared/data, https://host/a/b",
        "(batch, source_length) 12:30 0x1f",
    ],
)
def test_plain_text_is_no_problem(notebook, text):
    cell = notebook.cells[2]
    cell.outputs = [OUTPUT("stream", text=text)]
    assert notebooks.output_problems(notebook) == []


def test_pictures_are_not_searched(notebook):
    figure = {"image/png": "/aaaa/bbbb/cccc", "text/plain": "<Figure size 640x480>"}
    notebook.cells[2].outputs = [OUTPUT("display_data", figure)]
    assert notebooks.output_problems(notebook) == []


def test_a_notebook_without_needs_misses_nothing(notebook):
    assert notebooks.missing_data(notebook) is None


def test_a_missing_corpus_is_named_in_a_sentence(notebook, monkeypatch):
    def load(name):
        raise corpora.DataUnavailable("No copy and no network.\nTried: much")

    monkeypatch.setattr(corpora, "load", load)
    notebook.metadata["s2s_keras"] = {"needs": ["tatoeba"]}
    reason = notebooks.missing_data(notebook)
    assert reason == "It needs the corpus 'tatoeba'. No copy and no network."


def test_writing_breaks_no_notebook_when_it_fails(repository, notebook, monkeypatch):
    path = notebooks.FOLDER / "01_one.ipynb"
    before = path.read_bytes()
    monkeypatch.setattr("os.replace", lambda *paths: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        notebooks.write(path, notebook)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir() if p.is_file()] == [path.name]


def test_writing_breaks_no_text_when_it_fails(tmp_path, monkeypatch):
    path = tmp_path / "README.md"
    path.write_text("old")
    monkeypatch.setattr("os.replace", lambda *paths: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        notebooks.write_text(path, "new")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
