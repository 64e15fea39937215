"""What reads rows and forecasts behind them in a stream: a carried state, or the newest window of each series."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from forecast.data.panel import Panel
from forecast.data.windows import Windows
from forecast.estimators.network import Network
from forecast.estimators.outputs import as_levels
from forecast.models.forms import forms_of
from forecast.runner.steps import Steps, Which
from forecast.training.predict import forecast_batch

# Windows of a call: every call has one of these sizes, so that a few programs serve all.
SIZES = (1, 8, 64, 512)


class Engine(Protocol):
    """Reads rows of some series, and forecasts behind the newest one of each.

    Rows are raw: targets ``(series, targets)``; past-only columns, and known-ahead columns and calendar features side
    by side, likewise; None where there are none.
    """

    kind: str

    def advance(self, which: Which, values: Any, past: Any, known: Any) -> None:
        """Read the next row of some series."""
        ...

    def forecast(self, which: Which, ahead: Any) -> NDArray[np.float64]:
        """Forecast ``(series, horizon, targets, levels)``; ``ahead``: what is known ``(series, horizon, columns)``."""
        ...

    def states(self) -> dict[str, np.ndarray]:
        """Return what is kept of the rows read, by name; series first."""
        ...

    def stand(self, states: dict[str, np.ndarray]) -> None:
        """Set what is kept of the rows read by the first so many series."""
        ...


def make_engine(network: Network, panel: Panel, scales: np.ndarray) -> Engine:
    """Make an engine for the series of a panel, with their typical errors; it has read nothing yet."""
    described = network.windows(panel, first=panel.ends, scales=scales)
    return StateEngine(network, described) if network.stateful else WindowEngine(network, described)


class StateEngine:
    """A carried state that every row moves on once, in NumPy: constant time a row."""

    kind = "state"

    def __init__(self, network: Network, described: Windows):
        weights = {layer.name: layer.get_weights() for layer in network.model.layers}
        carried, series = forms_of(network.model).carried, np.arange(len(described.panel))
        assert carried is not None
        self.network = network
        self.steps = Steps(network.spec, network.architecture.options, weights, carried.starts, len(series))
        self.steps.describe(described.of_series(series))

    def advance(self, which: Which, values: Any, past: Any, known: Any) -> None:
        """Read the next row of some series."""
        self.steps.advance(which, values, past=past, known=known)

    def forecast(self, which: Which, ahead: Any) -> NDArray[np.float64]:
        """Forecast behind the newest row of some series."""
        spec = self.network.spec
        if spec.head != "quantiles":
            return self._distribution(which, ahead)
        found = self.steps.forecast(which, ahead)
        return np.asarray(found if spec.quantiles else found[..., None], np.float64)

    def states(self) -> dict[str, np.ndarray]:
        """Return states by name ``(series, sequences, …)``."""
        return self.steps.states()

    def stand(self, states: dict[str, np.ndarray]) -> None:
        """Set the states of the first so many series."""
        self.steps.stand(states, np.arange(len(states["memory"])))

    def _distribution(self, which: Which, ahead: Any) -> NDArray[np.float64]:
        from forecast.models.distributions import DistributionHead

        spec = self.network.spec
        free, level, unit = self.steps.scaled(which, ahead)
        free = free.reshape(-1, spec.horizon, spec.channels, spec.outputs)
        level, unit = (np.reshape(part, (len(free), -1, spec.channels)) for part in (level, unit))
        found = np.asarray(DistributionHead(spec.head)(free, level, unit), np.float64)
        found = found.reshape(-1, self.steps.sequences, *found.shape[1:])
        found = np.moveaxis(found[:, :, :, 0], 1, 2) if spec.apart else found[:, 0]
        return as_levels(self.network.model, spec, found)


class WindowEngine:
    """The newest rows of each series, read anew for every forecast: for networks that were trained on windows."""

    kind = "window"

    def __init__(self, network: Network, described: Windows):
        self.network, self.described, spec = network, described, network.spec
        self.reach = spec.context + max(network.extras.lags, default=0)
        series = len(described.panel)
        columns = len(described.panel.columns.numeric)
        self.rows = np.full((series, self.reach, columns), np.nan)
        self.calendar = np.zeros((series, self.reach, spec.calendar), np.float32)
        self.counts = np.zeros(series, np.int64)

    def advance(self, which: Which, values: Any, past: Any, known: Any) -> None:
        """Read the next row of some series."""
        spec, which = self.network.spec, np.arange(len(self.counts))[which]
        row = np.full((len(which), self.rows.shape[2]), np.nan)
        row[:, : spec.targets] = np.reshape(values, (len(which), -1))
        if spec.past_only:
            row[:, spec.targets + spec.known_future :] = past
        if spec.known_future:
            row[:, spec.targets : spec.targets + spec.known_future] = known[:, : spec.known_future]
        self.rows[which] = np.concatenate([self.rows[which, 1:], row[:, None]], axis=1)
        if spec.calendar:
            features = known[:, None, spec.known_future :]
            self.calendar[which] = np.concatenate([self.calendar[which, 1:], features], axis=1)
        # A series begins with its first value.
        begun = (self.counts[which] > 0) | ~np.isnan(row[:, : spec.targets]).all(axis=1)
        self.counts[which] = np.minimum(self.counts[which] + begun, self.reach)

    def forecast(self, which: Which, ahead: Any) -> NDArray[np.float64]:
        """Forecast behind the newest row of some series."""
        spec, which = self.network.spec, np.arange(len(self.counts))[which]
        found = np.full((len(which), spec.horizon, spec.targets, max(len(spec.quantiles), 1)), np.nan)
        enough = np.flatnonzero(self.counts[which] >= (1 if spec.padded else spec.context))
        for begin in range(0, len(enough), SIZES[-1]):
            part = enough[begin : begin + SIZES[-1]]
            found[part] = self._run(which[part], None if ahead is None else ahead[part])
        return found

    def states(self) -> dict[str, np.ndarray]:
        """Return the newest rows of each series."""
        return {"rows": self.rows.copy(), "calendar": self.calendar.copy(), "counts": self.counts.copy()}

    def stand(self, states: dict[str, np.ndarray]) -> None:
        """Set the newest rows of the first so many series."""
        for name, values in (("rows", self.rows), ("calendar", self.calendar), ("counts", self.counts)):
            values[: len(states[name])] = states[name]

    def _run(self, which: NDArray[np.int64], ahead: Any) -> NDArray[np.float64]:
        """Run the network over one batch of windows, filled up to one of the usual sizes."""
        size = next(size for size in SIZES if size >= len(which))
        windows = self._windows(which, ahead)
        inputs = windows.inputs(np.pad(np.arange(len(which)), (0, size - len(which)), mode="edge"))
        output = forecast_batch(self.network.model, inputs)
        output.swapaxes(1, 2)[np.isnan(inputs["target"]).all(axis=1)] = np.nan
        return as_levels(self.network.model, self.network.spec, output[: len(which)])

    def _windows(self, which: NDArray[np.int64], ahead: Any) -> Windows:
        """Lay the rows of some series end to end, with what is known of the horizon behind each."""
        spec, described = self.network.spec, self.described
        counts = self.counts[which]
        lengths = counts + spec.horizon
        future = np.full((len(which), spec.horizon, self.rows.shape[2]), np.nan)
        if spec.known_future:
            future[:, :, spec.targets : spec.targets + spec.known_future] = ahead[:, :, : spec.known_future]
        rows = np.concatenate([self.rows[which], future], axis=1)
        real = np.arange(rows.shape[1]) >= self.reach - counts[:, None]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        panel = replace(
            described.panel.select(which),
            values=rows[real],
            offsets=offsets,
            present=np.ones(offsets[-1], bool),
        )
        calendar = None
        if spec.calendar:
            features = np.concatenate([self.calendar[which], ahead[:, :, spec.known_future :]], axis=1)
            calendar = features[real].astype(np.float32), offsets
        return replace(
            described,
            panel=panel,
            series=np.arange(len(which), dtype=np.int32),
            origins=offsets[:-1] + counts,
            scales=described.scales[which],
            static=described.static[which],
            categories=None if described.categories is None else described.categories[which],
            numbers=None if described.numbers is None else described.numbers[which],
            calendar=calendar,
        )
