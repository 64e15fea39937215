"""Numbers and times as a reader of a report wants them."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd


def number(value: float, digits: int = 4) -> str:
    """Write a number with so many digits that count, a whole one in full, a missing one as a dash.

    Example:
        >>> number(1234.5678), number(0.8), number(300), number(2e-7), number(float("nan")), number(2_500_000.4)
        ('1,235', '0.8000', '300', '2.000e-07', '–', '2,500,000')
    """
    if not math.isfinite(value):
        return "–"
    if abs(value) < 1e15 and (value == round(value) or abs(value) >= 10 ** (digits - 1)):
        return f"{value:,.0f}"
    return f"{value:#.{digits}g}"


def share(value: float, signed: bool = False) -> str:
    """Write a share as a percentage.

    Example:
        >>> share(0.805), share(0.12, signed=True), share(float("nan"))
        ('80.5 %', '+12.0 %', '–')
    """
    return f"{100 * value:{'+' if signed else ''}.1f} %" if math.isfinite(value) else "–"


def level(value: float) -> str:
    """Write the level of an interval or quantile as a percentage without needless zeros.

    Example:
        >>> level(0.8), level(0.975)
        ('80 %', '97.5 %')
    """
    return f"{round(100 * value, 6):g} %"


def many(count: int, one: str, more: str = "") -> str:
    """Write a number with its noun.

    Example:
        >>> many(1, "row"), many(2_000, "row"), many(2, "series", "series")
        ('1 row', '2,000 rows', '2 series')
    """
    return f"{count:,} {one if count == 1 else more or one + 's'}"


def moment(value: Any) -> str:
    """Write a time; midnight is left out.

    Example:
        >>> moment(pd.Timestamp("2024-03-01")), moment(pd.Timestamp("2024-03-01 13:30")), moment(7)
        ('2024-03-01', '2024-03-01 13:30', '7')
    """
    if not isinstance(value, pd.Timestamp):
        return str(value)
    if value == value.normalize():
        return value.strftime("%Y-%m-%d")
    return value.strftime(
        "%Y-%m-%d %H:%M" if not value.second and not value.microsecond else "%Y-%m-%d %H:%M:%S"
    )
