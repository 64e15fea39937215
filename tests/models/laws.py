"""What must hold for every network and any weights, as functions that take a network."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace

import keras
import numpy as np

from forecast.models import Spec
from forecast.models.dtypes import wide

PLAIN = Spec(context=9, horizon=4, targets=2, quantiles=(0.1, 0.5, 0.9), season=3, period=3)
RICH = replace(
    PLAIN,
    known_future=2,
    past_only=1,
    static=3,
    padded=True,
    missing=True,
    calendar=2,
    lags=2,
    categories=(4, 3),
    series=4,
)
# Without scaling and skip, a forecast can only move by what the network itself has read.
UNSCALED = replace(RICH, anchor="none", skip=False)
SIZES = {"units": 16, "patch": 4, "stride": 2, "heads": 2, "segment": 3, "paths": 20}
# A stateful network learns from lanes of stretches; its season is that of the last period, as others have it.
SIZES |= {"chunk": PLAIN.context, "lanes": 20, "smoothing": 0.0}
STATISTICS = ("mean", "scale")


def small(build: Callable[..., keras.Model], spec: Spec, **options) -> keras.Model:
    """Build with few units, in the options that the function has."""
    # Lags no shorter than the horizon are known at the origin.
    sizes = SIZES | {"lags": tuple(spec.horizon + j for j in range(spec.lags))}
    known = inspect.signature(build).parameters
    return build(spec, **({k: v for k, v in sizes.items() if k in known} | options))


def randomised(model: keras.Model, seed: int = 0) -> keras.Model:
    """Give every weight a random value: zero biases and paths that start at zero would hide faults."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        if weight.name not in STATISTICS:
            weight.assign(rng.normal(scale=0.4, size=weight.shape))
    return model


def windows(spec: Spec, rows: int = 5, seed: int = 1, level: float = 50.0) -> dict[str, np.ndarray]:
    """Draw windows, random walks around a level, with everything that the spec asks for."""
    rng, both = np.random.default_rng(seed), spec.context + spec.horizon
    level = 0.0 if spec.anchor == "none" else level
    made = {"target": rng.normal(size=(rows, spec.context, spec.targets)).cumsum(axis=1) + level}
    if spec.past_only:
        made["past_only"] = rng.normal(size=(rows, spec.context, spec.past_only))
    if spec.known_future:
        made["known_future"] = rng.normal(size=(rows, both, spec.known_future))
    if spec.calendar:
        made["calendar"] = rng.uniform(-1, 1, size=(rows, both, spec.calendar)).astype("float32")
    if spec.lags:
        made["lagged"] = rng.normal(size=(rows, both, spec.lags * spec.targets)) + level
    if spec.static:
        made["static"] = rng.normal(size=(rows, spec.static)).astype("float32")
    if spec.categories:
        made["categories"] = np.stack([rng.integers(0, n, rows) for n in spec.categories], 1).astype("int32")
    if spec.series:
        made["series"] = rng.integers(0, spec.series + 1, rows).astype("int32")
    if spec.padded:
        made["length"] = np.full(rows, spec.context, dtype="int32")
    return made


def short(spec: Spec, **options) -> dict[str, np.ndarray]:
    """Draw windows of which all but the first have fewer rows than the context, if the spec allows for them."""
    made = windows(spec, **options)
    if spec.padded:
        lengths = np.resize(np.array([spec.context, 6, 3, 1, 2], "int32"), len(made["target"]))
        made["length"] = np.minimum(lengths, spec.context)
    return made


def run(model: keras.Model, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """Forecast without compiling, which takes longer than the forecasts of a few windows."""
    inputs = {name: inputs[name] for name in model.input}
    if keras.config.backend() == "jax":
        # Uncompiled, JAX compiles every scan anew at each call.
        return np.asarray(model.predict_on_batch(inputs))
    return keras.ops.convert_to_numpy(model(inputs, training=False))


def nudged(inputs: dict[str, np.ndarray], name: str, at: object, by: float = 0.5) -> dict[str, np.ndarray]:
    """Add to some values of one input."""
    changed = inputs[name].copy()
    changed[at] += by
    return inputs | {name: changed}


def moved(model: keras.Model, inputs: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> np.ndarray:
    """How far a change of the inputs moves each number forecast."""
    return np.abs(run(model, other) - run(model, inputs))


def check_newest_is_seen(model: keras.Model, spec: Spec) -> None:
    inputs = short(spec)
    length = inputs.get("length", np.full(5, spec.context))
    change = moved(model, inputs, nudged(inputs, "target", (np.arange(5), length - 1)))
    assert change.shape[:3] == (5, spec.horizon, spec.targets)
    assert change.min() > 1e-6


def check_padding_is_never_read(model: keras.Model, spec: Spec) -> None:
    inputs = short(spec)
    before = run(model, inputs)
    assert np.isfinite(before).all()
    for garbage in (1e6, np.nan):
        filled = {k: v.copy() for k, v in inputs.items()}
        for row, length in enumerate(inputs["length"]):
            for name in ("target", "past_only", "known_future", "lagged"):
                if name in filled:
                    filled[name][row, length : spec.context] = garbage
            if "calendar" in filled:
                filled["calendar"][row, length : spec.context] = 1.0
        np.testing.assert_array_equal(run(model, filled), before)


def check_batch_size_changes_nothing(model: keras.Model, spec: Spec) -> None:
    inputs = short(spec, rows=7)
    inputs = {name: inputs[name] for name in model.input}
    whole = np.asarray(model.predict_on_batch(inputs))
    for i in (0, 1, 6):
        alone = run(model, {k: v[i : i + 1] for k, v in inputs.items()})
        np.testing.assert_allclose(alone, whole[i : i + 1], rtol=2e-6)


def check_affine(model: keras.Model, spec: Spec) -> None:
    """Targets in other units are forecast in those units."""
    inputs = short(spec)
    before = run(model, inputs)
    # Without float64 (JAX by default) there is no room for a large level beside small changes.
    shift, close = (1e9, 1e-4) if wide() == "float64" else (64.0, 1e-2)
    other = {name: 3.5 * inputs[name] + shift for name in ("target", "lagged") if name in inputs}
    np.testing.assert_allclose(run(model, inputs | other) - shift, 3.5 * before, rtol=close, atol=close)
    assert np.ptp(before) > 0


def check_quantiles_rise(model: keras.Model, spec: Spec) -> None:
    forecasts = run(model, windows(spec, rows=40, seed=2))
    assert forecasts.shape[-1] == len(spec.quantiles) > 1
    assert (np.diff(forecasts, axis=-1) >= 0).all()
    # Quantiles far closer to each other than to zero are the same number.
    assert (np.ptp(forecasts, axis=-1) > 0).mean() > 0.9


def check_constant(model: keras.Model, spec: Spec) -> None:
    """A window that never changes is forecast to go on so."""
    inputs = short(spec)
    inputs["target"] = np.full_like(inputs["target"], 0.1)
    np.testing.assert_allclose(run(model, inputs), 0.1, rtol=1e-12 if wide() == "float64" else 1e-5)
