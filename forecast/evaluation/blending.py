"""A weighted mean of methods, whose weights are chosen on held-out windows: never worse there than the best one.

Source: Caruana, Niculescu-Mizil, Crew and Ksikes (2004), "Ensemble selection from libraries of models", ICML.
Differs: selection starts from the best single method and keeps the best state it passed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from forecast.data.panel import within
from forecast.evaluation.comparison import AUTO, Trial
from forecast.evaluation.intervals import ConformalShift, conformal_scores

Floats = NDArray[np.float64]

# Every round adds one method with a weight of 1 / round; more rounds move the weights by less than this.
ROUNDS = 20


def greedy_weights(errors: Mapping[str, Floats]) -> dict[str, float]:
    """Choose the weights of a mean of methods that minimise its mean absolute error.

    Args:
        errors: By method, forecast minus actual in comparable units, one shape; NaN in every method is left
            out, and a method with a NaN that others do not have is passed over.

    Returns:
        Weights above zero that sum to one; the mean absolute error with them is at most that of the best
        single method. Empty if no method can be judged.

    Example:
        >>> weights = greedy_weights({"high": np.array([1.0, 1.0]), "low": np.array([-1.0, -1.0])})
        >>> weights
        {'high': 0.5, 'low': 0.5}
    """
    judged = ~np.all([np.isnan(e) for e in errors.values()], axis=0)
    usable = {name: e[judged] for name, e in errors.items() if not np.isnan(e[judged]).any()}
    if not judged.any() or not usable:
        return {}
    names = list(usable)
    counts = np.zeros(len(names), dtype=np.int64)
    total, best = np.zeros(judged.sum()), (np.inf, counts)
    for taken in range(1, ROUNDS + 1):
        losses = [np.abs(total + usable[name]).mean() / taken for name in names]
        chosen = int(np.argmin(losses))
        total, counts = total + usable[names[chosen]], counts + np.eye(len(names), dtype=np.int64)[chosen]
        if losses[chosen] < best[0]:
            best = (losses[chosen], counts)
    return {name: float(c / best[1].sum()) for name, c in zip(names, best[1], strict=True) if c}


def blended(forecasts: Mapping[str, Floats], weights: Mapping[str, float]) -> Floats:
    """Return the weighted mean of forecasts; quantiles are averaged level by level."""
    return np.sum([weight * forecasts[name] for name, weight in weights.items()], axis=0)


def blend_trial(trial: Trial) -> tuple[Trial, dict[str, float]]:
    """Add the weighted mean of all methods to a trial.

    The weights that are returned, and the calibration in ``shifts``, come from all windows. What stands in
    ``forecasts`` for comparison with the others does not: there, the earlier half of each series' windows
    is forecast with weights and calibration from the later half, and the later from the earlier. With one
    window a series there are no halves, and nothing honest to compare.

    Returns:
        The trial with a method ``"auto"`` (only in ``shifts`` without halves), and the weights; the trial as
        it was, and no weights, if there is nothing to choose by.
    """
    windows, middle = trial.windows, trial.levels.index(0.5)
    actual = windows.actual(np.arange(len(windows)))
    yardsticks = trial.yardsticks[windows.series][:, None, :]
    by = yardsticks if np.isfinite(yardsticks).any() else np.ones_like(yardsticks)
    errors = {name: (f[..., middle] - actual) / by for name, f in trial.forecasts.items()}
    weights = greedy_weights(errors)
    if not weights:
        return trial, {}
    scales = windows.scales[windows.series][:, None, :]
    mean, everything = blended(trial.forecasts, weights), np.ones(len(windows), bool)
    trial = replace(trial, shifts=trial.shifts | {AUTO: _shift(trial, mean, actual, scales, everything)})
    counts = np.bincount(windows.series)
    late = within(counts) >= counts[windows.series] // 2
    if late.all():
        return trial, weights
    apart = np.empty_like(mean)
    for half in (late, ~late):
        own = greedy_weights({name: e[~half] for name, e in errors.items()}) or weights
        mean = blended(trial.forecasts, own)
        apart[half] = _shift(trial, mean, actual, scales, ~half).apply(mean[half], scales[half])
    return replace(trial, forecasts=trial.forecasts | {AUTO: apart}), weights


def _shift(trial: Trial, mean: Floats, actual: Floats, scales: Floats, which: NDArray) -> ConformalShift:
    """Calibrate the mean; where too few windows reach a level, the mean of calibrated quantiles stays as it is."""
    scores = conformal_scores(actual[which], mean[which], scales[which])
    shift = ConformalShift.fit(scores, trial.levels, per_quantile=True)
    return replace(shift, shift=np.nan_to_num(shift.shift))
