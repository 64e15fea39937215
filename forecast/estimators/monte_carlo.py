"""Intervals by Monte-Carlo dropout, to be compared with calibrated ones: how far passes with dropout lie apart.

They tell what dropout makes of the weights, not how noisy the data are, so they hold far less than they claim
(``benchmarks/monte_carlo.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pandas as pd

from forecast.data.windows import Windows, check_positive, last_windows
from forecast.errors import ParameterError
from forecast.estimators.arguments import asked
from forecast.estimators.contract import check_future, forecast_table
from forecast.estimators.network import Network, floored
from forecast.estimators.outputs import as_levels
from forecast.estimators.rolling import extended_by
from forecast.evaluation.comparison import NETWORK
from forecast.training.fine_tuning import seeds_of
from forecast.training.predict import full_batches

if TYPE_CHECKING:
    from forecast.estimators.forecaster import Forecaster


def monte_carlo(
    self: Forecaster,
    X: Any = None,
    *,
    quantiles: Sequence[float] = (0.1, 0.9),
    passes: int = 100,
    seed: int | None = None,
) -> pd.DataFrame:
    """Forecast with dropout left on, many times: quantiles of the medians, over the passes.

    For comparison only: the spread is that of networks which dropout makes of one, without the noise of the data.
    ``predict`` gives calibrated intervals.

    Args:
        X: As for ``predict``.
        quantiles: Levels, each inside (0, 1).
        passes: How many times.
        seed: Equal seeds give equal passes; None: the model's.

    Returns:
        As ``predict`` over the trained horizon; ``forecast`` is the mean of the passes.

    Raises:
        ParameterError: The network has no dropout, or it carries its state.

    Example:
        >>> import forecast
        >>> table = forecast.load_dataset("air_passengers")
        >>> few = {"horizon": 3, "context": 24, "units": 8, "epochs": 1, "preset": "fast"}
        >>> forecast.Forecaster(model="rnn", dropout=0.2, **few).fit(table).monte_carlo(passes=20).shape
        (3, 4)

    Source:
        Gal and Ghahramani (2016), "Dropout as a Bayesian approximation".
    """
    fitted, panel, _, _ = asked(self, X, None, NETWORK)
    check_positive(passes=passes)
    levels = tuple(float(level) for level in quantiles)
    if not all(0 < level < 1 for level in levels):
        raise ParameterError(f"quantiles must lie between 0 and 1; got {levels}.")
    check_future(panel, fitted.setting.horizon)
    extended, origins = extended_by(fitted.network, panel, fitted.setting.horizon)
    windows = replace(
        last_windows(fitted.network.windows(extended, scales=fitted.scales_of(panel))), origins=origins
    )
    found = dropout_passes(fitted.network, windows, passes, self.seed if seed is None else seed)
    parts = [np.quantile(found, level, axis=0) for level in levels]
    return forecast_table(panel, np.stack([*parts, found.mean(axis=0)], axis=-1), levels, len(levels))


def dropout_passes(network: Network, windows: Windows, passes: int, seed: int) -> np.ndarray:
    """Forecast medians of windows with dropout left on: ``(passes, windows, horizon, targets)``.

    Raises:
        ParameterError: The network has no dropout, or it carries its state.
    """
    model, spec = network.model, network.spec
    if network.stateful:
        raise ParameterError(
            "A network that carries its state is not run with dropout: its states would be others."
        )
    if not any(_share(layer) for part, _ in network.parts for layer in part.layers):
        raise ParameterError("The network has no dropout; fit it with dropout=0.2 or so.")
    states, draw = seeds_of(model), np.random.default_rng(seed)
    before, found = [np.array(state) for state in states], []
    try:
        for _ in range(passes):
            for state in states:
                state.assign(draw.integers(0, 2**32, state.shape, np.uint32))
            parts = []
            for which, filled in full_batches(len(windows)):
                output = keras.ops.convert_to_numpy(model(windows.inputs(filled), training=True))
                parts.append(np.asarray(output[: len(which)], np.float64))
            output = floored(as_levels(model, spec, np.concatenate(parts)), spec)
            found.append(output[..., spec.middle])
    finally:
        for state, value in zip(states, before, strict=True):
            state.assign(value)
    return np.array(found)


def _share(layer: Any) -> float:
    """Return what a layer drops, of its inputs or of its state."""
    inner = getattr(layer, "forward_layer", layer)
    return float(getattr(inner, "rate", 0) or getattr(inner, "state_dropout", 0) or 0)
