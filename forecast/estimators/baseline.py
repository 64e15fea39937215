"""Naive and statistical methods as estimators: the same tables in and out as the forecaster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from forecast.data.panel import Panel
from forecast.data.scale import error_scales
from forecast.data.windows import check_positive, make_windows
from forecast.errors import InputError, ParameterError, closest
from forecast.estimators import contract as contracts
from forecast.estimators.realised import Realised, coverage_frame
from forecast.estimators.rolling import widened
from forecast.estimators.sampling import (
    Drawing,
    Outlook,
    check_samples,
    check_within,
    path_table,
    total_table,
)
from forecast.estimators.setting import Setting, Wishes, choose_setting
from forecast.estimators.templates import ENOUGH_WINDOWS, kept_template
from forecast.estimators.updating import updated_baseline
from forecast.evaluation.baselines import BASELINES
from forecast.evaluation.comparison import baseline_scores, memory_of
from forecast.evaluation.intervals import ConformalShift, check_quantiles
from forecast.evaluation.widths import cases_of

# Calibration windows of the last rows; more change the quantiles little and cost smoothing methods much.
MOST_CALIBRATION = 1_000


@dataclass(frozen=True)
class FittedBaseline:
    """Everything a fitted baseline knows; see ``fitting.Fitted`` for the fields."""

    contract: contracts.Contract
    setting: Setting
    history: Panel
    scales: np.ndarray
    wanted: tuple[float, ...]
    levels: tuple[float, ...]
    shift: ConformalShift | None
    template: np.ndarray | None = None
    realised: dict[str, Realised] = field(default_factory=dict)


class Baseline(RegressorMixin, BaseEstimator):
    """A naive or statistical method with calibrated intervals.

    Args:
        method: ``"naive"``, ``"seasonal-naive"``, ``"drift"``, ``"mean"``, ``"ses"``, ``"theta"``,
            ``"holt-winters"`` or ``"naive2"``.
        horizon: Rows ahead; None chooses as ``Forecaster`` does.
        time: Name of the time column; None guesses.
        id: Name of the column that tells series apart; None guesses.
        target: Name or names of the columns to forecast; empty guesses.
        step: Distance between rows; None infers it.
        season: Rows of a season, 1 for none; None finds it.
        quantiles: Levels to forecast beside the point forecast.
        duplicates: Two rows of one time: ``"error"``, ``"first"``, ``"last"``, ``"mean"`` or ``"sum"``.
        timezone: Zone of local times.
        date_format: How dates are written.
        snap: Round jittering times to the nearest step.

    Example:
        >>> import forecast
        >>> table = forecast.load_dataset("air_passengers")
        >>> forecast.Baseline("seasonal-naive").fit(table).predict(horizon=2)["forecast"].tolist()
        [417.0, 391.0]
    """

    def __init__(
        self,
        method: str = "seasonal-naive",
        horizon: int | None = None,
        *,
        time: str | None = None,
        id: str | None = None,
        target: str | Sequence[str] = (),
        step: str | int | None = None,
        season: int | None = None,
        quantiles: Sequence[float] = (0.1, 0.9),
        duplicates: str = "error",
        timezone: str | None = None,
        date_format: str | None = None,
        snap: bool = False,
    ):
        self.method = method
        self.horizon = horizon
        self.time = time
        self.id = id
        self.target = target
        self.step = step
        self.season = season
        self.quantiles = quantiles
        self.duplicates = duplicates
        self.timezone = timezone
        self.date_format = date_format
        self.snap = snap

    def fit(self, X: Any, y: Any = None) -> Baseline:
        """Remember a table's history and calibrate on its last rows; with ``y``, arrays as in scikit-learn.

        Raises:
            InputError: The table or an argument is wrong.
        """
        check_method(self.method)
        panel, contract, _ = contracts.training_panel(self, X, y)
        wanted = tuple(float(q) for q in self.quantiles)
        levels = check_quantiles(sorted({*wanted, 0.5}))
        wishes = Wishes(self.horizon, 1, self.season, 0, "drop", levels)
        setting, _ = choose_setting(
            panel, wishes if y is None else Wishes(self.horizon or 1, 1, self.season, 0, "drop")
        )
        scales = error_scales(panel, setting.season)
        shift, template = None, None
        if wanted:
            begin = np.maximum(panel.ends - setting.validation, panel.offsets[:-1] + max(setting.season, 1))
            windows = make_windows(
                panel, context=1, horizon=setting.horizon, first=begin, short="drop", scales=scales
            ).thin(MOST_CALIBRATION)
            scores = baseline_scores(self.method, windows, setting.season)
            shift = ConformalShift.fit(scores, levels, cases=cases_of([windows], setting.season))
            template = self._template(panel, setting, scales, scores)
        history = panel.tail(memory_of(setting.season) + setting.horizon)
        self.fitted_ = FittedBaseline(contract, setting, history, scales, wanted, levels, shift, template)
        self.from_arrays_ = y is not None
        return self

    def predict(self, X: Any = None, horizon: int | None = None) -> Any:
        """Forecast the rows after the last observed target of each series.

        Args:
            X: A table with the history to continue; None continues the training table. After
                ``fit(X, y)``: an array with as many rows as steps are wanted.
            horizon: Rows ahead; None as trained.

        Returns:
            A DataFrame as from ``Forecaster.predict``; after ``fit(X, y)`` an array.
        """
        check_is_fitted(self)
        fitted = self.fitted_
        if self.from_arrays_ and X is not None:
            X = validate_data(self, X, reset=False, dtype=np.float64)
            values = self._ahead(fitted.history, len(X), fitted.scales)[0, :, :, fitted.levels.index(0.5)]
            return values[:, 0] if values.shape[1] == 1 else values
        ahead = fitted.setting.horizon if horizon is None else horizon
        check_positive(horizon=ahead)
        panel, values = self._continued(X, ahead)
        contracts.tell_gaps(values, fitted.levels, fitted.wanted, fitted.setting.horizon)
        chosen = [fitted.levels.index(level) for level in fitted.wanted]
        middle = fitted.levels.index(0.5)
        return contracts.forecast_table(panel, values[..., [*chosen, middle]], fitted.wanted, len(chosen))

    def sample(
        self,
        X: Any = None,
        horizon: int | None = None,
        *,
        paths: int = 100,
        dependence: str = "schaake",
        seed: int = 0,
    ) -> pd.DataFrame:
        """Draw sample paths, as ``Forecaster.sample`` does.

        Args:
            X: A table with the history to continue; None continues the training table.
            horizon: Rows ahead, at most those calibrated; None: all of them.
            paths: Paths of each series.
            dependence: ``"schaake"`` or ``"copula"``.
            seed: Equal seeds give equal paths.

        Returns:
            id, time, [target], ``path``, ``forecast``.

        Example:
            >>> import forecast
            >>> model = forecast.Baseline("theta", horizon=3).fit(forecast.load_dataset("air_passengers"))
            >>> model.sample(paths=2)[["month", "path"]].iloc[[0, 2, 3]].to_dict("list")["path"]
            [1, 1, 2]
        """
        drawing = Drawing(paths, dependence, seed)
        return path_table(self._outlook(X, horizon, drawing), drawing)

    def total(
        self,
        X: Any = None,
        horizon: int | None = None,
        *,
        quantiles: Sequence[float] | None = None,
        paths: int = 1000,
        dependence: str = "schaake",
        seed: int = 0,
    ) -> pd.DataFrame:
        """Forecast the sum over the horizon, as ``Forecaster.total`` does.

        Args:
            X: A table with the history to continue; None continues the training table.
            horizon: Rows to sum, at most those calibrated; None: all of them.
            quantiles: Levels, none outside those of the baseline; None gives these.
            paths: Paths of each series.
            dependence: ``"schaake"`` or ``"copula"``.
            seed: Equal seeds give equal sums.

        Returns:
            One row a series and target: id, ``from``, ``to``, [target], ``forecast``, ``q0.1`` …

        Example:
            >>> import forecast
            >>> model = forecast.Baseline("theta", horizon=3).fit(forecast.load_dataset("air_passengers"))
            >>> model.total().columns.tolist()
            ['from', 'to', 'forecast', 'q0.1', 'q0.9']
        """
        drawing = Drawing(paths, dependence, seed)
        levels = self.quantiles if quantiles is None else quantiles
        return total_table(self._outlook(X, horizon, drawing), drawing, sorted(levels))

    def update(self, X: Any, y: Any = None) -> Baseline:
        """Take newer rows: the history grows, and the intervals follow the errors, as ``Forecaster.update`` does.

        Args:
            X: A table that continues the history, or the whole table; after ``fit(X, y)`` the rows that follow.
            y: Their targets, after ``fit(X, y)``.

        Example:
            >>> import forecast
            >>> table = forecast.load_dataset("air_passengers")
            >>> model = forecast.Baseline("theta", horizon=3).fit(table[:-12]).update(table)
            >>> model.coverage_["scores"].tolist()
            [12, 12, 12]
        """
        check_is_fitted(self)
        given = contracts.newer_panel(self, X, y)
        self.fitted_ = updated_baseline(self.fitted_, self.method, given)
        return self

    @property
    def coverage_(self) -> pd.DataFrame:
        """What the quantiles reached in all updates; see ``Forecaster.coverage_``."""
        check_is_fitted(self)
        fitted = self.fitted_
        return coverage_frame(fitted.realised, fitted.levels, fitted.contract.columns.target)

    def save(self, path: Any) -> None:
        """Write everything to one file, atomically; ``forecast.load`` reads it."""
        from forecast.estimators.saving import save_baseline

        save_baseline(self, path)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True
        tags.target_tags.multi_output = True
        return tags

    def _continued(self, X: Any, horizon: int) -> tuple[Panel, np.ndarray]:
        """Return a table, or the stored history, and its forecasts."""
        fitted = self.fitted_
        panel = fitted.history if X is None else fitted.contract.read(X)
        check_history(panel)
        scales = fitted.scales if X is None else error_scales(panel, fitted.setting.season)
        return panel, self._ahead(panel, horizon, scales)

    def _template(self, panel: Panel, setting: Setting, scales: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Keep windows of errors; where calibration has few, from some more origins before."""
        template = kept_template(scores)
        if len(template) >= ENOUGH_WINDOWS:
            return template
        rows = max(setting.validation, setting.horizon + -(-2 * ENOUGH_WINDOWS // len(panel)))
        begin = np.maximum(panel.ends - rows, panel.offsets[:-1] + max(setting.season, 1))
        windows = make_windows(
            panel, context=1, horizon=setting.horizon, first=begin, short="drop", scales=scales
        ).thin(2 * ENOUGH_WINDOWS)
        return kept_template(baseline_scores(self.method, windows, setting.season))

    def _outlook(self, X: Any, horizon: int | None, drawing: Drawing) -> Outlook:
        check_is_fitted(self)
        fitted = self.fitted_
        ahead = fitted.setting.horizon if horizon is None else horizon
        check_within(ahead, fitted.setting.horizon)
        check_samples(fitted.levels, drawing)
        panel, values = self._continued(X, ahead)
        return Outlook(panel, values, fitted.levels, fitted.template, self.method)

    def _ahead(self, panel: Panel, horizon: int, scales: np.ndarray) -> np.ndarray:
        fitted = self.fitted_
        return baseline_ahead(
            self.method, panel, horizon, fitted.setting, fitted.levels, fitted.shift, scales
        )


def baseline_ahead(
    name: str,
    panel: Panel,
    horizon: int,
    setting: Setting,
    levels: tuple[float, ...],
    shift: ConformalShift | None,
    scales: np.ndarray,
) -> np.ndarray:
    """Forecast with a baseline after each series' last observed target: ``(series, horizon, targets, levels)``.

    Without a calibration every level but the median is NaN. Beyond the calibrated horizon intervals
    are widened as in ``rolling.forecast_ahead``.
    """
    check_method(name)
    point = np.empty((len(panel), horizon, len(panel.columns.target)))
    for i, end in enumerate(panel.ends):
        begin = max(int(panel.offsets[i]), int(end) - memory_of(setting.season))
        for j in range(point.shape[2]):
            point[i, :, j] = BASELINES[name](panel.targets[begin:end, j], horizon, setting.season)
    if shift is None:
        return np.where(np.array(levels) == 0.5, point[..., None], np.nan)
    parts: list[np.ndarray] = []
    for done in range(0, horizon, setting.horizon):
        part = point[:, done : done + setting.horizon]
        part = np.pad(part, ((0, 0), (0, setting.horizon - part.shape[1]), (0, 0)), mode="edge")
        part = shift.apply_point(part, scales[:, None, :], panel.ids)
        parts.append(widened(part, parts[-1][:, -1:], levels.index(0.5)) if parts else part)
    return np.concatenate(parts, axis=1)[:, :horizon]


def check_method(name: str, others: tuple[str, ...] = ()) -> None:
    """Refuse a method that does not exist.

    Raises:
        ParameterError: With the nearest name.
    """
    known = [*others, *BASELINES]
    if name not in known:
        raise ParameterError(
            f"There is no method {name!r}; known are {', '.join(known)}.{closest(name, known)}"
        )


def check_history(panel: Panel) -> None:
    """Refuse series without any observed target."""
    empty = np.flatnonzero(panel.ends == panel.offsets[:-1])
    if len(empty):
        who = (
            ", ".join(repr(panel.ids[i]) for i in empty[:5]) if panel.columns.id is not None else "the table"
        )
        raise InputError(f"No target is observed in {who}: there is nothing to continue.")
