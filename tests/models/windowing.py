"""Networks with random weights and windows to run them on, with every kind of input."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from forecast.models import Spec

QUANTILES = (0.1, 0.5, 0.9)
PLAIN = {"context": 9, "horizon": 4, "targets": 2, "quantiles": QUANTILES, "season": 3}
RICH = PLAIN | {
    "known_future": 2,
    "past_only": 1,
    "static": 3,
    "padded": True,
    "missing": True,
    "calendar": 2,
    "lags": 2,
    "categories": (3, 4),
    "series": 5,
}


def names(build: dict) -> str:
    return "-".join(str(v) for v in build.values())


def slowly(builds: list, quick: tuple[int, ...] = (0,)) -> list:
    """Mark all but some builds as slow: compiling each takes seconds."""
    return [
        build if i in quick else pytest.param(build, marks=pytest.mark.slow) for i, build in enumerate(builds)
    ]


def randomise(model: keras.Model, seed: int = 0) -> keras.Model:
    """Give every weight a random value: zero biases would hide faults."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        if weight.name not in ("mean", "scale"):
            weight.assign(rng.normal(scale=0.4, size=weight.shape))
    return model


def batch(rows: int = 5, seed: int = 1, **spec) -> dict[str, np.ndarray]:
    rng, s = np.random.default_rng(seed), Spec(**(RICH | spec))
    both = s.context + s.horizon
    inputs = {"target": rng.normal(size=(rows, s.context, s.targets)).cumsum(axis=1) + 50}
    if s.past_only:
        inputs["past_only"] = rng.normal(size=(rows, s.context, s.past_only))
    if s.known_future:
        inputs["known_future"] = rng.normal(size=(rows, both, s.known_future))
    if s.calendar:
        inputs["calendar"] = rng.uniform(-1, 1, size=(rows, both, s.calendar)).astype("float32")
    if s.lags:
        inputs["lagged"] = rng.normal(size=(rows, both, s.lags * s.targets)) + 50
        inputs["lagged"][:, s.context + 1 :] = np.nan
    if s.static:
        inputs["static"] = rng.normal(size=(rows, s.static)).astype("float32")
    if s.categories:
        inputs["categories"] = rng.integers(0, s.categories, size=(rows, len(s.categories))).astype("int32")
    if s.series:
        inputs["series"] = rng.integers(0, s.series, size=rows).astype("int32")
    if s.padded:
        inputs["length"] = np.full(rows, s.context, dtype="int32")
    return inputs


def run(model: keras.Model, inputs: dict[str, np.ndarray]) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(model.predict_on_batch(inputs)))
