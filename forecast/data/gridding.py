"""From a checked table to a panel: find the step, lay every row on the grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from forecast.data.frequency import infer_step, snap
from forecast.data.panel import Panel, frozen
from forecast.data.step import Step, parse_step
from forecast.data.table import Choice, Table
from forecast.errors import TableError

# A grid this many times longer than the table means a wrong step or a wrong time, not sparse data.
_MOST_GAPS = 50


def to_panel(table: Table, *, step: str | int | Step | None = None, snapped: bool = False) -> Panel:
    """Lay a table's rows on a regular grid; missing rows become NaN and are remembered as gaps.

    Args:
        table: A table from ``read_table``.
        step: Distance between rows; None infers it from the times.
        snapped: Round times to the nearest step first (clocks that jitter).

    Raises:
        TableError: A row lies between two steps; the message names it.

    Example:
        >>> from forecast.data.table import read_table
        >>> panel = to_panel(read_table({"t": [1, 2, 5], "y": [1.0, 2.0, 3.0]}, time="t", target=("y",)))
        >>> panel.lengths, str(panel.step)
        (array([5]), '1')
    """
    rows = _rows(table)
    found = _inferred(rows, snapped) if step is None else _parsed(step, rows.times)
    if snapped and isinstance(rows.times, pd.DatetimeIndex):
        rows = _Rows(table, rows.number, rows.ids, rows.begins, snap(rows.times, found))
    position = found.positions(rows.times, rows.times[rows.begins][rows.number])
    _check_grid(rows, found, position, snapped)
    return _fill(rows, found, position.astype(np.int64))


def infer(table: Table, *, snapped: bool = False) -> Step:
    """Infer the step of a table's times.

    Raises:
        TableError: No step fits; the message names the file.
    """
    return _inferred(_rows(table), snapped)


def step_choice(step: Step) -> Choice:
    """Describe an inferred step."""
    return Choice("step", f"{step} ({step.words})", "--step", "most common distance between rows")


@dataclass(frozen=True)
class _Rows:
    """A table's rows in order: series number and time of each, and where each series begins."""

    table: Table
    number: np.ndarray
    ids: tuple
    begins: np.ndarray
    times: pd.DatetimeIndex | np.ndarray

    def place(self, row: int) -> str:
        """File, line and series of a row, for messages."""
        line = "" if self.table.lines is None else f", line {self.table.lines[row]}"
        series = "" if self.table.columns.id is None else f", series {self.ids[self.number[row]]!r}"
        return f"{self.table.source}{line}{series}"


def _rows(table: Table) -> _Rows:
    frame, columns = table.frame, table.columns
    number, ids = np.zeros(len(frame), dtype=np.int64), (None,)
    if columns.id is not None:
        number, names = pd.factorize(frame[columns.id], sort=False)
        number, ids = number.astype(np.int64), tuple(names.tolist())
    begins = np.flatnonzero(np.diff(number, prepend=-1))
    if columns.time is None:
        return _Rows(table, number, ids, begins, np.arange(len(number)) - begins[number])
    times = frame[columns.time]
    if not pd.api.types.is_integer_dtype(times.dtype):
        return _Rows(table, number, ids, begins, pd.DatetimeIndex(times).as_unit("ns"))
    found = times.to_numpy(dtype=np.int64)
    if int(found.max()) - int(found.min()) >= 2**62:
        raise TableError(
            f"{table.source}, column {columns.time!r}: the numbers lie too far apart to be times."
        )
    return _Rows(table, number, ids, begins, found)


def _inferred(rows: _Rows, snapped: bool) -> Step:
    table = rows.table
    if table.columns.time is None:
        return Step("integer", 1)
    try:
        return infer_step(rows.times, rows.number, snapped=snapped)
    except TableError as error:
        raise TableError(f"{table.source}, column {table.columns.time!r}: {error}") from None


def _parsed(step: str | int | Step, times: pd.DatetimeIndex | np.ndarray) -> Step:
    parsed = step if isinstance(step, Step) else parse_step(step)
    if (parsed.kind == "integer") != (not isinstance(times, pd.DatetimeIndex)):
        kind = "timestamps" if isinstance(times, pd.DatetimeIndex) else "whole numbers"
        raise TableError(f"Step {str(parsed)!r} does not suit a time column of {kind}; pass another --step.")
    return parsed


def _check_grid(rows: _Rows, step: Step, position: np.ndarray, snapped: bool) -> None:
    bad = np.isnan(position)
    if bad.any():
        row = int(bad.argmax())
        begin = int(rows.begins[rows.number[row]])
        mates = rows.number == rows.number[row]
        # Positions count from the first row of a series: where nearly all rows miss the grid, that one is odd.
        row = begin if bad[mates].mean() > 0.9 else row
        hint = "" if snapped else ", or --snap to round jittering times"
        if getattr(rows.times, "tz", None) is not None and step.seconds > 3_600:
            hint += ", or another --timezone if the times follow the clocks of one"
        raise TableError(
            f"{rows.place(row)}: time {rows.times[row]} lies between two steps of {step} ({step.words}); pass "
            f"--step with the true step{hint}."
        )
    again = (np.diff(position) == 0) & (np.diff(rows.number) == 0)
    if again.any():
        row = int(again.argmax()) + 1
        raise TableError(
            f"{rows.place(row)}: two rows fall on the same step {rows.times[row]} of {step} ({step.words}); pass a "
            "smaller --step."
        )


def _fill(rows: _Rows, step: Step, position: np.ndarray) -> Panel:
    table, columns = rows.table, rows.table.columns
    stops = np.append(rows.begins[1:], len(position))
    offsets = np.concatenate([[0], np.cumsum(position[stops - 1] + 1)])
    if offsets[-1] > _MOST_GAPS * max(len(position), 1_000):
        raise TableError(_mostly_gaps(rows, step, position, int(offsets[-1])))
    place = position + offsets[rows.number]
    values = np.full((offsets[-1], len(columns.numeric)), np.nan)
    for j, name in enumerate(columns.numeric):
        values[place, j] = table.frame[name].to_numpy(dtype=np.float64)
    present = np.zeros(offsets[-1], dtype=bool)
    present[place] = True
    static = table.frame[list(columns.static)].iloc[rows.begins].reset_index(drop=True)
    starts = pd.Index(rows.times[rows.begins])
    return Panel(frozen(values), frozen(offsets), rows.ids, starts, step, columns, static, frozen(present))


def _mostly_gaps(rows: _Rows, step: Step, position: np.ndarray, length: int) -> str:
    gaps = np.where(np.diff(rows.number) == 0, np.diff(position), 0)
    row = int(gaps.argmax())
    return (
        f"{rows.place(row + 1)}: at a step of {step} ({step.words}) the {len(position):,} rows span {length:,} steps, "
        f"nearly all of them missing; the longest gap is from {rows.times[row]} to {rows.times[row + 1]}. Correct "
        "these times or pass the true --step."
    )
