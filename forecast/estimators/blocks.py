"""Blocks of rows, each judged by networks that learned from the others.

The rows to learn from are cut into blocks in time, and for each block networks learn from the others: their errors
there are those of rows they have not seen, as all later errors will be. Later rows are judged by the networks of all
blocks. Errors of rows that a network learned from are smaller than those to come: alarms ranked among them are too
many.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.data.panel import Panel, frozen


@dataclass(frozen=True, eq=False)
class Block:
    """Networks that have not learned from the rows of a block.

    Args:
        networks: They judge the rows of the block; rows behind the last are judged by those of all blocks.
        stop: Row behind the block in each series, counted from its first; by id of the series.
    """

    networks: tuple[Any, ...]
    stop: dict


def left_out(panel: Panel, folds: int, *, before: int = 0, after: int = 0) -> Iterator[tuple[Panel, dict]]:
    """Take the targets of one block after the other away.

    Args:
        panel: Rows to learn from.
        folds: Blocks.
        before: Rows before a block that go with it.
        after: Rows behind a block that go with it.

    Returns:
        Of each block, what is left to learn from and the ``stop`` of the block.
    """
    edges = np.linspace(0, 1, folds + 1)
    lengths = panel.ends - panel.offsets[:-1]
    for k in range(folds):
        low, high = (edges[[k, k + 1]][:, None] * lengths).astype(np.int64)
        rest = _without(panel, low - before, high + (0 if k + 1 == folds else after))
        yield rest, dict(zip(panel.ids, high.tolist(), strict=True))


def judges(
    blocks: tuple[Block, ...], panel: Panel, series: NDArray[np.int64], place: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], list[Any]]]:
    """Say who judges which rows.

    Args:
        blocks: In order of time.
        panel: Whose rows they are.
        series: Number of the series of each row.
        place: Of each row, counted from the first row of training of its series.

    Returns:
        Numbers of rows, and the networks that judge them.
    """
    block = sum(
        (place >= np.array([one.stop.get(name, 0) for name in panel.ids])[series]).astype(int)
        for one in blocks
    )
    for number in np.unique(block):
        who = [network for one in blocks for network in one.networks]
        if number < len(blocks):
            who = list(blocks[number].networks)
        yield np.flatnonzero(block == number), who


def _without(panel: Panel, low: NDArray[np.int64], high: NDArray[np.int64]) -> Panel:
    """Take the targets of some rows of each series away."""
    place = np.arange(panel.rows) - np.repeat(panel.offsets[:-1], panel.lengths)
    hidden = (place >= np.repeat(low, panel.lengths)) & (place < np.repeat(high, panel.lengths))
    values = panel.values.copy()
    values[hidden, : len(panel.columns.target)] = np.nan
    return replace(panel, values=frozen(values))
