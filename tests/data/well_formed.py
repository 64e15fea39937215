"""Odd but valid tables: (name, the file, arguments of ``read_table``, the frame it must give)."""

from __future__ import annotations

import gzip
from typing import Any

import numpy as np
import pandas as pd

NAN = float("nan")
WellFormed = tuple[str, str | bytes, dict[str, Any], pd.DataFrame]


def frame(**columns: Any) -> pd.DataFrame:
    """Return the expected frame: lists of datetimes, integers (steps), floats or text (objects)."""
    made = {}
    for name, values in columns.items():
        if isinstance(values[0], str) and values[0][:1] == "@":
            made[name] = pd.Series(np.array([v[1:] for v in values], dtype="datetime64[ns]"))
        elif isinstance(values[0], str):
            made[name] = pd.Series(values, dtype=object)
        else:
            made[name] = pd.Series(values)
    return pd.DataFrame(made)


TWO_DAYS = ["@2024-01-01", "@2024-01-02"]
PLAIN = frame(date=TWO_DAYS, y=[5.0, 6.5])
CSV = "date,y\n2024-01-01,5\n2024-01-02,6.5\n"


def daily(*values: float) -> pd.DataFrame:
    return frame(date=[f"@2024-01-0{i + 1}" for i in range(len(values))], y=list(values))


def with_dates(*cells: str) -> str:
    return "date,y\n" + "".join(f"{cell},{i}\n" for i, cell in enumerate(cells))


def dated(*stamps: str, name: str = "date") -> pd.DataFrame:
    return frame(**{name: [f"@{stamp}" for stamp in stamps], "y": [float(i) for i in range(len(stamps))]})


WELL_FORMED: list[WellFormed] = [
    ("plain", CSV, {}, PLAIN),
    ("no line end at the end", CSV.rstrip(), {}, PLAIN),
    ("Windows line ends", CSV.replace("\n", "\r\n"), {}, PLAIN),
    ("old Mac line ends", CSV.replace("\n", "\r"), {}, PLAIN),
    ("mixed line ends", "date,y\r\n2024-01-01,5\n2024-01-02,6.5\r", {}, PLAIN),
    ("byte-order mark", b"\xef\xbb\xbf" + CSV.encode(), {}, PLAIN),
    ("UTF-16 with a mark", CSV.encode("utf-16"), {}, PLAIN),
    ("UTF-16 big-endian", ("\ufeff" + CSV).encode("utf-16-be"), {}, PLAIN),
    ("UTF-32", CSV.encode("utf-32"), {}, PLAIN),
    ("UTF-16 without a mark", CSV.encode("utf-16-le"), {"encoding": "utf-16-le"}, PLAIN),
    ("gzip", gzip.compress(CSV.encode()), {}, PLAIN),
    ("everything quoted", '"date","y"\n"2024-01-01","5"\n"2024-01-02","6.5"\n', {}, PLAIN),
    ("tabs", CSV.replace(",", "\t"), {}, PLAIN),
    ("bars", CSV.replace(",", "|"), {}, PLAIN),
    ("bars, said", CSV.replace(",", "|"), {"delimiter": "|"}, PLAIN),
    ("tabs, said", CSV.replace(",", "\t"), {"delimiter": "\\t"}, PLAIN),
    ("a rare delimiter", CSV.replace(",", "§"), {"delimiter": "§"}, PLAIN),
    ("semicolons and decimal commas", "date;y\n2024-01-01;5\n2024-01-02;6,5\n", {}, PLAIN),
    ("semicolons and decimal points", CSV.replace(",", ";"), {}, PLAIN),
    ("quoted decimal commas", 'date,y\n2024-01-01,5\n2024-01-02,"6,5"\n', {}, PLAIN),
    ("German dates and numbers", "date;y\n01.01.2024;5,0\n02.01.2024;6,5\n", {}, PLAIN),
    ("spaces after commas", "date, y\n2024-01-01, 5\n2024-01-02, 6.5\n", {}, PLAIN),
    ("spaces around everything", " date , y \n 2024-01-01 , 5 \n 2024-01-02 , 6.5 \n", {}, PLAIN),
    ("trailing commas", "date,y,\n2024-01-01,5,\n2024-01-02,6.5,\n", {}, PLAIN),
    ("trailing comma in the header only", "date,y,\n2024-01-01,5\n2024-01-02,6.5\n", {}, PLAIN),
    ("trailing commas in the rows only", "date,y\n2024-01-01,5,\n2024-01-02,6.5,\n", {}, PLAIN),
    ("blank lines", "\ndate,y\n\n2024-01-01,5\n  \n2024-01-02,6.5\n\n\n", {}, PLAIN),
    ("blank rows of a spreadsheet", CSV + ",\n,\n", {}, PLAIN),
    ("row numbers of pandas", ",date,y\n0,2024-01-01,5\n1,2024-01-02,6.5\n", {}, PLAIN),
    ("row numbers of R", '"","date","y"\n"1",2024-01-01,5\n"2",2024-01-02,6.5\n', {}, PLAIN),
    ("newest first", "date,y\n2024-01-02,6.5\n2024-01-01,5\n", {}, PLAIN),
    ("short row, lenient", "date,y\n2024-01-01,5\n2024-01-02\n", {"lenient": True}, daily(5.0, NAN)),
    (
        "Latin-1, said",
        "date,größe\n2024-01-01,5\n2024-01-02,6.5\n".encode("latin-1"),
        {"encoding": "latin-1"},
        frame(date=TWO_DAYS, größe=[5.0, 6.5]),
    ),
    (
        "no header, said",
        "2024-01-01,5\n2024-01-02,6.5\n",
        {"header": False},
        frame(column_1=TWO_DAYS, column_2=[5.0, 6.5]),
    ),
    (
        "an unnamed index of dates",
        ",y\n2024-01-01,5\n2024-01-02,6.5\n",
        {},
        frame(index=TWO_DAYS, y=[5.0, 6.5]),
    ),
    ("line ends in cells", 'date,note,y\n2024-01-01,"a\nb",5\n2024-01-02,"c""d",6.5\n', {}, PLAIN),
    (
        "missing markers",
        "date,y\n2024-01-01,5\n2024-01-02,NA\n2024-01-03,n/a\n2024-01-04,-\n2024-01-05,?\n"
        "2024-01-06,NULL\n2024-01-07,None\n2024-01-08,.\n2024-01-09,nan\n",
        {},
        daily(5.0, *[NAN] * 8),
    ),
    (
        "missing among decimals",
        "date,y\n2024-01-01,5.5\n2024-01-02,\n2024-01-03,N/A\n",
        {},
        daily(5.5, NAN, NAN),
    ),
    (
        "thousands separators",
        'date,y\n2024-01-01,"1,234.5"\n2024-01-02,"1,234,567"\n',
        {},
        daily(1234.5, 1234567.0),
    ),
    ("German thousands", "date;y\n2024-01-01;1.234,5\n2024-01-02;1.234.567\n", {}, daily(1234.5, 1234567.0)),
    ("French thousands", "date;y\n2024-01-01;1\u202f234,5\n2024-01-02;7,25\n", {}, daily(1234.5, 7.25)),
    ("Swiss thousands", "date,y\n2024-01-01,1'234.5\n2024-01-02,7\n", {}, daily(1234.5, 7.0)),
    ("Unicode minus", "date,y\n2024-01-01,\u22125\n2024-01-02,6\n", {}, daily(-5.0, 6.0)),
    ("exponents and signs", "date,y\n2024-01-01,+1.5e3\n2024-01-02,-.5\n", {}, daily(1500.0, -0.5)),
    (
        "a decimal after many integers",
        "date,y\n" + "".join(f"2024-01-0{i},{i}\n" for i in range(1, 9)) + "2024-01-09,9.5\n",
        {},
        daily(*[float(i) for i in range(1, 9)], 9.5),
    ),
    (
        "years",
        "year,y\n1949,0\n1950,1\n1951,2\n",
        {},
        dated("1949-01-01", "1950-01-01", "1951-01-01", name="year"),
    ),
    ("months", with_dates("2024-01", "2024-02"), {}, dated("2024-01-01", "2024-02-01")),
    ("months in words", with_dates("Jan 2024", "February 2024"), {}, dated("2024-01-01", "2024-02-01")),
    (
        "months as numbers",
        "month,y\n202401,0\n202402,1\n",
        {},
        dated("2024-01-01", "2024-02-01", name="month"),
    ),
    ("months of Eurostat", with_dates("2024M01", "2024M02"), {}, dated("2024-01-01", "2024-02-01")),
    (
        "quarters",
        with_dates("2024Q1", "2024-Q2", "2024 q3"),
        {},
        dated("2024-01-01", "2024-04-01", "2024-07-01"),
    ),
    ("quarters in front", with_dates("Q1 2024", "Q4/2024"), {}, dated("2024-01-01", "2024-10-01")),
    ("ISO weeks", with_dates("2020-W53", "2021-W01"), {}, dated("2020-12-28", "2021-01-04")),
    ("ISO week days", with_dates("2020-W53-7", "2021-W01-1"), {}, dated("2021-01-03", "2021-01-04")),
    ("digits", with_dates("20240131", "20240201"), {}, dated("2024-01-31", "2024-02-01")),
    (
        "digits with a clock",
        with_dates("202401312359", "202402010000"),
        {},
        dated("2024-01-31T23:59", "2024-02-01"),
    ),
    ("Excel's day numbers", with_dates("45292", "45292.25"), {}, dated("2024-01-01", "2024-01-01T06:00")),
    ("day first", with_dates("12/02/2024", "13/02/2024"), {}, dated("2024-02-12", "2024-02-13")),
    ("month first", with_dates("02/12/2024", "02/13/2024"), {}, dated("2024-02-12", "2024-02-13")),
    ("orders agree", with_dates("01/01/2024", "02/02/2024"), {}, dated("2024-01-01", "2024-02-02")),
    (
        "order said",
        with_dates("01/02/2024", "02/02/2024"),
        {"date_format": "%d/%m/%Y"},
        dated("2024-02-01", "2024-02-02"),
    ),
    (
        "two-digit years said",
        with_dates("01/02/24", "02/02/24"),
        {"date_format": "%d/%m/%y"},
        dated("2024-02-01", "2024-02-02"),
    ),
    ("English dates", with_dates('"Jan 31, 2024"', '"Feb 1, 2024"'), {}, dated("2024-01-31", "2024-02-01")),
    (
        "mail dates",
        with_dates('"Wed, 31 Jan 2024 23:00:00"', '"Thu, 1 Feb 2024 00:00:00"'),
        {},
        dated("2024-01-31T23:00", "2024-02-01"),
    ),
    (
        "twelve-hour clock",
        with_dates("2024-01-01 12:00 AM", "2024-01-01 12:30 PM"),
        {},
        dated("2024-01-01T00:00", "2024-01-01T12:30"),
    ),
    (
        "dates among times",
        with_dates("2024-01-01", "2024-01-01 06:00:00"),
        {},
        dated("2024-01-01", "2024-01-01T06:00"),
    ),
    (
        "nanoseconds",
        with_dates("2024-01-01T00:00:00.000000001", "2024-01-01T00:00:00.5"),
        {},
        dated("2024-01-01T00:00:00.000000001", "2024-01-01T00:00:00.5"),
    ),
    ("steps", "t,y\n0,0\n1,1\n", {}, frame(t=[0, 1], y=[0.0, 1.0])),
    ("negative steps", "t,y\n1,1\n-1,0\n", {}, frame(t=[-1, 1], y=[0.0, 1.0])),
    (
        "steps that look like years",
        "t,y\n1999,0\n2001,1\n",
        {"date_format": "integer"},
        frame(t=[1999, 2001], y=[0.0, 1.0]),
    ),
    ("one column", "y\n5\n\n6.5\n", {}, frame(y=[5.0, NAN, 6.5])),
    ("one column of decimals", "y\n5.5\n6.5\n\n\n", {}, frame(y=[5.5, 6.5])),
    ("one row", "date,y\n2024-01-01,5\n", {}, frame(date=["@2024-01-01"], y=[5.0])),
    ("counting names", "0,1\n5,6\n7,8\n", {}, frame(**{"0": [5.0, 7.0], "1": [6.0, 8.0]})),
    (
        "ids with zeros",
        "date,id,y\n2024-01-01,007,1\n2024-01-01,7,2\n2024-01-01,NA,3\n",
        {},
        frame(date=["@2024-01-01"] * 3, id=["007", "7", "NA"], y=[1.0, 2.0, 3.0]),
    ),
    (
        "ids of numbers and letters",
        "date,grp,y\n2024-01-01,1,1\n2024-01-01,A,2\n2024-01-02,1,3\n2024-01-02,A,4\n",
        {},
        frame(date=[*TWO_DAYS, *TWO_DAYS], grp=["1", "1", "A", "A"], y=[1.0, 3.0, 2.0, 4.0]),
    ),
    (
        "ids like formulas",
        "date,id,y\n2024-01-01,'=cmd|x,1\n2024-01-01,=cmd|x2,2\n2024-01-01,'quoted',3\n",
        {},
        frame(date=["@2024-01-01"] * 3, id=["'quoted'", "=cmd|x", "=cmd|x2"], y=[3.0, 1.0, 2.0]),
    ),
    (
        "ids that are decimals",
        "date,id,y\n2024-01-01,1.10,1\n2024-01-01,1.1,2\n",
        {},
        frame(date=["@2024-01-01"] * 2, id=["1.1", "1.10"], y=[2.0, 1.0]),
    ),
    (
        "truth values as covariate",
        "date,y,promo\n2024-01-01,5,True\n2024-01-02,6.5,false\n",
        {},
        PLAIN.assign(promo=[1.0, 0.0]),
    ),
]
