"""Scores that would be as rare as what is asked for: found where they are looked at, which is at few rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from forecast.detection.engines import Engine, Past
from forecast.detection.streams import Scores

Floats = NDArray[np.float64]

_BLOCK = 64


class Limits:
    """Limits of the scores of some rows of a series, renewed at every 64th row of the series.

    Args:
        engines: Of each stream.
        pasts: What was remembered of each stream before these rows.
        scores: Of these rows.
        rate: Alarms asked for, as a share of rows.
        before: Rows of the series before these.
        last: Limits of the row before these.
    """

    def __init__(
        self,
        engines: Sequence[Engine],
        pasts: Sequence[Past],
        scores: Scores,
        rate: float,
        before: int,
        last: Floats,
    ):
        self.engines, self.pasts, self.scores = engines, pasts, scores
        self.rate, self.before, self.last = rate, before, last
        self._found: dict[tuple[int, int], float] = {}

    def above(self, other: Limits) -> Limits:
        """Return the limits of these rows and of those behind them."""
        scores = self.scores.above(other.scores)
        return Limits(self.engines, self.pasts, scores, self.rate, self.before, self.last)

    def at(self, row: int, stream: int) -> float:
        """Return the score of a stream that is as rare as the rate by the scores before, infinite if there are none.

        Of an ensemble it is the mean over the members.
        """
        return float(np.mean([self._of(row, int(column)) for column in self.scores.columns(stream)]))

    def newest(self) -> Floats:
        """Return the limits of the last row, of every column."""
        rows, columns = self.scores.values.shape
        return np.array([self._of(rows - 1, j) for j in range(columns)]) if rows else self.last

    def _of(self, row: int, column: int) -> float:
        first = row - (self.before + row) % _BLOCK
        if first < 0:
            return float(self.last[column])
        if (first, column) not in self._found:
            engine = self.engines[column]
            window = np.concatenate([self.pasts[column].scores, self._newest(first, column)])
            self._found[first, column] = engine.limit(window[-engine.window :], self.rate)
        return self._found[first, column]

    def _newest(self, stop: int, column: int) -> Floats:
        """Return the scores before a row: all of them, or at least a window of the newest."""
        window = self.engines[column].window
        for begin in (max(stop - 2 * window, 0), 0):
            new = self.scores.values[begin:stop, column]
            new = new[~np.isnan(new)]
            if len(new) >= window:
                break
        return new
