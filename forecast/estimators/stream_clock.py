"""Calendar features of the rows of a stream, computed for many rows at once."""

from __future__ import annotations

import numpy as np

from forecast.data.calendar import Calendar
from forecast.data.panel import Panel, grid_times

# Rows that are computed at a time.
BLOCK = 1024


class StreamClock:
    """Calendar features by series and row; series that begin at one time share them.

    Args:
        calendar: Which features; None for none.
        panel: Series, their first times and their step.
    """

    def __init__(self, calendar: Calendar | None, panel: Panel):
        self.calendar, self.step = calendar, panel.step
        self.width = 0 if calendar is None else calendar.width
        self.starts = panel.starts.unique()
        self.group = self.starts.get_indexer(panel.starts)
        self.blocks: dict[int, tuple[int, np.ndarray]] = {}

    def features(self, which: np.ndarray, rows: np.ndarray, count: int) -> np.ndarray:
        """Return the features of ``count`` rows from a row on, for each of some series.

        Args:
            which: Numbers of the series.
            rows: First row of each, counted from the first time of its series.
            count: Rows.

        Returns:
            float32 ``(series, count, features)``.
        """
        found = np.empty((len(which), count, self.width), np.float32)
        if not self.width:
            return found
        groups = self.group[which]
        for group in np.unique(groups):
            here = groups == group
            begin, block = self._block(int(group), int(rows[here].min()), int(rows[here].max()) + count)
            found[here] = block[(rows[here] - begin)[:, None] + np.arange(count)]
        return found

    def _block(self, group: int, first: int, end: int) -> tuple[int, np.ndarray]:
        begin, block = self.blocks.get(group, (0, np.empty((0, self.width), np.float32)))
        if first < begin or end > begin + len(block):
            assert self.calendar is not None
            start = self.step.advance(self.starts[group : group + 1], np.array([first]))
            times = grid_times(self.step, start, np.array([end - first + BLOCK]))
            begin, block = first, self.calendar.at(times, self.step)
            self.blocks[group] = begin, block
        return begin, block
