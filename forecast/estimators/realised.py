"""What quantiles reached while they were adapted: counts that add up over updates, and their table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.estimators.contract import quantile_name
from forecast.evaluation.adaptive import Adaptation


@dataclass(frozen=True, eq=False)
class Realised:
    """How many actuals there were, and how many lay at or below each quantile as it was at their origin.

    Args:
        below: int64; axes: horizon, targets, quantiles. Zero where the quantile is out of reach.
        counts: int64; axes as ``below``.
    """

    below: NDArray[np.int64]
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, adaptation: Adaptation) -> Realised:
        """Count what an adaptation saw."""
        reached = ~np.isnan(adaptation.below)
        counts = np.where(reached, adaptation.counts, 0)
        return cls(np.rint(np.where(reached, adaptation.below, 0.0) * counts).astype(np.int64), counts)

    def __add__(self, other: Realised) -> Realised:
        return Realised(self.below + other.below, self.counts + other.counts)


def coverage_frame(
    realised: Mapping[str, Realised], levels: tuple[float, ...], targets: tuple[str, ...]
) -> pd.DataFrame:
    """Lay out what was realised, for each method, target and step.

    Args:
        realised: By method.
        levels: Quantile levels, ascending, as in ``Realised``.
        targets: Names of the target columns.

    Returns:
        ``method``, ``target`` (if there are several), ``step``, the share of actuals at or below each
        quantile under its name in forecasts (``q0.1`` …), ``coverage`` of the widest interval and ``scores``,
        the number of actuals behind them.

    Example:
        >>> seen = Realised(np.array([[[1, 4, 9]]]), np.array([[[10, 10, 10]]]))
        >>> coverage_frame({"network": seen}, (0.1, 0.5, 0.9), ("sold",)).to_dict("records")
        [{'method': 'network', 'step': 1, 'q0.1': 0.1, 'q0.5': 0.4, 'q0.9': 0.9, 'coverage': 0.8, 'scores': 10}]
    """
    names = ["method", *(["target"] if len(targets) > 1 else []), "step", *map(quantile_name, levels)]
    rows = []
    for method, seen in realised.items():
        shares = np.where(seen.counts > 0, seen.below / np.maximum(seen.counts, 1), np.nan)
        for j, target in enumerate(targets):
            for step, share in enumerate(shares[:, j]):
                who = [method, target, step + 1] if len(targets) > 1 else [method, step + 1]
                rows.append([*who, *share, share[-1] - share[0], int(seen.counts[step, j].max())])
    return pd.DataFrame(rows, columns=[*names, "coverage", "scores"])
