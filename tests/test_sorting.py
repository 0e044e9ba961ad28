"""Tests of the corpora `sorting/…`."""

import hashlib

import numpy as np
import pytest

from s2s_keras import corpora
from s2s_keras.corpora import sorting

LENGTHS = sorting.LENGTHS


@pytest.mark.parametrize("length", LENGTHS)
def test_the_target_sorts_the_numbers(length):
    corpus = corpora.load(f"sorting/{length}")
    splits = (corpus.train, corpus.valid, corpus.test)
    assert tuple(map(len, splits)) == (20_000, 1_000, 1_000)
    seen = set()
    for task in (task for split in splits for task in split):
        assert task.source.shape == (length, 1) and task.source.dtype == np.float32
        numbers = task.source[:, 0].tolist()
        assert [numbers[place] for place in task.target] == sorted(numbers)
        assert len(set(numbers)) == length  # so there is one right answer
        assert all(type(place) is int for place in task.target)
        seen.add(tuple(numbers))
    assert len(seen) == 22_000


@pytest.mark.parametrize("length", LENGTHS)
def test_the_numbers_are_uniform(length):
    tasks = corpora.load(f"sorting/{length}").train
    numbers = np.concatenate([task.source[:, 0] for task in tasks])
    assert 0 <= numbers.min() and numbers.max() < 1
    counts, _ = np.histogram(numbers, bins=10, range=(0, 1))
    expected = len(numbers) / 10
    # 9 degrees of freedom; one in a thousand is larger
    assert ((counts - expected) ** 2 / expected).sum() < 27.9


def test_fewer_tasks_are_the_first_of_more():
    few, more = sorting.examples(10, 5, seed=3), sorting.examples(30, 5, seed=3)
    assert [task.target for task in few] == [task.target for task in more[:10]]
    first = corpora.load("sorting/5").train[0]
    assert (sorting.examples(1, 5, seed=0)[0].source == first.source).all()


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((1, 0, 0), "length must be a whole number of at least 1. Received: 0"),
        ((1, 2.5, 0), "length must be a whole number of at least 1. Received: 2.5"),
        ((-1, 5, 0), "count must be a whole number of at least 0. Received: -1"),
        ((1, 5, "0"), "seed must be a whole number of at least 0. Received: '0'"),
    ],
)
def test_what_cannot_be_sorted_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        sorting.examples(*arguments)


def test_tasks_are_the_same_on_every_machine():
    digest = hashlib.sha256()
    for length in LENGTHS:
        for task in corpora.load(f"sorting/{length}").test:
            digest.update(task.source.tobytes())
    assert digest.hexdigest()[:16] == "5509a3d88cc171a5"


def test_a_source_cannot_be_changed_by_accident():
    with pytest.raises(ValueError, match="read-only"):
        corpora.load("sorting/5").train[0].source[0] = 1
