"""What README and notebooks show of the results of `recipes.source_reversal`."""

from __future__ import annotations

from recipes import results_file
from recipes.formats import literal, mean_and_spread, table
from recipes.source_reversal import RUNS

LONG = 14  # words; longer sources are counted together


def scores() -> str:
    """Writes a line for each way of reading."""
    head = (
        "the source is read",
        "exact match, %",
        "first word right, %",
        "perplexity",
        "gradient at the first word, before training",
    )
    rows = []
    for name in RUNS:
        runs = _runs(name)
        first = [_share(run["by_length"].values(), 1) for run in runs]
        rows.append(
            [
                name,
                mean_and_spread([100 * run["exact_match"] for run in runs], 1),
                mean_and_spread(first, 1),
                mean_and_spread([run["perplexity"] for run in runs], 3),
                mean_and_spread([run["gradient_at_first"] for run in runs], 3),
            ]
        )
    return table(head, rows)


def by_length() -> str:
    """Writes percents of exact translations by the words of the source.

    The literal is a dict: "words", the lengths, of which the last stands for longer
    ones too; "sentences", both `(lengths,)`; and for each run `(seeds, lengths)`.
    """
    lengths = sorted({min(int(n), LONG) for n in _runs("as it is")[0]["by_length"]})
    value = {"words": lengths}
    for name in RUNS:
        grouped = [
            [
                [
                    counts
                    for words, counts in run["by_length"].items()
                    if min(int(words), LONG) == length
                ]
                for length in lengths
            ]
            for run in _runs(name)
        ]
        value["sentences"] = [sum(n for *_, n in group) for group in grouped[0]]
        value[name] = [[round(_share(group, 0), 1) for group in run] for run in grouped]
    return literal("BY_WORDS", value)


def _share(counts, which: int) -> float:
    """Returns the percent of pairs that the counts at a place are."""
    counts = list(counts)
    return 100 * sum(c[which] for c in counts) / sum(pairs for *_, pairs in counts)


def _runs(name: str) -> list[dict]:
    return results_file.several("source_reversal", name)


REGIONS = {
    "source reversal scores": scores,
    "source reversal by length": by_length,
}
