"""Detectors beside each other: every measure with its interval, chance at the same rate, and a rule of one line.

A figure of one detector alone says nothing: random alarms find long events too, and the check whether a value lies
outside of all before beats many a network. So every method is measured together with them, on the same rows, and each
measure is drawn anew over series to say how far it can be trusted.

An alarm is the moment it is raised, the first row of a flagged stretch, for the measures that count alarms and for the
NAB score; affiliation and range-based measures look at the whole stretch, VUS at the scores alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.errors import ForecastWarning, InputError, ParameterError
from forecast.evaluation.detector_measures import LESS, Detections, Labels, Measured, Sums, added
from forecast.evaluation.events import Spans, check_spans
from forecast.evaluation.significance import LEVEL, REPLICATES, LossGrid, bootstrap_means, interval

Floats = NDArray[np.float64]

THRESHOLDS = ("fixed", "validated", "labels")
"""How a threshold was made: before any label was seen, on labels of other rows, or on those it is measured by."""

RANDOM, RANGE_CHECK = "random", "range check"
WINDOW = 24
"""Rows of the widest buffer of VUS."""
DRAWS = 20
"""Times that alarms are thrown at random."""


def detector_table(
    methods: Sequence[Detections],
    events: Sequence[Spans],
    *,
    first: Sequence[int] | None = None,
    tolerance: int = 0,
    window: int = WINDOW,
    step_seconds: float | None = None,
    reference: str = RANGE_CHECK,
    draws: int = DRAWS,
    seed: int = 0,
    legacy: bool = False,
) -> pd.DataFrame:
    """Measure detectors against labelled events, beside alarms thrown at random.

    The row ``random`` has as many alarms of the same lengths as the first method, anywhere in the rows that count, and
    random scores; its figures are those of all draws together.

    Args:
        methods: What is to be compared, on the same series.
        events: Of each series, in order and apart: first row of an event, and row behind the last.
        first: First row of each series that counts. Alarms raised before do not count, nor do events that are over
            before; one that goes on is measured from here. None: all rows count.
        tolerance: Rows before and behind an event within which an alarm is true; the windows of NAB are as wide.
        window: Rows of the widest buffer of VUS, half of it on each side.
        step_seconds: Seconds between rows, None where time is only counted.
        reference: Method that the others are drawn against, if it is among them.
        draws: Times that alarms are thrown at random.
        seed: Of these throws and of the bootstrap.
        legacy: Add point-adjusted F1, with a warning.

    Returns:
        One row a method and measure: ``method``, ``threshold`` (how it was made; ``none`` where scores are ranked),
        ``measure``, ``setting``, ``value``, ``low`` and ``high`` (95 % of bootstrap draws of series, NaN for a single
        series), ``better`` (share of these draws in which the method is better than the reference). A measure without
        anything to count is NaN. ``attrs`` say what was measured, and on what.

    Raises:
        InputError: Methods and events differ in their series, or stretches make no sense; see ``check_spans``.
        ParameterError: A name comes twice, a threshold is not one of ``THRESHOLDS``, or a number is out of range.

    Example:
        >>> scores = np.zeros(1_000)
        >>> scores[[300, 700]] = 1.0
        >>> seen = Detections("mine", [scores], [[(300, 301), (700, 701)]])
        >>> table = detector_table([seen], [[(290, 340)]])
        >>> table.set_index(["measure", "method"])["value"].unstack().loc["recall"].round(2).to_dict()
        {'mine': 1.0, 'random': 0.05}
    """
    _check(methods, events, tolerance, window, draws)
    rows = [len(one) for one in methods[0].scores]
    begins = [0] * len(rows) if first is None else [int(row) for row in first]
    labels = _labels(events, rows, begins)
    seen = [_counted(one, rows, begins) for one in methods]
    measured = Measured(labels, tolerance, window, step_seconds, legacy)
    sums = {one.method: measured.sums(one) for one in seen}
    rng = np.random.default_rng(seed)
    thrown = [_thrown(seen[0], labels, rng) for _ in range(draws)]
    sums[RANDOM] = added([measured.sums(one) for one in thrown])
    if legacy:
        warnings.warn(
            "Point-adjusted F1 calls an event found whole as soon as one of its rows is flagged: alarms at random "
            "reach 0.9 and more where events are long. Compare with the row 'random', or leave out legacy.",
            ForecastWarning,
            stacklevel=2,
        )
    thresholds = {one.method: one.threshold for one in methods} | {RANDOM: f"rate of {methods[0].method}"}
    table = _table(sums, thresholds, reference, measured, seed)
    table.attrs |= {"random draws": draws, "before": sum(map(len, events)) - sum(map(len, labels.events))}
    return table


def share_better(own: Floats, other: Floats, *, less: bool = False) -> float:
    """Return the share of paired draws in which the first is better than the second; ties count half.

    Args:
        own: A measure in each draw, NaN where it has no value.
        other: The same measure of the other method, in the same draws.
        less: Whether smaller values are better.

    Returns:
        From 0 to 1; NaN without a draw in which both have a value.

    Example:
        >>> share_better(np.array([0.5, 0.6, 0.9, np.nan]), np.array([0.4, 0.6, 0.8, 0.1]))
        0.8333333333333334
    """
    difference = (other - own) if less else (own - other)
    known = difference[~np.isnan(difference)]
    return float(np.mean((known > 0) + 0.5 * (known == 0))) if len(known) else float("nan")


def _check(
    methods: Sequence[Detections], events: Sequence[Spans], tolerance: int, window: int, draws: int
) -> None:
    names = [one.method for one in methods]
    if not names or len(set(names)) < len(names) or RANDOM in names:
        raise ParameterError(
            f"Methods need names of their own, and {RANDOM!r} is made here; got {', '.join(names) or 'none'}."
        )
    for one in methods:
        if one.threshold not in THRESHOLDS:
            raise ParameterError(
                f"The threshold of {one.method!r} must be one of {', '.join(THRESHOLDS)}; got {one.threshold!r}."
            )
        lengths = [len(scores) for scores in one.scores]
        if not len(one.scores) == len(one.alarms) == len(events) or lengths != [
            len(scores) for scores in methods[0].scores
        ]:
            raise InputError(
                f"{one.method!r} has scores of {len(one.scores)} series and alarms of {len(one.alarms)}, events are "
                f"of {len(events)}; all methods need the same series of the same lengths."
            )
    if tolerance < 0 or window < 0 or draws < 1:
        raise ParameterError(
            f"tolerance and window must be at least 0 rows, draws at least 1; got {tolerance}, {window}, {draws}."
        )


def _labels(events: Sequence[Spans], rows: Sequence[int], begins: Sequence[int]) -> Labels:
    """Cut events to the rows that count."""
    if len(begins) != len(rows) or any(
        not 0 <= begin <= count for begin, count in zip(begins, rows, strict=True)
    ):
        raise InputError(f"The first rows that count, {list(begins)}, lie outside of series of {list(rows)}.")
    left = [count - begin for count, begin in zip(rows, begins, strict=True)]
    if not sum(left):
        raise InputError("No row counts: nothing can be measured.")
    cut, whole = [], []
    for number, (spans, count, begin) in enumerate(zip(events, rows, begins, strict=True)):
        kept = [span for span in check_spans(spans, count, number).tolist() if span[1] > begin]
        cut.append([(max(start - begin, 0), stop - begin) for start, stop in kept])
        # An event that began earlier keeps its length: what a flag in it is worth depends on where it lies.
        whole.append([(start - begin, stop - begin) for start, stop in kept])
    return Labels(cut, whole, left)


def _counted(one: Detections, rows: Sequence[int], begins: Sequence[int]) -> Detections:
    """Leave out what was said before the rows that count."""
    scores = [np.asarray(own, np.float64)[begin:] for own, begin in zip(one.scores, begins, strict=True)]
    alarms: list[Spans] = []
    for number, (spans, count, begin) in enumerate(zip(one.alarms, rows, begins, strict=True)):
        alarms.append(
            [(a - begin, b - begin) for a, b in check_spans(spans, count, number).tolist() if a >= begin]
        )
    return replace(one, scores=scores, alarms=alarms)


def _thrown(one: Detections, labels: Labels, rng: np.random.Generator) -> Detections:
    """Throw a method's alarms anywhere: all arrangements in which none overlap are as likely.

    Series lie end to end for it; an alarm that begins in one ends with it.
    """
    lengths = rng.permutation([stop - start for spans in one.alarms for start, stop in spans]).astype(int)
    ends = np.cumsum(labels.rows)
    free = int(ends[-1] - lengths.sum())
    # Places among the free rows and the alarms themselves: alarm k lies behind k others.
    places = np.sort(rng.choice(free + len(lengths), len(lengths), replace=False)) - np.arange(len(lengths))
    starts = places + np.cumsum(lengths) - lengths
    owner = np.searchsorted(ends, starts, side="right")
    alarms = []
    for number, (end, rows) in enumerate(zip(ends, labels.rows, strict=True)):
        mine, begin = owner == number, end - rows
        stops = np.minimum(starts[mine] + lengths[mine], end)
        alarms.append([(int(a - begin), int(b - begin)) for a, b in zip(starts[mine], stops, strict=True)])
    return Detections(RANDOM, [rng.random(rows) for rows in labels.rows], alarms)


def _table(
    sums: Mapping[str, Sums], thresholds: Mapping[str, str], reference: str, measured: Measured, seed: int
) -> pd.DataFrame:
    series = len(measured.labels.rows)
    values = {name: _values(one) for name, one in sums.items()}
    drawn = {name: _drawn(one, series, seed) if series > 1 else {} for name, one in sums.items()}
    rows = []
    for name, own in values.items():
        for measure, setting in measured.settings.items():
            draws = drawn[name].get(measure, np.empty(0))
            other = drawn.get(reference, {}).get(measure) if name != reference else None
            low, high = interval(draws)
            ranked = measure.startswith("VUS")
            rows.append(
                {
                    "method": name,
                    "threshold": "none" if ranked else thresholds[name],
                    "measure": measure,
                    "setting": setting,
                    "value": own.get(measure, float("nan")),
                    "low": low,
                    "high": high,
                    "better": np.nan if other is None else share_better(draws, other, less=measure in LESS),
                }
            )
    table = pd.DataFrame(rows)
    table.attrs = {
        "series": series,
        "rows": sum(measured.labels.rows),
        "events": sum(map(len, measured.labels.events)),
        "tolerance": measured.tolerance,
        "window": measured.window,
        "reference": reference if reference in sums else None,
        "interval": f"{LEVEL:.0%} of {REPLICATES:,} bootstrap draws of {series:,} series"
        if series > 1
        else "none: one series cannot be drawn anew",
    }
    return table


def _values(one: Sums) -> dict[str, float]:
    totals = {name: (sums.sum(), counts.sum()) for name, (sums, counts) in one.of.items()}
    found = {name: float(a / b) if b else float("nan") for name, (a, b) in totals.items()}
    found["alarms"] = float(totals["precision"][1] / one.times)
    found["F1"] = float(_f1(found["precision"], found["recall"]))
    found["delay"] = float(np.median(one.delays)) if len(one.delays) else float("nan")
    return found


def _drawn(one: Sums, series: int, seed: int) -> dict[str, Floats]:
    """Draw series anew: every method sees the same draws, so that their differences can be looked at."""
    grids = {name: LossGrid(sums[None, :, None], counts[:, None]) for name, (sums, counts) in one.of.items()}
    found = bootstrap_means(grids, seed=seed)
    found["F1"] = _f1(found["precision"], found["recall"])
    found["delay"] = _drawn_delays(one, series, seed)
    return found


def _drawn_delays(one: Sums, series: int, seed: int) -> Floats:
    counts = np.random.default_rng(seed).multinomial(series, np.full(series, 1 / series), REPLICATES)
    found = np.full(REPLICATES, np.nan)
    for k, times in enumerate(counts[:, one.owner] if len(one.delays) else []):
        if times.any():
            found[k] = np.median(np.repeat(one.delays, times))
    return found


def _f1(precision: Floats | float, recall: Floats | float) -> Floats:
    """Return the harmonic mean: 0 where nothing was found, NaN where there was nothing to find."""
    p, r = np.asarray(precision, np.float64), np.asarray(recall, np.float64)
    found = r > 0
    return np.where(found, 2 * p * r / np.where(found, p + r, 1.0), r)
