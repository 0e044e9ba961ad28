"""What README and notebooks show of the results of `recipes.transfer`."""

from __future__ import annotations

import math

from recipes import results_file
from recipes.formats import literal, mean_and_spread, table
from recipes.transfer import RUNS

IN_WORDS = {
    "nothing": "nothing",
    "vectors, frozen": "GloVe in the target embedding, frozen",
    "vectors, fine-tuned": "GloVe in the target embedding, fine-tuned",
    "vectors, shuffled": "GloVe's rows in a random order, fine-tuned",
    "pretrained": "weights pretrained on `phrasebook`",
    "genuine pairs": "3,846 pairs of `phrasebook` mixed in",
    "back-translations": "the same, their Chinese made by back-translation",
    "tied": "nothing, but target embedding and output layer tied",
    "tied, vectors": "GloVe in both, tied, fine-tuned",
    "word dropout": "nothing, but 15% of the words dropped",
}
SCRATCH = "nothing"


def scores() -> str:
    """Writes a line for each run: its test scores, mean and spread."""
    head = (
        *("what is borrowed", "perplexity", "BLEU", "chrF2"),
        *("seeds with a lower perplexity", "best epoch", "perplexity on `phrasebook`"),
        "processor seconds an epoch",
    )
    rows = []
    for name, words in IN_WORDS.items():
        runs = _runs(name)
        cells = [
            mean_and_spread([_perplexity(run) for run in runs], 2),
            mean_and_spread([run["test"]["bleu"]["value"] for run in runs], 1),
            mean_and_spread([run["test"]["chrf"]["value"] for run in runs], 1),
            _seeds_better(name),
            mean_and_spread([run["best_epoch"] + 1 for run in runs], 1),
            mean_and_spread([run["perplexity"]["phrasebook"] for run in runs], 1),
            mean_and_spread([run["cpu_seconds"] for run in runs], 1),
        ]
        rows.append([words, *cells])
    return table(head, rows)


def in_short() -> str:
    """Writes a line for each run, with few columns."""
    rows = [
        [
            words,
            mean_and_spread([_perplexity(run) for run in _runs(name)], 2),
            _seeds_better(name),
            mean_and_spread([run["test"]["chrf"]["value"] for run in _runs(name)], 1),
        ]
        for name, words in IN_WORDS.items()
    ]
    head = ("what is borrowed", "perplexity", "seeds with a lower one", "chrF2")
    return table(head, rows)


def signatures() -> str:
    """Writes sacreBLEU's signatures of the test scores."""
    found = {
        f"- {metric['name']}: `{metric['signature']}`"
        for name in RUNS
        for run in _runs(name)
        for metric in run["test"].values()
    }
    return "\n".join(sorted(found))


def curves() -> str:
    """Writes the validation perplexity after each epoch.

    The literal is a dict: for each run a list `(seeds, epochs)`; a seed that stopped
    early has fewer epochs.
    """
    value = {
        name: [
            [round(math.exp(loss), 1) for loss in run["valid_losses"]]
            for run in _runs(name)
        ]
        for name in RUNS
    }
    return literal("VALID_PERPLEXITIES", value)


def tests() -> str:
    """Writes the test scores of each seed: for each run perplexity and chrF2."""
    value = {
        name: {
            "perplexity": [round(_perplexity(run), 2) for run in _runs(name)],
            "chrF2": [round(run["test"]["chrf"]["value"], 1) for run in _runs(name)],
        }
        for name in RUNS
    }
    return literal("TEST_SCORES", value)


def neighbors() -> str:
    """Writes a line for each chosen word: its nearest words in GloVe, with cosines."""
    found = _runs("vectors, frozen")[0]["neighbors"]
    rows = [
        [word, ", ".join(f"{other} {cosine:.2f}" for other, cosine in nearest)]
        for word, nearest in found.items()
    ]
    return table(("word", "nearest words, and the cosine of the angle"), rows, words=2)


def back_translations() -> str:
    """Writes a line for each kept example of the first seed."""
    made = _runs("back-translations")[0]["back_translation"]["examples"]
    head = ("English", "Chinese that the model made", "Chinese of `phrasebook`")
    rows = [[text.replace("<", r"\<") for text in example] for example in made]
    return table(head, rows, words=3)  # Markdown takes a bare <unk> for HTML


def forgetting() -> str:
    """Writes what a pretrained model knows before and after it is fine-tuned."""
    pretrained, mixed = _runs("pretrained"), _runs("genuine pairs")
    stages = {
        "pretrained on `phrasebook`": [run["pretrained"] for run in pretrained],
        "then fine-tuned on `hsk`": [run["perplexity"] for run in pretrained],
        "trained on a mixture of both": [run["perplexity"] for run in mixed],
    }
    rows = [
        [
            stage,
            mean_and_spread([found["hsk"] for found in several], 1),
            mean_and_spread([found["phrasebook"] for found in several], 2),
        ]
        for stage, several in stages.items()
    ]
    head = ("model", "perplexity on `hsk`", "perplexity on `phrasebook`")
    return table(head, rows)


def _perplexity(run: dict) -> float:
    return run["perplexity"]["hsk"]


def _seeds_better(name: str) -> str:
    """Counts the seeds with a lower perplexity than from scratch, in words."""
    if name == SCRATCH:
        return "–"
    runs, scratch = _runs(name), {run["seed"]: run for run in _runs(SCRATCH)}
    better = [_perplexity(run) < _perplexity(scratch[run["seed"]]) for run in runs]
    return f"{sum(better)} of {len(runs)}"


def _runs(name: str) -> list[dict]:
    """Returns the runs of a name, one a seed."""
    return results_file.several("transfer", name)


REGIONS = {
    "transfer scores": scores,
    "transfer in short": in_short,
    "transfer signatures": signatures,
    "transfer curves": curves,
    "transfer tests": tests,
    "transfer neighbors": neighbors,
    "transfer back-translations": back_translations,
    "transfer forgetting": forgetting,
}
