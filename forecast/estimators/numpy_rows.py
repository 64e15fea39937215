"""Rows of a plain CSV for the NumPy runner: commas, decimal points, ISO times; anything else is refused by line."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from forecast.data.escaping import unescape
from forecast.errors import InputError

if TYPE_CHECKING:
    from forecast.estimators.numpy_runner import NumpyRunner

_MISSING = frozenset({"", "na", "nan", "null", "none", "n/a"})
_ADVICE = "leave out --runner, and the table is read as always."
# Steps behind the history that rows may begin: more mean a wrong time.
_MOST_STEPS = 1_000_000
# Microseconds from 1970 that nanoseconds can count, about.
_FARTHEST = 9.2e15


def feed(runner: NumpyRunner, lines: Iterable[str], source: str) -> np.ndarray:
    """Let a runner read the rows of a table that are newer than those it knows; rows that are missing are read as such.

    Args:
        runner: Stands behind its newest rows.
        lines: Of the table, a header first.
        source: Its name, for messages.

    Returns:
        Numbers of the series that the table holds.

    Raises:
        InputError: A column is missing, a cell cannot be read, a series is not known, or a series ends before the
            history in the model does.
    """
    columns = runner.columns
    if columns["time"] is None:
        raise InputError(f"{source} has no time column, so where its rows belong is unknown; {_ADVICE}")
    numeric = [*columns["target"], *columns["known_future"], *columns["past_only"]]
    ids, times, values = _read(lines, source, columns["time"], columns["id"], numeric)
    place = {str(name): k for k, name in enumerate(runner.ids)}
    unknown = next((name for name in ids if name not in place), None) if columns["id"] is not None else None
    if unknown is not None:
        raise InputError(f"{source}: the model does not know series {unknown!r}; {_ADVICE}")
    number = np.array([place[name] if columns["id"] is not None else 0 for name in ids], dtype=np.int64)
    stamps = _stamps(times, source, integer=runner.step["kind"] == "integer", zone=runner.zone)
    which = np.unique(number)
    newer = [_newer(runner, int(k), stamps[number == k], values[number == k], source) for k in which]
    newer = [
        (rows[runner.pass_over(int(k), len(rows)) :], ahead)
        for k, (rows, ahead) in zip(which, newer, strict=True)
    ]
    for step in range(max((len(rows) for rows, _ in newer), default=0)):
        on = [i for i, (rows, _) in enumerate(newer) if step < len(rows)]
        row = np.array([newer[i][0][step] for i in on])
        targets, known = runner.targets, runner.targets + runner.spec.known_future
        runner.push(
            row[:, :targets],
            past=row[:, known:] if runner.spec.past_only else None,
            known=row[:, targets:known] if runner.spec.known_future else None,
            which=which[on],
        )
    for k, (_, ahead) in zip(which, newer, strict=True):
        runner.know(int(k), ahead[:, runner.targets : runner.targets + runner.spec.known_future])
    return which


def _read(
    lines: Iterable[str], source: str, time: str, name: str | None, numeric: list[str]
) -> tuple[list[str], list[str], np.ndarray]:
    """Return ids, times and numbers of all rows, as they stand there."""
    reader = csv.reader(lines)
    header = [unescape(cell.strip().lstrip("\ufeff")) for cell in next(reader, [])]
    wanted = [time, *([name] if name is not None else []), *numeric]
    for column in wanted:
        if header.count(column) != 1:
            raise InputError(f"{source} needs one column {column!r}, with commas between columns; {_ADVICE}")
    places = [header.index(column) for column in wanted]
    first = len(wanted) - len(numeric)
    ids, times, values = [], [], []
    for cells in reader:
        if not cells:
            continue
        if len(cells) != len(header):
            raise InputError(
                f"{source}, line {reader.line_num}: {len(cells)} cells for {len(header)} columns; {_ADVICE}"
            )
        row = [cells[place].strip() for place in places]
        times.append(row[0])
        ids.append(unescape(row[1]) if name is not None else "")
        values.append([_number(text, source, reader.line_num) for text in row[first:]])
    return ids, times, np.array(values, dtype=np.float64).reshape(len(times), len(numeric))


def _number(text: str, source: str, line: int) -> float:
    if text.lower() in _MISSING:
        return np.nan
    try:
        number = float(text)
    except ValueError:
        raise InputError(
            f"{source}, line {line}: {text!r} is no number with a decimal point; {_ADVICE}"
        ) from None
    if number in (np.inf, -np.inf) or "_" in text:
        raise InputError(f"{source}, line {line}: {text!r} is no number with a decimal point; {_ADVICE}")
    return number


def _stamps(times: list[str], source: str, *, integer: bool, zone: str | None) -> np.ndarray:
    """Return times as the history counts them: nanoseconds, or whole numbers."""
    if zone is not None:
        raise InputError(f"{source}: times of a zone ({zone}) are beyond the NumPy runner; {_ADVICE}")
    try:
        if integer:
            return np.array([int(text) for text in times], dtype=np.int64)
        found = [np.datetime64(text.replace(" ", "T"), "us") for text in times]
        if any(abs(int(stamp.astype(np.int64))) > _FARTHEST for stamp in found):
            raise ValueError("the years 1678 to 2261 are known")
        return np.array([np.datetime64(text.replace(" ", "T"), "ns") for text in times]).astype(np.int64)
    except (ValueError, OverflowError) as error:
        raise InputError(
            f"{source}: times must be written like 2024-01-31 or 2024-01-31 12:00 ({error}); {_ADVICE}"
        ) from None


def _newer(
    runner: NumpyRunner, k: int, times: np.ndarray, values: np.ndarray, source: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of a series behind those known, up to its newest target, and those ahead of it."""
    who = f"series {runner.ids[k]!r}" if runner.columns["id"] is not None else "the table"
    rows, known = runner.positions(k, times), int(runner.known[k])
    if len(np.unique(rows)) != len(rows):
        raise InputError(f"{source}: {who} has two rows of one time; {_ADVICE}")
    observed = rows[~np.isnan(values[:, : runner.targets]).all(axis=1)]
    if len(observed) and observed.max() + 1 < known:
        raise InputError(f"{source}: {who} ends before the history in the model does; {_ADVICE}")
    end = int(observed.max(initial=known - 1)) + 1
    last = int(rows.max(initial=end - 1)) + 1
    if last - known > _MOST_STEPS:
        raise InputError(
            f"{source}: {who} lies {last - known:,} steps behind the history; correct its times."
        )
    laid = np.full((max(last, end) - known, values.shape[1]), np.nan)
    new = rows >= known
    laid[rows[new] - known] = values[new]
    return laid[: end - known], laid[end - known :]
