"""Tests of `s2s_keras.arguments`."""

import numpy as np
import pytest

from s2s_keras.arguments import (
    check_choice,
    check_number,
    check_switch,
    check_whole,
)

POSITIVE = ("above 0", lambda value: value > 0)


@pytest.mark.parametrize(
    "check, value, limits",
    [
        (check_choice, "gru", (("gru", None),)),
        (check_choice, None, (("gru", None),)),
        (check_switch, False, ()),
        (check_whole, 3, (3,)),
        (check_whole, np.int64(3), (3,)),
        (check_number, 1, POSITIVE),
        (check_number, 0.5, POSITIVE),
        (check_number, np.float32(0.5), POSITIVE),
        (check_number, np.int32(1), POSITIVE),
    ],
)
def test_what_fits_passes(check, value, limits):
    assert check("argument", value, *limits) is None


@pytest.mark.parametrize(
    "check, value, limits, must",
    [
        (check_choice, "lst", (("gru", "lstm"),), r"one of \('gru', 'lstm'\)"),
        (check_switch, 1, (), "True or False"),
        (check_whole, 2, (3,), "a whole number of at least 3"),
        (check_whole, 3.0, (3,), "a whole number of at least 3"),
        (check_whole, True, (1,), "a whole number of at least 1"),
        (check_whole, None, (1,), "a whole number of at least 1"),
        (check_number, 0, POSITIVE, "a number above 0"),
        (check_number, "1", POSITIVE, "a number above 0"),
        (check_number, True, POSITIVE, "a number above 0"),
        (check_number, float("nan"), POSITIVE, "a number above 0"),
        (check_number, float("inf"), POSITIVE, "a number above 0"),
        (check_number, np.float32("inf"), POSITIVE, "a number above 0"),
        (check_number, np.array([1.0, 2.0]), POSITIVE, "a number above 0"),
    ],
)
def test_what_does_not_is_named_with_what_came(check, value, limits, must):
    with pytest.raises(ValueError, match=f"argument must be {must}. Received: ") as got:
        check("argument", value, *limits)
    assert str(got.value).endswith(repr(value))
