"""Whole windows of past errors, kept with a fitted estimator: how the steps of its forecasts go together."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from forecast.data.windows import Windows
from forecast.estimators.network import Network
from forecast.evaluation.blending import blended
from forecast.evaluation.comparison import AUTO, NETWORK, Trial, baseline_forecasts
from forecast.evaluation.intervals import conformal_scores
from forecast.evaluation.paths import FEWEST_WINDOWS, template_of

# A model file holds one template a method: of 200 windows, or as many as have 8,000 numbers, but 20 at least.
MOST_WINDOWS, MOST_CELLS = 200, 8_000
# Fewer held-out windows than this, and those before them are looked at too.
ENOUGH_WINDOWS = 40
# Leading bits of a float32: sign, exponent, and three digits. Ranks and spreads need no more, and the rest,
# being zero, takes no room in a file.
_LEADING = np.uint32(0xFFFFE000)


def kept_template(scores: ArrayLike) -> NDArray[np.float32]:
    """Choose windows of scores to keep, few enough for a model file, to three digits.

    Args:
        scores: ``conformal_scores`` of the point or median forecast; axes: windows, horizon, targets.

    Example:
        >>> kept_template(np.full((500, 24, 1), 1 / 3)).shape, kept_template(np.ones((500, 100, 10))).shape
        ((200, 24, 1), (20, 100, 10))
        >>> kept_template(np.full((20, 1, 1), 1 / 3))[0].tolist()
        [[0.333251953125]]
    """
    s = np.asarray(scores, np.float64)
    most = int(np.clip(MOST_CELLS // max(s[0].size if len(s) else 1, 1), FEWEST_WINDOWS, MOST_WINDOWS))
    chosen = np.ascontiguousarray(template_of(s, most))
    return (chosen.view(np.uint32) & _LEADING).view(np.float32)


def trial_templates(
    trial: Trial, weights: dict[str, float], network: Network, earlier: Windows
) -> dict[str, NDArray[np.float32]]:
    """Return the template of every compared method, and of the weighted mean if there is one.

    Args:
        trial: What the methods forecast for the held-out windows.
        weights: Of the weighted mean; empty for none.
        network: As it was compared.
        earlier: Windows before the held-out ones that the network was not trained on; forecast only if the
            held-out ones are few.

    Returns:
        Templates by method; none for a point forecast, whose paths would have no width.
    """
    if len(trial.levels) < 2:
        return {}
    middle = trial.levels.index(0.5)
    points = {name: f[..., middle] for name, f in trial.forecasts.items() if name != AUTO}
    scores = _scores(points, weights, trial.windows)
    if len(earlier) and len(template_of(scores[NETWORK], ENOUGH_WINDOWS)) < ENOUGH_WINDOWS:
        before = {NETWORK: network.forecasts(earlier)[..., middle]}
        others = (name for name in points if name != NETWORK)
        before |= {name: baseline_forecasts(name, earlier, trial.season) for name in others}
        first = _scores(before, weights, earlier)
        scores = {name: np.concatenate([first[name], s]) for name, s in scores.items()}
    return {name: kept_template(s) for name, s in scores.items()}


def _scores(
    points: dict[str, np.ndarray], weights: dict[str, float], windows: Windows
) -> dict[str, np.ndarray]:
    """Errors of every method and of the weighted mean, in units of the series' scale."""
    points = points | ({AUTO: blended(points, weights)} if weights else {})
    actual, scales = windows.actual(np.arange(len(windows))), windows.scales[windows.series][:, None, :]
    return {name: conformal_scores(actual, point, scales) for name, point in points.items()}
