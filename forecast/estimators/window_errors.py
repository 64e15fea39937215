"""How badly networks make windows again that end at a row, each by networks that had not learned from the row.

A window is scaled by what it and a longer context before it show (``LocalWindows``), so a series that was never seen is
judged like any other, and a context that is constant is expected to stay so. Nothing behind a row is looked at: what is
said of it comes from the window that ends there, or one row before. Windows that reach before a series' first row, or
into missing rows, are read with a mark of what is known. Of missing rows nothing is said.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import keras
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from forecast.data.local_windows import LocalWindows
from forecast.data.panel import Panel
from forecast.detection.streams import Scores, Stream, ensemble
from forecast.estimators.blocks import Block, Tuned, Weights, judges, learn_blocks, plan_of
from forecast.models.autoencoder import WindowSpec, build_autoencoder, build_variational
from forecast.models.draws import common_noise
from forecast.models.losses import DistributionLoss, PointLoss
from forecast.training.course import Listeners
from forecast.training.fine_tuning import WINDOWS, Lesson, Lessons
from forecast.training.fit import compile_model
from forecast.training.reconstructing import make_windows_again, window_examples
from forecast.training.window_batches import Examples, WindowBatches

Floats = NDArray[np.float64]

METHODS = ("reconstruction", "variational", "joint")
"""Methods whose networks make windows again."""

REACH = 4
"""Windows of context that a window is scaled by, itself included."""
DRAWS = 4
"""Codes that the likelihood of a row is averaged over, spread evenly (a Latin hypercube)."""

_BATCH = 64
_RATE = 1e-2
_BLOCK = 16_384


@dataclass(frozen=True)
class Recipe:
    """A kind of network.

    Args:
        method: One of ``METHODS``.
        spec: Sizes of its windows, and the seed.
        cell: ``"rnn"``, ``"lstm"`` or ``"gru"``.
        units: Width.
        code: Numbers that a window is pressed into.
        bidirectional: Whether windows are read and made in both directions.
    """

    method: str
    spec: WindowSpec
    cell: str
    units: int
    code: int
    bidirectional: bool

    @property
    def noisy(self) -> bool:
        """Whether codes are drawn, and rows come with a scale."""
        return self.method == "variational"

    @property
    def draws(self) -> int:
        """Numbers drawn for each window while learning."""
        return self.code if self.noisy else 0

    @property
    def loss(self) -> keras.Loss:
        """What training lowers."""
        return DistributionLoss("normal") if self.noisy else PointLoss("mae")

    def build(self, seed: int) -> keras.Model:
        """Build a network with first weights of its own."""
        build = build_variational if self.noisy else build_autoencoder
        options = {"cell": self.cell, "units": self.units, "code": self.code}
        return build(replace(self.spec, seed=seed), **options, bidirectional=self.bidirectional)

    def windows(self, panel: Panel) -> LocalWindows:
        """Return the windows of a panel."""
        return LocalWindows(panel, self.spec.rows, REACH * self.spec.rows, self.spec.beyond)

    @property
    def noise(self) -> Floats | None:
        """Draws that every window is judged by, ``(draws, code)``; the same ones always, so that scores are too."""
        if not self.noisy:
            return None
        return ndtri(common_noise(self.spec.seed, 1, DRAWS, self.code, 1)[0, :, :, 0])

    def streams(self, channels: tuple[str, ...]) -> list[tuple[Stream, ...]]:
        """Return what is looked at, in the order of ``_judged``; a stream for each channel."""
        kind = "likelihood" if self.noisy else "reconstruction"
        names = [(kind, 1), (kind, self.spec.rows)]
        if self.spec.beyond:
            names += [("forward", 1), ("backward", 1)]
        return [tuple(Stream(channel, kind, rows) for channel in channels) for kind, rows in names]


@dataclass(frozen=True, eq=False)
class WindowErrors:
    """Networks of one kind; their errors are what is looked at.

    Args:
        recipe: Their kind.
        blocks: In order of time.
        program: The network that runs any of them: what is compiled is compiled once.
    """

    recipe: Recipe
    blocks: tuple[Block, ...]
    program: keras.Model = field(repr=False)

    @property
    def lookback(self) -> int:
        """Rows before a row that its scores look at."""
        return REACH * self.recipe.spec.rows

    @property
    def horizon(self) -> int:
        """Rows that are forecast ahead at most."""
        return 1

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
            NaN where a row is missing or was not expected to be anything.
        """
        windows, names = self.recipe.windows(panel), self.recipe.streams(panel.columns.target)
        shape = (len(self.blocks[0].networks), 3, panel.rows, len(names), len(panel.columns.target))
        found = np.full(shape, np.nan)
        series = np.repeat(np.arange(len(panel)), panel.lengths)
        place = np.arange(panel.rows) - panel.offsets[series] + begins[series]
        asked = np.arange(panel.rows) >= (panel.offsets[:-1] + had - self.horizon)[series]
        for mine, who in judges(self.blocks, panel, series, place, tuned):
            mine = mine[asked[mine]]
            for first in range(0, len(mine), _BLOCK):
                ends = mine[first : first + _BLOCK]
                for member, networks in enumerate(who):
                    made = self._made(networks, windows, ends)
                    found[member, :, ends] = _judged(self.recipe, windows, ends, made).swapaxes(0, 1)
        if self.recipe.spec.beyond:
            # What a window expects behind itself is judged one row later.
            behind = found[:, :, :-1, 2].copy()
            found[:, :, 1:, 2], found[:, :, panel.offsets[:-1], 2] = behind, np.nan
        found = np.where(np.isnan(panel.targets)[:, None], np.nan, found).reshape(*shape[:3], -1)
        streams = tuple(stream for part in names for stream in part)
        spans = [slice(panel.offsets[i] + had[i], panel.offsets[i + 1]) for i in range(len(panel))]
        return [ensemble([Scores(streams, *member[:, span]) for member in found]) for span in spans]

    def lessons(self, panel: Panel, recent: int) -> Lessons | None:
        """Return what draws a step of fine-tuning from the newest rows of a series; None if there are none."""
        windows = self.recipe.windows(panel)
        ends = np.flatnonzero(windows.known)
        ends = ends[ends >= panel.rows - recent]

        def drawn(draw: np.random.Generator) -> list[Lesson]:
            examples = window_examples(windows, draw.choice(ends, WINDOWS), draw, self.recipe.draws)
            return [Lesson(self.program, self.recipe.loss, examples)]

        return drawn if len(ends) else None

    def _made(self, who: list[Weights], windows: LocalWindows, ends: NDArray[np.int64]) -> Floats:
        """Let networks make windows again: ``(windows, draws of all networks, made, channels[, 2])``."""
        parts = []
        for weights in who:
            self.program.set_weights(weights)
            parts.append(make_windows_again(self.program, windows, ends, self.recipe.noise))
        return np.concatenate(parts, axis=1)


def learn_window_errors(
    panel: Panel,
    recipe: Recipe,
    *,
    folds: int,
    members: int,
    steps: int,
    listeners: Listeners,
) -> WindowErrors:
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
    program, plan, spec = recipe.build(recipe.spec.seed), plan_of(steps, _BATCH, _RATE), recipe.spec
    compile_model(program, recipe.loss, plan)

    def batches(rest: Panel) -> Callable[[int], WindowBatches]:
        windows = recipe.windows(rest)
        ends = np.flatnonzero(windows.known)

        def drawn(seed: int) -> WindowBatches:
            def examples(ends: NDArray[np.int64], *place: int) -> Examples:
                return window_examples(windows, ends, np.random.default_rng((seed, *place)), recipe.draws)

            return WindowBatches(windows, ends, plan.batch_size, plan.steps, seed, examples)

        return drawn

    # A window that ends in a block reaches back before it, and what is expected behind one ends a row after it.
    blocks = learn_blocks(
        panel,
        program,
        recipe.build,
        batches,
        plan,
        folds=folds,
        members=members,
        seed=spec.seed,
        before=spec.rows,
        after=1,
        listeners=listeners,
    )
    return WindowErrors(recipe, blocks, program)


def _judged(recipe: Recipe, windows: LocalWindows, ends: NDArray[np.int64], made: Floats) -> Floats:
    """Set what was made beside what is there.

    Returns:
        Scores, expected and actual values ``(3, windows, streams, channels)``; of what is expected behind a window in
        the row where that window ends.
    """
    beyond, rows = recipe.spec.beyond, recipe.spec.rows
    constant, actual = windows.constant[ends][:, None], windows.raw(ends)
    made = np.where((windows.known[ends] > 0).reshape(-1, *[1] * (made.ndim - 1)), made, np.nan)
    if recipe.noisy:
        scores, expected = _surprise(
            windows.scaled(ends), np.where(constant[:, None, ..., None], [0.0, 1.0], made)
        )
        expected = windows.restored(expected, ends)
    else:
        expected = windows.restored(np.where(constant, 0.0, made.mean(axis=1)), ends)
        scores = np.abs(actual - expected)
    every = np.stack([scores, expected, actual])
    own = every[:, :, beyond : beyond + rows]
    known = ~np.isnan(own[2])
    means = np.where(known, own, 0.0).sum(axis=2) / np.maximum(known.sum(axis=1), 1)
    # The mean of a distance is no less than the distance of the means: a pattern may be wrong at the right level.
    means = np.where(2 * known.sum(axis=1) >= rows, means, np.nan)
    parts = [own[:, :, -1], means]
    if beyond:
        parts += [every[:, :, -1], every[:, :, 0]]
    return np.stack(parts, axis=2)


def _surprise(actual: Floats, made: Floats) -> tuple[Floats, Floats]:
    """Return the mean negative log density of rows over draws, and the value at which it is least.

    As a mean of squares it is one square around the mean of the draws weighted by their precision.

    Args:
        actual: ``(windows, made, channels)``, scaled.
        made: Mean and scale by draw ``(windows, draws, made, channels, 2)``.

    Source:
        An and Cho (2015), "Variational autoencoder based anomaly detection using reconstruction probability".
    """
    mean, scale = made[..., 0], made[..., 1]
    precision = 1 / np.square(scale)
    with np.errstate(over="ignore"):
        square = precision * np.square(actual[:, None] - mean)
    each = 0.5 * square + np.log(scale) + 0.5 * np.log(2 * np.pi)
    return each.mean(axis=1), (precision * mean).sum(axis=1) / precision.sum(axis=1)
