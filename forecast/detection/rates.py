"""The alarm rate that a user asks for: "1 per week" as a share of rows, and back."""

from __future__ import annotations

import re
from numbers import Real
from typing import Any

from forecast.data.step import Step
from forecast.errors import ParameterError

# A month and a year of the Gregorian calendar, on average.
_DAYS = {"second": 1 / 86_400, "minute": 1 / 1_440, "hour": 1 / 24, "day": 1.0, "week": 7.0}
_DAYS |= {"month": 30.436875, "quarter": 91.310625, "year": 365.2425}
_FORM = re.compile(
    r"\s*([\d.,]+|an?|once|twice)\s*(?:alarms?\s*)?(?:per|in|every|an?|/|each)?\s*([\d.,]*)\s*([a-z]+?)s?\s*"
)
_WORDS = {"a": 1.0, "an": 1.0, "once": 1.0, "twice": 2.0}


def read_rate(asked: Any, step: Step) -> float:
    """Return alarms as a share of rows.

    Args:
        asked: Text such as ``"1 per week"``, ``"2 per day"``, ``"1 per 1000 rows"``, or a share between 0 and 1.
        step: Distance between rows.

    Raises:
        ParameterError: It cannot be read, is not between 0 and half of the rows, or names a time where rows have none.

    Example:
        >>> from forecast.data.step import parse_step
        >>> 1 / read_rate("1 per week", parse_step("h"))
        168.0
        >>> read_rate("2 per 1000 rows", parse_step("h"))
        0.002
    """
    share = float(asked) if isinstance(asked, Real) and not isinstance(asked, bool) else _read(asked, step)
    if not 0 < share <= 0.5:
        raise ParameterError(
            f"alarms={asked!r} is {share:g} of the rows; ask for more than 0 and at most half of them."
        )
    return share


def _read(asked: Any, step: Step) -> float:
    form = _FORM.fullmatch(asked.lower()) if isinstance(asked, str) else None
    try:
        if form is None:
            raise ValueError
        count = _WORDS[form[1]] if form[1] in _WORDS else float(form[1].replace(",", ""))
        span = float(form[2].replace(",", "")) if form[2] else 1.0
    except ValueError:
        raise ParameterError(
            f"alarms={asked!r} cannot be read; ask for example for '1 per week' or '1 per 1000 rows'."
        ) from None
    if form[3] == "row":
        return count / span
    if form[3] not in _DAYS:
        raise ParameterError(f"alarms={asked!r}: units are rows, {', '.join(_DAYS)}; got {form[3]!r}.")
    if step.kind == "integer":
        raise ParameterError(f"alarms={asked!r} names a time, and the rows are only counted; ask per rows.")
    return count * step.seconds / (86_400 * span * _DAYS[form[3]])
