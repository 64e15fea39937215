"""Blocks of rows, each judged by networks that learned from the others.

The rows to learn from are cut into blocks in time, and for each block networks learn from the others: their errors
there are those of rows they have not seen, as all later errors will be. Later rows are judged by the networks of all
blocks. Errors of rows that a network learned from are smaller than those to come: alarms ranked among them are too
many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import keras
import numpy as np
from numpy.typing import NDArray

from forecast.data.panel import Panel, frozen
from forecast.data.windows import check_positive
from forecast.errors import InputError
from forecast.models.inputs import layer_seed
from forecast.training.course import Listeners, Plan
from forecast.training.fit import forget_moments, train_batches
from forecast.training.window_batches import WindowBatches

Weights = list[np.ndarray]
"""A network, to the model that runs it."""


@dataclass(frozen=True, eq=False)
class Block:
    """Networks that have not learned from the rows of a block.

    Args:
        networks: Members of an ensemble. They judge the rows of the block; those behind the last block are judged by
            the mean of those of all blocks.
        stop: Row behind the block in each series, counted from its first; by id of the series.
    """

    networks: tuple[Weights, ...]
    stop: dict


@dataclass(frozen=True, eq=False)
class Tuned:
    """Networks that were fine-tuned to one series; by block, then by member, as those they began as.

    Args:
        since: Row of the series from which on they judge.
        now: Those networks.
        before: Those that judge the rows before, back to the end of training or the step before.
    """

    since: int
    now: tuple[tuple[Weights, ...], ...]
    before: tuple[tuple[Weights, ...], ...]


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
    blocks: tuple[Block, ...],
    panel: Panel,
    series: NDArray[np.int64],
    place: NDArray[np.int64],
    tuned: Tuned | None = None,
) -> Iterator[tuple[NDArray[np.int64], list[list[Weights]]]]:
    """Say who judges which rows: of an ensemble, each network of its own block or all blocks.

    Args:
        blocks: In order of time.
        panel: Whose rows they are.
        series: Number of the series of each row.
        place: Of each row, counted from the first row of training of its series.
        tuned: Networks fine-tuned to the series, of a panel of one.

    Returns:
        Numbers of rows; and by member of the ensemble, the networks whose mean judges them.
    """
    who: list[tuple[tuple[Weights, ...], ...]] = [(block.networks,) for block in blocks]
    stops = [np.array([block.stop.get(name, 0) for name in panel.ids])[series] for block in blocks]
    if tuned is None:
        who.append(tuple(block.networks for block in blocks))
    else:
        who += [tuned.before, tuned.now]
        stops.append(np.full(len(place), tuned.since))
    part = sum((place >= stop).astype(int) for stop in stops)
    for number in np.unique(part):
        yield np.flatnonzero(part == number), [list(own) for own in zip(*who[number], strict=True)]


def _without(panel: Panel, low: NDArray[np.int64], high: NDArray[np.int64]) -> Panel:
    """Take the targets of some rows of each series away."""
    place = np.arange(panel.rows) - np.repeat(panel.offsets[:-1], panel.lengths)
    hidden = (place >= np.repeat(low, panel.lengths)) & (place < np.repeat(high, panel.lengths))
    values = panel.values.copy()
    values[hidden, : len(panel.columns.target)] = np.nan
    return replace(panel, values=frozen(values))


def learn_blocks(
    panel: Panel,
    program: keras.Model,
    build: Callable[[int], keras.Model],
    batches: Callable[[Panel], Callable[[int], WindowBatches]],
    plan: Plan,
    *,
    folds: int,
    members: int,
    seed: int,
    before: int,
    after: int,
    listeners: Listeners,
) -> tuple[Block, ...]:
    """Train networks of one kind for each block of rows, on the rows of the other blocks.

    Args:
        panel: Rows to learn from.
        program: A compiled network, which runs the weights of all.
        build: Makes a network from a seed, for its first weights.
        batches: Of what is left of the panel, a function of the seed of their order.
        plan: How long and how fast.
        folds: Blocks.
        members: Networks of each, by seed.
        seed: That all others are drawn from.
        before: Rows before a block that its networks do not learn from either.
        after: Rows behind it.
        listeners: Progress and interruption.

    Raises:
        InputError: No row is left to learn from.
        TrainingDiverged: A loss became non-finite.
    """
    blocks = []
    for k, (rest, stop) in enumerate(left_out(panel, folds, before=before, after=after)):
        if np.isnan(rest.targets).all():
            raise InputError(
                "No row is left to learn from beside those that are judged; take --folds 2 or more."
            )
        draw, networks = batches(rest), []
        for member in range(members):
            own = layer_seed(seed, k * members + member)
            program.set_weights(build(own).get_weights())
            forget_moments(program)
            drawn = draw(own)
            train_batches(program, drawn, plan, listeners=listeners)
            networks.append(program.get_weights())
        blocks.append(Block(tuple(networks), stop))
    return tuple(blocks)


def plan_of(steps: int, batch_size: int, learning_rate: float) -> Plan:
    """Return a plan of so many steps without validation.

    Raises:
        ParameterError: ``steps`` is no positive number.
    """
    check_positive(steps=steps)
    epochs = min(steps, 10)
    return Plan(epochs, -(-steps // epochs), batch_size, learning_rate, patience=epochs)
