"""Windows as the kind of data set that ``keras.Model.fit`` takes."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from forecast.data.gridding import to_panel
from forecast.data.table import read_table
from forecast.data.windows import Batch, Windows, make_windows, order, order_by_series
from forecast.errors import InputError
from forecast.training.arranging import arranged


class Passes:
    """The members of every batch: pass after pass over some items, each in an order of its own.

    Args:
        count: Number of items.
        batch_size: Items a batch.
        steps: Batches an epoch.
        order: Number of a pass to the order in which it visits the items.

    Example:
        >>> passes = Passes(3, batch_size=2, steps=3, order=lambda number: np.arange(3))
        >>> [passes.members(0, index).tolist() for index in range(3)]
        [[0, 1], [2, 0], [1, 2]]
    """

    def __init__(self, count: int, batch_size: int, steps: int, order: Callable[[int], np.ndarray]):
        self.count, self.batch_size, self.steps, self.order = count, batch_size, steps, order
        self._passes: dict[int, np.ndarray] = {}

    def members(self, epoch: int, index: int) -> np.ndarray:
        """Return the numbers of the items in batch ``index`` of ``epoch``."""
        begin = (epoch * self.steps + index) * self.batch_size
        places = np.arange(begin, begin + self.batch_size)
        passes, within = places // self.count, places % self.count
        return np.array([self._pass(int(p))[w] for p, w in zip(passes, within, strict=True)])

    def _pass(self, number: int) -> np.ndarray:
        if number not in self._passes:
            # Only the pass under way and the one before are needed: a batch may straddle two.
            self._passes = {k: v for k, v in self._passes.items() if k == number - 1}
            self._passes[number] = self.order(number)
        return self._passes[number]


class WindowSequence(keras.utils.PyDataset):
    """Batches of windows in an order that is a function of (seed, epoch), gathered when asked for.

    An epoch is ``steps`` batches. Windows are drawn without replacement, pass after pass, so that a
    small table may be passed over several times in one epoch and a large one in several epochs.

    Args:
        windows: What to draw from.
        batch_size: Windows a batch; every batch is full.
        steps: Batches an epoch; None for one pass.
        seed: Seed of the order.
        by_series: Draw every series equally often, not every window.
        rows: What a training form forecasts (see ``arranged``); None without one.

    Example:
        >>> from forecast.data.gridding import to_panel
        >>> from forecast.data.table import read_table
        >>> from forecast.data.windows import make_windows
        >>> panel = to_panel(read_table({"y": np.arange(10.0)}, target=("y",)))
        >>> batches = WindowSequence(make_windows(panel, context=3, horizon=2), batch_size=3)
        >>> len(batches), batches[0][1].shape
        (2, (3, 2, 1))
    """

    def __init__(
        self,
        windows: Windows,
        batch_size: int,
        steps: int | None = None,
        seed: int = 0,
        *,
        by_series: bool = False,
        rows: str | None = None,
    ):
        super().__init__(workers=1, use_multiprocessing=False)
        if not len(windows):
            raise InputError("There is no window to draw: every series is shorter than context and horizon.")
        self.windows, self.seed, self.epoch = windows, seed, 0
        self.by_series, self.rows = by_series, rows
        self.batch_size = min(batch_size, len(windows))
        self.steps = max(len(windows) // self.batch_size, 1) if steps is None else steps
        self._passes = Passes(len(windows), self.batch_size, self.steps, self._order)

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, index: int) -> Batch:
        batch = self.windows.batch(self.members(self.epoch, index))
        return batch if self.rows is None else arranged(batch, self.rows)

    def on_epoch_end(self) -> None:
        self.epoch += 1

    def members(self, epoch: int, index: int) -> np.ndarray:
        """Return the numbers of the windows in batch ``index`` of ``epoch``."""
        return self._passes.members(epoch, index)

    def culprit(self, epoch: int, index: int) -> str:
        """Say what lies farthest from the usual values of its column in the windows of a batch."""
        return farthest(self.windows, self.members(epoch, index))

    def _order(self, number: int) -> np.ndarray:
        if self.by_series:
            return order_by_series(self.windows.series, self.seed, number)
        return order(len(self.windows), self.seed, number)


def farthest(windows: Windows, members: np.ndarray) -> str:
    """Say what lies farthest from the usual values of its column in some windows, and what to do about it."""
    panel, series = windows.panel, windows.series[members][:, None]
    rows = windows.origins[members][:, None] + np.arange(-windows.context, windows.horizon)
    ends = panel.offsets[1:] if windows.stops is None else np.minimum(panel.offsets[1:], windows.stops)
    inside = (rows >= panel.offsets[series]) & (rows < ends[series])
    own, which = rows[inside], np.broadcast_to(np.arange(len(members))[:, None], rows.shape)[inside]
    # Columns without a value have no median, and distances between huge values may overflow.
    with np.errstate(over="ignore", invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        middle = np.nanmedian(panel.values, axis=0)
        usual = np.nanmedian(np.abs(panel.values - middle), axis=0)
        far = np.nan_to_num(np.abs(panel.values[own] - middle) / np.where(usual > 0, usual, 1.0))
    # What is known of the past only is not seen behind the origin.
    columns = panel.columns
    past_only = len(columns.target) + len(columns.known_future)
    far[own >= windows.origins[members][which], past_only:] = 0.0
    worst, column = np.unravel_index(int(far.argmax()), far.shape)
    window = int(which[worst])
    i, origin = int(series[window, 0]), int(windows.origins[members[window]])
    who = f"series {panel.ids[i]!r}, " if panel.columns.id is not None else ""
    return (
        f"Farthest from the usual in that batch: {panel.values[own[worst], column]:g} in column "
        f"{panel.columns.numeric[column]!r} ({who}{panel.time_at(i, int(own[worst]))}, window at "
        f"{panel.time_at(i, origin)}), {far[worst, column]:.3g} times the usual distance from the median. "
        "Check that value, or lower --learning-rate."
    )


def windows(
    table: Any, *, context: int, horizon: int, batch_size: int = 64, seed: int = 0, **reading: Any
) -> WindowSequence:
    """Read a table and return its windows as a data set for any ``keras.Model``.

    Args:
        table: Anything ``forecast.read_table`` reads.
        context: Rows seen.
        horizon: Rows asked for.
        batch_size: Windows a batch.
        seed: Seed of the order.
        reading: Arguments of ``forecast.read_table``.

    Returns:
        Batches of ``(inputs, targets, weights)``: see ``Windows.batch``.

    Example:
        >>> import forecast
        >>> batches = forecast.windows({"y": np.arange(50.0)}, context=8, horizon=2, target=("y",))
        >>> model = forecast.models.build_rnn(forecast.models.Spec(context=8, horizon=2), units=4)
        >>> model.compile(optimizer="adam", loss="mae")
        >>> history = model.fit(batches, epochs=1, verbose=0)
    """
    panel = to_panel(read_table(table, **reading))
    return WindowSequence(make_windows(panel, context=context, horizon=horizon), batch_size, seed=seed)
