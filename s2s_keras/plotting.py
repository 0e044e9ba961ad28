"""Pictures: learning curves, length histograms, graphs of models, maps of sentences.

Importing this module makes Chinese labels render: it adds the font Noto Sans CJK SC,
which the package `mplfonts` brings, behind Matplotlib's own fonts. Each function
returns what it drew and never shows it.
"""

from __future__ import annotations

import importlib.util
import math
import pathlib
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
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path
from matplotlib.transforms import Bbox

from s2s_keras import graph_layout

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
_LABEL_SIZE, _MAP_LABEL_SIZE = 8, 9  # points
_BOX_HEIGHT, _LINE_HEIGHT, _ROW_GAP, _COLUMN_GAP = 0.26, 0.14, 0.26, 0.16  # inches
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
    if any("val_loss" in losses for losses in curves.values()):
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
    arrays = {label: np.asarray(values) for label, values in lengths.items()}
    if not arrays:
        raise ValueError("lengths must hold at least one label. Received: {}.")
    for label, values in arrays.items():
        if not values.size or values.dtype.kind not in "iu" or values.min() < 0:
            raise ValueError(
                f"lengths[{label!r}] must hold whole numbers from 0, at least one. "
                f"Received: {values!r}."
            )
    shortest = min(values.min() for values in arrays.values())
    longest = max(values.max() for values in arrays.values())
    width = math.ceil((longest - shortest + 1) / 60)  # a bar never cuts a length
    edges = np.arange(shortest, longest + width + 1, width) - 0.5
    axes = _styled(axes, title, f"length ({unit})", "texts")
    for index, (label, values) in enumerate(arrays.items()):
        color = PALETTE[index % len(PALETTE)]
        counts, _ = np.histogram(values, edges)
        label = f"{label}: mean {values.mean():.1f}, longest {values.max():,}"
        axes.stairs(counts, edges, fill=True, color=color, alpha=0.25)
        axes.stairs(counts, edges, color=color, lw=1.5, label=label)
    axes.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
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
    step = max(height for _, height in boxes.values()) + _ROW_GAP
    spans = [_span(layout, widths) for layout in layouts.values()]
    height = max(bottom for _, _, bottom in spans) * step + _BOX_HEIGHT + 0.7
    column_widths = [right - left + 0.4 for left, right, _ in spans]
    figure = plt.figure(figsize=(sum(column_widths), height))
    start = 0.0
    for (title, layout), (left, _, _), width in zip(
        layouts.items(), spans, column_widths, strict=True
    ):
        total = sum(column_widths)
        axes = figure.add_axes((start / total, 0, width / total, 1))
        axes.set(xlim=(left - 0.2, left - 0.2 + width), ylim=(height - 0.55, -0.55))
        axes.axis("off")
        axes.text(left - 0.2 + width / 2, -0.35, title, **_text(10.5))
        _draw_graph(axes, inputs[title], layout, boxes, colors, step)
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


def _add_chinese_font() -> None:
    spec = importlib.util.find_spec("mplfonts")
    folders = spec.submodule_search_locations if spec else ()
    for folder in folders:
        file = pathlib.Path(folder, "fonts", "NotoSansCJKsc-Regular.otf")
        if file.is_file():
            font_manager.fontManager.addfont(file)
            name = font_manager.FontProperties(fname=file).get_name()
            families = matplotlib.rcParams["font.family"]
            matplotlib.rcParams["font.family"] = list(dict.fromkeys([*families, name]))
            _MONOSPACE.append(name)
            return
    warnings.warn(
        "Chinese labels will show as empty boxes: the package mplfonts is not "
        "installed. Run `pip install mplfonts`.",
        stacklevel=2,
    )


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


def _shared_colors(graphs: Iterable[dict[str, list[str]]]) -> dict[str, str]:
    """Gives the nodes (with inputs) of two or more graphs a color each."""
    graphs = list(graphs)
    names = dict.fromkeys(name for graph in graphs for name in graph if graph[name])
    shared = [name for name in names if sum(name in graph for graph in graphs) > 1]
    return {name: PALETTE[i % len(PALETTE)] for i, name in enumerate(shared)}


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
    return {"ha": "center", "va": "center", "size": size, "color": INK, **settings}


def _draw_graph(axes, inputs, layout, boxes, colors, step) -> None:
    for name, (x, row) in layout.centers.items():
        width, height = boxes[name]
        color = colors.get(name, GRAY)
        axes.add_patch(
            FancyBboxPatch(
                (x - width / 2, row * step - height / 2),
                width,
                height,
                boxstyle="round,pad=0,rounding_size=0.06",
                fc=_tint(color) if inputs[name] else "white",
                ec=color if inputs[name] else GRAY,
                label=name,
            )
        )
        font = {"family": _MONOSPACE, "linespacing": 1.1}
        axes.text(x, row * step, name, **_text(_LABEL_SIZE, **font))
    for (source, name), route in layout.routes.items():
        ports = sorted(layout.routes[other, name][-2][0] for other in inputs[name])
        # Arrows that end in one box end side by side, in the order they come from.
        shift = (ports.index(route[-2][0]) + 1) / (len(ports) + 1) - 0.5
        end = route[-1][0] + shift * boxes[name][0] * 0.8
        xs = [x for x, _ in route[:-1]] + [end]
        ys = [row * step for _, row in route]
        ys[-1] -= boxes[name][1] / 2
        _draw_arrow(axes, xs, ys, boxes[source][1] / 2)


def _draw_arrow(axes, xs, ys, start) -> None:
    """Draws a curve that leaves downward and passes each row straight down."""
    pass_through = _BOX_HEIGHT / 2
    points, codes = [(xs[0], ys[0] + start)], [Path.MOVETO]
    for i in range(1, len(xs)):
        last = i == len(xs) - 1
        top = points[-1][1]
        bottom = ys[i] - (0 if last else pass_through)
        middle = (top + bottom) / 2
        points += [(xs[i - 1], middle), (xs[i], middle), (xs[i], bottom)]
        codes += [Path.CURVE4] * 3
        if not last:
            points.append((xs[i], ys[i] + pass_through))
            codes.append(Path.LINETO)
    axes.add_patch(
        FancyArrowPatch(
            path=Path(points, codes),
            arrowstyle="-|>,head_length=3,head_width=1.6",
            color=GRAY,
            lw=0.9,
            zorder=0.5,
        )
    )


def _tint(color: str) -> tuple[float, ...]:
    """Mixes a color with white, so that text stays readable on it."""
    return tuple(1 - 0.22 * (1 - part) for part in matplotlib.colors.to_rgb(color))


def _place_labels(axes, points, labels, colors) -> None:
    """Sets each label at the nearest place around its point that is still free."""
    pixels = axes.transData.transform(points)
    scale = axes.figure.dpi / 72  # pixels a point
    taken = [
        Bbox.from_extents(*(here - 4 * scale), *(here + 4 * scale)) for here in pixels
    ]
    for point, pixel, label, color in zip(points, pixels, labels, colors, strict=True):
        probe = axes.text(0, 0, label, size=_MAP_LABEL_SIZE)
        extent = probe.get_window_extent()
        probe.remove()

        def cost(offset, pixel=pixel, extent=extent):
            box = _label_box(pixel + offset * scale, offset, extent)
            inside = Bbox.intersection(box, axes.bbox)
            outside = (
                inside is None or inside.width * inside.height < box.width * box.height
            )
            return sum(map(box.overlaps, taken)) + outside

        offset = min(_LABEL_OFFSETS, key=cost)
        taken.append(_label_box(pixel + offset * scale, offset, extent))
        far = np.hypot(*offset) > 15
        axes.annotate(
            label,
            point,
            offset,
            textcoords="offset points",
            size=_MAP_LABEL_SIZE,
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
