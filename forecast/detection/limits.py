"""Scores that would be as rare as what is asked for: found where they are looked at, which is at few rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from forecast.detection.engines import Engine, Past

Floats = NDArray[np.float64]

_BLOCK = 64


class Limits:
    """Limits of the scores of some rows of a series, renewed at every 64th row of the series.

    Args:
        engines: Of each stream.
        pasts: What was remembered of each stream before these rows.
        values: Scores of these rows, ``(rows, streams)``.
        rate: Alarms asked for, as a share of rows.
        before: Rows of the series before these.
        last: Limits of the row before these.
    """

    def __init__(
        self,
        engines: Sequence[Engine],
        pasts: Sequence[Past],
        values: Floats,
        rate: float,
        before: int,
        last: Floats,
    ):
        self.engines, self.pasts, self.values = engines, pasts, values
        self.rate, self.before, self.last = rate, before, last
        self._found: dict[tuple[int, int], float] = {}

    def at(self, row: int, stream: int) -> float:
        """Return the score of a stream that is as rare as the rate by the scores before, infinite if there are none."""
        first = row - (self.before + row) % _BLOCK
        if first < 0:
            return float(self.last[stream])
        if (first, stream) not in self._found:
            new = self.values[:first, stream]
            engine = self.engines[stream]
            window = np.concatenate([self.pasts[stream].scores, new[~np.isnan(new)]])[-engine.window :]
            self._found[first, stream] = engine.limit(window, self.rate)
        return self._found[first, stream]

    def newest(self) -> Floats:
        """Return the limits of the last row."""
        rows, streams = self.values.shape
        return np.array([self.at(rows - 1, j) for j in range(streams)]) if rows else self.last
