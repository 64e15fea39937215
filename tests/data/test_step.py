"""The step: its names, and counting and continuing as inverses of each other."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast.data.step import Step, parse_step
from forecast.errors import ParameterError

# Zones whose clocks change at two or three, at midnight (an hour of a day hidden, or shown twice), by half
# an hour, or backwards in winter, and zones without changes.
ZONES = ("Europe/Berlin", "America/New_York", "America/Sao_Paulo", "America/Havana", "Africa/Cairo")
ZONES += ("Australia/Lord_Howe", "Europe/Dublin", "Asia/Kolkata", "UTC")
HOUR, MINUTE = 3_600_000_000_000, 60_000_000_000
TICKS = (1, 1_000_000, MINUTE, 15 * MINUTE, HOUR, 7 * HOUR, 24 * HOUR)


def steps() -> st.SearchStrategy[Step]:
    days = st.sampled_from((1, 2, 7, 14)).map(lambda n: Step("day", n))
    business = st.sampled_from((1, 2)).map(lambda n: Step("business", n))
    months = st.builds(Step, st.just("month"), st.sampled_from((1, 2, 3, 6, 12)), st.integers(1, 31))
    return st.one_of(st.sampled_from(TICKS).map(lambda n: Step("tick", n)), days, business, months)


@st.composite
def starts(draw: st.DrawFn, step: Step) -> pd.Timestamp:
    """A time on the step's grid, often near a change of clocks."""
    zone = draw(st.sampled_from((None, *ZONES)))
    day = np.datetime64(
        draw(st.dates(pd.Timestamp("1990-01-01").date(), pd.Timestamp("2037-12-31").date())), "D"
    )
    clock = draw(st.sampled_from((0, 0, 0, 1, 90, 150, 180, 690, 1_439))) * MINUTE
    if step.kind == "business":
        day = np.busday_offset(day, 0, roll="forward")
    if step.kind == "month":
        first = day.astype("datetime64[M]")
        following = (first + np.timedelta64(1, "M")).astype("datetime64[D]")
        length = int((following - first.astype("datetime64[D]")).astype(int))
        day = first.astype("datetime64[D]") + np.timedelta64(min(step.day, length) - 1, "D")
    wall = pd.Timestamp(day).as_unit("ns") + pd.Timedelta(clock, "ns")
    if zone is None:
        return wall
    return wall.tz_localize(ZoneInfo(zone), ambiguous=draw(st.booleans()), nonexistent="shift_forward")


@st.composite
def grids(draw: st.DrawFn) -> tuple[Step, pd.Timestamp]:
    step = draw(steps())
    return step, draw(starts(step))


def check_inverse(step: Step, start: pd.Timestamp, n: int, back: int) -> None:
    times = step.times(start, n)
    assert times[0] == start
    assert times.tz is None or str(times.tz) == str(start.tz)
    assert times.dtype == (f"datetime64[ns, {start.tz}]" if start.tz is not None else "datetime64[ns]")
    assert times.is_monotonic_increasing and times.is_unique
    k = np.arange(n)
    np.testing.assert_array_equal(step.positions(times, start), k)
    assert [step.shift(start, int(i)) for i in k[:5]] == list(times[:5])
    before = step.shift(start, -back)
    assert before <= start
    np.testing.assert_array_equal(step.positions(pd.DatetimeIndex([before]), start), [-back])


@given(grids(), st.integers(1, 60), st.integers(0, 400))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_positions_times_and_shift_are_inverses(grid, n, back):
    check_inverse(*grid, n, min(back, int(200 * 365 * 86_400 / grid[0].seconds)))


@pytest.mark.fuzz
@given(grids(), st.integers(1, 800), st.integers(0, 3_000))
@settings(max_examples=5_000, deadline=None)
def test_positions_times_and_shift_are_inverses_at_length(grid, n, back):
    most = int(200 * 365 * 86_400 / grid[0].seconds)
    check_inverse(*grid, min(n, most), min(back, most))


@given(
    st.integers(-(2**60), 2**60),
    st.integers(1, 10**6),
    st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=20),
)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_integer_steps_are_inverses(start, count, places):
    step = Step("integer", count)
    times = step.advance(start, np.array(places))
    assert times.tolist() == [start + k * count for k in places]
    np.testing.assert_array_equal(step.positions(times, start), places)
    if count > 1:
        assert np.isnan(step.positions(np.asarray(times) + 1, start)).all()


@given(grids(), st.integers(1, 30))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_a_time_between_two_steps_has_no_position(grid, n):
    step, start = grid
    if step == Step("tick", 1):
        return
    times = step.times(start, n)
    between = times + pd.Timedelta(1, "ns")
    assert np.isnan(step.positions(between[~between.isin(times)], start)).all()


def test_several_starts_are_counted_from_each_on():
    step = parse_step("h")
    starts = pd.DatetimeIndex(["2024-01-01 00:00", "2024-01-01 00:30"])
    times = step.advance(starts.repeat(2), np.array([0, 5, -1, 2]))
    assert times.strftime("%d %H:%M").tolist() == ["01 00:00", "01 05:00", "31 23:30", "01 02:30"]
    np.testing.assert_array_equal(step.positions(times, starts.repeat(2)), [0, 5, -1, 2])
    assert np.isnan(step.positions(times[1:3], times[2:0:-1])).all()


def test_hours_cross_a_change_of_clocks_without_a_gap():
    spring = parse_step("h").times(pd.Timestamp("2024-03-31 00:00", tz="Europe/Berlin"), 4)
    assert spring.hour.tolist() == [0, 1, 3, 4]
    autumn = parse_step("h").times(pd.Timestamp("2024-10-27 01:00", tz="Europe/Berlin"), 4)
    assert autumn.hour.tolist() == [1, 2, 2, 3]


@pytest.mark.parametrize("text", ["D", "W", "MS", "B"])
def test_calendar_steps_keep_the_time_of_day_across_a_change_of_clocks(text):
    times = parse_step(text).times(pd.Timestamp("2024-03-01 09:30", tz="Europe/Berlin"), 40)
    assert set(times.strftime("%H:%M")) == {"09:30"}
    assert len(set(times.strftime("%z"))) == 2


def test_a_hidden_midnight_is_the_first_instant_of_its_day():
    step = parse_step("D")
    midnights = step.times(pd.Timestamp("2017-10-13", tz="America/Sao_Paulo"), 4)
    assert midnights.strftime("%d %H").tolist() == ["13 00", "14 00", "15 01", "16 00"]
    # A series may begin on that very day.
    assert step.times(midnights[2], 2)[1] == midnights[3]
    np.testing.assert_array_equal(step.positions(midnights, midnights[2]), [-2, -1, 0, 1])


def test_a_hidden_time_of_day_is_read_when_clocks_have_gone_forward():
    step, start = parse_step("D"), pd.Timestamp("2024-03-30 02:30", tz="Europe/Berlin")
    times = step.times(start, 3)
    assert times.strftime("%d %H:%M").tolist() == ["30 02:30", "31 03:00", "01 02:30"]
    np.testing.assert_array_equal(step.positions(times, start), [0, 1, 2])


def test_a_time_of_day_that_comes_twice_is_the_first():
    step, start = parse_step("D"), pd.Timestamp("2024-10-26 02:30", tz="Europe/Berlin")
    times = step.times(start, 3)
    assert times.strftime("%d %H:%M %z").tolist() == ["26 02:30 +0200", "27 02:30 +0200", "28 02:30 +0100"]
    # A table may hold the second one as well.
    np.testing.assert_array_equal(
        step.positions(times + pd.to_timedelta([0, 1, 0], unit="h"), start), [0, 1, 2]
    )


def test_the_second_of_two_equal_midnights_is_kept_as_a_start():
    start = pd.Timestamp("2023-11-05").tz_localize("America/Havana", ambiguous=False)
    times = parse_step("D").times(start, 3)
    assert times[0] == start and times.strftime("%H:%M").tolist() == ["00:00"] * 3
    np.testing.assert_array_equal(parse_step("D").positions(times, start), [0, 1, 2])


def test_month_ends_come_back_after_short_months():
    ends = parse_step("ME").times(pd.Timestamp("2024-01-31"), 4)
    assert ends.strftime("%m-%d").tolist() == ["01-31", "02-29", "03-31", "04-30"]
    thirtieth = Step("month", 1, 30).times(pd.Timestamp("2024-01-30"), 3)
    assert thirtieth.strftime("%m-%d").tolist() == ["01-30", "02-29", "03-30"]
    assert parse_step("QE").shift(pd.Timestamp("2024-05-31"), -1) == pd.Timestamp("2024-02-29")


def test_business_days_skip_weekends_in_both_directions():
    step = parse_step("B")
    times = step.times(pd.Timestamp("2024-03-07 18:00"), 4)
    assert times.strftime("%a %H").tolist() == ["Thu 18", "Fri 18", "Mon 18", "Tue 18"]
    assert step.shift(pd.Timestamp("2024-03-11"), -1) == pd.Timestamp("2024-03-08")
    saturday = pd.DatetimeIndex(["2024-03-09"])
    assert np.isnan(step.positions(saturday, pd.Timestamp("2024-03-07"))).all()
    assert np.isnan(step.positions(saturday, saturday[0])).all()


def test_times_with_and_without_a_zone_do_not_mix():
    with pytest.raises(ParameterError, match=r"time zone .* --timezone"):
        parse_step("h").positions(pd.DatetimeIndex(["2024-01-01"]), pd.Timestamp("2024-01-01", tz="UTC"))


def test_times_of_another_zone_are_counted_where_the_start_is():
    start = pd.Timestamp("2024-03-30", tz="Europe/Berlin")
    utc = parse_step("D").times(start, 3).tz_convert("UTC")
    np.testing.assert_array_equal(parse_step("D").positions(utc, start), [0, 1, 2])


@pytest.mark.parametrize("n", [10**6, -(10**6), 2**62])
@pytest.mark.parametrize("text", ["D", "MS", "B", "30D", "12h"])
def test_leaving_the_years_of_timestamps_is_one_line(text, n):
    with pytest.raises(ParameterError, match=r"steps of .* the years 1678 to 2261; ask for fewer"):
        parse_step(text).shift(pd.Timestamp("2024-01-01"), n)


def test_leaving_the_integers_is_one_line():
    with pytest.raises(ParameterError, match="64-bit integers"):
        parse_step(10**12).shift(2**62, 10**7)


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("text", "kind", "count", "day"),
    [
        ("h", "tick", HOUR, 0),
        ("H", "tick", HOUR, 0),
        ("15min", "tick", 15 * MINUTE, 0),
        ("15T", "tick", 15 * MINUTE, 0),
        ("30S", "tick", MINUTE // 2, 0),
        ("10ms", "tick", 10_000_000, 0),
        ("5U", "tick", 5_000, 0),
        ("24h", "tick", 24 * HOUR, 0),
        ("D", "day", 1, 0),
        ("2D", "day", 2, 0),
        ("W-WED", "day", 7, 0),
        ("2W", "day", 14, 0),
        ("B", "business", 1, 0),
        ("M", "month", 1, 31),
        ("BM", "month", 1, 31),
        ("ME", "month", 1, 31),
        ("MS", "month", 1, 1),
        ("BMS", "month", 1, 1),
        ("M-15", "month", 1, 15),
        ("Q", "month", 3, 31),
        ("QE-NOV", "month", 3, 31),
        ("QS-JAN", "month", 3, 1),
        ("A-DEC", "month", 12, 31),
        ("AS", "month", 12, 1),
        ("2YS", "month", 24, 1),
        (1, "integer", 1, 0),
        ("12", "integer", 12, 0),
        (np.int64(3), "integer", 3, 0),
        (pd.Timedelta("90min"), "tick", 90 * MINUTE, 0),
        (timedelta(minutes=5), "tick", 5 * MINUTE, 0),
        (np.timedelta64(2, "h"), "tick", 2 * HOUR, 0),
        (pd.offsets.MonthEnd(1), "month", 1, 31),
        (pd.offsets.Hour(6), "tick", 6 * HOUR, 0),
        (pd.offsets.QuarterBegin(1, startingMonth=1), "month", 3, 1),
    ],
)
def test_steps_are_read(text, kind, count, day):
    assert parse_step(text) == Step(kind, count, day)


@given(steps() | st.integers(1, 10**9).map(lambda n: Step("integer", n)))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_the_name_of_a_step_reads_back(step):
    assert parse_step(str(step)) == step


@pytest.mark.parametrize(
    "text", ["fortnight", "", "h h", "1.5h", "m", "SM", "M-32", "M-0", True, None, 2.5, "1D12h", "--"]
)
def test_an_unknown_step_is_one_line_with_examples(text):
    with pytest.raises(ParameterError, match=r"^Step .* is unknown; use one such as 15min, h, D") as refusal:
        parse_step(text)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("text", ["0h", "-1D", 0, -5, "0", timedelta(0), timedelta(hours=-1)])
def test_a_step_must_be_positive(text):
    with pytest.raises(ParameterError, match="must be positive"):
        parse_step(text)


@pytest.mark.parametrize("text", ["99999999999h", "300Y", "200000D", timedelta(days=999_999)])
def test_a_step_may_not_be_endless(text):
    with pytest.raises(ParameterError, match="longer than 292 years"):
        parse_step(text)
    with pytest.raises(ParameterError, match="64-bit"):
        parse_step(2**63)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("h", "hourly"),
        ("D", "daily"),
        ("W-SUN", "weekly"),
        ("ME", "monthly"),
        ("QS", "quarterly"),
        ("YE", "yearly"),
        ("min", "every minute"),
        ("15min", "every 15min"),
        ("B", "business days"),
        ("M-15", "every M-15"),
        (1, "one row after another"),
        (7, "every 7"),
    ],
)
def test_words_of_a_step(text, words):
    assert parse_step(text).words == words


@pytest.mark.parametrize(
    ("text", "seasons"),
    [
        ("h", (24, 168)),
        ("30min", (48, 336)),
        ("D", (7,)),
        ("W", (52,)),
        ("2W", (26,)),
        ("B", (5,)),
        ("2B", ()),
        ("MS", (12,)),
        ("ME", (12,)),
        ("QE", (4,)),
        ("2MS", (6,)),
        ("6MS", (2,)),
        ("YS", ()),
        ("5MS", ()),
        (1, ()),
        # 3.5 rows a week are no season, nor are 4.8 rows a day; 33.6 rows a week nearly are.
        ("2D", ()),
        ("5h", (34,)),
        ("6h", (4, 28)),
        ("12h", (14,)),
        ("24h", (7,)),
        ("s", (3600,)),
        ("min", (1440, 10080)),
    ],
)
def test_usual_seasons(text, seasons):
    assert parse_step(text).seasons == seasons


def test_seconds_of_a_step():
    assert [parse_step(t).seconds for t in ("h", "D", "W", 5)] == [3_600.0, 86_400.0, 604_800.0, 1.0]
    assert parse_step("YS").seconds == pytest.approx(365.25 * 86_400)
    assert parse_step("B").seconds * 5 == parse_step("W").seconds
