"""Tests of `recipes`: how results are kept, and how they get into README and notebooks.

Of the long training runs only a tiny one is made anew.
"""

import dataclasses
import math
import re
import statistics

import nbformat
import numpy as np
import pytest

from recipes import (
    beam_width,
    beam_width_tables,
    formats,
    phrasebook,
    phrasebook_tables,
    results_file,
    small_runs,
    tables,
)
from recipes.results_file import ResultsFile, as_stored
from recipes.small_runs import changed
from s2s_keras import corpora
from tools import notebooks

SETTINGS = {"corpus": "toy", "epochs": 3, "learning_rate": 8e-3}


# Results files


def test_a_run_is_known_by_its_name_and_its_settings(tmp_path):
    results = ResultsFile("toy", 0, tmp_path)
    assert not results.has("a run", SETTINGS)
    results.add("a run", SETTINGS, {"exact_match": 0.5})
    assert results.has("a run", SETTINGS)
    assert not results.has("a run", {**SETTINGS, "epochs": 4})
    assert not results.has("another run", SETTINGS)


def test_a_results_file_goes_on_where_it_stood(tmp_path):
    ResultsFile("toy", 0, tmp_path).add("first", SETTINGS, {"exact_match": 0.5})
    again = ResultsFile("toy", 0, tmp_path)
    assert again.has("first", SETTINGS)
    again.add("second", SETTINGS, {"exact_match": 0.75})
    assert not ResultsFile("toy", 1, tmp_path).has("first", SETTINGS)
    ResultsFile("toy", 1, tmp_path).add("first", SETTINGS, {"exact_match": 0.25})
    runs = results_file.load("toy", tmp_path)
    assert [run["exact_match"] for run in runs["first"]] == [0.5, 0.25]
    assert [run["seed"] for run in runs["first"]] == [0, 1]
    assert [run["exact_match"] for run in runs["second"]] == [0.75]


def test_processes_that_share_a_results_file_keep_each_others_runs(tmp_path):
    one, other = ResultsFile("toy", 0, tmp_path), ResultsFile("toy", 0, tmp_path)
    one.add("first", SETTINGS, {"exact_match": 0.5})
    other.add("second", SETTINGS, {"exact_match": 0.75})
    assert one.has("first", SETTINGS) and one.has("second", SETTINGS)


def test_a_results_file_is_whole_when_writing_fails(tmp_path, monkeypatch):
    results = ResultsFile("toy", 0, tmp_path)
    results.add("first", SETTINGS, {"exact_match": 0.5})
    before = results.path.read_text()

    def fail(*_):
        raise OSError("no space")

    monkeypatch.setattr(results_file.os, "replace", fail)
    with pytest.raises(OSError, match="no space"):
        results.add("second", SETTINGS, {"exact_match": 0.75})
    assert results.path.read_text() == before


def test_results_keep_six_digits_and_only_what_json_knows():
    stored = as_stored({"loss": 1 / 3, "counts": {3: (1, 2)}})
    assert stored == {"loss": 0.333333, "counts": {"3": [1, 2]}}
    with pytest.raises(TypeError):
        as_stored({"loss": object()})


# The phrasebook recipe


@pytest.mark.parametrize("name", phrasebook.RUNS)
def test_stored_results_agree_with_one_another(name):
    for result in results_file.load("phrasebook")[name]:
        check_results(result)


def check_results(result):
    matches, sentences = map(sum, zip(*result["by_length"].values(), strict=True))
    assert result["exact_match"] == pytest.approx(matches / sentences, abs=1e-6)
    assert result["perplexity"] >= 1
    attends = result["settings"]["model"]["builder"] == "attention_seq2seq"
    assert attends == ("alignment" in result)
    shares = dict(result.get("alignment", {}))
    assert sum(shares.pop("offsets", {"0": 1}).values()) > 0
    assert all(0 <= share <= 1 for share in shares.values())
    for name in ("parameters", "seconds", "cpu_seconds", "perplexity"):
        assert result[name] > 0 and math.isfinite(result[name])


def test_a_tiny_run_gives_all_results(monkeypatch):
    corpus = corpora.load("phrasebook")
    few = dataclasses.replace(corpus, train=corpus.train[:60], test=corpus.test[:10])
    monkeypatch.setattr(corpora, "load", lambda _: few)
    run = phrasebook.RUNS["luong additive"]
    small = changed(run, model={"units": 8, "embedding_dim": 4}, epochs=1)
    found = as_stored({"settings": small, **phrasebook.train_and_measure(small, 0)})
    check_results(found)
    assert sum(sentences for _, sentences in found["by_length"].values()) == 10
    assert found["perplexity"] > 2, "one epoch on 60 pairs teaches little"


def test_offsets_count_from_the_only_gold_word_to_the_strongest_weight():
    pair = corpora.Pair("a b c", "x y z", ((1, 0), (2, 1), (0, 2), (1, 2)))
    weights = [
        [0.1, 0.2, 0.6, 0.1],  # x: one to the right of its gold word
        [0.0, 0.3, 0.0, 0.7],  # y: on EOS
        [1.0, 0.0, 0.0, 0.0],  # z: two gold words, left out
        [0.0, 0.0, 1.0, 0.0],  # EOS: left out
    ]
    assert phrasebook.offsets([np.array(weights)], [pair]) == {"1": 1, "eos": 1}


# Tables


@pytest.fixture
def regions(monkeypatch):
    """Two regions in the place of the real ones."""
    texts = {"a table": "| a |\n| --- |", "a literal": "A = 1"}
    functions = {name: (lambda text=text: text) for name, text in texts.items()}
    monkeypatch.setattr(tables, "REGIONS", functions)


@pytest.mark.parametrize("inside", ["", "old\n", "| a |\n\n| b |\n"])
def test_what_stands_between_the_marks_is_written_anew(inside, regions):
    begin, end = "<!-- results: a table -->", "<!-- end of results -->"
    text = f"before\n\n{begin}\n{inside}{end}\n\nafter\n"
    new = tables.filled(text, "markdown", "a text")
    assert new == f"before\n\n{begin}\n\n| a |\n| --- |\n\n{end}\n\nafter\n"
    assert tables.filled(new, "markdown", "a text") == new


def test_code_holds_a_literal(regions):
    text = "# results: a literal\nA = 0\n# end of results\nprint(A)"
    new = tables.filled(text, "code", "a cell")
    assert new == text.replace("A = 0", "A = 1")


def test_two_regions_are_two(regions):
    one = "# results: a literal\n# end of results"
    new = tables.filled(f"{one}\nB = 2\n{one}", "code", "a cell")
    assert new.splitlines().count("A = 1") == 2 and "B = 2" in new


@pytest.mark.parametrize(
    "text, message",
    [
        ("# results: a literal\nA = 0", "end of results"),
        ("A = 0\n# end of results", "end of results"),
        ("# results: a literal\n" * 2 + "# end of results", "end of results"),
        ("# results: no such\n# end of results", "a literal.*Received: 'no such'"),
    ],
)
def test_wrong_marks_are_refused(text, message, regions):
    with pytest.raises(ValueError, match=f"a cell: .*{message}"):
        tables.filled(text, "code", "a cell")


@pytest.fixture
def repository(tmp_path, monkeypatch, regions):
    """A README and a notebook with a region each, in a temporary folder."""
    region = "<!-- results: a table -->\n<!-- end of results -->"
    (tmp_path / "README.md").write_text(f"# Title\n\n{region}\n", encoding="utf-8")
    code = "# results: a literal\nA = 0\n# end of results\nprint(A)"
    output = nbformat.v4.new_output("stream", text="0\n")
    book = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_markdown_cell(region),
            nbformat.v4.new_code_cell(code, outputs=[output], execution_count=1),
        ]
    )
    (tmp_path / "notebooks").mkdir()
    monkeypatch.setattr(notebooks, "ROOT", tmp_path)
    monkeypatch.setattr(notebooks, "FOLDER", tmp_path / "notebooks")
    notebooks.write(tmp_path / "notebooks" / "01_one.ipynb", book)
    return tmp_path


def contents(repository):
    return [path.read_text("utf-8") for path in sorted(repository.rglob("*.*"))]


def test_a_check_says_which_files_are_out_of_date_and_changes_none(repository):
    before = contents(repository)
    stale = {str(path): kinds for path, kinds in tables.write(only_check=True).items()}
    assert stale == {
        "README.md": {"markdown"},
        "notebooks/01_one.ipynb": {"markdown", "code"},
    }
    assert contents(repository) == before


def test_readme_and_notebooks_are_written_once_and_outputs_stay(repository):
    assert len(tables.write()) == 2
    assert tables.write() == {}
    assert "| a |" in (repository / "README.md").read_text("utf-8")
    table, code = notebooks.read(repository / "notebooks" / "01_one.ipynb").cells
    assert "| a |" in table.source and "A = 1" in code.source
    assert code.outputs[0].text == "0\n"


def test_nothing_is_written_when_one_file_cannot_be(repository):
    readme = repository / "README.md"
    book = notebooks.read(repository / "notebooks" / "01_one.ipynb")
    book.cells[0].source = "<!-- results: a table -->"
    notebooks.write(repository / "notebooks" / "01_one.ipynb", book)
    before = readme.read_text("utf-8")
    with pytest.raises(ValueError, match="01_one.ipynb"):
        tables.write()
    assert readme.read_text("utf-8") == before


@pytest.mark.parametrize("arguments", [[], ["--check"]])
def test_the_command_fails_only_when_a_check_finds_something(
    arguments, repository, monkeypatch, capsys
):
    monkeypatch.setattr("sys.argv", ["tables", *arguments])
    with pytest.raises(SystemExit) as ended:
        tables.main()
    assert bool(ended.value.code) == (arguments == ["--check"])
    printed = capsys.readouterr().out
    assert ("is out of date" if arguments else "is written") in printed
    assert "make notebooks ONLY=notebooks/01_one.ipynb" in printed


def test_tables_of_readme_and_notebooks_agree_with_the_results():
    assert tables.write(only_check=True) == {}, "Run `make tables`."


def test_a_missing_run_is_named(monkeypatch):
    monkeypatch.setattr(results_file, "load", lambda recipe: {})
    for name in phrasebook_tables.REGIONS:
        with pytest.raises(ValueError, match="must hold 'plain|luong.*--seed"):
            phrasebook_tables.REGIONS[name]()


def test_every_run_of_the_recipe_is_shown(monkeypatch):
    asked = set()

    def load(_):
        return RecordedRuns(asked)

    monkeypatch.setattr(results_file, "load", load)
    table = phrasebook_tables.scores()
    assert len(table.splitlines()) == 2 + len(phrasebook_tables.IN_WORDS)
    phrasebook_tables.splits()
    assert asked == phrasebook.RUNS.keys()


class RecordedRuns(dict):
    """Runs of two seeds under any name; remembers which were asked for."""

    def __init__(self, asked):
        super().__init__()
        self.asked = asked

    def get(self, name, default):
        self.asked.add(name)
        alignment = {"error_rate": 0.25, "mass": 0.5}
        run = {"exact_match": 0.5, "perplexity": 2.0, "cpu_seconds": 1.0}
        return [{**run, "alignment": alignment}] * 2


@pytest.fixture
def beam_runs(monkeypatch):
    """Made-up results of every search of `recipes.beam_width`."""
    runs = {}
    for settings in reversed(beam_width.RUNS.values()):
        penalty, width = settings["length_penalty"], settings["beam_width"]
        measured = {
            "bleu": width + penalty / 1000,
            "length_ratio": 1.0,
            "log_probability": -10.0 / width,
            "signature": "nrefs:1",
        }
        runs[f"{penalty}, {width}"] = [{"settings": settings, **measured}]
    monkeypatch.setattr(results_file, "load", lambda recipe: runs)
    return runs


def test_beam_widths_are_a_literal_in_the_order_of_the_recipe(beam_runs):
    names = {}
    exec(beam_width_tables.beam_widths(), names)
    widths = beam_width.WIDTHS
    assert names["WIDTHS"] == widths and names["SIGNATURE"] == "nrefs:1"
    assert tuple(names["BEAM_WIDTHS"]) == beam_width.LENGTH_PENALTIES
    for measured in names["BEAM_WIDTHS"].values():
        assert measured["bleu"] == list(map(float, widths))
        assert measured["length_ratio"] == [1.0] * len(widths)
        expected = [round(-10 / width, 2) for width in widths]
        assert measured["log_probability"] == expected


def test_a_missing_beam_width_is_named(beam_runs):
    beam_runs.pop("0.6, 20")
    with pytest.raises(ValueError, match=r"Missing: \[\(0.6, 20\)\].*beam_width"):
        beam_width_tables.beam_widths()


# Formats


def test_a_markdown_table_aligns_numbers_to_the_right():
    text = formats.table(["model", "loss"], [["plain", "1.0"], ["luong", "0.5"]])
    assert text.splitlines() == [
        "| model | loss |",
        "| --- | ---: |",
        "| plain | 1.0 |",
        "| luong | 0.5 |",
    ]


def test_the_spread_is_the_standard_deviation_of_a_sample():
    values = [1.0, 2.0, 4.0]
    expected = f"{statistics.mean(values):.2f} ± {statistics.stdev(values):.2f}"
    assert formats.mean_and_spread(values, 2) == expected == "2.33 ± 1.53"


def test_a_literal_is_what_it_says_and_fits_the_line():
    value = {"a name": [[index * 1000 for index in range(20)]] * 2, "other": (0.5, 1)}
    text = formats.literal("VALUE", value)
    assert max(map(len, text.splitlines())) <= 88
    names = {}
    exec(text, names)
    assert names["VALUE"] == value


@pytest.mark.parametrize(
    ("size", "places"),
    [(0, []), (2, [0, 1]), (4, [0, 1, 2]), (5, [0, 1, 3]), (9, [0, 3, 6])],
)
def test_some_values_are_from_all_over_a_list(size, places):
    assert small_runs.some(list(range(size)), 3) == places


def test_every_region_is_shown_somewhere():
    texts = [(notebooks.ROOT / "README.md").read_text(encoding="utf-8")]
    for path in notebooks.every_notebook():
        texts += [cell.source for cell in notebooks.read(path).cells]
    mark = re.compile(r"^(?:#|<!--) results: (.+?)(?: -->)?$", re.MULTILINE)
    assert set(mark.findall("\n".join(texts))) == tables.REGIONS.keys()


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--only", "LSTM"], "--only must be part .* seed 0 .*: 'LSTM'.*'lstm'"),
        (["--seed", "7"], "--seed must be one that a run has. Received: 7"),
    ],
)
def test_a_command_without_a_run_is_refused(arguments, message, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["memory", *arguments])
    with pytest.raises(SystemExit):
        small_runs.main("memory", "", {"lstm": {}}, lambda *_: 1 / 0, {"lstm": 5})
    assert re.search(message, " ".join(capsys.readouterr().err.split()))
