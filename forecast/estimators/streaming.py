"""Forecasts that move with the rows: a fitted network reads each new row once and forecasts behind it."""

from __future__ import annotations

import warnings
from collections.abc import Hashable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.data.panel import Panel
from forecast.errors import ForecastWarning, InputError
from forecast.estimators.contract import as_table, forecast_table
from forecast.estimators.network import floored
from forecast.estimators.stream_clock import StreamClock
from forecast.estimators.stream_engines import make_engine
from forecast.estimators.stream_rows import check_times, emptied, laid_over
from forecast.evaluation.moves import Moves
from forecast.runner.steps import EVERY

if TYPE_CHECKING:
    from forecast.estimators.forecaster import Forecaster


class Stream:
    """The newest state of every series; ``Forecaster.stream`` makes one that begins behind the stored history.

    A network that was trained with ``stateful=True`` keeps a state of a fixed size for each series, and a new row moves
    it on once, in constant time; the forecasts are those of a network that reads the series from its first row on
    (to rounding). Any other network reads the newest window anew for every forecast. ``engine`` says which it is:
    ``"state"`` or ``"window"``. Intervals are calibrated as those of ``predict``; they follow errors in
    ``Forecaster.update`` alone.

    What is not in order:

    - Late rows and rows of a time that was read before change nothing and are counted in ``passed_over``: a row may be
      sent twice.
    - Missing rows count as missing values once a later row has come. Behind as many of them as the context has rows,
      a carried state begins anew.
    - A row whose targets are all empty waits until a later row has a value: it may hold what is known ahead.
    - A series that is new begins with its first value; its errors are scaled by the rows that brought it.

    Args:
        forecaster: A fitted forecaster.

    Example:
        >>> import forecast
        >>> table = forecast.load_dataset("air_passengers")
        >>> model = forecast.Forecaster(horizon=3, context=24, units=8, epochs=1, preset="fast", stateful=True)
        >>> stream = model.fit(table[:-2]).stream()
        >>> stream.update(table[-2:]).columns.tolist()
        ['origin', 'month', 'forecast', 'q0.1', 'q0.9']
        >>> stream.engine, stream.push(450.0).shape
        ('state', (1, 3, 1, 3))
    """

    def __init__(self, forecaster: Forecaster):
        fitted = forecaster._fitted()
        self.fitted, history = fitted, fitted.history
        if forecaster.from_arrays_:
            raise InputError(
                "This model was fitted on arrays, whose rows have no times; fit a table to stream."
            )
        self.passed_over = 0
        self._begin(emptied(history, history.times_at(history.ends)), fitted.scales)
        network = fitted.network.standing_at(history, history.ends)
        if network.standing is not None:
            self.reader.stand(network.standing.states)
        else:
            self._read_history(history)
        self._keep_waiting(history, history.ends)

    @property
    def engine(self) -> str:
        """``"state"``: a row moves a state on; ``"window"``: the newest window is read anew."""
        return self.reader.kind

    @property
    def ids(self) -> tuple:
        """Ids of the series, in the order of ``push``."""
        return self.panel.ids

    @property
    def levels(self) -> tuple[float, ...]:
        """Quantile levels of ``push``; empty for a point forecast."""
        return self.fitted.network.spec.quantiles

    @property
    def times(self) -> pd.Index:
        """Time of the row that each series expects next."""
        return self.panel.step.advance(self.panel.starts, self._rows)

    def push(self, values: Any) -> NDArray[np.float64]:
        """Read the next row of every series, and forecast: the short way, without tables.

        Args:
            values: Targets ``(series, targets)`` in the order of ``ids`` and columns, NaN where missing; one number for
                a single series of one target.

        Returns:
            Calibrated quantiles ``(series, horizon, targets, levels)``; NaN before the first value of a series.

        Raises:
            InputError: There are columns beside the targets, which only ``update`` takes; or the shape is another.
        """
        spec = self.fitted.network.spec
        if spec.known_future or spec.past_only:
            raise InputError("This model reads columns beside its targets; give rows as a table to update.")
        if not isinstance(values, float):
            values = np.asarray(values, np.float64)
            if values.size != len(self._rows) * spec.targets:
                raise InputError(
                    f"push takes {len(self._rows)} series of {spec.targets} targets; got shape {values.shape}."
                )
            values = values.reshape(-1, spec.targets)
        known = ahead = None
        if spec.calendar:
            numbers = np.arange(len(self._rows))
            features = self._clock.features(numbers, self._rows, spec.horizon + 1)
            known, ahead = features[:, 0], features[:, 1:]
        self.reader.advance(EVERY, values, None, known)
        self._rows += 1
        if self.waiting:
            self._pass(np.array(list(self.waiting)))
        return self._calibrated(EVERY, self.reader.forecast(EVERY, ahead))

    def update(self, rows: Any, *, every: bool = False) -> pd.DataFrame:
        """Read newer rows, and forecast behind the newest one of each series among them.

        Args:
            rows: A table with the columns of training: one row or many, of some series or all, and columns known ahead
                with empty targets.
            every: Forecast behind every row with a value, not only the newest one of each series.

        Returns:
            As ``Forecaster.predict``, with a first column ``origin``: the time of the newest row read.

        Raises:
            InputError: A column is missing; a time lies between two steps, or far behind the newest one.
        """
        given = self.fitted.contract.read(as_table(rows), targets_needed=False)
        which, counts = self._news(given)
        parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        for k in range(int(counts.max(initial=0))):
            now, last = which[counts > k], counts[counts > k] == k + 1
            row = np.stack([self.waiting[i][0] for i in now.tolist()])
            self._advance(now, row)
            self._pass(now)
            asked = ~np.isnan(row[:, : self.fitted.network.spec.targets]).all(axis=1)
            asked &= every | last
            if asked.any():
                parts.append(self._forecasts(now[asked]))
        return self._table(parts)

    def forecast(self) -> pd.DataFrame:
        """Forecast behind the newest row of every series; see ``update``."""
        return self._table([self._forecasts(np.arange(len(self._rows)))])

    def save(self, path: Any) -> None:
        """Write where the stream stands to one file, atomically; ``Forecaster.stream(state=path)`` goes on from it."""
        from forecast.estimators.stream_saving import save_stream

        save_stream(self, path)

    def stand(self, panel: Panel, scales: np.ndarray, states: dict[str, np.ndarray]) -> None:
        """Take the place of another stream of the same model: see ``stream_saving``.

        Args:
            panel: Rows that wait, from the times that are expected next on.
            scales: Typical errors of the series.
            states: What the reader kept.

        Raises:
            LookupError, ValueError: The states do not fit the network and the series.
        """
        self._begin(emptied(panel, panel.starts), scales)
        for name, values in self.reader.states().items():
            if states[name].shape != values.shape or states[name].dtype != values.dtype:
                raise ValueError
        self.reader.stand(states)
        self._keep_waiting(panel, panel.offsets[:-1])

    def _begin(self, panel: Panel, scales: np.ndarray) -> None:
        """Begin with series that nothing was read of: their ids and times are those of an empty panel."""
        self.panel, self.scales, network = panel, scales, self.fitted.network
        self._place: dict[Hashable, int] = {name: k for k, name in enumerate(panel.ids)}
        self._rows = np.zeros(len(panel), np.int64)
        self.waiting: dict[int, np.ndarray] = {}
        self.reader = make_engine(network, panel, scales)
        self._clock = StreamClock(network.extras.calendar, panel)
        self._moves = self._ready()

    def _ready(self) -> Moves | None:
        """Return the calibration of all series."""
        shift, spec = self.fitted.network.shift, self.fitted.network.spec
        if shift is None:
            return None
        shape = (len(self.panel), spec.horizon, spec.targets, max(len(spec.quantiles), 1))
        return shift.ready(shape, self.scales[:, None, :], self.panel.ids)

    def _read_history(self, history: Panel) -> None:
        """Read the newest window of every series."""
        network = self.fitted.network
        reach = network.spec.context + max(network.extras.lags, default=0)
        begins = np.maximum(history.ends - reach, history.offsets[:-1])
        self._rows = begins - history.ends
        for k in range(reach):
            which = np.flatnonzero(history.ends - begins > k)
            if len(which):
                self._advance(which, history.values[begins[which] + k])

    def _keep_waiting(self, panel: Panel, begins: np.ndarray) -> None:
        """Keep the rows from ``begins`` on: what is known ahead."""
        for i in np.flatnonzero(begins < panel.offsets[1:]):
            self.waiting[int(i)] = panel.values[begins[i] : panel.offsets[i + 1]].copy()

    def _pass(self, which: np.ndarray) -> None:
        """Drop the first of the rows that wait, which was read."""
        for k in which.tolist():
            self.waiting[k] = self.waiting[k][1:]
            if not len(self.waiting[k]):
                del self.waiting[k]

    def _news(self, given: Panel) -> tuple[np.ndarray, np.ndarray]:
        """Let given rows wait behind those read; return series and how many rows each may read now."""
        self._add_new(given)
        numbers = np.array([self._place[name] for name in given.ids], np.int64)
        begins = np.zeros(len(given))
        if given.columns.time is not None:
            begins = given.step.positions(given.starts, self.times[numbers])
        check_times(given, self.times[numbers], begins)
        counts = np.zeros(len(given), np.int64)
        for i, (k, begin) in enumerate(zip(numbers.tolist(), begins.astype(np.int64).tolist(), strict=True)):
            span = slice(int(given.offsets[i]), int(given.offsets[i + 1]))
            rows, present = given.values[span], given.present[span]
            if begin < 0:
                self.passed_over += int(present[:-begin].sum())
                rows, begin = rows[-begin:], 0
            if len(rows):
                self.waiting[k] = laid_over(self.waiting.get(k, rows[:0]), rows, begin)
                counts[i] = self._readable(k)
        return numbers, counts

    def _readable(self, k: int) -> int:
        """Return how many of the rows that wait may be read: up to the last one with a value.

        Rows of a first gap that is longer than what is looked back on are left out: they change nothing more.
        """
        network = self.fitted.network
        observed = np.flatnonzero(~np.isnan(self.waiting[k][:, : network.spec.targets]).all(axis=1))
        if not len(observed):
            return 0
        reach = network.spec.context + max(network.extras.lags, default=0)
        over = max(int(observed[0]) - reach, 0)
        self.waiting[k] = self.waiting[k][over:]
        self._rows[k] += over
        return int(observed[-1]) + 1 - over

    def _add_new(self, given: Panel) -> None:
        """Begin the series that are new, behind those there are."""
        fresh = np.array([i for i, name in enumerate(given.ids) if name not in self._place], np.int64)
        if not len(fresh):
            return
        old, states, rows, ahead = self.panel, self.reader.states(), self._rows, self.waiting
        added = given.select(fresh)
        scales = np.concatenate([self.scales, self.fitted.scales_of(given)[fresh]])
        added = emptied(added, added.starts)
        joined = replace(
            old,
            ids=old.ids + added.ids,
            starts=old.starts.append(added.starts),
            offsets=np.zeros(len(old) + len(added) + 1, np.int64),
            static=pd.concat([old.static, added.static], ignore_index=True),
        )
        self._begin(joined, scales)
        self.reader.stand(states)
        self._rows[: len(old)], self.waiting = rows, ahead

    def _chosen(self, which: np.ndarray) -> Any:
        """Return a slice in place of the numbers of all series in their order: nothing need be copied then."""
        return EVERY if len(which) == len(self._rows) and (np.diff(which) == 1).all() else which

    def _advance(self, which: np.ndarray, rows: np.ndarray) -> None:
        """Read one row of some series: channels in the order of a panel."""
        spec = self.fitted.network.spec
        past = rows[:, spec.targets + spec.known_future :] if spec.past_only else None
        known = None
        if spec.known_future or spec.calendar:
            features = self._clock.features(which, self._rows[which], 1)[:, 0]
            known = np.concatenate(
                [rows[:, spec.targets : spec.targets + spec.known_future], features], axis=1
            )
        self.reader.advance(self._chosen(which), rows[:, : spec.targets], past, known)
        self._rows[which] += 1

    def _forecasts(self, which: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Forecast some series: those of them that can be, the rows read of each, and the forecasts."""
        spec, ahead = self.fitted.network.spec, None
        if spec.known_future or spec.calendar:
            ahead = self._clock.features(which, self._rows[which], spec.horizon)
        if spec.known_future:
            future, complete = self._known_ahead(which)
            which = which[complete]
            ahead = np.concatenate([future, ahead], axis=2)[complete]  # type: ignore[list-item]
        if not len(which):
            shape = (0, spec.horizon, spec.targets, max(len(spec.quantiles), 1))
            return which, self._rows[which], np.zeros(shape)
        chosen = self._chosen(which)
        found = self.reader.forecast(chosen, ahead)
        return which, self._rows[which], self._calibrated(chosen, found)

    def _known_ahead(self, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the columns known ahead over the horizon, and for which series they are complete."""
        spec = self.fitted.network.spec
        columns = slice(spec.targets, spec.targets + spec.known_future)
        found = np.full((len(which), spec.horizon, spec.known_future), np.nan)
        for i, k in enumerate(which.tolist()):
            rows = self.waiting.get(k)
            if rows is not None:
                part = rows[: spec.horizon, columns]
                found[i, : len(part)] = part
        missing = np.any(np.isnan(found), axis=1)
        if missing.any():
            i, j = np.argwhere(missing)[0]
            name = self.panel.columns.known_future[j]
            who = f" of series {self.ids[which[i]]!r}" if self.panel.columns.id is not None else ""
            warnings.warn(
                f"No forecast{who}: column {name!r} must be known {spec.horizon} rows ahead; give these rows with "
                "empty targets.",
                ForecastWarning,
                stacklevel=4,
            )
        return found, np.logical_not(np.any(missing, axis=1))

    def _calibrated(self, which: Any, found: np.ndarray) -> NDArray[np.float64]:
        moves = self._moves
        if moves is None:
            return found
        return floored(
            (moves if isinstance(which, slice) else moves.of(which))(found), self.fitted.network.spec
        )

    def _table(self, parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> pd.DataFrame:
        """Lay forecasts out as a table, series by series."""
        spec, levels = self.fitted.network.spec, self.fitted.levels
        have = spec.quantiles or (0.5,)
        if not parts:
            parts = [(np.zeros(0, np.int64),) * 2 + (np.zeros((0, spec.horizon, spec.targets, len(have))),)]  # type: ignore[list-item]
        which, rows, values = (np.concatenate(part) for part in zip(*parts, strict=True))
        order = np.lexsort((rows, which))
        which, rows, values = which[order], rows[order], values[order]
        panel = self.panel.select(which)
        starts = panel.step.advance(panel.starts, rows) if len(which) else panel.starts
        chosen = [*(have.index(level) for level in levels), spec.middle if spec.quantiles else 0]
        found = forecast_table(emptied(panel, starts), values[..., chosen], levels, len(levels))
        origins = panel.step.advance(panel.starts, rows - 1) if len(which) else panel.starts
        found.insert(0, "origin", origins.repeat(spec.horizon * spec.targets))
        return found


def stream(self: Forecaster, state: Any = None) -> Stream:
    """Return a stream that begins behind the stored history: each new row is read once and forecast from.

    Args:
        self: A fitted forecaster; one that was trained with ``stateful=True`` moves on in constant time.
        state: A file that ``Stream.save`` wrote, from which to go on; None begins behind the history.

    Raises:
        InputError: The state belongs to another model.

    Example:
        >>> import forecast
        >>> table = forecast.load_dataset("air_passengers")
        >>> model = forecast.Forecaster(horizon=3, context=24, units=8, epochs=1, preset="fast").fit(table[:-2])
        >>> stream = model.stream()
        >>> stream.engine, stream.update(table[-2:])["month"].dt.strftime("%Y-%m").tolist()
        ('window', ['1961-01', '1961-02', '1961-03'])
    """
    found = Stream(self)
    if state is not None:
        from forecast.estimators.stream_saving import restore_stream

        restore_stream(found, state)
    return found
