"""A column to timestamps or integer steps, decided on the whole column and never cell by cell."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, timedelta, timezone, tzinfo

import numpy as np
import pandas as pd

from forecast.data.date_numbers import UNITS, kind_of_numbers, numbers_to_times
from forecast.data.date_text import NO_OFFSET, DateParts, days_of, parse_dates
from forecast.data.numbers import show
from forecast.data.sheet import Sheet
from forecast.errors import ParameterError, TableError

_INTEGER = re.compile(r"[+-]?[0-9]{1,19}", re.ASCII)
_FIRST_YEAR, _LAST_YEAR = 1678, 2261  # whole years that nanoseconds since 1970 can tell apart
_DAY = 86_400 * 10**9


@dataclass(frozen=True)
class Times:
    """A time column as numbers.

    Args:
        values: datetime64[ns] (UTC when there is a ``zone``, else the clock as written) or int64 steps.
        zone: Time zone the cells were written in; None for plain clocks and integers.
        note: How the cells were read, when more than one reading was possible.
        why: What settled the reading.
    """

    values: np.ndarray
    zone: tzinfo | None = None
    note: str = ""
    why: str = ""

    @property
    def dated(self) -> bool:
        """Whether the values are timestamps rather than integer steps."""
        return self.values.dtype.kind == "M"


def read_times(sheet: Sheet, name: str, date_format: str | None = None) -> Times:
    """Read a column as timestamps or integer steps.

    Day-first and month-first are decided on the whole column; numbers are recognised as epochs, ``20240101``,
    years or Excel serials by the magnitude of all of them, and are integer steps otherwise. Cells
    with one UTC offset keep it; with several they become UTC.

    Args:
        sheet: The raw table.
        name: Column to read.
        date_format: A ``strptime`` format, or a key of ``UNITS`` such as ``"integer"`` or ``"ms"`` to say
            what numbers mean; None finds out.

    Raises:
        TableError: A cell is blank, no date, an impossible one, or outside the years 1678 to 2261;
            or both orders of day and month fit.
        ParameterError: ``date_format`` is no format.

    Example:
        >>> sheet = Sheet("a.csv", {"day": np.array(["13/02/2024", "14/02/2024"], dtype=object)})
        >>> read_times(sheet, "day").values.astype("datetime64[D]").tolist()
        [datetime.date(2024, 2, 13), datetime.date(2024, 2, 14)]
    """
    _check_format(date_format)
    column = sheet.columns[name]
    if isinstance(column, pd.DatetimeIndex):
        return _from_index(sheet, name, column)
    if column.dtype.kind == "b":
        raise TableError(f"{sheet.place(column=name)}: truth values cannot be times.")
    blank = np.isnan(column) if column.dtype.kind == "f" else None
    cells = column.tolist() if column.dtype == object else []
    if blank is None and cells:
        blank = np.array([not cell.strip() for cell in cells])
    if blank is not None and blank.any():
        raise TableError(
            f"{sheet.place(int(np.argmax(blank)), name)}: the time is missing; fill it in or remove the row."
        )
    if date_format is not None and "%" in date_format:
        return _from_format(
            sheet, name, cells or [_as_digits(value) for value in column.tolist()], date_format
        )
    read = sheet.numbers(name)
    values = None if read.kind == "text" else whole_numbers(sheet, name)
    if values is not None:
        return _from_numbers(sheet, name, values, date_format)
    if read.bad is not None and (date_format is not None or read.kind in ("number", "mostly")):
        others = f"--date-format {date_format} wants" if date_format is not None else "the other cells are"
        raise TableError(f"{sheet.said(read.bad, name)} is not a number, as {others}.")
    return _from_text(sheet, name, cells)


def whole_numbers(sheet: Sheet, name: str) -> np.ndarray | None:
    """Return a column as int64, or float64 when it has fractions; None when it does not hold only numbers."""
    column = sheet.columns[name]
    if isinstance(column, pd.DatetimeIndex) or column.dtype.kind == "b":
        return None
    if column.dtype.kind in "iu":
        return column.astype(np.int64)
    if column.dtype == object:
        cells = [cell.strip() for cell in column.tolist()]
        # int() keeps all 19 digits of an epoch in nanoseconds; float64 would not.
        if cells and all(map(_INTEGER.fullmatch, cells)):
            exact = [int(cell) for cell in cells]
            return np.array(exact, dtype=np.int64) if max(map(abs, exact)) < 1 << 63 else None
    numbers = sheet.numbers(name)
    if numbers.kind != "number" or numbers.bad is not None or np.isnan(numbers.values).any():
        return None
    small = np.abs(numbers.values).max(initial=0) < 2**53
    return numbers.values.astype(np.int64) if numbers.whole and small else numbers.values


def show_time(value: np.datetime64 | np.int64) -> str:
    """Return a time for a message, without the clock at midnight.

    Example:
        >>> show_time(np.datetime64("2024-01-31T00:00:00.000000000")), show_time(np.int64(7))
        ('2024-01-31', '7')
    """
    if not isinstance(value, np.datetime64):
        return str(value)
    return str(pd.Timestamp(value)).removesuffix(" 00:00:00")


def _check_format(date_format: str | None) -> None:
    if date_format is None or "%" in date_format or date_format in UNITS:
        return
    raise ParameterError(
        f"--date-format {show(date_format)} is neither a format such as '%d/%m/%Y' nor one of "
        f"{', '.join(UNITS)}."
    )


def _missing(sheet: Sheet, name: str, blank: np.ndarray) -> str:
    return f"{sheet.place(int(np.argmax(blank)), name)}: the time is missing; fill it in or remove the row."


def _from_index(sheet: Sheet, name: str, index: pd.DatetimeIndex) -> Times:
    missing = np.asarray(index.isna())
    if missing.any():
        raise TableError(_missing(sheet, name, missing))
    plain = (index.tz_convert("UTC").tz_localize(None) if index.tz is not None else index).to_numpy()
    years = plain.astype("datetime64[Y]").astype(np.int64) + 1970
    _check_years(sheet, name, years)
    return Times(plain.astype("datetime64[ns]"), index.tz)


def _from_numbers(sheet: Sheet, name: str, values: np.ndarray, date_format: str | None) -> Times:
    kind = date_format if date_format is not None else kind_of_numbers(values, name)
    if kind == "integer":
        if values.dtype.kind == "f":
            row = int(np.argmax(values != np.floor(values)))
            raise TableError(f"{sheet.said(row, name)} is neither a date nor a whole number.")
        return Times(values)
    times, good = numbers_to_times(values, kind)
    if not good.all():
        row = int(np.argmin(good))
        raise TableError(
            f"{sheet.said(row, name)} is no date from {_FIRST_YEAR} to {_LAST_YEAR} when numbers "
            f"are read as {UNITS[kind]}; pass another --date-format."
        )
    zone = UTC if kind in ("s", "ms", "us", "ns") else None
    if date_format is not None:
        return Times(times, zone)
    return Times(times, zone, f"numbers read as {UNITS[kind]}", "all of them have that magnitude")


def _from_text(sheet: Sheet, name: str, cells: list[str]) -> Times:
    parts = parse_dates(cells)
    known = parts.family != ""
    if not known.all():
        row = int(np.argmin(known))
        raise TableError(
            f"{sheet.said(row, name)} is not a date; correct it, pass --date-format, "
            "or name another --time column."
        )
    family = _one_family(sheet, name, parts)
    note, why = "", ""
    month, day = parts.month, parts.day
    if family in ("a/b/year", "a.b.year"):
        day_first, note, why = _day_first(sheet, name, parts)
        month, day = (month, day) if day_first else (day, month)
    days, good = days_of(parts.year, month, day)
    _check_days(sheet, name, good, parts.seconds >= 0, note)
    _check_years(sheet, name, parts.year)
    ns = days.astype("datetime64[ns]") + (parts.seconds * 10**9 + parts.nanos).astype("timedelta64[ns]")
    values, zone = _to_utc(sheet, name, ns, parts.offset)
    return Times(values, zone, note, why)


def _one_family(sheet: Sheet, name: str, parts: DateParts) -> str:
    """Return the one way in which all cells are written."""
    family = parts.family
    other = family != family[0]
    if other.any():
        row = int(np.argmax(other))
        raise TableError(
            f"{sheet.pair(0, row, name)}: {sheet.cell(0, name)} and "
            f"{sheet.cell(row, name)} are dates of two kinds; write them alike."
        )
    if str(family[0]).endswith("yy"):
        raise TableError(
            f"{sheet.said(0, name)} has a year of two digits; "
            f'pass --date-format, such as "{"%b-%y" if family[0] == "month yy" else "%d/%m/%y"}".'
        )
    return str(family[0])


def _day_first(sheet: Sheet, name: str, parts: DateParts) -> tuple[bool, str, str]:
    """Decide the order of day and month on the whole column; return it with a note and a reason."""
    day_first = days_of(parts.year, parts.month, parts.day)[1]
    month_first = days_of(parts.year, parts.day, parts.month)[1]
    differ = parts.month != parts.day
    if day_first.all() and month_first.all() and differ.any():
        row = int(np.argmax(differ))
        if parts.family[0] == "a.b.year":
            return True, "day first", "dates with dots are written so"
        raise TableError(
            f"{sheet.said(row, name)} may be day-first or month-first, and so may every row; "
            f'pass --date-format "{_format_of(sheet, name, row, True)}" '
            f'or "{_format_of(sheet, name, row, False)}".'
        )
    chosen = bool(day_first.sum() >= month_first.sum())
    fits, other = (day_first, month_first) if chosen else (month_first, day_first)
    order = "day first" if chosen else "month first"
    if fits.all():
        return (
            chosen,
            order,
            f"{sheet.cell(int(np.argmin(other)), name)} fits nothing else" if not other.all() else "",
        )
    row = int(np.argmin(fits))
    advice = f' or pass --date-format "{_format_of(sheet, name, row, not chosen)}"' if other[row] else ""
    raise TableError(
        f"{sheet.said(row, name)} is no date when read {order}, as {int(fits.sum())} of {len(fits)} rows "
        f"can be; correct it{advice}."
    )


def _format_of(sheet: Sheet, name: str, row: int, day_first: bool) -> str:
    """Spell the strptime format of a cell such as ``01/02/2024 05:30``."""
    text = str(sheet.columns[name][row]).strip()
    mark = next(c for c in text if not c.isdigit())
    form = mark.join(("%d", "%m", "%Y") if day_first else ("%m", "%d", "%Y"))
    clock = re.search(r"([ T])[0-9]{1,2}(:[0-9]{2})?(:[0-9]{2})?([.,][0-9]+)?(\s*[AaPp][Mm])?", text)
    if clock is None:
        return form
    gap, minute, second, fraction, half = clock.groups()
    form += gap + ("%I" if half else "%H") + (":%M" if minute else "") + (":%S" if second else "")
    return form + (f"{fraction[0]}%f" if fraction else "") + (" %p" if half else "")


def _check_days(sheet: Sheet, name: str, good: np.ndarray, timely: np.ndarray, note: str) -> None:
    if not good.all():
        row = int(np.argmin(good))
        read = f" when read {note}" if note else ""
        raise TableError(f"{sheet.said(row, name)} is not a day of the calendar{read}; correct it.")
    if not timely.all():
        row = int(np.argmin(timely))
        raise TableError(
            f"{sheet.said(row, name)} has no such time of day; hours go to 23, minutes and seconds to 59."
        )


def _check_years(sheet: Sheet, name: str, years: np.ndarray) -> None:
    out = (years < _FIRST_YEAR) | (years > _LAST_YEAR)
    if out.any():
        row = int(np.argmax(out))
        raise TableError(
            f"{sheet.place(row, name)}: the year {int(years[row])} is outside {_FIRST_YEAR} to {_LAST_YEAR}, "
            "the years that timestamps in nanoseconds can hold."
        )


def _to_utc(
    sheet: Sheet, name: str, values: np.ndarray, offset: np.ndarray
) -> tuple[np.ndarray, tzinfo | None]:
    """Subtract UTC offsets; the zone is the common offset, UTC for several, None for cells without one."""
    bare = offset == NO_OFFSET
    if bare.all():
        return values, None
    if bare.any():
        first, second = sorted((int(np.argmax(bare)), int(np.argmin(bare))))
        raise TableError(
            f"{sheet.pair(first, second, name)}: "
            f"{sheet.cell(first, name)} and {sheet.cell(second, name)}: only one of them has a UTC offset."
        )
    zone = (
        UTC if (offset != offset[0]).any() or offset[0] == 0 else timezone(timedelta(minutes=int(offset[0])))
    )
    return values - offset.astype("timedelta64[m]"), zone


def _from_format(sheet: Sheet, name: str, cells: list[str], date_format: str) -> Times:
    text = pd.Series([cell.strip() for cell in cells], dtype=object)
    aware = "%z" in date_format or "%Z" in date_format
    try:
        read = pd.to_datetime(text, format=date_format, errors="coerce", utc=aware)
        plain = pd.DatetimeIndex(read.dt.tz_localize(None) if aware else read)
    except (ValueError, KeyError, IndexError, TypeError, OverflowError, AttributeError, re.error) as error:
        raise ParameterError(
            f"--date-format {show(date_format)} cannot be used: {show(error, 100)}."
        ) from None
    bad = np.asarray(plain.isna())
    if bad.any():
        row = int(np.argmax(bad))
        raise TableError(
            f"{sheet.said(row, name)} is no date in the format {show(date_format)}; "
            "pass another --date-format."
        )
    return Times(_from_index(sheet, name, plain).values, UTC if aware else None)


def _as_digits(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)
