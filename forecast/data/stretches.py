"""Stretches of series: the rows that a network reads which carries its state from one stretch to the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from forecast.data.gathering import take, take_calendar
from forecast.data.windows import Windows, order


@dataclass(frozen=True, eq=False)
class Pieces:
    """Parts of series, in each of which a state is carried from the first row on.

    Args:
        series: Series number of each piece, in order.
        begins: Absolute first row.
        ends: Absolute row behind the last.

    All of shape ``(pieces,)``.
    """

    series: np.ndarray
    begins: np.ndarray
    ends: np.ndarray

    def __len__(self) -> int:
        return len(self.series)

    @property
    def lengths(self) -> np.ndarray:
        """Rows of each piece."""
        return self.ends - self.begins


def find_pieces(windows: Windows, gap: int, later: Mapping[int, tuple[int, int]] | None = None) -> Pieces:
    """Cut series into pieces behind runs of ``gap`` rows or more without any observed target.

    A piece begins at an observed row, and the last one of a series ends at the last origin of a window. Series without
    a window have none.

    Args:
        windows: Whose rows before the origins are to be read.
        gap: Rows of the shortest run that ends a piece.
        later: For some series the row at which to begin, observed or not, and how many rows before that one the last
            observed one lies, less one.

    Example:
        >>> from forecast.data.gridding import to_panel
        >>> from forecast.data.table import read_table
        >>> from forecast.data.windows import make_windows
        >>> y = np.arange(12.0)
        >>> y[4:8] = np.nan
        >>> panel = to_panel(read_table({"y": y}, target=("y",)))
        >>> pieces = find_pieces(make_windows(panel, context=2, horizon=1), gap=3)
        >>> pieces.begins, pieces.ends
        (array([0, 8]), array([ 8, 11]))
    """
    panel, later = windows.panel, later or {}
    seen = np.logical_not(np.isnan(panel.targets).all(axis=1))
    lasts = np.zeros(len(panel), np.int64)
    np.maximum.at(lasts, windows.series, windows.origins)
    found: list[np.ndarray] = []
    for i in np.unique(windows.series):
        begin, end = int(panel.offsets[i]), int(lasts[i])
        before = np.zeros(0, np.int64)
        if i in later:
            begin, since = later[i]
            before = np.array([begin - 1 - since])
        rows = np.concatenate([before, begin + np.flatnonzero(seen[begin:end])])
        if not len(rows):
            continue
        firsts = rows[np.concatenate([[True], np.diff(rows) > gap])]
        firsts[0] = max(firsts[0], begin)
        found.append(np.stack([np.full(len(firsts), i), firsts, np.append(firsts[1:], end)], axis=1))
    table = np.concatenate(found) if found else np.zeros((0, 3), np.int64)
    return Pieces(*table[table[:, 1] < table[:, 2]].T)


def stretch_sizes(lengths: np.ndarray, rows: int, batch: int | None = None) -> tuple[int, int]:
    """Return rows of a stretch and lanes of a batch for pieces of these lengths.

    A lane goes through four neighbouring stretches at least where there are so many; a batch has 32 lanes at most.

    Args:
        lengths: Rows of each piece.
        rows: Rows of a stretch that are asked for.
        batch: Lanes that are asked for; None chooses.

    Example:
        >>> stretch_sizes(np.array([8640]), 256), stretch_sizes(np.array([40, 60, 25]), 256)
        ((256, 8), (60, 3))
    """
    chunk = int(min(rows, lengths.max()))
    stretches = int(np.maximum(lengths // chunk, 1).sum())
    usual = max(min(stretches // 4, 32), min(len(lengths), 32)) if batch is None else batch
    return chunk, min(usual, stretches)


def gather(windows: Windows, series: np.ndarray, begins: np.ndarray, lengths: np.ndarray, rows: int) -> dict:
    """Gather what a model may see of stretches: inputs as of windows of ``rows`` rows, with their ``length``.

    What is known ahead follows right behind each row, also where a stretch is shorter than ``rows``.

    Args:
        windows: Panel, covariates and horizon.
        series: Series number of each stretch.
        begins: Absolute first row.
        lengths: Rows of each that are real.
        rows: Rows to lay out.

    Returns:
        See ``Windows.inputs``.
    """
    panel, columns = windows.panel, windows.panel.columns
    targets = len(columns.target)
    seen = begins[:, None] + np.arange(rows)
    real = np.arange(rows) < lengths[:, None]
    past = take(panel.values, seen, real)
    known = slice(targets, targets + len(columns.known_future))
    batch = {"target": np.ascontiguousarray(past[:, :, :targets])}
    if columns.past_only:
        batch["past_only"] = np.ascontiguousarray(past[:, :, known.stop :])
    both = begins[:, None] + np.arange(rows + windows.horizon)
    if columns.known_future:
        batch["known_future"] = take(panel.values[:, known], both, both < panel.offsets[series + 1][:, None])
    if windows.calendar is not None and windows.calendar[0].shape[1]:
        features, offsets = windows.calendar
        steps = both - panel.offsets[series][:, None]
        inside = steps < (offsets[series + 1] - offsets[series])[:, None]
        batch["calendar"] = take_calendar((features, offsets), series, steps, inside)
    batch |= windows.of_series(series)
    return batch | {"length": lengths.astype(np.int32)}


class Schedule:
    """Which stretch each lane of a batch reads, batch after batch, pass after pass over the pieces.

    Pieces are visited in an order of their own in every pass, each from another row on, and cut into stretches of
    ``chunk`` rows; shorter pieces are one stretch. All of them in one line are dealt to the lanes in equal parts, so
    that a lane goes through neighbouring stretches; it begins anew where a piece or its part of the line begins.

    Args:
        pieces: To read.
        chunk: Rows of a stretch.
        lanes: Stretches of a batch, at most as many as there are stretches.
        seed: Seed of order and first rows.

    Example:
        >>> pieces = Pieces(np.array([0]), np.array([0]), np.array([9]))
        >>> schedule = Schedule(pieces, chunk=2, lanes=2, seed=0)
        >>> [schedule.batch(i).begins.tolist() for i in range(2)], schedule.batch(0).fresh.tolist()
        ([[1, 5], [3, 7]], [1, 1])
    """

    def __init__(self, pieces: Pieces, chunk: int, lanes: int, seed: int):
        self.pieces, self.chunk, self.lanes, self.seed = pieces, chunk, lanes, seed
        self._passes: dict[int, Stretches] = {}

    @cached_property
    def counts(self) -> np.ndarray:
        """Stretches of each piece."""
        return np.maximum(self.pieces.lengths // self.chunk, 1)

    @property
    def batches(self) -> int:
        """Batches of a pass."""
        return int(self.counts.sum()) // self.lanes

    def batch(self, number: int) -> Stretches:
        """Return the stretches of a batch, one a lane."""
        which, place = divmod(number, self.batches)
        if which not in self._passes:
            self._passes = {which: self._deal(which)}
        return self._passes[which].select(np.arange(self.lanes) * self.batches + place)

    def _deal(self, number: int) -> Stretches:
        """Lay out the stretches of a pass, lane after lane."""
        pieces, lengths = self.pieces, self.pieces.lengths
        visits = order(len(pieces), self.seed, number)
        draw = np.random.default_rng((self.seed, number, 1))
        shifts = draw.integers(0, np.where(lengths < self.chunk, 0, lengths % self.chunk) + 1)
        which = np.repeat(visits, self.counts[visits])
        place = np.concatenate([np.arange(n) for n in self.counts[visits]])
        line = Stretches(
            pieces.series[which],
            pieces.begins[which] + shifts[which] + place * self.chunk,
            np.minimum(lengths[which], self.chunk),
            place,
        )
        line = line.select(np.arange(self.lanes * self.batches))
        # How many stretches a lane has gone through since it began anew.
        since = np.minimum(line.since, np.arange(len(line.since)) % self.batches)
        return Stretches(line.series, line.begins, line.lengths, since)


@dataclass(frozen=True, eq=False)
class Stretches:
    """Stretches of rows, one a lane.

    Args:
        series: Series number of each.
        begins: Absolute first row.
        lengths: Rows.
        since: Stretches that the lane has read of the piece before.
    """

    series: np.ndarray
    begins: np.ndarray
    lengths: np.ndarray
    since: np.ndarray

    @property
    def fresh(self) -> np.ndarray:
        """1 where a lane begins anew, int32."""
        return (self.since == 0).astype(np.int32)

    def select(self, which: Sequence[int] | np.ndarray) -> Stretches:
        """Keep only those with these numbers."""
        return Stretches(*(values[which] for values in (self.series, self.begins, self.lengths, self.since)))
