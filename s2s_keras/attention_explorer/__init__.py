"""An HTML page of attention that a reader can poke, whole without a network.

`explorer.css` is its look, `explorer.js` its behavior. The weights stand once, in an
HTML table, which the script reads and which remains where no script may run.
"""

from __future__ import annotations

import dataclasses
import functools
import html
import importlib.resources
from collections.abc import Sequence

from s2s_keras import alignment
from s2s_keras.records import Pair, Translation

# The last two keep notebooks from reading prices such as $5 as mathematics.
_CLASSES = "s2s-attention tex2jax_ignore mathjax_ignore"


@dataclasses.dataclass(frozen=True)
class AttentionExplorer:
    """What a notebook shows as an interactive page.

    Attributes:
        html: the page, without `<html>` and `<body>`.
        sentences: how many translations it shows.
    """

    html: str = dataclasses.field(repr=False)
    sentences: int

    def _repr_html_(self) -> str:
        return self.html


def attention_explorer(
    translations: Translation | Sequence[Translation],
    *,
    pairs: Pair | Sequence[Pair | None] | None = None,
) -> AttentionExplorer:
    """Lets a reader point at a word and see what it attends to, and the other way.

    A notebook shows the result of a cell's last line. Pointing at a token of the
    translation, by mouse, keyboard or touch, lights up the source tokens it attends
    to, with percentages; pointing at a source token lights up the tokens that attend
    to it. Several translations get a button each. Where no script may run, as in a
    notebook that is not trusted, a table shows all weights.

    Equal arguments give equal HTML. Weights that a training made differ from machine
    to machine: mark such a cell `# NBVAL_IGNORE_OUTPUT`.

    Args:
        translations: one translation with attention weights, or several.
        pairs: for each translation its pair with gold links, or None. Sure links get a
            solid outline, possible ones a dashed one. Links count words, so they fit
            the attention of a model that was fed the pair's target.

    Returns:
        The page, an object with `_repr_html_` and the attribute `html`.

    Raises:
        TypeError: something is not a `Translation` or not a `Pair`.
        ValueError: there is no translation, one has no weights, the numbers of
            translations and pairs differ, or links do not fit the weights.
    """
    shown = alignment.to_show(translations, pairs)
    sections = "".join(map(_section, shown))
    page = (
        f'<div class="{_CLASSES}"><style>{_file("explorer.css")}</style>'
        f"{sections}<script>{_file('explorer.js')}</script></div>"
    )
    return AttentionExplorer(page, len(shown))


def _section(attention: alignment.Attention) -> str:
    sources = [html.escape(token) for token in attention.source_tokens]
    tokens = [html.escape(token) for token in attention.tokens]
    head = "".join(f'<th scope="col">{token}</th>' for token in sources)
    rows = "".join(
        f'<tr><th scope="row">{token}</th>{_cells(attention, target)}</tr>\n'
        for target, token in enumerate(tokens)
    )
    key = "A cell says how much its row attends to its column."
    if attention.sure or attention.possible:
        key += " Outlined: gold links; dashed: possible ones."
    return (
        f"<section>\n{_line('source', sources)}{_line('translation', tokens)}"
        "<details open><summary>All weights in percent</summary>\n"
        f"<table><caption>{key}</caption>\n"
        f"<thead><tr><td></td>{head}</tr></thead>\n<tbody>{rows}</tbody></table>"
        "</details></section>\n"
    )


def _line(name: str, tokens: Sequence[str]) -> str:
    words = " ".join(f'<span class="s2s-word">{token}</span>' for token in tokens)
    label = f'role="group" aria-label="{name}"'
    return f'<p class="s2s-line" {label}><b>{name}</b> {words}</p>\n'


def _cells(attention: alignment.Attention, target: int) -> str:
    """Writes a row's cells; their look needs no style sheet, which may be dropped."""
    cells = []
    for source, weight in enumerate(attention.weights[target]):
        percent = int(round(100 * weight))
        name, style = "", ""
        if percent:
            # So light that black and white text can be read on it.
            style = f"background-color:#1e8cd2{round(1.65 * percent):02x};"
        for kind, line in (("sure", "solid"), ("possible", "dashed")):
            if (source, target) in getattr(attention, kind):
                name = f' class="s2s-{kind}"'
                style += f"outline:2px {line} #d55e00;"
        cells.append(f'<td{name} style="{style}">{percent}</td>')
    return "".join(cells).replace(' style=""', "")


@functools.cache
def _file(name: str) -> str:
    path = importlib.resources.files(__package__) / name
    return path.read_text(encoding="utf-8")
