"""Losses that average over windows, steps, targets and quantiles alike.

Sample weights ``(batch, horizon, targets)`` are 1 / scale of the series, or 0 where the actual is missing;
without them a series' scale counts as 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from forecast.errors import ParameterError, closest
from forecast.models.distributions import distribution_of
from forecast.models.layers import wide
from forecast.models.special import at_least

POINT_LOSSES = ("mae", "mse", "mixed", "mase", "smape", "owa")
DISTRIBUTION_LOSSES = ("likelihood", "crps")

# Shares of a series' scale. sMAPE's divisor is never smaller: near zero its gradient would have no bounds. Nor is
# the spread that a likelihood is taken of: the jump after one constant window would outweigh all other windows.
_LEAST_SIZE = 0.01
_LEAST_SPREAD = 0.001


def step_weights(horizons: Sequence[int], horizon: int) -> tuple[float, ...]:
    """Return weights of the steps for a model that is trained for several horizons at once.

    Each horizon counts alike, as the mean over its own steps; the weights have mean 1.

    Args:
        horizons: Numbers of steps, the largest of which is ``horizon``.
        horizon: Steps the model forecasts.

    Raises:
        ParameterError: There is no horizon, one is below 1, or the largest is another one.

    Example:
        >>> step_weights((1, 2), horizon=2)
        (1.5, 0.5)
    """
    if not horizons or min(horizons) < 1 or max(horizons) != horizon:
        raise ParameterError(
            f"horizons must be at least 1 and the largest must be the {horizon} steps forecast, so that each step "
            f"has a weight; got {tuple(horizons)}."
        )
    sums = [sum(1 / h for h in horizons if step < h) for step in range(horizon)]
    mean = sum(sums) / horizon
    return tuple(one / mean for one in sums)


def smape(actual: Any, forecast: Any, weight: Any) -> Any:
    """Return 2 |y - f| / (|y| + |f|), between 0 and 2; 0 where the weight is 0.

    Differs: where |y| + |f| is below a hundredth of the series' scale, that hundredth takes its place.

    Source: Makridakis, Spiliotis and Assimakopoulos (2020), "The M4 Competition", IJF 36(1), without the 100.

    Example:
        >>> import numpy as np
        >>> round(float(smape(*(np.array([x]) for x in (3.0, 1.0, 1.0)))[0]), 6)
        1.0
    """
    known = weight > 0
    least = _LEAST_SIZE / ops.where(known, weight, ops.ones_like(weight))
    size = at_least(ops.abs(actual) + ops.abs(forecast), least)
    ratio = 2 * ops.abs(actual - forecast) / size
    return ops.where(known, ratio, ops.zeros_like(ratio))


@keras.saving.register_keras_serializable(package="forecast")
class PinballLoss(keras.losses.Loss):
    """Pinball (quantile) loss, twice its usual value so that the median alone gives the absolute error.

    Args:
        quantiles: Levels in (0, 1), in the order of the prediction's last axis.
        smape: Factor of the sMAPE of the quantile nearest to the median, which is added.
        steps: Weights of the steps ``(horizon,)``, see ``step_weights``; None weighs them alike.

    Call:
        ``actual`` ``(batch, horizon, targets)``, ``forecast`` ``(batch, horizon, targets, quantiles)``.

    Source:
        Koenker and Bassett (1978), "Regression quantiles".

    Example:
        >>> import numpy as np
        >>> loss = PinballLoss((0.1, 0.5))
        >>> round(float(loss(np.full((1, 1, 1), 2.0), np.full((1, 1, 1, 2), 1.0))), 6)
        0.6
    """

    def __init__(self, quantiles, smape: float = 0.0, steps=None, name: str = "pinball", **kwargs):
        super().__init__(name=name, dtype=kwargs.pop("dtype", wide()), **kwargs)
        self.quantiles = tuple(float(q) for q in quantiles)
        self.smape, self.steps = float(smape), _plain(steps)

    def __call__(self, actual, forecast, sample_weight=None):
        total = super().__call__(actual, forecast, sample_weight)
        if self.smape == 0:
            return total
        middle = min(range(len(self.quantiles)), key=lambda i: abs(self.quantiles[i] - 0.5))
        actual, median, weight = _same(self.dtype, actual, forecast[..., middle], sample_weight)
        return total + self.smape * ops.mean(_by_step(smape(actual, median, weight), self.steps))

    def call(self, actual, forecast):
        levels = ops.convert_to_tensor(self.quantiles, dtype=forecast.dtype)
        error = actual[..., None] - forecast
        each = 2 * ops.mean(ops.maximum(levels * error, (levels - 1) * error), axis=-1)
        return _by_step(each, self.steps)

    def get_config(self):
        own = {"quantiles": self.quantiles, "smape": self.smape, "steps": self.steps}
        return super().get_config() | own


@keras.saving.register_keras_serializable(package="forecast")
class PointLoss(keras.losses.Loss):
    """Error of one forecast a step.

    Args:
        kind: ``"mae"``: absolute error over the scale of the series, and so also called ``"mase"``.
            ``"mse"``: its square. ``"mixed"``: absolute error + half the squared error. ``"smape"``: see
            ``smape``. ``"owa"``: mase / 2 + smape. (The overall weighted average of M4 divides both
            by those of a benchmark method, which a loss does not know.)
        steps: Weights of the steps ``(horizon,)``, see ``step_weights``; None weighs them alike.

    Call:
        ``actual`` and ``forecast`` ``(batch, horizon, targets)``. Errors are divided by the scale of
        the series before they are squared, so the sample weights 1 / scale are taken in here. sMAPE has
        no unit: for it they only say what is missing.

    Example:
        >>> import numpy as np
        >>> actual, forecast = np.full((1, 2, 1), 3.0), np.full((1, 2, 1), 1.0)
        >>> [round(float(PointLoss(kind)(actual, forecast)), 6) for kind in ("mase", "smape", "owa")]
        [2.0, 1.0, 2.0]
    """

    def __init__(self, kind: str = "mae", steps=None, name: str = "point", **kwargs):
        super().__init__(name=name, dtype=kwargs.pop("dtype", wide()), **kwargs)
        self.kind, self.steps = _check("loss", kind, POINT_LOSSES), _plain(steps)

    def __call__(self, actual, forecast, sample_weight=None):
        actual, forecast, weight = _same(self.dtype, actual, forecast, sample_weight)
        each = smape(actual, forecast, weight) if self.kind in ("smape", "owa") else 0.0
        if self.kind != "smape":
            each = each + self.call((actual - forecast) * weight, 0.0)
        return ops.mean(_by_step(each, self.steps))

    def call(self, error, _):
        if self.kind == "mse":
            return ops.square(error)
        if self.kind == "mixed":
            return ops.abs(error) + ops.square(error) / 2
        return ops.abs(error) / 2 if self.kind == "owa" else ops.abs(error)

    def get_config(self):
        return super().get_config() | {"kind": self.kind, "steps": self.steps}


@keras.saving.register_keras_serializable(package="forecast")
class DistributionLoss(keras.losses.Loss):
    """Score of a forecast distribution.

    Args:
        distribution: Name in ``DISTRIBUTIONS``.
        kind: ``"likelihood"``: the negative log density in units of the series' scale, so that the unit of a
            series does not matter. ``"crps"``: the continuous ranked probability score over that scale, which
            is less moved by outliers.
        steps: Weights of the steps ``(horizon,)``, see ``step_weights``; None weighs them alike.

    Call:
        ``actual`` ``(batch, horizon, targets)``; raw ``parameters`` ``(batch, horizon, targets, P)``. An
        actual outside the distribution's support makes the likelihood infinite.

    Differs: The likelihood takes spreads below a thousandth of the series' scale as that (of the logarithm's unit
        for ``"lognormal"``): a constant window forecasts a spread of next to nothing, and what comes after it
        would outweigh everything else.

    Source:
        Gneiting and Raftery (2007), "Strictly proper scoring rules, prediction, and estimation".

    Example:
        >>> import numpy as np
        >>> loss = DistributionLoss("normal", "crps")
        >>> round(float(loss(np.zeros((1, 1, 1)), np.array([[[[0.0, 1.0]]]]))), 6)
        0.233695
    """

    def __init__(
        self, distribution, kind: str = "likelihood", steps=None, name: str = "distribution", **kwargs
    ):
        super().__init__(name=name, dtype=kwargs.pop("dtype", wide()), **kwargs)
        self.distribution = distribution_of(distribution).name
        self.kind, self.steps = _check("loss", kind, DISTRIBUTION_LOSSES), _plain(steps)

    def __call__(self, actual, parameters, sample_weight=None):
        actual, parameters, weight = _same(self.dtype, actual, parameters, sample_weight)
        known = weight > 0
        # Any value that every support has: its score is thrown away, but must have a gradient to throw away.
        actual = ops.where(known, actual, ops.ones_like(actual))
        weight = ops.where(known, weight, ops.ones_like(weight))
        each = self.call(actual, parameters, weight)
        return ops.mean(_by_step(ops.where(known, each, ops.zeros_like(each)), self.steps))

    def call(self, actual, parameters, weight):
        family = distribution_of(self.distribution)
        if self.kind == "crps":
            return family.crps(actual, parameters) * weight
        likelihood = family.log_prob(actual, family.broaden(parameters, _LEAST_SPREAD / weight))
        # Counts have probabilities, which have no unit; a density is one over a unit.
        return -likelihood if family.support == "counts" else ops.log(weight) - likelihood

    def get_config(self):
        own = {"distribution": self.distribution, "kind": self.kind, "steps": self.steps}
        return super().get_config() | own


def loss_for(
    kind: str,
    *,
    quantiles: Sequence[float] = (),
    head: str = "quantiles",
    steps: Sequence[float] | None = None,
) -> keras.losses.Loss:
    """Return the loss that a model's output needs.

    Args:
        kind: For distributions one of ``DISTRIBUTION_LOSSES``; for quantiles ``"pinball"``, or ``"smape"`` or
            ``"owa"`` for pinball + the sMAPE of the median; for points one of ``POINT_LOSSES``.
        quantiles: Levels of the quantiles, empty for points.
        head: ``"quantiles"`` (also for points), or the name of a distribution.
        steps: Weights of the steps, see ``step_weights``.

    Raises:
        ParameterError: There is no such loss for that output.

    Example:
        >>> loss_for("crps", head="student").kind, loss_for("mase").kind
        ('crps', 'mase')
    """
    if head != "quantiles":
        return DistributionLoss(head, kind, steps)
    if not quantiles:
        return PointLoss(kind, steps)
    _check("loss of quantiles", kind, ("pinball", "smape", "owa"))
    return PinballLoss(quantiles, 0.0 if kind == "pinball" else 1.0, steps)


def _check(what: str, kind: str, known: tuple[str, ...]) -> str:
    if kind not in known:
        raise ParameterError(f"{what} must be one of {', '.join(known)}; got {kind!r}.{closest(kind, known)}")
    return kind


def _plain(steps: Any) -> tuple[float, ...] | None:
    return None if steps is None else tuple(float(step) for step in steps)


def _same(dtype: str, actual: Any, forecast: Any, weight: Any) -> tuple[Any, Any, Any]:
    """Bring all three to one dtype; weights that are not given are 1."""
    actual, forecast = ops.cast(actual, dtype), ops.cast(forecast, dtype)
    return actual, forecast, ops.ones_like(actual) if weight is None else ops.cast(weight, dtype)


def _by_step(each: Any, steps: tuple[float, ...] | None) -> Any:
    """Weigh ``(batch, horizon, targets)`` by step."""
    return each if steps is None else each * ops.convert_to_tensor(steps, dtype=each.dtype)[:, None]
