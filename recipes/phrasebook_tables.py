"""What README and notebooks show of the results of `recipes.phrasebook`."""

from __future__ import annotations

from recipes import results_file
from recipes.formats import literal, mean_and_spread, table
from recipes.phrasebook import COMPOSITION, LENGTH, RANDOM, RUNS
from s2s_keras.layers.attention import SCORES

IN_WORDS = {  # score and placement of each model of the random split
    "plain": ("none", "–"),
    "plain, 9 epochs": ("none, 9 epochs", "–"),
    **{
        f"{placement} {score}": (f"`{score}`", placement)
        for placement in ("luong", "bahdanau")
        for score in SCORES
    },
    "luong additive, input feeding": ("`additive`", "luong, input feeding"),
    "luong dot, input feeding": ("`dot`", "luong, input feeding"),
    "luong general, local monotonic": ("`general`", "luong, local monotonic"),
    "luong general, local predictive": ("`general`", "luong, local predictive"),
}
ATTENDING = [name for name in IN_WORDS if "plain" not in name]
ON_SPLIT = {  # the models that are compared by length
    RANDOM: ("plain", "plain, 9 epochs", "luong additive"),
    LENGTH: ("plain", "luong additive"),
    COMPOSITION: ("plain", "luong additive"),
}
NEAR = range(-4, 5)  # the offsets that are told one by one


def scores() -> str:
    """Writes a line for each model of the random split."""
    head = (
        "score",
        "placement",
        "exact match, %",
        "perplexity",
        "alignment error rate",
        "mass on gold links",
        "processor seconds an epoch",
    )
    rows = []
    for name, words in IN_WORDS.items():
        runs = _runs(name)
        cells = [
            mean_and_spread([100 * run["exact_match"] for run in runs], 1),
            mean_and_spread([run["perplexity"] for run in runs], 3),
            *("–", "–"),
            mean_and_spread([run["cpu_seconds"] for run in runs], 1),
        ]
        if name in ATTENDING:
            found = [run["alignment"] for run in runs]
            cells[2] = mean_and_spread([one["error_rate"] for one in found], 3)
            cells[3] = mean_and_spread([one["mass"] for one in found], 3)
        rows.append([*words, *cells])
    return table(head, rows, words=2)


def splits() -> str:
    """Writes exact match in percent, with and without attention, on each split."""
    head = ("score", "placement", *(f"`{split}`" for split in ON_SPLIT))
    rows = []
    for name in ("plain", "luong additive"):
        runs = [_runs(name, split) for split in ON_SPLIT]
        exact_match = [[100 * run["exact_match"] for run in some] for some in runs]
        cells = [mean_and_spread(shares, 1) for shares in exact_match]
        rows.append([*IN_WORDS[name], *cells])
    return table(head, rows, words=2)


def by_length(variable: str, split: str) -> str:
    """Writes how many sentences of each length were translated exactly.

    The literal is a dict: "words", the lengths of the sources, and "sentences", how
    many test pairs are that long, both `(lengths,)`; and for each model its exact
    matches, `(seeds, lengths)`.
    """
    counts = {
        name: [run["by_length"] for run in _runs(name, split)]
        for name in ON_SPLIT[split]
    }
    first = counts["plain"][0]
    matches = {
        name: [[matches for matches, _ in run.values()] for run in runs]
        for name, runs in counts.items()
    }
    return literal(
        variable,
        {
            "words": [int(words) for words in first],
            "sentences": [sentences for _, sentences in first.values()],
            **matches,
        },
    )


def exact_and_aligned() -> str:
    """Writes for each model with attention a pair `(exact match, error rate)` a seed.

    Both are shares; the second is the alignment error rate.
    """
    value = {
        name: [
            (round(run["exact_match"], 3), round(run["alignment"]["error_rate"], 3))
            for run in _runs(name)
        ]
        for name in ATTENDING
    }
    return literal("EXACT_AND_ALIGNED", value)


def offsets() -> str:
    """Writes how far from its gold word the strongest weight of a target word is.

    The literal is a dict: "words", the distances, `(distances,)`; and for each model
    `(seeds, distances + 2)`, how many target words have which distance, and at last how
    many a greater one, and how many their strongest weight on EOS.
    """
    value = {"words": list(NEAR)}
    for name in ("luong additive", "bahdanau additive"):
        value[name] = []
        for run in _runs(name):
            counts = dict(run["alignment"]["offsets"])
            told = [counts.pop(str(distance), 0) for distance in (*NEAR, "eos")]
            value[name].append([*told[:-1], sum(counts.values()), told[-1]])
    return literal("OFFSETS", value)


def _runs(name: str, split: str = RANDOM) -> list[dict]:
    """Returns the runs of a model on a split, one a seed."""
    if split != RANDOM:
        name = f"{name} on {split}"
    assert name in RUNS, name
    return results_file.several("phrasebook", name)


REGIONS = {
    "phrasebook scores": scores,
    "phrasebook splits": splits,
    "phrasebook exact and aligned": exact_and_aligned,
    "phrasebook offsets": offsets,
    "phrasebook by length": lambda: by_length("RANDOM_SPLIT", RANDOM),
    "phrasebook/length by length": lambda: by_length("LENGTH_SPLIT", LENGTH),
    "phrasebook/composition by length": lambda: by_length(
        "COMPOSITION_SPLIT", COMPOSITION
    ),
}
