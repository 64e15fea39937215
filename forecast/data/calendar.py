"""Calendar features: where in the day, week, month and year each row stands, and whether it is a holiday."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from forecast.data.day_numbers import DAY, HOUR, SECOND, day_of_month, month_day, month_number, weekday
from forecast.data.holidays import check_country, days_until, holiday_days
from forecast.data.panel import Panel, grid_times
from forecast.data.step import Step
from forecast.data.wallclock import plain_clock, read_clock
from forecast.errors import ParameterError, closest

# A holiday farther ahead than this many days does not matter yet.
_AHEAD = 7
_HOLIDAYS = ("holiday", "days_to_holiday")


@dataclass(frozen=True)
class Calendar:
    """Which calendar features a model is given.

    What counts is what clocks on the wall and the local calendar show, in the time zone of the table. A place
    in a cycle becomes its sine and cosine, so that midnight lies beside 23:59; the rest are numbers from 0 to 1.

    Args:
        features: ``minute_of_hour``, ``hour_of_day``, ``day_of_week`` and the like: see ``FEATURES``.
        country: Whose holidays, such as ``"DE"`` or ``"DE-BY"``; None where no feature asks for them.

    Example:
        >>> from forecast.data.gridding import to_panel
        >>> from forecast.data.table import read_table
        >>> table = read_table({"month": ["2024-01", "2024-04", "2024-07"], "y": [1.0, 2.0, 3.0]})
        >>> calendar = Calendar(("quarter_of_year",))
        >>> calendar.names
        ('quarter_of_year_sin', 'quarter_of_year_cos')
        >>> rows, offsets = calendar.rows(to_panel(table), ahead=1)
        >>> rows.round(3) + 0.0, offsets  # adding zero turns -0.0 into 0.0
        (array([[ 0.,  1.], [ 1.,  0.], [ 0., -1.], [-1.,  0.]], dtype=float32), array([0, 4]))
    """

    features: tuple[str, ...]
    country: str | None = None

    def __post_init__(self) -> None:
        for name in self.features:
            if name not in FEATURES:
                raise ParameterError(
                    f"There is no calendar feature {name!r}.{closest(str(name), FEATURES)} "
                    f"Known are {', '.join(FEATURES)}."
                )
        if self.country is None and set(self.features) & set(_HOLIDAYS):
            raise ParameterError(
                "Holidays as a calendar feature need a country, such as DE or DE-BY; give one."
            )

    @property
    def names(self) -> tuple[str, ...]:
        """What each column of ``rows`` holds."""
        return tuple(
            column
            for name in self.features
            for column in ((f"{name}_sin", f"{name}_cos") if name in _CYCLES else (name,))
        )

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self.names)

    def rows(self, panel: Panel, ahead: int) -> tuple[np.ndarray, np.ndarray]:
        """Compute the features of every grid row, and of ``ahead`` rows behind each series' end.

        Args:
            panel: Series with a time column of dates.
            ahead: Rows behind the end, at least 0.

        Returns:
            float32 ``(rows + series * ahead, width)``, series laid end to end, and offsets ``(series + 1,)``
            at which each begins.

        Raises:
            ParameterError: The panel's times are no dates, or the times ahead lie behind the year 2261.
        """
        lengths = panel.lengths + ahead
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        if not self.features:
            return np.empty((int(offsets[-1]), 0), dtype=np.float32), offsets
        _check_dated(panel.step)
        return self.at(grid_times(panel.step, panel.starts, lengths), panel.step), offsets

    def at(self, times: pd.DatetimeIndex, step: Step) -> np.ndarray:
        """Compute the features of some times on a grid of dates: float32 ``(times, width)``."""
        found = np.empty((len(times), self.width), dtype=np.float32)
        # A day that begins at one o'clock, because midnight was skipped, is nevertheless a whole day.
        wall = plain_clock(times) if step.kind == "tick" else read_clock(times)
        column = 0
        for name in self.features:
            if name in _CYCLES:
                angle = _CYCLES[name](wall) * (2 * np.pi)
                np.sin(angle, out=found[:, column], casting="same_kind")
                np.cos(angle, out=found[:, column + 1], casting="same_kind")
            elif name == "weekend":
                found[:, column] = weekday(wall // DAY) >= 5
            else:
                found[:, column] = self._holidays(name, wall // DAY)
            column += 2 if name in _CYCLES else 1
        return found

    def _holidays(self, name: str, days: np.ndarray) -> np.ndarray:
        first, last = int(days.min()), int(days.max())
        # Many rows, few days: each day is looked up once.
        every = np.arange(first, last + 1)
        until = days_until(every, holiday_days(str(self.country), first, last + _AHEAD), _AHEAD)
        value = until == 0 if name == "holiday" else until / _AHEAD
        return value.astype(np.float32)[days - first]


def make_calendar(
    step: Step, wish: bool | str | Sequence[str] | None = True, country: str | None = None
) -> Calendar:
    """Choose calendar features.

    Chosen by the step: below a minute the minute of the hour; below a day hour of the day and day of the week;
    days have day of the week, day of the month and time of the year; weeks the week of the year and, because a
    fixed date moves within it, the time of the year; months their month, quarters their quarter; years nothing.
    Naming a country adds its holidays and the days until the next.

    Args:
        step: Distance between rows.
        wish: True for features chosen by the step, their names for others, False or none for no feature.
        country: Whose holidays, such as ``"DE"``, or ``"DE-BY"`` with a subdivision; default none.

    Raises:
        ParameterError: The rows have no dates; a name or country is unknown; holidays are asked for and rows are
            more than a day apart; or the package for them is not installed.

    Example:
        >>> from forecast.data.step import parse_step
        >>> make_calendar(parse_step("15min")).features, make_calendar(parse_step("MS")).features
        (('hour_of_day', 'day_of_week'), ('month_of_year',))
        >>> make_calendar(parse_step("h"), ["hour_of_day", "time_of_yaer"])
        Traceback (most recent call last):
        forecast.errors.ParameterError: There is no calendar feature 'time_of_yaer'. Did you mean 'time_of_year'? ...
    """
    if wish is True or wish or country is not None:
        _check_dated(step)
    names = _by_step(step) if wish is True else _named(wish)
    if country is not None:
        country = check_country(country)
        names = names if set(names) & set(_HOLIDAYS) else (*names, *_HOLIDAYS)
    calendar = Calendar(names, country)
    if set(names) & set(_HOLIDAYS) and not _within_days(step):
        raise ParameterError(
            f"Holidays are days, and rows of this table are more than a day apart ({step.words}); leave them out."
        )
    return calendar


def _named(wish: bool | str | Sequence[str] | None) -> tuple[str, ...]:
    if wish is None or wish is False:
        return ()
    return (wish,) if isinstance(wish, str) else tuple(dict.fromkeys(wish))  # type: ignore[arg-type]


def _by_step(step: Step) -> tuple[str, ...]:
    if step.kind == "month":
        if step.count % 12 == 0:
            return ()
        return ("quarter_of_year",) if step.count == 3 else ("month_of_year",)
    if step.seconds < 60:
        return ("minute_of_hour", "hour_of_day", "day_of_week")
    if step.seconds < 86_400:
        return ("hour_of_day", "day_of_week")
    if step.seconds >= 7 * 86_400:
        return ("week_of_year", "time_of_year")
    return ("day_of_week", "day_of_month", "time_of_year")


def _within_days(step: Step) -> bool:
    """Tell whether every row stands for a day or less."""
    return step.seconds <= 86_400 or (step.kind == "business" and step.count == 1)


def _check_dated(step: Step) -> None:
    if step.kind == "integer":
        raise ParameterError(
            "Calendar features need dates, and this table's rows are only counted; name a column of dates with --time, "
            "or ask for no calendar features."
        )


def _day_of_month(wall: np.ndarray) -> np.ndarray:
    days = wall // DAY
    return (day_of_month(days) - 1) / day_of_month(month_day(month_number(days), 31))


def _week_of_year(wall: np.ndarray) -> np.ndarray:
    """Place of the week of ISO 8601 among the 52 or 53 of its year, which is that of its Thursday."""
    days = wall // DAY
    thursday = days - weekday(days) + 3
    begin, end = _year(thursday)
    return ((thursday - begin) // 7) / ((end - begin - (thursday - begin) % 7 + 6) // 7)


def _time_of_year(wall: np.ndarray) -> np.ndarray:
    begin, end = _year(wall // DAY)
    return (wall / DAY - begin) / (end - begin)


def _year(days: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first day of each day's year and of the year after it."""
    years = days.astype("datetime64[D]").astype("datetime64[Y]")
    return years.astype("datetime64[D]").astype(np.int64), (years + 1).astype("datetime64[D]").astype(
        np.int64
    )


# The place of a wall clock (nanoseconds) in a cycle, from 0 to 1.
_CYCLES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "second_of_minute": lambda wall: wall % (60 * SECOND) / (60 * SECOND),
    "minute_of_hour": lambda wall: wall % HOUR / HOUR,
    "hour_of_day": lambda wall: wall % DAY / DAY,
    "day_of_week": lambda wall: weekday(wall // DAY) / 7,
    "day_of_month": _day_of_month,
    "week_of_year": _week_of_year,
    "month_of_year": lambda wall: month_number(wall // DAY) % 12 / 12,
    "quarter_of_year": lambda wall: month_number(wall // DAY) // 3 % 4 / 4,
    "time_of_year": _time_of_year,
}
FEATURES = (*_CYCLES, "weekend", *_HOLIDAYS)
