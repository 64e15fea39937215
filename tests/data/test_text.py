"""Both ways of reading text give the same columns, exactly, and every row keeps its line."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast.data.header import column_names
from forecast.data.numbers import parse_numbers
from forecast.data.opening import read_source, to_utf8
from forecast.data.regular import line_numbers, parse
from forecast.data.rows import Rows
from forecast.data.sniff import Dialect, sniff
from forecast.data.text import Format, read_text
from forecast.errors import TableError

POINT = Dialect(",", ".")
CELLS = st.one_of(
    st.sampled_from(["", "NA", "-", "nan", "1", "1.5", "-0.25", "1e5", "007", " 2.5 ", "a", 'b"c', "d\ne", "f\r\ng"]),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=4),
)  # fmt: skip


@st.composite
def files(draw):
    """A file of one to three columns under the names a, b, c, written by the csv module."""
    width = draw(st.integers(1, 3))
    rows = draw(st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1, max_size=6))
    buffer = io.StringIO()
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    end = draw(st.sampled_from(["\n", "\r\n"]))
    csv.writer(buffer, quoting=quoting, lineterminator=end).writerows([list("abc"[:width]), *rows])
    return buffer.getvalue().encode(), width, rows


@given(files())
@settings(max_examples=300, deadline=None)
def test_pandas_and_the_csv_module_agree(made):
    data, width, rows = made
    lines = line_numbers(data, POINT, width)
    if lines is None:
        return
    header, cells, slow_lines = Rows("a", POINT).read(data)
    assert header == list("abc"[:width])
    assert lines[1:].tolist() == slow_lines.tolist()
    fast = parse(data, POINT, header, rows, header=True, keep=frozenset("c"))
    for name, slow in zip(header, cells, strict=True):
        if fast[name].dtype == np.float64:
            assert name != "c"
            np.testing.assert_array_equal(fast[name], parse_numbers(slow).values)
        else:
            assert fast[name].tolist() == slow.tolist()


@pytest.mark.parametrize(
    ("data", "width", "lines"),
    [
        (b"a,b\n1,2\n3,4\n", 2, [1, 2, 3]),
        (b"a,b\n1,2\n3,4", 2, [1, 2, 3]),
        (b"a,b\r\n1,2\r\n", 2, [1, 2]),
        (b'a,"b"\n"1\n2",3\n4,5\n', 2, [1, 2, 4]),
        (b"a\n1\n2\n", 1, [1, 2, 3]),
        (b"a,b\n1\n2,3,4\n", 2, None),
        (b"a,b\n1,2,3\n", 2, None),
        (b"a,b\n\n1,2\n", 2, None),
        (b"a,b\n1,2\n,\n", 2, None),
        (b"a,b\r1,2\r", 2, None),
        (b"a\n1\n\n2\n", 1, None),
        (b'a,b\n"1",2\n3\n', 2, None),
        (b'a,b\n"1,2\n', 2, None),
    ],
)
def test_only_regular_files_are_left_to_pandas(data, width, lines):
    found = line_numbers(data, POINT, width)
    assert (found if found is None else found.tolist()) == lines


def test_regular_files_are_counted_across_chunks(monkeypatch):
    monkeypatch.setattr("forecast.data.regular._CHUNK", 7)
    monkeypatch.setattr("forecast.data.regular._MANY", 2)
    data = b"aa,b,c\n" + b"1,22,333\n" * 9
    assert line_numbers(data, POINT, 3).tolist() == list(range(1, 11))
    assert line_numbers(data + b"1,2\n", POINT, 3) is None
    assert line_numbers(data + b'"x\ny",1,2\n1,2,3\n', POINT, 3).tolist() == [*range(1, 12), 13]


def test_decimals_are_read_to_the_last_digit():
    values = np.random.default_rng(0).normal(size=2_000) * 10.0 ** np.arange(-1_000, 1_000).clip(-300, 300)
    data = "y,z\n" + "".join(f"{value!r},1\n" for value in values.tolist())
    sheet = read_text("a", data.encode(), Format())
    assert sheet.columns["y"].dtype == np.float64
    np.testing.assert_array_equal(sheet.columns["y"], values)


def test_columns_asked_to_stay_text_stay_text():
    data = b"code,y\n1.10,1.50\n2.20,2.50\n"
    sheet = read_text("a", data, Format(), frozenset({"y"}))
    assert sheet.columns["code"].tolist() == ["1.10", "2.20"]
    assert sheet.columns["y"].tolist() == ["1.50", "2.50"]


def test_a_late_word_turns_the_column_back_into_text():
    data = ("y,z\n" + "1.5,1\n" * 300 + "x,1\n").encode()
    column = read_text("a", data, Format()).columns["y"]
    assert column.tolist() == ["1.5"] * 300 + ["x"]


@pytest.mark.parametrize(
    ("lines", "delimiter", "decimal"),
    [
        (["a,b", "1,2"], ",", "."),
        (["a;b", "1,5;2"], ";", ","),
        (["a;b", "1.5;2"], ";", "."),
        (["a;b", "1.234;2"], ";", "."),
        (["a;b", "1.234,5;2"], ";", ","),
        (["a;b", "01.02.2024;2,5"], ";", ","),
        (["a;b", "1,5;2.5"], ";", "."),
        (["a\tb", "1,234\t2"], "\t", ","),
        (["a,b", '"1,234",2'], ",", "."),
        (["a,b", '"1,5",2'], ",", ","),
        (["a", "1", "2"], ",", "."),
        (["", "a;b", "1;2"], ";", "."),
    ],
)
def test_sniffing(lines, delimiter, decimal):
    found = sniff("a", lines, None, None)
    assert (found.delimiter, found.decimal) == (delimiter, decimal)


def test_what_is_said_is_not_guessed():
    found = sniff("a", ["a;b", "1,5;2"], ";", ".")
    assert (found.delimiter, found.decimal, found.choices) == (";", ".", ())
    assert sniff("a", ["a\tb"], "tab", None).delimiter == "\t"


def test_names_of_columns():
    assert column_names("a", 1, None, 2)[0] == ["column_1", "column_2"]
    assert column_names("a", 1, [" x ", "'=y"], 2)[0] == ["x", "=y"]
    with pytest.raises(TableError, match="100,001 columns"):
        column_names("a", 1, ["x"] * 100_001, 100_001)


def test_byte_order_marks_outweigh_the_encoding():
    assert to_utf8("a", b"\xef\xbb\xbfy", "latin-1") == b"y"
    assert to_utf8("a", "y".encode("utf-16"), "latin-1") == b"y"
    assert to_utf8("a", b"\xe4", "latin-1") == "ä".encode()


def test_large_files_are_refused_by_size(monkeypatch, tmp_path):
    monkeypatch.setattr("forecast.data.opening.MOST_BYTES", 10)
    (tmp_path / "a.csv").write_bytes(b"x" * 11)
    with pytest.raises(TableError, match=r"a\.csv: the table is larger"):
        read_source(tmp_path / "a.csv")


def test_many_blank_lines_are_no_empty_file():
    data = b"\n" * 500 + b"a,b\n1,2\n"
    sheet = read_text("a", data, Format())
    assert sheet.lines.tolist() == [502]
