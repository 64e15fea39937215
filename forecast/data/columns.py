"""Which column plays which part."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields

from forecast.errors import ParameterError


@dataclass(frozen=True)
class Columns:
    """Names of a table's columns by role.

    Args:
        time: Column of timestamps or integers; None means "rows are in order, one step apart".
        id: Column that tells series apart; None means one series.
        target: Columns to forecast.
        known_future: Numbers known ahead of time (promotions, holidays): used over context and horizon.
        past_only: Numbers known only up to now: used over the context.
        static: Columns constant within a series, numbers or text.

    Example:
        >>> Columns(time="ds", id="store", target=("sales",), known_future=("promo",)).roles["promo"]
        'known_future'
    """

    time: str | None
    id: str | None
    target: tuple[str, ...]
    known_future: tuple[str, ...] = ()
    past_only: tuple[str, ...] = ()
    static: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name not in ("time", "id") and not isinstance(value, tuple):
                raise ParameterError(f"{field.name} must be a tuple of column names; got {value!r}.")
        twice = sorted(name for name, count in Counter(self.names).items() if count > 1)
        if twice:
            raise ParameterError(f"Column {twice[0]!r} was given two roles; every column has one role only.")

    @property
    def names(self) -> tuple[str, ...]:
        """Every column with a role: time, id, then the others."""
        first = tuple(n for n in (self.time, self.id) if n is not None)
        return first + self.numeric + self.static

    @property
    def numeric(self) -> tuple[str, ...]:
        """Columns that vary with time, in the order of a panel's channels: target, known-future, past-only."""
        return self.target + self.known_future + self.past_only

    def needed(self, horizon: int) -> tuple[tuple[str, str, str], ...]:
        """Name each column, its role, and the rows of it that a forecast of ``horizon`` rows takes.

        Example:
            >>> Columns(time="ds", id=None, target=("sales",)).needed(12)
            (('ds', 'time', 'every row'), ('sales', 'target', 'history; empty ahead'))
        """
        rows = {
            "time": "every row",
            "id": "every row",
            "target": "history; empty ahead",
            "known_future": f"history and the {horizon} rows ahead",
            "past_only": "history",
            "static": "every row",
        }
        return tuple((name, role.replace("_", "-"), rows[role]) for name, role in self.roles.items())

    @property
    def roles(self) -> dict[str, str]:
        """Role of each column by its name."""
        found: dict[str, str] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            for name in (value,) if isinstance(value, str) else value or ():
                found[name] = field.name
        return found
