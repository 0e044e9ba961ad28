"""Tests of polygons and of the scores of convex hulls."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2s_keras import geometry
from s2s_keras.corpora import convex_hull
from s2s_keras.records import Pointing

SQUARE = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0.5, 0.5], [0.5, 0]], "float32")
HULL = (0, 1, 2, 3)


def side(one, other, third):
    cross = (other[0] - one[0]) * (third[1] - one[1]) - (other[1] - one[1]) * (
        third[0] - one[0]
    )
    return (cross > 0) - (cross < 0)


def segments_touch(one, other):
    """Do two closed segments share a point? By cases, in whole numbers."""
    (a, b), (c, d) = one, other
    if side(a, b, c) != side(a, b, d) and side(c, d, a) != side(c, d, b):
        return True
    return any(
        side(*segment, point) == 0
        and min(segment)[0] <= point[0] <= max(segment)[0]
        and min(e[1] for e in segment) <= point[1] <= max(e[1] for e in segment)
        for segment, point in ((one, c), (one, d), (other, a), (other, b))
    )


def simple_by_cases(corners):
    count = len(corners)
    if count < 3 or len(set(corners)) < count:
        return False
    edges = [(corners[i], corners[(i + 1) % count]) for i in range(count)]
    for i, j in itertools.combinations(range(count), 2):
        if j - i == 1 or (i == 0 and j == count - 1):
            shared = set(edges[i]) & set(edges[j])
            for edge, other in ((edges[i], edges[j]), (edges[j], edges[i])):
                (free,) = set(other) - shared
                if segments_touch(edge, (free, free)):
                    return False
        elif segments_touch(edges[i], edges[j]):
            return False
    return True


corner_lists = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=7)


@given(corner_lists)
def test_a_polygon_is_simple_where_its_edges_do_not_touch(corners):
    polygon = np.array(corners, float).reshape(-1, 2)
    assert geometry.is_simple(polygon) == simple_by_cases(corners)


@pytest.mark.parametrize(
    ("places", "simple"),
    [
        ((0, 1, 2, 3), True),
        ((3, 2, 1, 0), True),
        ((0, 1, 4, 3), True),  # with a dent
        ((0, 2, 1, 3), False),  # a bow tie
        ((0, 1, 2, 4), True),  # with a corner in line
        ((0, 2, 1, 4), False),  # back along an edge
        ((0, 1, 5), False),  # all in line
        ((0, 1, 2, 3, 5), False),  # touches its own edge
        ((0, 1), False),
        ((), False),
        ((0, 1, 2, 0), False),  # a corner twice
    ],
)
def test_simple_polygons_by_hand(places, simple):
    assert geometry.is_simple(SQUARE[list(places)].reshape(-1, 2)) is simple


def test_areas_by_hand():
    assert geometry.area(SQUARE[:4]) == 1
    assert geometry.area(SQUARE[[3, 2, 1, 0]]) == 1
    assert geometry.area(SQUARE[[0, 1, 2]]) == 0.5
    assert geometry.area(np.array([[0, 0], [4, 0], [4, 3]])) == 6


@given(st.lists(st.floats(0.1, 3), min_size=3, max_size=12))
def test_the_area_is_that_of_its_triangles_around_the_center(radii):
    step = 2 * math.pi / len(radii)
    turns = np.arange(len(radii)) * step
    corners = np.array(radii)[:, None] * np.stack([np.cos(turns), np.sin(turns)], 1)
    triangles = sum(
        one * other * math.sin(step) / 2
        for one, other in zip(radii, radii[1:] + radii[:1], strict=True)
    )
    assert geometry.area(corners + 5) == pytest.approx(triangles)


def test_area_coverage_by_hand():
    assert geometry.area_coverage(SQUARE, HULL) == 1
    assert geometry.area_coverage(SQUARE, (0, 1, 2)) == 0.5
    assert geometry.area_coverage(SQUARE, (0, 1, 4, 3)) == 0.5
    assert geometry.area_coverage(SQUARE, (0, 1, 4)) == 0.25
    assert geometry.area_coverage(SQUARE, (0, 2, 1, 3)) is None


def test_a_hull_covers_itself_and_nothing_covers_more():
    draw = np.random.default_rng(0)
    for task in convex_hull.examples(100, 5, 12, seed=5):
        assert geometry.area_coverage(task.source, task.target) == pytest.approx(1)
        places = draw.permutation(len(task.source))[:4]
        coverage = geometry.area_coverage(task.source, places)
        assert coverage is None or 0 < coverage <= 1 + 1e-9


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ((0, 1, 2, 3), (2, 3, 0, 1), True),
        ((0, 1, 2, 3), (0, 3, 2, 1), True),
        ((0, 1, 2, 3), (1, 0, 3, 2), True),
        ((0, 1, 2, 3), (0, 2, 1, 3), False),
        ((0, 1, 2), (0, 1, 2, 3), False),
        ((0, 1, 2), (0, 1, 4), False),
        ((0, 1, 2, 0), (0, 1, 2), False),
        ((), (), True),
    ],
)
def test_polygons_are_the_same_whatever_their_start_and_turn(one, other, same):
    assert geometry.same_polygon(one, other) is same


def test_hull_score_by_hand():
    task = Pointing(SQUARE, HULL)
    answers = [(0, 1, 2, 3), (2, 1, 0, 3), (0, 1, 2), (0, 2, 1, 3)]
    score = geometry.hull_score([task] * 4, answers)
    assert (score.accuracy, score.failures) == (0.5, 0.25)
    assert score.coverage == pytest.approx((1 + 1 + 0.5) / 3)
    assert str(score) == "accuracy 50.0%, area FAIL (not simple: 25.0%)"
    right = geometry.hull_score([task] * 2, answers[:2])
    assert str(right) == "accuracy 100.0%, area 100.0% (not simple: 0.0%)"
    assert geometry.hull_score([task], [(0,)]).coverage is None


def test_more_than_one_failure_in_a_hundred_is_reported_as_such():
    tasks = [Pointing(SQUARE, HULL)] * 200
    few = geometry.hull_score(tasks, [HULL] * 198 + [(0, 1)] * 2)
    assert "area 100.0%" in str(few)
    many = geometry.hull_score(tasks, [HULL] * 197 + [(0, 1)] * 3)
    assert "FAIL" in str(many)


def test_bad_input_is_named():
    task = Pointing(SQUARE, HULL)
    with pytest.raises(ValueError, match="places must be from 0 to 5, .* Received: 6"):
        geometry.area_coverage(SQUARE, (0, 1, 6))
    with pytest.raises(ValueError, match="places must be from 0 .* Received: -1"):
        geometry.hull_score([task], [(0, 1, -1)])
    with pytest.raises(ValueError, match="points must span an area"):
        geometry.area_coverage(
            np.array([[0, 0], [1, 1], [2, 2], [0, 1e-30]]), (0, 1, 3)
        )
    with pytest.raises(ValueError, match=r"corners must have the shape .*\(3,\)"):
        geometry.area(np.zeros(3))
    with pytest.raises(ValueError, match="1 tasks and 2 answers"):
        geometry.hull_score([task], [HULL, HULL])
    with pytest.raises(ValueError, match="tasks must not be empty"):
        geometry.hull_score([], [])


def test_areas_do_not_depend_on_where_the_origin_is():
    square = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    assert geometry.area(square + 1e8) == 1.0
    assert geometry.area_coverage(square + 1e8, [0, 1, 2, 3]) == 1.0


def test_answers_may_be_read_once():
    square = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    task = Pointing(square, (0, 1, 2, 3))
    score = geometry.hull_score([task], [iter([0, 1, 2, 3])])
    assert (score.accuracy, score.coverage, score.failures) == (1.0, 1.0, 0.0)


@pytest.mark.parametrize("places", [[True] * 3, [0.0, 1.0, 2.0]])
def test_what_is_no_place_is_named(places):
    square = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    with pytest.raises(ValueError, match="places must be from 0 to 3"):
        geometry.area_coverage(square, places)
    with pytest.raises(ValueError, match="corners must be finite"):
        geometry.area(np.where(square > 0, np.nan, square))
