"""What every architecture shares: raw inputs made ready at the front, raw values restored at the back."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import keras

from forecast.errors import ParameterError
from forecast.models.layers import (
    ANCHORS,
    AlignRight,
    Fold,
    LengthMask,
    MonotoneQuantiles,
    Restore,
    Standardise,
    Unfold,
    WindowScale,
    wide,
)

# Longest context for which a linear path from context to horizon helps more than it overfits.
LONGEST_SKIP = 170


@dataclass(frozen=True)
class Shapes:
    """What goes into a model and what comes out.

    Args:
        context: Rows seen.
        horizon: Rows forecast.
        targets: Number of target columns.
        known_future: Number of columns known over context and horizon.
        past_only: Number of columns known over the context only.
        static: Width of the encoded static covariates.
        quantiles: Levels in (0, 1), sorted; empty for one forecast a step.
        season: Rows of a season, 1 for none.
        padded: Whether short series come right-padded, with their ``length``.
        missing: Whether missing values get a channel of their own that marks them.

    Example:
        >>> Shapes(context=48, horizon=12, quantiles=(0.1, 0.5, 0.9)).outputs
        3
    """

    context: int
    horizon: int
    targets: int = 1
    known_future: int = 0
    past_only: int = 0
    static: int = 0
    quantiles: tuple[float, ...] = ()
    season: int = 1
    padded: bool = False
    missing: bool = False

    def __post_init__(self) -> None:
        for name in ("context", "horizon", "targets", "season"):
            if getattr(self, name) < 1:
                raise ParameterError(f"{name} must be at least 1; got {getattr(self, name)!r}.")
        if list(self.quantiles) != sorted(set(self.quantiles)) or not all(0 < q < 1 for q in self.quantiles):
            raise ParameterError(f"quantiles must be rising numbers between 0 and 1; got {self.quantiles}.")

    @property
    def outputs(self) -> int:
        """Numbers per step and target: one a quantile, or one."""
        return max(len(self.quantiles), 1)

    @property
    def middle(self) -> int:
        """Index of the quantile closest to the median."""
        return min(range(self.outputs), key=lambda i: abs((*self.quantiles, 0.5)[i] - 0.5))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Prepared:
    """Tensors ready for an architecture; ``batch`` is windows, or windows times targets if independent.

    Args:
        shapes: As asked for.
        independent: Whether each target is a sequence of its own that shares the weights.
        inputs: Raw inputs by name.
        scaled: Scaled targets ``(batch, context, channels)``, newest row last where not padded.
        features: Everything known over the context ``(batch, context, features)``.
        mask: Right-padded ``(batch, context)``, or None.
        length: ``(batch,)``, or None.
        future: Scaled known-future covariates ``(batch, horizon, columns)``, or None.
        static: ``(batch, width)``, or None.
        level: What ``WindowScale`` took away.
        scale: What ``WindowScale`` divided by.
    """

    shapes: Shapes
    independent: bool
    inputs: dict[str, Any]
    scaled: Any
    features: Any
    mask: Any
    length: Any
    future: Any
    static: Any
    level: Any
    scale: Any

    @property
    def channels(self) -> int:
        """Target channels of a sequence: all of them, or 1 if independent."""
        return 1 if self.independent else self.shapes.targets


def prepare(shapes: Shapes, *, anchor: str = "last", independent: bool = True) -> Prepared:
    """Declare the inputs and scale them.

    Args:
        shapes: Sizes of the inputs.
        anchor: Level taken from each window (see ``WindowScale``).
        independent: Treat each target as a sequence of its own; False lets targets inform each other.
    """
    if anchor not in ANCHORS:
        raise ParameterError(f"anchor must be one of {', '.join(ANCHORS)}; got {anchor!r}.")
    independent = independent and shapes.targets > 1
    inputs = make_inputs(shapes)

    def fold(tensor: Any, name: str) -> Any:
        return Fold(shapes.targets, repeat=True, name=f"fold_{name}")(tensor) if independent else tensor

    raw = Fold(shapes.targets, name="fold_target")(inputs["target"]) if independent else inputs["target"]
    length = fold(inputs["length"], "length") if shapes.padded else None
    mask = LengthMask(shapes.context, name="mask")(length) if shapes.padded else None
    window = WindowScale(anchor, shapes.season, name="window_scale")
    scaled, observed, level, scale = window(raw) if mask is None else window(raw, mask)
    features = [scaled, observed] if shapes.missing else [scaled]
    future = None
    if shapes.past_only:
        features.append(fold(Standardise(name="past_only_scale")(inputs["past_only"]), "past_only"))
    if shapes.known_future:
        known = fold(Standardise(name="known_future_scale")(inputs["known_future"]), "known_future")
        features.append(known[:, : shapes.context])
        future = known[:, shapes.context :]
    static = fold(inputs["static"], "static") if shapes.static else None
    joined = keras.layers.Concatenate(name="features")(features) if len(features) > 1 else scaled
    return Prepared(shapes, independent, inputs, scaled, joined, mask, length, future, static, level, scale)


def make_inputs(shapes: Shapes) -> dict[str, Any]:
    """Declare the raw inputs a model of these shapes takes, by name."""
    context, both = shapes.context, shapes.context + shapes.horizon
    inputs = {"target": keras.Input((context, shapes.targets), dtype=wide(), name="target")}
    if shapes.past_only:
        inputs["past_only"] = keras.Input((context, shapes.past_only), dtype=wide(), name="past_only")
    if shapes.known_future:
        inputs["known_future"] = keras.Input((both, shapes.known_future), dtype=wide(), name="known_future")
    if shapes.static:
        inputs["static"] = keras.Input((shapes.static,), dtype="float32", name="static")
    if shapes.padded:
        inputs["length"] = keras.Input((), dtype="int32", name="length")
    return inputs


def horizon_head(prepared: Prepared, state: Any, units: int, seed: int) -> Any:
    """Forecast the whole horizon from one state, so that every step sees the newest observation.

    Returns:
        ``(batch, horizon, channels, outputs)``, free numbers, not yet ordered as quantiles.
    """
    shapes, width = prepared.shapes, prepared.channels * prepared.shapes.outputs
    if prepared.static is not None:
        state = keras.layers.Concatenate(name="state_and_static")([state, prepared.static])
    if prepared.future is None:
        flat = dense(shapes.horizon * width, seed, "horizon")(state)
    else:
        # Each step gets its own reading of the state, joined with what is known about that step.
        depth = max(units // 4, 8)
        steps = dense(shapes.horizon * depth, seed, "horizon")(state)
        steps = keras.layers.Reshape((shapes.horizon, depth), name="steps")(steps)
        steps = keras.layers.Concatenate(name="steps_and_future")([steps, prepared.future])
        steps = dense(units, seed + 1, "decoder", activation="relu")(steps)
        flat = dense(width, seed + 2, "step_output")(steps)
    return keras.layers.Reshape((shapes.horizon, prepared.channels, shapes.outputs), name="by_step")(flat)


def linear_skip(prepared: Prepared) -> Any:
    """Linear path from the scaled context to the horizon that starts at zero, shared by the channels.

    Returns:
        ``(batch, horizon, channels, 1)``.
    """
    scaled = prepared.scaled
    if prepared.length is not None:
        scaled = AlignRight(name="align_right")(scaled, prepared.length)
    by_channel = keras.layers.Permute((2, 1), name="by_channel")(scaled)
    ahead = keras.layers.Dense(
        prepared.shapes.horizon, use_bias=False, kernel_initializer="zeros", name="linear_skip"
    )(by_channel)
    ahead = keras.layers.Permute((2, 1), name="skip_by_step")(ahead)
    return keras.layers.Reshape((prepared.shapes.horizon, prepared.channels, 1), name="skip")(ahead)


def finish(prepared: Prepared, free: Any, *, skip: Any = None, name: str = "forecast") -> keras.Model:
    """Order the quantiles, add the skip, restore raw values and close the model.

    Args:
        prepared: From ``prepare``.
        free: ``(batch, horizon, channels, outputs)``.
        skip: Added to every quantile, ``(batch, horizon, channels, 1)``.
    """
    shapes = prepared.shapes
    output = MonotoneQuantiles(shapes.middle, name="quantiles")(free) if shapes.quantiles else free
    if skip is not None:
        output = keras.layers.Add(name="with_skip")([output, skip])
    if not shapes.quantiles:
        output = keras.layers.Reshape((shapes.horizon, prepared.channels), name="one_a_step")(output)
    output = Restore(name="restore")(output, prepared.level, prepared.scale)
    if prepared.independent:
        output = Unfold(shapes.targets, name="unfold")(output)
    return keras.Model(prepared.inputs, output, name=name)


def dense(units: int, seed: int, name: str, activation: str | None = None) -> keras.layers.Layer:
    """Make a dense layer whose first weights depend on ``seed`` alone."""
    start = keras.initializers.GlorotUniform(seed=seed)
    return keras.layers.Dense(units, activation=activation, kernel_initializer=start, name=name)
