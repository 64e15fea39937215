"""The raw table: named columns as they were read, before any of them has a role."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from forecast.data.numbers import Numbers, parse_numbers, show
from forecast.errors import TableError, closest

Column = np.ndarray | pd.DatetimeIndex


@dataclass(frozen=True)
class Choice:
    """One decision that was guessed rather than asked for.

    Args:
        what: The thing decided, such as ``"time column"``.
        value: What it was decided to be.
        flag: Command-line flag that changes it; empty for a notice that no flag changes.
        why: Short reason.

    Example:
        >>> print(Choice("time column", "'ds'", "--time", "every cell is a date"))
        time column: 'ds', because every cell is a date (--time)
    """

    what: str
    value: str
    flag: str
    why: str = ""

    def __str__(self) -> str:
        reason = f", because {self.why}" if self.why else ""
        return f"{self.what}: {self.value}{reason}" + (f" ({self.flag})" if self.flag else "")


@dataclass(frozen=True)
class Sheet:
    """Columns of equal length under the names of a header.

    Args:
        source: What messages call the table: a file name, or ``"the table"``.
        columns: Arrays by name: text as objects of ``str`` (an empty text is a missing cell), numbers,
            booleans, or a ``DatetimeIndex``.
        lines: 1-based line in the file of each row; None when the rows did not come from a text file.
        decimal: Decimal mark of numbers that are still text.
        escaped: Whether text may carry the leading ``'`` that ``write_table`` adds.
        choices: What was guessed while reading.
    """

    source: str
    columns: dict[str, Column]
    lines: np.ndarray | None = None
    decimal: str = "."
    escaped: bool = False
    choices: tuple[Choice, ...] = ()
    _parsed: dict[str, Numbers] = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in the order of the file."""
        return tuple(self.columns)

    def numbers(self, name: str) -> Numbers:
        """Return the column read as numbers; the work is done once."""
        if name not in self._parsed:
            self._parsed[name] = parse_numbers(self.columns[name], self.decimal)
        return self._parsed[name]

    def spot(self, row: int) -> str:
        """Name a row as a reader would find it: lines of files count from 1, rows of frames from 0."""
        return f"row {row}" if self.lines is None else f"line {int(self.lines[row])}"

    def place(self, row: int | None = None, column: str | None = None) -> str:
        """Name a cell, a row, a column or the whole table for a message."""
        parts = [self.source]
        if row is not None:
            parts.append(self.spot(row))
        if column is not None:
            parts.append(f"column {show(column)}")
        return ", ".join(parts)

    def pair(self, first: int, second: int, column: str | None = None) -> str:
        """Name two rows for a message."""
        kind, one, two = (
            ("rows", first, second) if self.lines is None else ("lines", *self.lines[[first, second]])
        )
        where = f"{self.source}, {kind} {int(one)} and {int(two)}"
        return where if column is None else f"{where}, column {show(column)}"

    def said(self, row: int, column: str) -> str:
        """Name a cell and show it, as the beginning of a message."""
        return f"{self.place(row, column)}: {self.cell(row, column)}"

    def cell(self, row: int, column: str) -> str:
        """Show one cell for a message."""
        return show(self.columns[column][row])

    def check_name(self, name: str, role: str) -> str:
        """Return ``name`` when there is such a column, else refuse it with the nearest one."""
        if name in self.columns:
            return name
        raise TableError(
            f"{self.source}: there is no column {show(name)} for {role}.{closest(name, self.names)} "
            f"The columns are {listed(self.names)}."
        )

    def with_choices(self, *more: Choice) -> Sheet:
        """Return the same sheet with further choices recorded."""
        return replace(self, choices=self.choices + more)


def listed(names: tuple[str, ...] | list[str], most: int = 8) -> str:
    """List names for a message, at most ``most`` of them.

    Example:
        >>> listed(["a", "b", "c"], most=2)
        "'a', 'b' and 1 more"
    """
    shown = ", ".join(show(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
