"""Labelled events as rows: of every kind of time, at the edges, and what is refused."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest

from forecast.data.events import marked_events, read_events
from forecast.data.gridding import to_panel
from forecast.data.table import read_table
from forecast.errors import TableError


def hours(rows: int = 48, start: str = "2024-03-01", **more):
    times = pd.date_range(start, periods=rows, freq="h", **more)
    return to_panel(read_table({"when": times, "load": np.arange(float(rows))}))


def pumps():
    frame = pd.DataFrame(
        {"pump": np.repeat(["007", "b"], 20), "day": [*pd.date_range("2024-01-01", periods=20)] * 2}
    )
    return to_panel(read_table(frame.assign(flow=1.0 * np.arange(40)), id="pump", time="day", target="flow"))


def test_events_of_each_series_in_order():
    days = ["12;007;2024-01-14", "01;b;", "02;007;2024-01-03", "20;b;2024-01-20"]
    text = "\n".join(["start;pump;end", *(f"2024-01-{day}" for day in days), ""])
    assert read_events(io.StringIO(text), pumps()) == [[(1, 3), (11, 14)], [(0, 1), (19, 20)]]


def test_events_between_rows_lie_on_the_later():
    table = {
        "start": ["2024-03-01 01:20", "2024-03-01 05:30"],
        "end": ["2024-03-01 01:40", "2024-03-01 07:30"],
    }
    assert read_events(table, hours()) == [[(2, 3), (6, 8)]]
    # Behind the last row there is none.
    assert read_events({"start": ["2024-03-02 23:10"], "end": ["2024-03-02 23:50"]}, hours()) == [[(47, 48)]]


def test_overlapping_events_are_one_and_touching_ones_are_two():
    table = {
        "start": [f"2024-03-01 0{k}:00" for k in (5, 2, 4, 7)],
        "end": [f"2024-03-01 0{k}:00" for k in (6, 3, 5, 7)],
    }
    assert read_events(table, hours()) == [[(2, 4), (4, 7), (7, 8)]]


@pytest.mark.parametrize("column", [None, "blank", "half"])
def test_an_event_without_an_end_is_a_moment(column):
    table = pd.DataFrame({"start": pd.to_datetime(["2024-03-01 02:00", "2024-03-01 04:00"])})
    if column is not None:
        table["end"] = pd.to_datetime([None, "2024-03-01 05:00" if column == "half" else None])
    assert read_events(table, hours()) == [[(2, 3), (4, 6 if column == "half" else 5)]]


def test_whole_numbers_count_rows():
    panel = to_panel(read_table({"load": np.arange(3_000.0)}, time="none", target="load"))
    # Not a year.
    assert read_events({"start": [1990, 12], "end": [2010, 12]}, panel) == [[(12, 13), (1990, 2011)]]


def test_zones():
    panel = hours(72, "2024-10-26", tz="Europe/Berlin")
    local = {"start": ["2024-10-27 02:00"], "end": ["2024-10-27 02:00"]}
    # The hour comes twice: an event in it has both.
    assert read_events(local, panel) == [[(26, 28)]]
    utc = {"start": ["2024-10-27T01:00:00Z"]}
    assert read_events(utc, panel) == [[(27, 28)]]
    with pytest.raises(TableError, match="time zone"):
        read_events(utc, hours(72, "2024-10-26"))


@pytest.mark.parametrize(
    ("table", "named"),
    [
        (pd.DataFrame({"start": []}), "there is none"),
        ({"begin": ["2024-01-02"], "pump": ["b"]}, "'start'"),
        ({"start": ["2024-01-02"]}, "'pump' for events of several series"),
        ({"start": ["2024-01-02"], "pump": ["07"]}, "no series of the table. Did you mean '007'"),
        ({"start": ["2024-01-02"], "pump": [""]}, "id is missing"),
        ({"start": ["2023-12-31"], "pump": ["b"]}, "outside of series 'b', which goes from 2024-01-01"),
        ({"start": ["2024-01-19"], "end": ["2024-01-21"], "pump": ["b"]}, "outside of series 'b'"),
        ({"start": ["2024-01-04"], "end": ["2024-01-03"], "pump": ["b"]}, "before the start, '2024-01-04'"),
        ({"start": ["soon"], "pump": ["b"]}, "'soon' is not a date"),
        ({"start": [""], "pump": ["b"]}, "time is missing"),
        ({"start": [3], "pump": ["b"]}, "dates, those of events whole numbers"),
    ],
)
def test_mistakes_say_which_event(table, named):
    with pytest.raises(TableError, match=named):
        read_events(table, pumps())


def test_mistakes_in_files_say_the_line(tmp_path):
    path = tmp_path / "events.csv"
    path.write_text("pump,start,end\nb,2024-01-02,2024-01-03\nb,2024-01-09,2024-01-08\n")
    with pytest.raises(TableError, match=r"events.csv, line 3, column 'end'"):
        read_events(path, pumps())
    path.write_text("pump,start,end\n")
    with pytest.raises(TableError, match="no rows"):
        read_events(path, pumps())


def test_marks_of_rows():
    marks = np.zeros(40)
    marks[[0, 1, 19, 20, 25, 27, 30, 32]] = 1
    # A missing row between two marked ones is marked; beside one it is not.
    marks[[2, 26, 33]] = np.nan
    assert marked_events(marks, pumps(), "odd") == [[(0, 2), (19, 20)], [(0, 1), (5, 8), (10, 11), (12, 13)]]
    with pytest.raises(TableError, match=r"got 0\.5"):
        marked_events(np.where(marks == 1, 0.5, 0), pumps(), "odd")
    with pytest.raises(TableError, match="no row"):
        marked_events(np.zeros(40), pumps(), "odd")
