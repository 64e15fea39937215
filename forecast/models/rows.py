"""What a network that forecasts one row at a time reads at each row, over the context and, in training, the horizon."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from forecast.models.decoding import to_scaled
from forecast.models.dtypes import REGISTER, wide
from forecast.models.scaling import running_max

# Anchors by which a row starts from something else than the value before it, which the network is then shown.
STANDING = ("mean", "season", "period", "difference")


@REGISTER
class Rows(keras.layers.Layer):
    """Lay out for each row what is known when the row after it is forecast.

    These are, side by side: its value relative to the first one, the newest observed where missing; by how much it
    missed what it started from; what the next row starts from, unless that is the value; the marks of missing
    values; what is past-only, and whether there is any; what is known of the next row, lags in it being true values
    over the horizon; and the static features.

    The horizon follows right behind the last real row: of windows with ``length`` the rows behind that are
    no rows at all, and as many at the end mean nothing.

    Args:
        anchor: As in ``Spec``. A row starts from the value before it (``"last"``), from the mean of all rows or of the
            last season before it, from the row a period before, or from zero (``"none"``). Over the horizon what is
            started from is that of its origin, but for ``"last"``.
        season: Rows of a season.
        period: Rows of a period.
        lags: Rows that each lag goes back.
        missing: Whether ``features`` hold marks of missing values behind the targets.
        past: Number of past-only columns in ``features`` behind those.

    Call:
        ``raw`` ``(batch, context, channels)``, ``first`` and ``scale`` ``(batch, 1, channels)``, ``bases``
        ``(batch, horizon, channels)``: scaled, what each step starts from; ``features`` and ``both`` as prepared,
        ``static``, ``length``, and ``ahead`` ``(batch, horizon, channels)`` raw in training.

    Returns:
        ``rows`` ``(batch, R, width)``, what the row after each starts from ``(batch, R, channels)``, and the newest
        value ``(batch, channels)``, all float32; ``R`` is the context, in training context + horizon - 1.
    """

    def __init__(
        self,
        anchor: str,
        *,
        season: int = 1,
        period: int = 1,
        lags: tuple[int, ...] = (),
        missing: bool = False,
        past: int = 0,
        **kwargs,
    ):
        super().__init__(dtype=wide(), autocast=False, **kwargs)
        self.anchor, self.season, self.period, self.lags = anchor, season, period, tuple(lags)
        self.missing, self.past = missing, past

    def call(self, raw, first, scale, bases, features, both=None, static=None, length=None, ahead=None):
        context, channels = raw.shape[1:]
        end = (
            ops.full((ops.shape(raw)[0],), context, dtype="int32")
            if length is None
            else _at_least_one(length)
        )
        whole = raw if ahead is None else _follow(raw, ahead, end)
        seen = ops.logical_not(ops.isnan(whole))
        values = to_scaled(_newest(whole, seen, first) - first, scale)
        newest = ops.take_along_axis(values, end[:, None, None] - 1, axis=1)[:, 0]
        count = context if ahead is None else whole.shape[1] - 1
        steps = (
            ops.arange(1, count + 1, dtype="int32")[None, :, None] - end[:, None, None]
        )  # 0: the first ahead
        values, seen = values[:, :count], seen[:, :count]
        nexts = self._next_bases(values, seen, bases, steps)
        parts = [values]
        if self.anchor != "none":
            parts.append(ops.pad(values[:, 1:] - nexts[:, :-1], ((0, 0), (1, 0), (0, 0))))
        if self.anchor in STANDING:
            parts.append(nexts)
        parts.extend(self._marks(features, seen, steps, channels))
        if both is not None:
            known = _follow(both[:, :context], both[:, context:], end)[:, 1 : count + 1]
            parts.append(known if ahead is None else self._lagged(known, values, steps))
        if static is not None:
            parts.append(ops.repeat(static[:, None], count, axis=1))
        return ops.concatenate([ops.cast(part, "float32") for part in parts], axis=-1), nexts, newest

    def _next_bases(self, values: Any, seen: Any, bases: Any, steps: Any) -> Any:
        """Return what the row after each starts from."""
        if self.anchor == "last":
            return values
        if self.anchor == "none":
            return ops.zeros_like(values)
        if self.anchor in ("period", "difference"):
            found = _shifted(values, self.period - 1)
        else:
            found = _running_mean(values, seen, self.season if self.anchor == "season" else None)
        place = ops.clip(steps, 0, bases.shape[1] - 1) + ops.zeros_like(ops.cast(values[..., :1], "int32"))
        return ops.where(steps >= 0, ops.take_along_axis(bases, place, axis=1), found)

    def _marks(self, features: Any, seen: Any, steps: Any, channels: int) -> list[Any]:
        """Return the marks of missing values and what is past-only; behind the context, none of the latter."""
        parts, inside, behind = [], steps <= 0, seen.shape[1] - features.shape[1]
        features = ops.pad(features, ((0, 0), (0, max(behind, 0)), (0, 0)))
        if self.missing:
            marks, ahead = features[..., channels : 3 * channels], ops.cast(seen, "float32")
            ahead = ops.concatenate([ahead, ops.zeros_like(ahead)], axis=-1)
            parts.append(ops.where(inside, marks, ahead))
        if self.past:
            begin = channels * (3 if self.missing else 1)
            past = features[..., begin : begin + self.past]
            past = ops.concatenate([past, ops.ones_like(past[..., :1])], axis=-1)
            parts.append(ops.where(inside, past, ops.zeros_like(past)))
        return parts

    def _lagged(self, known: Any, values: Any, steps: Any) -> Any:
        """Replace lags that reach into the horizon, which are not known at the origin, by the true values."""
        channels, parts = values.shape[2], []
        begin = known.shape[2] - len(self.lags) * channels
        for i, lag in enumerate(self.lags):
            given = known[..., begin + i * channels : begin + (i + 1) * channels]
            parts.append(ops.where(steps >= lag, _shifted(values, lag - 1), given))
        return ops.concatenate([known[..., :begin], *parts], axis=-1)

    def compute_output_spec(
        self, raw, first, scale, bases, features, both=None, static=None, length=None, ahead=None
    ):
        batch, context, channels = raw.shape
        count = context if ahead is None else context + ahead.shape[1] - 1
        width = channels * (1 + (self.anchor != "none") + (self.anchor in STANDING) + 2 * self.missing)
        width += self.past + 1 if self.past else 0
        width += sum(part.shape[-1] for part in (both, static) if part is not None)
        return (
            keras.KerasTensor((batch, count, width), dtype="float32"),
            keras.KerasTensor((batch, count, channels), dtype="float32"),
            keras.KerasTensor((batch, channels), dtype="float32"),
        )

    def get_config(self):
        names = ("anchor", "season", "period", "lags", "missing", "past")
        config = super().get_config() | {name: getattr(self, name) for name in names}
        config.pop("dtype")
        return config


def _at_least_one(length: Any) -> Any:
    return ops.maximum(ops.cast(length, "int32"), 1)


def _follow(context: Any, ahead: Any, end: Any) -> Any:
    """Lay the rows ahead right behind the last real row: ``(batch, context + horizon, columns)``."""
    joined = ops.concatenate([context, ahead], axis=1)
    rows, seen = joined.shape[1], context.shape[1]
    steps = ops.arange(rows, dtype="int32")[None, :]
    place = ops.where(steps < end[:, None], steps, steps - end[:, None] + seen)
    return ops.take_along_axis(joined, ops.minimum(place, rows - 1)[:, :, None], axis=1)


def _newest(values: Any, seen: Any, first: Any) -> Any:
    """Replace what is missing by the newest value before it; before the first, by the first."""
    steps = ops.arange(values.shape[1], dtype="int32")[None, :, None]
    place = running_max(ops.where(seen, steps, -ops.ones_like(steps)))
    taken = ops.take_along_axis(values, ops.maximum(place, 0), axis=1)
    return ops.where(place >= 0, taken, first)


def _shifted(values: Any, by: int) -> Any:
    """Move rows ``by`` later; those that nothing moves to are 0."""
    by = min(by, values.shape[1])
    return ops.pad(values[:, : values.shape[1] - by], ((0, 0), (by, 0), (0, 0)))


def _running_mean(values: Any, seen: Any, reach: int | None) -> Any:
    """Average what was observed up to each row, or in the ``reach`` rows up to it; without any, the value."""
    count = ops.cast(seen, values.dtype)
    total, count = ops.cumsum(values * count, axis=1), ops.cumsum(count, axis=1)
    if reach is not None:
        total, count = total - _shifted(total, reach), count - _shifted(count, reach)
    mean = total / ops.maximum(count, ops.ones_like(count))
    return ops.where(count > 0, mean, values)
