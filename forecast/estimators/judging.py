"""A detector against labelled events, beside the methods that train in no time, on the same rows at the same rate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from forecast.data.events import Span
from forecast.data.panel import Panel
from forecast.detection.simple import RANGE_MARGIN, outside
from forecast.detection.tables import Found
from forecast.errors import InputError
from forecast.estimators.detecting import FittedDetector, split
from forecast.estimators.truth import check_counted
from forecast.evaluation.detectors import RANGE_CHECK, WINDOW, Detections, detector_table
from forecast.evaluation.events import spans_of

if TYPE_CHECKING:
    from forecast.estimators.detector import Detector

BESIDE = ("ewma", "seasonal-naive", "gaussian")
"""Methods that a detector is set beside, with the range check."""


def judge(
    detector: Detector,
    panel: Panel,
    events: Sequence[Sequence[Span]],
    *,
    tolerance: int = 0,
    window: int = WINDOW,
    legacy: bool = False,
) -> pd.DataFrame:
    """Measure a detector's alarms behind the rows it learned from; see ``Detector.evaluate``.

    Args:
        detector: A fitted detector.
        panel: All rows: those that were learned from, and those behind.
        events: Of each series of the panel, in order and apart: first row of an event, and row behind its last.
        tolerance: Rows.
        window: Rows.
        legacy: Whether to add point-adjusted F1.
    """
    fitted = detector.fitted_
    seen = _learned(fitted, panel)
    found = {detector.method: fitted.newer(panel)[0]}
    for name in BESIDE:
        if name != detector.method:
            found[name] = beside(detector, name).fit(seen).fitted_.newer(panel)[0]
    own = [panel.ids.index(one.series) for one in found[detector.method]]
    first = [
        int(panel.lengths[i]) - len(one.times) for i, one in zip(own, found[detector.method], strict=True)
    ]
    spans = [events[i] for i in own]
    counted = check_counted(spans, first)
    methods = [_detections(name, one, first) for name, one in found.items()]
    methods.insert(1, _range_check(panel, own))
    table = detector_table(
        methods,
        spans,
        first=first,
        tolerance=tolerance,
        window=window,
        step_seconds=None if panel.step.kind == "integer" else panel.step.seconds,
        seed=detector.seed,
        legacy=legacy,
    )
    table.attrs["before"] = sum(map(len, events)) - counted
    return table


def beside(detector: Detector, method: str) -> Detector:
    """Return a detector of a method without a network that asks for as many alarms, not fitted."""
    other = {"method": method, "alarms": detector.rate_, "online": False}
    return type(detector)(**(detector.get_params() | other))


def _learned(fitted: FittedDetector, panel: Panel) -> Panel:
    """Return the rows that were learned from, which the table must hold: other methods are fitted to them.

    Raises:
        InputError: Rows are missing, or there are no others.
    """
    seen, newer = split(fitted.history, panel)
    if newer is None:
        raise InputError(
            "All rows of the table were learned from; fit to its first part, then evaluate the whole table."
        )
    rows = {} if seen is None else dict(zip(seen.ids, seen.lengths, strict=True))
    for name, state in fitted.states.items():
        if rows.get(name, 0) < state.rows:
            who = "" if panel.columns.id is None else f" of series {name!r}"
            raise InputError(
                f"The table holds {rows.get(name, 0):,} of the {state.rows:,} rows{who} that were learned from; give "
                "the whole table: the methods beside are fitted to the same rows."
            )
    assert seen is not None
    return seen


def _detections(name: str, found: Sequence[Found], first: Sequence[int]) -> Detections:
    """Return evidence and alarms of all rows; those that were learned from have none."""
    scores = [
        np.append(np.full(lead, np.nan), one.evidence.total) for lead, one in zip(first, found, strict=True)
    ]
    alarms = [
        [
            (event.raised - one.first + lead, event.end - one.first + lead + 1)
            for event in one.events
            if event.raised >= one.first
        ]
        for lead, one in zip(first, found, strict=True)
    ]
    return Detections(name, scores, alarms)


def _range_check(panel: Panel, own: Sequence[int]) -> Detections:
    targets = len(panel.columns.target)
    scores = [outside(panel.series(i)[:, :targets]) for i in own]
    return Detections(RANGE_CHECK, scores, [spans_of(score > RANGE_MARGIN) for score in scores])
