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
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.errors import ForecastWarning, InputError, ParameterError
from forecast.evaluation.affiliation import affiliation_scores
from forecast.evaluation.events import SECONDS_A_DAY, Spans, check_spans, event_scores
from forecast.evaluation.nab import PROFILES, nab_sums
from forecast.evaluation.ranges import range_scores
from forecast.evaluation.significance import LEVEL, REPLICATES, LossGrid, bootstrap_means, interval
from forecast.evaluation.vus import vus_scores

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

THRESHOLDS = ("fixed", "validated", "labels")
"""How a threshold was made: before any label was seen, on labels of other rows, or on those it is measured by."""

RANDOM, RANGE_CHECK = "random", "range check"
WINDOW = 24
"""Rows of the widest buffer of VUS."""
DRAWS = 20
"""Times that alarms are thrown at random."""

# Measures of which less is better.
_LESS = ("false alarms per 1,000 rows", "false alarms per day", "delay")
_NAB = dict(zip(("NAB", "NAB low FP", "NAB low FN"), PROFILES, strict=True))
_ADJUSTED = "point-adjusted F1"


@dataclass(frozen=True, eq=False)
class Detections:
    """What a method says about some series.

    Args:
        method: Its name.
        scores: Of each series, one number a row, larger is more anomalous, NaN where there is none.
        alarms: Of each series, in order and apart: row at which an alarm was raised, and row behind its last.
        threshold: One of ``THRESHOLDS``.
    """

    method: str
    scores: Sequence[Floats]
    alarms: Sequence[Spans]
    threshold: str = "fixed"


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
    measured = _Measured(labels, tolerance, window, step_seconds, legacy)
    sums = {one.method: measured.sums(one) for one in seen}
    rng = np.random.default_rng(seed)
    thrown = [_thrown(seen[0], labels, rng) for _ in range(draws)]
    sums[RANDOM] = _added([measured.sums(one) for one in thrown])
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


@dataclass(frozen=True, eq=False)
class _Labels:
    """Events of each series, in rows that count: counted from the first of them."""

    events: list[Spans]
    windows: list[Spans]
    rows: list[int]


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


def _labels(events: Sequence[Spans], rows: Sequence[int], begins: Sequence[int]) -> _Labels:
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
    return _Labels(cut, whole, left)


def _counted(one: Detections, rows: Sequence[int], begins: Sequence[int]) -> Detections:
    """Leave out what was said before the rows that count."""
    scores = [np.asarray(own, np.float64)[begin:] for own, begin in zip(one.scores, begins, strict=True)]
    alarms: list[Spans] = []
    for number, (spans, count, begin) in enumerate(zip(one.alarms, rows, begins, strict=True)):
        alarms.append(
            [(a - begin, b - begin) for a, b in check_spans(spans, count, number).tolist() if a >= begin]
        )
    return replace(one, scores=scores, alarms=alarms)


def _thrown(one: Detections, labels: _Labels, rng: np.random.Generator) -> Detections:
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


class _Sums(NamedTuple):
    """What a method's measures are made of: by measure, sums and counts of each series; and delays.

    Args:
        of: By measure, two arrays ``(series,)`` whose totals' ratio it is.
        owner: Series of each delay.
        delays: Rows from the start of each found event to its first alarm.
        times: How often alarms were thrown, 1 for those of a method.
    """

    of: dict[str, tuple[Floats, Counts]]
    owner: Counts
    delays: Floats
    times: int = 1


def _added(parts: list[_Sums]) -> _Sums:
    of = {name: tuple(np.sum([part.of[name] for part in parts], axis=0)) for name in parts[0].of}
    return _Sums(
        {name: (sums, counts.astype(np.int64)) for name, (sums, counts) in of.items()},
        np.concatenate([part.owner for part in parts]),
        np.concatenate([part.delays for part in parts]),
        len(parts),
    )


@dataclass(frozen=True, eq=False)
class _Measured:
    """How alarms and scores are measured.

    Args:
        labels: Events of the rows that count.
        tolerance: Rows around events.
        window: Of VUS.
        step_seconds: Seconds between rows.
        legacy: Whether point-adjusted F1 is among the measures.
    """

    labels: _Labels
    tolerance: int
    window: int
    step_seconds: float | None
    legacy: bool

    @property
    def settings(self) -> dict[str, str]:
        """What each measure stands on, by name, in the order of the table."""
        near, stretch = f"± {_rows(self.tolerance)}", "flat, no reward for existence"
        settings = {"alarms": "", "precision": near, "recall": near, "F1": near}
        settings |= dict.fromkeys(_LESS[:2], near) | {"delay": f"median rows, {near}"}
        settings |= dict.fromkeys(_NAB, f"windows: events {near}")
        settings |= dict.fromkeys(("VUS-PR", "VUS-ROC"), f"window {_rows(self.window)}")
        settings |= dict.fromkeys(("affiliation precision", "affiliation recall"), "zones of events")
        settings |= dict.fromkeys(("range precision", "range recall"), stretch)
        return settings | ({_ADJUSTED: "legacy"} if self.legacy else {})

    def sums(self, one: Detections) -> _Sums:
        """Measure every series by itself, as parts of what is measured of all of them."""
        series = range(len(self.labels.rows))
        events, rows = self.labels.events, self.labels.rows
        found = [
            event_scores([one.alarms[i]], [events[i]], [rows[i]], tolerance=self.tolerance) for i in series
        ]
        alarms, false = (
            np.array([getattr(f, name) for f in found], np.float64) for name in ("alarms", "false_alarms")
        )
        watched, labelled = np.array(rows), np.array([len(spans) for spans in events])
        parts = {
            "precision": (alarms - false, alarms),
            "recall": (np.array([f.found for f in found], np.float64), labelled),
            "false alarms per 1,000 rows": (1_000 * false, watched),
        }
        if self.step_seconds is not None:
            parts["false alarms per day"] = (false * SECONDS_A_DAY / self.step_seconds, watched)
        parts |= self._nab(one, labelled) | self._ranks(one) | self._stretches(one, labelled)
        if self.legacy:
            parts[_ADJUSTED] = self._adjusted(one)
        return _Sums(
            {
                name: (np.asarray(sums, np.float64), np.asarray(counts, np.int64))
                for name, (sums, counts) in parts.items()
            },
            np.repeat(np.arange(len(rows)), [len(f.delays) for f in found]),
            np.concatenate([f.delays for f in found]).astype(np.float64),
        )

    def _nab(self, one: Detections, labelled: Counts) -> dict:
        raised = [np.array([start for start, _ in spans], np.int64) for spans in one.alarms]
        # Rows before the first that counts are laid in front again, where an event began there.
        lead = [max([0, *(-start for start, _ in spans)]) for spans in self.labels.windows]
        rows = [count + more for count, more in zip(self.labels.rows, lead, strict=True)]
        windows = [
            _widened([(a + more, b + more) for a, b in spans], self.tolerance, count)
            for spans, more, count in zip(self.labels.windows, lead, rows, strict=True)
        ]
        flags = [flag + more for flag, more in zip(raised, lead, strict=True)]
        return {name: (nab_sums(flags, windows, rows, profile), labelled) for name, profile in _NAB.items()}

    def _ranks(self, one: Detections) -> dict:
        series = len(self.labels.rows)
        areas, known = np.zeros((2, series)), np.zeros(series, np.int64)
        for i, (scores, spans) in enumerate(zip(one.scores, self.labels.events, strict=True)):
            if len(spans):
                volumes = vus_scores([scores], [spans], buffer=self.window)
                areas[:, i], known[i] = (volumes.pr, volumes.roc), 1
        return {"VUS-PR": (areas[0], known), "VUS-ROC": (areas[1], known)}

    def _stretches(self, one: Detections, labelled: Counts) -> dict:
        series = len(self.labels.rows)
        near, zones = np.zeros((2, series)), np.zeros(series, np.int64)
        covered = np.zeros((2, series))
        for i, (alarms, spans, rows) in enumerate(
            zip(one.alarms, self.labels.events, self.labels.rows, strict=True)
        ):
            ranged = range_scores([alarms], [spans], [rows])
            covered[:, i] = np.nan_to_num([ranged.precision * len(alarms), ranged.recall * len(spans)])
            if len(spans):
                affiliated = affiliation_scores([alarms], [spans], [rows])
                zones[i] = affiliated.flagged
                near[:, i] = np.nan_to_num(affiliated.precision * zones[i]), affiliated.recall * len(spans)
        raised = np.array([len(alarms) for alarms in one.alarms])
        return {
            "affiliation precision": (near[0], zones),
            "affiliation recall": (near[1], labelled),
            "range precision": (covered[0], raised),
            "range recall": (covered[1], labelled),
        }

    def _adjusted(self, one: Detections) -> tuple[Floats, Floats]:
        """Count rows: all of an event are found if one is flagged."""
        series = len(self.labels.rows)
        hits, rows = np.zeros(series), np.zeros(series)
        for i, (alarms, spans) in enumerate(zip(one.alarms, self.labels.events, strict=True)):
            flagged = sum(stop - start for start, stop in alarms)
            for first, stop in spans:
                inside = sum(max(min(b, stop) - max(a, first), 0) for a, b in alarms)
                flagged -= inside
                hits[i] += stop - first if inside else 0
                rows[i] += stop - first
            # Twice the hits, by what is flagged after the adjustment and what is labelled.
            rows[i] += hits[i] + flagged
        return 2 * hits, rows


def _widened(spans: Spans, tolerance: int, rows: int) -> list[tuple[int, int]]:
    """Widen events by the tolerance; a row in reach of two belongs to the nearer one, to the earlier of equals."""
    starts, stops = np.array(spans, np.int64).reshape(-1, 2).T
    borders = (stops[:-1] + starts[1:] + 1) // 2
    lows = np.maximum(starts - tolerance, np.append(0, borders)[: len(starts)])
    highs = np.minimum(stops + tolerance, np.append(borders, rows)[: len(starts)])
    return [(int(low), int(high)) for low, high in zip(lows, highs, strict=True)]


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def _table(
    sums: Mapping[str, _Sums], thresholds: Mapping[str, str], reference: str, measured: _Measured, seed: int
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
                    "better": np.nan if other is None else share_better(draws, other, less=measure in _LESS),
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


def _values(one: _Sums) -> dict[str, float]:
    totals = {name: (sums.sum(), counts.sum()) for name, (sums, counts) in one.of.items()}
    found = {name: float(a / b) if b else float("nan") for name, (a, b) in totals.items()}
    found["alarms"] = float(totals["precision"][1] / one.times)
    found["F1"] = float(_f1(found["precision"], found["recall"]))
    found["delay"] = float(np.median(one.delays)) if len(one.delays) else float("nan")
    return found


def _drawn(one: _Sums, series: int, seed: int) -> dict[str, Floats]:
    """Draw series anew: every method sees the same draws, so that their differences can be looked at."""
    grids = {name: LossGrid(sums[None, :, None], counts[:, None]) for name, (sums, counts) in one.of.items()}
    found = bootstrap_means(grids, seed=seed)
    found["F1"] = _f1(found["precision"], found["recall"])
    found["delay"] = _drawn_delays(one, series, seed)
    return found


def _drawn_delays(one: _Sums, series: int, seed: int) -> Floats:
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
