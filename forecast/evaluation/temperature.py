"""Probabilities that mean what they say: one temperature, learned on sequences that were not trained on."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar

LEAST, MOST = 0.2, 20.0
# Doubt about the temperature itself, as the standard deviation of its logarithm: a few sequences, all of them
# right, would have every probability become 1.
DOUBT = 0.5
_LEAST_PROBABILITY = 1e-12


def fit_temperature(probabilities: ArrayLike, truth: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return the temperature under which labels were likeliest; 1 without any label.

    Args:
        probabilities: ``(n, classes)`` for what was not trained on.
        truth: Number of each one's class.
        weights: Of each; None: 1.

    Example:
        >>> sure = np.tile([0.99, 0.01], (200, 1))
        >>> float(round(fit_temperature(sure, np.arange(200) % 4 == 0), 1))
        3.8

    Source:
        Guo et al. (2017), "On Calibration of Modern Neural Networks", temperature scaling.
    Differs:
        The temperature is drawn to 1 by a log-normal prior, which a few dozen labels outweigh.
    """
    found, codes = np.asarray(probabilities, np.float64), np.asarray(truth, np.int64)
    counts = np.ones(len(codes)) if weights is None else np.asarray(weights, np.float64)
    if not counts.sum() > 0:
        return 1.0

    def cost(power: float) -> float:
        chosen = tempered(found, float(np.exp(power)))[np.arange(len(codes)), codes]
        unlikely = -(counts * np.log(np.maximum(chosen, _LEAST_PROBABILITY))).sum()
        return float(unlikely + (power / DOUBT) ** 2 / 2)

    best = minimize_scalar(cost, bounds=(np.log(LEAST), np.log(MOST)), method="bounded")
    return float(np.exp(best.x))


def tempered(probabilities: ArrayLike, temperature: float) -> NDArray[np.float64]:
    """Return probabilities at a temperature: above 1 less sure, below 1 surer; their order stays.

    Example:
        >>> tempered([[0.8, 0.2]], 2.0).round(3).tolist()
        [[0.667, 0.333]]
    """
    powers = np.log(np.maximum(np.asarray(probabilities, np.float64), _LEAST_PROBABILITY)) / temperature
    free = np.exp(powers - powers.max(axis=-1, keepdims=True))
    return free / free.sum(axis=-1, keepdims=True)


def calibration_error(probabilities: ArrayLike, truth: ArrayLike, bins: int = 10) -> float:
    """Return the expected calibration error: how far the highest probability lies from the share that is right.

    Example:
        >>> float(round(calibration_error(np.tile([0.9, 0.1], (10, 1)), [0] * 7 + [1] * 3), 2))
        0.2

    Source:
        Guo et al. (2017), equation 3; bins of equal width.
    """
    found, codes = np.asarray(probabilities, np.float64), np.asarray(truth, np.int64)
    sure, right = found.max(axis=1), found.argmax(axis=1) == codes
    number = np.minimum((sure * bins).astype(int), bins - 1)
    gaps = np.abs(np.bincount(number, right - sure, minlength=bins))
    return float(gaps.sum() / len(codes))
