"""Rates in words."""

from __future__ import annotations

import pytest

from forecast.data.step import parse_step
from forecast.detection.rates import read_rate
from forecast.errors import ParameterError


@pytest.mark.parametrize(
    ("asked", "step", "rows"),
    [
        ("1 per week", "h", 168),
        ("1 per week", "5min", 2_016),
        ("2 a day", "h", 12),
        ("once per month", "D", 30.436875),
        ("1/day", "15min", 96),
        ("1 per 1,000 rows", "D", 1_000),
        ("3 alarms per 2 weeks", "h", 112),
        ("1 per year", "D", 365.2425),
        (0.01, "h", 100),
    ],
)
def test_words_become_a_share_of_rows(asked, step, rows):
    assert 1 / read_rate(asked, parse_step(step)) == pytest.approx(rows)


@pytest.mark.parametrize(
    "asked", ["often", "1 per fortnight", "x per day", "", None, "1 per", True, "-1 per day"]
)
def test_what_cannot_be_read_is_refused(asked):
    with pytest.raises(ParameterError, match="alarms="):
        read_rate(asked, parse_step("h"))


@pytest.mark.parametrize("asked", [0, 0.7, "30 per day", -1.0, float("nan")])
def test_rates_beyond_reason_are_refused(asked):
    with pytest.raises(ParameterError, match="at most half"):
        read_rate(asked, parse_step("h"))


def test_rows_without_times_have_no_weeks():
    assert read_rate("1 per 50 rows", parse_step(1)) == 0.02
    with pytest.raises(ParameterError, match="only counted"):
        read_rate("1 per week", parse_step(1))
