"""A table and its labelled events, by what an estimator expects of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from forecast.data.events import Span, marked_events, read_events
from forecast.data.panel import Panel, frozen
from forecast.data.table import column_names
from forecast.errors import InputError, ParameterError
from forecast.estimators.contract import Contract, as_table


def read_labelled(contract: Contract, X: Any, events: Any) -> tuple[Panel, list[list[Span]]]:
    """Read a table and its events: a table of them, its file, or the name of a column that marks rows by 1.

    Raises:
        InputError: The table or the events are wrong.
    """
    X = as_table(X)
    if not isinstance(events, str) or Path(events).is_file():
        panel = contract.read(X)
        return panel, read_events(events, panel, date_format=dict(contract.reading).get("date_format"))
    columns = contract.columns
    if isinstance(X, Panel) or events not in column_names(X):
        raise InputError(f"{events!r} is neither a column of the table nor a file of events.")
    if events in columns.names:
        raise ParameterError(
            f"Column {events!r} holds the labels, and the detector learned from it; fit it without this column."
        )
    marked = replace(contract, columns=replace(columns, past_only=(*columns.past_only, events)))
    panel = marked.read(X)
    plain = replace(panel, values=frozen(panel.values[:, :-1].copy()), columns=columns)
    return plain, marked_events(panel.values[:, -1], panel, events)


def check_counted(events: Sequence[Sequence[Span]], first: Sequence[int]) -> int:
    """Return how many events lie behind the rows that were learned from, those that go on there included.

    Raises:
        InputError: None does.
    """
    counted = sum(stop > begin for spans, begin in zip(events, first, strict=True) for _, stop in spans)
    if not counted:
        raise InputError(
            f"None of the {sum(map(len, events)):,} events lies behind the rows that were learned from; learn from "
            "fewer rows."
        )
    return counted
