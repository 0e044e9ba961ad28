"""Tests that `recipes/results/` holds what the recipes, as they are, would write."""

import dataclasses
import importlib
import json

import pytest

from recipes import results_file
from recipes.results_file import as_stored

FILES = sorted(results_file.FOLDER.glob("*.json"))


@pytest.mark.parametrize("path", FILES, ids=[path.name for path in FILES])
def test_results_are_those_of_the_recipe_as_it_is(path):
    record = json.loads(path.read_text())
    assert path.name == f"{record['recipe']}-{record['seed']}.json"
    assert record["machine"].keys() == results_file.machine().keys()
    recipe = importlib.import_module(f"recipes.{record['recipe']}")
    seeds = getattr(recipe, "SEEDS", {})
    runs = results_file.of_seed(recipe.RUNS, record["seed"], seeds)
    assert record["runs"].keys() == runs.keys()
    for name, result in record["runs"].items():
        settings = settings_of(recipe.RUNS[name])
        assert result["settings"] == as_stored(settings), (
            f"{name!r} ran with other settings: run the recipe again."
        )


def settings_of(run):
    return dataclasses.asdict(run) if dataclasses.is_dataclass(run) else run
