"""Find the step of a table's times, through gaps, clock changes, month ends and jitter."""

from __future__ import annotations

import numpy as np
import pandas as pd

from forecast.data.day_numbers import (
    DAY,
    HOUR,
    SECOND,
    business_number,
    day_of_month,
    month_day,
    month_number,
    weekday,
)
from forecast.data.step import Step, parse_step
from forecast.data.wallclock import from_utc, plain_clock, read_clock, set_clock
from forecast.errors import TableError

__all__ = ["Step", "infer_step", "parse_step", "snap"]

# Of 50 distances one may break the pattern, of 5 if they have no divisor in common either: such a row is
# named later, when it is laid on the grid.
_STRAY, _STRAY_AT_MOST = 0.02, 0.2
# A common divisor this much smaller than the usual distance is no step but jitter.
_FINEST = 4
# Steps that clocks which jitter are taken to mean: a typical distance is rounded to the nearest of them.
_SECONDS = (1, 2, 5, 10, 15, 20, 30)
_USUAL = tuple(n * 10**e for e in (6, 7, 8) for n in (1, 2, 5)) + tuple(n * SECOND for n in _SECONDS)
_USUAL += tuple(60 * n * SECOND for n in (1, 2, 3, 5, 10, 15, 20, 30)) + tuple(
    n * HOUR for n in (1, 2, 3, 4, 6, 8, 12)
)
_USUAL_DAYS = {1: Step("day", 1), 7: Step("day", 7), 14: Step("day", 14)}
_USUAL_MONTHS = {30.4375 * n: Step("month", n) for n in (1, 2, 3, 6, 12)}
_FARTHEST_FROM_USUAL = 0.15


def infer_step(times: pd.DatetimeIndex | np.ndarray, series: np.ndarray, *, snapped: bool = False) -> Step:
    """Find the step of sorted times, tolerating gaps, duplicates, clock changes and month ends.

    The most common distance decides; if too many times lie off that grid, the largest step
    that all times share is tried, unless it is so much smaller that the times must be irregular.

    Args:
        times: Timestamps or integers, sorted within each series, shape ``(rows,)``.
        series: Series number of each row, shape ``(rows,)``.
        snapped: The times jitter and are going to be rounded (see ``snap``): find the usual step, such as a
            minute, an hour or a month, that is nearest to the typical distance.

    Raises:
        TableError: There are fewer than two different times, or no step fits.

    Example:
        >>> gap = pd.DatetimeIndex(["2024-01-31", "2024-02-29", "2024-04-30", "2024-05-31"])
        >>> str(infer_step(gap, np.zeros(4, int)))
        'ME'
    """
    same = series[1:] == series[:-1]
    if not isinstance(times, pd.DatetimeIndex):
        return Step("integer", _fitting(_distances(np.asarray(times, dtype=np.int64), same), "integer"))
    stamps = pd.DatetimeIndex(times).as_unit("ns")
    distances = _distances(stamps.asi8, same)
    if not snapped:
        return _infer(stamps, same, distances, _FINEST)
    try:
        return _infer(stamps, same, distances, 1)
    except TableError:
        rough = _usual(distances)
        rough = _anchored(stamps, rough) if rough.kind == "month" else rough
        return infer_step(snap(stamps, rough), series)


def snap(times: pd.DatetimeIndex, step: Step) -> pd.DatetimeIndex:
    """Round times to the nearest row of a regular grid.

    Fixed steps round to their nearest multiple since midnight, days to midnight, weeks (and other
    numbers of days) to the day that the times are nearest to, months to the nearest day of theirs.

    Example:
        >>> snap(pd.DatetimeIndex(["2024-01-01 00:59:59"]), parse_step("h"))[0].hour
        1
        >>> snap(pd.DatetimeIndex(["2024-03-29"]), parse_step("ME")).day.tolist()
        [31]
    """
    stamps = times.as_unit("ns")
    if step.kind == "integer" or not len(stamps):
        return stamps
    wall = plain_clock(stamps)
    if step.kind == "tick":
        # In absolute time, since clocks may change between two rows; midnight is that of the first row.
        ahead = int(wall[0] - stamps.asi8[0])
        return from_utc(_rounded(stamps.asi8 + ahead, step.count) - ahead, stamps.tz)
    days = _rounded(wall, DAY) // DAY
    if step.kind == "month":
        days = _nearest_of_months(days, step.day)
    elif step.kind == "day" and step.count > 1:
        phase = _centre(days % step.count, step.count)
        days = _rounded(days - phase, step.count) + phase
    return set_clock(days * DAY, stamps.tz)


def _infer(stamps: pd.DatetimeIndex, same: np.ndarray, distances: np.ndarray, finest: int) -> Step:
    if _mode(distances) >= DAY - 2 * HOUR:
        calendar = _infer_calendar(stamps, same, finest)
        if calendar is not None:
            return calendar
    return Step("tick", _fitting(distances, "tick", finest=finest))


def _infer_calendar(stamps: pd.DatetimeIndex, same: np.ndarray, finest: int) -> Step | None:
    """Return a step in days or months; None if the time of day varies within a series."""
    wall = plain_clock(stamps)
    if not _steady(wall, same):
        wall = read_clock(stamps)
        if not _steady(wall, same):
            return None
    days = wall // DAY
    distances = _distances(days, same)
    if _mode(distances) >= 28:
        # A series of one row is on no grid of its own.
        anchor = _anchor(days[np.append(same, False) | np.append(False, same)])
        if anchor is not None:
            months = _distances(month_number(days), same)
            return Step("month", _fitting(months, "month", anchor, finest), anchor)
    if _mode(distances) == 1 and _rests_at_weekends(days, same):
        return Step("business", 1)
    return Step("day", _fitting(distances, "day", finest=finest))


def _steady(wall: np.ndarray, same: np.ndarray) -> bool:
    return not (np.diff(wall % DAY)[same] != 0).any()


def _anchor(days: np.ndarray) -> int | None:
    """Return the day of the month that nearly all days fall on, 31 for the last; None if there is none."""
    months, found = month_number(days), day_of_month(days)
    for day in (31, int(found.max()), _mode(found)):
        if (days != month_day(months, day)).mean() <= _STRAY:
            return day
    return None


def _rests_at_weekends(days: np.ndarray, same: np.ndarray) -> bool:
    """Tell whether no day is a Saturday or Sunday although some series goes on after one."""
    if (weekday(days) > 4).any():
        return False
    return bool((np.diff(days) > np.diff(business_number(days)))[same].any())


def _distances(values: np.ndarray, same: np.ndarray) -> np.ndarray:
    """Return the distances between neighbours of one series, without the duplicates."""
    distances = np.diff(values)[same]
    if (distances < 0).any():
        raise TableError("The times do not rise within each series; sort the table by time.")
    distances = distances[distances > 0]
    if not len(distances):
        raise TableError(
            "The step cannot be found from fewer than two different times in a series; pass --step."
        )
    return distances


def _fitting(distances: np.ndarray, kind: str, anchor: int = 0, finest: int = _FINEST) -> int:
    """Return the step that the distances are multiples of: the most common one, or a common divisor."""
    common = _mode(distances)
    stray = (distances % common != 0).mean()
    if stray <= _STRAY:
        return common
    step = int(np.gcd.reduce(distances))
    if common > finest * step:
        if stray <= _STRAY_AT_MOST:
            return common
        hint = "the true --step" if kind == "integer" else "--step and, if the clock jitters, --snap"
        raise TableError(
            f"No step fits the times: the most common distance is {Step(kind, common, anchor)}, but many rows "
            f"lie between; pass {hint}."
        )
    return step


def _usual(distances: np.ndarray) -> Step:
    """Return the usual step that is nearest to the typical distance."""
    steps = [(float(n), Step("tick", n)) for n in _USUAL]
    steps += [(float(n) * DAY, step) for n, step in (_USUAL_DAYS | _USUAL_MONTHS).items()]
    typical = float(np.median(distances))
    away, step = min(((abs(np.log(typical / n)), step) for n, step in steps), key=lambda pair: pair[0])
    if away > _FARTHEST_FROM_USUAL:
        raise TableError(
            f"The typical distance between rows is {pd.Timedelta(int(typical), 'ns')}, which is near no usual step; "
            "pass --step along with --snap."
        )
    return step


def _anchored(stamps: pd.DatetimeIndex, step: Step) -> Step:
    """Return monthly steps that fall on the first or the last day, whichever the times are nearer to."""
    days = _rounded(plain_clock(stamps), DAY) // DAY
    ends, starts = (Step("month", step.count, day) for day in (31, 1))
    away = {s: np.mean(np.abs(days - _nearest_of_months(days, s.day))) for s in (starts, ends)}
    return min(away, key=lambda s: away[s])


def _nearest_of_months(days: np.ndarray, day: int) -> np.ndarray:
    month = month_number(days)
    near = np.stack([month_day(month + k, day) for k in (0, -1, 1)])
    return np.take_along_axis(near, np.abs(near - days).argmin(axis=0)[None], axis=0)[0]


def _centre(days: np.ndarray, count: int) -> int:
    """Return the day of a cycle of ``count`` days that the days are nearest to, all in all."""
    found, rows = np.unique(days, return_counts=True)
    likely = found[np.argsort(-rows, kind="stable")[:20]]
    away = np.abs(found - likely[:, None])
    return int(likely[(np.minimum(away, count - away) * rows).sum(axis=1).argmin()])


def _rounded(values: np.ndarray, unit: int) -> np.ndarray:
    return (values + unit // 2) // unit * unit


def _mode(values: np.ndarray) -> int:
    unique, counts = np.unique(values, return_counts=True)
    return int(unique[counts.argmax()])
