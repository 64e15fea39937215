"""Many series in two arrays: values laid end to end on a regular grid, and where each begins."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from forecast.data.columns import Columns
from forecast.data.step import Step
from forecast.errors import ParameterError


@dataclass(frozen=True, eq=False)
class Panel:
    """Checked series on a regular grid; rows that the table lacks are present as missing values.

    Args:
        values: float64, shape ``(rows, channels)``, NaN where missing; channels are
            ``columns.numeric`` (targets, then known-future, then past-only).
        offsets: int64, shape ``(series + 1,)``: series ``i`` is ``values[offsets[i]:offsets[i + 1]]``.
        ids: One id per series, sorted.
        starts: Time of each series' first row.
        step: Distance between two rows.
        columns: Names by role.
        static: One row per series, one column per static covariate.
        present: bool, shape ``(rows,)``: False where the table had no such row (a gap).

    The arrays of a panel made by ``to_panel`` or by the methods below are read-only and shared with no table.

    Example:
        >>> from forecast.data.gridding import to_panel
        >>> from forecast.data.table import read_table
        >>> table = read_table({"day": ["2024-01-01", "2024-01-02", "2024-01-04"], "y": [1.0, 2.0, 4.0]})
        >>> panel = to_panel(table)
        >>> panel.values[:, 0], panel.present
        (array([ 1.,  2., nan,  4.]), array([ True,  True, False,  True]))
        >>> panel.before(pd.Timestamp("2024-01-03")).to_table()["y"].tolist()
        [1.0, 2.0]
    """

    values: np.ndarray
    offsets: np.ndarray
    ids: tuple
    starts: pd.Index
    step: Step
    columns: Columns
    static: pd.DataFrame
    present: np.ndarray

    def __len__(self) -> int:
        """Number of series."""
        return len(self.ids)

    @property
    def rows(self) -> int:
        """Number of grid rows of all series."""
        return len(self.values)

    @property
    def lengths(self) -> np.ndarray:
        """Grid rows of each series, shape ``(series,)``."""
        return np.diff(self.offsets)

    @property
    def targets(self) -> np.ndarray:
        """View of the target channels, shape ``(rows, targets)``."""
        return self.values[:, : len(self.columns.target)]

    @cached_property
    def ends(self) -> np.ndarray:
        """Row after each series' last observed target: rows from here on are its future, shape ``(series,)``.

        A series without any observed target ends where it begins.
        """
        observed = np.flatnonzero(~np.isnan(self.targets).all(axis=1))
        last = np.searchsorted(observed, self.offsets[1:]) - 1
        ends = np.where(last >= 0, observed[np.maximum(last, 0)] + 1 if len(observed) else 0, 0)
        return frozen(np.maximum(ends, self.offsets[:-1]))

    def series(self, i: int) -> np.ndarray:
        """View of one series' values, shape ``(length, channels)``."""
        return self.values[self.offsets[i] : self.offsets[i + 1]]

    def time_at(self, i: int, row: int) -> object:
        """Time of an absolute row of series ``i`` (rows past its end continue the step)."""
        return self.step.shift(self.starts[i], int(row - self.offsets[i]))

    def times_at(self, rows: np.ndarray) -> pd.Index:
        """Time of one absolute row per series (past a series' end the step goes on), shape ``(series,)``."""
        return self.step.advance(self.starts, np.asarray(rows) - self.offsets[:-1])

    def cut(self, ends: np.ndarray) -> Panel:
        """Keep only rows before the absolute row ``ends[i]`` of each series; empty series are dropped.

        A single series is a view; several are copied.

        Raises:
            ParameterError: Nothing is left.
        """
        ends = np.minimum(np.asarray(ends, dtype=np.int64), self.offsets[1:])
        lengths = np.maximum(ends - self.offsets[:-1], 0)
        if not lengths.any():
            raise ParameterError("No row of any series lies before the cut; cut later.")
        if len(self) == 1:
            return self._keep(slice(0, int(lengths[0])), np.array([0]), lengths)
        return self._keep(
            np.arange(self.rows) < np.repeat(ends, self.lengths), np.flatnonzero(lengths), lengths
        )

    def before(self, cutoff: object) -> Panel:
        """Keep only rows whose time lies before ``cutoff``; series without such a row are dropped.

        Args:
            cutoff: A timestamp (anything ``pandas.Timestamp`` reads; in the table's time zone if it names none)
                or, for integer time, a number.

        Raises:
            ParameterError: It is neither, or no row lies before it.
        """
        counts = self.rows_before(cutoff)
        if not counts.any():
            raise ParameterError(
                f"No row lies before the cutoff {cutoff}; the first is at {self.starts.min()}."
            )
        return self.cut(self.offsets[:-1] + counts)

    def rows_before(self, cutoff: object) -> np.ndarray:
        """Count the rows of each series whose time lies before ``cutoff``, shape ``(series,)``; see ``before``."""
        limit = _as_cutoff(cutoff, self.starts, self.step.kind == "integer")
        inside = np.concatenate([[0], np.cumsum(np.asarray(self.times() < limit))])
        return np.diff(inside[self.offsets])

    def select(self, which: np.ndarray) -> Panel:
        """Keep only the series with these numbers, in this order."""
        which = np.asarray(which, dtype=np.int64)
        lengths = self.lengths[which]
        rows = np.repeat(self.offsets[which], lengths) + within(lengths)
        return self._keep(rows, which, self.lengths)

    def tail(self, rows: int) -> Panel:
        """Keep only the last ``rows`` rows of each series' past, at least 1, and its future rows."""
        if rows < 1:
            raise ParameterError(f"rows must be at least 1; got {rows}.")
        begins = np.maximum(self.ends - rows, self.offsets[:-1])
        keep = np.arange(self.rows) >= np.repeat(begins, self.lengths)
        kept = self._keep(keep, np.arange(len(self)), self.offsets[1:] - begins)
        return replace(kept, starts=self.times_at(begins))

    def _keep(self, rows: slice | np.ndarray, series: np.ndarray, lengths: np.ndarray) -> Panel:
        """Return a panel of some rows and series, given the new length of every series of this one."""
        return replace(
            self,
            values=frozen(self.values[rows]),
            present=frozen(self.present[rows]),
            offsets=frozen(np.concatenate([[0], np.cumsum(lengths[series])])),
            ids=tuple(self.ids[i] for i in series),
            starts=self.starts[series],
            static=self.static.iloc[series].reset_index(drop=True),
        )

    def times(self) -> pd.Index:
        """Time of every row, shape ``(rows,)``."""
        return grid_times(self.step, self.starts, self.lengths)

    def to_table(self) -> pd.DataFrame:
        """Return the rows that the table had, under its column names, as ``Table.frame`` holds them."""
        number = np.repeat(np.arange(len(self)), self.lengths)[self.present]
        frame: dict[str, object] = {}
        if self.columns.time is not None:
            frame[self.columns.time] = self.times()[self.present]
        if self.columns.id is not None:
            frame[self.columns.id] = _spread(list(self.ids), number)
        for j, name in enumerate(self.columns.numeric):
            frame[name] = self.values[self.present, j]
        for name in self.columns.static:
            frame[name] = _spread(self.static[name].tolist(), number)
        return pd.DataFrame(frame, index=pd.RangeIndex(len(number)))


def grid_times(step: Step, starts: pd.Index, lengths: np.ndarray) -> pd.Index:
    """Return the times of several series end to end: ``lengths[i]`` steps from ``starts[i]`` on.

    Example:
        >>> from forecast.data.step import parse_step
        >>> grid_times(parse_step(2), pd.Index([0, 5]), np.array([3, 2])).tolist()
        [0, 2, 4, 5, 7]
    """
    if len(starts) == 1:
        return step.times(starts[0], int(lengths[0]))
    return step.advance(starts.repeat(lengths), within(lengths))


def within(lengths: np.ndarray) -> np.ndarray:
    """Count the rows of each of several series laid end to end: 0, 1, 2, … 0, 1, …"""
    ends = np.cumsum(lengths)
    return np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - lengths, lengths)


def frozen(array: np.ndarray) -> np.ndarray:
    """Return the array after making it read-only."""
    array.flags.writeable = False
    return array


def _spread(values: list, number: np.ndarray) -> pd.Series:
    """Give each row its series' value; text stays a column of objects under every version of pandas."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    if all(isinstance(v, int | np.integer) for v in values):
        array = array.astype(np.int64)
    elif all(isinstance(v, float | np.floating) for v in values):
        array = array.astype(np.float64)
    return pd.Series(array[number], dtype=array.dtype)


def _as_cutoff(cutoff: object, starts: pd.Index, integer: bool) -> object:
    """Return a cutoff that can be compared with a panel's times."""
    number = isinstance(cutoff, int | float | np.integer | np.floating) and not isinstance(cutoff, bool)
    if integer:
        if not number:
            raise ParameterError(f"Cutoff {cutoff!r} must be a number, as the table's times are.")
        return cutoff
    try:
        stamp = pd.NaT if number else pd.Timestamp(cutoff)  # type: ignore[arg-type]
    except (ValueError, TypeError):
        stamp = pd.NaT
    if stamp is pd.NaT:
        raise ParameterError(
            f"Cutoff {cutoff!r} is no time; give one such as 2024-01-31 or 2024-01-31 12:00."
        )
    zone = starts.tz if isinstance(starts, pd.DatetimeIndex) else None
    if (stamp.tz is None) == (zone is None):
        return stamp
    if zone is None:
        raise ParameterError(
            f"Cutoff {stamp} has a time zone and the table's times have none; give it without one."
        )
    return stamp.tz_localize(zone, ambiguous=True, nonexistent="shift_forward")
