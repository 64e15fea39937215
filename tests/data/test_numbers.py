"""Cells to float64: what is a number, what is missing, what is refused and why."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecast.data.numbers import parse_numbers, read_number, show, why_no_number

NAN = float("nan")


def cells(*values):
    return np.array(values, dtype=object)


@pytest.mark.parametrize(
    ("cell", "decimal", "value"),
    [
        ("5", ".", 5.0),
        (" +5. ", ".", 5.0),
        (".5", ".", 0.5),
        ("1e-3", ".", 0.001),
        ("\u22125", ".", -5.0),
        ("1,234", ".", 1234.0),
        ("1,234,567.25", ".", 1234567.25),
        ("-1\u00a0234.5", ".", -1234.5),
        ("1\u2019234", ".", 1234.0),
        ("1,5", ",", 1.5),
        ("1.234", ",", 1234.0),
        ("1.234.567,25", ",", 1234567.25),
        ("1 234,5", ",", 1234.5),
    ],
)
def test_numbers(cell, decimal, value):
    assert read_number(cell, decimal) == value
    assert parse_numbers(cells(cell, "x", "7"), decimal).values[0] == value


@pytest.mark.parametrize(
    "cell",
    [
        "",
        "-",
        ".",
        "e5",
        "1e",
        "5%",
        "$5",
        "0x10",
        "1_0",
        "1,23",
        "12,34,567",
        "1,234 567",
        "1234,567",
        "inf",
        "nan",
        "1.5.",
        "--1",
        "1 2",
        "١",
        "1e5e",
        "1,234,56",
        "0b1",
        "1/2",
        "(5)",
        "True",
    ],
)
def test_no_numbers(cell):
    assert read_number(cell) is None


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_any_float_comes_back_with_either_decimal_mark(value):
    assert read_number(repr(value)) == value
    assert read_number(repr(value).replace(".", ","), ",") == value


@pytest.mark.parametrize(
    ("column", "kind", "bad"),
    [
        (cells("1", "2"), "number", None),
        (cells("1", "NA", "Null", "-", "?", ".", "n/a", "NaN", "NONE", "  "), "number", None),
        (cells("", "na"), "empty", None),
        (cells("true", "FALSE", ""), "boolean", None),
        (cells("1", "2", "x"), "mostly", 2),
        (cells("1", "y", "x"), "text", 1),
        (cells("x", "", "y"), "text", 0),
        (cells("1", "inf"), "number", 1),
        (cells("1", "1e999"), "number", 1),
        (cells("1.5", "", "true"), "mostly", 2),
        (np.array([1, 2]), "number", None),
        (np.array([1.0, NAN]), "number", None),
        (np.array([1.0, -np.inf]), "number", 1),
        (np.array([NAN]), "empty", None),
        (np.array([True, False]), "boolean", None),
        (pd.date_range("2024-01-01", periods=2), "text", 0),
        (cells(*["x"] * 2_000, "1"), "text", 0),
        (cells("", *["x"] * 2_000), "text", 1),
    ],
)
def test_kinds(column, kind, bad):
    read = parse_numbers(column)
    assert (read.kind, read.bad) == (kind, bad)
    assert read.values.dtype == np.float64 and len(read.values) == len(column)


def test_missing_cells_are_nan_and_the_rest_is_kept():
    read = parse_numbers(cells("1,000", "?", "true", "x", "4"))
    np.testing.assert_array_equal(read.values, [1000.0, NAN, 1.0, NAN, 4.0])
    assert read.grouped == 0 and not read.whole
    assert parse_numbers(cells("1", "", "3")).whole
    assert not parse_numbers(cells("1", "2.5")).whole


def test_quick_and_careful_readings_agree():
    texts = [repr(value) for value in np.random.default_rng(1).normal(size=500).tolist()]
    quick = parse_numbers(cells(*texts)).values
    careful = parse_numbers(cells(*texts, "1'000")).values[:-1]
    np.testing.assert_array_equal(quick, careful)
    np.testing.assert_array_equal(quick, [float(text) for text in texts])
    comma = parse_numbers(cells(*[text.replace(".", ",") for text in texts]), ",").values
    np.testing.assert_array_equal(quick, comma)


@pytest.mark.parametrize(
    ("cell", "decimal", "reason"),
    [
        ("5%", ".", "'5%' is not a number: write it without '%'"),
        ("€5", ".", "'€5' is not a number: write it without '€'"),
        ("abc", ".", "'abc' is not a number"),
        ("-inf", ".", "'-inf' is not a finite number"),
        ("1e999", ".", "'1e999' is not a finite number"),
        (np.inf, ".", "'inf' is not a finite number"),
        ("TRUE", ".", "'TRUE' is a truth value, not a number"),
        ("1,25", ".", "'1,25' is not a number with the decimal mark '.'; if the mark is ',', pass --decimal ','"),
        ("a\nb", ".", r"'a\nb' is not a number"),
        ("x" * 99, ".", "'" + "x" * 39 + "…' is not a number"),
    ],
)  # fmt: skip
def test_reasons(cell, decimal, reason):
    assert why_no_number(cell, decimal) == reason


@given(st.text())
def test_shown_cells_stay_on_one_line(text):
    assert len(show(text).splitlines()) == 1
