"""A stateful network in NumPy, one row at a time: ``(row, state)`` to ``(forecast, next state)``, for many series.

What ``models.stateful`` does with rows side by side is done here row by row, with the same weights, and nothing heavier
than NumPy is imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from forecast.runner.cells import Weights, make_cells
from forecast.runner.head import Head, raw, transformed
from forecast.runner.memory import Memories, Memory, Scaling

if TYPE_CHECKING:
    from forecast.models.spec import Spec

Floats = NDArray[np.floating[Any]]
Which = slice | NDArray[np.int64]
EVERY = slice(None)
MEMORY = "memory"


class Steps:
    """States of some series, and the step from each to the next.

    Args:
        spec: Of the network; its head is quantiles or points.
        options: Of ``build_stateful``; what is not given is as there.
        weights: Of each layer by its name, as ``layer.get_weights()`` returns them.
        starts: First states by name, without the axis of the series (see ``models.forms.Carried``).
        series: Number of series.
    """

    def __init__(
        self,
        spec: Spec,
        options: Mapping[str, Any],
        weights: Weights,
        starts: Mapping[str, np.ndarray],
        series: int = 1,
    ):
        self.spec, self.weights, self.starts, self.series = spec, weights, starts, series
        self.sequences = spec.targets if spec.apart else 1
        rows = series * self.sequences
        self.single = rows * spec.channels == 1
        lead = () if self.single else (rows,)
        given = {name: options[name] for name in ("memory", "smoothing") if name in options}
        scaling = Scaling(spec.anchor, spec.horizon, spec.period, **given)
        self.memory = Memory(scaling) if self.single else Memories(scaling, rows, spec.channels)
        self.cells = make_cells(options, weights, lead)
        self.head = Head(spec, weights, self.cells[-1].units)
        self.told: Floats | None = None
        self.reset(EVERY)

    def describe(self, inputs: Mapping[str, np.ndarray]) -> None:
        """Set what is constant in the series: ``static``, ``categories``, ``series`` as ``Windows.inputs`` has them."""
        spec, parts = self.spec, []
        if spec.static:
            parts.append(inputs["static"])
        for j, size in enumerate(spec.categories):
            parts.append(self.weights[f"category_{j}"][0][np.clip(inputs["categories"][:, j], 0, size - 1)])
        if spec.series:
            parts.append(self.weights["series_vector"][0][np.clip(inputs["series"], 0, spec.series)])
        if parts:
            told = self.head.told(np.concatenate(parts, axis=-1, dtype=np.float32))
            self.told = told[0] if self.single else np.repeat(told, self.sequences, axis=0)

    def stand(self, states: Mapping[str, np.ndarray], which: Which = EVERY) -> None:
        """Set states by name ``(series, sequences, …)``, as a ``Standpoint`` holds them."""
        rows = self._rows(which)
        memory = np.asarray(states[MEMORY], np.float64)
        self.memory.put(rows, memory.reshape(-1, *memory.shape[2:]))
        for name, held in self._hidden():
            held[... if self.single else rows] = states[name].reshape(-1, held.shape[-1])

    def states(self) -> dict[str, np.ndarray]:
        """Return all states by name ``(series, sequences, …)``, as a ``Standpoint`` holds them."""
        shape = (self.series, self.sequences)
        found = {MEMORY: self.memory.get()} | {name: np.atleast_2d(held) for name, held in self._hidden()}
        return {name: values.reshape(*shape, *values.shape[1:]).copy() for name, values in found.items()}

    def reset(self, which: Which) -> None:
        """Begin anew."""
        count = len(range(self.series)[which]) if isinstance(which, slice) else len(which)
        self.stand(
            {name: np.repeat(start[None], count, axis=0) for name, start in self.starts.items()}, which
        )

    def advance(
        self, which: Which, values: Any, *, past: Floats | None = None, known: Floats | None = None
    ) -> None:
        """Read the next row of some series.

        Args:
            which: Numbers of the series, each once.
            values: Raw targets ``(series, targets)``, NaN where missing; a single series of one target takes a number.
            past: Raw past-only columns ``(series, columns)``.
            known: Raw known-ahead columns and calendar features of that row ``(series, columns)``.
        """
        if self.single:
            self._advance_one(values, past, known)
            return
        values = transformed(self.spec, np.asarray(values, np.float64)).reshape(-1, self.spec.channels)
        rows, missing = self._rows(which), np.isnan(values)
        if missing.any():
            # Before its first value a series has no state; a value behind a long gap begins a new one.
            begun = self._any(self.memory.begun(rows)) | self._any(~missing)
            if not begun.all():
                which = np.arange(self.series)[which][begun]
                rows, values = self._rows(which), values[np.repeat(begun, self.sequences)]
                past, known = (None if part is None else part[begun] for part in (past, known))
                if not len(which):
                    return
        gap = self.memory.since(rows).reshape(-1, self.sequences * self.spec.channels).min(axis=1)
        over = (gap >= self.spec.context) & self._any(~np.isnan(values))
        if over.any():
            self.reset(np.arange(self.series)[which][over])
        features = self.memory.observe(rows, values)
        self._read(rows, [*features, *self._covariates(past, known)])

    def forecast(self, which: Which = EVERY, known: Floats | None = None) -> Floats:
        """Forecast the rows behind the newest one of some series.

        Args:
            which: Numbers of the series.
            known: Raw known-ahead columns and calendar features of those rows ``(series, horizon, columns)``.

        Returns:
            ``(series, horizon, targets[, quantiles])``, float64; NaN before the first value.
        """
        spec, (found, level, unit) = self.spec, self.scaled(which, known)
        if spec.quantiles and not isinstance(level, float):
            level = level[..., None]
        if spec.quantiles and not isinstance(unit, float):
            unit = unit[..., None]
        found = level + unit * found
        if self.single:
            return raw(spec, found[None])
        found = found.reshape(-1, self.sequences, *found.shape[1:])
        return raw(spec, np.moveaxis(found[:, :, :, 0], 1, 2) if spec.apart else found[:, 0])

    def scaled(self, which: Which = EVERY, known: Floats | None = None) -> tuple[Floats, Any, Any]:
        """Forecast in units of the scale: what ``Head`` returns, level and unit, a sequence a row."""
        state, told, rows = self.cells[-1].state_and_one, self.told, self._rows(which)
        if not isinstance(rows, slice):
            state, told = state[rows], None if told is None else told[rows]
        ahead = None if known is None else self._laid(self._scaled(known))
        return self.head(state, told, ahead), self.memory.levels(rows), self.memory.units(rows)

    def _advance_one(self, value: Any, past: Floats | None, known: Floats | None) -> None:
        value = value if isinstance(value, float) else float(np.reshape(value, ()))
        if self.spec.transform != "none":
            value = float(transformed(self.spec, np.array([value]))[0])
        held = self.memory.held
        if value != value:
            if not held.values:
                return
        elif held.since >= self.spec.context:
            self.reset(EVERY)
        self._read(EVERY, [self.memory.observe(EVERY, value), *self._covariates(past, known)])

    def _read(self, rows: Which, parts: list[Any]) -> None:
        """Go through the layers."""
        for cell in self.cells:
            cell.advance(rows, parts)
            parts = [cell.state if isinstance(rows, slice) else cell.state[rows]]

    def _covariates(self, past: Floats | None, known: Floats | None) -> list[Floats]:
        """Scale the covariates of a row, for each sequence."""
        found = [] if past is None else [_standard(past, self.weights["past_only_scale"])]
        if known is not None:
            found.append(self._scaled(known))
        return [self._laid(part) for part in found]

    def _scaled(self, known: Floats) -> Floats:
        """Scale known-ahead columns; calendar features behind them are taken as they are."""
        count = self.spec.known_future
        if not count:
            return known
        scaled = _standard(known[..., :count], self.weights["known_future_scale"])
        return np.concatenate([scaled, known[..., count:]], axis=-1)

    def _laid(self, values: Floats) -> Floats:
        """Give what belongs to a series to each of its sequences."""
        return values[0] if self.single else np.repeat(values, self.sequences, axis=0)

    def _rows(self, which: Which) -> Which:
        """Return the rows of memory and states that belong to series: a sequence a row."""
        if (isinstance(which, slice) and which == EVERY) or self.single:
            return EVERY
        numbers = np.arange(self.series)[which]
        return (numbers[:, None] * self.sequences + np.arange(self.sequences)).reshape(-1)

    def _any(self, values: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Say for each series whether something holds in any sequence or channel of it."""
        return np.any(values.reshape(-1, self.sequences * self.spec.channels), axis=1)

    def _hidden(self) -> list[tuple[str, Floats]]:
        return [
            (f"state_{i + 1}_{j + 1}", held)
            for i, cell in enumerate(self.cells)
            for j, held in enumerate(cell.states)
        ]


def _standard(values: Floats, weights: Any) -> Floats:
    scaled = (values - weights[0]) / weights[1]
    return np.where(np.isnan(scaled), 0.0, scaled)
