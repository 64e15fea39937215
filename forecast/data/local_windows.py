"""Windows that end at a row, on the scale of what they and a longer context before them show."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.data.panel import Panel

Floats = NDArray[np.float64]

# Between these two quantiles lie eight tenths of the rows, and of normal noise so many deviations.
_LOW, _HIGH, _DEVIATIONS = 0.1, 0.9, 2.5631031310892007
# What rounding leaves of a constant is no more than this share of it.
_ROUNDING = 1e-9
LARGEST = 8.0
"""Values are cut off at so many spreads: one wild row must not drown the others."""


@dataclass(frozen=True, eq=False)
class LocalWindows:
    """Windows that end at each row of a panel.

    A window is scaled by the median of the last ``reach`` rows up to its end and by the distance between their 10 % and
    90 % quantiles. So nothing behind a row is looked at, a series never seen before needs no statistics of its own, a
    level or a spread that wanders is followed, and up to a tenth of wild rows on either side hardly move the scale.
    Where that distance is zero the context is ``constant``; whatever leaves it is very many spreads away.

    Args:
        panel: Series; their targets are the channels.
        rows: Of a window. Before the first row of a series there is nothing: missing.
        reach: Rows up to its end that a window is scaled by.
        beyond: Rows on each side that are given with it.
        least: Share of the whole range of these rows that a spread is at least: where nearly nothing happens, what
            does happen now and then is what it is measured by.
    """

    panel: Panel
    rows: int
    reach: int
    beyond: int = 0
    least: float = 0.0

    @cached_property
    def _quantiles(self) -> tuple[Floats, Floats, Floats, Floats]:
        """Low, middle, high and spread of the last rows up to each, NaN before the first known one."""
        panel, found = self.panel, []
        for i in range(len(panel)):
            values = pd.DataFrame(panel.targets[panel.offsets[i] : panel.offsets[i + 1]])
            rolling = values.rolling(self.reach, min_periods=1)
            part = [rolling.quantile(q).to_numpy() for q in (_LOW, 0.5, _HIGH)]
            with np.errstate(over="ignore"):
                spread = (part[2] - part[0]) / _DEVIATIONS
                if self.least:
                    spread = np.fmax(spread, self.least * (rolling.max() - rolling.min()).to_numpy())
            found.append([*part, spread])
        low, middle, high, spread = (np.concatenate([part[k] for part in found]) for k in range(4))
        return low, middle, high, spread

    @cached_property
    def centre(self) -> Floats:
        """Of the window that ends at each row, ``(rows, channels)``; NaN where no row in reach is known."""
        return self._quantiles[1]

    @cached_property
    def constant(self) -> NDArray[np.bool_]:
        """Whether the context of the window that ends at each row is constant, or no row in reach is known."""
        low, _, high, spread = self._quantiles
        with np.errstate(over="ignore"):
            return ~(spread * _DEVIATIONS > _ROUNDING * np.maximum(np.abs(low), np.abs(high)))

    @cached_property
    def unit(self) -> Floats:
        """Spread of the window that ends at each row; of a constant context, what rounding leaves of its size."""
        least = _ROUNDING * np.where(self.centre == 0, 1.0, np.abs(self.centre))
        return np.where(self.constant, least, self._quantiles[3])

    @cached_property
    def known(self) -> NDArray[np.int64]:
        """Known numbers of the window that ends at each row, of all channels."""
        there = np.concatenate([[0], np.cumsum((~np.isnan(self.panel.targets)).sum(axis=1))])
        ends = np.arange(1, self.panel.rows + 1)
        begins = np.maximum(ends - self.rows, np.repeat(self.panel.offsets[:-1], self.panel.lengths))
        return there[ends] - there[begins]

    def raw(self, ends: NDArray[np.int64]) -> Floats:
        """Return the rows of windows, ``beyond`` on each side: ``(windows, rows, channels)``, NaN where there is none.

        Args:
            ends: Absolute last row of each window.
        """
        series = np.searchsorted(self.panel.offsets, ends, side="right") - 1
        place = ends[:, None] + np.arange(1 - self.rows - self.beyond, 1 + self.beyond)
        inside = place >= self.panel.offsets[series][:, None]
        inside &= place < self.panel.offsets[series + 1][:, None]
        return np.where(inside[..., None], self.panel.targets[place.clip(0, self.panel.rows - 1)], np.nan)

    def scaled(self, ends: NDArray[np.int64]) -> Floats:
        """Return ``raw`` in spreads from the centre, not cut off."""
        with np.errstate(over="ignore", invalid="ignore"):
            return (self.raw(ends) - self.centre[ends][:, None]) / self.unit[ends][:, None]

    def restored(self, made: Floats, ends: NDArray[np.int64]) -> Floats:
        """Lead rows that were made for windows ``(windows, rows, channels)`` back to their units."""
        return made * self.unit[ends][:, None] + self.centre[ends][:, None]
