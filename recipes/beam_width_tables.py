"""What notebooks show of the results of `recipes.beam_width`."""

from __future__ import annotations

from recipes import results_file
from recipes.beam_width import LENGTH_PENALTIES, WIDTHS
from recipes.formats import literal

DIGITS = {"bleu": 2, "length_ratio": 3, "log_probability": 2}


def beam_widths() -> str:
    """Writes what the searches found, by length penalty and beam width.

    The literals are "WIDTHS", the beam widths; "SIGNATURE", sacreBLEU's; and
    "BEAM_WIDTHS", for each length penalty a dict of BLEU, length ratio and mean
    log-probability, each `(widths,)`.
    """
    runs = {
        (run["settings"]["length_penalty"], run["settings"]["beam_width"]): run
        for (run,) in results_file.load("beam_width").values()
    }
    wanted = [(penalty, width) for penalty in LENGTH_PENALTIES for width in WIDTHS]
    if missing := [search for search in wanted if search not in runs]:
        raise ValueError(
            "recipes/results must hold each length penalty with each beam width. "
            f"Missing: {missing}. Run `python -m recipes.beam_width`."
        )
    measured = {
        penalty: {
            name: [round(runs[penalty, width][name], digits) for width in WIDTHS]
            for name, digits in DIGITS.items()
        }
        for penalty in LENGTH_PENALTIES
    }
    (signature,) = {runs[search]["signature"] for search in wanted}
    values = {"WIDTHS": WIDTHS, "SIGNATURE": signature, "BEAM_WIDTHS": measured}
    return "\n".join(literal(name, value) for name, value in values.items())


REGIONS = {"beam widths": beam_widths}
