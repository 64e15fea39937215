"""Train and run networks that carry their state from row to row through whole series."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from forecast.data.gathering import take
from forecast.data.stretches import Pieces, Schedule, find_pieces, gather
from forecast.data.windows import Batch, Windows
from forecast.errors import InputError
from forecast.models.forms import Carried
from forecast.models.stateful import MEMORY
from forecast.training.quiet import quiet_tracing
from forecast.training.sequence import farthest

# Rows behind a fresh state of which too little is known to learn from what comes next, at most.
UNSETTLED = 8
# Series that are run together: every call has one of these sizes, so that a few programs serve all. The last one is
# taken only where forecasts behind all of its rows are no more numbers than this.
TOGETHER, MOST = (1, 8, 64), 50_000_000


@dataclass(frozen=True, eq=False)
class Standpoint:
    """States of some series, and the rows before which they hold.

    Args:
        ids: Of the series.
        times: Time of the row that each state expects next.
        states: By name, ``(series, …)``.
    """

    ids: tuple
    times: Any
    states: dict[str, np.ndarray]


class StretchBatches(keras.utils.PyDataset):
    """Batches of stretches whose lanes go on from batch to batch: truncated backpropagation through time.

    Args:
        windows: Windows whose rows to learn from.
        carried: Sizes of the batches.
        steps: Batches an epoch; None for one pass.
        seed: Seed of the order.

    Raises:
        InputError: There is no window.
    """

    def __init__(self, windows: Windows, carried: Carried, steps: int | None, seed: int):
        super().__init__(workers=1, use_multiprocessing=False)
        if not len(windows):
            raise InputError(
                "There is no row to learn from: every series is shorter than context and horizon."
            )
        self.windows, self.carried, self.epoch = windows, carried, 0
        self.schedule = Schedule(find_pieces(windows, carried.gap), carried.chunk, carried.lanes, seed)
        self.steps = self.schedule.batches if steps is None else steps
        ends = np.zeros(len(windows.panel), np.int64)
        np.maximum.at(ends, windows.series, windows.origins + windows.horizon)
        self.ends = ends

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, index: int) -> Batch:
        carried, windows = self.carried, self.windows
        stretches = self.schedule.batch(self.epoch * self.steps + index)
        series, begins = stretches.series, stretches.begins
        inputs = gather(windows, series, begins, stretches.lengths, carried.chunk)
        # Behind a shorter stretch its lane begins anew: rows that are no rows need no mask, they weigh nothing.
        del inputs["length"]
        rows = begins[:, None] + np.arange(1, carried.chunk + windows.horizon)
        inside = rows < np.minimum(begins + stretches.lengths + windows.horizon, self.ends[series])[:, None]
        actual = sliding_window_view(take(windows.panel.targets, rows, inside), windows.horizon, axis=1)
        actual = actual.swapaxes(2, 3).reshape(-1, windows.horizon, actual.shape[2])
        age = stretches.since[:, None] * carried.chunk + np.arange(carried.chunk)
        settled = age >= min(UNSETTLED, carried.chunk // 4)
        settled &= np.arange(carried.chunk) < stretches.lengths[:, None]
        started = (
            np.maximum.accumulate(~np.isnan(inputs["target"]), axis=1) | (stretches.since > 0)[:, None, None]
        )
        weights = (settled[:, :, None] * started / windows.scales[series][:, None, :]).reshape(
            -1, 1, actual.shape[2]
        )
        weights = np.where(np.isnan(actual), 0.0, weights)
        return inputs | {"fresh": stretches.fresh}, np.nan_to_num(actual), weights

    def culprit(self, epoch: int, index: int) -> str:
        """Say what lies farthest from the usual values of its column in the stretches of a batch."""
        stretches = self.schedule.batch(epoch * self.steps + index)
        origins = stretches.begins + stretches.lengths
        return farthest(
            replace(self.windows, context=self.carried.chunk, series=stretches.series, origins=origins),
            np.arange(len(origins)),
        )


def forecast_carried(carried: Carried, windows: Windows, standing: Standpoint | None = None) -> np.ndarray:
    """Forecast windows by going through their series once, row by row.

    Args:
        carried: Of the model.
        windows: At least one.
        standing: States to begin with, for series that have one and no origin before it.

    Returns:
        float64 ``(windows, horizon, targets[, outputs])``; NaN before the first value of a series.
    """
    pieces, states = _from(carried, windows, standing, _later(windows, standing))
    order = np.lexsort((windows.origins, windows.series))
    place = windows.series[order] * (windows.panel.rows + 1) + windows.origins[order]
    found: list[np.ndarray] = []

    def take_rows(series: int, begin: int, forecasts: np.ndarray) -> None:
        """Keep the forecasts of some rows that windows ask for."""
        if not found:
            found.append(np.full((len(windows), *forecasts.shape[1:]), np.nan))
        first = series * (windows.panel.rows + 1) + begin + 1
        low, high = np.searchsorted(place, (first, first + len(forecasts)))
        found[0][order[low:high]] = forecasts[place[low:high] - first]

    run_through(carried, windows, pieces, states, take_rows)
    if not found:
        outputs = carried.stretch(carried.chunk).output["forecast"]
        return np.full((len(windows), *outputs.shape[1:]), np.nan)
    return found[0]


def stand_at(carried: Carried, windows: Windows, rows: np.ndarray, standing: Standpoint | None) -> Standpoint:
    """Go through series up to one row each, and return the states before it.

    Args:
        carried: Of the model.
        windows: Whose panel and covariates.
        rows: Absolute row per series.
        standing: States to begin with where they stand before that row.
    """
    panel = windows.panel
    until = replace(windows, series=np.arange(len(panel), dtype=np.int32), origins=np.asarray(rows))
    result, later = carried.fresh(len(panel)), _later(until, standing, at=True)
    for i, (k, _) in later.items():
        for name, values in result.items():
            values[i] = standing.states[name][k]  # type: ignore[union-attr]
    pieces, states = _from(carried, until, standing, later)
    after = run_through(carried, until, pieces, states, None)
    newest = np.append(pieces.series[1:] != pieces.series[:-1], [True] * (len(pieces) > 0)).astype(bool)
    for name, values in after.items():
        result[name][pieces.series[newest]] = values[newest]
    return Standpoint(panel.ids, panel.times_at(rows), result)


def run_through(
    carried: Carried,
    windows: Windows,
    pieces: Pieces,
    states: dict[str, np.ndarray],
    take_rows: Callable[[int, int, np.ndarray], None] | None,
) -> dict[str, np.ndarray]:
    """Go through pieces of series, many at a time.

    Args:
        carried: Of the model.
        windows: Whose panel, covariates and horizon.
        pieces: To go through.
        states: Before the first row of each.
        take_rows: Given, stretch by stretch, the number of the series, the first row, and the forecasts behind that row
            and those after it.

    Returns:
        The states behind the last row of each piece.
    """
    chunk, after = carried.chunk, {name: values.copy() for name, values in states.items()}
    model = carried.stretch(chunk)
    batch = _together(len(pieces), chunk * math.prod(model.output["forecast"].shape[1:]))
    # Those of like length together; what is over is read no further.
    longest_first = np.argsort(-pieces.lengths, kind="stable")
    for first in range(0, len(pieces), batch):
        which = longest_first[first : first + batch]
        lanes = np.pad(which, (0, batch - len(which)), mode="edge")
        series, begins, lengths = pieces.series[lanes], pieces.begins[lanes], pieces.lengths[lanes]
        for done in range(0, int(lengths.max()), chunk):
            real = np.clip(lengths - done, 0, chunk)
            inputs = gather(windows, series, np.where(real > 0, begins + done, begins), real, chunk)
            with quiet_tracing():
                found = model.predict_on_batch(
                    inputs | {name: values[lanes] for name, values in after.items()}
                )
            forecasts = np.asarray(found.pop("forecast"), np.float64)
            forecasts = forecasts.reshape(batch, chunk, *forecasts.shape[1:])
            for k in np.flatnonzero(real[: len(which)]):
                for name, values in found.items():
                    after[name][which[k]] = values[k]
                if take_rows is not None:
                    take_rows(int(series[k]), int(begins[k]) + done, forecasts[k, : real[k]])
    return after


def _together(pieces: int, numbers: int) -> int:
    """Return how many pieces to run together, each of which makes so many numbers a stretch."""
    fitting = [size for size in TOGETHER if size * numbers <= MOST] or [1]
    return next((size for size in fitting if size >= pieces), fitting[-1])


def _from(
    carried: Carried, windows: Windows, standing: Standpoint | None, later: dict[int, tuple[int, int]]
) -> tuple[Pieces, dict[str, np.ndarray]]:
    """Return the pieces to go through for windows, and the state before each."""
    since = {i: int(_since(standing, k)) for i, (k, _) in later.items()} if standing is not None else {}
    pieces = find_pieces(windows, carried.gap, {i: (row, since[i]) for i, (_, row) in later.items()})
    states = carried.fresh(len(pieces))
    for j, (i, begin) in enumerate(zip(pieces.series, pieces.begins, strict=True)):
        if int(i) in later and later[int(i)][1] == begin and standing is not None:
            for name, values in standing.states.items():
                states[name][j] = values[later[int(i)][0]]
    return pieces, states


def _later(windows: Windows, standing: Standpoint | None, *, at: bool = False) -> dict[int, tuple[int, int]]:
    """Return for each series that a state serves the number of the state and the row before which it holds.

    That is before the row that the first window of the series is forecast behind; ``at`` allows the row of its origin.
    """
    if standing is None:
        return {}
    panel, known = windows.panel, {name: k for k, name in enumerate(standing.ids)}
    first = np.full(len(panel), np.iinfo(np.int64).max)
    np.minimum.at(first, windows.series, windows.origins)
    shared = [i for i in np.unique(windows.series).tolist() if panel.ids[i] in known]
    if not shared:
        return {}
    numbers = [known[panel.ids[i]] for i in shared]
    places = panel.step.positions(standing.times[numbers], panel.starts[shared])
    rows = panel.offsets[shared] + np.nan_to_num(places, nan=-1).astype(np.int64)
    return {
        i: (k, int(row))
        for i, k, row in zip(shared, numbers, rows, strict=True)
        if panel.offsets[i] <= row < first[i] + at and _known(standing, k)
    }


def _since(standing: Standpoint, k: int) -> float:
    """Return the rows since any value of a series, of a state."""
    return standing.states[MEMORY][k, :, 0].min()


def _known(standing: Standpoint, k: int) -> bool:
    """Say whether anything was observed before a state: else the state begins with the first value."""
    return bool((standing.states[MEMORY][k, :, 2] > 0).any())
