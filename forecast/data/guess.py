"""Which column holds the times, and which tells the series apart."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

import numpy as np
import pandas as pd

from forecast.data.date_numbers import kind_of_numbers
from forecast.data.date_text import parse_dates
from forecast.data.dates import Times
from forecast.data.names import STEP_NAMES, is_id_name, is_time_name, plain, target_rank
from forecast.data.numbers import read_number
from forecast.data.sheet import Sheet, listed
from forecast.data.zones import looks_like_autumn
from forecast.errors import TableError

_SAMPLE = 200
Keys = Callable[[np.ndarray], np.ndarray]


def guess_time(sheet: Sheet, taken: frozenset[str]) -> tuple[str | None, str]:
    """Return the time column, None when rows are simply one step apart, and the reason.

    Columns with a usual name come first, then the others in their order; a column of numbers without a
    usual name is only considered when it is the first. A column most of whose cells are dates is taken,
    so that reading it names the cell that is none.

    Args:
        sheet: The raw table.
        taken: Columns that have another role.
    """
    free = [name for name in sheet.names if name not in taken]
    usual = [name for name in free if is_time_name(name)]
    others = [name for name in free if name not in usual]
    for name in usual + others:
        if holds_dates(sheet, name, numbers=name in usual or _may_be_unnamed_time(sheet, name)):
            return name, "its cells are dates"
    for name in usual:
        if plain(name) in STEP_NAMES and _holds_steps(sheet, name):
            return name, "its cells are whole numbers"
    return None, "no column holds dates"


def holds_dates(sheet: Sheet, name: str, numbers: bool) -> bool:
    """Tell whether half of a column's first cells or more are written as dates.

    Args:
        sheet: The raw table.
        name: The column.
        numbers: Whether numbers of the right magnitude (epochs, years, ``20240131``) count.
    """
    column = sheet.columns[name]
    if isinstance(column, pd.DatetimeIndex):
        return True
    if column.dtype == object:
        cells = list(islice((cell for cell in column if cell.strip()), _SAMPLE))
        if not cells:
            return False
        if sum(read_number(cell) is not None for cell in cells) * 2 < len(cells):
            return bool((parse_dates(cells).family != "").mean() >= 0.5)
    if not numbers or column.dtype.kind == "b":
        return False
    read = sheet.numbers(name)
    values = read.values[np.isfinite(read.values)]
    if read.kind not in ("number", "mostly") or len(values) == 0:
        return False
    whole = read.whole or bool((values == np.floor(values)).all())
    small = np.abs(values).max() < 2**63
    return kind_of_numbers(values.astype(np.int64) if whole and small else values, name) != "integer"


def guess_id(
    sheet: Sheet, taken: frozenset[str], times: Times | None, keys: Keys, *, merge: bool
) -> tuple[str | None, str]:
    """Return the id column, None for one series, and the reason.

    Args:
        sheet: The raw table.
        taken: Columns that have another role, the time column among them.
        times: The time column as read; None when there is none.
        keys: Maps the integer of each row's series to its time as int64.
        merge: Whether rows of one series and time will be merged, so that repeated times are no error.

    Raises:
        TableError: Times repeat, and no single column separates the rows.
    """
    named = [
        name for name in sheet.names if name not in taken and is_id_name(name) and _may_be_id(sheet, name)
    ]
    texts = [
        name for name in sheet.names if name not in taken and name not in named and _is_text(sheet, name)
    ]
    if times is None:
        return next((n for n in named if 1 < _distinct(sheet, n) < len(sheet)), None), "its values repeat"
    every = keys(np.zeros(len(sheet), dtype=np.int64))
    repeats = _repeats(np.zeros(len(sheet), dtype=np.int64), every)
    if len(repeats) == 0:
        return next(
            (n for n in named + texts if _distinct(sheet, n) == 1), None
        ), "it has one value throughout"
    # A number of the row, or a note on it, separates all rows and tells no series apart.
    most = len(sheet) - (len(np.unique(every)) > 1)
    named = [name for name in named if _distinct(sheet, name) <= most]
    texts = [name for name in texts if 2 * _distinct(sheet, name) <= len(sheet)]
    left = {name: len(_repeats(codes := codes_of(sheet, name), keys(codes))) for name in named + texts}
    best = min(left, key=lambda name: left[name], default=None)
    if best is not None and left[best] * 10 <= len(repeats):
        return best, "times repeat and it tells the rows apart"
    if best is None or merge or looks_like_autumn(times.values, repeats):
        return None, ""
    raise TableError(_inseparable(sheet, list(left), best, keys))


def codes_of(sheet: Sheet, name: str) -> np.ndarray:
    """Return an integer for each row, equal where the cells of a column are equal."""
    return np.asarray(pd.factorize(np.asarray(sheet.columns[name]), use_na_sentinel=False)[0], dtype=np.int64)


def _may_be_unnamed_time(sheet: Sheet, name: str) -> bool:
    """Tell whether numbers under an unusual name may be times: they come first and run in one direction."""
    column = sheet.columns[name]
    if name != sheet.names[0] or len(sheet.names) == 1 or target_rank(name) is not None:
        return False
    if isinstance(column, pd.DatetimeIndex) or column.dtype.kind == "b":
        return False
    values = sheet.numbers(name).values
    before, after = values[:-1], values[1:]
    return 10 * min((after < before).sum(), (after > before).sum()) <= len(values)


def _holds_steps(sheet: Sheet, name: str) -> bool:
    column = sheet.columns[name]
    if isinstance(column, pd.DatetimeIndex) or column.dtype.kind == "b":
        return False
    read = sheet.numbers(name)
    present = read.values[~np.isnan(read.values)]
    return (
        read.kind in ("number", "mostly") and len(present) > 0 and bool((present == np.floor(present)).all())
    )


def _may_be_id(sheet: Sheet, name: str) -> bool:
    column = sheet.columns[name]
    return not isinstance(column, pd.DatetimeIndex) and column.dtype.kind in "Oiu"


def _is_text(sheet: Sheet, name: str) -> bool:
    column = sheet.columns[name]
    return (
        _may_be_id(sheet, name) and column.dtype == object and sheet.numbers(name).kind in ("text", "mostly")
    )


def _distinct(sheet: Sheet, name: str) -> int:
    return int(codes_of(sheet, name).max(initial=-1)) + 1


def _pairs(codes: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Return one integer for each (series, time)."""
    moments = np.asarray(pd.factorize(keys)[0], dtype=np.int64)
    return codes * (moments.max(initial=0) + 1) + moments


def _repeats(codes: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Return the rows whose series and time stood in an earlier row."""
    return np.flatnonzero(pd.Series(_pairs(codes, keys)).duplicated().to_numpy())


def _inseparable(sheet: Sheet, tried: list[str], best: str, keys: Keys) -> str:
    codes = codes_of(sheet, best)
    pairs = _pairs(codes, keys(codes))
    second = int(_repeats(codes, keys(codes))[0])
    first = int(np.argmax(pairs == pairs[second]))
    return (
        f"{sheet.pair(first, second)}: times repeat, and no single column tells the series apart (tried "
        f"{listed(tried, 5)}; these rows agree in {best!r} too). Join columns into one and name it with "
        "--id, or pass --duplicates."
    )
