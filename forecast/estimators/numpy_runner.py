"""A saved forecaster run by NumPy: forecasts and streams where neither Keras nor pandas is wanted, or installed.

The network is that of the model file (``runner.graph``; ``runner.steps`` for one that carries its state), calibrated as
in ``Forecaster.predict``. Tests hold both to the same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from forecast.data.day_numbers import DAY, SECOND, count_steps, walk
from forecast.errors import ForecastError, InputError, ParameterError
from forecast.evaluation.moves import Moves
from forecast.modelfile import CONSTANT, ModelFile
from forecast.models.spec import Spec
from forecast.runner.graph import Graph, starts_by_name, weights_by_name
from forecast.runner.newest import NewestRows
from forecast.runner.steps import EVERY, Steps

_NETWORK = "network"
_ROWS, _STATE, _FRESH = "standing rows", "standing ", "fresh_"


def load_runner(path: Any) -> NumpyRunner:
    """Read a model file of a forecaster to be run by NumPy; nothing heavier is imported, and start-up is quick.

    Raises:
        InputError: The model has what only Keras or pandas can do, or it is no forecaster; named.
        ModelFileError: The file is missing, foreign, damaged or newer.

    Example:
        >>> import forecast, tempfile, pathlib
        >>> table = forecast.load_dataset("air_passengers")
        >>> model = forecast.Forecaster(horizon=3, context=24, units=8, epochs=1, preset="fast").fit(table)
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "air.forecast"
        >>> model.save(path)
        >>> list(forecast.load_runner(path).predict())
        ['month', 'forecast', 'q0.1', 'q0.9']
    """
    file = ModelFile(path)
    if file.description.get("kind") != "forecaster":
        raise InputError(f"{path} holds no forecaster; the NumPy runner runs nothing else.")
    try:
        return NumpyRunner(file)
    except ForecastError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, OSError) as error:
        raise file.damaged("its description makes no sense") from error


class NumpyRunner:
    """A forecaster that stands behind its newest rows.

    Args:
        file: Its model file.

    Attributes:
        ids: Of the series.
        columns: Names by role: ``time``, ``id``, ``target``, ``known_future`` …
        horizon: Rows forecast.
        method: Who forecasts if the forecaster is asked; the runner knows ``"network"`` alone.
    """

    def __init__(self, file: ModelFile):
        described, numbers = file.description, file.numbers()
        _check(described)
        asked: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in described["spec"].items()
        }
        self.spec = spec = Spec(**asked)
        self.columns, self.step = described["contract"]["columns"], described["contract"]["step"]
        self.ids, self.zone = list(described["history"]["ids"]), described["history"]["zone"]
        self.horizon, self.wanted = spec.horizon, tuple(described["wanted"])
        self.moves = _moves(numbers, spec) if described["calibrated"] else None
        self.method = described["parameters"]["method"]
        self.targets, count = spec.targets, len(self.ids)
        constant = {k.removeprefix(CONSTANT): v for k, v in numbers.items() if k.startswith(CONSTANT)}
        values, offsets = numbers["history"], numbers["offsets"]
        ends = _ends(values[:, : spec.targets], offsets)
        self.starts, self.known = numbers["starts"], ends - offsets[:-1]
        """First time of each series' history, and how many rows of it are known, up to the newest target."""
        with file.graph() as (config, weights):
            if described["architecture"]["name"] == "stateful":
                named = weights_by_name(config, weights)
                first = {name.removeprefix(_FRESH): start for name, start in starts_by_name(config).items()}
                stands = {name: numbers[f"{_STATE}{name}"] for name in first}
                self.reader: Any = Steps(spec, described["architecture"]["options"], named, first, count)
                self.reader.describe(constant)
                self.reader.stand(stands)
                self._catch_up(values, offsets[:-1] + numbers[_ROWS], ends)
            else:
                self.graph = Graph(config, weights)
                self.reader = NewestRows(spec, described["extras"]["lags"], count, constant)
                for i, (begin, end) in enumerate(zip(offsets, ends, strict=False)):
                    rows = values[max(begin, end - self.reader.reach) : end]
                    self.reader.counts[i] = len(rows)
                    self.reader.rows[i, self.reader.reach - len(rows) :] = rows
        self.ahead = np.full((count, spec.horizon, spec.known_future), np.nan)
        for i, end in enumerate(ends):
            self.know(i, values[end : offsets[i + 1], spec.targets : spec.targets + spec.known_future])

    def push(self, values: Any, *, past: Any = None, known: Any = None, which: Any = EVERY) -> None:
        """Read the next row of some series.

        Args:
            values: Targets ``(series, targets)``, or ``(series,)`` of a single one; NaN where missing.
            past: Past-only columns ``(series, columns)``.
            known: Known-ahead columns of that row ``(series, columns)``; None: those known before.
            which: Numbers of the series; all by default.
        """
        which = np.arange(len(self.ids))[which]
        if self.spec.known_future:
            known = self.ahead[which, 0] if known is None else np.asarray(known, np.float64)
            self.ahead[which] = np.concatenate(
                [self.ahead[which, 1:], np.full_like(self.ahead[which, :1], np.nan)], 1
            )
        if self.spec.past_only and past is None:
            past = np.full((len(which), self.spec.past_only), np.nan)
        self.reader.advance(
            self._rows(which),
            np.reshape(np.asarray(values, np.float64), (len(which), -1)),
            past=past,
            known=known,
        )
        self.known[which] += 1

    def pass_over(self, k: int, rows: int) -> int:
        """Go as far ahead in ``rows`` new rows of series ``k`` as no forecast behind them looks; return how far."""
        far = 0 if isinstance(self.reader, Steps) else max(rows - self.reader.reach - self.horizon, 0)
        if far:
            self.known[k] += far
            left = self.ahead[k, far:]
            self.ahead[k] = np.concatenate([left, np.full((self.horizon - len(left), left.shape[1]), np.nan)])
        return far

    def know(self, k: int, rows: Any) -> None:
        """Take what is known ahead of series ``k``, from its next row on: ``(rows, known-ahead columns)``."""
        rows = np.asarray(rows, np.float64)[: self.horizon]
        given = ~np.isnan(rows)
        self.ahead[k, : len(rows)][given] = rows[given]

    def quantiles(self, which: Any = EVERY) -> np.ndarray:
        """Forecast behind the newest row of some series: calibrated ``(series, horizon, targets, levels)``.

        Raises:
            InputError: A column must be known ahead and is not, or a series is shorter than the context.
        """
        spec, every = self.spec, np.arange(len(self.ids))[which]
        ahead = self.ahead[every] if spec.known_future else None
        if ahead is not None and np.isnan(ahead).any():
            name = self.columns["known_future"][int(np.isnan(ahead).any(axis=(0, 1)).argmax())]
            raise InputError(
                f"Column {name!r} must be known {self.horizon} rows ahead; give a TABLE that holds them."
            )
        if isinstance(self.reader, Steps):
            found = np.asarray(self.reader.forecast(self._rows(every), ahead), np.float64)
        else:
            if not self.reader.enough(every).all():
                raise InputError(
                    f"A series has fewer rows than the context of {spec.context}; give older rows."
                )
            inputs = self.reader.inputs(every, ahead)
            found = np.asarray(self.graph(inputs), np.float64)
            found.swapaxes(1, 2)[np.isnan(inputs["target"]).all(axis=1)] = np.nan
        found = found if spec.quantiles else found[..., None]
        found = np.maximum(found, 0.0) if spec.positive else found
        if self.moves is None:
            return found
        found = self.moves.of(every)(found)
        return np.maximum(found, 0.0) if spec.positive else found

    def predict(
        self, horizon: int | None = None, quantiles: Sequence[float] | None = None, which: Any = EVERY
    ) -> dict[str, list[Any]]:
        """Forecast the rows behind the newest one of each series, as columns: id, time, [target], forecast, q0.1 …

        Args:
            horizon: Rows ahead, at most as trained.
            quantiles: Levels among the trained ones; None: all.
            which: Numbers of the series; all by default.

        Returns:
            Lists by the names and in the order of ``Forecaster.predict``; times as text.
        """
        ahead, have = self.horizon if horizon is None else horizon, self.spec.quantiles or (0.5,)
        if not 1 <= ahead <= self.horizon:
            raise ParameterError(
                f"The NumPy runner forecasts up to the trained horizon of {self.horizon} rows; got {ahead}."
            )
        levels = self.wanted if quantiles is None else tuple(float(q) for q in quantiles)
        for level in levels:
            if level not in self.wanted:
                raise ParameterError(
                    f"Quantile {level:g} was not trained; this model has {', '.join(map(str, self.wanted))}."
                )
        every = np.arange(len(self.ids))[which]
        values = self.quantiles(every)[:, :ahead].swapaxes(1, 2)
        found: dict[str, list[Any]] = {}
        if self.columns["id"] is not None:
            found[self.columns["id"]] = [self.ids[k] for k in every for _ in range(self.targets * ahead)]
        steps = np.array([self.times(k, self.known[k] + np.arange(ahead)) for k in every])
        times = np.repeat(steps[:, None], self.targets, axis=1).reshape(-1)
        found[self.columns["time"] or "step"] = self._written(times)
        if self.targets > 1:
            found["target"] = [name for _ in every for name in self.columns["target"] for _ in range(ahead)]
        found["forecast"] = values[..., have.index(0.5)].reshape(-1).tolist()
        return found | {
            f"q{level:g}": values[..., have.index(level)].reshape(-1).tolist() for level in levels
        }

    def times(self, k: int, rows: np.ndarray) -> np.ndarray:
        """Return the times of rows of series ``k``, counted from its first one: nanoseconds, or whole numbers."""
        start, kind, count = self.starts[k], self.step["kind"], self.step["count"]
        if kind in ("integer", "tick"):
            return start + rows * count
        return walk(kind, count, self.step["day"], np.full(len(rows), start), rows)

    def positions(self, k: int, times: np.ndarray) -> np.ndarray:
        """Undo ``times``.

        Raises:
            InputError: A time lies between two steps.
        """
        start, kind, count = self.starts[k], self.step["kind"], self.step["count"]
        rows = (times - start) // count
        if kind not in ("integer", "tick"):
            rows = count_steps(kind, count, times // DAY, np.full(len(times), start // DAY))
        wrong = self.times(k, rows) != times
        if wrong.any():
            raise InputError(
                f"The time {self._written(times[wrong])[0]} lies between two steps of the history."
            )
        return rows

    def _written(self, times: np.ndarray) -> list[Any]:
        """Return times as a CSV holds them: days alone where all begin at midnight."""
        if self.step["kind"] == "integer":
            return times.tolist()
        if self.zone is not None:
            zone, first = ZoneInfo(self.zone), datetime(1970, 1, 1, tzinfo=UTC)
            moments = [first + timedelta(microseconds=int(time) // 1_000) for time in times]
            return [str(moment.astimezone(zone)) for moment in moments]
        unit = "D" if not (times % DAY).any() else "s" if not (times % SECOND).any() else "ns"
        return [
            text.replace("T", " ") for text in np.datetime_as_string(times.astype("datetime64[ns]"), unit)
        ]

    def _rows(self, which: np.ndarray) -> Any:
        """Return numbers of series as those who read them have it: a slice for all."""
        return EVERY if len(which) == len(self.ids) else which

    def _catch_up(self, values: np.ndarray, stands: np.ndarray, ends: np.ndarray) -> None:
        """Read the rows of the history behind those that the stored states have read."""
        spec, known = self.spec, slice(self.targets, self.targets + self.spec.known_future)
        for ahead in range(int((ends - stands).max(initial=0))):
            which = np.flatnonzero(stands + ahead < ends)
            rows = values[stands[which] + ahead]
            past = rows[:, known.stop :] if spec.past_only else None
            self.reader.advance(
                self._rows(which),
                rows[:, : self.targets],
                past=past,
                known=rows[:, known] if spec.known_future else None,
            )


def _check(described: Mapping[str, Any]) -> None:
    """Refuse what only Keras or pandas can do, by name."""
    refused = {
        "a network of your own": described["own_network"],
        "calendar features": described["extras"]["calendar"] is not None,
        f"the distribution {described['spec']['head']}": described["spec"]["head"] != "quantiles",
        f"local times in steps of a {described['contract']['step']['kind']}": described["history"]["zone"]
        is not None
        and described["contract"]["step"]["kind"] != "tick",
    }
    for name, there in refused.items():
        if there:
            raise InputError(f"The NumPy runner cannot run this model, which has {name}; leave out --runner.")


def _ends(targets: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return the row behind the last observed target of each series."""
    observed = np.flatnonzero(~np.isnan(targets).all(axis=1))
    last = np.searchsorted(observed, offsets[1:]) - 1
    ends = np.where(last >= 0, observed[np.maximum(last, 0)] + 1 if len(observed) else 0, 0)
    return np.maximum(ends, offsets[:-1])


def _moves(numbers: Mapping[str, np.ndarray], spec: Spec) -> Moves:
    """Return the calibration of every series, see ``ConformalShift.ready``."""
    levels = spec.quantiles or (0.5,)
    middle = levels.index(0.5) if 0.5 in levels else None
    factors, wider = numbers.get(f"widths {_NETWORK}"), None
    if factors is not None and middle is not None:
        wider = factors.astype(np.float64)[:, None] - 1.0
    return Moves(numbers[f"shift {_NETWORK}"] * numbers["scales"][:, None, :, None], wider, middle)
