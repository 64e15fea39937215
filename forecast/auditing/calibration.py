"""Do intervals hold as often as they claim, and do quantiles keep their order?"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from forecast.auditing.findings import Finding
from forecast.auditing.rivals import Judgement
from forecast.auditing.subjects import TRAINED
from forecast.auditing.wording import percent, sentence
from forecast.data.windows import Windows
from forecast.evaluation.comparison import Trial
from forecast.evaluation.intervals import ConformalShift

Floats = NDArray[np.float64]

CALIBRATION, QUANTILES = "calibration", "quantiles"
# A coverage as low as this chance allows is not held against an interval.
CHANCE = 0.001
# An interval is far too narrow if it misses this many times as often as it claims to.
FAR = 2.0


@dataclass(frozen=True)
class Interval:
    """What an interval claims and what it reached.

    Args:
        claimed: Probability with which an actual is to lie inside.
        covered: Share that did.
        independent_values: How many independent values that share is worth.
    """

    claimed: float
    covered: float
    independent_values: float

    @property
    def narrow(self) -> bool:
        """Whether it covers less than chance allows."""
        return self.covered < self.claimed and self._chance(self.covered, self.claimed) <= CHANCE

    @property
    def wide(self) -> bool:
        """Whether it covers more than chance allows."""
        return self.covered > self.claimed and self._chance(1 - self.covered, 1 - self.claimed) <= CHANCE

    @property
    def far(self) -> bool:
        """Whether it is narrow and misses many times as often as it claims to."""
        return self.narrow and 1 - self.covered > FAR * (1 - self.claimed)

    def _chance(self, share: float, probability: float) -> float:
        """Probability of a share as low as this."""
        trials = max(int(self.independent_values), 1)
        return float(binom.cdf(round(share * trials), trials, probability))


def coverage_finding(judgement: Judgement) -> Finding:
    """Compare realised with claimed coverage, within what chance allows.

    The number of independent values is that of distinct rows, divided by the design effect of windows (values
    of one window hit or miss together). For a stored comparison, of which only the share is known, the
    effect is taken to be as large as it can be: one value a horizon.

    Args:
        judgement: Of the method that forecasts.

    Source:
        Kish (1965), "Survey Sampling", section 5.4: the design effect of clusters.
    """
    found = _stored(judgement) if judgement.trial is None else _of_trial(judgement.trial, judgement.method)
    if not found:
        return Finding(CALIBRATION, "note", "There is no interval to judge.")
    figures = {"intervals": [asdict(interval) for interval in found], "rows": judgement.rows}
    each = [f"the {percent(one.claimed)} interval covers {percent(one.covered)}" for one in found]
    told = f"{sentence(', '.join(each))} of {judgement.rows}"
    told += " (which flatters it)" if judgement.rows == TRAINED else ""
    again = "Fit again with newer rows, so that the calibration sees them"
    if any(interval.far for interval in found):
        return Finding(CALIBRATION, "serious", f"{told}: far too narrow.", f"{again}.", figures)
    if any(interval.narrow for interval in found):
        return Finding(CALIBRATION, "warning", f"{told}: too narrow, beyond chance.", f"{again}.", figures)
    if any(interval.wide for interval in found):
        return Finding(
            CALIBRATION, "note", f"{told}: wider than claimed, beyond chance.", f"{again}.", figures
        )
    return Finding(CALIBRATION, "ok", f"{told}: as claimed, within chance.", figures=figures)


def _stored(judgement: Judgement) -> list[Interval]:
    """Return the one interval that a comparison tells of."""
    share = float(judgement.table.set_index("method").loc[judgement.method, "coverage"])  # type: ignore[arg-type]
    level = judgement.table.attrs.get("level")
    return [Interval(level, share, judgement.horizons)] if level and np.isfinite(share) else []


def _of_trial(trial: Trial, method: str) -> list[Interval]:
    """Return every interval that two levels make, the outermost first."""
    forecasts, levels = trial.forecasts[method], trial.levels
    actual = trial.windows.actual(np.arange(len(trial.windows)))
    found = []
    for low in range(len(levels) // 2):
        high = len(levels) - 1 - low
        lower, upper = forecasts[..., low], forecasts[..., high]
        inside = np.where(np.isnan(actual + lower + upper), np.nan, (lower <= actual) & (actual <= upper))
        if (~np.isnan(inside)).any():
            number = _distinct(trial.windows, inside) / _design_effect(inside)
            found.append(Interval(round(levels[high] - levels[low], 6), float(np.nanmean(inside)), number))
    return found


def _distinct(windows: Windows, inside: Floats) -> int:
    """Count rows and targets that were judged, each once however many windows reach it."""
    rows = windows.origins[:, None] + np.arange(windows.horizon)
    judged = np.zeros((windows.panel.rows + windows.horizon, inside.shape[2]), bool)
    for j in range(inside.shape[2]):
        judged[rows[~np.isnan(inside[..., j])], j] = True
    return max(int(judged.sum()), 1)


def _design_effect(inside: Floats) -> float:
    """How many values of a window and target count as one: variance of their means against independent ones."""
    judged = ~np.isnan(inside)
    counts = judged.sum(axis=1)
    share, size = np.nanmean(inside), counts[counts > 0].mean()
    alone = share * (1 - share) / size
    if alone == 0 or (counts > 0).sum() < 2:
        return float(size)
    means = np.where(judged, inside, 0.0).sum(axis=1)[counts > 0] / counts[counts > 0]
    return float(np.clip(means.var(ddof=1) / alone, 1.0, size))


def quantiles_finding(forecasts: Floats, levels: tuple[float, ...], shift: ConformalShift | None) -> Finding:
    """Look for quantiles that cross, and for levels that the calibration left empty.

    Args:
        forecasts: ``(windows, horizon, targets, levels)``.
        levels: Ascending.
        shift: The calibration, or None.
    """
    with np.errstate(invalid="ignore"):
        crossing = int((_filled(forecasts)[..., 1:] < _filled(forecasts)[..., :-1]).any(axis=-1).sum())
    cells = forecasts[..., 0].size
    empty = [level for k, level in enumerate(levels) if np.isnan(forecasts[..., k]).all()]
    empty = empty if shift is None else sorted({*empty, *shift.unreachable})
    figures = {"crossing": crossing, "forecasts": cells, "empty": empty}
    if crossing:
        told = f"Quantiles cross in {crossing:,} of {cells:,} forecasts."
        remedy = "Build them so that they cannot (a middle and positive distances), or sort them."
        return Finding(QUANTILES, "serious", told, remedy, figures)
    if empty:
        named = ", ".join(f"{level:g}" for level in empty)
        told = f"Levels {named} are empty at some step or all: too few calibration windows reach them."
        return Finding(QUANTILES, "note", told, "Ask for inner levels, or give more rows.", figures)
    return Finding(
        QUANTILES, "ok", f"Quantiles keep their order in all of {cells:,} forecasts.", figures=figures
    )


def _filled(forecasts: Floats) -> Floats:
    """Put the nearest lower level where one is empty, so that its neighbours are compared."""
    filled = forecasts.copy()
    for k in range(1, filled.shape[-1]):
        filled[..., k] = np.where(np.isnan(filled[..., k]), filled[..., k - 1], filled[..., k])
    return filled
