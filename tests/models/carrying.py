"""Stateful networks with random weights, and sequences for them to read."""

from __future__ import annotations

import keras
import numpy as np

from forecast.models import Spec
from forecast.models.stateful import build_stateful

ROWS = 20
SPECS = {
    "plain": Spec(context=ROWS, horizon=3, quantiles=(0.1, 0.5, 0.9)),
    "everything": Spec(
        context=ROWS,
        horizon=5,
        targets=2,
        anchor="period",
        period=4,
        known_future=1,
        past_only=1,
        static=2,
        calendar=2,
        categories=(3,),
        series=4,
        positive=True,
    ),
    "joined, log": Spec(
        context=ROWS, horizon=3, targets=2, independent=False, transform="log", transform_by=(1.0, 1.0)
    ),
    "unscaled, power": Spec(
        context=ROWS,
        horizon=3,
        targets=2,
        anchor="none",
        transform="power",
        transform_by=(0.5, 0.3),
        quantiles=(0.1, 0.5, 0.6),
    ),
}


def network(spec: Spec, **options) -> keras.Model:
    """Build a small one with a random value for every weight."""
    rng = np.random.default_rng(3)
    model = build_stateful(spec, **({"units": 5, "layers": 2} | options))
    for weight in model.weights:
        scale = np.abs(rng.normal(size=weight.shape)) + 0.5
        weight.assign(scale if "scale" in weight.path else 0.3 * rng.normal(size=weight.shape))
    return model


def sequences(spec: Spec, rows: int = ROWS, batch: int = 4, seed: int = 0) -> dict[str, np.ndarray]:
    """Draw sequences with everything the spec asks for; some begin late, some have gaps."""
    rng, both = np.random.default_rng(seed), rows + spec.horizon
    made = {"target": np.abs(rng.normal(size=(batch, rows, spec.targets)).cumsum(axis=1)) + 3}
    made["target"][1, :5] = np.nan
    made["target"][2, 7:9] = np.nan
    made["target"][3, 6:9, 0] = np.nan
    if spec.known_future:
        made["known_future"] = rng.normal(size=(batch, both, spec.known_future))
    if spec.past_only:
        made["past_only"] = rng.normal(size=(batch, rows, spec.past_only))
    if spec.calendar:
        made["calendar"] = rng.normal(size=(batch, both, spec.calendar)).astype("float32")
    if spec.static:
        made["static"] = rng.normal(size=(batch, spec.static)).astype("float32")
    if spec.categories:
        made["categories"] = rng.integers(0, 3, size=(batch, len(spec.categories))).astype("int32")
    if spec.series:
        made["series"] = rng.integers(0, spec.series + 1, size=batch).astype("int32")
    return made


def part(spec: Spec, made: dict[str, np.ndarray], begin: int, end: int, rows: int) -> dict[str, np.ndarray]:
    """Cut rows out of sequences and pad them to ``rows`` with numbers that no network may read."""
    found = {"length": np.full(len(made["target"]), end - begin, np.int32)}
    for name, values in made.items():
        if values.ndim < 3:
            found[name] = values
            continue
        ahead = spec.horizon if name in ("known_future", "calendar") else 0
        cut = values[:, begin : end + ahead]
        padding = ((0, 0), (0, rows + ahead - cut.shape[1]), (0, 0))
        found[name] = np.pad(cut, padding, constant_values=777.0)
    return found
