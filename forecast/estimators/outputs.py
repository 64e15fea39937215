"""What a network's output says: quantiles, whatever it forecasts."""

from __future__ import annotations

import keras
import numpy as np

from forecast.evaluation.distributions import mean_of, quantiles_of
from forecast.models.forms import forms_of
from forecast.models.spec import Spec


def as_levels(model: keras.Model, spec: Spec, output: np.ndarray) -> np.ndarray:
    """Read the output of a model as quantiles, one level if none were asked for.

    Parameters of a distribution become its quantiles, or its mean where no level was asked for.

    Args:
        model: That gave the output.
        spec: Of the model.
        output: Float64 ``(windows, horizon, targets[, outputs])``.

    Returns:
        ``(windows, horizon, targets, levels)``.

    Example:
        >>> from forecast.models import build_rnn
        >>> spec = Spec(context=6, horizon=2, head="normal", quantiles=(0.1, 0.5, 0.9))
        >>> as_levels(build_rnn(spec, units=2), spec, np.ones((1, 2, 1, 2)))[0, 0, 0].round(2)
        array([-0.28,  1.  ,  2.28])
    """
    if is_distribution(model, spec):
        if not spec.quantiles:
            return mean_of(spec.head, output)[..., None]
        return quantiles_of(spec.head, output, spec.quantiles)
    return output if spec.quantiles else output[..., None]


def is_distribution(model: keras.Model, spec: Spec) -> bool:
    """Say whether a model's outputs are parameters of a distribution."""
    return spec.head != "quantiles" and not forms_of(model).quantiles
