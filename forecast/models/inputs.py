"""The front of every architecture: raw inputs, scaled and laid out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from forecast.models.dtypes import wide
from forecast.models.embeddings import Embed
from forecast.models.layers import SinceLast
from forecast.models.layout import Fold, LengthMask
from forecast.models.scaling import FixedScale, LagScale, LastPeriod, Standardise, WindowScale
from forecast.models.spec import Spec
from forecast.models.transforms import Transform


@dataclass(frozen=True)
class Prepared:
    """Tensors ready for an architecture; ``batch`` is windows, or windows times targets if those are apart.

    Args:
        spec: As asked for.
        inputs: Raw inputs by name.
        raw: Targets on the transformed axis, not scaled ``(batch, context, channels)``.
        scaled: Scaled targets ``(batch, context, channels)``, newest row last where not padded.
        observed: 1 where ``scaled`` is known, 0 where it is missing or padding, in its shape.
        features: Everything known over the context ``(batch, context, features)``.
        mask: Right-padded ``(batch, context)``, or None.
        length: ``(batch,)``, or None.
        both: What is known over context and horizon alike ``(batch, context + horizon, columns)``, or None.
        future: Its part over the horizon ``(batch, horizon, columns)``, or None.
        static: ``(batch, width)``, or None.
        first: What was taken from the target before the network reads it, ``(batch, 1, channels)``.
        level: What forecasts start from, ``(batch, 1 or horizon, channels)``.
        scale: What they are multiplied by, ``(batch, 1, channels)``.
    """

    spec: Spec
    inputs: dict[str, Any]
    raw: Any
    scaled: Any
    observed: Any
    features: Any
    mask: Any
    length: Any
    both: Any
    future: Any
    static: Any
    first: Any
    level: Any
    scale: Any


def make_inputs(spec: Spec) -> dict[str, Any]:
    """Declare the raw inputs that a model of this spec takes, by name."""
    context, both = spec.context, spec.context + spec.horizon
    inputs = {"target": keras.Input((context, spec.targets), dtype=wide(), name="target")}
    if spec.past_only:
        inputs["past_only"] = keras.Input((context, spec.past_only), dtype=wide(), name="past_only")
    if spec.known_future:
        inputs["known_future"] = keras.Input((both, spec.known_future), dtype=wide(), name="known_future")
    if spec.calendar:
        inputs["calendar"] = keras.Input((both, spec.calendar), dtype="float32", name="calendar")
    if spec.lags:
        inputs["lagged"] = keras.Input((both, spec.lags * spec.targets), dtype=wide(), name="lagged")
    if spec.static:
        inputs["static"] = keras.Input((spec.static,), dtype="float32", name="static")
    if spec.categories:
        inputs["categories"] = keras.Input((len(spec.categories),), dtype="int32", name="categories")
    if spec.series:
        inputs["series"] = keras.Input((), dtype="int32", name="series")
    if spec.padded:
        inputs["length"] = keras.Input((), dtype="int32", name="length")
    return inputs


def prepare(spec: Spec, *, causal: bool = False) -> Prepared:
    """Declare the inputs and scale them.

    Args:
        spec: Sizes and scales.
        causal: Take the first value from what the network reads, not the anchor: no row then tells of later
            ones, which matters where training forecasts from every row.
    """
    inputs = make_inputs(spec)
    target = inputs["target"]
    if spec.transform != "none":
        target = Transform(spec.transform, spec.transform_by, name="transform")(target)
    raw = each(spec, target, "target", repeat=False)
    length = each(spec, inputs["length"], "length") if spec.padded else None
    mask = LengthMask(spec.context, name="mask")(length) if spec.padded else None
    masked = () if mask is None else (mask,)
    given: dict[str, Any] = {}
    if spec.scale_by:
        given["scale"] = each(
            spec, FixedScale(spec.scale_by, name="fixed_scale")(target), "scale", repeat=False
        )
    scaled, observed, level, scale = _window(spec, spec.anchor, "window_scale")(raw, *masked, **given)
    start = level
    if spec.anchor in ("period", "difference"):
        last = LastPeriod(spec.period, spec.horizon, name="last_period")
        start = last(raw, level) if length is None else last(raw, level, length)
    if causal and spec.anchor != "none":
        scaled, observed, level, scale = _window(spec, "first", "causal_scale")(raw, *masked, **given)
    known = Covariates(spec)
    ahead = known.ahead(inputs)
    if spec.lags:
        ahead.append(_lagged(spec, inputs["lagged"], level, scale))
    both = joined(ahead, "known")
    past = [scaled, observed, SinceLast(name="since_last")(observed)] if spec.missing else [scaled]
    past += known.past(inputs)
    if both is not None:
        past.append(both[:, : spec.context])
    return Prepared(
        spec=spec,
        inputs=inputs,
        raw=raw,
        scaled=scaled,
        observed=observed,
        features=joined(past, "features"),
        mask=mask,
        length=length,
        both=both,
        future=None if both is None else both[:, spec.context :],
        static=known.static(inputs),
        first=level,
        level=start,
        scale=scale,
    )


def layer_seed(seed: int, place: int) -> int:
    """Derive a layer's own seed, so that no two layers begin alike."""
    return int(np.random.SeedSequence((seed, place)).generate_state(1)[0] // 4)


def _window(spec: Spec, anchor: str, name: str) -> WindowScale:
    return WindowScale(anchor, spec.season, spec.period, name=name)


def _lagged(spec: Spec, lagged: Any, level: Any, scale: Any) -> Any:
    """Scale lagged targets as the window they stand beside; what is not known is 0."""
    if spec.transform != "none":
        lagged = Transform(spec.transform, spec.transform_by * spec.lags, name="transform_lags")(lagged)
    return LagScale(spec.targets, spec.apart, name="lag_scale")(lagged, level, scale)


class Covariates:
    """The layers that read covariates; each may read those of several models.

    Args:
        spec: Which there are.
    """

    def __init__(self, spec: Spec):
        self.spec = spec
        self.known_scale = Standardise(name="known_future_scale")
        self.past_scale = Standardise(name="past_only_scale")
        self.embedded = [
            Embed(size, seed=layer_seed(spec.seed, 300 + j), name=f"category_{j}")
            for j, size in enumerate(spec.categories)
        ]
        self.series = Embed(spec.series + 1, seed=layer_seed(spec.seed, 299), name="series_vector")

    def ahead(self, inputs: dict[str, Any]) -> list[Any]:
        """Return what is known over context and horizon, ``(batch, context + horizon, columns)`` each."""
        parts = []
        if self.spec.known_future:
            parts.append(each(self.spec, self.known_scale(inputs["known_future"]), "known_future"))
        if self.spec.calendar:
            parts.append(each(self.spec, inputs["calendar"], "calendar"))
        return parts

    def past(self, inputs: dict[str, Any]) -> list[Any]:
        """Return what is known over the context only, ``(batch, context, columns)`` each."""
        if not self.spec.past_only:
            return []
        return [each(self.spec, self.past_scale(inputs["past_only"]), "past_only")]

    def static(self, inputs: dict[str, Any]) -> Any:
        """Return what describes the series as a whole ``(batch, width)``, or None."""
        parts = [inputs["static"]] if self.spec.static else []
        parts += [embed(inputs["categories"][:, j]) for j, embed in enumerate(self.embedded)]
        if self.spec.series:
            parts.append(self.series(inputs["series"]))
        folded = [each(self.spec, part, f"static_{j}") for j, part in enumerate(parts)]
        return joined(folded, "static_features")


def each(spec: Spec, tensor: Any, name: str, *, repeat: bool = True) -> Any:
    """Make each target a sequence of its own, if they are apart; what all of them share is repeated."""
    return Fold(spec.targets, repeat=repeat, name=f"fold_{name}")(tensor) if spec.apart else tensor


def joined(parts: list[Any], name: str) -> Any:
    """Lay tensors side by side; None of none."""
    if len(parts) < 2:
        return parts[0] if parts else None
    return keras.layers.Concatenate(name=name)(parts)
