"""A raw sheet and its roles to the checked frame: typed, sorted by series and time, one row each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from forecast.data.columns import Columns
from forecast.data.dates import Times, show_time
from forecast.data.escaping import unescape
from forecast.data.numbers import show, why_no_number
from forecast.data.roles import Asked, is_constant
from forecast.data.sheet import Choice, Column, Sheet, listed
from forecast.data.zones import as_index, looks_like_autumn
from forecast.errors import ParameterError, TableError

DUPLICATES = ("error", "first", "last", "mean", "sum")
WIDE_ID, WIDE_VALUE = "series", "value"
_EXACT = 2**53


def melt(sheet: Sheet, asked: Asked, times: Times | None) -> tuple[Sheet, Asked, Times | None]:
    """Turn a table with one column a series into one with the columns ``series`` and ``value``.

    Args:
        sheet: The wide table.
        asked: What the user said; its targets are the columns to melt, all columns of numbers by default.
        times: What the time column holds; None when there is none.

    Raises:
        TableError: No column of numbers, or a cell in one that is none.
        ParameterError: An id was asked for, or the time column already bears one of the new names.
    """
    names, shared = _wide_columns(sheet, asked)
    count, rows = len(names), len(sheet)
    columns = {name: _tiled(sheet.columns[name], count) for name in shared}
    columns[WIDE_ID] = np.repeat(np.array(names, dtype=object), rows)
    columns[WIDE_VALUE] = np.concatenate([number_column(sheet, name, "target") for name in names])
    lines = None if sheet.lines is None else np.tile(sheet.lines, count)
    choices = list(notices(sheet, names))
    if not asked.target:
        choices.append(Choice("series columns", listed(names), "--target", "they hold numbers"))
    ignored = [name for name in sheet.names if name not in names and name not in shared]
    if ignored:
        choices.append(
            Choice("ignored columns", listed(ignored), "--target", "they are no series of numbers")
        )
    long = Sheet(sheet.source, columns, lines, sheet.decimal, sheet.escaped, sheet.choices + tuple(choices))
    told = replace(asked, id=(WIDE_ID,), target=(WIDE_VALUE,))
    return long, told, None if times is None else replace(times, values=np.tile(times.values, count))


def id_column(sheet: Sheet, name: str) -> np.ndarray:
    """Return ids: int64 where a frame holds integers, text otherwise.

    Raises:
        TableError: A cell is blank.
    """
    column = sheet.columns[name]
    if isinstance(column, pd.DatetimeIndex):
        return np.array([stamp.isoformat() for stamp in column], dtype=object)
    if column.dtype.kind in "iu":
        return column.astype(np.int64)
    cells = column.tolist()
    blank = (
        np.isnan(column) if column.dtype.kind == "f" else np.array([cell == "" for cell in cells], dtype=bool)
    )
    if blank.any():
        raise TableError(f"{sheet.place(int(np.argmax(blank)), name)}: the id is missing.")
    clean = unescape if sheet.escaped else str
    return np.array([clean(str(cell)) for cell in cells], dtype=object)


def series_codes(ids: np.ndarray | None, rows: int) -> np.ndarray:
    """Return an integer a row that is equal within a series and sorts as the ids do.

    Example:
        >>> series_codes(np.array(["b", "a", "b"], dtype=object), 3)
        array([1, 0, 1])
    """
    if ids is None:
        return np.zeros(rows, dtype=np.int64)
    codes, found = pd.factorize(ids)
    order = sorted(range(len(found)), key=lambda i: found[i])
    rank = np.empty(len(found), dtype=np.int64)
    rank[order] = np.arange(len(found))
    return rank[codes]


def number_column(sheet: Sheet, name: str, role: str, ids: np.ndarray | None = None) -> np.ndarray:
    """Return a column as float64 with NaN for missing cells.

    Raises:
        TableError: A cell is neither a finite number nor missing, or a target holds truth values.
    """
    read = sheet.numbers(name)
    if read.kind == "boolean" and role == "target":
        raise TableError(f"{sheet.place(column=name)}: it holds truth values; a target must hold numbers.")
    if read.bad is not None:
        series = f" (id {show(ids[read.bad])})" if ids is not None else ""
        reason = why_no_number(sheet.columns[name][read.bad], sheet.decimal)
        if reason.endswith("number"):  # no better advice so far
            reason += "; correct it, or leave the cell empty for a missing value"
        raise TableError(f"{sheet.place(read.bad, name)}{series}: {reason}.")
    return read.values


def static_column(sheet: Sheet, name: str, series: np.ndarray) -> np.ndarray:
    """Return a column constant within each series: float64 if every value is a number, else text.

    Raises:
        TableError: The column changes within a series.
    """
    same = is_constant(sheet, name, series)
    if not same.all():
        order = np.argsort(series, kind="stable")
        here = int(np.argmin(same))
        first, second = int(order[here - 1]), int(order[here])
        raise TableError(
            f"{sheet.pair(first, second, name)}: it changes within one series "
            f"({sheet.cell(first, name)}, {sheet.cell(second, name)}), so it cannot be --static."
        )
    read = sheet.numbers(name)
    if read.kind in ("number", "boolean", "empty"):
        return number_column(sheet, name, "static")
    clean = unescape if sheet.escaped else str
    return np.array([clean(str(cell)) for cell in sheet.columns[name]], dtype=object)


def build(
    sheet: Sheet,
    columns: Columns,
    times: Times | None,
    ids: np.ndarray | None,
    series: np.ndarray,
    *,
    duplicates: str,
) -> tuple[pd.DataFrame, np.ndarray | None]:
    """Return the frame, sorted by series and time, and the line of each of its rows.

    Args:
        sheet: The raw table.
        columns: Every column's role.
        times: The time column in UTC; None when there is none.
        ids: The id column; None for one series.
        series: Integer of the series of each row, in the order of the ids.
        duplicates: What to do with rows of one series and time.

    Raises:
        TableError: A cell does not fit its column's role, or a series has two rows for one time.
    """
    if not columns.names:
        raise TableError(f"{sheet.source}: no column has a role; the columns are {listed(sheet.names)}.")
    values = _typed(sheet, columns, ids, series)
    order, again = _arrange(series, times)
    if again.any() and duplicates == "error":
        raise TableError(_duplicate(sheet, times, ids, order, again))
    starts = np.flatnonzero(~again)
    kept = order[np.append(starts[1:], len(order)) - 1] if duplicates == "last" else order[starts]
    frame: dict[str, object] = {}
    if times is not None and columns.time is not None:
        frame[columns.time] = as_index(times.values[kept], times.zone)
    if ids is not None and columns.id is not None:
        frame[columns.id] = _series(ids[kept])
    for name, column in values.items():
        merge = duplicates if again.any() and name in columns.numeric else "first"
        if merge == "sum" and name not in columns.target:
            merge = "mean"
        merged = _merged(column[order], starts, merge) if merge in ("mean", "sum") else column[kept]
        if np.isinf(merged).any() if merged.dtype.kind == "f" else False:
            raise TableError(
                f"{sheet.place(column=name)}: the {merge} of duplicate rows is too large a number."
            )
        frame[name] = _series(merged)
    return pd.DataFrame(frame), None if sheet.lines is None else sheet.lines[kept]


def notices(sheet: Sheet, names: tuple[str, ...]) -> tuple[Choice, ...]:
    """Return what the user should know about columns of numbers: separators read away, digits lost."""
    found = []
    for name in names:
        read = sheet.numbers(name)
        if read.grouped is not None:
            cell, value = sheet.cell(read.grouped, name), read.values[read.grouped]
            text = f"{cell} in column {show(name)} read as {value:.15g}"
            found.append(Choice("thousands separator", text, "--decimal"))
        if read.whole and np.nanmax(np.abs(read.values), initial=0.0) >= _EXACT:
            text = f"column {show(name)} holds integers of 2**53 or more, kept to 15 digits"
            found.append(Choice("large numbers", text, "", "calculations are in float64"))
    return tuple(found)


def _wide_columns(sheet: Sheet, asked: Asked) -> tuple[tuple[str, ...], list[str]]:
    """Return the columns to melt and those to repeat for every series."""
    if asked.id:
        raise ParameterError(
            f"{sheet.source}: --layout wide has one column a series; drop --id or --layout wide."
        )
    shared = [name for name in sheet.names if name in asked.named and name not in (asked.target or ())]
    if {*shared} & {WIDE_ID, WIDE_VALUE}:
        raise ParameterError(
            f"{sheet.source}: --layout wide makes columns {WIDE_ID!r} and {WIDE_VALUE!r}, and the table uses one of "
            "these names already; rename it."
        )
    numeric = tuple(
        n for n in sheet.names if n not in shared and sheet.numbers(n).kind in ("number", "mostly")
    )
    names = asked.target or numeric
    if not names:
        columns = listed(sheet.names)
        raise TableError(
            f"{sheet.source}: no column of numbers for --layout wide; the columns are {columns}."
        )
    return names, shared


def _tiled(column: Column, count: int) -> Column:
    if isinstance(column, pd.DatetimeIndex):
        return column[np.tile(np.arange(len(column)), count)]
    return np.tile(column, count)


def _series(values: np.ndarray) -> pd.Series:
    """Keep text as objects under every version of pandas."""
    return pd.Series(values, dtype=values.dtype, copy=True)


def _typed(
    sheet: Sheet, columns: Columns, ids: np.ndarray | None, series: np.ndarray
) -> dict[str, np.ndarray]:
    """Return every column but time and id as numbers or text, in the order of their roles."""
    values: dict[str, np.ndarray] = {}
    for role in ("target", "known_future", "past_only"):
        values |= {name: number_column(sheet, name, role, ids) for name in getattr(columns, role)}
    return values | {name: static_column(sheet, name, series) for name in columns.static}


def _arrange(series: np.ndarray, times: Times | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the stable order by series and time, and which rows in it repeat the time of the row before."""
    keys = np.zeros(len(series), dtype=np.int64) if times is None else times.values.astype(np.int64)
    same, later = series[1:] == series[:-1], keys[1:] >= keys[:-1]
    sorted_already = bool(((series[1:] > series[:-1]) | (same & later)).all())
    order = np.arange(len(series)) if sorted_already else np.lexsort((keys, series))
    again = np.zeros(len(series), dtype=bool)
    if times is not None:
        again[1:] = (np.diff(series[order]) == 0) & (np.diff(keys[order]) == 0)
    return order, again


def _merged(values: np.ndarray, starts: np.ndarray, how: str) -> np.ndarray:
    """Return mean or sum of each group of rows over its observed values; NaN when there is none."""
    seen = ~np.isnan(values)
    count = np.add.reduceat(seen.astype(np.int64), starts)
    with np.errstate(over="ignore"):
        total = np.add.reduceat(np.where(seen, values, 0.0), starts)
    return np.where(count == 0, np.nan, total / np.maximum(count, 1) if how == "mean" else total)


def _duplicate(
    sheet: Sheet, times: Times | None, ids: np.ndarray | None, order: np.ndarray, again: np.ndarray
) -> str:
    where = int(np.argmax(again))
    first, second = int(order[where - 1]), int(order[where])
    assert times is not None
    stamp = times.values[second]
    series = f" of id {show(ids[second])}" if ids is not None else ""
    more = int(again.sum()) - 1
    text = f"{sheet.pair(first, second)}: two rows{series} for {show_time(stamp)}"
    text += f" (and {more} more such rows)" if more else ""
    if times.zone is None and looks_like_autumn(times.values, order[again]):
        return f"{text}; it looks like clocks going back in autumn: pass --timezone, such as Europe/Berlin."
    other = "name the column that tells series apart with --id" if ids is None else "check --id"
    return f"{text}; pass --duplicates first, last, mean or sum, or {other}."
