"""This package's forecasters as forecasters of sktime, for its pipelines, splitters and tuning.

    from forecast.sktime import BaselineForecaster, KerasForecaster

Needs ``pip install "keras-forecast[sktime]"``; nothing else in the package imports this module.

One network learns from all series of a panel or a hierarchy, where sktime would fit one for each; a ``y``
of several columns is forecast as several targets. ``X`` is known ahead: its rows are needed from the one
after the cutoff to the last that is forecast. Missing values stay missing.

The ``fh`` of ``fit`` decides how far ahead the estimator is trained; another one may follow in ``predict``.
After ``update(..., update_params=False)`` a fitted estimator continues newer rows without learning from
them; with ``update_params=True`` it is fitted again to all rows seen so far.

Quantiles between two levels of the estimator are interpolated along a straight line. Those outside its
outermost levels are refused: nothing was calibrated there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.base import clone
from sktime.forecasting.base import BaseForecaster  # pyright: ignore[reportMissingImports]

from forecast.data.gridding import to_panel
from forecast.data.panel import Panel
from forecast.data.table import read_table
from forecast.errors import InputError, ParameterError
from forecast.estimators.baseline import Baseline
from forecast.estimators.contract import quantile_name
from forecast.estimators.forecaster import Forecaster
from forecast.evaluation.baselines import rolling

__all__ = ["LEVELS", "BaselineForecaster", "KerasForecaster"]

LEVELS = (0.05, 0.1, 0.25, 0.75, 0.9, 0.95)
"""Quantiles that are forecast unless others are asked for; sktime's own defaults are 0.05 and 0.95."""

_CONTAINERS = ["pd.DataFrame", "pd-multiindex", "pd_multiindex_hier"]
_TIME, _ID, _MEDIAN = "time", "series", 0.5
_ROUNDING = 1e-9
# Arguments of a forecaster that say how a table is read; sktime has read it already.
_DECIDED = (
    *("time", "id", "target", "known_future", "past_only", "static", "step"),
    *("duplicates", "timezone", "date_format", "snap"),
)


@dataclass(frozen=True)
class _Place:
    """Where one of sktime's series stands in a panel: its key there, its number, the row of its last time."""

    key: tuple
    number: int
    row: int
    last: Any


class _Adapter(BaseForecaster):
    """What both forecasters share: from sktime's containers to this package's tables and back."""

    _tags: ClassVar = {
        "authors": "keras-forecast",
        "maintainers": "keras-forecast",
        "y_inner_mtype": _CONTAINERS,
        "X_inner_mtype": _CONTAINERS,
        "capability:multivariate": True,
        "capability:missing_values": True,
        "capability:categorical_in_X": False,
        "capability:non_contiguous_X": False,
        "capability:pred_int": True,
        "capability:pred_int:insample": False,
        "capability:update": True,
        "property:randomness": "deterministic",
        "requires-fh-in-fit": False,
    }
    # The rows seen so far are kept here, in ``rows_``: sktime need not keep them again.
    _config: ClassVar = {"remember_data": False}
    _y = _X = None

    def _estimator(self, horizon: int | None) -> Forecaster | Baseline:
        """Return what is to be fitted, for ``horizon`` rows unless the user fixed another number."""
        raise NotImplementedError

    def _in_sample(self, panel: Panel, i: int, rows: np.ndarray) -> np.ndarray:
        """Return point forecasts of past rows of a series, each from the rows before it: ``(targets, rows)``."""
        raise NotImplementedError

    def _fit(self, y: pd.DataFrame, X: pd.DataFrame | None, fh: Any) -> _Adapter:
        self.rows_, self.covariates_ = y, None if X is None else X.reindex(y.index)
        return self._learn(fh)

    def _update(self, y: pd.DataFrame, X: pd.DataFrame | None = None, update_params: bool = True) -> _Adapter:
        self.rows_ = _grown(self.rows_, y)
        if self.covariates_ is not None and X is not None:
            self.covariates_ = _grown(self.covariates_, X.reindex(y.index))
        return self._learn(self._fh) if update_params else self

    def _learn(self, fh: Any) -> _Adapter:
        panel = self._panel(self.covariates_, _step_of(self._cutoff))
        horizon = None
        if fh is not None:
            steps = [self._rows(fh, panel, place).max() - place.row for place in self._places(panel)]
            horizon = int(max([1, *steps]))
        self.estimator_ = self._estimator(horizon).fit(panel)
        return self

    def _predict(self, fh: Any, X: pd.DataFrame | None) -> pd.DataFrame:
        middle = self._levels().index(_MEDIAN)
        return self._forecasts(fh, X, lambda values: values[..., middle].T, self.rows_.columns)

    def _predict_quantiles(self, fh: Any, X: pd.DataFrame | None, alpha: Sequence[float]) -> pd.DataFrame:
        columns = pd.MultiIndex.from_product([self._get_varnames(), alpha])

        def pick(values: np.ndarray) -> np.ndarray:
            return between(self._levels(), values, alpha).swapaxes(0, 1).reshape(-1, len(columns))

        return self._forecasts(fh, X, pick, columns)

    def _levels(self) -> tuple[float, ...]:
        return tuple(sorted({*map(float, self.estimator_.quantiles), _MEDIAN}))

    def _panel(self, covariates: pd.DataFrame | None, step: Any) -> Panel:
        """Lay the rows seen so far on a grid, with what is known of the rows behind them."""
        roles = {
            "time": _TIME,
            "id": _ID if isinstance(self.rows_.index, pd.MultiIndex) else "none",
            "target": _names("y", self.rows_),
            "known_future": _names("x", covariates) or ("none",),
            "past_only": ("none",),
            "static": ("none",),
        }
        return to_panel(read_table(_table(self.rows_, covariates), **roles), step=step)

    def _places(self, panel: Panel) -> list[_Place]:
        """Return where every series stands, in sktime's order."""
        index = self.rows_.index
        if not isinstance(index, pd.MultiIndex):
            return [_Place((), 0, _row_of(panel, 0, index[-1:]), index[-1])]
        ends = pd.Series(np.arange(len(index))).groupby(_ids(index), sort=False).last()
        number = {name: i for i, name in enumerate(panel.ids)}
        times = index.get_level_values(-1)
        return [
            _Place(index[end][:-1], i, _row_of(panel, i, times[[end]]), times[end])
            for i, end in ((number[name], end) for name, end in ends.items())
        ]

    def _rows(self, fh: Any, panel: Panel, place: _Place) -> np.ndarray:
        """Return the absolute rows that ``fh`` means in a series, behind the panel's end or not."""
        wanted = fh.to_pandas()
        if fh.is_relative and wanted.dtype.kind in "iu":
            return place.row + wanted.to_numpy(np.int64)
        times = _stamps(place.last + wanted if fh.is_relative else wanted)
        positions = panel.step.positions(times, panel.starts[place.number])
        if np.isnan(positions).any():
            raise InputError(
                f"fh names {times[np.isnan(positions)][0]}, which is no time of the series: its step is {panel.step}."
            )
        return panel.offsets[place.number] + positions.astype(np.int64)

    def _forecasts(
        self, fh: Any, X: pd.DataFrame | None, pick: Callable[[np.ndarray], np.ndarray], columns: Any
    ) -> pd.DataFrame:
        """Forecast every series as far as ``fh`` reaches and lay its steps out for sktime.

        ``pick`` takes ``(targets, steps, levels)``, NaN in the sample but for the median, to ``(steps, columns)``.
        """
        covariates = self.covariates_
        if covariates is not None and X is not None:
            covariates = _grown(covariates, X)
        panel = self._panel(covariates, self.estimator_.fitted_.contract.step)
        places = self._places(panel)
        rows = [self._rows(fh, panel, place) for place in places]
        # Counted from the last observed row, which missing values may follow.
        ahead = [row - panel.ends[place.number] for place, row in zip(places, rows, strict=True)]
        values = self._ahead(panel, int(max([1, *(part.max() + 1 for part in ahead)])))
        found = []
        for place, row, k in zip(places, rows, ahead, strict=True):
            part, past = values[place.number][:, np.maximum(k, 0)], row <= place.row
            if past.any():
                part[:, past] = np.nan
                point = self._in_sample(panel, place.number, row[past])
                part[:, past, self._levels().index(_MEDIAN)] = point
            found.append(pick(part))
        index = _index(self.rows_.index, panel, places, rows)
        return pd.DataFrame(np.concatenate(found), index=index, columns=columns)

    def _ahead(self, panel: Panel, horizon: int) -> np.ndarray:
        """Return ``(series, targets, horizon, levels)``, counted from each series' last observed row."""
        table = self.estimator_.predict(panel, horizon=horizon)
        levels = self._levels()
        columns = ["forecast" if level == _MEDIAN else quantile_name(level) for level in levels]
        return table[columns].to_numpy(np.float64).reshape(len(panel), -1, horizon, len(levels))


class KerasForecaster(_Adapter):
    """A recurrent network with calibrated intervals, trained on all series together.

    Forecasts inside the sample are refused: the network has learnt those rows, and what it says about them
    is no forecast.

    Args:
        forecaster: A ``forecast.Forecaster`` with the arguments of network and training, none that name
            columns or say how a table is read. Its ``horizon`` of None becomes the last step of ``fh``. None
            takes one that forecasts the quantiles ``LEVELS``.

    Attributes:
        estimator_: The fitted ``forecast.Forecaster``, with ``comparison_``, ``history_`` and ``model_``.

    Example:
        >>> from sktime.datasets import load_airline
        >>> from forecast import Forecaster
        >>> from forecast.sktime import KerasForecaster
        >>> tiny = Forecaster(context=12, units=2, epochs=1, quantiles=(0.1, 0.9))
        >>> model = KerasForecaster(tiny).fit(load_airline(), fh=[1, 2, 3])
        >>> [str(month) for month in model.predict().index]
        ['1961-01', '1961-02', '1961-03']
        >>> model.predict_interval(coverage=0.8).shape
        (3, 2)
    """

    _tags: ClassVar = {"capability:exogenous": True, "capability:insample": False}

    def __init__(self, forecaster: Forecaster | None = None):
        self.forecaster = forecaster
        super().__init__()

    def _estimator(self, horizon: int | None) -> Forecaster:
        chosen = Forecaster(quantiles=LEVELS) if self.forecaster is None else clone(self.forecaster)
        if not isinstance(chosen, Forecaster):
            raise ParameterError(
                f"KerasForecaster takes a forecast.Forecaster; got a {type(chosen).__name__}. "
                "For the simple methods there is BaselineForecaster."
            )
        for name in _DECIDED:
            if getattr(chosen, name) != getattr(Forecaster(), name):
                raise ParameterError(
                    f"The forecaster has {name}={getattr(chosen, name)!r}, but y, X and their index decide that; "
                    "leave it out."
                )
        return chosen if chosen.horizon is not None else chosen.set_params(horizon=horizon)

    @classmethod
    def get_test_params(cls, parameter_set: str = "default") -> list[dict[str, Any]]:
        """Return arguments of small forecasters for sktime's own checks."""
        small = {"context": 3, "units": 2, "epochs": 1, "season": 1, "holdout": 0, "calibrate": False}
        first = Forecaster(**small, quantiles=(0.05, 0.25, 0.75, 0.95))
        second = clone(first).set_params(cell="lstm", anchor="mean", independent=False)
        return [{"forecaster": first}, {"forecaster": second}]


class BaselineForecaster(_Adapter):
    """A naive or statistical method with calibrated intervals.

    Inside the sample every row is forecast one step ahead from the rows before it (smoothing weights are
    chosen once, on the first rows); the first row has none, so it is missing.

    Args:
        method: ``"naive"``, ``"seasonal-naive"``, ``"drift"``, ``"mean"``, ``"ses"``, ``"theta"``,
            ``"holt-winters"`` or ``"naive2"``.
        season: Rows of a season, 1 for none; None finds it.
        quantiles: Levels to calibrate.

    Attributes:
        estimator_: The fitted ``forecast.Baseline``.

    Example:
        >>> from sktime.datasets import load_airline
        >>> from forecast.sktime import BaselineForecaster
        >>> model = BaselineForecaster("seasonal-naive", season=12).fit(load_airline())
        >>> model.predict(fh=[1, 2]).tolist()
        [417.0, 391.0]
    """

    _tags: ClassVar = {"capability:exogenous": False, "capability:insample": True}

    def __init__(
        self, method: str = "seasonal-naive", season: int | None = None, quantiles: Sequence[float] = LEVELS
    ):
        self.method = method
        self.season = season
        self.quantiles = quantiles
        super().__init__()

    def _estimator(self, horizon: int | None) -> Baseline:
        return Baseline(self.method, horizon, season=self.season, quantiles=self.quantiles)

    def _in_sample(self, panel: Panel, i: int, rows: np.ndarray) -> np.ndarray:
        begin, season = int(panel.offsets[i]), self.estimator_.fitted_.setting.season
        history = panel.targets[begin : panel.offsets[i + 1]]
        return np.stack([rolling(self.method, values, rows - begin, 1, season)[:, 0] for values in history.T])

    @classmethod
    def get_test_params(cls, parameter_set: str = "default") -> list[dict[str, Any]]:
        """Return arguments for sktime's own checks: a seasonal method and a smoothing one."""
        return [{"method": "seasonal-naive", "season": 3}, {"method": "theta", "season": 1}]


def between(levels: Sequence[float], values: np.ndarray, wanted: Sequence[float]) -> np.ndarray:
    """Interpolate quantiles along a straight line between the two nearest levels.

    Levels are the last axis of ``values`` and of what is returned: NaN where a level beside it is NaN.

    Raises:
        ParameterError: A level lies outside.

    Example:
        >>> between((0.25, 0.5, 0.75), np.array([0.0, 4.0, 6.0]), (0.375, 0.75)).tolist()
        [2.0, 6.0]
    """
    outside = [q for q in wanted if not levels[0] - _ROUNDING <= q <= levels[-1] + _ROUNDING]
    if outside:
        raise ParameterError(
            f"Quantile {outside[0]:.6g} lies outside those that were fitted, {levels[0]:g} to {levels[-1]:g}; "
            "fit with quantiles= that reach it."
        )
    found = []
    for q in wanted:
        nearest = int(np.argmin(np.abs(np.array(levels) - q)))
        if abs(levels[nearest] - q) <= _ROUNDING:
            found.append(values[..., nearest])
            continue
        upper = int(np.searchsorted(levels, q))
        share = (q - levels[upper - 1]) / (levels[upper] - levels[upper - 1])
        found.append((1 - share) * values[..., upper - 1] + share * values[..., upper])
    return np.stack(found, axis=-1)


def _table(y: pd.DataFrame, X: pd.DataFrame | None) -> pd.DataFrame:
    """Make a long table with plain column names, whatever sktime's columns and index levels are called."""
    index = y.index if X is None else y.index.union(X.index)
    frame: dict[str, Any] = {_TIME: _stamps(index.get_level_values(-1))}
    if isinstance(index, pd.MultiIndex):
        frame[_ID] = _ids(index)
    for letter, part in (("y", y), ("x", X)):
        if part is not None:
            values = part.reindex(index).to_numpy(np.float64)
            frame |= dict(zip(_names(letter, part), values.T, strict=True))
    return pd.DataFrame(frame)


def _names(letter: str, part: pd.DataFrame | None) -> tuple[str, ...]:
    return () if part is None else tuple(f"{letter}{j}" for j in range(part.shape[1]))


def _ids(index: pd.MultiIndex) -> np.ndarray:
    """Return the key of every row as text, which tells 1 from "1"."""
    codes, keys = pd.factorize(index.droplevel(-1))
    return np.array([repr(key) for key in keys], dtype=object)[codes]


def _stamps(times: pd.Index) -> pd.Index:
    return times.to_timestamp() if isinstance(times, pd.PeriodIndex) else times


def _step_of(cutoff: pd.Index) -> Any:
    """Return the step that sktime counts in, None if it must be found in the times."""
    if isinstance(cutoff, pd.DatetimeIndex):
        return None if cutoff.freq is None else cutoff.freqstr
    return None if isinstance(cutoff, pd.PeriodIndex) else 1


def _row_of(panel: Panel, i: int, time: pd.Index) -> int:
    """Return the absolute row of a time in series ``i``."""
    return int(panel.offsets[i]) + int(panel.step.positions(_stamps(time), panel.starts[i])[0])


def _index(seen: pd.Index, panel: Panel, places: list[_Place], rows: list[np.ndarray]) -> pd.Index:
    """Return the times of absolute rows, one series under the other, in the kind of index that was seen."""
    parts = [
        panel.step.advance(panel.starts[place.number], row - panel.offsets[place.number])
        for place, row in zip(places, rows, strict=True)
    ]
    times = parts[0].append(parts[1:])
    if not isinstance(seen, pd.MultiIndex):
        return _like(seen, times)
    keys = [place.key for place, row in zip(places, rows, strict=True) for _ in row]
    levels = [pd.Index([key[j] for key in keys]) for j in range(seen.nlevels - 1)]
    return pd.MultiIndex.from_arrays([*levels, _like(seen.levels[-1], times)], names=seen.names)


def _like(seen: pd.Index, times: pd.Index) -> pd.Index:
    """Return times in the kind of index that was seen, with its name."""
    if isinstance(seen, pd.PeriodIndex):
        return pd.DatetimeIndex(times).to_period(seen.freq).rename(seen.name)
    return times.astype(seen.dtype).rename(seen.name)


def _grown(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Put newer rows behind older ones; of two rows of one time the newer counts."""
    both = pd.concat([old, new])
    return both[~both.index.duplicated(keep="last")].sort_index()
