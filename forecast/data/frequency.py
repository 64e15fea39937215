"""The step between rows: parse it, infer it, count it, continue it.

A step is one of five kinds. Fixed durations (``tick``) are counted in absolute time, so an
hourly series in local time crosses a change of clocks without a gap. Days, business days and
months are counted on the local calendar, so a daily series at midnight stays at midnight.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from forecast.errors import ParameterError, TableError, closest

SECOND = 1_000_000_000
DAY = 86_400 * SECOND
_TICKS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": SECOND, "min": 60 * SECOND, "h": 3_600 * SECOND}
_MONTHS = {"M": 1, "Q": 3, "Y": 12}
# What pandas called these before 2.2 and removed in 3.0.
_OLD = {"H": "h", "T": "min", "S": "s", "L": "ms", "U": "us", "N": "ns", "A": "YE", "AS": "YS", "M": "ME"}
_OLD |= {"Q": "QE", "Y": "YE", "BM": "ME"}


@dataclass(frozen=True)
class Step:
    """The distance between two neighbouring rows of a series.

    Args:
        kind: ``"tick"`` (``count`` nanoseconds), ``"day"``, ``"business"`` (Monday to Friday),
            ``"month"`` or ``"integer"``.
        count: How many of the kind's unit one step is.
        day: Day of the month that monthly steps fall on, 31 meaning the last; 0 for other kinds.

    Example:
        >>> step = parse_step("MS")
        >>> step.times(pd.Timestamp("2024-11-01"), 3).strftime("%Y-%m").tolist()
        ['2024-11', '2024-12', '2025-01']
        >>> str(parse_step("15min")), str(parse_step("QE")), str(parse_step(2))
        ('15min', 'QE', '2')
    """

    kind: str
    count: int
    day: int = 0

    def __str__(self) -> str:
        if self.kind == "integer":
            return str(self.count)
        if self.kind == "tick":
            unit = max((u for u in _TICKS if self.count % _TICKS[u] == 0), key=lambda u: _TICKS[u])
            return _prefixed(self.count // _TICKS[unit], unit)
        if self.kind == "day":
            return _prefixed(self.count // 7, "W") if self.count % 7 == 0 else _prefixed(self.count, "D")
        if self.kind == "business":
            return "B"
        letter = max((m for m in _MONTHS if self.count % _MONTHS[m] == 0), key=lambda m: _MONTHS[m])
        ending = {1: "S", 31: "E"}.get(self.day, f"-{self.day}")
        return _prefixed(self.count // _MONTHS[letter], letter + ending)

    @property
    def words(self) -> str:
        """The step as a person says it, such as ``"hourly"`` or ``"every 15min"``."""
        names = {"h": "hourly", "D": "daily", "W": "weekly", "B": "business days", "min": "every minute"}
        names |= {"MS": "monthly", "ME": "monthly", "QS": "quarterly", "QE": "quarterly"}
        names |= {"YS": "yearly", "YE": "yearly", "1": "one row after another"}
        return names.get(str(self), f"every {self}")

    def positions(self, times: np.ndarray | pd.DatetimeIndex, start: object) -> np.ndarray:
        """Count the steps from ``start`` to each time; NaN where a time lies between two steps.

        Args:
            times: Timestamps or integers, shape ``(rows,)``.
            start: The time at position 0.

        Returns:
            float64 array, shape ``(rows,)``.
        """
        if self.kind == "integer":
            distance = np.asarray(times, dtype=np.int64) - int(start)  # type: ignore[call-overload]
            return _whole(distance, self.count)
        stamps, origin = pd.DatetimeIndex(times).as_unit("ns"), pd.Timestamp(start).as_unit("ns")  # type: ignore[arg-type]
        if self.kind == "tick":
            return _steps_between(stamps.asi8, origin.value, self.count)
        stamps, origin = _local(stamps), origin.tz_localize(None)
        days = _steps_between(stamps.asi8, origin.value, DAY)
        if self.kind == "day":
            return _whole(days, self.count)
        if self.kind == "business":
            return _business_positions(days, origin)
        months = (stamps.year - origin.year) * 12 + stamps.month - origin.month
        right_day = stamps.day.to_numpy() == np.minimum(self.day, stamps.days_in_month.to_numpy())
        same_clock = stamps.asi8 % DAY == origin.value % DAY
        return np.where(right_day & same_clock, _whole(months.to_numpy(), self.count), np.nan)

    def times(self, start: object, n: int) -> pd.Index:
        """Return ``n`` times: ``start`` and the steps after it, in the time zone of ``start``."""
        k = np.arange(n, dtype=np.int64)
        if self.kind == "integer":
            return pd.Index(int(start) + k * self.count)  # type: ignore[call-overload]
        origin = pd.Timestamp(start).as_unit("ns")  # type: ignore[arg-type]
        try:
            return self._stamps(origin, k)
        except (OverflowError, pd.errors.OutOfBoundsDatetime) as error:
            raise ParameterError(f"{n} steps of {self} after {origin} pass the year 2262.") from error

    def _stamps(self, origin: pd.Timestamp, k: np.ndarray) -> pd.DatetimeIndex:
        if self.kind == "tick":
            _check_range(origin.value + int(k[-1] if len(k) else 0) * self.count)
            ticks = pd.DatetimeIndex(origin.value + k * self.count).as_unit("ns")
            return ticks if origin.tz is None else ticks.tz_localize("UTC").tz_convert(origin.tz)
        wall = origin.tz_localize(None)
        if self.kind == "month":
            local = _add_months(wall, k * self.count, self.day)
        elif self.kind == "business":
            days = np.busday_offset(wall.to_datetime64().astype("datetime64[D]"), k, roll="forward")
            clock = wall.value % DAY
            local = pd.DatetimeIndex(days.astype("datetime64[ns]").astype(np.int64) + clock)
        else:
            _check_range(wall.value + int(k[-1] if len(k) else 0) * self.count * DAY)
            local = pd.DatetimeIndex(wall.value + k * (self.count * DAY))
        if origin.tz is None:
            return local.as_unit("ns")
        # A clock change may hide or repeat a midnight: take the first valid reading.
        return local.as_unit("ns").tz_localize(origin.tz, ambiguous=np.ones(len(k), bool), nonexistent="shift_forward")

    def shift(self, start: object, n: int) -> object:
        """Return the time ``n`` steps after ``start`` (``n`` may be negative)."""
        if n >= 0:
            return self.times(start, n + 1)[-1]
        if self.kind == "integer":
            return int(start) + n * self.count  # type: ignore[call-overload]
        mirrored = {"tick": pd.Timedelta(1, "ns"), "day": pd.DateOffset(days=1), "business": pd.offsets.BDay(1)}
        origin = pd.Timestamp(start)  # type: ignore[arg-type]
        if self.kind == "month":
            moved = _add_months(origin.tz_localize(None), np.array([n * self.count]), self.day)[0]
            return moved.tz_localize(origin.tz) if origin.tz is not None else moved
        return origin + mirrored[self.kind] * (n * self.count)

    @property
    def seconds(self) -> float:
        """Length of the step in seconds (a month counts 30.4 days); 1.0 for integer steps."""
        return {
            "tick": self.count / SECOND,
            "day": self.count * 86_400.0,
            "business": self.count * 86_400.0 * 1.4,
            "month": self.count * 30.4375 * 86_400,
            "integer": 1.0,
        }[self.kind]

    @property
    def seasons(self) -> tuple[int, ...]:
        """Usual season lengths for this step, in rows, most likely first; empty if none is usual.

        Example:
            >>> parse_step("h").seasons, parse_step("MS").seasons, parse_step("YS").seasons
            ((24, 168), (12,), ())
        """
        if self.kind == "integer":
            return ()
        if self.kind == "month":
            return (12 // self.count,) if self.count < 12 and 12 % self.count == 0 else ()
        if self.kind == "business":
            return (5,)
        year, week, day = 365.25 * 86_400, 7 * 86_400.0, 86_400.0
        if self.seconds >= week:
            candidates = [year / self.seconds]
        elif self.seconds >= day:
            candidates = [week / self.seconds]
        elif self.seconds >= 60:
            candidates = [day / self.seconds, week / self.seconds]
        else:
            candidates = [3_600 / self.seconds]
        return tuple(round(c) for c in candidates if round(c) > 3)


def parse_step(text: str | int | pd.offsets.BaseOffset | pd.Timedelta) -> Step:
    """Read a step such as ``"h"``, ``"15min"``, ``"D"``, ``"W"``, ``"MS"``, ``"QE"``, ``"2YS"`` or ``1``.

    Aliases that pandas 3 removed (``H``, ``T``, ``S``, ``M``, ``Q``, ``Y``, ``A``) are still understood.

    Args:
        text: A pandas alias, a pandas offset or time delta, or a whole number for integer time.

    Raises:
        ParameterError: The step is unknown or not positive.

    Example:
        >>> parse_step("H") == parse_step("60min") == parse_step("h")
        True
        >>> parse_step("fortnight")
        Traceback (most recent call last):
        forecast.errors.ParameterError: Step 'fortnight' is unknown; use one such as 15min, h, D, B, W, MS, ME, QS, YS, or a whole number.
    """
    if isinstance(text, pd.Timedelta):
        return _checked(Step("tick", text.as_unit("ns").value), text)
    if isinstance(text, (int, np.integer)) and not isinstance(text, bool):
        return _checked(Step("integer", int(text)), text)
    word = str(getattr(text, "freqstr", text)).strip()
    match = re.fullmatch(r"([-+]?\d+)?\s*([A-Za-z]+)(?:-([A-Za-z0-9]+))?", word)
    if match is None:
        if re.fullmatch(r"[-+]?\d+", word):
            return _checked(Step("integer", int(word)), text)
        raise _unknown(text)
    count, name, anchor = int(match[1] or 1), match[2], match[3]
    # "H" and "h", but never "m": pandas reads "M" as months and "min" as minutes.
    name = _OLD.get(name, name)
    return _checked(_named(count, name, anchor, text), text)


def _named(count: int, name: str, anchor: str | None, text: object) -> Step:
    if name in _TICKS:
        return Step("tick", count * _TICKS[name])
    if name in ("D", "W"):
        return Step("day", count * (7 if name == "W" else 1))
    if name in ("B", "C") and count == 1:
        return Step("business", 1)
    month = re.fullmatch(r"B?([MQY])([SE])?", name)
    if month is None:
        raise _unknown(text)
    if anchor is not None and anchor.isdigit():
        day = int(anchor)
    else:
        day = 1 if month[2] == "S" else 31
    if not 1 <= day <= 31:
        raise _unknown(text)
    return Step("month", count * _MONTHS[month[1]], day)


def infer_step(times: pd.DatetimeIndex | np.ndarray, series: np.ndarray) -> Step:
    """Find the step of sorted times, tolerating gaps, duplicates, clock changes and month ends.

    The most common difference decides; if too many times lie off that grid, the largest step
    that all times share is tried.

    Args:
        times: Timestamps or integers, sorted within each series, shape ``(rows,)``.
        series: Series number of each row, shape ``(rows,)``.

    Raises:
        TableError: There are fewer than two different times, or no step fits.

    Example:
        >>> gap = pd.DatetimeIndex(["2024-01-31", "2024-02-29", "2024-04-30", "2024-05-31"])
        >>> str(infer_step(gap, np.zeros(4, int)))
        'ME'
    """
    same = series[1:] == series[:-1]
    if not isinstance(times, pd.DatetimeIndex):
        return _infer_integer(np.asarray(times, dtype=np.int64), same)
    stamps = times.as_unit("ns")
    wall = _local(stamps)
    absolute = np.diff(stamps.asi8)[same]
    absolute = absolute[absolute > 0]
    if not len(absolute):
        raise TableError("The step cannot be found from fewer than two different times; pass --step.")
    calendar = _infer_calendar(wall, same, _mode(absolute))
    if calendar is not None:
        return calendar
    step = _mode(absolute)
    if _off_grid(absolute, step) > 0.02:
        step = int(np.gcd.reduce(absolute))
        if len(absolute) * 50 < absolute.sum() / step:
            raise TableError(
                f"No step fits the times: the most common distance is {pd.Timedelta(_mode(absolute))}, but many "
                "rows lie between. Pass --step and, if the clock jitters, --snap."
            )
    return Step("tick", step)


def snap(times: pd.DatetimeIndex, step: Step) -> pd.DatetimeIndex:
    """Round times to the nearest multiple of a fixed step; other kinds of step round to the day.

    Example:
        >>> snap(pd.DatetimeIndex(["2024-01-01 00:59:59"]), parse_step("h"))[0].hour
        1
    """
    unit = step.count if step.kind == "tick" else DAY
    return times.round(pd.Timedelta(unit, "ns"))


def _infer_integer(times: np.ndarray, same: np.ndarray) -> Step:
    distance = np.diff(times)[same]
    distance = distance[distance > 0]
    if not len(distance):
        raise TableError("The step cannot be found from fewer than two different times; pass --step.")
    step = _mode(distance)
    return Step("integer", step if _off_grid(distance, step) == 0 else int(np.gcd.reduce(distance)))


def _infer_calendar(wall: pd.DatetimeIndex, same: np.ndarray, typical: int) -> Step | None:
    """Return a step in days or months if the local times support one, else None."""
    if typical < DAY - 2 * 3_600 * SECOND or len(np.unique(wall.asi8 % DAY)) > 1:
        return None
    days = np.diff(wall.asi8)[same] // DAY
    days = days[days > 0]
    if not len(days):
        return None
    if _mode(days) >= 28 and _mode(days) % 7 != 0 or _mode(days) in (28, 364, 91):
        monthly = _infer_months(wall, same)
        if monthly is not None:
            return monthly
    if _mode(days) == 1 and wall.day_of_week.max() <= 4 and (days == 3).sum() >= 0.1 * len(days):
        return Step("business", 1)
    step = _mode(days)
    return Step("day", step if _off_grid(days, step) <= 0.02 else int(np.gcd.reduce(days)))


def _infer_months(wall: pd.DatetimeIndex, same: np.ndarray) -> Step | None:
    day = 31 if (wall.day == wall.days_in_month).all() else int(wall.day.max())
    if not (wall.day == np.minimum(day, wall.days_in_month)).all():
        return None
    months = np.diff((wall.year * 12 + wall.month).to_numpy())[same]
    months = months[months > 0].astype(np.int64)
    step = _mode(months)
    return Step("month", step if _off_grid(months, step) == 0 else int(np.gcd.reduce(months)), day)


def _mode(values: np.ndarray) -> int:
    unique, counts = np.unique(values, return_counts=True)
    return int(unique[counts.argmax()])


def _off_grid(distances: np.ndarray, step: int) -> float:
    return float((distances % step != 0).mean())


def _steps_between(times: np.ndarray, start: int, unit: int) -> np.ndarray:
    # Quotients are subtracted, not times: nanoseconds between 1700 and 2000 overflow 64 bits.
    return np.where(times % unit == start % unit, times // unit - start // unit, np.nan)


def _whole(distance: np.ndarray, unit: int) -> np.ndarray:
    return np.where(distance % unit == 0, distance // unit, np.nan)


def _business_positions(days: np.ndarray, origin: pd.Timestamp) -> np.ndarray:
    first = origin.to_datetime64().astype("datetime64[D]")
    known = np.where(np.isnan(days), 0, days).astype(np.int64)
    dates = first + known
    position = np.busday_count(first, dates).astype(np.float64)
    return np.where(np.isnan(days) | ~np.is_busday(dates), np.nan, position)


def _local(stamps: pd.DatetimeIndex) -> pd.DatetimeIndex:
    return stamps.tz_localize(None) if stamps.tz is not None else stamps


def _add_months(start: pd.Timestamp, months: np.ndarray, day: int) -> pd.DatetimeIndex:
    total = start.year * 12 + start.month - 1 + months
    if len(total) and total.max() >= 2262 * 12:
        raise OverflowError
    first = pd.DatetimeIndex((total - 1970 * 12).astype("datetime64[M]").astype("datetime64[ns]"))
    offset = np.minimum(day, first.days_in_month.to_numpy()).astype(np.int64) - 1
    return pd.DatetimeIndex(first.asi8 + offset * DAY + start.value % DAY)


def _check_range(value: int) -> None:
    if not -(2**63) < value < 2**63:
        raise OverflowError


def _prefixed(count: int, name: str) -> str:
    return name if count == 1 else f"{count}{name}"


def _checked(step: Step, text: object) -> Step:
    if step.count <= 0:
        raise ParameterError(f"Step {str(text)!r} must be positive.")
    return step


def _unknown(text: object) -> ParameterError:
    known = ["h", "min", "s", "D", "B", "W", "MS", "ME", "QS", "QE", "YS", "YE"]
    return ParameterError(
        f"Step {str(text)!r} is unknown; use one such as 15min, h, D, B, W, MS, ME, QS, YS, or a whole number."
        + closest(str(text), known)
    )
