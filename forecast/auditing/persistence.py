"""Is the forecast the input shifted by one?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.auditing.findings import Finding
from forecast.auditing.subjects import Subject, tail_windows
from forecast.auditing.wording import counted, percent, sentence
from forecast.data.windows import Windows

Floats = NDArray[np.float64]

PERSISTENCE = "persistence"
MOST_WINDOWS, LEAST_NEIGHBOURS, LEAST_WINDOWS = 640, 64, 8
# A clone stays within this share of the naive error of the last observation, and no step gains more than that on naive.
CLOSE, SKILL = 0.2, 0.05
# Standard errors that are no longer chance.
CHANCE = 3.0


@dataclass(frozen=True, eq=False)
class Steps:
    """First steps of neighbouring windows, in typical errors of their series; all axes: windows.

    Args:
        forecast: First step of the forecast.
        last: Last observation before it.
        actual: What came.
        chained: Whether the window before is that of the row before, in the same series.
        horizon_skill: 1 less the error of all steps as a share of the naive error.
    """

    forecast: Floats
    last: Floats
    actual: Floats
    chained: NDArray[np.bool_]
    horizon_skill: float

    @property
    def closeness(self) -> float:
        """How far forecasts lie from the last observation, as a share of how far the actuals do."""
        return _mean(self.forecast - self.last) / _mean(self.actual - self.last)

    @property
    def skill(self) -> float:
        """1 less the error of the first step as a share of the naive error."""
        return 1 - _mean(self.actual - self.forecast) / _mean(self.actual - self.last)

    def correlations(self) -> Floats:
        """Correlate the changes of the forecast with those of the actual 0, 1 and 2 rows before."""
        change = np.where(self.chained, np.diff(self.forecast, prepend=np.nan), np.nan)
        actual = np.where(self.chained, np.diff(self.actual, prepend=np.nan), np.nan)
        shifted = [actual, *(self._before(actual, by) for by in (1, 2))]
        return np.array([_correlation(change, other) for other in shifted])

    def told(self) -> str:
        """Say how close and how much better it is."""
        return (
            f"step 1 lies {percent(self.closeness)} of the naive error from the last observation; its error is "
            f"{_compared(self.skill)} the naive one, over all steps {_compared(self.horizon_skill)}"
        )

    def figures(self) -> dict[str, Any]:
        """Return the figures behind the sentence."""
        named = zip(("lag 0", "lag 1", "lag 2"), self.correlations().tolist(), strict=True)
        own = {name: getattr(self, name) for name in ("closeness", "skill", "horizon_skill")}
        return own | {"correlation": dict(named)}

    def memory(self, lags: tuple[int, ...]) -> float:
        """Strongest sign that changes follow from something, in standard errors: they repeat, or all lean one way."""
        actual = np.where(self.chained, self.actual - self.last, np.nan)
        seen = actual[~np.isnan(actual)]
        lean = abs(seen.mean()) / seen.std() * np.sqrt(len(seen)) if len(seen) and seen.std() > 0 else 0.0
        found = [float(lean)]
        for lag in lags:
            other = self._before(actual, lag)
            pairs = int((~np.isnan(actual + other)).sum())
            found.append(np.nan_to_num(abs(_correlation(actual, other))) * np.sqrt(pairs))
        return float(max(found))

    def _before(self, values: Floats, by: int) -> Floats:
        """Take the value ``by`` windows before, NaN where the chain is broken between."""
        if by >= len(values):
            return np.full(len(values), np.nan)
        unbroken = self.chained.copy()
        for k in range(1, by):
            unbroken[k:] &= self.chained[:-k]
        moved = np.concatenate([np.full(by, np.nan), values[:-by]])
        return np.where(unbroken, moved, np.nan)


def persistence_finding(subject: Subject) -> Finding:
    """Compare the first step with the last observation before it, over neighbouring windows.

    A clone of the input stays near the last observation, changes when the input changed one row before,
    and gains nothing on the naive forecast, neither at the first step nor over the horizon.
    """
    windows = tail_windows(subject.windows, MOST_WINDOWS, LEAST_NEIGHBOURS)
    steps = first_steps(subject, windows)
    known = len(steps.actual)
    if known < LEAST_WINDOWS:
        why = f"Not judged: only {counted(known, 'value')} to tell by."
        return Finding(PERSISTENCE, "note", why, "", {"values": known})
    if _mean(steps.actual - steps.last) == 0:
        return Finding(PERSISTENCE, "note", "Not judged: the series does not change.", "", {"values": known})
    correlations = steps.correlations()
    figures = steps.figures() | {"values": known}
    shifted = np.isfinite(correlations).all() and correlations.argmax() == 1
    skilled = max(steps.skill, steps.horizon_skill) >= SKILL
    of = f"({counted(known, 'value')} of {subject.rows})"
    if skilled or not shifted or steps.closeness >= CLOSE:
        return Finding(PERSISTENCE, "ok", f"No clone of the input: {steps.told()} {of}.", figures=figures)
    told = f"{sentence(subject.name)} repeats the last observation: {steps.told()} {of}"
    return _clone(subject, steps, told, figures)


def _clone(subject: Subject, steps: Steps, told: str, figures: dict) -> Finding:
    """Say whether there was anything better to do than to repeat the last observation."""
    if not subject.learned:
        return Finding(PERSISTENCE, "note", f"{told}; that is what {subject.name} does here.", "", figures)
    if steps.memory((1, subject.season)) < CHANCE:
        told += "; naive is as good as it gets here: changes do not follow from those before them"
        return Finding(PERSISTENCE, "note", f"{told}.", "Forecast with naive; it costs nothing.", figures)
    remedy = (
        "Forecast differences or seasons instead of levels (an anchor on the last value, lags, covariates), train "
        "longer, or use the best baseline."
    )
    return Finding(PERSISTENCE, "warning", f"{told}.", remedy, figures)


def first_steps(subject: Subject, windows: Windows) -> Steps:
    """Forecast windows and keep the first steps whose forecast, actual and last observation are known."""
    scales = windows.scales[windows.series]
    forecast = subject.point(windows) / scales[:, None, :]
    actual = windows.actual(np.arange(len(windows))) / scales[:, None, :]
    last = windows.panel.targets[windows.origins - 1] / scales
    known = ~np.isnan(forecast + actual + last[:, None, :])
    own, naive = np.abs(actual - forecast)[known].sum(), np.abs(actual - last[:, None, :])[known].sum()
    chained = np.zeros(len(windows), bool)
    chained[1:] = (np.diff(windows.origins) == 1) & (np.diff(windows.series) == 0)
    judged = known[:, 0].T.reshape(-1)
    chain = np.tile(chained, forecast.shape[2])
    # A window that is left out breaks the chain of the one behind it.
    chain[1:] &= judged[:-1]
    first = [values.T.reshape(-1)[judged] for values in (forecast[:, 0], last, actual[:, 0])]
    skill = float(1 - own / naive) if naive > 0 else 0.0
    return Steps(first[0], first[1], first[2], chain[judged], skill)


def _compared(skill: float) -> str:
    return f"{percent(abs(skill))} {'below' if skill >= 0 else 'above'}"


def _mean(values: Floats) -> float:
    return float(np.abs(values).mean())


def _correlation(a: Floats, b: Floats) -> float:
    """Correlation over pairs that are both known, NaN without any spread."""
    known = ~np.isnan(a + b)
    if known.sum() < LEAST_WINDOWS - 4:
        return float("nan")
    x, y = a[known] - a[known].mean(), b[known] - b[known].mean()
    size = np.sqrt((x**2).sum() * (y**2).sum())
    return float((x * y).sum() / size) if size > 0 else float("nan")
