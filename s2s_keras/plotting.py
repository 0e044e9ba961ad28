"""Pictures of learning, lengths, models, sentences and attention.

Importing this module makes Chinese labels render: it adds the font Noto Sans CJK SC,
which the package `mplfonts` brings, behind Matplotlib's own fonts. Each function
returns what it drew and never shows it.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import itertools
import math
import pathlib
import reprlib
import unicodedata
import warnings
from collections.abc import Iterable, Mapping, Sequence

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib import font_manager, ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle
from matplotlib.path import Path
from matplotlib.transforms import Bbox

from s2s_keras import alignment, graph_layout
from s2s_keras.arguments import check_whole
from s2s_keras.attention_explorer import attention_explorer as attention_explorer
from s2s_keras.records import Pair, Translation

# Okabe and Ito's colors, which color-blind readers can tell apart, darkest first.
PALETTE = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#7f6a3f",
    "#6a51a3",
)
INK, GRAY, LIGHT = "#333333", "#8a8a8a", "#e6e6e6"

_MONOSPACE = ["DejaVu Sans Mono"]  # and the Chinese font, once it is added
_LABEL_SIZE, _MAP_LABEL_SIZE, _TITLE_SIZE = 8, 9, 10  # points
_BOX_HEIGHT, _LINE_HEIGHT, _ROW_GAP, _COLUMN_GAP = 0.26, 0.14, 0.26, 0.16  # inches
_BOX_COLORS = [(color, tint) for tint in (0.2, 0.5) for color in PALETTE]
_BOX_GRAY = (GRAY, 0.2)
_CELL, _HEATMAP_GAP, _HEATMAPS_WIDTH = 0.32, 0.4, 13  # inches
_HEAT, _GOLD = "Blues", PALETTE[1]
_LINKS = {"sure": ("-", 1.8), "possible": ((0, (2, 1.2)), 1.2)}  # style and width
# Where the label of a point may stand, in points from it, the best places first.
_LABEL_OFFSETS = [
    np.round(distance * np.array([math.cos(angle), math.sin(angle)]), 6)
    for distance in (7, 14, 24, 36, 50, 66, 84)
    for angle in np.radians([0, 180, 90, 270, 45, 135, 225, 315])
]
_ALIGNMENTS = {1: "left", 0: "center", -1: "right"}


def learning_curve(
    history,
    *,
    vocabulary_size: int | None = None,
    title: str | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Draws the loss of each epoch, validation dashed.

    Args:
        history: what `training.fit` returned, or its dict with "loss" and perhaps
            "val_loss"; or a dict from names to such histories, to compare them.
        vocabulary_size: draws the first loss to expect, log(vocabulary_size), which
            is that of a uniform guess.
        title: a title.
        axes: where to draw; None makes a figure.

    Returns:
        The axes.

    Raises:
        TypeError: `history` is neither.
        ValueError: a history holds no loss.
    """
    curves = _curves(history)
    if vocabulary_size is not None:
        check_whole("vocabulary_size", vocabulary_size, 1)
    axes = _styled(axes, title, "epoch", "loss (nats per token)")
    handles = []
    for index, (name, losses) in enumerate(curves.items()):
        color = PALETTE[index % len(PALETTE)]
        for key, style in (("loss", "-"), ("val_loss", "--")):
            values = losses.get(key, ())
            epochs = range(1, len(values) + 1)
            marker = "o" if len(values) <= 20 else ""
            (line,) = axes.plot(epochs, values, style, color=color, marker=marker, ms=3)
            if key == "loss":
                line.set_label(name)
                handles.append(line)
    if any(len(losses.get("val_loss", ())) for losses in curves.values()):
        color = PALETTE[0] if len(curves) == 1 else GRAY
        handles.append(Line2D([], [], ls="--", color=color, label="validation"))
    if vocabulary_size is not None:
        label = f"uniform guess: log({vocabulary_size:,})"
        level = math.log(vocabulary_size)
        handles.append(axes.axhline(level, ls=":", color=GRAY, label=label))
    axes.xaxis.set_major_locator(ticker.MaxNLocator(integer=True, min_n_ticks=1))
    if len(handles) > 1:
        axes.legend(handles=handles, frameon=False)
    return axes


def length_histogram(
    lengths: Mapping[str, Sequence[int]],
    *,
    title: str | None = None,
    unit: str = "tokens",
    axes: Axes | None = None,
) -> Axes:
    """Draws how many texts have which length.

    Args:
        lengths: for each label, such as "source", the length of every text.
        title: a title.
        unit: what a length counts.
        axes: where to draw; None makes a figure.

    Returns:
        The axes; the legend says the mean and the greatest length of each label.

    Raises:
        TypeError: `lengths` is not a dict.
        ValueError: there are no lengths, or some are not whole numbers from 0.
    """
    if not isinstance(lengths, Mapping):
        raise TypeError(
            "lengths must be a dict from labels to lengths. Received: "
            f"{type(lengths).__name__}. Pass {{'source': lengths}}."
        )
    if not lengths:
        raise ValueError("lengths must hold at least one label. Received: {}.")
    arrays = {label: _lengths(label, values) for label, values in lengths.items()}
    shortest = min(int(values.min()) for values in arrays.values())
    longest = max(int(values.max()) for values in arrays.values())
    width = math.ceil((longest - shortest + 1) / 60)  # a bar never cuts a length
    edges = np.arange(shortest, longest + width + 1, width) - 0.5
    axes = _styled(axes, title, f"length ({unit})", "texts")
    for index, (label, values) in enumerate(arrays.items()):
        color = PALETTE[index % len(PALETTE)]
        counts, _ = np.histogram(values, edges)
        label = f"{label}: mean {values.mean():.1f}, longest {values.max():,}"
        axes.stairs(counts, edges, fill=True, color=color, alpha=0.25)
        axes.stairs(counts, edges, color=color, lw=1.5, label=label)
    round_ticks = {"steps": [1, 2, 5, 10], "integer": True, "min_n_ticks": 1}
    axes.xaxis.set_major_locator(ticker.MaxNLocator(**round_ticks))
    axes.yaxis.set_major_locator(ticker.MaxNLocator(**round_ticks))
    axes.yaxis.set_major_formatter(ticker.StrMethodFormatter("{x:,.0f}"))
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    return axes


def graphs(graphs: Mapping[str, Sequence[tuple[str, Sequence[str]]]]) -> Figure:
    """Draws graphs side by side: a box for each node, arrows from its inputs.

    A node that stands in several graphs has one color in all of them; the others are
    gray. Nodes without inputs are white.

    Args:
        graphs: for each title the nodes, as `(name, names of its inputs)`. A name may
            have several lines.

    Returns:
        The figure, one column a graph. In a notebook, end the line with `;`, or the
        figure shows twice.

    Raises:
        ValueError: there is no node, a name is taken twice, an input is not a node of
            its graph, or a graph has a cycle.
    """
    inputs = {title: _checked_graph(title, nodes) for title, nodes in graphs.items()}
    if not inputs:
        raise ValueError("graphs must hold at least one graph. Received: {}.")
    colors = _shared_colors(inputs.values())
    names = {name for graph in inputs.values() for name in graph}
    boxes = {name: _box_size(name) for name in names}
    widths = {name: width for name, (width, _) in boxes.items()}
    layouts = {
        title: graph_layout.place(graph, widths, _COLUMN_GAP)
        for title, graph in inputs.items()
    }
    tallest = max(height for _, height in boxes.values())
    spans = [_span(layout, widths) for layout in layouts.values()]
    top, bottom = tallest / 2 + 0.4, tallest / 2 + 0.1
    height = top + max(row for *_, row in spans) * (tallest + _ROW_GAP) + bottom
    column_widths = [right - left + 0.4 for left, right, _ in spans]
    total = sum(column_widths)
    figure = plt.figure(figsize=(total, height))
    start = 0.0
    for title, (left, right, _), width in zip(
        inputs, spans, column_widths, strict=True
    ):
        axes = figure.add_axes((start / total, 0, width / total, 1))
        axes.set(xlim=(left - 0.2, right + 0.2), ylim=(height - top, -top))  # inches
        axes.axis("off")
        axes.text((left + right) / 2, 0.2 - top, title, **_text(10.5))
        _draw_graph(axes, inputs[title], layouts[title], boxes, colors, tallest)
        start += width
    return figure


def sentence_map(
    points: Sequence[Sequence[float]],
    labels: Sequence[str],
    *,
    groups: Sequence[str] | None = None,
    title: str | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Draws points of the plane with their texts, as Sutskever et al. 2014, Figure 2.

    Args:
        points: floats `(texts, 2)`.
        labels: the text of each point; a label keeps off the labels before it.
        groups: a name for each point; points of one group share a color.
        title: a title.
        axes: where to draw; None makes a figure.

    Returns:
        The axes.

    Raises:
        ValueError: `points` has another shape, or the numbers of points, labels and
            groups differ.
    """
    points, labels = np.asarray(points, float), list(labels)
    groups = [""] * len(labels) if groups is None else list(groups)
    if points.shape != (len(labels), 2) or not labels or len(groups) != len(labels):
        raise ValueError(
            "points must have the shape (texts, 2), with a label and a group for each. "
            f"Received: points of shape {points.shape}, {len(labels)} labels and "
            f"{len(groups)} groups."
        )
    if not np.isfinite(points).all():
        raise ValueError(f"points must be finite. Received: {points.tolist()}.")
    axes = _styled(axes, title, "", "", size=(6.4, 4.8))
    colors = dict(zip(dict.fromkeys(groups), PALETTE * len(groups), strict=False))
    for group, color in colors.items():
        chosen = [name == group for name in groups]
        axes.scatter(*points[chosen].T, s=28, color=color, label=group, zorder=3)
    if len(colors) > 1:
        axes.legend(frameon=False)
    axes.margins(0.25, 0.12)
    axes.tick_params(labelbottom=False, labelleft=False, length=0)
    axes.figure.draw_without_rendering()  # settles the layout that labels rely on
    _place_labels(axes, points, labels, [colors[group] for group in groups])
    return axes


def attention_heatmap(
    translations: Translation | Sequence[Translation],
    *,
    pairs: Pair | Sequence[Pair | None] | None = None,
    titles: str | Sequence[str] | None = None,
) -> Figure:
    """Draws which source tokens each token attends to, as Bahdanau 2015, Figure 3.

    The source runs along the top, the translation down the side. The darker a cell,
    the more weight the token of its row gives to the source token of its column.

    Args:
        translations: one translation with attention weights, or several to draw side
            by side.
        pairs: for each translation its pair with gold links, or None. Sure links get a
            solid outline, possible ones a dashed one. Links count words, so they fit
            the attention of a model that was fed the pair's target.
        titles: a title for each.

    Returns:
        The figure; all heatmaps share one scale, from 0 to 1. End a notebook's cell
        with `plt.show()`, or the figure shows twice.

    Raises:
        TypeError: something is not a `Translation` or not a `Pair`.
        ValueError: there is no translation, one has no weights, the numbers of
            translations, pairs and titles differ, or links do not fit the weights.
    """
    shown = alignment.to_show(translations, pairs)
    titles = [titles] if isinstance(titles, str) else list(titles or [""] * len(shown))
    if len(titles) != len(shown):
        raise ValueError(
            "titles must hold one title for each translation. Received: "
            f"{len(titles)} titles and {len(shown)} translations."
        )
    figure = plt.figure()
    boxes, (width, height) = _heatmap_boxes(figure, shown, titles)
    figure.set_size_inches(width + 0.75, height)  # the color bar stands on the right
    for attention, title, box in zip(shown, titles, boxes, strict=True):
        _draw_heatmap(_axes_at(figure, *box), attention, title)
    _, top, _, tall = boxes[0]
    scale = figure.colorbar(
        matplotlib.cm.ScalarMappable(matplotlib.colors.Normalize(0, 1), _HEAT),
        cax=_axes_at(figure, width + 0.15, top, 0.13, min(tall, 1.6)),
        ticks=[0, 0.5, 1],
    )
    scale.outline.set_edgecolor(GRAY)
    scale.ax.tick_params(color=GRAY, labelcolor=INK, labelsize=_LABEL_SIZE)
    if any(attention.sure | attention.possible for attention in shown):
        handles = [
            Line2D([], [], color=_GOLD, ls=style, lw=line_width, label=f"{kind} link")
            for kind, (style, line_width) in _LINKS.items()
        ]
        place = {"loc": "lower center", "ncols": 2, "borderaxespad": 0.2}
        figure.legend(handles=handles, frameon=False, fontsize=_LABEL_SIZE, **place)
    return figure


def _add_chinese_font() -> None:
    spec = importlib.util.find_spec("mplfonts")
    folders = spec.submodule_search_locations if spec else ()
    for folder in folders:
        file = pathlib.Path(folder, "fonts", "NotoSansCJKsc-Regular.otf")
        if file.is_file():
            fonts = font_manager.fontManager
            fonts.addfont(file)
            name = font_manager.FontProperties(fname=file).get_name()
            # Without a bold variant, bold text of any language would log a warning.
            regular = next(font for font in fonts.ttflist if font.name == name)
            fonts.ttflist.append(dataclasses.replace(regular, weight=700))
            families = matplotlib.rcParams["font.family"]
            matplotlib.rcParams["font.family"] = list(dict.fromkeys([*families, name]))
            _MONOSPACE.append(name)
            return
    warnings.warn(
        "Chinese labels will show as empty boxes: the package mplfonts is not "
        "installed. Run `pip install mplfonts`.",
        stacklevel=2,
    )


def _lengths(label: str, values: Sequence[int]) -> np.ndarray:
    """Returns the lengths of texts as an array, checked."""
    try:
        array = np.asarray(values)
    except ValueError:  # rows of different lengths
        array = np.empty(0)
    is_whole = array.dtype.kind in "iu"
    if array.ndim != 1 or not array.size or not is_whole or array.min() < 0:
        raise ValueError(
            f"lengths[{label!r}] must hold whole numbers from 0, at least one: the "
            f"length of each text, not its tokens. Received: {reprlib.repr(values)}."
        )
    return array


def _styled(axes, title, xlabel, ylabel, size=(6.4, 3.6)) -> Axes:
    if axes is None:
        _, axes = plt.subplots(figsize=size, layout="constrained")
    axes.set_xlabel(xlabel, color=INK)
    axes.set_ylabel(ylabel, color=INK)
    if title:
        axes.set_title(title, loc="left", color=INK, fontsize="medium")
    axes.grid(color=LIGHT, lw=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["bottom", "left"]].set_color(GRAY)
    axes.tick_params(color=GRAY, labelcolor=INK)
    return axes


def _curves(history) -> dict[str, Mapping[str, Sequence[float]]]:
    history = getattr(history, "history", history)
    if not isinstance(history, Mapping):
        raise TypeError(
            "history must be a Keras History, its dict, or a dict from names to them. "
            f"Received: {type(history).__name__}."
        )
    single = not history or any(np.ndim(value) for value in history.values())
    named = {"training": history} if single else history
    curves = {name: getattr(one, "history", one) for name, one in named.items()}
    for name, losses in curves.items():
        if not isinstance(losses, Mapping) or not len(losses.get("loss", ())):
            found = list(losses) if isinstance(losses, Mapping) else losses
            raise ValueError(
                "history must hold the loss of at least one epoch under 'loss'. "
                f"Received for {name!r}: {found!r}."
            )
    return curves


def _checked_graph(title: str, nodes: Iterable) -> dict[str, list[str]]:
    nodes = [(name, list(inputs)) for name, inputs in nodes]
    graph = dict(nodes)
    if not graph or len(graph) < len(nodes):
        raise ValueError(
            f"graphs[{title!r}] must hold nodes with different names. Received: "
            f"{[name for name, _ in nodes]}."
        )
    for name, inputs in nodes:
        if unknown := [source for source in inputs if source not in graph]:
            raise ValueError(
                f"graphs[{title!r}] must hold each input as a node. Received: "
                f"{name!r} with the inputs {unknown}."
            )
    return graph


def _shared_colors(
    graphs: Iterable[dict[str, list[str]]],
) -> dict[str, tuple[str, float]]:
    """Gives each node (with inputs) of two or more graphs an edge and a tint."""
    graphs = list(graphs)
    names = dict.fromkeys(name for graph in graphs for name in graph if graph[name])
    shared = [name for name in names if sum(name in graph for graph in graphs) > 1]
    return dict(zip(shared, itertools.cycle(_BOX_COLORS), strict=False))


def _box_size(name: str) -> tuple[float, float]:
    """Measures a label in inches: all glyphs of the font share two widths."""
    lines = name.split("\n")
    wide = [
        sum(unicodedata.east_asian_width(c) in "WF" for c in line) for line in lines
    ]
    ems = max(
        0.602 * (len(line) - count) + count
        for line, count in zip(lines, wide, strict=True)
    )
    width = ems * _LABEL_SIZE / 72 + 0.18
    return width, _BOX_HEIGHT + (len(lines) - 1) * _LINE_HEIGHT


def _span(layout: graph_layout.Layout, widths: dict) -> tuple[float, float, int]:
    """Returns the left and right end of all that is drawn, and the last row."""
    places = [
        (center, widths[name] / 2, row)
        for name, (center, row) in layout.centers.items()
    ]
    places += [(x, 0, row) for route in layout.routes.values() for x, row in route]
    left = min(center - half for center, half, _ in places)
    right = max(center + half for center, half, _ in places)
    return left, right, max(row for _, _, row in places)


def _text(size: float, **settings) -> dict:
    plain = {"ha": "center", "va": "center", "color": INK, "parse_math": False}
    return {**plain, "size": size, **settings}


def _draw_graph(axes, inputs, layout, boxes, colors, tallest) -> None:
    step = tallest + _ROW_GAP
    for name, (x, row) in layout.centers.items():
        width, height = boxes[name]
        color, tint = colors.get(name, _BOX_GRAY)
        axes.add_patch(
            FancyBboxPatch(
                (x - width / 2, row * step - height / 2),
                width,
                height,
                boxstyle="round,pad=0,rounding_size=0.06",
                fc=_tinted(color, tint) if inputs[name] else "white",
                ec=color,
                label=name,
            )
        )
        font = {"family": _MONOSPACE, "linespacing": 1.1}
        axes.text(x, row * step, name, **_text(_LABEL_SIZE, **font))
    for (source, name), route in layout.routes.items():
        # Arrows that end in one box end side by side, in the order they come from.
        ports = sorted(layout.routes[other, name][-2][0] for other in inputs[name])
        shift = (ports.index(route[-2][0]) + 1) / (len(ports) + 1) - 0.5
        stops = [(x, row * step, tallest / 2) for x, row in route]
        stops[0] = (*stops[0][:2], boxes[source][1] / 2)
        end = stops[-1][0] + shift * boxes[name][0] * 0.8
        stops[-1] = (end, stops[-1][1], boxes[name][1] / 2)
        _draw_arrow(axes, stops, tallest / 2)


def _draw_arrow(axes, stops, half_row) -> None:
    """Draws a line that passes each row straight down and bends between rows.

    Each stop is `(x, y, half the height of what stands there)`.
    """
    points, codes = [(stops[0][0], stops[0][1] + stops[0][2])], [Path.MOVETO]

    def line_to(x, y):
        if (x, y) != points[-1]:  # no length would leave the head without direction
            points.append((x, y))
            codes.append(Path.LINETO)

    for (x, y, _), (next_x, next_y, next_half) in itertools.pairwise(stops):
        upper, lower = y + half_row, next_y - half_row
        line_to(x, upper)
        middle = (upper + lower) / 2
        points += [(x, middle), (next_x, middle), (next_x, lower)]
        codes += [Path.CURVE4] * 3
        line_to(next_x, next_y - next_half)
    axes.add_patch(
        FancyArrowPatch(
            path=Path(points, codes),
            arrowstyle="-|>,head_length=3,head_width=1.6",
            color=GRAY,
            lw=0.9,
            zorder=0.5,
        )
    )


def _tinted(color: str, tint: float) -> tuple[float, ...]:
    """Mixes a color with white, so that text stays readable on it."""
    return tuple(1 - tint * (1 - part) for part in matplotlib.colors.to_rgb(color))


def _heatmap_boxes(
    figure: Figure,
    shown: Sequence[alignment.Attention],
    titles: Sequence[str | None],
) -> tuple[list[tuple[float, ...]], tuple[float, float]]:
    """Places heatmaps in lines like words, with room for the labels of each.

    Returns:
        For each `(left, top, width, height)` in inches from the top left, and the
        width and height of them all.
    """
    labels = [_heatmap_labels(figure, attention) for attention in shown]
    above = max(height for _, height, _ in labels) + _HEATMAP_GAP
    boxes = []
    start, top, width, bottom = 0.0, above, 0.0, 0.0
    for attention, title, label in zip(shown, titles, labels, strict=True):
        rows, columns = (count * _CELL for count in attention.weights.shape)
        left, _, right = label
        if title:
            right = max(right, _inches(figure, title, _TITLE_SIZE) - columns)
        if start and start + left + columns + right > _HEATMAPS_WIDTH:
            start, top = 0.0, bottom + above
        boxes.append((start + left, top, columns, rows))
        start += left + columns + right
        width, bottom = max(width, start), max(bottom, top + rows)
    return boxes, (width, bottom + _HEATMAP_GAP)


def _heatmap_labels(figure, attention) -> tuple[float, float, float]:
    """Measures how far labels reach beyond the cells: left, above and right."""
    widths = [_inches(figure, token) for token in attention.source_tokens]
    above, right = 0.25, 0.0
    if _is_slanted(widths):
        reach = np.array(widths) * math.sqrt(0.5) + 0.15
        above = reach.max()
        to_edge = _CELL * (np.arange(len(widths))[::-1] + 0.5)
        right = max(0.0, (reach - to_edge).max())
    left = max(_inches(figure, token) for token in attention.tokens)
    return left + 0.3, above, right


def _inches(figure, text: str, size: float = _MAP_LABEL_SIZE) -> float:
    probe = figure.text(0, 0, text, size=size, parse_math=False)
    width = probe.get_window_extent().width / figure.dpi
    probe.remove()
    return width


def _axes_at(figure, left, top, width, height) -> Axes:
    """Adds axes at a place in inches from the figure's top left."""
    whole_width, whole_height = figure.get_size_inches()
    return figure.add_axes(
        (
            left / whole_width,
            1 - (top + height) / whole_height,
            width / whole_width,
            height / whole_height,
        )
    )


def _draw_heatmap(axes, attention, title) -> None:
    axes.pcolormesh(
        attention.weights, cmap=_HEAT, vmin=0, vmax=1, edgecolors=LIGHT, lw=0.5
    )
    axes.invert_yaxis()
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_color(GRAY)
    text = {"size": _MAP_LABEL_SIZE, "color": INK, "parse_math": False}
    sources, targets = attention.source_tokens, attention.tokens
    axes.set_yticks(np.arange(len(targets)) + 0.5, targets, **text)
    if _is_slanted([_inches(axes.figure, token) for token in sources]):
        text |= {"rotation": 45, "rotation_mode": "anchor", "ha": "left"}
    axes.set_xticks(np.arange(len(sources)) + 0.5, sources, **text)
    for kind, (style, width) in _LINKS.items():
        for source, target in getattr(attention, kind):
            axes.add_patch(
                Rectangle(
                    (source + 0.08, target + 0.08),
                    *(0.84, 0.84),
                    fill=False,
                    ec=_GOLD,
                    ls=style,
                    lw=width,
                    label=kind,
                )
            )
    if title:
        text = {"color": INK, "size": _TITLE_SIZE, "parse_math": False}
        axes.set_title(title, loc="left", **text)


def _is_slanted(widths: Sequence[float]) -> bool:
    return max(widths) > 0.95 * _CELL


def _place_labels(axes, points, labels, colors) -> None:
    """Sets each label at the nearest place around its point that is still free."""
    pixels = axes.transData.transform(points)
    scale = axes.figure.dpi / 72  # pixels a point
    taken = [
        Bbox.from_extents(*(here - 4 * scale), *(here + 4 * scale)) for here in pixels
    ]
    for point, pixel, label, color in zip(points, pixels, labels, colors, strict=True):
        probe = axes.text(0, 0, label, size=_MAP_LABEL_SIZE, parse_math=False)
        extent = probe.get_window_extent()
        probe.remove()

        def cost(offset, pixel=pixel, extent=extent):
            box = _label_box(pixel + offset * scale, offset, extent)
            hidden = axes.bbox.count_contains(box.corners()) < 4
            return sum(map(box.overlaps, taken)) + hidden

        offset = min(_LABEL_OFFSETS, key=cost)
        taken.append(_label_box(pixel + offset * scale, offset, extent))
        far = np.hypot(*offset) > 10
        axes.annotate(
            label,
            point,
            offset,
            textcoords="offset points",
            size=_MAP_LABEL_SIZE,
            parse_math=False,
            color=INK,
            ha=_ALIGNMENTS[round(np.sign(offset[0]))],
            va="center",
            arrowprops={"arrowstyle": "-", "color": color, "lw": 0.6} if far else None,
        )


def _label_box(anchor, offset, extent) -> Bbox:
    x = anchor[0] + (np.sign(offset[0]) - 1) * extent.width / 2
    return Bbox.from_bounds(
        x, anchor[1] - extent.height / 2, extent.width, extent.height
    )


_add_chinese_font()
