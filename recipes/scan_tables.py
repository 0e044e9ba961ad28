"""What README and notebooks show of the results of `recipes.scan`."""

from __future__ import annotations

from recipes import results_file
from recipes.formats import literal, mean_and_spread, table
from recipes.scan import MODELS, SPLITS

# Lake & Baroni 2018, percent: their overall best network, and the best for each split.
PUBLISHED = {
    "simple": ("99.7", "99.8"),
    "length": ("13.8", "20.8"),
    "jump": ("0.08", "1.2"),
    "turn left": ("90.0", "90.3"),
    **{"1%": ("5", "–"), "2%": ("54", "–"), "4%": ("93", "–")},
}
KNOWN = "exact_match_of_known_length"


def scores() -> str:
    """Writes for each split what the paper reports, and what our models do."""
    head = ("split", "paper, overall best", "paper, best of split", *MODELS)
    rows = [
        [split, *PUBLISHED[split], *(_exact(f"{kind}, {split}") for kind in MODELS)]
        for split in SPLITS
    ]
    known = [_exact(f"{kind}, length", KNOWN) for kind in MODELS]
    return table(head, [*rows, ["length, known beforehand", "–", "–", *known]])


def by_actions() -> str:
    """Writes, of the splits with commands of many lengths, the share right of each.

    The literal holds for each run a dict: the number of right actions, and the percent
    of such commands that are carried out right, in the mean of all seeds.
    """
    value = {
        f"{kind}, {split}": _shares(f"{kind}, {split}", "by_actions", int)
        for kind in MODELS
        for split in ("simple", "length")
    }
    return literal("BY_ACTIONS", value)


def by_word() -> str:
    """Writes the same for the words of commands, of the added primitives' splits."""
    value = {
        f"{kind}, {split}": _shares(f"{kind}, {split}", "by_word", str)
        for kind in MODELS
        for split in ("jump", "turn left")
    }
    return literal("BY_WORD", value)


def mistakes() -> str:
    """Writes some commands of the split "jump", and what seed 0's models did."""
    value = {
        kind: results_file.several("scan", f"{kind}, jump")[0]["mistakes"]
        for kind in MODELS
    }
    return literal("MISTAKES", value)


def _exact(name: str, measure: str = "exact_match") -> str:
    runs = results_file.several("scan", name)
    return mean_and_spread([100 * run[measure] for run in runs], 1)


def _shares(name: str, measure: str, kind: type) -> dict:
    """Adds up the counts of all seeds; returns percents, in order."""
    runs = results_file.several("scan", name)
    right, tried = {}, {}
    for run in runs:
        for key, counts in run[measure].items():
            right[kind(key)] = right.get(kind(key), 0) + counts[0]
            tried[kind(key)] = tried.get(kind(key), 0) + counts[1]
    return {key: round(100 * right[key] / tried[key], 1) for key in sorted(tried)}


REGIONS = {
    "scan scores": scores,
    "scan by actions": by_actions,
    "scan by word": by_word,
    "scan mistakes": mistakes,
}
