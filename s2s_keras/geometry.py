"""Polygons that a pointer network names: are they simple, what do they cover?"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np

from s2s_keras.arguments import is_whole
from s2s_keras.records import Pointing

FAIL = 0.01  # above this share of failures Vinyals et al. 2015 print no area


@dataclasses.dataclass(frozen=True)
class HullScore:
    """How well a corpus of convex hulls was found, as Vinyals et al. 2015 report it.

    Attributes:
        accuracy: the share of answers that are the right polygon, wherever they start
            and whichever way they turn; from 0 to 1.
        coverage: the mean of `area_coverage` over the simple polygons; None without
            any.
        failures: the share of answers that are no simple polygon. The paper reports
            FAIL instead of the coverage where it exceeds 1 %.
    """

    accuracy: float
    coverage: float | None
    failures: float

    def __str__(self) -> str:
        failed = self.coverage is None or self.failures > FAIL
        coverage = "FAIL" if failed else f"{self.coverage:.1%}"
        return (
            f"accuracy {self.accuracy:.1%}, area {coverage} "
            f"(not simple: {self.failures:.1%})"
        )


def hull_score(
    tasks: Iterable[Pointing], answers: Iterable[Sequence[int]]
) -> HullScore:
    """Compares predicted convex hulls with the right ones.

    The scores of Vinyals et al. 2015 (https://arxiv.org/abs/1506.03134, Section 4).

    Args:
        tasks: tasks whose sources are points `(points, 2)`, and whose targets are
            their hulls.
        answers: for each task the places it was answered with.

    Returns:
        The score.

    Raises:
        ValueError: there are no tasks, their number is not that of the answers, or an
            answer points where no point is.
    """
    tasks, answers = list(tasks), [list(answer) for answer in answers]
    if len(tasks) != len(answers):
        raise ValueError(
            "answers must hold one for each task. Received: "
            f"{len(tasks)} tasks and {len(answers)} answers."
        )
    if not tasks:
        raise ValueError("tasks must not be empty. Received: 0 tasks.")
    pairs = list(zip(tasks, answers, strict=True))
    right = [same_polygon(task.target, answer) for task, answer in pairs]
    coverages = [area_coverage(task.source, answer) for task, answer in pairs]
    of_simple = [coverage for coverage in coverages if coverage is not None]
    return HullScore(
        accuracy=sum(right) / len(tasks),
        coverage=float(np.mean(of_simple)) if of_simple else None,
        failures=coverages.count(None) / len(tasks),
    )


def area_coverage(points: np.ndarray, places: Sequence[int]) -> float | None:
    """Divides the area of a polygon by that of its points' convex hull.

    Args:
        points: numbers `(points, 2)`.
        places: the polygon's corners in their order, as places of points from 0 on.

    Returns:
        The share of the hull that the polygon covers, from 0 to 1; None if the polygon
        is not simple, since it then has no area.

    Raises:
        ValueError: `points` have another shape or span no area, or a place is not one
            of them.
    """
    points, places = _checked_points(points, "points"), list(places)
    for place in places:
        if not is_whole(place) or not 0 <= place < len(points):
            raise ValueError(
                f"places must be from 0 to {len(points) - 1}, as there are "
                f"{len(points)} points. Received: {place!r}."
            )
    if not is_simple(points[places]):
        return None
    return area(points[places]) / area(points[_hull(points)])


def area(corners: np.ndarray) -> float:
    """Returns the area of a simple polygon by the shoelace formula.

    Half of the sum of `x[i] * y[i + 1] - x[i + 1] * y[i]` over all edges, its sign
    dropped.

    Args:
        corners: numbers `(corners, 2)` in their order, the first not repeated.
    """
    corners = _checked_points(corners, "corners")
    corners = corners - corners[:1]  # near the origin, where products keep their digits
    return float(abs(_cross(corners, np.roll(corners, -1, axis=0)).sum()) / 2)


def is_simple(corners: np.ndarray) -> bool:
    """Returns whether a polygon has corners and no edges that touch elsewhere.

    A simple polygon has at least three corners, no two of them equal. Edges meet at
    the corner that they share and nowhere else.

    Args:
        corners: numbers `(corners, 2)` in their order, the first not repeated.
    """
    starts = _checked_points(corners, "corners")
    if len(starts) < 3 or len(np.unique(starts, axis=0)) < len(starts):
        return False
    ends = np.roll(starts, -1, axis=0)
    # The side of edge i on which each corner lies: 1 left, -1 right, 0 in line.
    sides = np.sign(_cross((ends - starts)[:, None], starts - starts[:, None]))
    sides_of_ends = np.roll(sides, -1, axis=1)
    crosses = sides * sides_of_ends < 0  # edge j passes the line of edge i
    # A corner in line with an edge lies on it if it lies in its bounding box.
    low, high = np.minimum(starts, ends)[:, None], np.maximum(starts, ends)[:, None]
    on_edge = (sides == 0) & ((low <= starts) & (starts <= high)).all(axis=-1)
    own = np.eye(len(starts), dtype=bool)
    own |= np.roll(own, 1, axis=1)  # the two ends of an edge
    return not ((crosses & crosses.T).any() or (on_edge & ~own).any())


def same_polygon(one: Sequence[int], other: Sequence[int]) -> bool:
    """Returns whether two sequences of places go around the same polygon.

    They may start anywhere and turn either way.
    """
    one, other = list(one), list(other)
    if len(one) != len(other) or set(one) != set(other):
        return False
    turns = [other[place:] + other[:place] for place in range(len(other))]
    return not one or one in turns or one[:1] + one[:0:-1] in turns


def _hull(points: np.ndarray) -> np.ndarray:
    from scipy.spatial import ConvexHull, QhullError  # a slow import

    try:
        return ConvexHull(points).vertices
    except (QhullError, ValueError) as error:
        raise ValueError(
            f"points must span an area. Received: {points.tolist()}."
        ) from error


def _cross(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return one[..., 0] * other[..., 1] - one[..., 1] * other[..., 0]


def _checked_points(points: np.ndarray, name: str) -> np.ndarray:
    try:
        points = np.asarray(points, "float64")
    except ValueError:
        raise ValueError(
            f"{name} must be numbers (count, 2). Received: {points!r}."
        ) from None
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(
            f"{name} must have the shape (count, 2). Received: {points.shape}."
        )
    if not np.isfinite(points).all():
        raise ValueError(f"{name} must be finite. Received: {points.tolist()}.")
    return points
