"""Lags: how many rows back a network is shown the target directly, beside its context."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from forecast.data.step import Step
from forecast.errors import ParameterError

_DAY = 86_400.0
# A year of whole weeks: the same weekday a year ago.
_YEAR = 364 * _DAY
# Cycles in seconds.
_HOURS = (3_600.0, 2 * 3_600.0)
_DAYS = (_DAY, 2 * _DAY)
_WEEKS = (7 * _DAY, 14 * _DAY)


def choose_lags(step: Step, season: int, context: int, rows: int) -> tuple[int, ...]:
    """Choose lags, in rows, that the step and the season suggest.

    The same time one and two cycles ago: hours have 24, 48, 168, 336 and a year; days 7, 14, 28 and a year; months
    12 and 24; to which comes the season, once and twice. Lags that lie beyond the context come with their
    neighbours on both sides, because no other input shows those rows; within it the network sees them.

    Args:
        step: Distance between rows.
        season: Rows of the season found in the data, 1 for none.
        context: Rows that the network sees.
        rows: Rows of a typical series; no lag is longer than a third of them.

    Returns:
        Rising numbers of rows, possibly none.

    Example:
        >>> from forecast.data.step import parse_step
        >>> choose_lags(parse_step("h"), season=24, context=48, rows=2_000)
        (24, 48, 167, 168, 169, 335, 336, 337)
        >>> choose_lags(parse_step("MS"), season=12, context=24, rows=144)
        (12, 24)

    Source:
        Lagged values of the target, so that the context may be much shorter than a season, are an input of DeepAR
        (Salinas, Flunkert, Gasthaus and Januschowski 2020, International Journal of Forecasting 36(3)) as Amazon
        SageMaker and GluonTS build it: for days one to four weeks and a year ("DeepAR Hyperparameters").

    Differs:
        No lags of one to seven rows: the newest rows are the context itself.
    """
    wanted = set(_by_step(step))
    if season > 1:
        wanted |= {season, 2 * season}
    beyond = {lag + side for lag in wanted if lag > context for side in (-1, 1)}
    return tuple(sorted(lag for lag in wanted | beyond if 1 < lag <= rows // 3))


def check_lags(given: int | Sequence[int] | None) -> tuple[int, ...]:
    """Return lags sorted, each once.

    Raises:
        ParameterError: One is no whole number of at least 1.

    Example:
        >>> check_lags([48, 24, 24]), check_lags(None)
        ((24, 48), ())
    """
    if given is None or given is False:
        return ()
    several = [given] if isinstance(given, (int, str, float, np.number)) else list(given)
    for lag in several:
        if not isinstance(lag, (int, np.integer)) or isinstance(lag, bool) or lag < 1:
            raise ParameterError(f"Lags are whole numbers of rows, at least 1; got {lag!r}.")
    return tuple(sorted({int(lag) for lag in several}))


def _by_step(step: Step) -> list[int]:
    """Rows of the usual cycles of a step; a cycle that is no whole number of rows is left out."""
    if step.kind == "integer":
        return []
    if step.kind == "month":
        return [months // step.count for months in (12, 24) if months % step.count == 0 and step.count < 12]
    if step.kind == "business":
        return [days // step.count for days in (5, 10, 20, 260) if days % step.count == 0]
    whole = (span / step.seconds for span in _spans(step.seconds))
    return [round(lag) for lag in whole if abs(lag - round(lag)) < 1e-9]


def _spans(seconds: float) -> tuple[float, ...]:
    """Cycles in seconds for a step of so many."""
    if seconds < 60:
        return (*_HOURS, *_DAYS)
    if seconds < _DAY:
        return (*_DAYS, *_WEEKS, _YEAR)
    if seconds < 7 * _DAY:
        return (*_WEEKS, 28 * _DAY, _YEAR, _YEAR + _DAY)
    return (28 * _DAY, _YEAR, 2 * _YEAR)
