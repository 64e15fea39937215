"""Do the rows given look like those of training: level, range, spread, spacing, gaps, ids?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.auditing.findings import Finding
from forecast.auditing.wording import columns_named, counted, percent
from forecast.data.encoding import StaticEncoder
from forecast.data.panel import Panel
from forecast.estimators.prediction import newer_rows

Floats = NDArray[np.float64]

DRIFT = "drift"
MOST_SERIES = 1_000
# Fewer rows than these tell nothing about level or spread.
FEWEST = 8
# What counts as drift: a mean this many standard deviations away; changes this many times larger or smaller;
# a share of values more than a standard deviation outside the range; a share of missing values more than before.
FAR_LEVEL, FAR_SPREAD, OUTSIDE, MORE_MISSING = 3.0, 3.0, 0.05, 0.05
# A series that wanders or grows leaves its range as a matter of course: new is only a move of the mean, from the
# stretch before, that is this many times larger than any such move in training (of which there must be a few).
UNUSUAL, FEWEST_MOVES = 1.5, 3
# Share of the series of a column that must have drifted.
SERIES_SHARE = 0.05


@dataclass(frozen=True)
class Change:
    """How one column of one series differs from training.

    Args:
        series: Its id.
        level: Difference of the means, in standard deviations of training.
        errors: The same in typical errors (targets only, else NaN).
        outside: Share of values more than a standard deviation outside the range of training.
        spread: Typical change from row to row, as a multiple of that of training.
        usual: Whether training held moves of the mean, over as many rows, of about that size.
    """

    series: object
    level: float
    errors: float
    outside: float
    spread: float
    usual: bool = False

    @property
    def words(self) -> list[str]:
        """What of it counts as drift."""
        found = []
        if abs(self.level) > FAR_LEVEL and not self.usual:
            errors = "" if np.isnan(self.errors) else f", {abs(self.errors):.3g} typical errors"
            way = "up" if self.level > 0 else "down"
            found.append(f"level {way} by {abs(self.level):.3g} standard deviations{errors}")
        if self.outside > OUTSIDE and not self.usual:
            found.append(f"{percent(self.outside)} of values far outside the range")
        if self.spread > FAR_SPREAD or self.spread < 1 / FAR_SPREAD:
            found.append(f"changes from row to row {self.spread:.2g} times as large")
        return found


def drift_finding(
    history: Panel, given: Panel, scales: Floats, encoder: StaticEncoder | None = None
) -> Finding:
    """Compare the rows given with the stored history: the newer ones, if there are any, else all.

    Args:
        history: What the model keeps of training.
        given: The table.
        scales: Typical error per series and target of the history.
        encoder: Of the static columns.
    """
    first, newer = _compared_rows(history, given)
    changes = dict(_changes(history, given, scales, first))
    drifted, columns = [], {}
    for name, found in changes.items():
        far = [change for change in found if change.words]
        columns[name] = {"series": len(found), "drifted": len(far)}
        if found:
            columns[name]["largest_level"] = max(abs(change.level) for change in found)
        if far and len(far) >= SERIES_SHARE * len(found):
            drifted.append(_column_words(name, far, len(found), history.columns.id is not None))
    figures = {"columns": columns, "newer": newer}
    others = [
        *_spacing(given, first, figures),
        *_missing(history, given, first, figures),
        *_unseen(history, given, encoder, figures),
    ]
    what = "newer rows" if newer else "rows"
    if drifted or others:
        told = "; ".join([*drifted, *others])
        remedy = "Fit again with the new rows if this is to stay; else find what changed (a unit, a sensor, a step)."
        return Finding(DRIFT, "warning", f"The {what} differ from training: {told}.", remedy, figures)
    judged = max((entry["series"] for entry in columns.values()), default=0)
    if not judged:
        return Finding(DRIFT, "note", f"Too few {what} to compare with training.", "", figures)
    who = counted(judged, "series", "series")
    told = f"The {what} of {who} look like training in level, range, spread, spacing and gaps."
    return Finding(DRIFT, "ok", told, figures=figures)


def _compared_rows(history: Panel, given: Panel) -> tuple[NDArray[np.int64], bool]:
    """Return from which row of each series on it is compared, and whether that leaves out rows of training."""
    if given.columns.time is None:
        return given.offsets[:-1].copy(), False
    first = newer_rows(history, given, 0)
    if (given.ends - first >= FEWEST).any():
        return first, bool((first > given.offsets[:-1]).any())
    return given.offsets[:-1].copy(), False


def _changes(
    history: Panel, given: Panel, scales: Floats, first: NDArray[np.int64]
) -> Iterator[tuple[str, list[Change]]]:
    """Yield every column's name and how its series differ; of many series, some."""
    place = {name: i for i, name in enumerate(history.ids)}
    pairs = [(i, place[name]) for i, name in enumerate(given.ids) if name in place]
    chosen = np.unique(np.linspace(0, len(pairs) - 1, min(MOST_SERIES, len(pairs))).round().astype(int))
    for j, name in enumerate(given.columns.numeric):
        found = []
        for i, k in (pairs[n] for n in chosen):
            old = history.values[history.offsets[k] : history.ends[k], j]
            new = given.values[first[i] : max(given.ends[i], first[i]), j]
            error = float(scales[k, j]) if j < scales.shape[1] else float("nan")
            found.append(_change(given.ids[i], old, new, error))
        yield name, [change for change in found if change is not None]


def _change(series: object, old: Floats, new: Floats, error: float) -> Change | None:
    """Compare two stretches of one column; None where there are too few values."""
    known, fresh = old[~np.isnan(old)], new[~np.isnan(new)]
    if min(len(known), len(fresh)) < FEWEST:
        return None
    spread, away = float(known.std()), float(fresh.mean() - known.mean())
    low, high = known.min() - spread, known.max() + spread
    outside = float(((fresh < low) | (fresh > high)).mean())
    if len(np.unique(known)) <= 2:
        # Flags and constants have a range, but neither level nor spread to speak of.
        return Change(series, 0.0, float("nan"), outside, 1.0)
    before, after = _changes_mean(old), _changes_mean(new)
    grown = after / before if before > 0 and after >= 0 else 1.0
    return Change(series, away / spread, away / error, outside, grown, _is_usual(known, fresh))


def _is_usual(known: Floats, fresh: Floats) -> bool:
    """Say whether means of as many rows as are new moved about as far in training as they do now."""
    blocks = len(known) // len(fresh)
    means = known[len(known) - blocks * len(fresh) :].reshape(blocks, len(fresh)).mean(axis=1)
    if blocks <= FEWEST_MOVES:
        return False
    return bool(abs(fresh.mean() - means[-1]) <= UNUSUAL * np.abs(np.diff(means)).max())


def _changes_mean(new: Floats) -> float:
    moves = np.abs(np.diff(new))
    moves = moves[~np.isnan(moves)]
    return float(moves.mean()) if len(moves) >= FEWEST - 1 else -1.0


def _column_words(name: str, far: list[Change], judged: int, many: bool) -> str:
    worst = max(far, key=lambda change: (abs(change.level), change.outside))
    where = f" in {len(far):,} of {judged:,} series, most in {worst.series!r}" if many else ""
    return f"{name!r}{where}: {', '.join(worst.words)}"


def _spacing(given: Panel, first: NDArray[np.int64], figures: dict) -> list[str]:
    """Say if rows usually come more than one step apart."""
    gaps = []
    for i in range(len(given)):
        rows = np.flatnonzero(given.present[first[i] : max(given.ends[i], first[i])])
        gaps.append(np.diff(rows))
    joined = np.concatenate(gaps)
    apart = float(np.median(joined)) if len(joined) else 1.0
    figures["steps_between_rows"] = apart
    return [] if apart <= 1 else [f"rows come {apart:g} steps of {given.step} ({given.step.words}) apart"]


def _missing(history: Panel, given: Panel, first: NDArray[np.int64], figures: dict) -> list[str]:
    """Name columns of which clearly more is missing than in training."""
    before, after = _shares(history, history.offsets[:-1]), _shares(given, first)
    figures["missing"] = {
        name: {"training": float(b), "given": float(a)}
        for name, b, a in zip(given.columns.numeric, before, after, strict=True)
    }
    return [
        f"{name!r} is missing in {percent(a)} of rows ({percent(b)} in training)"
        for name, b, a in zip(given.columns.numeric, before, after, strict=True)
        if a > b + max(MORE_MISSING, b)
    ]


def _shares(panel: Panel, first: NDArray[np.int64]) -> Floats:
    """Share of missing cells of each column, between a first row and the end of each series' past."""
    rows = np.arange(panel.rows)
    inside = (rows >= np.repeat(first, panel.lengths)) & (rows < np.repeat(panel.ends, panel.lengths))
    return np.isnan(panel.values[inside]).mean(axis=0) if inside.any() else np.zeros(panel.values.shape[1])


def _unseen(history: Panel, given: Panel, encoder: StaticEncoder | None, figures: dict) -> list[str]:
    """Name series and categories that training did not know."""
    known = set(history.ids)
    unseen = [name for name in given.ids if name not in known]
    figures["unseen_ids"] = unseen
    found = []
    if unseen:
        verb = "is" if len(unseen) == 1 else "are"
        found.append(
            f"{len(unseen):,} of {counted(len(given), 'series', 'series')} {verb} new ({columns_named(unseen)})"
        )
    for name, categories in encoder.categories if encoder is not None else ():
        column = given.static[name]
        new = sorted({str(value) for value in column[~pd.isna(column)]} - set(categories))
        if new:
            found.append(f"{name!r} has categories that training did not know ({columns_named(new)})")
    return found
