"""How far forecast steps move when inputs move."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# A step that moves by less than this share of the push does not react: it is below what float32 holds.
LEAST_REACTION = 1e-6


@dataclass(frozen=True, eq=False)
class Reactions:
    """How far each forecast step moves when one input moves.

    Args:
        context: Rows that the model sees.
        lags: Lags that were moved, 1 being the newest observation; ascending.
        matrix: Mean absolute move of a step (of all targets) for a move of 1 of that lag; axes: lags, steps.
        ignored: Newest observations that a step does not react to, 0 for none, ``context`` if it reacts to
            none at all; the worst target counts; axes: steps.
        covariates: By column, mean absolute move of a step, in typical errors, for a change of the whole
            column by about one standard deviation; axes: steps. Zero is no reaction.
        ahead: The same for the rows of the horizon alone, of the known-future columns.
        idle: Covariates that hold one value only in the rows given, so that nothing can be learned from them.
    """

    context: int
    lags: NDArray[np.int64]
    matrix: Floats
    ignored: NDArray[np.int64]
    covariates: Mapping[str, Floats]
    ahead: Mapping[str, Floats]
    idle: tuple[str, ...]

    @property
    def steps(self) -> int:
        """Number of forecast steps."""
        return self.matrix.shape[1]

    @property
    def reach(self) -> int:
        """Oldest lag that any step reacts to, 0 if none does."""
        reacting = np.flatnonzero(self.matrix.max(axis=1) > LEAST_REACTION)
        return int(self.lags[reacting[-1]]) if len(reacting) else 0
