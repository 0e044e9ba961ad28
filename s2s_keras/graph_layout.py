"""Places the boxes of a directed graph in rows, so that arrows run downward.

The method is that of Sugiyama et al. (1981): rank the nodes, let long arrows pass
each row at a waypoint, order every row for few crossings, then straighten.
"""

from __future__ import annotations

import collections
import dataclasses
import graphlib
import itertools

import numpy as np

_ORDER_SWEEPS, _CENTER_SWEEPS = 24, 300


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where the boxes and arrows of a graph go.

    Attributes:
        centers: for each node its `(center, row)`; row 0 is the top.
        routes: for each arrow `(input, node)` the `(center, row)` of each place that
            it passes, both ends included, one a row.
    """

    centers: dict[str, tuple[float, int]]
    routes: dict[tuple[str, str], list[tuple[float, int]]]


def place(inputs: dict[str, list[str]], widths: dict[str, float], gap: float) -> Layout:
    """Places the nodes of an acyclic graph.

    Args:
        inputs: for each node the names of its inputs, which are nodes too.
        widths: for each node the width of its box.
        gap: the least distance between two boxes of a row.

    Returns:
        The layout; no two boxes of a row come nearer than `gap`.

    Raises:
        ValueError: the graph has a cycle.
    """
    ranks = _ranks(inputs)
    paths = {
        (source, node): [
            source,
            *((source, node, rank) for rank in range(ranks[source] + 1, ranks[node])),
            node,
        ]
        for node in inputs
        for source in inputs[node]
    }
    rows = [[] for _ in range(1 + max(ranks.values(), default=-1))]
    for node in inputs:
        rows[ranks[node]].append(node)
    for source, *waypoints, _ in paths.values():
        for rank, waypoint in enumerate(waypoints, ranks[source] + 1):
            rows[rank].append(waypoint)
    links = {link for path in paths.values() for link in itertools.pairwise(path)}
    centers = _centers(_ordered(rows, links), links, widths, gap)
    return Layout(
        {node: (centers[node], ranks[node]) for node in inputs},
        {
            arrow: [(centers[stop], ranks[path[0]] + i) for i, stop in enumerate(path)]
            for arrow, path in paths.items()
        },
    )


def _ranks(inputs: dict) -> dict:
    """Ranks each node below its inputs, and as near to its consumers as can be."""
    order = list(graphlib.TopologicalSorter(inputs).static_order())
    ranks, consumers = {}, {node: [] for node in inputs}
    for node in order:
        ranks[node] = 1 + max((ranks[source] for source in inputs[node]), default=-1)
        for source in inputs[node]:
            consumers[source].append(node)
    for node in reversed(order):
        if consumers[node]:
            ranks[node] = min(ranks[consumer] for consumer in consumers[node]) - 1
    return ranks


def _neighbors(links: set) -> tuple[dict, dict]:
    above, below = collections.defaultdict(list), collections.defaultdict(list)
    for upper, lower in sorted(links, key=str):
        above[lower].append(upper)
        below[upper].append(lower)
    return above, below


def _ordered(rows: list[list], links: set) -> list[list]:
    """Orders each row by the mean place of its neighbors, and keeps the best sweep."""
    above, below = _neighbors(links)
    best = rows = [list(row) for row in rows]
    for sweep in range(_ORDER_SWEEPS):
        downward = sweep % 2 == 0
        neighbors = above if downward else below
        rows = [list(row) for row in rows]
        for row in rows if downward else reversed(rows):
            index = {node: i for some in rows for i, node in enumerate(some)}

            def mean_place(node, index=index, neighbors=neighbors):
                places = [index[other] for other in neighbors[node]]
                return sum(places) / len(places) if places else index[node]

            row.sort(key=mean_place)
        if _crossings(rows, links) < _crossings(best, links):
            best = rows
    return best


def _crossings(rows: list[list], links: set) -> int:
    place = {
        node: (rank, i) for rank, row in enumerate(rows) for i, node in enumerate(row)
    }
    ends = [(*place[upper], place[lower][1]) for upper, lower in links]
    return sum(
        first[0] == second[0] and (first[1] - second[1]) * (first[2] - second[2]) < 0
        for first, second in itertools.combinations(ends, 2)
    )


def _centers(rows: list[list], links: set, widths: dict, gap: float) -> dict:
    """Pulls each node to the weighted mean of its neighbors, row by row."""
    above, below = _neighbors(links)

    def pull(upper, lower):
        """Chains and long arrows are to be straight; other arrows give way."""
        chain = len(below[upper]) == len(above[lower]) == 1
        long = isinstance(upper, tuple) and isinstance(lower, tuple)
        return 8 if chain or long else 1

    near = {
        node: [(other, pull(other, node)) for other in above[node]]
        + [(other, pull(node, other)) for other in below[node]]
        for row in rows
        for node in row
    }
    pulls = {node: sum(weight for _, weight in near[node]) or 1 for node in near}
    centers = dict.fromkeys(near, 0.0)
    for sweep in range(_CENTER_SWEEPS):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            wished = [
                sum(centers[other] * weight for other, weight in near[node])
                / pulls[node]
                for node in row
            ]
            row_pulls = [pulls[node] for node in row]
            row_widths = [widths.get(node, gap) for node in row]
            apart = _apart(wished, row_pulls, row_widths, gap)
            centers.update(zip(row, apart, strict=True))
    return centers


def _apart(
    wished: list[float], pulls: list[float], widths: list[float], gap: float
) -> list[float]:
    """Finds the places nearest to the wished ones that keep order and distance."""
    steps = [(a + b) / 2 + gap for a, b in itertools.pairwise(widths)]
    offsets = np.concatenate([[0.0], np.cumsum(steps)])
    blocks = []  # isotonic regression by pooling neighbors: (mean, pull, count)
    for mean, pull in zip(np.asarray(wished) - offsets, pulls, strict=True):
        count = 1
        while blocks and blocks[-1][0] > mean:
            other, other_pull, others = blocks.pop()
            mean = (mean * pull + other * other_pull) / (pull + other_pull)
            pull, count = pull + other_pull, count + others
        blocks.append((mean, pull, count))
    means = np.repeat([block[0] for block in blocks], [block[2] for block in blocks])
    return (means + offsets).tolist()
