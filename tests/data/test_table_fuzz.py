"""Whatever comes in, nothing but an exception of this package comes out, in one line."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast.data.table import Table, read_table
from forecast.errors import ForecastError

TOKENS = [
    *",;\t|\n\r\"' .-+:/%$#\0\ufeff€",
    "\r\n",
    ",\n",
    '""',
    "date",
    "y",
    "id",
    "t",
    "time",
    "year",
    "value",
    "a",
    "none",
    "NA",
    "nan",
    "inf",
    "1e400",
    "0",
    "1",
    "7",
    "007",
    "12",
    "31",
    "2024",
    "1949",
    "45292",
    "1700000000",
    "1700000000000",
    "20240131",
    "9" * 20,
    "2024-01-01",
    "2024-01-02",
    "2024-02-30",
    "13/02/2024",
    "01/02/2024",
    "01.02.24",
    "2024Q1",
    "2024-W05",
    "Jan 2024",
    "T05:30",
    " 05:30:00",
    "Z",
    "+02:00",
    "1,5",
    "1.5",
    "-0",
    "0x10",
    "True",
    "false",
    "\u2212",
    "\u0661",
    "=1+1",
]
CELLS = st.one_of(st.sampled_from(TOKENS), st.text(max_size=3), st.integers(-(10**19), 10**19).map(str))
HEADERS = st.lists(
    st.sampled_from(["date", "t", "id", "y", "x", "store", "value", "a", ""]), min_size=1, max_size=4
)
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "time": st.sampled_from(["date", "t", "none", ""]),
        "id": st.sampled_from(["id", "store", "none"]),
        "target": st.sampled_from(["y", ("x", "y"), "none", ()]),
        "static": st.sampled_from(["a", "none"]),
        "layout": st.sampled_from(["long", "wide", "tall"]),
        "delimiter": st.sampled_from([",", ";", "\t", " ", "", "ab", '"', "§"]),
        "decimal": st.sampled_from([",", ".", "x"]),
        "encoding": st.sampled_from(["utf-8", "latin-1", "utf-16", "utf-7", "cp1252", "idna", "hex", "x"]),
        "date_format": st.sampled_from(
            ["%d/%m/%Y", "%Y", "%", "%q", "s", "year", "excel", "integer", "z", "%z"]
        ),
        "header": st.booleans(),
        "timezone": st.sampled_from(["UTC", "Europe/Berlin", "Europe", "../x", "Nowhere"]),
        "duplicates": st.sampled_from(["first", "last", "mean", "sum", "x"]),
        "lenient": st.booleans(),
        "nrows_limit": st.integers(-1, 3),
    },
)


@st.composite
def tables(draw):
    """Text that is nearly a table: a header, rows mostly of its length, cells mostly of one kind a column."""
    header = draw(HEADERS)
    kinds = [draw(st.lists(CELLS, min_size=1, max_size=4)) for _ in header]
    rows = [
        [draw(st.sampled_from(kind)) if draw(st.integers(0, 9)) else draw(CELLS) for kind in kinds]
        for _ in range(draw(st.integers(0, 6)))
    ]
    mark, end = draw(st.sampled_from(",;\t")), draw(st.sampled_from(["\n", "\r\n", "\r"]))
    return end.join(mark.join(row) for row in [header, *rows])


def check(data, options):
    try:
        table = read_table(io.BytesIO(data), **options)
    except ForecastError as error:
        assert len(str(error).splitlines()) == 1
        assert len(str(error)) < 600
    else:
        assert isinstance(table, Table)
        assert 0 < len(table.frame) == len(table.lines)
        for name in table.columns.numeric:
            assert table.frame[name].dtype == "float64"
            assert not table.frame[name].isin([float("inf"), float("-inf")]).any()


def encode(text):
    return text.encode("utf-8", "surrogatepass")


@given(st.binary(max_size=200), OPTIONS)
@settings(max_examples=200, deadline=None)
def test_any_bytes(data, options):
    check(data, options)


@given(st.lists(st.sampled_from(TOKENS), max_size=40).map("".join), OPTIONS)
@settings(max_examples=200, deadline=None)
def test_any_text(text, options):
    check(encode(text), options)


@given(tables(), OPTIONS)
@settings(max_examples=400, deadline=None)
def test_nearly_any_table(text, options):
    check(encode(text), options)


@pytest.mark.fuzz
@given(st.binary(max_size=2_000), OPTIONS)
@settings(max_examples=20_000, deadline=None)
def test_any_bytes_long(data, options):
    check(data, options)


@pytest.mark.fuzz
@given(st.one_of(tables(), st.lists(st.sampled_from(TOKENS), max_size=200).map("".join)), OPTIONS)
@settings(max_examples=80_000, deadline=None)
def test_nearly_any_table_long(text, options):
    check(encode(text), options)
