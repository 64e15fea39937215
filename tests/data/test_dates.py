"""Columns to times: shapes, orders, magnitudes, zones."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast.data.date_numbers import kind_of_numbers, numbers_to_times
from forecast.data.date_text import MOST_SHAPES, NO_OFFSET, are_dates, parse_dates
from forecast.data.dates import read_times, show_time
from forecast.data.sheet import Sheet
from forecast.data.zones import check_timezone, looks_like_autumn, to_zone
from forecast.errors import TableError


def sheet(*cells: str) -> Sheet:
    return Sheet("a.csv", {"date": np.array(cells, dtype=object)}, np.arange(2, len(cells) + 2))


def stamps(*texts: str) -> np.ndarray:
    return np.array(texts, dtype="datetime64[ns]")


@given(st.lists(st.datetimes(pd.Timestamp(1700, 1, 1), pd.Timestamp(2250, 1, 1)), min_size=1, max_size=5))
@settings(max_examples=100, deadline=None)
def test_any_timestamp_comes_back_in_every_shape(times):
    expected = np.array(times, dtype="datetime64[us]").astype("datetime64[ns]")
    for form in ("%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%dT%H:%M:%S.%f", "%Y/%m/%d %H:%M:%S.%f", "%Y%m%dT%H%M%S.%f",
                 "%d.%m.%Y %H:%M:%S.%f", "%d %B %Y %H:%M:%S.%f", "%b %d, %Y %I:%M:%S.%f %p"):  # fmt: skip
        # strftime pads years before 1000 differently on some systems; these are all later.
        cells = [time.strftime(form) for time in times]
        np.testing.assert_array_equal(read_times(sheet(*cells), "date").values, expected, err_msg=form)


@given(
    st.lists(
        st.dates(pd.Timestamp(1700, 1, 1).date(), pd.Timestamp(2250, 1, 1).date()), min_size=1, max_size=5
    )
)
@settings(max_examples=100, deadline=None)
def test_weeks_and_digits_agree_with_the_standard_library(days):
    expected = np.array(days, dtype="datetime64[D]").astype("datetime64[ns]")
    for form in ("%G-W%V-%u", "%GW%V%u", "%Y%m%d", "%Y-%m-%d"):
        times = read_times(sheet(*[day.strftime(form) for day in days]), "date")
        np.testing.assert_array_equal(times.values, expected, err_msg=form)


@given(st.datetimes(pd.Timestamp(1700, 1, 2), pd.Timestamp(2250, 1, 1)), st.integers(-18 * 60, 18 * 60))
@settings(max_examples=100, deadline=None)
def test_offsets_agree_with_pandas(time, minutes):
    sign, rest = "-" if minutes < 0 else "+", abs(minutes)
    cell = f"{time.isoformat(sep=' ')}{sign}{rest // 60:02d}:{rest % 60:02d}"
    found = read_times(sheet(cell), "date")
    expected = pd.Timestamp(time) - pd.Timedelta(minutes=minutes)
    assert found.values[0] == expected.to_datetime64()
    assert found.zone.utcoffset(None).total_seconds() == minutes * 60


@pytest.mark.parametrize(
    "cell",
    [
        "",
        "5",
        "1234",
        "soon",
        "Room 2024",
        "foo 1 2024",
        "2024-01-31-05",
        "2024-01-01T",
        "12:30",
        "2024.01",
        "1.2024",
        "2024-1-1 5:3",
        "99/2024/01",
        "2024-W",
        "Q 2024",
        "2024-01-01 05:00 CET",
        "x" * 70,
        "Janu 2024",
        "2024-01-01\n2024-01-02",
        "١٢/٠١/٢٠٢٤",
    ],
)
def test_no_dates(cell):
    assert not are_dates([cell])[0]
    assert parse_dates([cell]).family[0] == ""


@pytest.mark.parametrize(
    "cell", ["2024-02-30", "2024-00-01", "2024-01-00", "31/31/2024", "2024-01-01 24:00", "2021Q5"]
)
def test_shapes_of_dates_that_do_not_exist(cell):
    assert not are_dates([cell])[0]
    assert parse_dates([cell.replace("Q5", "Q4")]).family[0] != ""


def test_cells_of_many_shapes_keep_their_rows():
    parts = parse_dates(["2024-01-01", "x", "5.3.2024", "2024-1-2", "2024-01-03 05:00Z"])
    assert parts.family.tolist() == ["year-month-day", "", "a.b.year", "year-month-day", "year-month-day"]
    assert parts.day.tolist() == [1, 0, 5, 2, 3]
    assert parts.offset.tolist() == [NO_OFFSET] * 4 + [0]
    prose = parse_dates(["x" * (i % 60 + 1) + "y" * (i // 60 + 1) for i in range(MOST_SHAPES + 10)])
    assert (prose.family == "").all()


@pytest.mark.parametrize(
    ("values", "name", "kind"),
    [
        ([20240101, 20240102], "x", "yyyymmdd"),
        ([20241301, 20240102], "x", "integer"),
        ([202401010000, 202401010100], "x", "yyyymmddhhmm"),
        ([20240101000000, 20240101000001], "x", "yyyymmddhhmmss"),
        ([202401, 202402], "month", "yyyymm"),
        ([202413, 202402], "month", "integer"),
        ([1700000000], "timestamp", "s"),
        ([1700000000000], "timestamp", "ms"),
        ([1700000000000000], "timestamp", "us"),
        ([1700000000000000000], "timestamp", "ns"),
        ([1949, 1950], "x", "year"),
        ([1949, 1951], "x", "integer"),
        ([1949, 1951], "Fiscal Year", "year"),
        ([1500, 1501], "year", "integer"),
        ([2000], "x", "integer"),
        ([1999, 2000], "step", "integer"),
        ([45292, 45293], "date", "excel"),
        ([45292, 45293], "x", "integer"),
        ([0, 1, 2], "time", "integer"),
        ([-5, 20240101], "date", "integer"),
    ],
)
def test_kinds_of_numbers(values, name, kind):
    assert kind_of_numbers(np.array(values, dtype=np.int64), name) == kind


def test_numbers_that_are_no_dates_are_marked():
    good = numbers_to_times(np.array([20240229, 20230229, -1, 10**18]), "yyyymmdd")[1]
    assert good.tolist() == [True, False, False, False]
    assert numbers_to_times(np.array([1e300, 0.5]), "year")[1].tolist() == [False, False]
    assert numbers_to_times(np.array([1e300, 1.5]), "s")[1].tolist() == [False, True]
    assert numbers_to_times(np.array([0.0, 45292.5]), "excel")[1].tolist() == [False, True]


def test_notes_tell_what_settled_the_reading():
    told = read_times(sheet("01/02/2024", "13/02/2024"), "date")
    assert (told.note, told.why) == ("day first", "'13/02/2024' fits nothing else")
    assert read_times(sheet("2024-01-01"), "date").note == ""
    assert read_times(sheet("01.02.2024"), "date").note == "day first"
    assert read_times(sheet("01.13.2024"), "date").note == "month first"
    assert "Excel" in read_times(sheet("45292", "45293"), "date").note


def test_whole_column_decides_even_when_the_telling_row_comes_last():
    cells = ["01/02/2024"] * 3 + ["12/31/2024"]
    np.testing.assert_array_equal(
        read_times(sheet(*cells), "date").values, stamps(*["2024-01-02"] * 3, "2024-12-31")
    )


def test_formats():
    read = read_times(sheet("5 o'clock on 31-1-24"), "date", "%H o'clock on %d-%m-%y")
    assert read.values.tolist() == stamps("2024-01-31T05").tolist()
    aware = read_times(sheet("2024-01-31 05:00 +0200"), "date", "%Y-%m-%d %H:%M %z")
    assert (str(aware.zone), aware.values.tolist()) == ("UTC", stamps("2024-01-31T03").tolist())
    assert read_times(sheet("20240131"), "date", "%Y%m%d").values.tolist() == stamps("2024-01-31").tolist()
    assert not read_times(sheet("20240131"), "date", "integer").dated


@pytest.mark.parametrize(
    ("cells", "late"),
    [
        (("01:30", "02:00", "02:30", "02:00", "02:30", "03:00"), [3, 4]),
        (("01:30", "02:00", "02:30", "02:00", "03:00"), [3]),
        (("02:30", "02:00", "03:00"), [1]),
        (("02:00", "02:00", "02:30", "02:30", "03:00"), [1, 3]),
        (("01:30", "02:00", "03:00"), []),
        (("03:00", "02:30", "02:00", "02:30", "02:00", "01:30"), [1, 2]),
    ],
)
def test_the_second_pass_through_the_repeated_hour(cells, late):
    data = sheet(*[f"2024-10-27 {cell}" for cell in cells])
    series = np.zeros(len(cells), dtype=np.int64)
    times = read_times(data, "date")
    found = to_zone(data, "date", times, check_timezone("Europe/Berlin"), series)
    hours = (times.values - found.values) // np.timedelta64(1, "h")
    local = times.values.astype("datetime64[h]").astype(np.int64) % 24
    second = [row for row in range(len(cells)) if local[row] == 2 and hours[row] == 1]
    assert second == late
    assert [int(hour) for hour, clock in zip(hours, local, strict=True) if clock == 3] == [1] * (
        local == 3
    ).sum()


def test_instants_are_only_renamed_by_a_zone():
    data = sheet("2024-07-01 00:00Z", "2024-07-01 01:00+01:00")
    times = read_times(data, "date")
    zone = check_timezone("America/New_York")
    found = to_zone(data, "date", times, zone, np.zeros(2, dtype=np.int64))
    assert found.zone is zone
    np.testing.assert_array_equal(found.values, times.values)


@pytest.mark.parametrize(
    ("times", "repeated", "autumn"),
    [
        (("2024-10-27T02:00", "2024-10-27T02:00"), [1], True),
        (("2024-10-27T02:00", "2024-10-27T02:00", "2023-10-29T02:00", "2023-10-29T02:00"), [1, 3], True),
        (("2024-10-27T02:00", "2024-10-27T02:00", "2024-10-27T02:00"), [1, 2], False),
        (("2024-10-27T05:00", "2024-10-27T05:00"), [1], False),
        (("2024-06-27T02:00", "2024-06-27T02:00"), [1], False),
        (("2024-10-27", "2024-10-27", "2024-10-28"), [1], False),
        (("2024-10-27T01:00", "2024-10-27T02:00", "2024-10-27T01:00", "2024-10-27T02:00"), [2, 3], False),
    ],
)
def test_what_looks_like_autumn(times, repeated, autumn):
    assert looks_like_autumn(stamps(*times), np.array(repeated)) is autumn


def test_steps_never_look_like_autumn():
    assert not looks_like_autumn(np.array([1, 1]), np.array([1]))


def test_show_time():
    assert show_time(np.datetime64("2024-01-31T05:00", "ns")) == "2024-01-31 05:00:00"


def test_a_blank_time_is_named_by_its_line():
    with pytest.raises(TableError, match=r"a\.csv, line 3, column 'date': the time is missing"):
        read_times(sheet("2024-01-01", " "), "date")
