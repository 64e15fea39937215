"""The step between rows: read it, count it, continue it.

A step is one of five kinds. Fixed durations (``tick``) are counted in absolute time, so an
hourly series in local time crosses a change of clocks without a gap. Days, business days and
months are counted on the local calendar, so a daily series at midnight stays at midnight.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pandas as pd

from forecast.data.day_numbers import DAY, HOUR, SECOND, count_steps, walk
from forecast.data.wallclock import from_utc, read_clock, set_clock
from forecast.errors import ParameterError, closest

_TICKS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": SECOND, "min": 60 * SECOND, "h": HOUR}
_MONTHS = {"M": 1, "Q": 3, "Y": 12}
# What pandas called these before 2.2 and removed in 3.0.
_OLD = {"H": "h", "T": "min", "S": "s", "L": "ms", "U": "us", "N": "ns", "A": "YE", "AS": "YS", "M": "ME"}
_OLD |= {"Q": "QE", "Y": "YE", "BM": "ME", "BQ": "QE", "BA": "YE", "BY": "YE", "BAS": "YS"}
_WORDS = {"h": "hourly", "D": "daily", "W": "weekly", "B": "business days", "1": "one row after another"}
_WORDS |= {"min": "every minute", "s": "every second", "MS": "monthly", "ME": "monthly"}
_WORDS |= {"QS": "quarterly", "QE": "quarterly", "YS": "yearly", "YE": "yearly"}
# Nanoseconds reach 292 years around 1970; a little less, so that rounding cannot pass the end.
_FARTHEST = 9.2e18


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
            return _prefixed(self.count, "B")
        letter = max((m for m in _MONTHS if self.count % _MONTHS[m] == 0), key=lambda m: _MONTHS[m])
        ending = {1: "S", 31: "E"}.get(self.day, f"-{self.day}")
        return _prefixed(self.count // _MONTHS[letter], letter + ending)

    @property
    def words(self) -> str:
        """The step as a person says it, such as ``"hourly"`` or ``"every 15min"``."""
        return _WORDS.get(str(self), f"every {self}")

    def positions(self, times: object, start: object) -> np.ndarray:
        """Count the steps from ``start`` to each time; NaN where a time lies between two steps.

        Args:
            times: Timestamps or integers, shape ``(rows,)``.
            start: The time at position 0, or one for each of ``times``.

        Returns:
            float64 array, shape ``(rows,)``; negative before ``start``.

        Example:
            >>> parse_step("ME").positions(pd.DatetimeIndex(["2024-02-29", "2024-03-30"]), pd.Timestamp("2024-01-31"))
            array([ 1., nan])
        """
        if self.kind == "integer":
            return _whole(_integers(times) - _integers(start), self.count)
        stamps, origins = _stamps(times), _stamps(start)
        if (stamps.tz is None) != (origins.tz is None):
            raise ParameterError(
                "Times with a time zone and times without one cannot be compared; pass --timezone for both."
            )
        if self.kind == "tick":
            return _whole(stamps.asi8 - origins.asi8, self.count)
        if stamps.tz is not None:
            stamps = stamps.tz_convert(origins.tz)
        wall, origin = read_clock(stamps), read_clock(origins)
        count = count_steps(self.kind, self.count, wall // DAY, origin // DAY)
        expected = walk(self.kind, self.count, self.day, origin, count)
        on_grid = expected == wall
        if stamps.tz is not None and not on_grid.all():
            # The clock may have skipped the expected time of day.
            on_grid |= set_clock(expected, stamps.tz).asi8 == stamps.asi8
        return np.where(on_grid, count, np.nan)

    def advance(self, starts: object, steps: np.ndarray) -> pd.Index:
        """Return the time ``steps[i]`` steps after ``starts[i]``, in the time zone of the starts.

        Args:
            starts: Timestamps or integers, shape ``(rows,)``, or a single one for all.
            steps: Whole numbers, negative for times before, shape ``(rows,)``.

        Raises:
            ParameterError: A time lies outside the years 1678 to 2261.

        Example:
            >>> parse_step("B").advance(pd.Timestamp("2024-03-01"), np.array([-1, 0, 1])).day.tolist()
            [29, 1, 4]
        """
        steps = np.asarray(steps, dtype=np.int64)
        if self.kind == "integer":
            begin = _integers(starts)
            self._check_reach(begin, steps, self.count)
            return pd.Index(begin + steps * self.count)
        origins = _stamps(starts)
        self._check_reach(origins.asi8, steps, self.seconds * SECOND)
        if self.kind == "tick":
            return from_utc(origins.asi8 + steps * self.count, origins.tz)
        found = set_clock(walk(self.kind, self.count, self.day, read_clock(origins), steps), origins.tz)
        if origins.tz is None:
            return found
        # A start at the second of two equal clock times, or at a skipped one, is what it is.
        return from_utc(np.where(steps == 0, origins.asi8, found.asi8), origins.tz)

    def times(self, start: object, n: int) -> pd.Index:
        """Return ``n`` times: ``start`` and the steps after it, in the time zone of ``start``."""
        return self.advance(start, np.arange(n))

    def shift(self, start: object, n: int) -> object:
        """Return the time ``n`` steps after ``start`` (``n`` may be negative)."""
        return self.advance(start, np.array([n]))[0]

    @property
    def seconds(self) -> float:
        """Length of the step in seconds (a month counts 30.4 days); 1.0 for integer steps."""
        return {
            "tick": self.count / SECOND,
            "day": self.count * 86_400.0,
            "business": self.count * 86_400.0 * 7 / 5,
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
            return (5,) if self.count == 1 else ()
        year, week, day = 365.25 * 86_400, 7 * 86_400.0, 86_400.0
        if self.seconds >= week:
            candidates = [year / self.seconds]
        elif self.seconds >= day:
            candidates = [week / self.seconds]
        elif self.seconds >= 60:
            candidates = [day / self.seconds, week / self.seconds]
        else:
            candidates = [3_600 / self.seconds]
        # A season of 3.5 rows would be out of step with itself after two rounds.
        return tuple(round(c) for c in candidates if round(c) > 3 and abs(c - round(c)) < 0.02 * c)

    def _check_reach(self, begin: np.ndarray, steps: np.ndarray, unit: float) -> None:
        reached = begin.astype(np.float64) + steps * float(unit)
        if not len(reached) or np.abs(reached).max() < _FARTHEST:
            return
        n = int(np.broadcast_to(steps, reached.shape)[np.abs(reached).argmax()])
        beyond = "64-bit integers" if self.kind == "integer" else "the years 1678 to 2261"
        raise ParameterError(
            f"{n:,} steps of {self} lead out of {beyond}; ask for fewer, or pass another --step."
        )


def parse_step(text: str | int | pd.offsets.BaseOffset | timedelta) -> Step:
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
        forecast.errors.ParameterError: Step 'fortnight' is unknown; use one such as 15min, h, D, ...
    """
    if isinstance(text, timedelta | np.timedelta64):
        return _checked(Step("tick", _nanoseconds(text)), text)
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
    if name in ("B", "C"):
        return Step("business", count)
    month = re.fullmatch(r"B?([MQY])([SE])?", name)
    if month is None:
        raise _unknown(text)
    usual = 1 if month[2] == "S" else 31
    day = int(anchor) if anchor is not None and anchor.isdigit() else usual
    if not 1 <= day <= 31:
        raise _unknown(text)
    return Step("month", count * _MONTHS[month[1]], day)


def _nanoseconds(text: timedelta | np.timedelta64) -> int:
    try:
        return pd.Timedelta(text).as_unit("ns").value
    except (OverflowError, ValueError):
        raise ParameterError(f"Step {str(text)!r} is longer than 292 years.") from None


def _stamps(times: object) -> pd.DatetimeIndex:
    """Return timestamps, or a single one, as nanoseconds."""
    several = isinstance(times, pd.Index | np.ndarray | list)
    return pd.DatetimeIndex(times if several else [pd.Timestamp(times)]).as_unit("ns")  # type: ignore[arg-type]


def _integers(times: object) -> np.ndarray:
    return np.atleast_1d(np.asarray(times)).astype(np.int64)


def _whole(distance: np.ndarray, unit: int) -> np.ndarray:
    return np.where(distance % unit == 0, distance // unit, np.nan)


def _prefixed(count: int, name: str) -> str:
    return name if count == 1 else f"{count}{name}"


def _checked(step: Step, text: object) -> Step:
    if step.count <= 0:
        raise ParameterError(f"Step {str(text)!r} must be positive.")
    if step.kind != "integer" and step.seconds * SECOND >= _FARTHEST:
        raise ParameterError(f"Step {str(text)!r} is longer than 292 years.")
    if step.count >= 2**63:
        raise ParameterError(f"Step {str(text)!r} is larger than 64-bit integers.")
    return step


def _unknown(text: object) -> ParameterError:
    known = ["h", "min", "s", "D", "B", "W", "MS", "ME", "QS", "QE", "YS", "YE"]
    return ParameterError(
        f"Step {str(text)!r} is unknown; use one such as 15min, h, D, B, W, MS, ME, QS, YS, or a whole number."
        + closest(str(text), known)
    )
