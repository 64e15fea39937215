"""Many series in two arrays: values laid end to end on a regular grid, and where each begins."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from forecast.data.columns import Columns
from forecast.data.frequency import Step
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
        return np.maximum(ends, self.offsets[:-1])

    def series(self, i: int) -> np.ndarray:
        """View of one series' values, shape ``(length, channels)``."""
        return self.values[self.offsets[i] : self.offsets[i + 1]]

    def time_at(self, i: int, row: int) -> object:
        """Time of an absolute row of series ``i`` (rows past its end continue the step)."""
        return self.step.shift(self.starts[i], int(row - self.offsets[i]))

    def times_at(self, rows: np.ndarray) -> pd.Index:
        """Time of one absolute row per series (past a series' end the step goes on), shape ``(series,)``."""
        steps = rows - self.offsets[:-1]
        if self.step.kind == "integer":
            return pd.Index(np.asarray(self.starts) + steps * self.step.count)
        if self.step.kind == "tick" and steps.max(initial=0) < 2**62 // self.step.count:
            return self.starts + pd.to_timedelta(steps * self.step.count, unit="ns")
        return pd.Index([self.step.shift(start, int(k)) for start, k in zip(self.starts, steps, strict=True)])

    def cut(self, ends: np.ndarray) -> Panel:
        """Keep only rows before the absolute row ``ends[i]`` of each series; empty series are dropped.

        A single series is a view; several are copied.
        """
        ends = np.minimum(np.asarray(ends, dtype=np.int64), self.offsets[1:])
        lengths = np.maximum(ends - self.offsets[:-1], 0)
        if not lengths.any():
            raise ParameterError("No row of any series lies before the cut.")
        kept = np.flatnonzero(lengths)
        if len(self) == 1:
            rows: slice | np.ndarray = slice(0, int(lengths[0]))
        else:
            rows = np.arange(self.rows) < np.repeat(ends, self.lengths)
        return replace(
            self,
            values=self.values[rows],
            present=self.present[rows],
            offsets=np.concatenate([[0], np.cumsum(lengths[kept])]),
            ids=tuple(self.ids[i] for i in kept),
            starts=self.starts[kept],
            static=self.static.iloc[kept].reset_index(drop=True),
        )

    def before(self, cutoff: object) -> Panel:
        """Keep only rows whose time lies before ``cutoff``.

        Args:
            cutoff: A timestamp (anything ``pandas.Timestamp`` reads) or, for integer time, a number.
        """
        if self.step.kind != "integer":
            cutoff = _in_zone(pd.Timestamp(cutoff), self.starts)  # type: ignore[arg-type]
        inside = np.asarray(self.times() < cutoff)
        counts = np.add.reduceat(inside.astype(np.int64), self.offsets[:-1])
        return self.cut(self.offsets[:-1] + counts)

    def select(self, which: np.ndarray) -> Panel:
        """Keep only the series with these numbers, in this order."""
        rows = np.concatenate([np.arange(self.offsets[i], self.offsets[i + 1]) for i in which])
        return replace(
            self,
            values=self.values[rows],
            present=self.present[rows],
            offsets=np.concatenate([[0], np.cumsum(self.lengths[which])]),
            ids=tuple(self.ids[i] for i in which),
            starts=self.starts[which],
            static=self.static.iloc[which].reset_index(drop=True),
        )

    def tail(self, rows: int) -> Panel:
        """Keep only the last ``rows`` rows of each series' past, and its future rows."""
        begins = np.maximum(self.ends - rows, self.offsets[:-1])
        keep = np.arange(self.rows) >= np.repeat(begins, self.lengths)
        return replace(
            self,
            values=self.values[keep],
            present=self.present[keep],
            offsets=np.concatenate([[0], np.cumsum(self.offsets[1:] - begins)]),
            starts=self.times_at(begins),
        )

    def times(self) -> pd.Index:
        """Time of every row, shape ``(rows,)``."""
        return grid_times(self.step, self.starts, self.lengths)

    def to_table(self) -> pd.DataFrame:
        """Return the rows that the table had: id, time, numeric columns, static columns."""
        number = np.repeat(np.arange(len(self)), self.lengths)[self.present]
        frame = {}
        if self.columns.id is not None:
            frame[self.columns.id] = np.array(self.ids, dtype=object)[number]
        if self.columns.time is not None:
            frame[self.columns.time] = self.times()[self.present]
        for j, name in enumerate(self.columns.numeric):
            frame[name] = self.values[self.present, j]
        for name in self.columns.static:
            frame[name] = self.static[name].to_numpy()[number]
        table = pd.DataFrame(frame)
        return table.infer_objects() if self.columns.id is not None else table


def grid_times(step: Step, starts: pd.Index, lengths: np.ndarray) -> pd.Index:
    """Return the times of several series end to end: ``lengths[i]`` steps from ``starts[i]`` on."""
    if len(starts) == 1:
        return step.times(starts[0], int(lengths[0]))
    unique, group = np.unique(starts.asi8 if isinstance(starts, pd.DatetimeIndex) else starts, return_inverse=True)
    first = np.array([np.flatnonzero(group == g)[0] for g in range(len(unique))]) if len(unique) < 2000 else None
    if first is None or step.kind in ("tick", "integer"):
        return _even_times(step, starts, lengths) if step.kind in ("tick", "integer") else _each(step, starts, lengths)
    grids = [step.times(starts[f], int(lengths[group == g].max())) for g, f in enumerate(first)]
    if len(grids) == 1:
        within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return grids[0][within]
    return _concat([grids[g][:n] for g, n in zip(group, lengths, strict=True)])


def _even_times(step: Step, starts: pd.Index, lengths: np.ndarray) -> pd.Index:
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    if step.kind == "integer":
        return pd.Index(np.repeat(np.asarray(starts), lengths) + within * step.count)
    stamps = pd.DatetimeIndex(starts).as_unit("ns")
    ticks = pd.DatetimeIndex(np.repeat(stamps.asi8, lengths) + within * step.count).as_unit("ns")
    return ticks if stamps.tz is None else ticks.tz_localize("UTC").tz_convert(stamps.tz)


def _each(step: Step, starts: pd.Index, lengths: np.ndarray) -> pd.Index:
    return _concat([step.times(s, int(n)) for s, n in zip(starts, lengths, strict=True)])


def _concat(parts: list[pd.Index]) -> pd.Index:
    return parts[0].append(parts[1:])


def _in_zone(stamp: pd.Timestamp, starts: pd.Index) -> pd.Timestamp:
    zone = starts.tz if isinstance(starts, pd.DatetimeIndex) else None
    if (stamp.tz is None) == (zone is None):
        return stamp
    if zone is not None:
        return stamp.tz_localize(zone)
    raise ParameterError(f"Cutoff {stamp} has a time zone and the table's times have none.")
