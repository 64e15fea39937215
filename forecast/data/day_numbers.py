"""Days, business days and months of a local calendar, as arithmetic on arrays of whole numbers.

A wall clock is a count of nanoseconds as a clock on the wall reads them, without a time zone; a day is
a count since 1970-01-01, a business day or a month likewise.
"""

from __future__ import annotations

import numpy as np

SECOND = 1_000_000_000
HOUR = 3_600 * SECOND
DAY = 24 * HOUR
# 1970-01-01 was a Thursday, day 3 of a week that begins on Monday.
_THURSDAY = 3


def weekday(days: np.ndarray) -> np.ndarray:
    """Return 0 for Monday to 6 for Sunday."""
    return (days + _THURSDAY) % 7


def business_number(days: np.ndarray) -> np.ndarray:
    """Number the days from Monday to Friday in a row; a weekend bears the number of the Monday after it.

    Example:
        >>> business_number(np.array([1, 2, 3, 4, 5]))  # Friday 1970-01-02 to Tuesday
        array([4, 5, 5, 5, 6])
    """
    week, day = np.divmod(days + _THURSDAY, 7)
    return week * 5 + np.minimum(day, 5)


def business_day(number: np.ndarray) -> np.ndarray:
    """Return the day of a business number.

    Example:
        >>> business_day(np.array([4, 5, 6]))
        array([1, 4, 5])
    """
    week, day = np.divmod(number, 5)
    return week * 7 + day - _THURSDAY


def month_number(days: np.ndarray) -> np.ndarray:
    """Number the months in a row, 0 for January 1970."""
    return days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)


def month_day(month: np.ndarray, day: int) -> np.ndarray:
    """Return the ``day``-th day of each month, or its last if it has fewer.

    Example:
        >>> month_day(np.array([0, 1]), 31)
        array([30, 58])
    """
    first = _first_day(month)
    return first + np.minimum(day, _first_day(month + 1) - first) - 1


def day_of_month(days: np.ndarray) -> np.ndarray:
    """Return 1 to 31."""
    return days - _first_day(month_number(days)) + 1


def _first_day(month: np.ndarray) -> np.ndarray:
    return month.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)


def count_steps(kind: str, count: int, days: np.ndarray, origin: np.ndarray) -> np.ndarray:
    """Count the whole steps from the day ``origin`` to each day, down where a day lies between two.

    Args:
        kind: ``"day"``, ``"business"`` or ``"month"``.
        count: How many of them one step is.
        days: Days.
        origin: One day, or one for each.

    Example:
        >>> count_steps("month", 1, np.array([58, 59]), np.array([0]))
        array([1, 2])
    """
    number = {"month": month_number, "business": business_number}.get(kind, np.asarray)
    return (number(days) - number(origin)) // count


def walk(kind: str, count: int, day: int, origin: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Return the wall clock ``steps`` steps after each wall clock ``origin``, at the same time of day.

    Args:
        kind: ``"day"``, ``"business"`` or ``"month"``.
        count: How many of them one step is.
        day: Day of the month, for months.
        origin: Wall clocks.
        steps: Whole numbers.

    Example:
        >>> (walk("month", 1, 31, np.array([0]), np.array([1])) // DAY).tolist()  # the last of February 1970
        [58]
    """
    days, clock = np.divmod(origin, DAY)
    if kind == "month":
        days = month_day(month_number(days) + steps * count, day)
    elif kind == "business":
        days = business_day(business_number(days) + steps * count)
    else:
        days = days + steps * count
    return days * DAY + clock
