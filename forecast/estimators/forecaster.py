"""The forecaster: fit a table, predict a table."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from forecast.data.table import Choice
from forecast.errors import ParameterError
from forecast.estimators import continuing, exporting, exposure, learned, monte_carlo, paths, streaming
from forecast.estimators import contract as contracts
from forecast.estimators.arguments import asked, chosen_method, options_of
from forecast.estimators.fitting import Fitted
from forecast.estimators.learning import learn
from forecast.estimators.prediction import evaluate_panel, predict_panel, score_panel
from forecast.estimators.updating import updated
from forecast.training.course import Listeners, Progress


class Forecaster(RegressorMixin, BaseEstimator):
    """Recurrent network that forecasts one or many time series with calibrated intervals.

    What is left at None is chosen from the table and listed in ``choices_``. The network is always
    compared with simple baselines on rows it has not seen (``comparison_``); ``method="best"`` lets tests on
    several such blocks of rows decide who forecasts.

    Args:
        horizon: Rows ahead to forecast; None: one season, or what the step suggests.
        context: Rows the network sees; None: about four horizons or two seasons.
        time: Name of the time column; None guesses.
        id: Name of the column that tells series apart; None guesses.
        target: Name or names of the columns to forecast; empty guesses.
        known_future: Columns known over the horizon too (promotions, holidays); ``("none",)`` for none.
        past_only: Columns known up to now only.
        static: Columns constant within a series, numbers or text.
        step: Distance between rows such as ``"h"`` or ``"MS"``; None infers it.
        season: Rows of a season, 1 for none; None finds it.
        model: Architecture: ``"segment"``, ``"esrnn"``, ``"rnn"``, ``"stateful"``, ``"seq2seq"``, ``"autoregressive"``,
            ``"dense"``, ``"linear"``, ``"conv"``, ``"transformer"``; ``"auto"``: segment or esrnn by rows, else rnn.
        cell: ``"rnn"`` (SimpleRNN), ``"lstm"`` or ``"gru"`` of recurrent networks.
        units: Width of the network's layers; None: its usual one.
        layers: Number of its layers; None: its usual one.
        bidirectional: Read the context in both directions (rnn).
        dropout: Share dropped; None: the network's usual one.
        recurrent_dropout: Share of the state that is dropped between steps, one mask a batch (rnn, stateful).
        activation: ``"tanh"``, ``"relu"`` or ``"leaky_relu"`` (rnn).
        start: First recurrent kernel: ``"orthogonal"``, or ``"identity"`` for ReLU (rnn).
        stateful: Carry the state through each series, so that a new row is read in constant time (see ``stream``).
        tbptt: Rows that gradients go back in it (truncated backpropagation); None: 256. Given, it is stateful.
        model_options: Further options of the network's build function, such as ``{"segment": 24}``.
        anchor: Level that forecasts start from: ``"last"``, ``"mean"``, ``"season"``, ``"period"``, ``"difference"`` or
            ``"none"`` (see ``models.Spec``); ``"auto"`` tries some on validation rows.
        scale: What windows are divided by: ``"window"``, the spread of each, or ``"training"``, that of the training
            rows; ``"auto"`` tries both on validation rows where series are alike.
        target_transform: Of the targets: ``"none"``, ``"log"``, ``"power"`` (Box-Cox), ``"asinh"``; ``"auto"`` tries
            those that suit the values.
        positive: Cut forecasts off at zero; None: where no target was ever negative.
        independent: Forecast each target from its own past; False lets targets inform each other.
        skip: Linear path from context to horizon; None: for contexts up to 170 rows, or many series.
        head: ``"quantiles"``, or a distribution: ``"normal"``, ``"student"``, ``"lognormal"``,
            ``"negative_binomial"``, ``"mixture"``.
        calendar: True for the calendar features that the step suggests, or their names.
        holidays: Country whose holidays are a feature, such as ``"DE"`` or ``"DE-BY"``.
        lags: Rows of earlier values shown beside each row; True chooses them.
        embed: ``"series"`` and/or ``"categories"`` (text among ``static``): learn a vector for each.
        network: Your own ``f(spec) -> keras.Model`` in place of these.
        quantiles: Levels to forecast beside the median; empty for a point forecast.
        calibrate: Shift the quantiles so that they hold on windows that were not trained on.
        method: ``"network"``, ``"auto"`` (a mean of network and baselines, weighted by the held-out rows), a
            baseline's name, or ``"best"``: fitted with it, up to four more networks are trained, each on the rows
            before an earlier block, and what is not better than the naive forecast by 1 % and beyond chance does not
            stand (``gate_``). Asked of a model fitted otherwise, ``"best"`` is the winner of the comparison.
        loss: ``"auto"`` (pinball with quantiles, likelihood of a distribution, else absolute error); with quantiles
            also ``"smape"`` and ``"owa"``; of points ``"mae"``, ``"mse"``, ``"mixed"``, ``"mase"``, ``"smape"``,
            ``"owa"``; of distributions ``"likelihood"`` and ``"crps"``.
        horizons: Horizons up to ``horizon`` that the loss serves alike; empty: all steps count alike.
        preset: ``"fast"``, ``"good"`` or ``"best"``: how many steps, trials and networks.
        ensemble: Networks whose mean forecasts: other architectures (with ``model="auto"``), contexts and scalings as
            far as trials found them nearly as good, then other seeds.
        snapshots: Train one network in place of the ensemble's, at a learning rate that falls and rises again; its
            members are where it stood each time the rate had fallen.
        steps: Optimiser steps in all; None: passes over the windows, within the preset's bounds.
        epochs: Passes over the windows, in place of ``steps``.
        batch_size: Windows a step; None: 32 sequences or more, with the number of windows.
        learning_rate: Highest rate; it warms up to it and falls to zero along a cosine. None: 3e-3, or 2e-3 for
            contexts above 170 rows.
        sampling: Draw ``"rows"`` or ``"series"`` equally often; None: series where there are 20 or more.
        averaging: Momentum of the running mean of the weights; None: 0.995 from 2,000 steps on.
        weight_decay: Shrinks kernels by this share of the rate a step (AdamW), such as 0.01; None: not at all.
        patience: Epochs without a better validation loss before stopping.
        clip: Largest gradient norm, None for no clipping.
        holdout: Rows at each series' end kept for the comparison; 0 for none; None chooses.
        validation: Rows before them kept to choose and to stop by; None chooses.
        refit: Go on training with the rows that were kept back (held-out and validation), once they have judged.
        budget: Seconds of training at most, both fits together.
        optimizer: A Keras optimiser in place of Adam.
        callbacks: Further Keras callbacks.
        short: Series shorter than a window: ``"error"``, ``"drop"``, ``"pad"``; None pads if the context is chosen too.
        duplicates: Two rows of one time: ``"error"``, ``"first"``, ``"last"``, ``"mean"`` or ``"sum"``.
        timezone: Zone of local times, such as ``"Europe/Berlin"``.
        date_format: How dates are written, such as ``"%d/%m/%Y"``.
        snap: Round jittering times to the nearest step.
        seed: Seed of weights, dropout and order; two fits are equal bit for bit on a CPU.
        verbose: 1 prints progress and the comparison; 0 nothing.

    Attributes:
        model_: The trained ``keras.Model``: raw values in, raw values out.
        history_: One row an epoch: loss, val_loss, learning_rate, gradient_norm, clipped, seconds.
        gate_: Errors by fold that ``method="best"`` was decided on; None for other methods.
        comparison_: Methods beside each other on the held-out rows, best first; None without holdout.
        choices_: What was chosen, with the flag or argument that changes it.
        coverage_: What the quantiles reached while ``update`` adapted them.
        health_: How far back gradients reached, before and after training; empty without ``diagnostics``.

    Example:
        >>> import forecast
        >>> table = forecast.load_dataset("air_passengers")
        >>> model = forecast.Forecaster(horizon=12, context=24, units=8, epochs=1, preset="fast").fit(table)
        >>> model.predict(horizon=3).columns.tolist()
        ['month', 'forecast', 'q0.1', 'q0.9']
    """

    def __init__(
        self,
        horizon: int | None = None,
        context: int | None = None,
        *,
        time: str | None = None,
        id: str | None = None,
        target: str | Sequence[str] = (),
        known_future: Sequence[str] = (),
        past_only: Sequence[str] = (),
        static: Sequence[str] = (),
        step: str | int | None = None,
        season: int | None = None,
        model: str = "auto",
        cell: str = "gru",
        units: int | None = None,
        layers: int | None = None,
        bidirectional: bool = False,
        dropout: float | None = None,
        recurrent_dropout: float = 0.0,
        activation: str = "tanh",
        start: str = "orthogonal",
        stateful: bool = False,
        tbptt: int | None = None,
        model_options: Mapping[str, Any] | None = None,
        anchor: str = "auto",
        scale: str = "auto",
        target_transform: str = "auto",
        positive: bool | None = None,
        independent: bool = True,
        skip: bool | None = None,
        head: str = "quantiles",
        calendar: bool | str | Sequence[str] = False,
        holidays: str | None = None,
        lags: bool | int | Sequence[int] = (),
        embed: str | Sequence[str] = (),
        network: Callable[..., Any] | None = None,
        quantiles: Sequence[float] = (0.1, 0.9),
        calibrate: bool = True,
        method: str = "network",
        loss: str = "auto",
        horizons: Sequence[int] = (),
        preset: str = "good",
        ensemble: int | None = None,
        snapshots: bool = False,
        steps: int | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        sampling: str | None = None,
        patience: int = 10,
        clip: float | None = 1.0,
        averaging: float | None = None,
        weight_decay: float | None = None,
        holdout: int | None = None,
        validation: int | None = None,
        refit: bool = True,
        budget: float | None = None,
        optimizer: Any = None,
        callbacks: Sequence[Any] = (),
        short: str | None = None,
        duplicates: str = "error",
        timezone: str | None = None,
        date_format: str | None = None,
        snap: bool = False,
        seed: int = 0,
        verbose: int = 0,
    ):
        # Sixty plain assignments: the constructor only stores, as scikit-learn's `clone` demands.
        for name, value in list(locals().items()):
            if name not in ("self", "__class__"):
                setattr(self, name, value)

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        progress: Callable[[Progress], None] | None = None,
        interrupted: Callable[[], bool] | None = None,
        announce: Callable[[tuple[Choice, ...]], None] | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        resume: bool = True,
        diagnostics: bool = False,
    ) -> Forecaster:
        """Learn from a table, or from arrays.

        Args:
            X: A table: a CSV or Parquet path, a DataFrame of any kind, a dict of columns, a panel, or one
                array of values. With ``y``, an array of covariates known ahead, rows being steps.
            y: Target array ``(rows,)`` or ``(rows, targets)``; None if ``X`` is a table.
            progress: Called with a ``Progress`` after every batch.
            interrupted: Asked after every batch; True ends training and keeps the best weights.
            announce: Called with what was chosen, before training begins.
            checkpoint: Folder in which the fit keeps where it stands, after every epoch and every 30 seconds. Killed
                and called again with the same data and arguments, it goes on there and ends with the same weights,
                bit for bit on a CPU, as if nothing had happened. The folder is removed when the fit is done.
            resume: Whether to go on with what the folder holds; False begins anew.
            diagnostics: Measure how far back gradients reach before and after training (``health_``).

        Raises:
            InputError: The table or an argument is wrong, or the checkpoint is of other data or arguments.
            TrainingDiverged: The loss became non-finite.
        """
        listeners = Listeners(progress, interrupted, tuple(self.callbacks), announce, diagnose=diagnostics)
        self.fitted_, self.choices_ = learn(self, X, y, listeners, checkpoint, resume=resume)
        self.from_arrays_ = y is not None
        if self.verbose and self.comparison_ is not None:
            print(self.comparison_.to_string(index=False), self.verdict_, sep="\n")
        return self

    # What it has learned; functions of a module of their own, as predict and sample paths are long enough.
    model_, history_, comparison_ = (
        property(learned.model),
        property(learned.history),
        property(learned.comparison),
    )
    gate_, weights_, verdict_ = property(learned.gate), property(learned.weights), property(learned.verdict)
    coverage_, health_ = property(learned.coverage), property(learned.health)

    def predict(
        self,
        X: Any = None,
        horizon: int | None = None,
        *,
        quantiles: Sequence[float] | None = None,
        method: str | None = None,
    ) -> Any:
        """Forecast the rows after the last observed target of each series.

        Args:
            X: A table with the history to continue (and known-future columns ahead); None continues the
                training table. Where it is shorter than the context, stored history precedes it. After
                ``fit(X, y)``: covariates of the next ``len(X)`` steps.
            horizon: Rows ahead; None: as trained. Beyond that, forecasts are fed back.
            quantiles: Levels among the trained ones; None gives all.
            method: ``"network"``, ``"best"``, ``"auto"`` or a baseline's name; None: as constructed.

        Returns:
            A DataFrame: id, time, [target], ``forecast`` (the median), ``q0.1`` …; after ``fit(X, y)`` an
            array ``(rows,)`` or ``(rows, targets)``.

        Raises:
            InputError: A column, history or known-future value is missing.
        """
        fitted, panel, horizon, method = asked(self, X, horizon, method)
        levels = fitted.levels if quantiles is None else tuple(float(q) for q in quantiles)
        contracts.check_levels(levels, fitted.levels)
        if not self.from_arrays_ or X is None:
            return predict_panel(fitted, panel, horizon, levels=levels, method=method)
        table = predict_panel(fitted, panel, horizon, levels=(), method=method)
        values = table["forecast"].to_numpy().reshape(-1, table.attrs["horizon"]).T
        return values[:, 0] if values.shape[1] == 1 else values

    # Written as methods there, and long enough for modules.
    sample, total, stream = paths.sample, paths.total, streaming.stream
    exposure_bias, monte_carlo = exposure.exposure_bias, monte_carlo.monte_carlo
    continue_training, export = continuing.continue_training, exporting.export

    def update(self, X: Any, y: Any = None) -> Forecaster:
        """Take newer rows: the history grows, and the intervals follow the errors; nothing is trained.

        With each new actual, every quantile but the median moves a little (see ``evaluation.adaptive``), so that
        it comes to hold as often as it claims though the noise has changed. Rows that are known change nothing:
        updating twice is updating once. Updating in pieces uses the same actuals; at horizon 1 all is equal,
        beyond it windows that a cut divides meet newer shifts. A new series counts from its next update on.

        Args:
            X: A table that continues the history, maybe after a gap, or the whole table, with columns known
                ahead if there are any; after ``fit(X, y)`` the covariates of the rows that follow.
            y: Their targets, after ``fit(X, y)``.

        Example:
            >>> import forecast
            >>> table = forecast.load_dataset("air_passengers")
            >>> model = forecast.Forecaster(horizon=3, context=24, units=8, epochs=1, preset="fast").fit(table[:-12])
            >>> model.update(table).predict()["month"].dt.year.unique().tolist()
            [1961]
        """
        self.fitted_ = updated(self._fitted(), contracts.newer_panel(self, X, y))
        return self

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return R² after ``fit(X, y)``; for a table, minus the MASE of its last ``horizon`` rows.

        The rows of the table before those are the history; higher is better in both cases.
        """
        if y is not None:
            return super().score(X, y, sample_weight)
        return score_panel(self._fitted(), contracts.as_table(X), chosen_method(self, self.method))

    def evaluate(self, X: Any, *, windows: int = 100) -> pd.DataFrame:
        """Compare the network and the baselines on a table's rows after the end of training.

        Args:
            X: A table with history and newer rows.
            windows: Windows at most per series.

        Returns:
            The comparison, best first. ``attrs["in_sample"]`` is True if the table has no newer row; the
            figures then flatter the network.
        """
        fitted = self._fitted()
        return evaluate_panel(fitted, fitted.contract.read(contracts.as_table(X)), windows)

    def plot(self, X: Any = None, horizon: int | None = None, *, ax: Any = None) -> Any:
        """Draw history, forecast and intervals; return the Matplotlib axes or figure."""
        from forecast.report.pictures import forecast_picture

        fitted, panel, horizon, method = asked(self, X, horizon, None)
        table = predict_panel(fitted, panel, horizon, levels=fitted.levels, method=method)
        return forecast_picture(panel, table, fitted.setting.season, ax=ax)

    def save(self, path: Any) -> None:
        """Write everything to one file (``.forecast``), atomically; ``load`` reads it."""
        from forecast.estimators.saving import save_forecaster

        save_forecaster(self, path)

    @classmethod
    def load(cls, path: Any, *, network: Callable[..., Any] | None = None) -> Forecaster:
        """Read a file that ``save`` wrote, as ``forecast.load`` does; one of another estimator is refused."""
        from forecast.estimators.saving import load

        loaded = load(path, network=network)
        if not isinstance(loaded, cls):
            raise ParameterError(f"{path} holds a {type(loaded).__name__}; read it with forecast.load.")
        return loaded

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "fitted_")

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "fitted_" in state:
            state["fitted_"] = state["fitted_"].frozen()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "fitted_" in state:
            self.fitted_ = state["fitted_"].thawed(options_of(self))

    def _fitted(self) -> Fitted:
        check_is_fitted(self)
        return self.fitted_
