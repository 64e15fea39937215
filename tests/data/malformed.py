"""Tables that must be refused: (name, bytes of the file, arguments of ``read_table``, part of message)."""

from __future__ import annotations

import gzip
from typing import Any

Malformed = tuple[str, bytes, dict[str, Any], str]


def _days(cell: str, row: int = 3) -> bytes:
    """Four days, one of whose cells under ``y`` is replaced; ``row`` is its line in the file."""
    cells = ["5", "6", "7", "8"]
    cells[row - 2] = cell
    lines = [f"2024-01-0{i + 1},{value}" for i, value in enumerate(cells)]
    return ("date,y\n" + "\n".join(lines) + "\n").encode()


def _dates(*cells: str) -> bytes:
    """A table whose time column holds the given cells."""
    return ("date,y\n" + "".join(f"{cell},{i}\n" for i, cell in enumerate(cells))).encode()


_SHAPE: list[Malformed] = [
    ("empty", b"", {}, "the file is empty"),
    ("only line ends", b"\n\n\r\n", {}, "the file is empty"),
    ("only a byte-order mark", b"\xef\xbb\xbf", {}, "the file is empty"),
    ("header only", b"date,y\n", {}, "a header and no rows"),
    ("header without a line end", b"date,y", {}, "a header and no rows"),
    ("header and blank rows", b"date,y\n,\n,\n", {}, "a header and no rows"),
    (
        "first row longer",
        b"date,y\n2024-01-01,5,9\n2024-01-02,6\n",
        {},
        "line 2: 3 cells, but the header in line 1",
    ),
    ("later row longer", b"date,y\n2024-01-01,5\n2024-01-02,6,9\n", {}, "line 3: 3 cells"),
    ("all rows longer", b"date,y\n2024-01-01,5,9\n2024-01-02,6,9\n", {}, "line 2: 3 cells"),
    ("decimal comma unquoted", b"date,y\n2024-01-01,5,5\n2024-01-02,6,5\n", {}, "--decimal"),
    ("short row", b"date,a,b\n2024-01-01,5,6\n2024-01-02,7\n", {}, "line 3: 2 cells, but the header"),
    ("row of one cell", b"date,y\n2024-01-01,5\nend of file\n", {}, "line 3: 1 cell,"),
    (
        "short row without a header",
        b"2024-01-01,5\n2024-01-02\n",
        {"header": False},
        "the first row in line 1 has 2",
    ),
    ("long row although lenient", b"date,y\n2024-01-01,5,9\n", {"lenient": True}, "line 2: 3 cells"),
    ("title above the header", b"Sales of 2024\ndate,y\n2024-01-01,5\n", {}, "line 2: 2 cells"),
    ("unclosed quote", b'date,y\n2024-01-01,"5\n2024-01-02,6\n', {}, "line 2: a quotation mark"),
    (
        "unclosed quote after good rows",
        b'date,y\n2024-01-01,5\n2024-01-02,6\n2024-01-03,"7\n',
        {},
        "line 4: a quotation",
    ),
    (
        "unclosed quote and 200 kB",
        b'date,y\n2024-01-01,"5\n' + b"2024-01-02,6\n" * 16_000,
        {},
        "line 2: a quotation",
    ),
    ("text after a quote", b'date,y\n2024-01-01,"5"6\n', {}, "line 2: text follows"),
    ("comment first", b"# made by hand\ndate,y\n2024-01-01,5\n", {}, "line 1: a comment line"),
    ("comment after a blank line", b"\n# made by hand\ndate,y\n2024-01-01,5\n", {}, "line 2: a comment line"),
    (
        "comment inside",
        b"date,y\n2024-01-01,5\n# checked\n2024-01-02,6\n",
        {},
        "line 3: '# checked' looks like",
    ),
    ("one very long line", b"date,y" + b" " * (1 << 23), {}, "a line of more than"),
    ("duplicate names", b"date,y,y\n2024-01-01,5,6\n", {}, "columns 2 and 3 are both called 'y'"),
    (
        "duplicate names but for spaces",
        b"date,y, y \n2024-01-01,5,6\n",
        {},
        "columns 2 and 3 are both called 'y'",
    ),
    ("no name over values", b"date,,y\n2024-01-01,3,5\n", {}, "column 2 has values but no name"),
    ("no name over the last values", b"date,y,\n2024-01-01,3,5\n", {}, "column 3 has values but no name"),
    ("blank header", b",,\n2024-01-01,3,5\n", {}, "line 2: the first row looks like data"),
    ("no header, numbers", b"1,5\n2,6\n", {}, "line 1: the first row looks like data ('1')"),
    ("no header, dates", b"2024-01-01,5\n2024-01-02,6\n", {}, "pass --no-header"),
    ("no header, dates and ids", b"2024-01-01,A,5\n2024-01-02,A,6\n", {}, "looks like data ('2024-01-01')"),
    (
        "no header, ids first",
        b"A,2024-01-01,5\nA,2024-01-02,6\n",
        {},
        "line 1: the first row looks like data",
    ),
    ("no header, decimals", b"a,5.5\nb,6.5\n", {}, "looks like data ('5.5')"),
    ("no header, repeated word", b"north,1\nnorth,2\n", {}, "looks like data ('north')"),
    ("wrong delimiter", b"date;y\n2024-01-01;5\n", {"delimiter": ","}, "cells look separated by ';'"),
    (
        "delimiter of two characters",
        b"date;;y\n2024-01-01;;5\n",
        {"delimiter": ";;"},
        "--delimiter must be one",
    ),
    ("delimiter a letter", b"date,y\n2024-01-01,5\n", {"delimiter": "a"}, "--delimiter must be one"),
    ("decimal mark a star", b"date,y\n2024-01-01,5\n", {"decimal": "*"}, "'*'; see --decimal"),
    ("too many rows", b"t,y\n1,1\n2,2\n3,3\n", {"nrows_limit": 2}, "3 rows; at most 2"),
]

_BYTES: list[Malformed] = [
    ("NUL character", b"date,y\n2024-01-01,5\n2024-01-02,\x00\n", {}, "line 3: a NUL character"),
    ("UTF-16 without a mark", "date,y\n2024-01-01,5\n".encode("utf-16-le"), {}, "--encoding utf-16"),
    ("half a UTF-16 character", "\ufeffdate,y\n1,5\n".encode("utf-16-le")[:-1], {}, "is not UTF-16-LE text"),
    ("Latin-1", "date,ort,y\n2024-01-01,Köln,5\n".encode("latin-1"), {}, "line 2: byte 0xf6 is not UTF-8"),
    ("Latin-1 in the header", "date,größe\n2024-01-01,5\n".encode("latin-1"), {}, "line 1: byte 0xf6"),
    (
        "not ASCII",
        "date,ort,y\n2024-01-01,Köln,5\n".encode(),
        {"encoding": "ascii"},
        "line 2: byte 0xc3 is not ASCII",
    ),
    ("no such encoding", b"date,y\n2024-01-01,5\n", {"encoding": "utf-9"}, "Did you mean 'utf-8'?"),
    ("not a text encoding", b"date,y\n2024-01-01,5\n", {"encoding": "zip"}, "no text encoding 'zip'"),
    ("workbook", b"PK\x03\x04" + bytes(60), {}, "a workbook"),
    ("old workbook", b"\xd0\xcf\x11\xe0" + bytes(60), {}, "an old Excel workbook"),
    ("HDF5", b"\x89HDF\r\n\x1a\n" + bytes(60), {}, "an HDF5 file"),
    ("bzip2", b"BZh91AY&SY" + bytes(60), {}, "compressed with bzip2"),
    (
        "truncated gzip",
        gzip.compress(b"date,y\n2024-01-01,5\n" * 50)[:30],
        {},
        "gzip file is truncated or damaged",
    ),
    (
        "damaged gzip",
        gzip.compress(b"date,y\n2024-01-01,5\n")[:-8] + bytes(8),
        {},
        "gzip file is truncated or damaged",
    ),
    ("gzip of nothing", gzip.compress(b""), {}, "the file is empty"),
    ("damaged Parquet", b"PAR1" + bytes(60), {}, "Parquet"),
    ("random bytes", bytes(range(1, 256)), {}, "is not UTF-8"),
]

_NUMBERS: list[Malformed] = [
    (
        "percentage",
        _days("5%"),
        {"target": "y"},
        "line 3, column 'y': '5%' is not a number: write it without '%'",
    ),
    ("percentage, guessed", _days("5%"), {}, "line 3, column 'y': '5%'"),
    ("only percentages", b"date,y\n2024-01-01,5%\n2024-01-02,6%\n", {}, "line 2, column 'y': '5%'"),
    ("currency", _days("$5"), {}, "line 3, column 'y': '$5' is not a number: write it without '$'"),
    ("euro behind", _days("5 €"), {}, "line 3, column 'y': '5 €'"),
    ("hexadecimal", _days("0x10"), {}, "line 3, column 'y': '0x10' is not a number"),
    ("word", _days("five"), {}, "line 3, column 'y': 'five' is not a number"),
    ("word in the last line", _days("n.a.", 5), {}, "line 5, column 'y': 'n.a.'"),
    ("other missing marker", _days("missing"), {"target": ["y"]}, "leave the cell empty"),
    ("infinite", _days("inf"), {}, "line 3, column 'y': 'inf' is not a finite number"),
    ("minus infinity", _days("-Infinity"), {}, "line 3, column 'y': '-Infinity' is not a finite number"),
    ("overflow", _days("1e400"), {}, "line 3, column 'y': '1e400' is not a finite number"),
    (
        "overflow among decimals",
        b"date,y\n2024-01-01,1.5\n2024-01-02,1e999\n",
        {},
        "line 3, column 'y': '1e999'",
    ),
    (
        "infinite in a series",
        b"date,shop,y\n2024-01-01,A,5\n2024-01-02,A,inf\n2024-01-01,B,5\n2024-01-02,B,6\n",
        {},
        "line 3, column 'y' (id 'A'): 'inf'",
    ),
    (
        "decimal comma in a point file",
        b'date,y\n2024-01-01,"1,25"\n2024-01-02,1.5\n',
        {},
        "pass --decimal ','",
    ),
    ("decimal point, comma asked", _days("1.25"), {"decimal": ","}, "pass --decimal '.'"),
    ("wrong groups", b'date,y\n2024-01-01,"1,23,456"\n2024-01-02,1.5\n', {}, "'1,23,456' is not a number"),
    ("two decimal points", _days("1.2.3"), {}, "'1.2.3' is not a number"),
    ("underscore", _days("1_000"), {}, "'1_000' is not a number"),
    ("digits of another script", _days("١٢"), {}, "line 3, column 'y'"),
    ("two numbers", _days("5 6"), {}, "'5 6' is not a number"),
    ("line end in a number", b'date,y\n2024-01-01,"5\n6"\n2024-01-02,7\n', {}, r"line 2, column 'y': '5\n6'"),
    ("truth value among numbers", _days("true"), {}, "'true' is a truth value, not a number"),
    (
        "truth values as target",
        b"date,y\n2024-01-01,True\n2024-01-02,False\n",
        {"target": "y"},
        "a target must hold",
    ),
    (
        "only truth values",
        b"date,y\n2024-01-01,True\n2024-01-02,False\n",
        {},
        "no column of numbers to forecast",
    ),
    ("nothing but missing cells", b"date,y\n2024-01-01,\n2024-01-02,NA\n", {}, "only missing cells"),
    ("only dates", b"date\n2024-01-01\n2024-01-02\n", {}, "no column of numbers to forecast"),
    ("only words", b"name,colour\nann,red\nbob,blue\n", {}, "line 2, column 'name': 'ann' is not a number"),
    (
        "covariate a word",
        b"date,y,x\n2024-01-01,5,1\n2024-01-02,6,a\n",
        {"past_only": "x"},
        "line 3, column 'x': 'a'",
    ),
    (
        "target a date",
        b"date,day2\n2024-01-01,2024-01-01\n",
        {"target": "day2"},
        "line 2, column 'day2': '2024-01-01'",
    ),
]

_TIMES: list[Malformed] = [
    (
        "30 February",
        _dates("2024-02-28", "2024-02-29", "2024-02-30"),
        {},
        "line 4, column 'date': '2024-02-30' is not a day",
    ),
    ("29 February of a common year", _dates("2023-02-28", "2023-02-29"), {}, "'2023-02-29' is not a day"),
    ("month 13", _dates("2024-12-01", "2024-13-01"), {}, "line 3, column 'date': '2024-13-01'"),
    (
        "leap second",
        _dates("2016-12-31 23:59:59", "2016-12-31 23:59:60"),
        {},
        "'2016-12-31 23:59:60' has no such time",
    ),
    (
        "hour 24",
        _dates("2024-01-01 23:00", "2024-01-01 24:00"),
        {},
        "line 3, column 'date': '2024-01-01 24:00'",
    ),
    (
        "13 PM",
        _dates("2024-01-01 1:00 PM", "2024-01-01 13:00 PM"),
        {},
        "'2024-01-01 13:00 PM' has no such time",
    ),
    ("year 3000", _dates("2999-01-01", "3000-01-01"), {}, "the year 2999 is outside 1678 to 2261"),
    ("year 1066", _dates("1066-10-14", "1067-10-14"), {}, "the year 1066 is outside"),
    (
        "day or month first",
        _dates("01/02/2024", "02/02/2024"),
        {},
        'pass --date-format "%d/%m/%Y" or "%m/%d/%Y"',
    ),
    ("day or month first, dashes", _dates("01-02-2024", "02-02-2024"), {}, '"%d-%m-%Y" or "%m-%d-%Y"'),
    (
        "day or month first, clock",
        _dates("01/02/2024 5:30 PM", "02/02/2024 6:30 PM"),
        {},
        "%d/%m/%Y %I:%M %p",
    ),
    (
        "orders mixed",
        _dates("13/02/2024", "14/02/2024", "02/15/2024"),
        {},
        "line 4, column 'date': '02/15/2024'",
    ),
    ("fits no order", _dates("13/02/2024", "31/04/2024"), {}, "line 3, column 'date': '31/04/2024'"),
    ("year of two digits", _dates("13/02/24", "14/02/24"), {}, "has a year of two digits"),
    ("month and year of two digits", _dates("Jan-49", "Feb-49"), {}, '"%b-%y"'),
    (
        "no date",
        _dates("2024-01-01", "2024-01-02", "soon"),
        {},
        "line 4, column 'date': 'soon' is not a date",
    ),
    (
        "no date, named",
        b"when,y\nyesterday,1\ntoday,2\n",
        {"time": "when"},
        "line 2, column 'when': 'yesterday'",
    ),
    (
        "missing date",
        _dates("2024-01-01", "", "2024-01-03"),
        {},
        "line 3, column 'date': the time is missing",
    ),
    ("missing year", b"year,y\n1949,1\n,2\n1951,3\n", {}, "line 3, column 'year': the time is missing"),
    ("dates of two kinds", _dates("2024-01-31", "2024-02"), {}, "lines 2 and 3, column 'date'"),
    ("day first among ISO", _dates("2024-01-31", "01/02/2024"), {}, "are dates of two kinds"),
    ("offset and none", _dates("2024-01-01 00:00Z", "2024-01-01 01:00"), {}, "lines 2 and 3, column 'date'"),
    (
        "none and offset",
        _dates("2024-01-01 00:00", "2024-01-01 01:00+01:00"),
        {},
        "only one of them has a UTC offset",
    ),
    (
        "offset of 25 hours",
        _dates("2024-01-01 00:00+25:00", "2024-01-02 00:00+25:00"),
        {},
        "'2024-01-01 00:00+25:00'",
    ),
    ("week 53 of a short year", _dates("2021-W52", "2021-W53"), {}, "'2021-W53' is not a day"),
    ("fifth quarter", _dates("2021Q4", "2021Q5"), {}, "line 3, column 'date': '2021Q5'"),
    (
        "format that does not fit",
        _dates("13/02/2024"),
        {"date_format": "%m/%d/%Y"},
        "no date in the format '%m/%d/%Y'",
    ),
    (
        "format for numbers, words given",
        _dates("a", "b"),
        {"time": "date", "date_format": "s"},
        "'a' is not a number",
    ),
    (
        "epoch too far",
        b"t,y\n99999999999,1\n",
        {"time": "t", "date_format": "s"},
        "line 2, column 't': '99999999999'",
    ),
    (
        "impossible day in digits",
        b"t,y\n20240230,1\n",
        {"time": "t", "date_format": "yyyymmdd"},
        "'20240230' is no date",
    ),
    ("fractions as time", b"x,y\n0.5,1\n1.5,2\n", {"time": "x"}, "neither a date nor a whole number"),
    (
        "word among epochs",
        b"timestamp,y\n1700000000,1\n1700000060,2\nlater,3\n",
        {},
        "line 4, column 'timestamp': 'later'",
    ),
    ("word among steps", b"t,y\n1,1\n2,2\nthree,3\n", {}, "line 4, column 't': 'three'"),
    (
        "truth values as time",
        b"x,y\nTrue,1\nFalse,2\n",
        {"time": "x"},
        "line 2, column 'x': 'True' is not a date",
    ),
    (
        "skipped hour",
        _dates("2024-03-31 01:30", "2024-03-31 02:30"),
        {"timezone": "Europe/Berlin"},
        "line 3, column 'date'",
    ),
    (
        "time zone of steps",
        b"t,y\n1,1\n2,2\n",
        {"timezone": "Europe/Berlin"},
        "column 't': --timezone needs dates",
    ),
    (
        "autumn hour without a zone",
        _dates("2024-10-27 01:00", "2024-10-27 02:00", "2024-10-27 02:00", "2024-10-27 03:00"),
        {},
        "lines 3 and 4: two rows for 2024-10-27 02:00:00; it looks like clocks going back in autumn: pass --",
    ),
]

_PANEL = b"date,shop,item,y\n2024-01-01,1,a,5\n2024-01-01,1,b,6\n2024-01-01,2,a,7\n2024-01-01,2,b,8\n"
_ROLES: list[Malformed] = [
    (
        "repeated day",
        _dates("2024-01-01", "2024-01-02", "2024-01-01"),
        {},
        "lines 2 and 4: two rows for 2024-01-01",
    ),
    ("repeated step", b"t,y\n1,1\n1,2\n", {}, "lines 2 and 3: two rows for 1; pass --duplicates"),
    (
        "repeated day of a series",
        b"date,shop,y\n2024-01-01,A,5\n2024-01-02,A,6\n2024-01-02,A,7\n",
        {"id": "shop"},
        "lines 3 and 4: two rows of id 'A' for 2024-01-02",
    ),
    (
        "two columns tell series apart",
        _PANEL,
        {},
        "no single column tells the series apart (tried 'shop', 'item'",
    ),
    ("no such time column", _days("5"), {"time": "dat"}, "no column 'dat' for --time. Did you mean 'date'?"),
    ("no such target", _days("5"), {"target": "sales"}, "no column 'sales' for --target"),
    ("no such covariate", _days("5"), {"known_future": ["x"]}, "no column 'x' for --known-future"),
    (
        "two roles",
        _days("5"),
        {"target": "y", "past_only": "y"},
        "column 'y' was given to --target and --past-only",
    ),
    ("one role twice", _days("5"), {"target": ["y", "y"]}, "column 'y' was given to --target twice"),
    (
        "missing id",
        b"date,shop,y\n2024-01-01,A,5\n2024-01-02,,6\n",
        {"id": "shop"},
        "line 3, column 'shop': the id is missing",
    ),
    (
        "static that changes",
        b"date,shop,size,y\n2024-01-01,A,1,5\n2024-01-02,A,2,6\n",
        {"id": "shop", "static": "size"},
        "lines 2 and 3, column 'size': it changes within one series ('1', '2')",
    ),
    ("wide with an id", _PANEL, {"layout": "wide", "id": "shop"}, "--layout wide has one column a series"),
    (
        "wide without numbers",
        b"date,a\n2024-01-01,x\n2024-01-02,y\n",
        {"layout": "wide"},
        "no column of numbers",
    ),
    (
        "wide with a word",
        b"date,a,b\n2024-01-01,1,5\n2024-01-02,2,x\n",
        {"layout": "wide"},
        "line 3, column 'b': 'x'",
    ),
    ("wide with a taken name", b"value,a\n2024-01-01,1\n2024-01-02,2\n", {"layout": "wide"}, "'value'"),
    (
        "too many targets",
        (",".join(["date"] + [f"s{i}" for i in range(51)]) + "\n2024-01-01" + ",1" * 51 + "\n").encode(),
        {},
        "51 columns of numbers and none with a usual name",
    ),
]

MALFORMED: list[Malformed] = _SHAPE + _BYTES + _NUMBERS + _TIMES + _ROLES
