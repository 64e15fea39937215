"""Lags: what the step suggests, never more than a third of the rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast.data.lags import check_lags, choose_lags
from forecast.data.step import parse_step
from forecast.errors import ParameterError

STEPS = ("ms", "s", "10s", "min", "15min", "h", "6h", "7h", "24h", "D", "2D", "W-THU", "2W", "B", "MS", "ME")
STEPS += ("QE", "6MS", "5MS", "YS", "3YE", 1, 7)


@pytest.mark.parametrize(
    ("step", "season", "context", "rows", "lags"),
    [
        ("h", 24, 336, 40_000, (24, 48, 168, 336, 8_735, 8_736, 8_737)),
        ("h", 24, 48, 400, (24, 48)),
        ("15min", 96, 192, 10_000, (96, 192, 671, 672, 673, 1_343, 1_344, 1_345)),
        ("10s", 360, 720, 9_000, (360, 720)),
        ("D", 7, 28, 2_000, (7, 14, 28, 363, 364, 365, 366)),
        ("D", 1, 400, 2_000, (7, 14, 28, 364, 365)),
        ("2D", 1, 99, 2_000, (7, 14, 181, 182, 183)),  # 7 days are no whole number of steps, nor are 365
        ("B", 5, 20, 900, (5, 10, 20, 259, 260, 261)),
        ("W-THU", 52, 52, 400, (4, 52, 103, 104, 105)),
        ("MS", 12, 24, 144, (12, 24)),
        ("ME", 12, 6, 36, (11, 12)),
        ("QE", 4, 8, 60, (4, 8)),
        ("5MS", 1, 8, 60, ()),
        ("YS", 1, 8, 60, ()),
        ("YS", 11, 30, 200, (11, 22)),
        (1, 24, 96, 700, (24, 48)),
        (1, 1, 96, 700, ()),
        ("h", 24, 48, 5, ()),
    ],
)
def test_lags_of_a_step_and_a_season(step, season, context, rows, lags):
    assert choose_lags(parse_step(step), season, context, rows) == lags


@given(st.sampled_from(STEPS), st.integers(1, 400), st.integers(1, 1_000), st.integers(0, 100_000))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_lags_rise_and_reach_no_farther_than_a_third_of_the_rows(step, season, context, rows):
    lags = choose_lags(parse_step(step), season, context, rows)
    assert list(lags) == sorted(set(lags)) and all(type(lag) is int and 1 < lag <= rows // 3 for lag in lags)
    assert len(lags) <= 24
    for lag in (season, 2 * season):
        assert lag in lags or lag > rows // 3 or season == 1


def test_given_lags_are_sorted_and_unique():
    assert check_lags([7, 1, 7, np.int64(3)]) == (1, 3, 7)
    assert check_lags(12) == (12,) and check_lags(range(1, 3)) == (1, 2)
    assert check_lags(()) == check_lags(None) == check_lags(False) == ()
    assert all(type(lag) is int for lag in check_lags(np.array([2, 5])))


@pytest.mark.parametrize("given", [0, -3, [24, 0], [1.5], 2.0, True, [True], "24", ["24"], [None]])
def test_lags_that_are_no_whole_rows_back_are_refused(given):
    with pytest.raises(ParameterError, match=r"^Lags are whole numbers of rows, at least 1; got "):
        check_lags(given)
