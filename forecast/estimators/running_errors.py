"""Errors of forecasts of the mean of the next rows, each made by networks that had not learned from the row.

A window is scaled by what a long context up to its end shows (``LocalWindows``), and bent, so that a series that was
never seen is judged like any other, and one burst does not drown the rest. Errors are told on that scale; what was
expected, and the band around it, are led back to the units of the values.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import keras
import numpy as np
from numpy.typing import NDArray

from forecast.data.local_windows import LocalWindows
from forecast.data.panel import Panel
from forecast.detection.streams import Scores, Stream, ensemble
from forecast.estimators.blocks import Block, Tuned, Weights, judges, learn_blocks, plan_of
from forecast.models.losses import DistributionLoss
from forecast.models.running import RunningSpec, build_running
from forecast.training.course import Listeners
from forecast.training.fine_tuning import WINDOWS, Lesson, Lessons
from forecast.training.fit import compile_model
from forecast.training.running import (
    TOGETHER,
    bend,
    bent_rows,
    forecast_running,
    means_behind,
    running_examples,
    straighten,
    windows_for,
)
from forecast.training.window_batches import Examples, WindowBatches

Floats = NDArray[np.float64]

REACH = 1_000
"""Rows up to its end that a window is scaled by."""

LOSS = DistributionLoss("student")

_BATCH = 128
_RATE = 8e-3
_BLOCK = 8_192


@dataclass(frozen=True)
class Running:
    """A kind of network.

    Args:
        spec: Sizes of its windows, and the seed.
        cell: ``"rnn"``, ``"lstm"`` or ``"gru"``.
        units: Width.
    """

    spec: RunningSpec
    cell: str
    units: int

    def build(self, seed: int) -> keras.Model:
        """Build a network with first weights of its own."""
        return build_running(replace(self.spec, seed=seed), cell=self.cell, units=self.units)

    def windows(self, panel: Panel) -> LocalWindows:
        """Return the windows of a panel."""
        return windows_for(panel, self.spec.rows, REACH, max(self.spec.horizons))

    def ends(self, panel: Panel) -> NDArray[np.int64]:
        """Return the rows up to which windows to learn from are scaled."""
        return np.flatnonzero(~np.isnan(panel.targets).all(axis=1))


@dataclass(frozen=True, eq=False)
class RunningErrors:
    """Networks of one kind; their errors are what is looked at.

    Args:
        recipe: Their kind.
        blocks: In order of time.
        program: The network that runs any of them: what is compiled is compiled once.
    """

    recipe: Running
    blocks: tuple[Block, ...]
    program: keras.Model = field(repr=False)

    @property
    def horizons(self) -> tuple[int, ...]:
        """Rows whose mean is forecast."""
        return self.recipe.spec.horizons

    @property
    def lookback(self) -> int:
        """Rows before a row that its scores look at."""
        return max(REACH, self.recipe.spec.rows) + TOGETHER + max(self.horizons)

    @property
    def horizon(self) -> int:
        """Rows that a forecast reaches ahead."""
        return max(self.horizons)

    def scores(
        self, panel: Panel, begins: NDArray[np.int64], had: NDArray[np.int64], tuned: Tuned | None = None
    ) -> list[Scores]:
        """Score the rows of each series.

        Args:
            panel: Series with their history.
            begins: Rows of training before the first of each series; many for rows that are all behind the training.
            had: First row of each series to score, those before are its history.
            tuned: Networks fine-tuned to the series, of a panel of one.

        Returns:
            NaN where a row is missing or nothing was expected.
        """
        windows, channels = self.recipe.windows(panel), len(panel.columns.target)
        shape = (panel.rows, len(self.horizons), channels)
        expected, actual = np.full((len(self.blocks[0].networks), *shape), np.nan), np.full(shape, np.nan)
        series = np.repeat(np.arange(len(panel)), panel.lengths)
        place = np.arange(panel.rows) - panel.offsets[series] + begins[series]
        # Counted from the first row of a series, however rows are handed over: rows forecast behind by one window.
        firsts = np.maximum(np.arange(panel.rows) - place % TOGETHER, panel.offsets[series])
        asked = np.arange(panel.rows) >= (panel.offsets[:-1] + had - self.horizon)[series]
        seen = asked & (windows.known > 0)
        for mine, who in judges(self.blocks, panel, series, place, tuned):
            mine = mine[seen[mine] & (windows.known[firsts[mine]] > 0)]
            for start in range(0, len(mine), _BLOCK):
                part = mine[start : start + _BLOCK]
                ends, window = np.unique(firsts[part], return_inverse=True)
                bent = bent_rows(windows, ends)[:, : self.recipe.spec.rows]
                for member, networks in enumerate(who):
                    made = np.mean([self._forecast(weights, bent) for weights in networks], axis=0)
                    expected[member, part] = made[window, part - ends[window]]
        # A context that is constant is expected to stay so.
        expected = np.where(windows.constant[firsts][:, None] & ~np.isnan(expected), 0.0, expected)
        # Errors are told on the scale of the row that was forecast from, not of the first of those that go together.
        scale = windows.centre[:, None], windows.unit[:, None]
        expected = bend(
            straighten(expected, windows.centre[firsts][:, None], windows.unit[firsts][:, None]), *scale
        )
        for ends in np.split(np.flatnonzero(seen), np.arange(_BLOCK, seen.sum(), _BLOCK)):
            behind = bent_rows(windows, ends, windows.rows - 1)
            actual[ends] = np.stack(
                [means_behind(behind[:, : h + 1], h)[:, 0] for h in self.horizons], axis=1
            )
        scale = windows.centre, windows.unit
        return [
            ensemble([self._of(panel, i, scale, made, actual) for made in expected]).behind(int(had[i]))
            for i in range(len(panel))
        ]

    def lessons(self, panel: Panel, recent: int) -> Lessons | None:
        """Return what draws a step of fine-tuning from the newest rows of a series; None if there are none."""
        windows, ends = self.recipe.windows(panel), self.recipe.ends(panel)
        ends = ends[ends >= panel.rows - recent]

        def drawn(draw: np.random.Generator) -> list[Lesson]:
            examples = running_examples(windows, draw.choice(ends, WINDOWS), self.horizons)
            return [Lesson(self.program, LOSS, examples)]

        return drawn if len(ends) else None

    def _forecast(self, weights: Weights, bent: Floats) -> Floats:
        self.program.set_weights(weights)
        return forecast_running(self.program, bent)

    def _of(
        self, panel: Panel, i: int, scale: tuple[Floats, Floats], expected: Floats, actual: Floats
    ) -> Scores:
        """Bring the forecasts of a series to the rows at which they are judged."""
        span = slice(panel.offsets[i], panel.offsets[i + 1])
        rows, channels = panel.targets[span].shape
        names, parts = [], []
        for j, h in enumerate(self.horizons):
            # Origin, mean and unit of what is judged in row t are those of row t - h.
            moved = [
                np.concatenate([np.full((min(h, rows), channels), np.nan), values[span][: max(rows - h, 0)]])
                for values in (expected[:, j], actual[:, j], *scale)
            ]
            made, truth, centre, unit = (np.where(np.isnan(panel.targets[span]), np.nan, x) for x in moved)
            with np.errstate(over="ignore", invalid="ignore"):
                parts.append(
                    (
                        np.abs(truth - made),
                        straighten(made, centre, unit),
                        straighten(truth, centre, unit),
                        centre,
                        unit,
                    )
                )
            names += [Stream(channel, "forecast", h) for channel in panel.columns.target]
        return Scores(tuple(names), *(np.concatenate([part[k] for part in parts], axis=1) for k in range(5)))


def learn_running_errors(
    panel: Panel, recipe: Running, *, folds: int, members: int, steps: int, listeners: Listeners
) -> RunningErrors:
    """Train networks for each block of rows, on the rows of the other blocks.

    Args:
        panel: Rows to learn from.
        recipe: Kind of network.
        folds: Blocks.
        members: Networks of each, by seed.
        steps: Optimiser steps of each network.
        listeners: Progress and interruption.

    Raises:
        InputError: There is no window to learn from.
        TrainingDiverged: A loss became non-finite.
    """
    program, plan = recipe.build(recipe.spec.seed), plan_of(steps, _BATCH, _RATE)
    compile_model(program, LOSS, plan)

    def batches(rest: Panel) -> Callable[[int], WindowBatches]:
        windows, ends = recipe.windows(rest), recipe.ends(rest)

        def examples(ends: NDArray[np.int64], *_: int) -> Examples:
            return running_examples(windows, ends, recipe.spec.horizons)

        return lambda seed: WindowBatches(windows, ends, plan.batch_size, plan.steps, seed, examples)

    # What is forecast from the last rows of a block lies behind it.
    blocks = learn_blocks(
        panel,
        program,
        recipe.build,
        batches,
        plan,
        folds=folds,
        members=members,
        seed=recipe.spec.seed,
        before=0,
        after=max(recipe.spec.horizons),
        listeners=listeners,
    )
    return RunningErrors(recipe, blocks, program)
