"""Days, business days and months of a local calendar, as arithmetic on arrays of whole numbers.

A wall clock is a count of nanoseconds as a clock on the wall reads them, without a time zone; a day is
a count since 1970-01-01, a business day or a month likewise.
"""

from __future__ import annotations

from datetime import tzinfo

import numpy as np
import pandas as pd

SECOND = 1_000_000_000
HOUR = 3_600 * SECOND
DAY = 24 * HOUR
# 1970-01-01 was a Thursday, day 3 of a week that begins on Monday.
_THURSDAY = 3


def read_clock(stamps: pd.DatetimeIndex) -> np.ndarray:
    """Return what clocks on the wall show, int64 nanoseconds; the first instant of a day reads midnight.

    Where clocks go forward at midnight a day begins at one o'clock. A daily series stands there on that
    day and at midnight on every other, and reads as one time of day nevertheless.

    Example:
        >>> hidden = pd.DatetimeIndex(["2017-10-15 01:00", "2017-10-16 00:00"], tz="America/Sao_Paulo")
        >>> (read_clock(hidden) % DAY).tolist()
        [0, 0]
    """
    wall = plain_clock(stamps)
    if stamps.tz is None or not (wall % DAY).any():
        return wall
    before = plain_clock(pd.DatetimeIndex(stamps - pd.Timedelta(1, "ns")))
    opens = before // DAY != wall // DAY
    return np.where(opens, wall // DAY * DAY, wall)


def plain_clock(stamps: pd.DatetimeIndex) -> np.ndarray:
    """Return what clocks on the wall show, int64 nanoseconds."""
    return (stamps if stamps.tz is None else stamps.tz_localize(None)).asi8


def set_clock(wall: np.ndarray, zone: tzinfo | None) -> pd.DatetimeIndex:
    """Return the times at which clocks in a zone show ``wall``: the first of two, the next if there is none.

    Example:
        >>> from zoneinfo import ZoneInfo
        >>> midnight = pd.DatetimeIndex(["2017-10-15"]).as_unit("ns").asi8
        >>> set_clock(midnight, ZoneInfo("America/Sao_Paulo"))[0].hour
        1
    """
    stamps = pd.DatetimeIndex(wall.astype("datetime64[ns]"))
    if zone is None:
        return stamps
    return stamps.tz_localize(zone, ambiguous=np.ones(len(wall), dtype=bool), nonexistent="shift_forward")


def from_utc(nanoseconds: np.ndarray, zone: tzinfo | None) -> pd.DatetimeIndex:
    """Return absolute times in a zone; without one the clock is the time."""
    stamps = pd.DatetimeIndex(nanoseconds.astype("datetime64[ns]"))
    return stamps if zone is None else stamps.tz_localize("UTC").tz_convert(zone)


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
