"""What clocks on the wall show, and the times at which they show it, as counts of nanoseconds without a time zone."""

from __future__ import annotations

from datetime import tzinfo

import numpy as np
import pandas as pd

from forecast.data.day_numbers import DAY


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
