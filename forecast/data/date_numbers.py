"""Numbers that mean dates: epochs, 20240101, years, Excel serials, recognised by the magnitude of all."""

from __future__ import annotations

import numpy as np

from forecast.data.date_text import days_of
from forecast.data.names import DATE_NAMES, STEP_NAMES, plain

UNITS = {
    "integer": "integer steps",
    "s": "seconds since 1970 (UTC)",
    "ms": "milliseconds since 1970 (UTC)",
    "us": "microseconds since 1970 (UTC)",
    "ns": "nanoseconds since 1970 (UTC)",
    "yyyymmdd": "dates such as 20240131",
    "yyyymmddhhmm": "times such as 202401310530",
    "yyyymmddhhmmss": "times such as 20240131053000",
    "yyyymm": "months such as 202401",
    "year": "years",
    "excel": "Excel's day numbers",
}
_EPOCHS = (("s", 1e8, 9.2e9), ("ms", 1e11, 9.2e12), ("us", 1e14, 9.2e15), ("ns", 1e17, 9.2e18))
_DIGITS = {"yyyymmdd": 8, "yyyymmddhhmm": 12, "yyyymmddhhmmss": 14}
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_FIRST_EXCEL, _LAST_EXCEL = 20_000, 80_000  # 1954 to 2119


def kind_of_numbers(values: np.ndarray, name: str) -> str:
    """Return the key of ``UNITS`` that says what the numbers of a time column mean.

    Args:
        values: int64, or float64 with fractions.
        name: Column name: ``t`` makes small numbers steps, ``date`` makes them Excel's day numbers.

    Example:
        >>> kind_of_numbers(np.array([20240131, 20240201]), "day"), kind_of_numbers(np.array([0, 1, 2]), "t")
        ('yyyymmdd', 'integer')
    """
    low, high = float(values.min()), float(values.max())
    whole = values.dtype.kind == "i"
    for kind, digits in _DIGITS.items():
        if (
            whole
            and 10 ** (digits - 1) <= low
            and high < 10**digits
            and numbers_to_times(values, kind)[1].all()
        ):
            return kind
    for kind, least, most in _EPOCHS:
        if least <= low and high < most:
            return kind
    word = plain(name)
    if word in STEP_NAMES - DATE_NAMES:
        return "integer"
    if whole and low >= 167801 and high <= 226112 and numbers_to_times(values, "yyyymm")[1].all():
        return "yyyymm"
    if whole and low >= 1678 and high <= 2261:
        distinct = np.unique(values)
        if "year" in word or (len(distinct) > 1 and bool((np.diff(distinct) == 1).all())):
            return "year"
    if low >= _FIRST_EXCEL and high <= _LAST_EXCEL and word in DATE_NAMES:
        return "excel"
    return "integer"


def numbers_to_times(values: np.ndarray, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Return datetime64[ns] and whether each number is a date of that kind between 1678 and 2261.

    Example:
        >>> numbers_to_times(np.array([45292]), "excel")[0].astype("datetime64[D]")
        array(['2024-01-01'], dtype='datetime64[D]')
    """
    if kind in _PER_SECOND:
        per = _PER_SECOND[kind]
        good = np.abs(values / per) < 9.2e9
        safe = np.where(good, values, 0)
        # Fractions of an epoch in float64 are good to about a microsecond.
        ns = (
            safe * (10**9 // per)
            if values.dtype.kind == "i"
            else np.round(safe * (10**6 / per)).astype(np.int64) * 1000
        )
        return ns.astype("datetime64[ns]"), good
    if kind == "excel":
        good = (values >= 1) & (values <= 132_000)
        seconds = np.round(np.where(good, values, 1) * 86_400).astype(np.int64)
        return (np.datetime64("1899-12-30", "s") + seconds.astype("timedelta64[s]")).astype(
            "datetime64[ns]"
        ), good
    whole = np.where(np.abs(values) < 1e15, values, 0).astype(np.int64)
    fitting = whole == values
    year, month, day, seconds, timely = _split(np.abs(whole), kind)
    days, good = days_of(np.clip(year, 1678, 2261), month, day)
    good &= fitting & timely & (year >= 1678) & (year <= 2261) & (whole > 0)
    return days.astype("datetime64[ns]") + np.where(good, seconds, 0).astype("timedelta64[s]"), good


def _split(
    number: np.ndarray, kind: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Split written-out dates into year, month, day, seconds, and whether the clock is possible."""
    one, none = np.ones_like(number), np.zeros_like(number)
    if kind == "year":
        return number, one, one, none, one.astype(bool)
    if kind == "yyyymm":
        return number // 100, number % 100, one, none, one.astype(bool)
    clock = none
    if kind != "yyyymmdd":
        scale = 10**6 if kind == "yyyymmddhhmmss" else 10**4
        clock, number = number % scale * (1 if scale == 10**6 else 100), number // scale
    hour, minute, second = clock // 10_000, clock // 100 % 100, clock % 100
    timely = (hour <= 23) & (minute <= 59) & (second <= 59)
    return number // 10_000, number // 100 % 100, number % 100, hour * 3600 + minute * 60 + second, timely
