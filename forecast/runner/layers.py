"""What layers do, in NumPy: a function of the layer's configuration, its weights and its inputs, for each class.

The layers of this package are described where they are made, in ``models``; tests hold both to the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from forecast.runner.cells import ACTIVATIONS, Cell

Arrays = dict[str, list[np.ndarray]]
Config = dict[str, Any]
_LARGEST = 700.0  # exp and sinh stay finite up to here
_CURVES: dict[str, Callable[[Any], Any]] = {
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "sigmoid": lambda x: 0.5 + 0.5 * np.tanh(0.5 * x),
}


def _dense(c: Config, w: Arrays, x: Any) -> Any:
    found = np.asarray(x, np.float32) @ w[""][0]
    return _CURVES[c["activation"]](found + w[""][1] if c["use_bias"] else found)


def _recurrent(
    kind: str, c: Config, w: Arrays, x: Any, mask: Any = None, initial_state: Any = None, part: str = "cell"
) -> Any:
    cell = Cell(kind, w[part], ACTIVATIONS[c["activation"]], (len(x),))
    for held, given in zip(cell.states, initial_state or (), strict=bool(initial_state)):
        held[...] = given
    steps = range(x.shape[1])
    outputs = np.zeros((*x.shape[:2], cell.units), np.float32)
    for place, step in enumerate(reversed(steps) if c["go_backwards"] else steps):
        if mask is None or mask[:, step].all():
            cell.advance(slice(None), [x[:, step]])
            outputs[:, place] = cell.state
            continue
        real = np.flatnonzero(mask[:, step])
        cell.advance(real, [x[real, step]])
        outputs[:, place] = 0 if c.get("zero_output_for_mask") else cell.state
        outputs[real, place] = cell.state[real]
    found = outputs if c["return_sequences"] else cell.state.copy()
    return (found, *(held.copy() for held in cell.states)) if c["return_state"] else found


def _bidirectional(c: Config, w: Arrays, x: Any, mask: Any = None) -> Any:
    one, other = c["layer"], c["backward_layer"]
    kind = _KINDS[one["class_name"]]
    forward = _recurrent(kind, one["config"], w, x, mask, part="forward_layer/cell")
    backward = _recurrent(kind, other["config"], w, x, mask, part="backward_layer/cell")
    return np.concatenate([forward, backward[:, ::-1] if backward.ndim == 3 else backward], axis=-1)


def _normalised(c: Config, w: Arrays, x: Any) -> Any:
    away = x - x.mean(axis=-1, keepdims=True)
    spread = np.sqrt(np.square(away).mean(axis=-1, keepdims=True) + np.float32(c["epsilon"]))
    return away / spread * w[""][0] + w[""][1]


def _window_scale(c: Config, w: Arrays, x: Any, mask: Any = None, scale: Any = None) -> Any:
    observed = ~np.isnan(x) if mask is None else ~np.isnan(x) & mask[:, :, None]
    known, anchor = np.where(observed, x, 0.0), c["anchor"]
    if anchor == "none":
        level = np.zeros_like(x[:, :1])
        return known.astype(np.float32), observed.astype(np.float32), level, level + 1
    mean = _mean(known, observed)
    own = _spread(np.where(observed, x - mean, 0.0), observed, mean)
    if anchor == "difference":
        lag = min(c["period"], x.shape[1] - 1)
        both = np.pad(observed[:, lag:] & observed[:, : x.shape[1] - lag], ((0, 0), (lag, 0), (0, 0)))
        change = np.where(
            both, np.pad(x[:, lag:] - x[:, : x.shape[1] - lag], ((0, 0), (lag, 0), (0, 0))), 0.0
        )
        if scale is None:
            scale = np.where(both.any(axis=1, keepdims=True), _spread(change, both, mean), own)
        return *_scaled(change, both, scale), mean, scale
    level, steps = mean, np.arange(x.shape[1])[None, :, None]
    if anchor == "first":
        first = observed & (steps == np.where(observed, steps, x.shape[1]).min(axis=1, keepdims=True))
        level = _mean(np.where(first, known, 0.0), first)
    elif anchor in ("last", "season"):
        last = np.where(observed, steps, -1).max(axis=1, keepdims=True)
        reach = c["season"] if anchor == "season" else 1
        recent = observed & (steps <= last) & (steps > last - reach)
        level = _mean(np.where(recent, known, 0.0), recent)
    scale = own if scale is None else scale
    return *_scaled(x - level, observed, scale), level, scale


def _mean(values: Any, observed: Any) -> Any:
    return values.sum(axis=1, keepdims=True) / np.maximum(observed.sum(axis=1, keepdims=True), 1)


def _spread(deviation: Any, observed: Any, mean: Any) -> Any:
    scale = np.sqrt(_mean(np.square(deviation), observed))
    return np.where(scale > 1e-13 * np.abs(mean), scale, 0.0)


def _scaled(away: Any, observed: Any, scale: Any) -> tuple[Any, Any]:
    scaled = np.where(observed, away / np.where(scale > 0, scale, 1.0), 0.0)
    return scaled.astype(np.float32), observed.astype(np.float32)


def _last_period(c: Config, w: Arrays, x: Any, level: Any, length: Any = None) -> Any:
    ahead = np.arange(c["horizon"]) % c["period"] - c["period"]
    place = (np.full(len(x), x.shape[1]) if length is None else length)[:, None] + ahead
    taken = np.take_along_axis(x, np.maximum(place, 0)[:, :, None], axis=1)
    return np.where((place >= 0)[:, :, None] & ~np.isnan(taken), taken, level)


def _lag_scale(c: Config, w: Arrays, lagged: Any, level: Any, scale: Any) -> Any:
    targets, rows = c["targets"], lagged.shape[1]
    values = lagged.reshape(len(lagged), rows, -1, targets)
    if c["apart"]:
        values = values.transpose(0, 3, 1, 2).reshape(-1, rows, values.shape[2], 1)
    away = (values - level[:, :, None]) / np.where(scale > 0, scale, 1.0)[:, :, None]
    away = np.where(np.isnan(away) | ~(scale > 0)[:, :, None], 0.0, away)
    return away.reshape(len(values), rows, -1).astype(np.float32)


def _restore(c: Config, w: Arrays, scaled: Any, level: Any, scale: Any) -> Any:
    if scaled.ndim == 4:
        level, scale = level[..., None], scale[..., None]
    return level + scale * scaled.astype(np.float64)


def _standardise(c: Config, w: Arrays, x: Any) -> Any:
    return np.nan_to_num((x - w[""][0]) / w[""][1], nan=0.0, posinf=np.inf, neginf=-np.inf).astype(np.float32)


def _transform(c: Config, w: Arrays, x: Any) -> Any:
    by = np.asarray(c["by"])
    if c["kind"] == "asinh":
        return np.arcsinh(x / by)
    x = np.where(x < (least := by if c["kind"] == "log" else 0 * by), least, x)
    return np.log(x) if c["kind"] == "log" else np.power(x, by)


def _untransform(c: Config, w: Arrays, x: Any) -> Any:
    by = np.asarray(c["by"]) if x.ndim < 4 else np.asarray(c["by"])[:, None]
    if c["kind"] == "power":
        back = np.power(np.where(x > 0, x, 0.0), 1 / by)
    else:
        x = np.clip(x, -_LARGEST, _LARGEST)
        back = np.exp(x) if c["kind"] == "log" else by * np.sinh(x)
    return np.sort(back, axis=-1) if x.ndim == 4 else back


def _since_last(c: Config, w: Arrays, observed: Any) -> Any:
    rows = observed.shape[1]
    steps = np.arange(1, rows + 1, dtype=np.float32)[None, :, None]
    away = steps - np.maximum.accumulate(steps * observed, axis=1)
    return (np.log1p(away) / np.log1p(np.float32(rows))).astype(np.float32)


def _places(c: Config, w: Arrays, like: Any) -> Any:
    places = np.repeat(w[""][0][None], len(like), axis=0)
    if c["targets"] == 1 or c["units"] < 2:
        return places
    targets = w[""][1][np.arange(len(like)) % c["targets"]][:, None]
    return np.concatenate([places, np.repeat(targets, c["count"], axis=1)], axis=-1)


def _quantiles(c: Config, w: Arrays, x: Any) -> Any:
    middle, apart, found = c["middle"], np.logaddexp(0, x), x.copy()
    for k in range(middle + 1, x.shape[-1]):
        found[..., k] = found[..., k - 1] + apart[..., k]
    for k in range(middle - 1, -1, -1):
        found[..., k] = found[..., k + 1] - apart[..., k]
    return found


def _fold(c: Config, w: Arrays, x: Any) -> Any:
    if c["repeat"]:
        return np.repeat(x, c["channels"], axis=0)
    return x.transpose(0, 2, 1).reshape(-1, x.shape[1], 1)


def _unfold(c: Config, w: Arrays, x: Any) -> Any:
    apart = x.reshape(-1, c["channels"], x.shape[1], *x.shape[3:])
    return np.moveaxis(apart, 1, 2)


def _align_right(c: Config, w: Arrays, x: Any, length: Any) -> Any:
    steps = np.arange(x.shape[1]) - (x.shape[1] - length[:, None])
    taken = np.take_along_axis(x, np.maximum(steps, 0)[:, :, None], axis=1)
    return np.where((steps >= 0)[:, :, None], taken, np.zeros_like(taken))


def _segments(c: Config, w: Arrays, x: Any, length: Any = None) -> Any:
    (rows, columns), width = x.shape[1:], c["width"]
    count = -(-rows // width)
    if length is None:
        x = np.pad(x, ((0, 0), (count * width - rows, 0), (0, 0)))
    else:
        length = np.maximum(length, 1)[:, None]
        place = np.arange(count * width) + length - -(-length // width) * width
        taken = np.take_along_axis(x, np.clip(place, 0, rows - 1)[:, :, None], axis=1)
        x = np.where(((place >= 0) & (place < length))[:, :, None], taken, np.zeros_like(taken))
    return x.reshape(-1, count, width * columns)


def _newest_rows(c: Config, w: Arrays, x: Any, length: Any = None) -> Any:
    context = x.shape[1] - c["ahead"]
    if length is None:
        return x[:, context - c["rows"] :]
    place = np.maximum(length - c["rows"], 0)[:, None] + np.arange(c["rows"])
    return np.concatenate([np.take_along_axis(x, place[:, :, None], axis=1), x[:, context:]], axis=1)


def _moving_mean(c: Config, w: Arrays, x: Any) -> Any:
    kernel = c["kernel"]
    longer = np.pad(x, ((0, 0), (kernel // 2, (kernel - 1) // 2), (0, 0)), mode="edge")
    return np.lib.stride_tricks.sliding_window_view(longer, kernel, axis=1).mean(axis=-1)


def _smoothing_weights(c: Config, w: Arrays, like: Any, static: Any = None) -> Any:
    usual = w[""][0] + np.array((0.0, -1.0, 0.0), np.float32)  # START of models.smoothing
    apart, batch = c["apart"], len(like)
    usual = (
        usual[np.arange(batch) % c["targets"]][:, None] if apart else np.repeat(usual[None], batch, axis=0)
    )
    return usual if static is None else usual + (static @ w[""][1]).reshape(usual.shape)


def _smoothing(c: Config, w: Arrays, values: Any, observed: Any, weights: Any) -> Any:
    rows, channels = values.shape[1:]
    season = c["season"] if rows >= c["season"] else 1
    count, blocks = rows // season, -(-c["horizon"] // season)
    inside, seen = (
        part[:, rows - count * season :].reshape(-1, count, season, channels) for part in (values, observed)
    )
    share = seen.mean(axis=2)
    age = np.arange(count - 1, -1, -1, dtype=np.float32)[None, :, None]
    age = np.maximum(age - np.where(share > 0, age, count).min(axis=1, keepdims=True), 0)
    rate, slower, part = np.moveaxis(_CURVES["sigmoid"](weights), -1, 0)
    level_kept, kept = (np.exp(age * np.log(1 - 0.98 * r)[:, None]) for r in (rate, slower))  # FASTEST
    away = inside - _weighted(inside, seen, 2)[:, :, None]
    profile = _weighted(away, seen * (share * kept)[:, :, None], 1, 0.1)  # PRIOR
    level = _weighted(inside - profile[:, None], seen * level_kept[:, :, None], (1, 2))
    rest = (inside - (level[:, None] + profile)[:, None]) * seen
    times = -(-rows // season)
    left = (values - level[:, None] - np.tile(profile, (1, times, 1))[:, times * season - rows :]) * observed
    ahead = np.repeat((level[:, None] + profile)[:, None], blocks, axis=1)
    periods = c["period"] // c["season"]
    if 1 < periods <= count and season == c["season"]:
        ahead = ahead + part[:, None, None] * rest[:, [count - periods + j % periods for j in range(blocks)]]
    return left, ahead.reshape(-1, blocks * season, channels)[:, : c["horizon"]]


def _weighted(values: Any, weights: Any, axis: Any, prior: float = 0.0) -> Any:
    total = weights.sum(axis=axis) + np.float32(prior)
    return (values * weights).sum(axis=axis) / np.where(total > 0, total, 1)


_KINDS = {"SimpleRNN": "rnn", "GRU": "gru", "LSTM": "lstm"}
_KINDS |= {f"Dropped{name}": kind for name, kind in _KINDS.items()}
LAYERS: dict[str, Callable[..., Any]] = {
    **{
        name: lambda c, w, *a, _kind=kind, **k: _recurrent(_kind, c, w, *a, **k)
        for name, kind in _KINDS.items()
    },
    "Add": lambda c, w, parts: sum(parts[1:], parts[0]),
    "AlignRight": _align_right,
    "AtLeastZero": lambda c, w, x: np.where(x < 0, 0.0, x),
    "Average": lambda c, w, parts: sum(parts[1:], parts[0]) / len(parts),
    "Bidirectional": _bidirectional,
    "Concatenate": lambda c, w, parts: np.concatenate(parts, axis=c["axis"]),
    "Dense": _dense,
    "Dropout": lambda c, w, x: x,
    "Embed": lambda c, w, codes: w[""][0][np.clip(codes, 0, c["size"] - 1)],
    "FixedScale": lambda c, w, x: np.ones_like(x[:, :1]) * np.asarray(c["by"]),
    "Flatten": lambda c, w, x: x.reshape(len(x), -1),
    "Fold": _fold,
    "LagScale": _lag_scale,
    "LastPeriod": _last_period,
    "LayerNormalization": _normalised,
    "LengthMask": lambda c, w, length: np.arange(c["context"]) < np.maximum(length, 1)[:, None],
    "MonotoneQuantiles": _quantiles,
    "MovingMean": _moving_mean,
    "NewestRows": _newest_rows,
    "Permute": lambda c, w, x: x.transpose(0, *c["dims"]),
    "Places": _places,
    "Reshape": lambda c, w, x: x.reshape(-1, *c["target_shape"]),
    "Restore": _restore,
    "SegmentMask": lambda c, w, length: (
        np.arange(-(-c["rows"] // c["width"])) * c["width"] < np.maximum(length, 1)[:, None]
    ),
    "Segments": _segments,
    "SinceLast": _since_last,
    "Smoothing": _smoothing,
    "SmoothingWeights": _smoothing_weights,
    "Standardise": _standardise,
    "Transform": _transform,
    "Unfold": _unfold,
    "Untransform": _untransform,
    "WindowScale": _window_scale,
    "ops.Add": lambda c, w, x, y: x + y,
    "ops.Cast": lambda c, w, x: x.astype(c["dtype"]) if "dtype" in c else x,
    "ops.Concatenate": lambda c, w, parts: np.concatenate(parts, axis=c["axis"]),
    "ops.GetItem": lambda c, w, x, key: x[tuple(key)] if isinstance(key, list) else x[key],
    "ops.Maximum": lambda c, w, x, y: np.maximum(x, y),
    "ops.Minimum": lambda c, w, x, y: np.minimum(x, y),
    "ops.Multiply": lambda c, w, x, y: x * y,
    "ops.Pad": lambda c, w, x, constant_values=None: np.pad(
        x, c["pad_width"], constant_values=constant_values or 0
    ),
    "ops.Repeat": lambda c, w, x: np.repeat(x, c["repeats"], axis=c["axis"]),
    "ops.Reshape": lambda c, w, x: x.reshape(c["newshape"]),
    "ops.Subtract": lambda c, w, x, y: x - y,
    "ops.TakeAlongAxis": lambda c, w, x, places: np.take_along_axis(x, places, axis=c["axis"]),
    "ops.Transpose": lambda c, w, x: x.transpose(c["axes"]),
    "ops.TrueDivide": lambda c, w, x, y: x / y,
}
