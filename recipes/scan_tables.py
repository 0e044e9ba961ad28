"""What README and notebooks show of the results of `recipes.scan`."""

from __future__ import annotations

import textwrap

from recipes import results_file
from recipes.formats import literal, mean_and_spread, table
from recipes.scan import MODELS, RUNS

# Lake & Baroni 2018, experiments 1 to 3, percent, means of five seeds: their overall
# best network, and the best for each split.
PUBLISHED = {
    "simple": ("99.7", "99.8"),
    "length": ("13.8", "20.8"),
    "jump": ("0.08", "1.2"),
    "turn left": ("90.0", "90.3"),
    "turn left, as in the paper": ("90.0", "90.3"),
    **{"1%": ("5", "–"), "2%": ("54", "–"), "4%": ("93", "–")},
}
PUBLISHED_SEEDS = "5"
PUBLISHED_OF_KNOWN_LENGTH = ("23.6", "60.2")
KNOWN = "exact_match_of_known_length"
PAPERS = {"overall best": "lstm", "best of split": "best"}
BY = ("paper", "ours")
MISTAKES = 6  # of each model


def scores() -> str:
    """Writes for each split what the paper reports, and what our models do."""
    head = ("split", *(f"{model}, {by}" for model in PAPERS for by in BY), "attention")
    seeds = [_seeds(kind) for kind in (*PAPERS.values(), "attention")]
    rows = [["number of seeds", PUBLISHED_SEEDS, seeds[0], PUBLISHED_SEEDS, *seeds[1:]]]
    rows += [_row(split, split, published) for split, published in PUBLISHED.items()]
    known = "length, known beforehand"
    rows.append(_row(known, "length", PUBLISHED_OF_KNOWN_LENGTH, KNOWN))
    return table(head, rows)


def _seeds(kind: str) -> str:
    """Writes how many seeds the runs of a kind have, such as "3" or "4 to 5"."""
    counts = [len(_several(name)) for name in RUNS if name.startswith(f"{kind},")]
    return " to ".join(map(str, sorted({min(counts), max(counts)})))


def _row(title: str, split: str, published: tuple, measure="exact_match") -> list[str]:
    overall, best, attention = (
        _exact(f"{kind}, {split}", measure) for kind in (*PAPERS.values(), "attention")
    )
    return [title, published[0], overall, published[1], best, attention]


def by_actions() -> str:
    """Writes, of the splits with commands of many lengths, the share right of each.

    The literal holds for each run a dict: the number of right actions, and the percent
    of such commands that are carried out right, in the mean of all seeds.
    """
    return _literal_of_shares("BY_ACTIONS", ("simple", "length"), int)


def by_word() -> str:
    """Writes the same for the words of commands, of the added primitives' splits."""
    return _literal_of_shares("BY_WORD", ("jump", "turn left"), str)


def mistakes() -> str:
    """Writes mistakes of seed 0's models on the split "jump", the shortest that it has.

    The literal is a dict: for each model a list of commands, each with the answer as a
    list of lines.
    """
    return _literal_of_mistakes("MISTAKES", "jump")


def mistakes_with_turn_left() -> str:
    """Writes the same of the split "turn left"."""
    return _literal_of_mistakes("WITH_TURN_LEFT", "turn left")


def _literal_of_mistakes(name: str, split: str) -> str:
    value = {}
    for kind in MODELS:
        run = _several(f"{kind}, {split}")[0]
        shortest = sorted(run["mistakes"], key=lambda mistake: len(mistake[2]))
        value[kind] = [
            [command, textwrap.wrap(answer, 60)]
            for command, answer, _ in shortest[:MISTAKES]
        ]
    return literal(name, value)


def _several(name: str) -> list[dict]:
    """Returns the runs of all seeds; the table says how many there are."""
    return results_file.several("scan", name, least=1)


def _exact(name: str, measure: str) -> str:
    if name not in RUNS:
        return "–"
    runs = _several(name)
    return mean_and_spread([100 * run[measure] for run in runs], 1)


def _literal_of_shares(name: str, splits: tuple[str, ...], kind: type) -> str:
    runs = [f"{model}, {split}" for model in MODELS for split in splits]
    return literal(name, {run: _shares(run, name.lower(), kind) for run in runs})


def _shares(name: str, measure: str, kind: type) -> dict:
    """Adds up the counts of all seeds; returns percents, in order."""
    runs = _several(name)
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
    "scan mistakes with turn left": mistakes_with_turn_left,
}
