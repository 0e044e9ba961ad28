"""What README and notebooks show of the results of `recipes.g2p`."""

from __future__ import annotations

from recipes import results_file
from recipes.formats import mean_and_spread, table
from recipes.g2p_ensemble import MEMBERS

# PER and WER in percent, on other splits of CMUdict.
PUBLISHED = {
    "encoder–decoder LSTM (Yao & Zweig 2015)": ("7.5", "29.2"),
    "bidirectional LSTM with alignments (Yao & Zweig 2015)": ("5.45", "23.55"),
    "global attention (Toshniwal & Livescu 2016)": ("5.0", "21.7"),
    "ensemble, global attention (Toshniwal & Livescu 2016)": ("4.69", "20.24"),
}


def scores() -> str:
    """Writes published error rates, on other splits, and ours."""
    runs = results_file.several("g2p", "attention")
    rows = [[name, "another", *rates] for name, rates in PUBLISHED.items()]
    for search in ("greedy", "beam"):
        rates = [
            mean_and_spread([run["test"][search][rate] for run in runs], 2)
            for rate in ("per", "wer")
        ]
        rows.append([f"**ours, {search}**", "ours", *rates])
    together = results_file.several("g2p_ensemble", "together", least=1)[0]
    rates = [f"{together['test']['beam'][rate]:.2f}" for rate in ("per", "wer")]
    rows.append([f"**ours, {len(MEMBERS)} models together, beam**", "ours", *rates])
    head = ("model", "split", "PER, %", "WER, %")
    return table(head, rows, words=2)


REGIONS = {"g2p scores": scores}
