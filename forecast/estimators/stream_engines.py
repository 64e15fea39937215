"""What reads rows and forecasts behind them in a stream: a carried state, or the newest window of each series."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from forecast.data.panel import Panel
from forecast.data.windows import Windows
from forecast.estimators.network import Network
from forecast.estimators.outputs import as_levels
from forecast.models.forms import forms_of
from forecast.runner.newest import NewestRows, Which
from forecast.runner.steps import Steps
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
        series = np.arange(len(described.panel))
        self.network = network
        self.newest = NewestRows(network.spec, network.extras.lags, len(series), described.of_series(series))

    def advance(self, which: Which, values: Any, past: Any, known: Any) -> None:
        """Read the next row of some series."""
        self.newest.advance(which, values, past, known)

    def forecast(self, which: Which, ahead: Any) -> NDArray[np.float64]:
        """Forecast behind the newest row of some series."""
        spec, which = self.network.spec, np.arange(len(self.newest.counts))[which]
        found = np.full((len(which), spec.horizon, spec.targets, max(len(spec.quantiles), 1)), np.nan)
        enough = np.flatnonzero(self.newest.enough(which))
        for begin in range(0, len(enough), SIZES[-1]):
            part = enough[begin : begin + SIZES[-1]]
            found[part] = self._run(which[part], None if ahead is None else ahead[part])
        return found

    def states(self) -> dict[str, np.ndarray]:
        """Return the newest rows of each series."""
        return {name: getattr(self.newest, name).copy() for name in ("rows", "calendar", "counts")}

    def stand(self, states: dict[str, np.ndarray]) -> None:
        """Set the newest rows of the first so many series."""
        for name in ("rows", "calendar", "counts"):
            getattr(self.newest, name)[: len(states[name])] = states[name]

    def _run(self, which: NDArray[np.int64], ahead: Any) -> NDArray[np.float64]:
        """Run the network over one batch of windows, filled up to one of the usual sizes."""
        size = next(size for size in SIZES if size >= len(which))
        filled = np.pad(np.arange(len(which)), (0, size - len(which)), mode="edge")
        inputs = self.newest.inputs(which[filled], None if ahead is None else ahead[filled])
        output = forecast_batch(self.network.model, inputs)
        output.swapaxes(1, 2)[np.isnan(inputs["target"]).all(axis=1)] = np.nan
        return as_levels(self.network.model, self.network.spec, output[: len(which)])
