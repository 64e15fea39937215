"""Tables that an evaluation is given, and the forecasts that it returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.data.table import read_table
from forecast.errors import InputError, ParameterError

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Rows:
    """A table or an array whose held-out values can be changed.

    Args:
        values: Targets, then past-only columns, float64; axes: rows, columns.
        names: Of these columns; empty for an array.
        targets: How many of them are targets.
        table: The user's table; None for an array.
        moments: Time of every row, or its number for an array.
        series: Id of every row; one and the same without an id column.
        time: Name of the time column.
        id: Name of the id column.
        flat: Whether the array had a single axis.
    """

    values: Floats
    names: tuple[str, ...]
    targets: int
    table: pd.DataFrame | None
    moments: pd.Index
    series: pd.Index
    time: str | None = None
    id: str | None = None
    flat: bool = False

    def frame(self, values: Floats | None = None) -> Any:
        """Return the table (or array) anew, with other values if given."""
        values = self.values if values is None else values
        if self.table is None:
            return values[:, 0].copy() if self.flat else values.copy()
        return self.table.assign(**dict(zip(self.names, values.T, strict=True)))

    def scrambled(self, starts: pd.Series, way: str, seed: int) -> Any:
        """Change what lies at and behind each series' start: a hundredfold and one more, or noise.

        Args:
            starts: Time by id.
            way: ``"hundredfold"`` or ``"noise"``.
            seed: Of the noise.
        """
        begin = starts.reindex(self.series)
        behind = np.asarray(self.moments >= pd.Index(begin)) & ~np.asarray(begin.isna())
        values = self.values.copy()
        old = values[behind]
        spread = np.nanstd(self.values, axis=0)
        noise = np.random.default_rng(seed).normal(size=old.shape) * np.where(spread > 0, 10 * spread, 1.0)
        values[behind] = 100 * old + 1 if way == "hundredfold" else noise
        return self.frame(values)

    def noise(self, seed: int) -> Any:
        """Replace the targets by white noise of their own mean and spread; gaps stay gaps."""
        values = self.values.copy()
        old = values[:, : self.targets]
        mean, spread = np.nanmean(old, axis=0), np.nanstd(old, axis=0)
        drawn = np.random.default_rng(seed).normal(size=old.shape) * np.where(spread > 0, spread, 1.0) + mean
        values[:, : self.targets] = np.where(np.isnan(old), np.nan, drawn)
        return self.frame(values)


@dataclass(frozen=True, eq=False)
class Outcome:
    """Forecasts of an evaluation.

    Args:
        values: Axes: forecasts, columns.
        moments: Time of each forecast.
        series: Its id.
        fold: Number of its cutoff.
        cutoffs: What each cutoff is called, in order of time.
    """

    values: Floats
    moments: pd.Index
    series: pd.Index
    fold: NDArray[np.int64]
    cutoffs: tuple[object, ...]

    @property
    def held_out(self) -> int:
        """Rows that were forecast, each once."""
        return len(self._keys(fold=False).unique())

    def some_cutoffs(self) -> list[int]:
        """Number the first, a middle and the last cutoff, each once."""
        last = len(self.cutoffs) - 1
        return sorted({0, last // 2, last})

    def starts(self, place: int) -> pd.Series:
        """First forecast time of every series at a cutoff; series that are absent there follow the earliest."""
        chosen = self.fold == place
        times = pd.Series(self.moments[chosen])
        first = times.groupby(np.asarray(self.series[chosen])).min()
        others = self.series.unique().difference(first.index)
        return pd.concat([first, pd.Series(times.min(), index=others)]) if len(others) else first

    def up_to(self, place: int) -> Outcome:
        """Keep the forecasts of cutoffs up to this one."""
        return self._taken(np.flatnonzero(self.fold <= place))

    def like(self, other: Outcome) -> Outcome:
        """Put the forecasts into the order of another run.

        Raises:
            InputError: They are not forecasts of the same rows.
        """
        mine, theirs = self._keys(), other._keys()
        if len(mine) != len(theirs) or not mine.is_unique or set(mine) != set(theirs):
            raise InputError(
                "Two runs of the evaluation forecast different rows, or one row twice; name the column that tells "
                "folds apart with cutoff=."
            )
        return self._taken(mine.get_indexer(theirs))

    def actual(self, rows: Rows, table: Any) -> Floats:
        """Look up the first target of every forecast row; axes: forecasts."""
        first = table if rows.flat else table[:, 0] if rows.table is None else table[rows.names[0]].to_numpy()
        known = pd.MultiIndex.from_arrays([rows.series, rows.moments])
        place = known.get_indexer(self._keys(fold=False))
        return np.where(place >= 0, np.asarray(first, np.float64)[place], np.nan)

    def _keys(self, *, fold: bool = True) -> pd.MultiIndex:
        parts: list[Any] = [self.series, self.moments]
        return pd.MultiIndex.from_arrays([*parts, self.fold] if fold else parts)

    def _taken(self, which: np.ndarray) -> Outcome:
        return replace(
            self,
            values=self.values[which],
            moments=self.moments[which],
            series=self.series[which],
            fold=self.fold[which],
        )


def largest_difference(one: Outcome, other: Outcome) -> float:
    """Largest difference of forecasts of the same rows: 0 for equal bits, infinite where only one is missing."""
    a, b = one.values, other.like(one).values
    if np.array_equal(a, b, equal_nan=True):
        return 0.0
    if (np.isnan(a) != np.isnan(b)).any():
        return float("inf")
    return float(np.nanmax(np.abs(a - b)))


def read_rows_of(
    table: Any,
    *,
    time: str | None,
    id: str | None,
    target: str | Sequence[str],
    past_only: str | Sequence[str],
) -> Rows:
    """Take a table or an array apart into what may be changed and what tells rows apart.

    Raises:
        InputError: It cannot be read, or has no time column.
    """
    if isinstance(table, np.ndarray | list | tuple):
        values = np.asarray(table, dtype=np.float64)
        if values.ndim not in (1, 2) or not len(values):
            raise InputError(f"An array must have one or two axes (rows, targets); got shape {values.shape}.")
        columns = values.reshape(len(values), -1)
        places, one = pd.RangeIndex(len(values)), pd.Index([0] * len(values))
        return Rows(columns, (), columns.shape[1], None, places, one, flat=values.ndim == 1)
    past = (past_only,) if isinstance(past_only, str) else tuple(past_only)
    read = read_table(table, time=time, id=id, target=target, past_only=past or ("none",))
    if read.columns.time is None:
        raise InputError(
            "The table has no time column, by which forecasts are found again; name it with time=."
        )
    frame = table.copy() if isinstance(table, pd.DataFrame) else read.frame
    names = (*read.columns.target, *past)
    series = pd.Index([0] * len(frame)) if read.columns.id is None else _texts(frame[read.columns.id])
    return Rows(
        values=frame[list(names)].to_numpy(dtype=np.float64),
        names=names,
        targets=len(read.columns.target),
        table=frame,
        moments=_moments(frame[read.columns.time]),
        series=series,
        time=read.columns.time,
        id=read.columns.id,
    )


def read_outcome(found: Any, rows: Rows, forecasts: tuple[str, ...], cutoff: str) -> Outcome:
    """Read what an evaluation returned.

    Raises:
        InputError: A column is missing, or there is nothing in it.
    """
    if isinstance(found, pd.DataFrame) and rows.table is not None:
        return _of_table(found, rows, forecasts, cutoff)
    values = np.asarray(found, dtype=np.float64)
    if values.ndim not in (1, 2) or not 0 < len(values) < len(rows.values):
        raise InputError(
            f"The evaluation returned an array of shape {values.shape}; expected the forecasts of the table's last "
            f"rows, (rows,) or (rows, targets), fewer than its {len(rows.values)}."
        )
    if rows.table is not None and len(rows.series.unique()) > 1:
        raise InputError(
            "The evaluation of several series must return a table with their id and time, not an array."
        )
    order = np.argsort(rows.moments, kind="stable")[-len(values) :]
    columns = values.reshape(len(values), -1)
    fold = np.zeros(len(values), np.int64)
    return Outcome(columns, rows.moments[order], rows.series[order], fold, (rows.moments[order[0]],))


def _of_table(found: pd.DataFrame, rows: Rows, forecasts: tuple[str, ...], cutoff: str) -> Outcome:
    time = rows.time if rows.time in found.columns else "time"
    needed = [time, *forecasts, *([rows.id] if rows.id is not None else [])]
    missing = [name for name in needed if name not in found.columns]
    if missing or not len(found):
        raise ParameterError(
            f"The evaluation returned {len(found)} rows with columns {', '.join(map(str, found.columns))}; audit looks "
            f"for {', '.join(map(str, missing or needed))}. Name them with time=, id= and forecast=."
        )
    moments = _moments(found[time])
    series = pd.Index([0] * len(found)) if rows.id is None else _texts(found[rows.id])
    fold, cutoffs = np.zeros(len(found), np.int64), (moments.min(),)
    if cutoff in found.columns:
        fold, cutoffs = _folds(found[cutoff], moments)
    values = found[list(forecasts)].to_numpy(dtype=np.float64)
    return Outcome(values, moments, series, fold, cutoffs)


def _folds(cutoff: pd.Series, moments: pd.Index) -> tuple[NDArray[np.int64], tuple[object, ...]]:
    """Number cutoffs in the order of their first forecasts."""
    codes, names = pd.factorize(cutoff)
    first = pd.Series(moments).groupby(codes).min()
    order = first.sort_values().index.to_numpy()
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return rank[codes], tuple(names[k] for k in order)


def _moments(column: pd.Series) -> pd.Index:
    if pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.is_datetime64_any_dtype(column.dtype):
        return pd.Index(column)
    return pd.Index(pd.to_datetime(column))


def _texts(column: pd.Series) -> pd.Index:
    return pd.Index([str(value) for value in column.tolist()])
