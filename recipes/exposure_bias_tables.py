"""What README and notebooks show of the results of `recipes.exposure_bias`."""

from __future__ import annotations

from recipes import results_file
from recipes.exposure_bias import RUNS
from recipes.formats import literal, mean_and_spread, table

MEASURES = {  # name in the results: head of the column, factor, digits
    "perplexity": ("perplexity", 1, 2),
    "forced_accuracy": ("teacher-forced accuracy, %", 100, 1),
    "free_agreement": ("free-running agreement, %", 100, 1),
    "gap": ("gap", 100, 1),
    "exact_match": ("exact match, %", 100, 1),
    "chrf": ("chrF2", 1, 1),
    "cpu_seconds": ("processor seconds an epoch", 1, 1),
}
IN_README = ("teacher forcing", "inverse sigmoid", "constant 0.5", "always")
DRAWN = ("teacher forcing", "constant 0.5", "always")  # by epoch, position, length
CURVES = ("forced_accuracy", "free_agreement", "exact_match")
ENOUGH = 200  # targets that reach a position, for it to be drawn
LONG = 15  # tokens; longer targets are counted together


def scores(names=tuple(RUNS)) -> str:
    """Writes a line of scores for each run."""
    head = ("training", *(words for words, *_ in MEASURES.values()))
    rows = []
    for name in names:
        runs = [{**run, "gap": gap(run)} for run in _runs(name)]
        cells = [
            mean_and_spread([factor * run[measure] for run in runs], digits)
            for measure, (_, factor, digits) in MEASURES.items()
        ]
        rows.append([name, *cells])
    return table(head, rows)


def gap(run) -> float:
    """Returns teacher-forced accuracy less free-running agreement."""
    return run["forced_accuracy"] - run["free_agreement"]


def percent(share: float) -> float:
    """Returns a share in percent, short enough for a list to fit the line."""
    return round(100 * share, 1)


def by_epoch() -> str:
    """Writes the percents measured on the validation pairs after every epoch.

    The literal is a dict: for each run a dict of measures, each `(seeds, epochs)`.
    """
    value = {
        name: {
            measure: [
                [percent(share) for share in run["epochs"][measure]]
                for run in _runs(name)
            ]
            for measure in CURVES
        }
        for name in DRAWN
    }
    return literal("BY_EPOCH", value)


def by_position() -> str:
    """Writes percents of right tokens at each position, read right or running free.

    The literal is a dict: "tokens" `(positions,)`, how many targets are that long; and
    for each run a dict "forced", "free", each `(seeds, positions)`.
    """
    real = _runs(DRAWN[0])[0]["by_position"]["real"]
    positions = [index for index, tokens in enumerate(real) if tokens >= ENOUGH]
    value = {"tokens": [real[index] for index in positions]}
    for name in DRAWN:
        value[name] = {
            kind: [
                [
                    percent(run["by_position"][kind][index] / real[index])
                    for index in positions
                ]
                for run in _runs(name)
            ]
            for kind in ("forced", "free")
        }
    return literal("BY_POSITION", value)


def by_length() -> str:
    """Writes percents of right tokens and of exact targets, by the target's length.

    The literal is a dict: "tokens", the lengths, EOS counted, of which the last stands
    for longer ones too; "pairs", both `(lengths,)`; and for each run a dict "forced",
    "free", "exact", each `(seeds, lengths)`.
    """
    lengths = [int(length) for length in _runs(DRAWN[0])[0]["by_length"]]
    shown = [length for length in lengths if length <= LONG]
    value = {"tokens": shown}
    for name in DRAWN:
        merged = [_merged(run["by_length"]) for run in _runs(name)]
        value["pairs"] = [merged[0][length]["pairs"] for length in shown]
        value[name] = {
            kind: [
                [percent(counts[length][kind] / counts[length][of]) for length in shown]
                for counts in merged
            ]
            for kind, of in (("forced", "real"), ("free", "real"), ("exact", "pairs"))
        }
    return literal("BY_LENGTH", value)


def after_a_wrong_token() -> str:
    """Writes percents of right tokens behind one wrong token, and without it.

    The literal is a dict: for each run a dict "wrong", "right", each
    `(seeds, distances)`; distance 1 is the token right behind.
    """
    value = {
        name: {
            kind: [
                [
                    percent(counts[kind] / counts["tokens"])
                    for counts in run["after_a_wrong_token"].values()
                ]
                for run in _runs(name)
            ]
            for kind in ("wrong", "right")
        }
        for name in RUNS
    }
    return literal("AFTER_A_WRONG_TOKEN", value)


def _merged(by_length: dict) -> dict:
    """Adds up the counts of all lengths from `LONG` on; "real" counts the tokens."""
    merged = {}
    for length, counts in by_length.items():
        counts = {**counts, "real": int(length) * counts["pairs"]}
        total = merged.setdefault(min(int(length), LONG), dict.fromkeys(counts, 0))
        for kind, count in counts.items():
            total[kind] += count
    return merged


def _runs(name: str) -> list[dict]:
    """Returns the runs of a name, one a seed."""
    assert name in RUNS, name
    return results_file.several("exposure_bias", name)


REGIONS = {
    "exposure bias scores": scores,
    "exposure bias in short": lambda: scores(IN_README),
    "exposure bias by epoch": by_epoch,
    "exposure bias by position": by_position,
    "exposure bias by length": by_length,
    "exposure bias after a wrong token": after_a_wrong_token,
}
