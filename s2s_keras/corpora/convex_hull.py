"""Points in the unit square: the target says which of them span their convex hull.

The task of Vinyals et al. 2015, "Pointer Networks" (https://arxiv.org/abs/1506.03134,
Section 3.1). Points are uniform in the unit square. The hull starts at the vertex that
comes first among the points and goes on counter-clockwise, so there is one right
answer; SciPy finds it. The published files repeat the first vertex at the end and count
from 1. Here EOS ends a hull, and places are counted from 0.
"""

from __future__ import annotations

import numpy as np

from s2s_keras.arguments import check_choice, check_whole
from s2s_keras.corpora.corpus import Corpus
from s2s_keras.records import Pointing

# The fewest and the most points of a task.
RANGES = {
    "convex_hull/5": (5, 5),
    "convex_hull/10": (10, 10),
    "convex_hull/20": (20, 20),
    "convex_hull/50": (50, 50),
    "convex_hull/5-50": (5, 50),
}
SIZES = (20_000, 1_000, 1_000)  # tasks: train, valid, test
MARGIN = 1e-6


def read(name: str) -> Corpus:
    """Returns tasks to find a convex hull.

    Args:
        name: a key of `RANGES`.

    Raises:
        ValueError: `name` is none.
    """
    check_choice("name", name, tuple(RANGES))
    least, most = RANGES[name]
    train, valid, test = SIZES
    return Corpus(
        train=examples(train, least, most, seed=0),
        valid=examples(valid, least, most, seed=1),
        test=examples(test, least, most, seed=2),
        name=name,
        licence="part of this package",
        citation="Generated, as by Vinyals et al. 2015.",
    )


def examples(count: int, least: int, most: int, seed: int) -> list[Pointing]:
    """Draws tasks; 10,000 take about a second.

    A drawing with a point that lies on the border of the hull without being a corner,
    or nearer to it than `MARGIN`, is drawn again: no answer hangs on rounding.

    Args:
        count: how many tasks. Fewer of them are the first of more.
        least: the fewest points of a task, at least 3.
        most: the most points. Every number in between is as likely.
        seed: a whole number; `read` has 0 for `train`, 1 for `valid`, 2 for `test`.

    Returns:
        The tasks: sources are read-only float32 arrays `(points, 2)`.

    Raises:
        ValueError: `least` is below 3 or above `most`, or a number is not whole.
    """
    check_whole("count", count, 0)
    check_whole("least", least, 3)
    check_whole("most", most, least)
    check_whole("seed", seed, 0)
    from scipy.spatial import ConvexHull  # a slow import, for this corpus alone

    draw = np.random.default_rng([least, most, seed])
    tasks = []
    while len(tasks) < count:
        points = draw.random((draw.integers(least, most + 1), 2), dtype=np.float32)
        hull = ConvexHull(points)
        normals, offsets = hull.equations[:, :2], hull.equations[:, 2]
        at_edge = points @ normals.T + offsets > -MARGIN  # (points, edges)
        if at_edge.sum() != 2 * len(offsets):  # each edge has its two ends
            continue
        corners = hull.vertices  # SciPy has them counter-clockwise
        corners = np.roll(corners, -corners.argmin())
        points.flags.writeable = False
        tasks.append(Pointing(points, tuple(corners.tolist())))
    return tasks
