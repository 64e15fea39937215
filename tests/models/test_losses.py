"""Losses against plain arithmetic."""

from __future__ import annotations

import numpy as np
import pytest

from forecast.errors import ParameterError
from forecast.evaluation import metrics
from forecast.models.losses import PinballLoss, PointLoss


def sample(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(4, 3, 2)), rng.normal(size=(4, 3, 2, 3)), rng.uniform(0.5, 2, size=(4, 3, 2))


def test_pinball_is_twice_the_metric_averaged_over_levels():
    actual, forecast, _ = sample()
    levels = (0.1, 0.5, 0.8)
    expected = np.mean([2 * metrics.pinball(actual, forecast[..., k], q) for k, q in enumerate(levels)])
    assert float(PinballLoss(levels)(actual, forecast)) == pytest.approx(expected, rel=1e-6)


def test_pinball_weights_are_per_value():
    actual, forecast, weight = sample()
    weight[0] = 0
    plain = PinballLoss((0.1, 0.5, 0.8))
    each = np.array([[[float(plain(actual[i, j, k].reshape(1, 1, 1), forecast[i, j, k].reshape(1, 1, 1, 3)))
                       for k in range(2)] for j in range(3)] for i in range(4)])  # fmt: skip
    expected = (each * weight).mean()
    assert float(plain(actual, forecast, sample_weight=weight)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("kind", "rule"),
    [("mae", np.abs), ("mse", np.square), ("mixed", lambda e: np.abs(e) + np.square(e) / 2)],
)
def test_point_losses_scale_before_they_square(kind, rule):
    actual, forecast, weight = sample()
    forecast = forecast[..., 0]
    expected = rule((actual - forecast) * weight).mean()
    assert float(PointLoss(kind)(actual, forecast, sample_weight=weight)) == pytest.approx(expected, rel=1e-6)


def test_unknown_loss_is_named():
    with pytest.raises(ParameterError, match="huber"):
        PointLoss("huber")
