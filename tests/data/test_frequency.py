"""Finding the step: whatever is taken away from a regular grid, its step is found."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from forecast.data.frequency import infer_step, snap
from forecast.data.step import Step, parse_step
from forecast.errors import TableError

NAMES = [
    "s",
    "15s",
    "min",
    "5min",
    "15min",
    "30min",
    "h",
    "2h",
    "D",
    "2D",
    "W",
    "2W",
    "B",
    "MS",
    "ME",
    "M-15",
]
NAMES += ["QS", "QE", "YS", "YE", "2YS", "2QS"]
ZONES = ("Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Asia/Kolkata", "UTC")


def infer(times, series=None, **options) -> str:
    index = pd.DatetimeIndex(times)
    return str(
        infer_step(index, np.zeros(len(index), int) if series is None else np.asarray(series), **options)
    )


def grid(name: str, start: str = "2023-01-01", n: int = 60, zone: str | None = None) -> pd.DatetimeIndex:
    step = parse_step(name)
    first = pd.Timestamp(start)
    if step.kind == "month":
        first = first + pd.Timedelta(min(step.day, 31) - 1, "D")
    if step.kind == "business":
        first = pd.Timestamp("2023-01-02")
    return step.times(first.tz_localize(zone), n)


@pytest.mark.parametrize("zone", [None, *ZONES])
@pytest.mark.parametrize("name", NAMES)
def test_a_whole_grid_gives_its_step(name, zone):
    assert infer(grid(name, zone=zone)) == name
    assert infer(grid(name, zone=zone, n=7)) == name


@pytest.mark.parametrize("name", [n for n in NAMES if n != "B"])
@pytest.mark.parametrize("rows", [2, 3])
def test_two_rows_give_their_distance(name, rows):
    assert infer(grid(name, n=rows)) == name


def test_two_rows_of_other_distances():
    assert infer(["2024-01-05", "2024-01-08"]) == "3D"
    assert infer(["2024-02-01", "2024-03-01"]) == "MS"
    assert infer(["1999-12-31", "2000-06-30"]) == "2QE"
    assert infer(["2024-01-01 07:13", "2024-01-01 09:10"]) == "117min"


@given(st.data())
@settings(max_examples=200, deadline=None, derandomize=True)
def test_gaps_do_not_hide_the_step(data):
    check_gaps(data)


@pytest.mark.fuzz
@given(st.data())
@settings(max_examples=5_000, deadline=None)
def test_gaps_do_not_hide_the_step_at_length(data):
    check_gaps(data)


def check_gaps(data) -> None:
    """Half of the rows of a grid or more, in several series of different starts and lengths, a pair left in each."""
    step = parse_step(data.draw(st.sampled_from(NAMES)))
    zone = data.draw(st.sampled_from((None, *ZONES)))
    whole = grid(str(step), zone=zone, n=250 if step.seconds < 1e6 else 60)
    rng = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    parts, series = [], []
    for i in range(data.draw(st.integers(1, 5))):
        begin = int(rng.integers(0, len(whole) - 30))
        part = whole[begin : begin + int(rng.integers(25, 200))]
        part = part[rng.random(len(part)) < data.draw(st.floats(0.6, 1.0))]
        assume(len(part) > 10)
        parts.append(part)
        series += [i] * len(part)
    times = parts[0].append(parts[1:])
    assert str(infer_step(times, np.array(series))) == str(step)


def test_series_with_other_phases_share_a_step():
    full, half = grid("h", n=30), grid("h", "2023-01-05 00:30", n=20)
    assert infer(full.append(half), [0] * 30 + [1] * 20) == "h"
    nine, noon = grid("D", "2023-01-01 09:00", n=30), grid("D", "2023-02-01 12:00", n=30)
    assert infer(nine.append(noon), [0] * 30 + [1] * 30) == "D"
    mondays, fridays = grid("W", "2023-01-02", n=9), grid("W", "2023-01-06", n=9)
    assert infer(mondays.append(fridays), [0] * 9 + [1] * 9) == "W"


def test_series_of_one_row_do_not_matter_beside_longer_ones():
    assert infer(["2024-05-05", "2024-01-01", "2024-02-01", "1999-12-31"], [0, 1, 1, 2]) == "MS"


@pytest.mark.parametrize("day", range(1, 8))
def test_weeks_begin_on_any_day(day):
    weeks = grid("W", f"2023-01-{day:02d}", n=9)
    assert infer(weeks) == "W"
    assert infer(weeks[[0, 1, 3, 8]]) == "W"


def test_the_distance_between_two_series_is_no_step():
    times = ["2024-01-01 00:00", "2024-01-01 01:00", "2024-01-01 01:20", "2024-01-01 02:20"]
    assert infer(times, [0, 0, 1, 1]) == "h"


def test_hours_of_a_clock_that_skips_one_in_spring():
    hours = pd.date_range("2024-03-30", periods=72, freq="h")
    assert infer(hours[hours != pd.Timestamp("2024-03-31 02:00")]) == "h"
    autumn = pd.date_range("2024-10-26", periods=72, freq="h", tz="Europe/Berlin").tz_localize(None)
    assert infer(autumn[~autumn.duplicated()]) == "h"


def test_days_whose_midnight_is_hidden():
    assert infer(grid("D", "2017-10-01", n=30, zone="America/Sao_Paulo")) == "D"
    at_one = parse_step("D").times(pd.Timestamp("2017-10-01 01:00", tz="America/Sao_Paulo"), 30)
    assert infer(at_one) == "D"


def test_days_that_begin_where_clocks_change():
    assert infer(grid("D", "2024-03-31", n=2, zone="Europe/Berlin")) == "D"
    assert infer(grid("D", "2024-10-27", n=2, zone="Europe/Berlin")) == "D"


def test_business_days_need_a_skipped_weekend():
    week = grid("B", n=5)
    assert infer(week) == "D"
    assert infer(grid("B", n=6)) == "B"
    holidays = grid("B", n=40)
    assert infer(holidays[(holidays.day_of_week > 0) & (holidays.day != 4)]) == "B"
    with_saturday = holidays.append(pd.DatetimeIndex(["2023-02-25"])).sort_values()
    assert infer(with_saturday) == "D"


def test_month_ends_and_days_of_the_month():
    assert infer(["2024-01-31", "2024-02-29", "2024-04-30", "2024-05-31"]) == "ME"
    assert infer(["2024-01-30", "2024-02-29", "2024-03-30"]) == "M-30"
    assert infer(["2023-02-28", "2024-02-29", "2025-02-28"]) == "YE"
    assert infer(["2024-01-28", "2024-02-28", "2024-03-28"]) == "M-28"
    assert infer(["2024-01-01 06:00", "2024-02-01 06:00", "2024-05-01 06:00"]) == "MS"
    # Four weeks are no month, except from the first of one to the first of another.
    assert infer(pd.date_range("2024-01-01", periods=12, freq="28D")) == "4W"


def test_a_divisor_of_all_distances_may_be_the_step():
    assert infer(["2024-01-01", "2024-01-03", "2024-01-05", "2024-01-08", "2024-01-10", "2024-01-12"]) == "D"
    # Twice a day, at nine and at five.
    times = [f"2024-01-{d:02d} {h:02d}:00" for d in range(1, 9) for h in (9, 17)]
    assert infer(times) == "8h"
    assert str(infer_step(np.array([0, 4, 6, 10, 14]), np.zeros(5, int))) == "2"


def test_a_row_in_a_hundred_off_the_grid_does_not_change_the_step():
    times = grid("h", n=200).to_list()
    times[100] += pd.Timedelta("7min")
    assert infer(times) == "h"


@pytest.mark.parametrize(
    ("times", "step"),
    [([5, 6, 9], "1"), ([0, 10, 20, 50], "10"), ([2000, 2001], "1"), ([-(2**62), 0, 2**62], str(2**62))],
)
def test_integers(times, step):
    assert str(infer_step(np.array(times), np.zeros(len(times), int))) == step


def test_duplicates_do_not_count():
    assert infer(["2024-01-01", "2024-01-01", "2024-01-02", "2024-01-02"]) == "D"


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize("times", [["2024-01-01"], ["2024-01-01", "2024-01-01"]])
def test_one_time_is_too_few(times):
    with pytest.raises(
        TableError, match="fewer than two different times in a series; pass --step"
    ) as refusal:
        infer(times)
    assert "\n" not in str(refusal.value)
    with pytest.raises(TableError, match="pass --step"):
        infer_step(np.array([3]), np.array([0]))


def test_one_time_in_every_series_is_too_few():
    with pytest.raises(TableError, match="fewer than two different times"):
        infer(["2024-01-01", "2024-01-02"], [0, 1])


def jittering(
    name: str, spread: str, n: int = 200, seed: int = 0, start: str = "2023-01-01"
) -> pd.DatetimeIndex:
    off = np.random.default_rng(seed).uniform(-1, 1, n) * (pd.Timedelta(spread) / pd.Timedelta("1s"))
    return grid(name, start, n) + pd.to_timedelta(np.round(off), unit="s")


@pytest.mark.parametrize(
    ("name", "spread"), [("h", "40s"), ("15min", "1min"), ("D", "2h"), ("W", "1D"), ("min", "9s")]
)
def test_jitter_is_refused_with_the_way_out(name, spread):
    with pytest.raises(
        TableError, match=r"No step fits the times: .*; pass --step and, if the clock jitters, --snap"
    ):
        infer(jittering(name, spread))


def test_irregular_times_are_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(TableError, match="No step fits"):
        infer(pd.DatetimeIndex(np.sort(rng.integers(0, 10**9, 300)) * 10**9))
    with pytest.raises(TableError, match=r"No step fits .* pass the true --step\.$"):
        infer_step(np.array([0, 100, 200, 307, 400]), np.zeros(5, int))
    # The first and the fifteenth, and the last Friday but one of business: neither days nor months.
    with pytest.raises(TableError, match="No step fits"):
        infer([f"2024-{m:02d}-{d:02d}" for m in range(1, 13) for d in (1, 15)])


def test_series_on_two_days_of_the_month_are_refused_rather_than_laid_on_days():
    first, fifteenth = grid("MS", n=20), grid("M-15", n=20)
    with pytest.raises(TableError, match="No step fits"):
        infer(first.append(fifteenth), [0] * 20 + [1] * 20)


def test_times_that_fall_are_refused():
    with pytest.raises(TableError, match="do not rise within each series"):
        infer(["2024-01-02", "2024-01-01", "2024-01-03"])


# ---------------------------------------------------------------- snapping


@pytest.mark.parametrize(
    ("name", "spread"),
    [
        ("10s", "2s"),
        ("min", "20s"),
        ("15min", "4min"),
        ("h", "20min"),
        ("6h", "1h"),
        ("D", "5h"),
        ("W", "2D"),
        ("MS", "1D"),
        ("ME", "1D"),
        ("QS", "1D"),
        ("YE", "1D"),
    ],
)
@pytest.mark.parametrize("seed", range(5))
def test_jittering_times_snap_to_their_grid(name, spread, seed):
    times = jittering(name, spread, n=80, seed=seed)
    assert infer(times, snapped=True) == name
    snapped = snap(times, parse_step(name))
    assert (snapped == grid(name, n=80)).all()


def test_times_told_in_whole_minutes_snap_to_their_usual_step_and_not_to_minutes():
    off = np.random.default_rng(0).integers(-1, 2, 200)
    times = grid("3min", n=200) + pd.to_timedelta(off, unit="min")
    assert infer(times) == "min"
    assert infer(times, snapped=True) == "3min"


def test_jittering_business_days_snap_to_business_days():
    times = jittering("B", "5h")
    assert infer(times, snapped=True) == "B"
    assert (snap(times, parse_step("B")) == grid("B", n=200)).all()


@pytest.mark.parametrize(("pandas", "name"), [("BME", "ME"), ("BMS", "MS"), ("BQE-DEC", "QE"), ("BYS", "YS")])
def test_first_and_last_business_days_of_a_month_snap_to_the_first_and_last_day(pandas, name):
    times = pd.date_range("2001-01-01", periods=60, freq=pandas)
    with pytest.raises(TableError, match="--snap"):
        infer(times)
    assert infer(times, snapped=True) == name
    assert (snap(times, parse_step(name)).to_period("M") == times.to_period("M")).all()


@pytest.mark.parametrize("name", [*NAMES, "45min", "7h"])
def test_regular_times_stay_what_they_are_when_snapped(name):
    times = grid(name, "2023-01-01", n=50)
    assert infer(times, snapped=True) == name
    assert (snap(times, parse_step(name)) == times).all() or name in ("7h", "2D", "2W")


def test_jitter_far_from_every_usual_step_is_refused():
    with pytest.raises(
        TableError, match=r"typical distance .* is near no usual step; pass --step along with --snap"
    ):
        infer(jittering("42min", "3min"), snapped=True)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Asia/Kolkata", "America/Sao_Paulo"])
def test_snapping_crosses_a_change_of_clocks(zone):
    for start in ("2017-10-10", "2018-03-20", "2018-02-15", "2018-10-25"):
        hours = grid("h", start, n=300, zone=zone)
        off = pd.to_timedelta(np.random.default_rng(1).integers(-900, 900, 300), unit="s")
        assert (snap(hours + off, parse_step("h")) == hours).all()
        days = grid("D", start, n=12, zone=zone)
        assert (snap(days + off[:12], parse_step("D")) == days).all()
        assert infer(hours + off, snapped=True) == "h"


def test_snapping_integers_and_nothing_changes_nothing():
    times = pd.DatetimeIndex(["2024-01-01 00:07"])
    assert (snap(times, Step("integer", 1)) == times).all()
    assert len(snap(times[:0], parse_step("h"))) == 0


def test_inputs_are_not_changed():
    times, series = jittering("h", "40s"), np.zeros(200, int)
    before = times.copy()
    snap(times, parse_step("h"))
    infer_step(times, series, snapped=True)
    assert times.equals(before)


@pytest.mark.skipif(not os.environ.get("FORECAST_DATA_DIR"), reason="FORECAST_DATA_DIR is not set")
def test_the_transformer_table_is_hourly():
    table = pd.read_csv(Path(os.environ["FORECAST_DATA_DIR"]) / "ett" / "ETTh1.csv", usecols=["date"])
    assert infer(pd.to_datetime(table["date"])) == "h"
