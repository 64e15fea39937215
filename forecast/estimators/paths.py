"""Sample paths and sums of a forecaster, written as the methods that they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from forecast.estimators.arguments import asked
from forecast.estimators.prediction import sampled
from forecast.estimators.sampling import Drawing, path_table, total_table

if TYPE_CHECKING:
    from forecast.estimators.forecaster import Forecaster


def sample(
    self: Forecaster,
    X: Any = None,
    horizon: int | None = None,
    *,
    paths: int = 100,
    method: str | None = None,
    dependence: str = "schaake",
    seed: int | None = None,
) -> pd.DataFrame:
    """Draw sample paths: steps spread as their quantiles say and go together as in past windows, 20 at least.

    Args:
        X: As for ``predict``.
        horizon: Rows ahead, at most as trained; None: as trained.
        paths: Paths of each series; series are drawn independently of each other.
        method: As for ``predict``.
        dependence: ``"schaake"`` (the order of past windows) or ``"copula"`` (their correlations).
        seed: Equal seeds give equal paths; None: the model's.

    Returns:
        id, time, [target], ``path`` (from 1), ``forecast``; ordered by id, target, path, time.

    Example:
        >>> import forecast
        >>> table = forecast.load_dataset("air_passengers")
        >>> model = forecast.Forecaster(horizon=3, context=24, units=8, epochs=1, preset="fast").fit(table)
        >>> model.sample(paths=200).groupby("path")["forecast"].max().shape  # the highest of each path
        (200,)
    """
    drawing = Drawing(paths, dependence, self.seed if seed is None else seed)
    return path_table(sampled(*asked(self, X, horizon, method), drawing=drawing), drawing)


def total(
    self: Forecaster,
    X: Any = None,
    horizon: int | None = None,
    *,
    quantiles: Sequence[float] | None = None,
    paths: int = 1000,
    method: str | None = None,
    dependence: str = "schaake",
    seed: int | None = None,
) -> pd.DataFrame:
    """Forecast the sum over the horizon; its intervals come from sample paths, as quantiles do not add up.

    Args:
        quantiles: Levels, none outside the trained ones; None: as trained. The rest is as for ``sample``.

    Returns:
        One row a series and target: id, ``from``, ``to`` (first and last time), [target], ``forecast``
        (the median of the sum), ``q0.1`` …

    Example:
        >>> import forecast
        >>> table = forecast.load_dataset("air_passengers")
        >>> model = forecast.Forecaster(horizon=3, context=24, units=8, epochs=1, preset="fast").fit(table)
        >>> model.total().columns.tolist()
        ['from', 'to', 'forecast', 'q0.1', 'q0.9']
    """
    drawing = Drawing(paths, dependence, self.seed if seed is None else seed)
    levels = self._fitted().levels if quantiles is None else quantiles
    return total_table(sampled(*asked(self, X, horizon, method), drawing=drawing), drawing, sorted(levels))
