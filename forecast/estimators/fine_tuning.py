"""Networks that go on learning from each series by itself, behind the rows they were trained on.

Behind every chunk of rows each network takes a step on a few windows of the newest rows, in which rows of events are
taken for missing: what was alarmed is not learned from. A row is judged by weights that were there before it came. When
a step is taken, and from which windows, is a function of the number of the row, not of how rows are handed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from forecast.data.panel import Panel, frozen
from forecast.detection.policy import Event
from forecast.estimators.blocks import Tuned
from forecast.training.fine_tuning import step

if TYPE_CHECKING:
    from forecast.estimators.detecting import Errors

CHUNK = 128
"""Rows between two steps; a multiple of them where a forecast reaches farther."""

RECENT = 1_024
"""The newest rows: windows to learn from end in them."""

Spans = tuple[tuple[int, int], ...]
"""First and last rows, counted from the first of a series."""


def next_step(errors: Errors, name: object, rows: int) -> int:
    """Return how many rows a series has when its networks next take a step.

    Args:
        errors: Networks.
        name: Id of the series.
        rows: Rows it has.
    """
    # Networks of two steps suffice then: what is judged was forecast behind the last step, or behind the one before.
    chunk = CHUNK * -(-errors.horizon // CHUNK)
    behind = max(rows, errors.blocks[-1].stop.get(name, 0))
    return chunk * (behind // chunk + 1)


def fine_tune(errors: Errors, tuned: Tuned | None, panel: Panel, rows: int, spoilt: Spans) -> Tuned:
    """Let the networks of a series take a step.

    Args:
        errors: Networks as they were trained.
        tuned: Those of this series, None before their first step.
        panel: The series, to its newest row.
        rows: Its rows since the first.
        spoilt: Rows not to learn from.
    """
    lessons = errors.lessons(_without(panel.tail(errors.lookback + RECENT), rows, spoilt), RECENT)
    old = tuple(block.networks for block in errors.blocks) if tuned is None else tuned.now
    if lessons is None:
        return Tuned(rows, old, old)
    now = tuple(
        tuple(
            step(errors.program, weights, lessons, np.random.default_rng((rows, b, n)))
            for n, weights in enumerate(networks)
        )
        for b, networks in enumerate(old)
    )
    return Tuned(rows, now, old)


def newest_spans(spans: Spans, events: Sequence[Event], oldest: int) -> Spans:
    """Add the rows of events, which may have gone on, and forget spans that end before the row ``oldest``."""
    every = dict(spans) | {event.start: event.end for event in events}
    return tuple((first, last) for first, last in every.items() if last >= oldest)


def _without(panel: Panel, rows: int, spoilt: Spans) -> Panel:
    """Take the targets of some rows away."""
    values = panel.values.copy()
    begin = rows - panel.rows
    for first, last in spoilt:
        values[max(first - begin, 0) : max(last + 1 - begin, 0), : len(panel.columns.target)] = np.nan
    return replace(panel, values=frozen(values))
