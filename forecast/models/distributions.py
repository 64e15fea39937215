"""Probability distributions a network can forecast, by name, and the layer that ends such a network."""

from __future__ import annotations

import keras
from keras import ops

from forecast.errors import ParameterError, closest
from forecast.models.families.family import Distribution
from forecast.models.families.lognormal import LOGNORMAL
from forecast.models.families.mixture import MIXTURE
from forecast.models.families.negative_binomial import NEGATIVE_BINOMIAL
from forecast.models.families.normal import NORMAL
from forecast.models.families.student import STUDENT
from forecast.models.layers import wide

__all__ = ["DISTRIBUTIONS", "Distribution", "DistributionHead", "distribution_of"]

DISTRIBUTIONS: dict[str, Distribution] = {
    family.name: family for family in (NORMAL, STUDENT, NEGATIVE_BINOMIAL, LOGNORMAL, MIXTURE)
}


def distribution_of(name: str) -> Distribution:
    """Return the distribution of that name.

    Raises:
        ParameterError: There is none.

    Example:
        >>> distribution_of("student").parameters
        ('loc', 'scale', 'df')
    """
    if name not in DISTRIBUTIONS:
        known = tuple(DISTRIBUTIONS)
        raise ParameterError(
            f"distribution must be one of {', '.join(known)}; got {name!r}.{closest(name, known)}"
        )
    return DISTRIBUTIONS[name]


@keras.saving.register_keras_serializable(package="forecast")
class DistributionHead(keras.layers.Layer):
    """Turn free numbers into the raw parameters of a distribution, undoing the scaling of the window.

    A linear path goes into the free numbers, at the places ``located`` of the distribution. A constant
    window (scale 0) gets the smallest spread that the digits of its level can tell apart.

    Args:
        distribution: Name in ``DISTRIBUTIONS``.

    Call:
        ``free`` ``(batch, horizon, channels, P)``; ``level`` and ``scale`` ``(batch, 1, channels)``, or with a
        row for each step of the horizon. For ``"lognormal"`` they are those of the logarithms.

    Returns:
        ``(batch, horizon, channels, P)`` in the dtype of raw values.

    Example:
        >>> import numpy as np
        >>> head = DistributionHead("normal")
        >>> raw = head(np.zeros((1, 1, 1, 2)), np.full((1, 1, 1), 50.0), np.full((1, 1, 1), 4.0))
        >>> [round(float(value), 2) for value in raw[0, 0, 0]]
        [50.0, 4.0]
    """

    def __init__(self, distribution: str, **kwargs):
        super().__init__(dtype=wide(), autocast=False, **kwargs)
        self.distribution = distribution_of(distribution).name

    def call(self, free, level, scale):
        family = distribution_of(self.distribution)
        level, scale = (ops.cast(part, wide())[..., None] for part in (level, scale))
        return family.restore(family.free_to_scaled(ops.cast(free, wide())), level, scale)

    def compute_output_spec(self, free, level, scale):
        return keras.KerasTensor(free.shape, dtype=wide())

    def get_config(self):
        config = super().get_config() | {"distribution": self.distribution}
        config.pop("dtype")
        return config
