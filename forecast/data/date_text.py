"""Cells of text to the parts of dates: which shapes are understood, without deciding on their order.

Cells that differ only in their digits have one shape (``0000-00-00``), and a column has few shapes. So a
pattern is matched once a shape, and NumPy reads the digits of all its cells at once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

LONGEST = 64  # characters; no date is longer, and patterns need not be tried on essays
MOST_SHAPES = 5_000  # a column with more holds prose
NO_OFFSET = -(10**6)
_DIGITS = str.maketrans("123456789", "000000000")
_TIME = (
    r"(?:(?:T|\s+)([0-9]{1,2})(?::?([0-9]{2})(?::?([0-9]{2})(?:[.,]([0-9]{1,9}))?)?)?"
    r"(?:\s*([AaPp])\.?[Mm]\.?)?\s*(Z|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
)
_WORD = r"([A-Za-z]{3,9})\.?"
_DAY = r"([0-9]{1,2})(?:st|nd|rd|th)?"
_WEEKDAY = r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? )?"
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_LONG = ("uary", "ruary", "ch", "il", "", "e", "y", "ust", "tember", "ober", "ember", "ember")
_MONTH_OF = {"sept": 9} | {m: i for i, m in enumerate(_MONTHS, 1)}
_MONTH_OF |= {m + rest: i for i, (m, rest) in enumerate(zip(_MONTHS, _LONG, strict=True), 1)}

# Family, pattern, what its groups mean (Year, Month, Day, Quarter, Week, U for weekday, Name of a month), and
# whether a time may follow.


class _Shape(NamedTuple):
    family: str
    pattern: re.Pattern[str]
    roles: str
    timed: bool


_SHAPES = tuple(
    _Shape(family, re.compile(pattern + (_TIME if timed else ""), re.ASCII), roles, timed)
    for family, pattern, roles, timed in (
        ("year-month-day", r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})", "YMD", True),
        ("year-month-day", r"([0-9]{4})/([0-9]{1,2})/([0-9]{1,2})", "YMD", True),
        ("year-month-day", r"([0-9]{4})\.([0-9]{1,2})\.([0-9]{1,2})", "YMD", True),
        ("year-month-day", r"([0-9]{4})([0-9]{2})([0-9]{2})", "YMD", True),
        ("a.b.year", r"([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})", "DMY", True),
        ("a/b/year", r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})", "DMY", True),
        ("a/b/year", r"([0-9]{1,2})-([0-9]{1,2})-([0-9]{4})", "DMY", True),
        ("a/b/yy", r"([0-9]{1,2})[-/.]([0-9]{1,2})[-/.]([0-9]{2})", "DMY", True),
        ("month", r"([0-9]{4})[-/Mm]([0-9]{1,2})", "YM", False),
        ("month", r"([0-9]{1,2})[-/]([0-9]{4})", "MY", False),
        ("quarter", r"([0-9]{4})[-/ ]?[Qq]([1-4])", "YQ", False),
        ("quarter", r"[Qq]([1-4])[-/ ]?([0-9]{4})", "QY", False),
        ("week", r"([0-9]{4})[- ]?[Ww]([0-9]{1,2})", "YW", False),
        ("week", r"([0-9]{4})-?[Ww]([0-9]{2})-?([1-7])", "YWU", False),
        ("month", rf"{_WORD}[- /,]{{1,2}}([0-9]{{4}})", "NY", False),
        ("month", rf"([0-9]{{4}})[- /]{_WORD}", "YN", False),
        ("named month", rf"{_WEEKDAY}{_DAY}[- /]{_WORD},?[- /]([0-9]{{4}})", "DNY", True),
        ("named month", rf"{_WEEKDAY}{_WORD}[- /]{_DAY},?[- /]([0-9]{{4}})", "NDY", True),
        ("month yy", rf"{_WORD}[- /']{{1,2}}([0-9]{{2}})", "NY", False),
    )
)  # fmt: skip


@dataclass(frozen=True)
class DateParts:
    """Parts of many dates as written, one entry a cell.

    Args:
        family: How the cell is written; ``""`` for no date. ``"a/b/year"`` and ``"a.b.year"`` leave open
            which number is the month: the first stands in ``day``, the second in ``month``.
        year: Year; two digits in the families that end in ``yy``.
        month: Month; impossible values are kept.
        day: Day of the month; impossible values are kept.
        seconds: Seconds since midnight on the clock as written; -1 when there is no such time.
        nanos: Fraction of the second in nanoseconds.
        offset: Minutes east of UTC, or ``NO_OFFSET``.
    """

    family: np.ndarray
    year: np.ndarray
    month: np.ndarray
    day: np.ndarray
    seconds: np.ndarray
    nanos: np.ndarray
    offset: np.ndarray


def parse_dates(cells: list[str]) -> DateParts:
    """Return the parts of every cell that has the shape of a date.

    Understood are ISO dates and times, ``2024/1/31``, ``31/01/2024`` and ``01/31/2024`` (which of the two is
    left open), months (``2024-01``, ``Jan 2024``), quarters (``2024Q1``), ISO weeks (``2024-W05``) and
    English month names. Impossible dates such as 30 February have a shape too.

    Example:
        >>> parts = parse_dates(["2024-01-31 05:30", "soon"])
        >>> parts.family.tolist(), parts.day.tolist(), parts.seconds.tolist()
        (['year-month-day', ''], [31, 0], [19800, 0])
    """
    texts = ["" if "\n" in cell else cell for cell in map(str.strip, cells)]
    count = len(texts)
    parts = DateParts(np.full(count, "", dtype="U14"), *(np.zeros(count, dtype=np.int64) for _ in range(6)))
    parts.offset[:] = NO_OFFSET
    for rows in _by_shape(texts):
        template = texts[rows[0]]
        if not 5 <= len(template) <= LONGEST:
            continue
        for shape in _SHAPES:
            found = shape.pattern.fullmatch(template)
            if found is not None and _fill(parts, rows, texts, shape, found):
                break
    return parts


def _by_shape(texts: list[str]) -> list[np.ndarray]:
    """Return the rows of each shape, the shape seen first in front."""
    shapes = "\n".join(texts).translate(_DIGITS).split("\n")
    if len(set(shapes)) == 1:
        return [np.arange(len(texts))] if texts else []
    rows: dict[str, list[int]] = {}
    for row, shape in enumerate(shapes):
        rows.setdefault(shape, []).append(row)
    return [np.array(found) for found in list(rows.values())[:MOST_SHAPES]]


def _fill(parts: DateParts, rows: np.ndarray, texts: list[str], shape: _Shape, found: re.Match[str]) -> bool:
    """Read the digits of all cells of one shape; False when a word in it is no month."""
    cells = "".join([texts[row] for row in rows]).encode("ascii")
    block = np.frombuffer(cells, dtype=np.uint8).reshape(len(rows), -1)
    read: dict[str, np.ndarray | int] = {}
    for group, role in enumerate(shape.roles, 1):
        word = found.group(group).lower()
        read[role] = _MONTH_OF.get(word, 0) if role == "N" else _number(block, *found.span(group))
    if read.get("N", 1) == 0:
        return False
    year, month, day = _calendar(read)
    parts.family[rows] = shape.family
    parts.year[rows], parts.month[rows], parts.day[rows] = year, month, day
    if shape.timed:
        _fill_clock(parts, rows, block, found, len(shape.roles) + 1)
    return True


def _calendar(
    read: dict[str, np.ndarray | int],
) -> tuple[np.ndarray | int, np.ndarray | int, np.ndarray | int]:
    """Turn what was read into year, month and day; a quarter or week into its first day."""
    year = read["Y"]
    if "W" in read:
        return _week(np.asarray(year), np.asarray(read["W"]), np.asarray(read.get("U", 1)))
    if "Q" in read:
        return year, 3 * read["Q"] - 2, 1
    return year, read.get("N", read.get("M", 1)), read.get("D", 1)


def _week(
    year: np.ndarray, week: np.ndarray, weekday: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the date of an ISO week; month 0 where the year has no such week."""
    first = (year - 1970).astype("datetime64[Y]").astype("datetime64[D]").astype(np.int64)
    monday = first + 3 - (first + 3 + 3) % 7 + 7 * (week - 1)  # 4 January is in week 1
    days = (monday + weekday - 1).astype("datetime64[D]")
    thursday = (monday + 3).astype("datetime64[D]")
    good = (week >= 1) & (weekday >= 1) & (weekday <= 7) & (_year(thursday) == year)
    months = days.astype("datetime64[M]")
    day = (days - months.astype("datetime64[D]")).astype(np.int64) + 1
    return np.where(good, _year(days), year), np.where(good, months.astype(np.int64) % 12 + 1, 0), day


def _year(days: np.ndarray) -> np.ndarray:
    return days.astype("datetime64[Y]").astype(np.int64) + 1970


def _fill_clock(
    parts: DateParts, rows: np.ndarray, block: np.ndarray, found: re.Match[str], group: int
) -> None:
    """Read the clock and the offset, parts of which all cells of a shape have or lack."""
    if found.group(group) is None:
        return
    hour, minute, second = (_number(block, *found.span(group + i)) for i in range(3))
    possible = (hour <= 23) & (minute <= 59) & (second <= 59)
    half, zone = found.group(group + 4), found.group(group + 5)
    if half is not None:
        possible &= (hour >= 1) & (hour <= 12)
        hour = hour % 12 + (12 if half in "Pp" else 0)
    start, stop = found.span(group + 3)
    parts.nanos[rows] = _number(block, start, stop) * 10 ** (9 - (stop - start))
    if zone is not None:
        minutes = np.zeros(len(rows), dtype=np.int64)
        if zone[0] in "+-":
            start, stop = found.span(group + 5)
            late = stop - 2 if stop - start > 3 else stop
            minutes = _number(block, start + 1, start + 3) * 60 + _number(block, late, stop)
            possible &= (minutes <= 18 * 60) & (_number(block, late, stop) < 60)
        parts.offset[rows] = -minutes if zone[0] == "-" else minutes
    parts.seconds[rows] = np.where(possible, hour * 3600 + minute * 60 + second, -1)


def _number(block: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Return the number in the given columns of digits; 0 for the span of a missing group."""
    value = np.zeros(len(block), dtype=np.int64)
    for column in range(max(start, 0), max(stop, 0)):
        value = value * 10 + (block[:, column].astype(np.int64) - 48)
    return value


def days_of(year: np.ndarray, month: np.ndarray, day: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return datetime64[D] of calendar dates, and whether each is a day of the calendar.

    Example:
        >>> days_of(np.array([2024]), np.array([2]), np.array([30]))[1]
        array([False])
    """
    months = ((year - 1970) * 12 + np.clip(month, 1, 12) - 1).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + (day - 1).astype("timedelta64[D]")
    return days, (month >= 1) & (month <= 12) & (day >= 1) & (days.astype("datetime64[M]") == months)


def are_dates(cells: list[str]) -> np.ndarray:
    """Tell of each cell whether it is a day of the calendar, in one order of day and month or the other.

    Example:
        >>> are_dates(["2024-02-29", "2024-02-30", "5.3", "13/02/2024", "02/13/2024"])
        array([ True, False, False,  True,  True])
    """
    parts = parse_dates(cells)
    good = days_of(parts.year, parts.month, parts.day)[1]
    turned = np.char.startswith(parts.family, "a") & days_of(parts.year, parts.day, parts.month)[1]
    return (parts.family != "") & (parts.seconds >= 0) & (good | turned)
