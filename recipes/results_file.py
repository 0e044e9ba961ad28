"""One JSON file a recipe and seed: what ran, on what, with which results."""

from __future__ import annotations

import json
import math
import os
import pathlib
import platform

import keras
import tensorflow as tf

FOLDER = pathlib.Path(__file__).parent / "results"


class ResultsFile:
    """The results of a recipe with one seed, written as each run ends.

    Args:
        recipe: the recipe's name.
        seed: the seed of every run in the file.
        folder: where the file `<recipe>-<seed>.json` is.
    """

    def __init__(self, recipe, seed, folder=FOLDER):
        self.path = pathlib.Path(folder) / f"{recipe}-{seed}.json"
        self.head = {"recipe": recipe, "seed": seed, "machine": machine()}

    def has(self, name, settings):
        """Says whether a run of this name and these settings is in the file."""
        run = self._runs().get(name)
        return run is not None and run["settings"] == as_stored(settings)

    def add(self, name, settings, results):
        """Writes a run's settings and results into the file."""
        run = as_stored({"settings": settings, **results})
        record = {**self.head, "runs": {**self._runs(), name: run}}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.path.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(record, indent=1) + "\n")
        os.replace(unfinished, self.path)

    def _runs(self):
        """Reads the file anew: other processes may add runs to it."""
        return json.loads(self.path.read_text())["runs"] if self.path.exists() else {}


def of_seed(runs, seed, seeds=None):
    """Returns the runs that are made with a seed.

    Args:
        runs: a recipe's runs by name.
        seed: which seed, counted from 0.
        seeds: for a run that not every seed is for, how many seeds are.
    """
    most = seeds or {}
    return {name: run for name, run in runs.items() if seed < most.get(name, math.inf)}


def as_stored(value):
    """Returns a value as JSON gives it back, floats to six digits."""
    return json.loads(
        json.dumps(value),
        parse_float=lambda digits: float(f"{float(digits):.6g}"),
    )


def load(recipe, folder=FOLDER):
    """Returns the runs of a recipe: for each name a list, one run a seed."""
    runs = {}
    for path in sorted(pathlib.Path(folder).glob(f"{recipe}-*.json")):
        record = json.loads(path.read_text())
        for name, run in record["runs"].items():
            runs.setdefault(name, []).append({"seed": record["seed"], **run})
    return runs


def several(recipe, name, least=2):
    """Returns the runs of a name, one a seed, for a mean and a spread.

    Raises:
        ValueError: if there are fewer than `least`.
    """
    found = load(recipe).get(name, [])
    if len(found) < least:
        raise ValueError(
            f"recipes/results must hold {name!r} with at least {least} seeds. "
            f"Received: {len(found)}. Run `python -m recipes.{recipe} --seed N`."
        )
    return found


def machine():
    """Returns what a run ran on."""
    return {
        "cores": os.cpu_count(),
        "gpus": len(tf.config.list_physical_devices("GPU")),
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
    }
