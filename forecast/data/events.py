"""Labelled events as rows of a panel: from a table of events, or from a column that marks rows."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from forecast.data.assembly import id_column
from forecast.data.dates import read_times
from forecast.data.frames import read_frame
from forecast.data.opening import is_openable
from forecast.data.panel import Panel
from forecast.data.roles import Asked
from forecast.data.sheet import Column, Sheet
from forecast.data.table import open_sheet
from forecast.data.text import Format
from forecast.errors import TableError, closest

START, END = "start", "end"
NAME = "the events"

Span = tuple[int, int]


def read_events(source: Any, panel: Panel, *, date_format: str | None = None) -> list[list[Span]]:
    """Read labelled events and lay them on the rows of a panel.

    An event lies on the rows from ``start`` to ``end``, both among them; one between two rows lies on the later. Events
    that share rows become one.

    Args:
        source: A table (as for ``read_table``) with columns ``start`` and, unless all events are moments, ``end``, in
            which a blank cell is a moment; and the panel's id column if it has several series.
        panel: The rows.
        date_format: How dates are written, as for ``read_table``.

    Returns:
        Of each series of the panel, in order and apart: first row of an event, and row behind its last.

    Raises:
        TableError: There is no event, a column is missing, a series is unknown, a time cannot be read, lies outside of
            its series, or an end lies before its start.

    Example:
        >>> from forecast.data.gridding import to_panel
        >>> from forecast.data.table import read_table
        >>> days = pd.date_range("2024-01-01", periods=9)
        >>> panel = to_panel(read_table({"day": days, "load": np.arange(9.0)}))
        >>> read_events({"start": ["2024-01-03", "2024-01-07"], "end": ["2024-01-04", ""]}, panel)
        [[(2, 4), (6, 7)]]
    """
    sheet = _open(source, panel.columns.id)
    series = _series(sheet, panel)
    starts = _times(sheet, sheet.check_name(START, "events"), panel, date_format, first=True)
    ends = starts.copy()
    if END in sheet.columns:
        told = np.flatnonzero(~_blank(sheet.columns[END]))
        if len(told):
            ends[told] = _times(_rows_of(sheet, told), END, panel, date_format, first=False)
    wrong = np.flatnonzero(ends < starts)
    if len(wrong):
        row = int(wrong[0])
        raise TableError(f"{sheet.said(row, END)} lies before the start, {sheet.cell(row, START)}.")
    keys = _keys(panel.times())
    found: list[list[Span]] = []
    for i, (first, stop) in enumerate(pairwise(panel.offsets)):
        mine = np.flatnonzero(series == i)
        own = keys[first:stop]
        # An end may lie anywhere in the time of the last row.
        beyond = _keys(pd.Index([panel.step.shift(panel.starts[i], stop - first)]))[0]
        outside = mine[(starts[mine] < own[0]) | (ends[mine] >= beyond)]
        if len(outside):
            row = int(outside[0])
            where = "the table" if panel.columns.id is None else f"series {panel.ids[i]!r}"
            raise TableError(
                f"{sheet.place(row)}: the event from {sheet.cell(row, START)} lies outside of {where}, which goes "
                f"from {panel.starts[i]} to {panel.time_at(i, int(stop) - 1)}."
            )
        begins = np.minimum(np.searchsorted(own, starts[mine]), len(own) - 1)
        behind = np.maximum(np.searchsorted(own, ends[mine], side="right"), begins + 1)
        found.append(_joined(sorted(zip(begins.tolist(), behind.tolist(), strict=True))))
    return found


def marked_events(marks: np.ndarray, panel: Panel, name: str) -> list[list[Span]]:
    """Return the stretches of rows that a column marks by 1; a missing row between two marked ones is marked too.

    Args:
        marks: A number a row of the panel, NaN where the table has no such row.
        panel: The rows.
        name: Of the column, for messages.

    Raises:
        TableError: A mark is neither 0 nor 1, or no row is marked.
    """
    wrong = np.flatnonzero(~np.isnan(marks) & (marks != 0) & (marks != 1))
    if len(wrong):
        raise TableError(f"Column {name!r} marks events by 1 and other rows by 0; got {marks[wrong[0]]:g}.")
    if not (marks == 1).any():
        raise TableError(f"Column {name!r} marks no row by 1: there is no event.")
    found = []
    for first, stop in pairwise(panel.offsets):
        own = pd.Series(marks[first:stop])
        inside = ((own.ffill() == 1) & (own.bfill() == 1)).to_numpy()
        edges = np.flatnonzero(np.diff(np.concatenate([[False], inside, [False]])))
        found.append([(int(a), int(b)) for a, b in edges.reshape(-1, 2)])
    return found


def _open(source: Any, id: str | None) -> Sheet:
    # Cells of ids stay the text they are.
    asked = Asked(id=None if id is None else (id,))
    empty = isinstance(source, pd.DataFrame) and not len(source)
    if empty:
        raise TableError(f"{NAME}: there is none; a table of events needs a row each.")
    return open_sheet(source, Format(), asked) if is_openable(source) else read_frame(source, NAME)


def _series(sheet: Sheet, panel: Panel) -> np.ndarray:
    """Return the number of each event's series."""
    name = panel.columns.id
    if name is None or (len(panel) == 1 and name not in sheet.columns):
        return np.zeros(len(sheet), np.int64)
    ids = [str(one) for one in id_column(sheet, sheet.check_name(name, "events of several series"))]
    place = {str(one): k for k, one in enumerate(panel.ids)}
    for row, one in enumerate(ids):
        if one not in place:
            raise TableError(f"{sheet.said(row, name)} is no series of the table.{closest(one, list(place))}")
    return np.array([place[one] for one in ids], np.int64)


def _blank(column: Column) -> np.ndarray:
    if isinstance(column, pd.DatetimeIndex) or column.dtype.kind in "fM":
        return np.asarray(pd.isna(column))
    return np.array([isinstance(cell, str) and not cell.strip() for cell in column.tolist()], bool)


def _rows_of(sheet: Sheet, rows: np.ndarray) -> Sheet:
    lines = None if sheet.lines is None else sheet.lines[rows]
    return Sheet(
        sheet.source, {name: column[rows] for name, column in sheet.columns.items()}, lines, sheet.decimal
    )


def _times(sheet: Sheet, name: str, panel: Panel, date_format: str | None, *, first: bool) -> np.ndarray:
    """Return times as int64 that compare with those of the panel."""
    dated = isinstance(panel.starts, pd.DatetimeIndex)
    times = read_times(sheet, name, date_format if dated else "integer")
    if times.dated != dated:
        kinds = ("dates", "whole numbers") if dated else ("whole numbers", "dates")
        raise TableError(
            f"{sheet.said(0, name)}: times of the table are {kinds[0]}, those of events {kinds[1]}."
        )
    if not dated:
        return times.values.astype(np.int64)
    zone = panel.starts.tz
    if (zone is None) and (times.zone is not None):
        raise TableError(f"{sheet.said(0, name)} has a time zone, and the times of the table have none.")
    stamps = pd.DatetimeIndex(times.values)
    if times.zone is None and zone is not None:
        # In an hour that comes twice an event begins early and ends late.
        early = np.full(len(stamps), first)
        stamps = stamps.tz_localize(zone, ambiguous=early, nonexistent="shift_forward")
    return _keys(stamps)


def _keys(times: pd.Index) -> np.ndarray:
    return times.as_unit("ns").asi8 if isinstance(times, pd.DatetimeIndex) else times.to_numpy(np.int64)


def _joined(spans: Sequence[Span]) -> list[Span]:
    found: list[Span] = []
    for first, stop in spans:
        if found and first < found[-1][1]:
            found[-1] = (found[-1][0], max(stop, found[-1][1]))
        else:
            found.append((first, stop))
    return found
