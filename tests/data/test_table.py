"""Roles, choices, duplicates, zones, frames of all kinds, sources."""

from __future__ import annotations

import io
import runpy
import sys
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecast.data.columns import Columns
from forecast.data.table import Choice, Table, read_table
from forecast.errors import ParameterError, TableError

NAN = float("nan")
_WELL_FORMED = runpy.run_path(str(Path(__file__).with_name("well_formed.py")))
TWO_DAYS = ["@2024-01-01", "@2024-01-02"]
CSV = "date,y\n2024-01-01,5\n2024-01-02,6.5\n"
frame, with_dates = (_WELL_FORMED[name] for name in ("frame", "with_dates"))


def read(text: str | bytes, **kwargs: Any) -> Table:
    return read_table(io.BytesIO(text if isinstance(text, bytes) else text.encode()), **kwargs)


# Roles


def test_panel_with_every_role_guessed():
    table = read(
        "day,shop,city,sales,promo,visitors,note\n"
        "2024-01-01,b,Ulm,5,0,9,x\n2024-01-02,b,Ulm,6,1,8,y\n2024-01-03,b,Ulm,,1,,z\n"
        "2024-01-01,a,Bonn,1,0,2,x\n2024-01-02,a,Bonn,2,0,3,y\n2024-01-03,a,Bonn,,0,,z\n"
    )
    assert table.columns == Columns("day", "shop", ("sales",), ("promo",), ("visitors",), ("city",))
    assert table.frame["shop"].tolist() == ["a"] * 3 + ["b"] * 3
    assert table.lines.tolist() == [5, 6, 7, 2, 3, 4]
    flags = {choice.what: choice.flag for choice in table.choices}
    assert flags == {
        "time column": "--time",
        "id column": "--id",
        "static columns": "--static",
        "target column": "--target",
        "known-future columns": "--known-future",
        "past-only columns": "--past-only",
        "ignored columns": "--past-only",
    }
    assert str(table.choices[1]) == (
        "id column: 'shop' (2 series), because times repeat and it tells the rows apart (--id)"
    )


def test_explicit_roles_leave_no_choice():
    text = "day,shop,y,x\n2024-01-01,a,5,1\n2024-01-02,a,6,2\n"
    table = read(text, time="day", id="shop", target="y", past_only=["x"])
    assert table.choices == ()
    assert table.columns == Columns("day", "shop", ("y",), (), ("x",), ())


def test_an_explicit_target_leaves_other_numbers_alone_and_says_so():
    table = read("day,y,x,z\n2024-01-01,5,1,2\n2024-01-02,6,2,3\n", target=("x",))
    assert table.columns.names == ("day", "x")
    assert Choice("ignored columns", "'y', 'z'", "--past-only", "a target was named") in table.choices


def test_none_switches_guessing_off():
    text = "day,shop,city,y,promo\n" + "".join(
        f"2024-01-0{d},{s},{s}x,{'' if d == 3 else d},1\n" for s in "ab" for d in (1, 2, 3)
    )
    assert read(text).columns.static == ("city", "promo")
    bare = read(text, known_future="none", past_only=("none",), static=("none",))
    assert bare.columns == Columns("day", "shop", ("y",))
    assert read("t,y\n1,2\n2,3\n", time="none", past_only="none").columns.time is None
    assert read("day,shop,y\n2024-01-01,a,1\n2024-01-02,a,2\n", id="none").columns.id is None
    assert read("day,x\n2024-01-01,1\n2024-01-02,2\n", target="none", known_future="x").columns.target == ()


def test_a_column_called_none_is_not_meant_by_none():
    assert read("day,none\n2024-01-01,1\n2024-01-02,2\n").columns.target == ("none",)


@pytest.mark.parametrize(
    ("header", "target", "past"),
    [
        ("date,HUFL,OT", ("OT",), ("HUFL",)),
        ("date,price,sales", ("sales",), ("price",)),
        ("date,a,b", ("a", "b"), ()),
        ("date,month,b", ("b",), ()),
        ("date,row_id,b", ("b",), ()),
        ("date,Units Sold,b", ("Units Sold",), ("b",)),
    ],
)
def test_target_by_name(header, target, past):
    table = read(f"{header}\n2024-01-01,1,2\n2024-01-02,3,5\n")
    assert (table.columns.target, table.columns.past_only) == (target, past)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("y,ds\n1,2024-01-01\n2,2024-01-02\n", "ds"),
        ("start,date,y\n2024-01-01,2024-02-01,1\n2024-01-01,2024-02-02,2\n", "date"),
        ("birthday,y\n2024-01-01,1\n2024-01-02,2\n", "birthday"),
        ("step,y\n5,1\n6,2\n", "step"),
        ("a,y\n5,1\n6,2\n", None),
        ("y,b\n1950,1\n1951,2\n", None),
        ("jahr,y\n1950,1\n1951,2\n", "jahr"),
        ("cost,y\n1700000000,1\n1600000000,2\n1800000000,2\n1500000000,3\n", None),
    ],
)
def test_time_by_name_and_cells(text, time):
    assert read(text).columns.time == time


def test_without_times_rows_are_one_step_apart():
    table = read("shop,y\na,1\nb,2\na,3\nb,4\n")
    assert table.columns == Columns(None, "shop", ("y",))
    assert table.frame["y"].tolist() == [1.0, 3.0, 2.0, 4.0]
    assert "rows are one step apart" in table.choices[0].value


def test_a_named_id_goes_before_text_and_text_before_nothing():
    rows = [(d, s, c) for d in (1, 2) for s, c in ((1, "x"), (2, "y"))]
    text = "date,colour,store_id,y\n" + "".join(f"2024-01-0{d},{c},{s},{d}\n" for d, s, c in rows)
    assert read(text).columns.id == "store_id"
    text = "date,colour,y\n" + "".join(f"2024-01-0{d},{c},{d}\n" for d, s, c in rows)
    assert read(text).columns.id == "colour"


def test_a_number_of_the_row_is_no_id():
    table = read("date,id,y\n2024-01-01,1,5\n2024-01-01,2,6\n2024-01-02,3,7\n", duplicates="mean")
    assert table.columns.id is None
    assert table.frame["y"].tolist() == [5.5, 7.0]
    assert read("date,id,y\n2024-01-01,1,5\n2024-01-01,2,6\n").columns.id == "id"


def test_static_numbers_are_floats_and_static_text_is_text():
    rows = "".join(
        f"2024-01-0{d},{s},{n},{c},{d}\n" for s, n, c in (("a", 1, "x"), ("b", 2, "'=y")) for d in (1, 2)
    )
    table = read("date,id,size,colour,y\n" + rows)
    assert table.columns.static == ("size", "colour")
    assert table.frame["size"].tolist() == [1.0, 1.0, 2.0, 2.0]
    assert table.frame["colour"].tolist() == ["x", "x", "=y", "=y"]


def test_wide_tables_become_long():
    table = read("date,b,a,note\n2024-01-01,1,2,x\n2024-01-02,3,,y\n", layout="wide")
    expected = frame(date=TWO_DAYS * 2, series=["a", "a", "b", "b"], value=[2.0, NAN, 1.0, 3.0])
    pd.testing.assert_frame_equal(table.frame, expected)
    assert table.lines.tolist() == [2, 3, 2, 3]
    assert [choice.what for choice in table.choices] == ["time column", "series columns", "ignored columns"]
    some = read(
        "date,b,a,x\n2024-01-01,1,2,7\n2024-01-02,3,,8\n", layout="wide", target=["b"], known_future="x"
    )
    assert some.columns == Columns("date", "series", ("value",), ("x",))
    assert some.frame["x"].tolist() == [7.0, 8.0]


# Choices and notices


def test_readings_that_could_be_otherwise_are_told():
    table = read("date;y\n13/02/2024;1.234\n14/02/2024;2.345,5\n")
    told = {choice.what: choice for choice in table.choices}
    assert (told["delimiter"].value, told["decimal mark"].value) == ("';'", "','")
    assert told["times"].value == "day first" and told["times"].flag == "--date-format"
    assert told["thousands separator"].value == "'1.234' in column 'y' read as 1234"


def test_numbers_beyond_float64_are_told():
    table = read("date,y\n2024-01-01,9007199254740993\n2024-01-02,\n")
    assert table.frame["y"][0] == 9007199254740992.0
    assert [choice.what for choice in table.choices][-1] == "large numbers"


def test_spaces_in_the_header_are_told():
    table = read("date,y \n2024-01-01,5\n")
    assert Choice("header", "spaces around 'y' removed", "") in table.choices
    table = read("date, y\n2024-01-01, 5\n")
    assert Choice("delimiter", "',' and a space", "--delimiter") in table.choices


def test_ambiguous_thousands_are_decimals_after_semicolons_only():
    assert read("date;y\n2024-01-01;1,234\n").frame["y"].tolist() == [1.234]
    assert read('date,y\n2024-01-01,"1,234"\n').frame["y"].tolist() == [1234.0]
    assert read("date;y\n2024-01-01;1,234\n", decimal=".").frame["y"].tolist() == [1234.0]


# Duplicates


@pytest.mark.parametrize(
    ("how", "y", "x", "lines"),
    [
        ("first", [1.0, 4.0], [2.0, 8.0], [2, 4]),
        ("last", [3.0, 4.0], [NAN, 8.0], [3, 4]),
        ("mean", [2.0, 4.0], [2.0, 8.0], [2, 4]),
        ("sum", [4.0, 4.0], [2.0, 8.0], [2, 4]),
    ],
)
def test_duplicates_are_merged_as_asked(how, y, x, lines):
    text = "date,y,x\n2024-01-01,1,2\n2024-01-01,3,\n2024-01-02,4,8\n"
    table = read(text, duplicates=how, target="y", past_only="x")
    pd.testing.assert_frame_equal(table.frame, frame(date=TWO_DAYS, y=y, x=x))
    assert table.lines.tolist() == lines


def test_a_sum_of_missing_values_is_missing():
    table = read("date,y\n2024-01-01,\n2024-01-01,NA\n2024-01-02,1\n", duplicates="sum")
    assert np.isnan(table.frame["y"][0]) and table.frame["y"][1] == 1.0


def test_sorting_is_stable():
    table = read("date,id,y\n2024-01-01,b,1\n2024-01-01,b,2\n2024-01-01,a,3\n", id="id", duplicates="first")
    assert table.frame["y"].tolist() == [3.0, 1.0]


# Time zones


def test_offsets():
    one = read(with_dates("2024-01-01T00:00+02:00", "2024-01-01T01:00+02:00")).frame["date"]
    assert str(one.dtype) == "datetime64[ns, UTC+02:00]"
    assert one[0] == pd.Timestamp("2024-01-01T00:00+02:00")
    mixed = read(with_dates("2024-03-31T01:00+01:00", "2024-03-31T03:00+02:00")).frame["date"]
    assert str(mixed.dtype) == "datetime64[ns, UTC]"
    assert mixed.tolist() == [pd.Timestamp("2024-03-31T00:00Z"), pd.Timestamp("2024-03-31T01:00Z")]
    berlin = read(with_dates("2024-03-31T01:00+01:00", "2024-03-31T03:00+02:00"), timezone="Europe/Berlin")
    assert str(berlin.frame["date"].dtype) == "datetime64[ns, Europe/Berlin]"


def test_epochs_are_utc():
    for cells in (
        ("1704067200", "1704070800"),
        ("1704067200000", "1704070800000"),
        ("1704067200.0", "1704070800.0"),
    ):
        stamps = read(with_dates(*cells)).frame["date"]
        assert stamps.tolist() == [pd.Timestamp("2024-01-01T00:00Z"), pd.Timestamp("2024-01-01T01:00Z")]
    nanos = read(with_dates("1704067200000000001", "1704067200000000003")).frame["date"]
    assert (nanos[1] - nanos[0]).value == 2


AUTUMN = ("2024-10-27 01:00", "2024-10-27 02:00", "2024-10-27 02:00", "2024-10-27 03:00")


@pytest.mark.parametrize("newest_first", [False, True])
def test_the_repeated_hour_is_told_apart_by_the_order(newest_first):
    cells = AUTUMN[::-1] if newest_first else AUTUMN
    table = read(with_dates(*cells), timezone="Europe/Berlin")
    hours = np.diff(table.frame["date"].dt.tz_convert("UTC").dt.tz_localize(None).to_numpy())
    assert (hours == np.timedelta64(1, "h")).all()
    assert table.columns.id is None
    assert table.frame["y"].tolist() == ([3.0, 2.0, 1.0, 0.0] if newest_first else [0.0, 1.0, 2.0, 3.0])


def test_the_repeated_hour_of_every_series():
    text = "date,shop,y\n" + "".join(f"{cell},{shop},1\n" for shop in "ab" for cell in AUTUMN)
    table = read(text, timezone="Europe/Berlin")
    assert table.columns.id == "shop"
    assert len(table.frame) == 8


def test_an_unknown_zone_is_refused_with_the_nearest():
    with pytest.raises(ParameterError, match="Did you mean 'Europe/Berlin'"):
        read(CSV, timezone="Europe/Berlim")


# Frames


def test_frames_keep_integer_ids_and_read_like_files():
    data = pd.DataFrame({"ds": pd.to_datetime(["2024-01-02", "2024-01-01"]), "store": [2, 1], "y": [1, 2]})
    table = read_table(data, id="store")
    assert table.frame["store"].dtype == np.int64
    assert table.frame["ds"].dtype == np.dtype("datetime64[ns]")
    assert table.frame["y"].tolist() == [2.0, 1.0]
    assert table.lines is None and table.source == "the table"


def test_frames_are_not_shared_either_way():
    data = pd.DataFrame({"t": np.arange(3), "y": np.arange(3.0), "x": np.ones(3)})
    before = data.copy(deep=True)
    table = read_table(data, target="y", past_only="x")
    table.frame.loc[0, "y"] = 99.0
    table.frame["x"].to_numpy(copy=False)
    pd.testing.assert_frame_equal(data, before)
    kept = table.frame["x"].tolist()
    data.iloc[1, 2] = -1.0
    assert table.frame["x"].tolist() == kept
    arrays = {"t": np.arange(3), "y": np.arange(3.0)}
    table = read_table(arrays)
    arrays["y"][0] = 7.0
    assert table.frame["y"].tolist() == [0.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("source", "time", "values"),
    [
        (pd.Series([1.0, 2.0], pd.date_range("2024-01-01", periods=2)), "time", [1.0, 2.0]),
        (
            pd.Series([1.0, 2.0], pd.date_range("2024-01-01", periods=2, name="ds"), name="y"),
            "ds",
            [1.0, 2.0],
        ),
        (pd.Series([1.0, 2.0], pd.period_range("2024-01", periods=2, freq="M")), "time", [1.0, 2.0]),
        ({"when": [date(2024, 1, 1), date(2024, 1, 2)], "v": [1, None]}, "when", [1.0, NAN]),
        ({"when": [datetime(2024, 1, 1, 5), datetime(2024, 1, 1, 6)], "v": [True, 2]}, "when", None),
        ({"when": ["2024-01-01", "2024-01-02"], "v": [Decimal("1.5"), None]}, "when", [1.5, NAN]),
        ({"t": [3, 4], "v": pd.array([1, None], dtype="Int64")}, "t", [1.0, NAN]),
        ({"t": [3, 4], "v": pd.array([1.5, None], dtype="Float64")}, "t", [1.5, NAN]),
        ({"t": [3, 4], "v": pd.Categorical(["1", "2"])}, "t", [1.0, 2.0]),
        ({"t": [3, 4], "v": ["1,234", "−2"]}, "t", [1234.0, -2.0]),
    ],
)
def test_frames_of_many_kinds(source, time, values):
    if values is None:
        with pytest.raises(TableError, match="row 0, column 'v': 'True' is a truth value"):
            read_table(source)
        return
    table = read_table(source)
    assert table.columns.time == time
    np.testing.assert_array_equal(table.frame[table.columns.target[0]].to_numpy(), values)


def test_frames_with_zones_and_other_units():
    stamps = pd.date_range("2024-01-01", periods=2, tz="Europe/Paris")
    stored = read_table({"ds": stamps.as_unit("s"), "y": [1, 2]}).frame["ds"]
    assert str(stored.dtype) == "datetime64[ns, Europe/Paris]"
    assert stored.tolist() == stamps.tolist()
    with pytest.raises(TableError, match="row 1, column 'ds': the year 3000 is outside"):
        read_table({"ds": np.array(["2024-01-01", "3000-01-01"], dtype="datetime64[s]"), "y": [1, 2]})


def test_index_levels_count_as_columns():
    index = pd.MultiIndex.from_product(
        [["b", "a"], pd.date_range("2024-01-01", periods=2)], names=["shop", "ds"]
    )
    table = read_table(pd.DataFrame({"y": [1.0, 2.0, 3.0, 4.0]}, index=index))
    assert table.columns == Columns("ds", "shop", ("y",))
    assert table.frame["y"].tolist() == [3.0, 4.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (pd.DataFrame({"y": []}), "the table has no rows"),
        (pd.DataFrame(), "the table has no rows"),
        ({}, "the table has no rows"),
        ({"a": [1], "b": [1, 2]}, "do not make a table"),
        (pd.DataFrame([[1, 2]], columns=["y", "y"]), "'y' is the name of two columns"),
        (pd.DataFrame({"y": [1.0]}, index=pd.Index([5], name="y")), "both a column and a level of the index"),
        (pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "b")])), "2 levels of names"),
        ({"t": [1, 2], "y": [1.0, np.inf]}, "row 1, column 'y': 'inf' is not a finite number"),
        ({"t": [1, 2], "y": [True, False]}, "no column of numbers"),
        ({"t": [1, 2], "y": [1 + 2j, 3j]}, "row 0, column 'y'"),
        ({"t": [1, 1], "y": [1, 2]}, "rows 0 and 1: two rows for 1"),
        (
            {"ds": pd.to_datetime(["2024-01-01", None]), "y": [1, 2]},
            "row 1, column 'ds': the time is missing",
        ),
        ({"t": [1, 2], "id": ["a", None], "y": [1, 2]}, None),
        ({"t": [1, 1], "id": ["a", None], "y": [1, 2]}, "row 1, column 'id': the id is missing"),
        (np.zeros((3, 2)), "a ndarray is no"),
        (5, "a int is no"),
        (None, "a NoneType is no"),
    ],
)
def test_frames_that_are_refused(source, message):
    if message is None:
        assert read_table(source).columns.id is None
        return
    with pytest.raises(TableError, match=message) as caught:
        read_table(source)
    assert len(str(caught.value).splitlines()) == 1


def test_other_frames_come_in_through_narwhals():
    pytest.importorskip("narwhals")
    arrow = pytest.importorskip("pyarrow")
    table = read_table(arrow.table({"ds": ["2024-01-01", "2024-01-02"], "y": [1, None]}))
    assert table.frame["y"].tolist()[0] == 1.0 and np.isnan(table.frame["y"][1])


def test_without_narwhals_other_frames_get_one_clear_error(monkeypatch):
    monkeypatch.setitem(sys.modules, "narwhals", None)
    with pytest.raises(TableError, match="pip install narwhals"):
        read_table(object())


# Sources


def test_sources(tmp_path, monkeypatch):
    path = tmp_path / "sales.csv"
    path.write_text(CSV)
    assert read_table(path).source == "sales.csv"
    assert read_table(str(path)).source == "sales.csv"
    with path.open() as text, path.open("rb") as raw:
        assert read_table(text).source == read_table(raw).source == "sales.csv"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(CSV.encode())))
    table = read_table("-")
    assert table.source == "standard input"
    pd.testing.assert_frame_equal(table.frame, frame(date=TWO_DAYS, y=[5.0, 6.5]))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sale.csv", "no such file. Did you mean 'sales.csv'?"),
        ("no/such.csv", "There is no folder"),
        (".", "is a folder"),
        ("https://example.org/a.csv", "is an address"),
        ("date,y\n1,2\n", "io.StringIO"),
    ],
)
def test_paths_that_are_refused(tmp_path, monkeypatch, name, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sales.csv").write_text(CSV)
    with pytest.raises(TableError) as caught:
        read_table(name)
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_file_name_cannot_break_the_line(tmp_path):
    path = tmp_path / "a\nb.csv"
    path.write_text("")
    with pytest.raises(TableError) as caught:
        read_table(path)
    assert len(str(caught.value).splitlines()) == 1


def test_parquet(tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    path = tmp_path / "sales.parquet"
    data = pd.DataFrame(
        {"ds": pd.date_range("2024-01-01", periods=2), "id": ["007", "007"], "y": [1.5, None]}
    )
    data.to_parquet(path)
    table = read_table(path)
    assert table.source == "sales.parquet" and table.lines is None
    pd.testing.assert_frame_equal(table.frame, frame(ds=TWO_DAYS, id=["007", "007"], y=[1.5, NAN]))

    def missing(*args, **kwargs):
        raise ImportError("pyarrow")

    monkeypatch.setattr(pd, "read_parquet", missing)
    with pytest.raises(TableError, match=r"pip install keras-forecast\[parquet\]"):
        read_table(path)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"layout": "wid"}, "--layout must be one of auto, long, wide, not 'wid'. Did you mean 'wide'"),
        ({"duplicates": "meen"}, "Did you mean 'mean'"),
        ({"nrows_limit": 0}, "nrows_limit must be 1 or more"),
        ({"date_format": "dmy"}, "--date-format 'dmy' is neither"),
        ({"date_format": "%Q"}, "--date-format"),
        ({"timezone": ""}, "no time zone ''"),
    ],
)
def test_arguments_that_are_refused(kwargs, message):
    with pytest.raises((ParameterError, TableError), match=message) as caught:
        read(CSV, **kwargs)
    assert len(str(caught.value).splitlines()) == 1
