"""Specs of networks as keywords, and windows to run them on, with every kind of input."""

from __future__ import annotations

import numpy as np
import pytest

from forecast.models import Spec
from tests.models.laws import windows

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


def batch(rows: int = 5, seed: int = 1, **spec) -> dict[str, np.ndarray]:
    """Draw windows with every kind of input; behind the first step of the horizon no lag is known."""
    wanted = Spec(**(RICH | spec))
    inputs = windows(wanted, rows=rows, seed=seed)
    if wanted.lags:
        inputs["lagged"][:, wanted.context + 1 :] = np.nan
    return inputs
