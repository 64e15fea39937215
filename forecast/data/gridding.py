"""From a checked table to a panel: find the step, lay every row on the grid."""

from __future__ import annotations

import numpy as np
import pandas as pd

from forecast.data.frequency import Step, infer_step, parse_step, snap
from forecast.data.panel import Panel
from forecast.data.table import Choice, Table
from forecast.errors import TableError

# A grid this many times longer than the table means the step is wrong, not the data sparse.
_MOST_GAPS = 200


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
    frame, columns = table.frame, table.columns
    number, ids = _series(frame, columns.id)
    times = _times(frame, columns.time, number)
    found = infer(table) if step is None else _parsed(step, times)
    if snapped and isinstance(times, pd.DatetimeIndex):
        times = snap(times, found)
    offsets = np.concatenate([[0], np.flatnonzero(np.diff(number)) + 1, [len(number)]])
    position = _positions(found, times, number, offsets)
    _check_grid(table, found, times, number, position)
    return _fill(table, found, times, position, offsets, ids)


def infer(table: Table) -> Step:
    """Infer the step of a table's times.

    Raises:
        TableError: No step fits; the message names the file.
    """
    number, _ = _series(table.frame, table.columns.id)
    if table.columns.time is None:
        return Step("integer", 1)
    try:
        return infer_step(_times(table.frame, table.columns.time, number), number)
    except TableError as error:
        raise TableError(f"{table.source}, column {table.columns.time!r}: {error}") from None


def step_choice(step: Step) -> Choice:
    """Describe an inferred step."""
    return Choice("step", f"{step} ({step.words})", "--step", "most common distance between rows")


def _series(frame: pd.DataFrame, name: str | None) -> tuple[np.ndarray, tuple]:
    if name is None:
        return np.zeros(len(frame), dtype=np.int64), (None,)
    number, ids = pd.factorize(frame[name], sort=False)
    return number.astype(np.int64), tuple(ids.tolist())


def _times(frame: pd.DataFrame, name: str | None, number: np.ndarray) -> pd.DatetimeIndex | np.ndarray:
    if name is None:
        first = np.flatnonzero(np.diff(number, prepend=-1))
        return np.arange(len(number), dtype=np.int64) - first[number]
    if pd.api.types.is_integer_dtype(frame[name].dtype):
        return frame[name].to_numpy(dtype=np.int64)
    return pd.DatetimeIndex(frame[name]).as_unit("ns")


def _parsed(step: str | int | Step, times: pd.DatetimeIndex | np.ndarray) -> Step:
    parsed = step if isinstance(step, Step) else parse_step(step)
    if (parsed.kind == "integer") != (not isinstance(times, pd.DatetimeIndex)):
        kind = "timestamps" if isinstance(times, pd.DatetimeIndex) else "whole numbers"
        raise TableError(f"Step {str(parsed)!r} does not suit a time column of {kind}; pass another --step.")
    return parsed


def _positions(
    step: Step, times: pd.DatetimeIndex | np.ndarray, number: np.ndarray, offsets: np.ndarray
) -> np.ndarray:
    """Count steps from each series' start; one vectorised pass where the series share a grid."""
    position = step.positions(times, times.min())
    stray = np.unique(number[np.isnan(position)])
    for i in stray:
        rows = slice(offsets[i], offsets[i + 1])
        position[rows] = step.positions(times[rows], times[offsets[i]])
    return position - position[offsets[:-1]][number]


def _check_grid(table: Table, step: Step, times: pd.Index | np.ndarray, number: np.ndarray, position: np.ndarray) -> None:
    bad = np.isnan(position)
    # The first row of a series is position 0 by definition, so the row named is one a user can look at.
    if bad.any():
        row = int(bad.argmax())
        raise TableError(
            f"{_place(table, row)}: time {times[row]} lies between two steps of {step} ({step.words}); "
            "pass --step with the true step, or --snap to round jittering times."
        )
    again = (np.diff(position) == 0) & (np.diff(number) == 0)
    if again.any():
        row = int(again.argmax()) + 1
        raise TableError(f"{_place(table, row)}: two rows fall on the same step {times[row]}; pass a smaller --step.")


def _place(table: Table, row: int) -> str:
    line = "" if table.lines is None else f", line {table.lines[row]}"
    series = "" if table.columns.id is None else f", series {table.frame[table.columns.id].iloc[row]!r}"
    return f"{table.source}{line}{series}"


def _fill(
    table: Table, step: Step, times: pd.Index | np.ndarray, position: np.ndarray, starts_at: np.ndarray, ids: tuple
) -> Panel:
    frame, columns = table.frame, table.columns
    place = position.astype(np.int64)
    lengths = place[starts_at[1:] - 1] + 1
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    if offsets[-1] > _MOST_GAPS * max(len(frame), 1_000):
        raise TableError(
            f"{table.source}: at a step of {step} the {len(frame):,} rows span {offsets[-1]:,} steps, nearly all "
            "of them missing; pass the true --step."
        )
    values = frame[list(columns.numeric)].to_numpy(dtype=np.float64)
    present = np.ones(len(frame), dtype=bool)
    if offsets[-1] > len(frame):
        rows = place + np.repeat(offsets[:-1], np.diff(starts_at))
        grid = np.full((offsets[-1], values.shape[1]), np.nan)
        grid[rows] = values
        present = np.zeros(offsets[-1], dtype=bool)
        present[rows] = True
        values = grid
    values = np.ascontiguousarray(values)
    values.flags.writeable = False
    first = starts_at[:-1]
    static = frame[list(columns.static)].iloc[first].reset_index(drop=True)
    return Panel(values, offsets, ids, pd.Index(times[first]), step, columns, static, present)
