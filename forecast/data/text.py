"""A delimited text file to columns: every row as long as the header, or an error that names the line.

Two ways lead to the same columns. Files whose rows are provably all of one length are parsed by pandas;
anything else is read row by row, which mends what may be mended and names the line of what may not.
"""

from __future__ import annotations

import csv
import io
from contextlib import suppress
from dataclasses import dataclass

from forecast.data.header import check_header, column_names, drop_unnamed
from forecast.data.opening import to_utf8
from forecast.data.regular import line_numbers, parse
from forecast.data.rows import Rows
from forecast.data.sheet import Column, Sheet
from forecast.data.sniff import Dialect, sniff
from forecast.errors import TableError

SAMPLE_LINES = 200
LONGEST_LINE = 1 << 23  # characters in one of the first lines; beyond that it is no table


@dataclass(frozen=True)
class Format:
    """What the user said about a text file; None means "find out".

    Args:
        delimiter: Character between cells.
        decimal: ``"."`` or ``","``.
        encoding: Text encoding.
        header: Whether the first row holds the column names.
        lenient: Whether short rows are filled with missing cells.
    """

    delimiter: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    header: bool = True
    lenient: bool = False


def read_text(name: str, raw: bytes, form: Format, keep_text: frozenset[str] = frozenset()) -> Sheet:
    """Read the bytes of a delimited text file.

    Args:
        name: What messages call the file.
        raw: The bytes of the file.
        form: What the user said about it.
        keep_text: Columns that must stay text whatever they look like (ids, times).

    Returns:
        Columns of text; those that plainly hold decimal numbers may already be float64.

    Raises:
        TableError: The file is empty, not text, or its rows do not fit its header.
    """
    data = to_utf8(name, raw, form.encoding)
    if data.endswith((b"\n\n", b"\n\r\n")):
        data = data.rstrip(b"\r\n") + b"\n"
    sample = _sample(name, data)
    dialect = sniff(name, sample, form.delimiter, form.decimal)
    first = _rows(sample, dialect)
    blank = dialect.delimiter + " \t\r\n"
    line = next((i for i, text in enumerate(sample, 1) if text.strip(blank)), None)
    if line is None:
        raise TableError(f"{name}: the file is empty but for delimiters.")
    if form.header:
        check_header(name, line, first, dialect.decimal)
    lines = line_numbers(data, dialect, len(first[0])) if line == 1 else None
    if lines is None or len(lines) == 1:
        sheet = _read_slowly(name, data, dialect, form)
    else:
        names, choices = column_names(name, line, first[0] if form.header else None, len(first[0]))
        columns = parse(data, dialect, names, first[form.header :], header=form.header, keep=keep_text)
        choices = dialect.choices + choices
        sheet = Sheet(name, columns, lines[form.header :], dialect.decimal, True, choices)
    if len(sheet) == 0:
        raise TableError(f"{name}: a header and no rows.")
    return drop_unnamed(sheet)


def _sample(name: str, data: bytes) -> list[str]:
    reader = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", newline="")
    lines: list[str] = []
    filled = 0
    while filled < SAMPLE_LINES and (line := reader.readline(LONGEST_LINE)):
        filled += bool(line.strip())
        if len(line) == LONGEST_LINE:
            raise TableError(
                f"{name}: a line of more than {LONGEST_LINE:,} characters; this is no table of text."
            )
        lines.append(line)
    if filled == 0:
        raise TableError(f"{name}: the file is empty.")
    first = next(i for i, line in enumerate(lines) if line.strip())
    if lines[first].lstrip().startswith("#"):
        raise TableError(f"{name}, line {first + 1}: a comment line; comments are not read, remove them.")
    return lines


def _rows(lines: list[str], dialect: Dialect) -> list[list[str]]:
    """Split the sample; a row cut off by the end of the sample does no harm here."""
    reader = csv.reader(lines, delimiter=dialect.delimiter, skipinitialspace=dialect.spaced)
    rows = []
    with suppress(csv.Error):  # the strict reading names the line
        rows.extend(row for row in reader if any(cell.strip() for cell in row))
    return rows or [lines[0].split(dialect.delimiter)]


def _read_slowly(name: str, data: bytes, dialect: Dialect, form: Format) -> Sheet:
    """Read row by row, which finds and names any row that does not fit."""
    rows = Rows(name, dialect, form.header, form.lenient)
    header, cells, lines = rows.read(data)
    names, choices = column_names(name, rows.first_line, header, len(cells))
    columns: dict[str, Column] = dict(zip(names, cells, strict=True))
    return Sheet(name, columns, lines, dialect.decimal, True, dialect.choices + choices)
