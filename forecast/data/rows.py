"""Rows of a delimited text file, one by one, each as long as the header or refused by its line."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from forecast.data.numbers import show
from forecast.data.sniff import Dialect
from forecast.errors import TableError


def strict_reader(data: bytes, dialect: Dialect) -> Any:
    """Return a ``csv.reader`` over lines ending in LF, CR LF or CR that refuses stray quotation marks."""
    text = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", newline="")
    return csv.reader(text, delimiter=dialect.delimiter, skipinitialspace=dialect.spaced, strict=True)


@dataclass
class Rows:
    """Reads all rows; a short-lived worker rather than a value.

    Args:
        name: What messages call the file.
        dialect: How the file is written.
        header: Whether the first row holds names.
        lenient: Whether short rows are filled.
    """

    name: str
    dialect: Dialect
    header: bool = True
    lenient: bool = False
    head: list[str] | None = None
    first_line: int = 0
    width: int = -1
    needed: int = 0
    rows: list[list[str]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    hollow: set[int] = field(default_factory=set)

    def read(self, data: bytes) -> tuple[list[str] | None, list[np.ndarray], np.ndarray]:
        """Return the header (None without one), the columns as text, and the line of each of their cells.

        Blank lines are skipped, save in a file of one column, where one between two rows is a missing cell.

        Args:
            data: The file in UTF-8.

        Raises:
            TableError: A row is longer or shorter than the header, or a quotation mark is never closed.
        """
        reader, line = strict_reader(data, self.dialect), 1
        try:
            for row in reader:
                if len(row) == self.width:
                    self._keep(row, line)
                else:
                    self._odd(row, line)
                line = reader.line_num + 1
        except csv.Error as error:
            raise TableError(self._broken(line, str(error))) from None
        self._drop_blank_end()
        columns = [np.array(column, dtype=object) for column in zip(*self.rows, strict=True)]
        none = [np.array([], dtype=object)] * max(self.width, 0)
        return self.head, columns or none, np.array(self.lines, dtype=np.int64)

    def _keep(self, row: list[str], line: int) -> None:
        self.rows.append(row)
        self.lines.append(line)

    def _odd(self, row: list[str], line: int) -> None:
        """Take the first row, skip a blank one, mend or refuse one of another length."""
        blank = not any(cell.strip() for cell in row)
        if self.width < 0:
            if not blank:
                self._start(row, line)
            return
        if blank and len(row) <= 1 and self.width > 1:
            return
        if blank:
            row = [""] * self.width
            self.hollow.add(line)
        if len(row) < self.width and (self.lenient or len(row) >= self.needed):
            row = row + [""] * (self.width - len(row))
        elif len(row) > self.width and not any(cell.strip() for cell in row[self.width :]):
            row = row[: self.width]
        if len(row) != self.width:
            raise TableError(self._wrong_length(row, line))
        self._keep(row, line)

    def _start(self, row: list[str], line: int) -> None:
        self.width, self.first_line = len(row), line
        filled = [i for i, cell in enumerate(row) if cell.strip()]
        self.needed = filled[-1] + 1 if self.header else self.width
        if self.header:
            self.head = row
        else:
            self._keep(row, line)

    def _wrong_length(self, row: list[str], line: int) -> str:
        if row[0].lstrip().startswith("#"):
            return f"{self.name}, line {line}: {show(row[0])} looks like a comment line; remove it."
        got = f"{self.name}, line {line}: {len(row)} cell{'s' if len(row) != 1 else ''}, but "
        expected = (
            f"the {'header' if self.header else 'first row'} in line {self.first_line} has {self.width}"
        )
        if len(row) < self.width:
            return f"{got}{expected}; complete the row, or pass --lenient to fill it with missing cells."
        if self.width == 1 and self.header:
            return f"{got}{expected}; remove lines above the header, or pass --delimiter or --decimal."
        mark = repr(self.dialect.delimiter)
        return f"{got}{expected}; quote cells that contain {mark}, or pass --delimiter or --decimal."

    def _broken(self, line: int, reason: str) -> str:
        where = f"{self.name}, line {line}: "
        if "end of data" in reason or "field larger" in reason:
            return f'{where}a quotation mark (") is opened and never closed.'
        if "expected after" in reason:
            return f'{where}text follows a closing quotation mark ("); double the marks inside a cell.'
        return f"{where}the row cannot be read ({show(reason, 80)})."

    def _drop_blank_end(self) -> None:
        """Drop rows without a value after the last row with one, as spreadsheets leave them."""
        while self.lines and self._ends_blank():
            self.lines.pop()
            self.rows.pop()

    def _ends_blank(self) -> bool:
        if self.width == 1:  # a quoted empty cell is a row with a missing value, a blank line is none
            return self.lines[-1] in self.hollow
        return not any(cell.strip() for cell in self.rows[-1])
