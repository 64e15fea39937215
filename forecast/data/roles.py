"""Roles of the columns that are neither time nor id: asked for, or guessed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from forecast.data.columns import Columns
from forecast.data.guess import codes_of
from forecast.data.names import is_id_name, is_time_name, target_rank
from forecast.data.numbers import show, why_no_number
from forecast.data.sheet import Choice, Sheet, listed
from forecast.errors import ParameterError, TableError

MOST_TARGETS = 50
OFF = "none"


@dataclass(frozen=True)
class Asked:
    """What the user said about roles: None to guess, an empty tuple for "none", else names."""

    time: tuple[str, ...] | None = None
    id: tuple[str, ...] | None = None
    target: tuple[str, ...] | None = None
    known_future: tuple[str, ...] | None = None
    past_only: tuple[str, ...] | None = None
    static: tuple[str, ...] | None = None

    @property
    def time_name(self) -> str:
        """The time column; empty when there is none or it is still to be guessed."""
        return self.time[0] if self.time else ""

    @property
    def named(self) -> frozenset[str]:
        """Every column that was given a role."""
        fields = (self.time, self.id, self.target, self.known_future, self.past_only, self.static)
        return frozenset(name for field in fields for name in field or ())

    def check(self, sheet: Sheet) -> Asked:
        """Return the same, or refuse a column that the table does not have or that was named twice.

        Raises:
            TableError: There is no such column.
            ParameterError: A column was given two roles.
        """
        seen: dict[str, str] = {}
        for role, names in vars(self).items():
            flag = "--" + role.replace("_", "-")
            for name in names or ():
                sheet.check_name(name, flag)
                if name in seen:
                    twice = f"{seen[name]} and {flag}" if seen[name] != flag else f"{flag} twice"
                    raise ParameterError(
                        f"{sheet.source}: column {show(name)} was given to {twice}; one role only."
                    )
                seen[name] = flag
        return self


def ask(value: str | Iterable[str] | None) -> tuple[str, ...] | None:
    """Return an argument of ``read_table`` as names: None to guess, ``()`` for the word ``none``.

    Example:
        >>> ask("y"), ask(()), ask(("none",)), ask(["a", "b"])
        (('y',), None, (), ('a', 'b'))
    """
    if value is None:
        return None
    names = (value,) if isinstance(value, str) or not isinstance(value, Iterable) else tuple(value)
    if not names:
        return None
    return () if names == (OFF,) else tuple(str(name) for name in names)


def assign_roles(
    sheet: Sheet, asked: Asked, series: np.ndarray, moments: np.ndarray
) -> tuple[Columns, tuple[Choice, ...]]:
    """Return every column's role and what was guessed.

    Args:
        sheet: The raw table.
        asked: What the user said; ``time`` and ``id`` are settled.
        series: Integer of the series of each row.
        moments: Integer that orders the rows of a series in time.

    Raises:
        TableError: There is no column of numbers to forecast, or more than 50.
    """
    free = [name for name in sheet.names if name not in asked.named]
    choices: list[Choice] = []
    static = asked.static
    if static is None:
        static = _guess_static(sheet, asked, free, series)
        choices += (
            [Choice("static columns", listed(static), "--static", "constant in every series")]
            if static
            else []
        )
    free = [name for name in free if name not in static]
    target, why = (asked.target, "") if asked.target is not None else _guess_target(sheet, free)
    if asked.target is None:
        choices.append(Choice("target column" + "s" * (len(target) > 1), listed(target), "--target", why))
    known, past = asked.known_future or (), asked.past_only or ()
    if asked.target is None:
        others = [name for name in free if name not in target and _is_covariate(sheet, name)]
        known, past, more = _guess_covariates(sheet, asked, others, _future(sheet, target, series, moments))
        choices += more
    ignored = tuple(name for name in free if name not in target + known + past)
    if ignored:
        why = "a target was named" if asked.target is not None else "they hold no usable numbers"
        choices.append(Choice("ignored columns", listed(ignored), "--past-only", why))
    time, series_id = (next(iter(field or ()), None) for field in (asked.time, asked.id))
    return Columns(time, series_id, target, known, past, static), tuple(choices)


def is_constant(sheet: Sheet, name: str, series: np.ndarray) -> np.ndarray:
    """Return, in the order of ``argsort(series)``, which rows equal the one before in their series."""
    order = np.argsort(series, kind="stable")
    codes, own = codes_of(sheet, name)[order], series[order]
    return np.concatenate([[True], (codes[1:] == codes[:-1]) | (own[1:] != own[:-1])])


def _guess_static(sheet: Sheet, asked: Asked, free: list[str], series: np.ndarray) -> tuple[str, ...]:
    if asked.target is not None or len(series) == 0 or series.max() == series.min():
        return ()
    constant = [
        name
        for name in free
        if target_rank(name) is None
        and sheet.numbers(name).kind != "empty"
        and is_constant(sheet, name, series).all()
    ]
    constant = [name for name in constant if not isinstance(sheet.columns[name], pd.DatetimeIndex)]
    moving = [name for name in free if name not in constant and _is_numeric(sheet, name)]
    if not moving:  # something must be left to forecast
        constant = [name for name in constant if not _is_numeric(sheet, name)]
    return tuple(constant)


def _guess_target(sheet: Sheet, free: list[str]) -> tuple[tuple[str, ...], str]:
    numeric = [name for name in free if _is_numeric(sheet, name)]
    candidates = [name for name in numeric if not (is_time_name(name) or is_id_name(name))] or numeric
    if not candidates:
        raise TableError(_no_target(sheet, free))
    if len(candidates) == 1:
        return (candidates[0],), "it is the one column of numbers"
    ranked = sorted((rank, name) for name in candidates if (rank := target_rank(name)) is not None)
    if ranked:
        return (ranked[0][1],), "of its name"
    if len(candidates) > MOST_TARGETS:
        raise TableError(
            f"{sheet.source}: {len(candidates)} columns of numbers and none with a usual name of a target; "
            f"name up to {MOST_TARGETS} with --target, or pass --layout wide for one series a column."
        )
    return tuple(candidates), "they are all columns of numbers and none is called 'y' or the like"


def _no_target(sheet: Sheet, free: list[str]) -> str:
    """Say why there is nothing to forecast, naming the first cell that spoils the likeliest column."""
    for name in free:
        read = sheet.numbers(name)
        if read.bad is not None and not isinstance(sheet.columns[name], pd.DatetimeIndex):
            reason = why_no_number(sheet.columns[name][read.bad], sheet.decimal)
            return f"{sheet.place(read.bad, name)}: {reason}, and no other column holds numbers to forecast."
    kinds = {sheet.numbers(name).kind for name in free}
    reason = (
        "only truth values"
        if "boolean" in kinds
        else "only missing cells"
        if "empty" in kinds
        else "no more columns"
    )
    return (
        f"{sheet.source}: no column of numbers to forecast ({reason}); the columns are {listed(sheet.names)}."
    )


def _is_numeric(sheet: Sheet, name: str) -> bool:
    return sheet.numbers(name).kind in ("number", "mostly")


def _is_covariate(sheet: Sheet, name: str) -> bool:
    usable = sheet.numbers(name).kind in ("number", "mostly", "boolean")
    return usable and not is_time_name(name) and not is_id_name(name)


def _future(sheet: Sheet, target: tuple[str, ...], series: np.ndarray, moments: np.ndarray) -> np.ndarray:
    """Return the rows after the last observed target of their series."""
    seen = np.zeros(len(sheet), dtype=bool)
    for name in target:
        seen |= ~np.isnan(sheet.numbers(name).values)
    last = np.full(int(series.max(initial=0)) + 1, np.iinfo(np.int64).max)
    observed = np.unique(series[seen])
    last[observed] = np.iinfo(np.int64).min  # a series without any observation decides nothing
    np.maximum.at(last, series[seen], moments[seen])
    return moments > last[series]


def _guess_covariates(
    sheet: Sheet, asked: Asked, others: list[str], future: np.ndarray
) -> tuple[tuple[str, ...], tuple[str, ...], list[Choice]]:
    """Split further columns of numbers into those known ahead and those known up to now."""
    choices = []
    known, past = asked.known_future, asked.past_only
    if known is None:
        known = tuple(name for name in others if (~np.isnan(sheet.numbers(name).values[future])).any())
        if known:
            reason = "they are filled in after the last target"
            choices.append(Choice("known-future columns", listed(known), "--known-future", reason))
    if past is None:
        past = tuple(name for name in others if name not in known)
        if past:
            choices.append(
                Choice("past-only columns", listed(past), "--past-only", "they are further numbers")
            )
    return known, past, choices
