"""Tests of the corpora `convex_hull/…`, against exact integer arithmetic."""

import collections
import hashlib

import numpy as np
import pytest

from s2s_keras import corpora
from s2s_keras.corpora import convex_hull

NAMES = tuple(convex_hull.RANGES)


def turn(one, other, third):
    """Positive where three points turn left, zero where they are in line."""
    return (other[0] - one[0]) * (third[1] - one[1]) - (other[1] - one[1]) * (
        third[0] - one[0]
    )


def exact_hull(points):
    """The hull by Andrew's monotone chain, counter-clockwise, from the first place.

    The coordinates are multiples of 2**-24, so whole numbers hold them exactly.
    """
    whole = [tuple(int(value * 2**24) for value in point) for point in points.tolist()]
    order = sorted(range(len(whole)), key=whole.__getitem__)
    chains = []
    for places in (order, order[::-1]):
        chain = []
        for place in places:
            while len(chain) > 1:
                if turn(*(whole[corner] for corner in chain[-2:]), whole[place]) > 0:
                    break
                chain.pop()
            chain.append(place)
        chains += chain[:-1]
    start = chains.index(min(chains))
    return tuple(chains[start:] + chains[:start])


def every_task(name):
    corpus = corpora.load(name)
    return corpus.train + corpus.valid + corpus.test


def test_the_reference_knows_a_square():
    points = np.array([[0.5, 0.5], [1, 1], [0, 0], [1, 0], [0, 1], [0.5, 0]])
    assert exact_hull(points) == (1, 4, 2, 3)


@pytest.mark.parametrize("name", NAMES)
def test_every_corpus_describes_itself(name):
    corpus = corpora.load(name)
    assert corpus.name == name and corpus.licence and "Vinyals" in corpus.citation
    sizes = [len(corpus.train), len(corpus.valid), len(corpus.test)]
    assert sizes == list(convex_hull.SIZES) == [20_000, 1_000, 1_000]
    assert (corpus.source_language, corpus.target_language) == ("", "")


@pytest.mark.parametrize("name", NAMES)
def test_the_target_is_the_hull(name):
    for task in every_task(name)[::50]:
        assert task.target == exact_hull(task.source)


@pytest.mark.parametrize("name", NAMES)
def test_the_hull_starts_at_its_first_place_and_has_corners(name):
    least, most = convex_hull.RANGES[name]
    for task in every_task(name):
        assert task.source.dtype == np.float32
        assert task.source.shape[1:] == (2,) and least <= len(task.source) <= most
        assert task.target[0] == min(task.target)
        assert 3 <= len(set(task.target)) == len(task.target)


@pytest.mark.parametrize("name", NAMES)
def test_no_two_tasks_are_the_same(name):
    assert len({task.source.tobytes() for task in every_task(name)}) == 22_000


def test_points_are_uniform_and_so_is_their_number():
    tasks = corpora.load("convex_hull/5-50").train
    values = np.concatenate([task.source.ravel() for task in tasks])
    assert 0 <= values.min() and values.max() < 1
    counts, _ = np.histogram(values, bins=10, range=(0, 1))
    assert np.allclose(counts, len(values) / 10, rtol=0.02)
    sizes = collections.Counter(len(task.source) for task in tasks)
    assert sorted(sizes) == list(range(5, 51))
    expected = len(tasks) / 46
    chi_square = sum((n - expected) ** 2 / expected for n in sizes.values())
    assert chi_square < 80.1  # 45 degrees of freedom; one in a thousand is larger


def test_no_answer_hangs_on_rounding(monkeypatch):
    flat = np.array([[0, 0], [1, 0], [0.5, 0], [0, 1], [0.2, 0.2]], "float32")
    flat.flags.writeable = True

    class Draw:
        def __init__(self):
            self.drawn = [
                flat.copy(),
                flat + [[0, 0], [0, 0], [0, 1e-7], [0, 0], [0, 0]],
            ]
            self.random_state = np.random.default_rng(0)

        def integers(self, least, most):
            return least

        def random(self, shape, dtype):
            if self.drawn:
                return self.drawn.pop(0)
            return self.random_state.random(shape, dtype=dtype)

    draw = Draw()
    monkeypatch.setattr(np.random, "default_rng", lambda seed: draw)
    (task,) = convex_hull.examples(1, 5, 5, seed=0)
    assert not draw.drawn and task.target == exact_hull(task.source)


def test_fewer_tasks_are_the_first_of_more():
    few = convex_hull.examples(5, 5, 9, seed=3)
    more = convex_hull.examples(20, 5, 9, seed=3)
    for one, other in zip(few, more[:5], strict=True):
        assert one.target == other.target and (one.source == other.source).all()


def test_tasks_are_the_same_on_every_machine():
    digest = hashlib.sha256()
    for name in NAMES:
        for task in corpora.load(name).test:
            digest.update(task.source.tobytes() + bytes(task.target))
    assert digest.hexdigest()[:16] == "2deb6f3f3b56d093"


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"least": 2}, "least must be a whole number of at least 3. Received: 2"),
        ({"least": 6}, "most must be a whole number of at least 6. Received: 5"),
        ({"most": 5.5}, "most must be a whole number of at least 4. Received: 5.5"),
        ({"count": -1}, "count must be a whole number of at least 0. Received: -1"),
        ({"seed": None}, "seed must be a whole number of at least 0. Received: None"),
    ],
)
def test_what_makes_no_hull_is_named(changes, message):
    with pytest.raises(ValueError, match=message):
        convex_hull.examples(**{"count": 1, "least": 4, "most": 5, "seed": 0} | changes)


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="name must be one of .*: 'convex_hull/7'"):
        convex_hull.read("convex_hull/7")
