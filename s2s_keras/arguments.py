"""Checks of arguments, each with an error that says what must be and what came."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

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
    """Raises ValueError unless an argument is an int of at least `least`."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or value < least:
        raise ValueError(
            f"{name} must be a whole number of at least {least}. Received: {value!r}"
        )


def check_number(
    name: str, value: Any, range_in_words: str, fits: Callable[[float], bool]
) -> None:
    """Raises ValueError unless an argument is an int or a float that fits."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not fits(value):
        raise ValueError(
            f"{name} must be a number {range_in_words}. Received: {value!r}"
        )
