"""Clock times of one place to UTC: the hour that comes twice in autumn, the one missing in spring."""

from __future__ import annotations

from collections import defaultdict
from datetime import tzinfo
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
import pandas as pd

from forecast.data.dates import Times
from forecast.data.numbers import show
from forecast.data.sheet import Sheet
from forecast.errors import ParameterError, TableError, closest


def check_timezone(timezone: str | None) -> ZoneInfo | None:
    """Return the zone of that name.

    Raises:
        ParameterError: There is no such zone.

    Example:
        >>> check_timezone("Europe/Berlin").key
        'Europe/Berlin'
    """
    if timezone is None:
        return None
    try:
        return ZoneInfo(timezone)
    except (KeyError, ValueError, OSError, TypeError, AttributeError):
        near = closest(str(timezone), sorted(available_timezones()))
        raise ParameterError(
            f"There is no time zone {show(timezone)}.{near} --timezone wants a name such as Europe/Berlin."
        ) from None


def to_zone(sheet: Sheet, name: str, times: Times, zone: ZoneInfo | None, series: np.ndarray) -> Times:
    """Return times in UTC with the asked zone; without one they come back as they are.

    A clock time without an offset is taken as local time. When clocks go back an hour comes twice, and the
    order of the rows of each series tells the two apart; a single such time is the earlier one.

    Args:
        sheet: The raw table, for messages.
        name: The time column.
        times: What the column holds.
        zone: The zone the user named, if any.
        series: Integer of the series of each row.

    Raises:
        TableError: A local time was skipped when clocks went forward.
        ParameterError: The column holds integer steps.
    """
    if zone is None:
        return times
    if not times.dated:
        raise ParameterError(
            f"{sheet.place(column=name)}: --timezone needs dates, and these are integer steps."
        )
    if times.zone is not None:
        return Times(times.values, zone, times.note, times.why)
    local = pd.DatetimeIndex(times.values)
    early = local.tz_localize(zone, ambiguous=np.ones(len(local), dtype=bool), nonexistent="NaT")
    late = local.tz_localize(zone, ambiguous=np.zeros(len(local), dtype=bool), nonexistent="NaT")
    skipped = np.asarray(early.isna())
    if skipped.any():
        row = int(np.argmax(skipped))
        raise TableError(
            f"{sheet.place(row, name)}: {show(local[row])} does not exist in {zone.key}, where clocks "
            "went forward; correct it, or drop --timezone."
        )
    first, second = (index.tz_convert("UTC").tz_localize(None).to_numpy() for index in (early, late))
    unclear = np.flatnonzero(first != second)
    values = np.array(first)
    passed = _second_pass(times.values, unclear, series)
    values[passed] = second[passed]
    return Times(values.astype("datetime64[ns]"), zone, times.note, times.why)


def as_index(values: np.ndarray, zone: tzinfo | None) -> np.ndarray | pd.DatetimeIndex:
    """Return the values of a time column as they stand in a frame."""
    if zone is None:
        return values
    return pd.DatetimeIndex(values).tz_localize("UTC").tz_convert(zone)


def looks_like_autumn(values: np.ndarray, repeated: np.ndarray) -> bool:
    """Tell whether repeated times are the one hour a day in autumn when clocks go back.

    Args:
        values: The times of all rows.
        repeated: Rows whose time stood in an earlier row.

    Example:
        >>> hours = np.array(["2024-10-27T02", "2024-10-27T02", "2024-10-27T03"], dtype="datetime64[ns]")
        >>> looks_like_autumn(hours, np.array([1]))
        True
    """
    if values.dtype.kind != "M" or len(repeated) == 0:
        return False
    again = values[repeated]
    hours, days = np.unique(again.astype("datetime64[h]")), np.unique(again.astype("datetime64[D]"))
    months = np.unique(again.astype("datetime64[M]")).astype(np.int64) % 12 + 1
    clock = hours.astype(np.int64) % 24
    subdaily = bool((values != values.astype("datetime64[D]")).any())
    return (
        subdaily
        and len(hours) == len(days)
        and len(np.unique(again)) == len(again)
        and bool(np.isin(months, (3, 4, 10, 11)).all())
        and bool((clock <= 3).all())
    )


def _second_pass(local: np.ndarray, unclear: np.ndarray, series: np.ndarray) -> np.ndarray:
    """Return those of the unclear rows that belong to the second pass through the repeated hour."""
    nights: dict[tuple[int, int], list[int]] = defaultdict(list)
    for row, day in zip(
        unclear.tolist(), local[unclear].astype("datetime64[D]").astype(np.int64).tolist(), strict=True
    ):
        nights[int(series[row]), day].append(row)
    found: list[int] = []
    for (code, _), rows in nights.items():
        own = np.flatnonzero(series == code)[[0, -1]]
        newest_first = local[own[0]] > local[own[1]]
        found += _after_turn(local, rows[::-1] if newest_first else rows)
    return np.array(found, dtype=np.int64)


def _after_turn(local: np.ndarray, rows: list[int]) -> list[int]:
    """Return the rows of one night from where its clock stops advancing."""
    steps = [bool(local[b] > local[a]) for a, b in pairwise(rows)]
    if steps.count(False) <= 1:
        return rows[steps.index(False) + 1 :] if False in steps else []
    seen: set[int] = set()  # sorted by the clock: each time stands twice in succession
    second = []
    for row in rows:
        time = int(local[row].astype(np.int64))
        if time in seen:
            second.append(row)
        seen.add(time)
    return second
