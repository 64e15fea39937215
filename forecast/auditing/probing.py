"""Move one input at a time by a typical error, and measure which forecast steps move with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from forecast.auditing.reactions import LEAST_REACTION, Reactions
from forecast.auditing.subjects import Covariate, Inputs, Subject, full_windows
from forecast.data.windows import Windows

Floats = NDArray[np.float64]

MOST_LAGS = 64


def measure(subject: Subject, *, seed: int) -> Reactions:
    """Probe a sample of windows of a subject.

    Contexts of more than 64 rows are probed at 64 lags, evenly, the newest and the oldest among them; where
    a step does not react to the newest, every lag up to the first it reacts to.
    """
    probe = Probe(subject, full_windows(subject.windows).thin(subject.sample))
    context = subject.windows.context
    lags = np.unique(np.linspace(1, context, min(context, MOST_LAGS)).round().astype(np.int64))
    moved = probe.moves([probe.lag_moved(lag) for lag in lags])
    reacting = probe.reacting(moved)
    return Reactions(
        context=context,
        lags=lags,
        matrix=probe.per_unit(moved).mean(axis=-1),
        ignored=_ignored(probe, lags, reacting),
        covariates={c.name: probe.answer(c, seed) for c in subject.covariates},
        ahead={
            c.name: probe.answer(c, seed, ahead=True) for c in subject.covariates if c.role == "known_future"
        },
        idle=tuple(c.name for c in subject.covariates if c.spread == 0),
    )


def _ignored(probe: Probe, lags: np.ndarray, reacting: np.ndarray) -> NDArray[np.int64]:
    """Count the newest observations that no target's step reacts to; axes: steps."""
    context = probe.windows.context
    first = np.where(reacting.any(axis=0), lags[reacting.argmax(axis=0)], context + 1)
    far = first[(first > 1) & (first <= context)]
    if len(far):
        between = np.arange(1, far.max() + 1)
        fine = probe.reacting(probe.moves([probe.lag_moved(lag) for lag in between]))
        first = np.where(fine.any(axis=0), between[fine.argmax(axis=0)], first)
    return (first - 1).max(axis=-1)


@dataclass(frozen=True, eq=False)
class Probe:
    """Windows of a subject, and what is forecast for them at every place of a full batch.

    A changed window is compared with the unchanged one at the same place of a batch of the same size, so
    that an input without influence changes nothing, not even the last bit.
    """

    subject: Subject
    windows: Windows

    @cached_property
    def inputs(self) -> Inputs:
        """Unchanged inputs of the windows."""
        return self.windows.inputs(np.arange(len(self.windows)))

    @cached_property
    def together(self) -> int:
        """Changes that fit into one batch."""
        return max(self.subject.batch // len(self.windows), 1)

    @cached_property
    def sizes(self) -> Floats:
        """Typical error; axes: windows, targets."""
        return self.windows.scales[self.windows.series]

    @cached_property
    def unchanged(self) -> Floats:
        """Forecasts of the windows at every place; axes: changes, windows, horizon, targets, levels."""
        return self._run([{}] * self.together)

    @cached_property
    def least(self) -> Floats:
        """Moves up to this are none: what float32 holds, or what a place in the batch makes; axes: windows, targets."""
        jitter = np.abs(self.unchanged - self.unchanged[:1]).max(axis=(0, 2, 4), initial=0.0)
        return np.maximum(LEAST_REACTION * self.sizes, 2 * np.nan_to_num(jitter))

    def moves(self, changes: list[Inputs]) -> Floats:
        """Forecast with changed inputs; return absolute moves, axes: changes, windows, horizon, targets, levels."""
        parts = [np.abs(self._run(part) - self.unchanged[: len(part)]) for part in self._batches(changes)]
        return np.nan_to_num(np.concatenate(parts))

    def reacting(self, moves: Floats) -> NDArray[np.bool_]:
        """Say which steps and targets moved in any window, at any level; axes: changes, horizon, targets."""
        return (moves.max(axis=-1) > self.least[:, None, :]).any(axis=1)

    def per_unit(self, moves: Floats) -> Floats:
        """Mean move of the middle level in units of the push; axes: changes, horizon, targets."""
        middle = moves[..., self.subject.middle]
        real = np.where(middle > self.least[:, None, :], middle, 0.0)
        return (real / self.sizes[:, None, :]).mean(axis=1)

    def lag_moved(self, lag: int) -> Inputs:
        """Move one observation of every target by a typical error, up and down in turn, wherever it is shown."""
        target = self.inputs["target"].copy()
        length = self.inputs.get("length", np.full(len(target), self.windows.context))
        place = length - lag
        which = np.flatnonzero(place >= 0)
        sign = 1.0 - 2.0 * ((np.arange(len(target))[:, None] + np.arange(target.shape[2])) % 2)
        level = np.nan_to_num(_row_means(target))
        old = target[which, place[which]]
        new = np.where(np.isnan(old), level[which], old) + (sign * self.sizes)[which]
        target[which, place[which]] = new
        changed = {"target": target}
        if "lagged" in self.inputs:
            changed["lagged"] = self._lagged(new, which, place[which], length[which])
        return changed

    def _lagged(self, new: Floats, which: np.ndarray, place: np.ndarray, length: np.ndarray) -> Floats:
        """Show an observation of the context anew beside each later row that one of the lags leads to it."""
        lagged, context = self.inputs["lagged"].copy(), self.windows.context
        for k, lag in enumerate(self.windows.lags):
            later = place + lag
            # Rows of the horizon stand behind the whole context, however short the history is.
            column = np.where(later < length, later, context + later - length)
            inside = column < lagged.shape[1]
            shown = slice(k * new.shape[1], (k + 1) * new.shape[1])
            lagged[which[inside], column[inside], shown] = new[inside]
        return lagged

    def answer(self, covariate: Covariate, seed: int, *, ahead: bool = False) -> Floats:
        """Change a covariate and return how far each step moves, in typical errors; axes: steps."""
        moved = self.moves([covariate.changed(self.inputs, self.windows.context, seed, ahead=ahead)])
        return self.per_unit(moved)[0].max(axis=-1) * self.reacting(moved)[0].any(axis=-1)

    def _batches(self, changes: list[Inputs]) -> Iterator[list[Inputs]]:
        for begin in range(0, len(changes), self.together):
            yield changes[begin : begin + self.together]

    def _run(self, changes: list[Inputs]) -> Floats:
        full = [self.inputs | change for change in changes]
        full += [self.inputs] * (self.together - len(changes))
        joined = {name: np.concatenate([one[name] for one in full]) for name in self.inputs}
        forecasts = self.subject.raw(joined)
        return forecasts.reshape(self.together, len(self.windows), *forecasts.shape[1:])[: len(changes)]


def _row_means(target: np.ndarray) -> Floats:
    """Mean over the context, NaN where nothing is observed; axes: windows, targets."""
    known = ~np.isnan(target)
    count = known.sum(axis=1)
    return np.where(count > 0, np.where(known, target, 0.0).sum(axis=1) / np.maximum(count, 1), np.nan)
