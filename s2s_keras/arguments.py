"""Checks of arguments, each with an error that says what must be and what came."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Collection, Iterable
from typing import Any

import numpy as np

SHARE = ("of at least 0 and below 1", lambda value: 0 <= value < 1)  # for check_number


def check_choice(name: str, value: Any, choices: Collection) -> None:
    """Raises ValueError unless an argument is one of its choices."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {choices}. Received: {value!r}")


def check_switch(name: str, value: Any) -> None:
    """Raises ValueError unless an argument is True or False."""
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be True or False. Received: {value!r}")


def check_whole(name: str, value: Any, least: int) -> None:
    """Raises ValueError unless an argument is an integer of at least `least`."""
    if not is_whole(value) or value < least:
        raise ValueError(
            f"{name} must be a whole number of at least {least}. Received: {value!r}"
        )


def check_number(
    name: str, value: Any, range_in_words: str, fits: Callable[[float], bool]
) -> None:
    """Raises ValueError unless an argument is a finite real number that fits."""
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not fits(value):
        raise ValueError(
            f"{name} must be a number {range_in_words}. Received: {value!r}"
        )


def check_list(name: str, value: Any) -> None:
    """Raises TypeError for a single string, and for what holds no values."""
    if isinstance(value, str):
        raise TypeError(f"{name} must be a list. Received: one string, {value!r}.")
    if not isinstance(value, Iterable):
        raise TypeError(f"{name} must be a list. Received: {value!r}.")


def is_whole(value: Any) -> bool:
    """Says whether an argument is an integer, Python's or NumPy's, and no bool."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def as_python(value: Any) -> Any:
    """Returns a number of NumPy's as Python's, which JSON knows; all else as it is."""
    return value.item() if isinstance(value, np.generic) else value
