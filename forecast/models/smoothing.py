"""Exponential smoothing of level and season as a layer, with weights that are learned."""

from __future__ import annotations

import keras
from keras import ops

from forecast.models.dtypes import REGISTER

# No season or period is forgotten at once: the logarithm of what is kept stays finite.
FASTEST = 0.98
# Free numbers to begin with: a half for the level, a quarter for the profile, half of the long period.
START = (0.0, -1.0, 0.0)
# Weight of no season at all beside those seen: a profile of one season would leave nothing of it to read.
PRIOR = 0.1


@REGISTER
class Smoothing(keras.layers.Layer):
    """Smooth the seasons of a context: a level, a profile of the season, and what the last long period left.

    The profile is the mean of the rows' distances from the mean of their season, the level that of the rows without
    the profile, both with weights that fall by a constant factor from each season to the one before. A long period (a
    week of days) adds a share of what level and profile left of the same rows one period ago. Missing rows count for
    nothing; a season of which rows are missing counts for the share that is seen, since its mean is that of some
    phases only.

    Args:
        season: Rows of a season, 1 for none: then rows are seasons, and have no profile.
        period: Rows of the long period, a whole number of seasons; ``season`` for none.
        horizon: Rows ahead.

    Call:
        ``values`` and ``observed`` (1 or 0) ``(batch, rows, channels)``, newest row last, and ``weights``
        ``(batch, channels, 3)``: free numbers behind the rates of level and profile and the share of the long period.

    Returns:
        What smoothing leaves of each row ``(batch, rows, channels)``, and what it says of the horizon
        ``(batch, horizon, channels)``.

    Source:
        Smyl (2020), "A hybrid method of exponential smoothing and recurrent neural networks for time series
        forecasting", International Journal of Forecasting 36.
    Differs:
        Additive and in closed form over the context: weighted means instead of a recursion from the series' start.
    """

    def __init__(self, season: int, period: int, horizon: int, **kwargs):
        super().__init__(**kwargs)
        self.season, self.period, self.horizon = season, period, horizon

    def call(self, values, observed, weights):
        rows, channels = values.shape[1:]
        season = self.season if rows >= self.season else 1
        count = rows // season
        inside = ops.reshape(values[:, rows - count * season :], (-1, count, season, channels))
        seen = ops.reshape(observed[:, rows - count * season :], (-1, count, season, channels))
        share = ops.mean(seen, axis=2)
        age = _age(share)
        away = inside - _mean(inside, seen, axis=2)[:, :, None]
        trust = seen * (share * _kept(weights[..., 1], age))[:, :, None]
        profile = _mean(away, trust, axis=1, prior=PRIOR)
        trust = seen * _kept(weights[..., 0], age)[:, :, None]
        level = _mean(inside - profile[:, None], trust, axis=(1, 2))
        rest = (inside - (level[:, None] + profile)[:, None]) * seen
        left = (values - level[:, None] - _last(profile, rows)) * observed
        blocks = -(-self.horizon // season)
        ahead = ops.repeat((level[:, None] + profile)[:, None], blocks, axis=1)
        periods = self.period // self.season
        if 1 < periods <= count and season == self.season:
            # The rows of the last long period, from its first on, again and again.
            place = [count - periods + j % periods for j in range(blocks)]
            part = ops.sigmoid(weights[..., 2])[:, None, None]
            ahead = ahead + part * ops.take(rest, ops.convert_to_tensor(place, "int32"), axis=1)
        ahead = ops.reshape(ahead, (-1, blocks * season, channels))
        return left, ahead[:, : self.horizon]

    def compute_output_spec(self, values, observed, weights):
        batch, rows, channels = values.shape
        return (
            keras.KerasTensor((batch, rows, channels), dtype=self.compute_dtype),
            keras.KerasTensor((batch, self.horizon, channels), dtype=self.compute_dtype),
        )

    def get_config(self):
        config = {"season": self.season, "period": self.period, "horizon": self.horizon}
        return super().get_config() | config


@REGISTER
class SmoothingWeights(keras.layers.Layer):
    """Free numbers behind the rates of ``Smoothing``, of each target, and moved by what is known of the series.

    Args:
        targets: Number of targets.
        apart: Whether they are laid along the batch.

    Call:
        Anything ``(batch, …)``, and optionally ``static`` ``(batch, width)``, such as the vector of a series.

    Returns:
        ``(batch, channels, 3)``, channels being the targets, or 1 if they are apart.
    """

    def __init__(self, targets: int, apart: bool, **kwargs):
        super().__init__(**kwargs)
        self.targets, self.apart = targets, apart

    def build(self, like_shape, static_shape=None):
        self.usual = self.add_weight((self.targets, 3), initializer="zeros", name="usual")
        if static_shape is not None:
            width = (static_shape[-1], 3 * (1 if self.apart else self.targets))
            self.moves = self.add_weight(width, initializer="zeros", name="moves")

    def call(self, like, static=None):
        batch = ops.shape(like)[0]
        start = ops.convert_to_tensor(START, self.usual.dtype)
        if self.apart:
            usual = ops.take(self.usual + start, ops.arange(batch, dtype="int32") % self.targets, axis=0)[
                :, None
            ]
        else:
            usual = ops.repeat((self.usual + start)[None], batch, axis=0)
        if static is None:
            return usual
        return usual + ops.reshape(ops.matmul(static, self.moves), (-1, *usual.shape[1:]))

    def compute_output_spec(self, like, static=None):
        return keras.KerasTensor(
            (like.shape[0], 1 if self.apart else self.targets, 3), dtype=self.compute_dtype
        )

    def get_config(self):
        return super().get_config() | {"targets": self.targets, "apart": self.apart}


def _age(share):
    """Count seasons back from the newest of which a row is seen, in the shape of ``share``.

    Counted from the newest of all, every weight of a series that has been silent for long would be rounded to 0.
    """
    count = share.shape[1]
    age = ops.cast(count - 1 - ops.arange(count), "float32")[None, :, None]
    newest = ops.min(ops.where(share > 0, age, ops.full_like(age, count)), axis=1, keepdims=True)
    return ops.maximum(age - newest, 0.0)


def _kept(rate, age):
    """Weights that fall with age by what a rate leaves, ``(batch, count, channels)``."""
    return ops.exp(age * ops.log(1 - FASTEST * ops.sigmoid(rate))[:, None])


def _mean(values, weights, axis, prior=0.0):
    """Weighted mean over an axis and a 0 of weight ``prior``; 0 where all weights are 0."""
    total = ops.sum(weights, axis=axis) + prior
    return ops.sum(values * weights, axis=axis) / ops.where(total > 0, total, ops.ones_like(total))


def _last(profile, rows):
    """Repeat a profile so that it ends at the newest of ``rows``."""
    season = profile.shape[1]
    times = -(-rows // season)
    return ops.tile(profile, (1, times, 1))[:, times * season - rows :]
