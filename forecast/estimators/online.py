"""Whether a detector looks ahead: rows behind a moment are scrambled, and nothing before it may change."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from forecast.data.panel import Panel, frozen
from forecast.errors import ForecastError
from forecast.estimators.contract import as_table

if TYPE_CHECKING:
    from forecast.estimators.detector import Detector


class LooksAhead(ForecastError, AssertionError):
    """A score changed with rows behind it."""


def assert_online(detector: Detector, X: Any, *, cuts: int = 3, seed: int = 0) -> None:
    """Demand that scores depend on no row behind them, bit for bit.

    At several moments everything behind is replaced: values by others of the series a thousandfold, in any order, some
    missing. Whatever normalises, smooths or ranks with rows to come is found out.

    Args:
        detector: A fitted detector.
        X: A table, as for ``detector.score``.
        cuts: Moments.
        seed: Of the replaced values.

    Raises:
        LooksAhead: A score before the moment changed; it names the row.

    Example:
        >>> import forecast
        >>> table = forecast.load_dataset("nile")
        >>> assert_online(forecast.Detector("ewma").fit(table[:60]), table)
    """
    panel = detector.fitted_.contract.read(as_table(X))
    whole = detector.score(panel)
    rng = np.random.default_rng(seed)
    for share in np.linspace(0, 1, cuts + 2)[1:-1]:
        first = panel.offsets[:-1] + np.maximum((share * panel.lengths).astype(np.int64), 1)
        again = detector.score(_scrambled(panel, first, rng))
        before = np.arange(panel.rows) < np.repeat(first, panel.lengths)
        _compare(whole, again, _in_order(before, panel, whole))


def _scrambled(panel: Panel, first: np.ndarray, rng: np.random.Generator) -> Panel:
    values = panel.values.copy()
    targets = len(panel.columns.target)
    for i, begin in enumerate(first):
        behind = values[begin : panel.offsets[i + 1], :targets]
        behind[:] = rng.permutation(behind) * 1_000.0 + rng.normal(size=behind.shape)
        behind[rng.random(len(behind)) < 0.1] = np.nan
    return replace(panel, values=frozen(values))


def _in_order(before: np.ndarray, panel: Panel, whole: pd.DataFrame) -> np.ndarray:
    """Bring marks of the panel's rows into the order of a table of scores: rows seen in training come first."""
    names = panel.columns
    time = names.time or "row"
    key = [names.id, time] if names.id is not None else [time]
    marks = pd.DataFrame({time: panel.times(), "before": before})
    if names.id is not None:
        marks[names.id] = np.repeat(np.array(panel.ids, dtype=object), panel.lengths)
    return whole[key].merge(marks, on=key, how="left", validate="one_to_one")["before"].to_numpy(bool)


def _compare(whole: pd.DataFrame, again: pd.DataFrame, before: np.ndarray) -> None:
    for name in ("evidence", "p_value"):
        one, two = whole[name].to_numpy()[before], again[name].to_numpy()[before]
        differs = ~((one == two) | (np.isnan(one) & np.isnan(two)))
        if differs.any():
            row = whole[before].iloc[int(np.argmax(differs))]
            raise LooksAhead(
                f"{name} at {row.iloc[:-2].tolist()} changed with later rows: "
                f"{one[differs][0]} became {two[differs][0]}."
            )
