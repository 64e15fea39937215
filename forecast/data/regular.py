"""Files whose rows are all of one length: proved first, then parsed by pandas, which cannot go wrong any more."""

from __future__ import annotations

import csv
import io
import re
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd

from forecast.data.names import is_text_by_name
from forecast.data.numbers import is_missing, read_number
from forecast.data.rows import strict_reader
from forecast.data.sheet import Column
from forecast.data.sniff import Dialect

_CHUNK = 1 << 24
_MANY = 8_192  # rows held at once; more of them would keep the garbage collector busy
_BREAK = re.compile(r"\r\n|\r|\n")
_MARKERS = ["NA", "N/A", "n/a", "na", "NaN", "nan", "NAN", "null", "NULL", "Null", "None", "none"]
_MARKERS += ["", "-", "?", "."]
_OLD_PANDAS = tuple(int(part) for part in pd.__version__.split(".")[:2]) < (3, 1)
# Older versions may be off by one unit in the last place by default; newer ones are exact, and say so.
_PRECISION: dict[str, Any] = {"float_precision": "round_trip"} if _OLD_PANDAS else {}


def line_numbers(data: bytes, dialect: Dialect, width: int) -> np.ndarray | None:
    """Return the line in which each row begins, or None unless every row has ``width`` cells.

    Without quotation marks NumPy counts delimiters and line ends; otherwise the ``csv`` module counts cells.

    Args:
        data: The file in UTF-8.
        dialect: How it is written.
        width: Cells a row.
    """
    mark = dialect.delimiter.encode()
    tail = data[data.rstrip(b"\r\n").rfind(b"\n") + 1 :]
    one_kind_of_end = data.count(b"\r") == data.count(b"\r\n")
    if len(mark) != 1 or not one_kind_of_end or not tail.strip(mark + b'" \t\r\n'):
        return None
    if b'"' in data:
        return _by_csv(data, dialect, width)
    if width == 1 and re.search(rb"\n[ \t\r]*\n", data):  # a blank line is a missing cell there
        return None
    return _by_counting(data, mark[0], width)


def parse(
    data: bytes,
    dialect: Dialect,
    names: list[str],
    sample: list[list[str]],
    *,
    header: bool,
    keep: frozenset[str],
) -> dict[str, Column]:
    """Return the columns of a file whose rows all have the same length.

    Columns whose sample holds decimal numbers become float64 at once, unless one of their cells is none.

    Args:
        data: The file in UTF-8.
        dialect: How it is written.
        names: Names of the columns.
        sample: Some of its first rows.
        header: Whether the first row holds names.
        keep: Columns that must stay text.
    """
    body = [row for row in sample if len(row) == len(names)]
    decimals = [
        i
        for i, name in enumerate(names)
        if name not in keep
        and not is_text_by_name(name)
        and _holds_decimals([row[i] for row in body], dialect.decimal)
    ]
    try:
        table = _pandas(data, dialect, len(names), header, decimals)
        if any(np.isinf(table[i].to_numpy()).any() for i in decimals):
            raise ValueError("infinite")
    except (
        ValueError,
        OverflowError,
    ):  # read as text, to convert or to name the cell that is no plain number
        table = _pandas(data, dialect, len(names), header, [])
    return {name: table[i].to_numpy() for i, name in enumerate(names)}


def _by_counting(data: bytes, mark: int, width: int) -> np.ndarray | None:
    seen = 0
    codes = np.frombuffer(data, dtype=np.uint8)
    for start in range(0, len(codes), _CHUNK):
        chunk = codes[start : start + _CHUNK]
        marks = chunk[(chunk == mark) | (chunk == 10)]
        ends = (np.arange(seen, seen + len(marks)) % width) == width - 1
        if not np.array_equal(marks == 10, ends):
            return None
        seen += len(marks)
    ended = data.endswith(b"\n")
    if seen % width != (0 if ended else width - 1):
        return None
    return np.arange(1, seen // width + (1 if ended else 2))


def _by_csv(data: bytes, dialect: Dialect, width: int) -> np.ndarray | None:
    reader, line = strict_reader(data, dialect), 1
    lines = []
    try:
        while rows := list(islice(reader, _MANY)):
            if set(map(len, rows)) != {width}:
                return None
            spans = [1] * len(rows)
            if reader.line_num - line + 1 != len(rows):  # line ends within cells
                spans = [1 + sum(len(_BREAK.findall(cell)) for cell in row) for row in rows]
            lines.append(line + np.cumsum([0, *spans[:-1]]))
            line = reader.line_num + 1
    except csv.Error:
        return None
    return np.concatenate(lines)


def _holds_decimals(cells: list[str], decimal: str) -> bool:
    """Tell whether a sample holds numbers, one of them with a fraction, and nothing else."""
    present = [cell for cell in cells if not is_missing(cell)]
    numbers = all(read_number(cell, decimal) is not None for cell in present)
    return numbers and any(decimal in cell or "e" in cell.lower() for cell in present)


def _pandas(data: bytes, dialect: Dialect, width: int, header: bool, decimals: list[int]) -> pd.DataFrame:
    return pd.read_csv(
        io.BytesIO(data),
        sep=dialect.delimiter,
        header=0 if header else None,
        names=list(range(width)),
        index_col=False,
        dtype={i: np.float64 if i in decimals else object for i in range(width)},
        na_values=dict.fromkeys(decimals, _MARKERS),
        keep_default_na=False,
        decimal=dialect.decimal,
        skipinitialspace=dialect.spaced,
        skip_blank_lines=False,
        quoting=csv.QUOTE_MINIMAL if b'"' in data else csv.QUOTE_NONE,
        encoding="utf-8",
        low_memory=False,
        **_PRECISION,
    )
