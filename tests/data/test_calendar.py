"""Calendar features: what clocks on the wall show, row by row, and the rows behind the end."""

from __future__ import annotations

import math
import sys
from datetime import date

import numpy as np
import pandas as pd
import pytest

from forecast.data.calendar import FEATURES, Calendar, make_calendar
from forecast.data.columns import Columns
from forecast.data.gridding import to_panel
from forecast.data.holidays import check_country, days_until
from forecast.data.panel import Panel, frozen
from forecast.data.step import parse_step
from forecast.data.table import read_table
from forecast.errors import ParameterError

CYCLES = tuple(name for name in FEATURES if name not in ("weekend", "holiday", "days_to_holiday"))


def panel_of(starts: list, step: str | int, lengths: list[int], zone: str | None = None) -> Panel:
    """Series of ones whose first rows stand at ``starts``."""
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    times = pd.Index(starts) if step == 1 else pd.DatetimeIndex(starts, tz=zone).as_unit("ns")
    static = pd.DataFrame(index=range(len(lengths)))
    present = np.ones(offsets[-1], dtype=bool)
    columns = Columns("when", "shop", ("sold",))
    ids = tuple(f"s{i}" for i in range(len(lengths)))
    values = frozen(np.ones((offsets[-1], 1)))
    return Panel(values, offsets, ids, times, parse_step(step), columns, static, present)


def place(name: str, stamp: pd.Timestamp) -> float:
    """Where a time stands in a cycle, by the calendar of the standard library."""
    hour = stamp.hour + stamp.minute / 60 + stamp.second / 3_600
    day, long = date(stamp.year, stamp.month, stamp.day), 366 if stamp.is_leap_year else 365
    iso = day.isocalendar()
    return {
        "second_of_minute": stamp.second / 60,
        "minute_of_hour": (stamp.minute + stamp.second / 60) / 60,
        "hour_of_day": hour / 24,
        "day_of_week": day.weekday() / 7,
        "day_of_month": (day.day - 1) / stamp.days_in_month,
        "week_of_year": (iso.week - 1) / date(iso.year, 12, 28).isocalendar().week,
        "month_of_year": (day.month - 1) / 12,
        "quarter_of_year": (day.month - 1) // 3 / 4,
        "time_of_year": (day.timetuple().tm_yday - 1 + hour / 24) / long,
    }[name]


GRIDS = [
    (["2020-12-27 23:10:30", "1969-12-31 23:59:00"], "s", None),
    (["2024-03-30 20:00", "2024-10-26 20:00"], "h", "Europe/Berlin"),
    (["2024-03-30 20:15"], "15min", "Australia/Lord_Howe"),
    (["2015-12-28", "2020-12-01", "1900-02-26"], "D", None),
    (["2018-11-01"], "D", "America/Sao_Paulo"),
    (["2024-01-04", "2020-12-24"], "W", None),  # Thursdays
    (["2023-12-29"], "B", None),
    (["2024-01-31", "2023-11-30"], "ME", None),
    (["2024-01-01"], "QS", None),
    (["2019-06-30"], "YE", None),
]


@pytest.mark.parametrize(("starts", "step", "zone"), GRIDS, ids=lambda part: str(part))
def test_every_cycle_equals_the_calendar_of_the_standard_library(starts, step, zone):
    panel = panel_of(starts, step, [40 + i for i in range(len(starts))], zone)
    calendar = Calendar(CYCLES)
    rows, offsets = calendar.rows(panel, ahead=5)
    assert rows.dtype == np.float32 and rows.shape == (panel.rows + 5 * len(panel), 2 * len(CYCLES))
    assert offsets.tolist() == [begin + 5 * i for i, begin in enumerate(panel.offsets)]
    for i, (start, length) in enumerate(zip(panel.starts, panel.lengths)):
        for k, stamp in enumerate(panel.step.times(start, int(length) + 5)):
            if panel.step.kind != "tick":
                stamp = stamp.tz_localize(None).normalize()  # a day that began at one o'clock is a whole day
            for j, name in enumerate(CYCLES):
                angle = 2 * math.pi * place(name, stamp)
                want = (math.sin(angle), math.cos(angle))
                got = rows[offsets[i] + k, 2 * j : 2 * j + 2]
                np.testing.assert_allclose(got, want, atol=2e-6, err_msg=f"{name} at {stamp}")


def test_the_hour_of_day_follows_the_clock_over_both_changes():
    panel = panel_of(["2024-03-30 23:00", "2024-10-26 23:00"], "h", [6, 6], "Europe/Berlin")
    rows, offsets = Calendar(("hour_of_day",)).rows(panel, ahead=0)
    hours = (np.arctan2(rows[:, 0], rows[:, 1]) / (2 * np.pi) * 24).round().astype(int) % 24
    assert hours[: offsets[1]].tolist() == [23, 0, 1, 3, 4, 5]
    assert hours[offsets[1] :].tolist() == [23, 0, 1, 2, 2, 3]


def test_a_day_that_begins_at_one_oclock_is_a_whole_day():
    panel = panel_of(["2018-11-03"], "D", [3], "America/Sao_Paulo")
    assert panel.times()[1].hour == 1
    rows, _ = Calendar(("hour_of_day", "time_of_year")).rows(panel, ahead=0)
    assert (rows[:, 1] == 1).all()
    turn = np.arctan2(rows[:, 2], rows[:, 3]) / (2 * np.pi) * 365 % 365
    np.testing.assert_allclose(np.diff(turn), 1, atol=1e-3)


def test_gaps_are_rows_like_others():
    table = read_table({"tag": ["2024-05-02", "2024-05-03", "2024-05-05"], "menge": [1.0, 2.0, 3.0]})
    rows, offsets = Calendar(("weekend",)).rows(to_panel(table), ahead=6)
    # From a Thursday on; Saturday is missing in the table.
    assert rows[:, 0].tolist() == [0, 0, 1, 1, 0, 0, 0, 0, 0, 1]
    assert offsets.tolist() == [0, 10]


def test_months_from_the_31st_stand_where_their_last_day_stands():
    rows, _ = Calendar(("day_of_month", "month_of_year")).rows(panel_of(["2024-01-31"], "ME", [4]), ahead=0)
    days = np.arctan2(rows[:, 0], rows[:, 1]) / (2 * np.pi) % 1
    np.testing.assert_allclose(days, [30 / 31, 28 / 29, 30 / 31, 29 / 30], atol=1e-6)
    np.testing.assert_allclose(rows[:, 2], np.sin(np.arange(4) * np.pi / 6), atol=1e-6)


@pytest.mark.parametrize(
    ("step", "chosen"),
    [
        ("10s", ("minute_of_hour", "hour_of_day", "day_of_week")),
        ("min", ("hour_of_day", "day_of_week")),
        ("h", ("hour_of_day", "day_of_week")),
        ("24h", ("day_of_week", "day_of_month", "time_of_year")),
        ("D", ("day_of_week", "day_of_month", "time_of_year")),
        ("B", ("day_of_week", "day_of_month", "time_of_year")),
        ("W", ("week_of_year", "time_of_year")),
        ("W-THU", ("week_of_year", "time_of_year")),
        ("10D", ("week_of_year", "time_of_year")),
        ("MS", ("month_of_year",)),
        ("2ME", ("month_of_year",)),
        ("QE", ("quarter_of_year",)),
        ("6MS", ("month_of_year",)),
        ("YS", ()),
    ],
)
def test_features_chosen_by_the_step(step, chosen):
    assert make_calendar(parse_step(step)).features == chosen


def test_names_of_columns_and_width():
    calendar = make_calendar(parse_step("D"), ["weekend", "day_of_week", "weekend"])
    assert calendar.names == ("weekend", "day_of_week_sin", "day_of_week_cos") and calendar.width == 3
    assert make_calendar(parse_step("D"), "weekend") == Calendar(("weekend",))
    assert make_calendar(parse_step("h"), ["time_of_year"]).width == 2


@pytest.mark.parametrize("wish", [False, None, (), []])
def test_no_features_are_an_empty_array(wish):
    for step, start in ((1, 0), ("h", "2024-01-01")):
        calendar = make_calendar(parse_step(step), wish)
        rows, offsets = calendar.rows(panel_of([start], step, [3]), ahead=2)
        assert calendar.names == () and rows.shape == (5, 0) and offsets.tolist() == [0, 5]


@pytest.mark.parametrize(("wish", "country"), [(True, None), (["weekend"], None), (False, "DE")])
def test_rows_that_are_only_counted_have_no_calendar(wish, country):
    with pytest.raises(ParameterError, match=r"^Calendar features need dates, and .* name a column of dates"):
        make_calendar(parse_step(1), wish, country)
    with pytest.raises(ParameterError, match=r"^Calendar features need dates"):
        Calendar(("weekend",)).rows(panel_of([0], 1, [3]), ahead=0)


def test_unknown_features_are_refused_with_the_nearest_name():
    with pytest.raises(
        ParameterError, match=r"no calendar feature 'hour_of_dya'\. Did you mean 'hour_of_day'\?"
    ):
        make_calendar(parse_step("h"), ["hour_of_dya"])


def test_rows_ahead_that_lead_out_of_all_years_are_refused():
    with pytest.raises(ParameterError, match="lead out of the years 1678 to 2261"):
        Calendar(("weekend",)).rows(panel_of(["2261-12-01"], "MS", [2]), ahead=20)


# ---------------------------------------------------------------- holidays


def test_days_until_the_next_holiday():
    assert days_until(np.array([0, 3, 4, 5]), np.array([4]), 7).tolist() == [4, 1, 0, 7]
    assert days_until(np.array([0, 1]), np.array([], dtype=np.int64), 7).tolist() == [7, 7]


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "holidays", None)
    with pytest.raises(ParameterError, match=r'not installed; pip install "keras-forecast\[holidays\]"'):
        make_calendar(parse_step("D"), True, "DE")
    assert make_calendar(parse_step("D")).width == 6


def test_holidays_need_a_country_and_days():
    with pytest.raises(ParameterError, match="need a country, such as DE or DE-BY"):
        make_calendar(parse_step("D"), ["holiday"])
    pytest.importorskip("holidays", reason="the extra holidays is not installed")
    for step in ("W", "MS", "2D"):
        with pytest.raises(
            ParameterError, match=r"^Holidays are days, and rows of this table are more than a day"
        ):
            make_calendar(parse_step(step), True, "DE")


def test_holidays_follow_country_subdivision_and_local_date():
    pytest.importorskip("holidays", reason="the extra holidays is not installed")
    # 6 January, Epiphany, is a holiday in Bavaria and none in the whole of Germany.
    panel = panel_of(["2024-01-05 22:00"], "h", [4], "Europe/Berlin")
    bavaria = make_calendar(parse_step("h"), ["holiday"], "DE-BY")
    assert bavaria.rows(panel, ahead=23)[0][:, 0].tolist() == [0, 0] + [1] * 24 + [0]
    assert not make_calendar(parse_step("h"), ["holiday"], "DE").rows(panel, ahead=23)[0].any()


def test_days_to_a_holiday_count_down_over_the_end_of_the_year_and_of_the_table():
    pytest.importorskip("holidays", reason="the extra holidays is not installed")
    calendar = make_calendar(parse_step("D"), False, "US")
    assert calendar.features == ("holiday", "days_to_holiday")
    rows, _ = calendar.rows(panel_of(["2022-12-29", "2023-01-03"], "D", [2, 1]), ahead=0)
    # New Year's Day 2023 was a Sunday and observed on Monday as well.
    np.testing.assert_allclose(rows, [[0, 3 / 7], [0, 2 / 7], [0, 1]], atol=1e-6)
    last, _ = calendar.rows(panel_of(["2022-12-27"], "D", [1]), ahead=1)
    np.testing.assert_allclose(last, [[0, 5 / 7], [0, 4 / 7]], atol=1e-6)


def test_a_country_adds_its_holidays_to_what_the_step_chooses():
    pytest.importorskip("holidays", reason="the extra holidays is not installed")
    assert make_calendar(parse_step("B"), True, "AT").names[-2:] == ("holiday", "days_to_holiday")
    assert make_calendar(parse_step("h"), ("weekend", "holiday"), "AT").names == ("weekend", "holiday")


@pytest.mark.parametrize(
    ("country", "message"),
    [
        ("Germany", r"^No holidays are known for country 'Germany'\..* Give a code such as DE, or DE-BY"),
        ("", r"^No holidays are known for country ''"),
        ("DEX", r"country 'DEX'\. Did you mean"),
        ("DE-BAY", r"^DE has no subdivision 'BAY' .*; DE has BB, BE, .*\. Did you mean 'BY'\?"),
        ("LU-XX", r"^LU has no subdivision 'XX' with holidays of its own; give the country alone\."),
    ],
)
def test_unknown_countries_are_refused_in_one_line(country, message):
    pytest.importorskip("holidays", reason="the extra holidays is not installed")
    with pytest.raises(ParameterError, match=message):
        make_calendar(parse_step("D"), True, country)


def test_codes_are_read_in_any_case():
    pytest.importorskip("holidays", reason="the extra holidays is not installed")
    assert check_country("de-by") == "de-by"
    panel = panel_of(["2024-01-06"], "D", [1])
    assert Calendar(("holiday",), "de-by").rows(panel, ahead=0)[0].tolist() == [[1.0]]
