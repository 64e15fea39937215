"""The detector: fit a table, find events in the rows that follow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from forecast.detection.calibration import calibration_table
from forecast.detection.tables import Found, event_table, score_table
from forecast.estimators.contract import as_table
from forecast.estimators.detecting import FittedDetector, joined, split
from forecast.estimators.judging import judge
from forecast.estimators.truth import read_labelled
from forecast.estimators.watching import learn_detector
from forecast.evaluation.detectors import WINDOW
from forecast.report.events import plot_calibration, plot_events


class Detector(OutlierMixin, BaseEstimator):
    """Finds the moments when something was wrong, at an alarm rate that one asks for.

    Scores use no row behind the one they are about. Each row's evidence is a sum over channels and horizons, so it
    can be told what carried an alarm; how rare a sum is says its rank among the evidence of earlier rows.

    Args:
        method: ``"forecast"``, errors of a recurrent network at several horizons beside the novelty of the level. Or,
            beside that novelty too, what a network says that presses the last rows into a short code and makes them
            again: ``"reconstruction"``, its errors; ``"variational"``, how unlikely the rows are to it; ``"joint"``,
            its errors and those of the rows behind and before its window, which it forecasts as well. These three
            look at the targets only, not at covariates. Or without a network ``"novelty"``, ``"range"``, ``"ewma"``,
            ``"seasonal-naive"``, ``"gaussian"``.
        alarms: Rate asked for, such as ``"1 per week"``, ``"1 per 1000 rows"`` or a share of rows; None: 1 per 1,000
            rows, or three in as many rows as there are if they are fewer than 3,000.
        horizons: Rows whose mean is forecast (``"forecast"`` only); empty: one, and a quarter, one and three of the
            season, or of 24 rows.
        context: Rows the network sees, or makes again; None chooses.
        time: Name of the time column; None guesses.
        id: Name of the column that tells series apart; None guesses.
        target: Name or names of the columns to watch; empty guesses.
        known_future: Columns known ahead; ``("none",)`` for none.
        past_only: Columns known up to now only.
        static: Columns constant within a series.
        step: Distance between rows; None infers it.
        season: Rows of a season, 1 for none; None finds it.
        model: Architecture of ``"forecast"``, as of ``Forecaster``; ``"auto"`` chooses.
        cell: ``"rnn"``, ``"lstm"`` or ``"gru"``.
        bidirectional: Read and make windows in both directions; not of method ``"forecast"``.
        units: Width of the network's layers; None: its usual one.
        ensemble: Networks, by seed, of each block of rows; the mean of their evidence counts.
        folds: Blocks of rows; the errors in each are those of networks that learned from the others.
        steps: Optimiser steps of each network; None chooses.
        online: Fine-tune a copy of the networks to each series behind the training: a step every 128 rows, not on rows
            of events. It helps forecasts where a series leaves what was trained on; alarms hardly.
        engine: P-values of errors: ``"gpd"``, ranks and beyond the 95 % point a generalised Pareto tail;
            ``"conformal"`` ranks; for a history that may be spoilt ``"censored"``, a tail whose largest scores only
            count, or ``"hybrid"``, of that and ranks; ``"aci"``; or for comparison ``"gaussian"``, ``"quantile"``,
            ``"dynamic"``, ``"likelihood"``. Levels are ranked.
        window: Most rows that p-values look back at.
        hold: Rows for which an alarm keeps back those that do not exceed it by a decade; None: 30, but at most half of
            those between two alarms that were asked for.
        release: An event lasts while the evidence is at least this share of what raised it.
        min_rows: Rows that the evidence must last before an alarm is raised.
        merge: Rows behind an event within which a new alarm belongs to it.
        quiet: Times at which no alarm is raised: ``"22:00-06:00"``, ``"sun"``, ``"sat 12-24"``.
        floor: Least distance between what was expected and what happened, in units of the channel.
        missing: ``"ignore"`` missing rows, or let them be ``"evidence"``.
        duplicates: Two rows of one time: ``"error"``, ``"first"``, ``"last"``, ``"mean"`` or ``"sum"``.
        timezone: Zone of local times.
        date_format: How dates are written.
        snap: Round jittering times to the nearest step.
        seed: Seed of weights and order; two fits are equal bit for bit on a CPU.

    Attributes:
        choices_: What was chosen, with the flag or argument that changes it.
        rate_: Alarms asked for, as a share of rows.
        offset_: ``score_samples`` below it is an alarm.

    Example:
        >>> import forecast
        >>> table = forecast.load_dataset("nile")
        >>> detector = forecast.Detector("novelty", alarms="1 per 20 rows").fit(table[:60])
        >>> events = detector.detect(table)
        >>> dict(zip(events["start"].dt.year, events["kind"]))
        {1888: 'below', 1902: 'range', 1913: 'range', 1925: 'below', 1941: 'below'}
    """

    def __init__(
        self,
        method: str = "forecast",
        alarms: str | float | None = None,
        *,
        horizons: Sequence[int] = (),
        context: int | None = None,
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
        bidirectional: bool = False,
        units: int | None = None,
        ensemble: int = 1,
        folds: int = 2,
        steps: int | None = None,
        online: bool = False,
        engine: str = "gpd",
        window: int = 8_000,
        hold: int | None = None,
        release: float = 0.5,
        min_rows: int = 1,
        merge: int = 0,
        quiet: str | Sequence[str] = (),
        floor: float = 0.0,
        missing: str = "ignore",
        duplicates: str = "error",
        timezone: str | None = None,
        date_format: str | None = None,
        snap: bool = False,
        seed: int = 0,
    ):
        for name, value in list(locals().items()):
            if name not in ("self", "__class__"):
                setattr(self, name, value)

    def fit(self, X: Any, y: Any = None) -> Detector:
        """Learn what is usual from a table; the more of it is usual, the better.

        Args:
            X: A table: a CSV or Parquet path, a DataFrame, a dict of columns, a panel, or an array
                ``(rows, channels)``.
            y: Ignored.

        Raises:
            InputError: The table or an argument is wrong.
        """
        self.from_arrays_ = _is_array(X)
        if self.from_arrays_:
            X = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", ensure_min_samples=2)
        self.fitted_ = learn_detector(self, X)
        return self

    @property
    def choices_(self) -> tuple:
        """What was chosen."""
        return self._fitted().choices

    @property
    def rate_(self) -> float:
        """Alarms asked for, as a share of rows."""
        return self._fitted().chain.rate

    @property
    def offset_(self) -> float:
        """``score_samples`` below it is an alarm: the logarithm of the rate, a hair above so that a tie alarms."""
        return float(np.nextafter(np.log10(self.rate_), np.inf))

    def score(self, X: Any, y: Any = None) -> pd.DataFrame:
        """Weigh every row, those that were learned from by networks that had not seen them.

        Args:
            X: A table; rows behind the last that was seen are weighed as its continuation.
            y: Ignored.

        Returns:
            id, time, ``evidence`` in decades and ``p_value``, NaN for missing rows, and ``alarm``, 1 where they raise
            one, else 0.
        """
        return score_table(self._found(X), self._fitted().contract.columns)

    def detect(self, X: Any) -> pd.DataFrame:
        """Find events; see ``score``.

        Returns:
            One row an event: id, ``start``, ``raised``, ``end``, ``peak``, ``rows``, ``severity`` (decades of evidence
            at the peak), ``p_value``, ``channel``, ``kind`` and ``horizon`` of what carried it, ``actual``,
            ``expected``, ``lower``, ``upper``, and whether it is still ``open``.
        """
        return event_table(self._found(X), self._fitted().contract.columns)

    def update(self, X: Any) -> pd.DataFrame:
        """Take newer rows, weigh them, remember them.

        Args:
            X: Rows behind those that were seen, or the whole table.

        Returns:
            Events in these rows, as of ``detect``; one that began before is there again if it went on.
        """
        fitted = self._fitted()
        found, self.fitted_ = fitted.newer(fitted.contract.read(as_table(X)))
        return event_table(found, fitted.contract.columns)

    def predict(self, X: Any) -> np.ndarray:
        """Return -1 for rows in which an alarm could be raised by their evidence alone, else 1, int ``(rows,)``."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def decision_function(self, X: Any) -> np.ndarray:
        """Return ``score_samples(X) - offset_``: below 0 for alarms."""
        return self.score_samples(X) - self.offset_

    def score_samples(self, X: Any) -> np.ndarray:
        """Return the decimal logarithm of each row's p-value, float64 ``(rows,)``; 0 for missing rows."""
        found = self._found(X)
        present = [one.evidence.p for one in found]
        return np.log10(np.nan_to_num(np.concatenate(present), nan=1.0))

    def calibration_report(self, X: Any) -> pd.DataFrame:
        """Set the alarms that came in a table against those asked for; see ``calibration_table``.

        Events are alarms too: rows in which something did happen make the realised rate larger than the one of chance.

        Returns:
            ``rate``, ``rows``, ``asked``, ``alarms``, ``realised``, ``low``, ``high``, ``ratio``, the rarest rate last.

        Example:
            >>> import forecast
            >>> table = forecast.load_dataset("nile")
            >>> report = forecast.Detector("ewma").fit(table[:60]).calibration_report(table)
            >>> report["rate"].round(3).tolist()
            [0.1, 0.049, 0.03, 0.01]
        """
        return calibration_table(self._found(X), self.rate_, hold=self._fitted().chain.hold)

    def evaluate(
        self, X: Any, events: Any, *, tolerance: int = 0, window: int = WINDOW, legacy: bool = False
    ) -> pd.DataFrame:
        """Measure the alarms against labelled events, beside chance, the range check and methods without a network.

        Rows behind those that were learned from count. The other methods learn from the same rows and alarm at the same
        rate; ``random`` raises as many alarms as this detector does, anywhere; the range check flags values outside of
        all before by 5 % of their range.

        Args:
            X: The whole table: the rows that were learned from, and those behind.
            events: A table or file with a row an event: ``start``, ``end`` (none or blank: a moment), and the id column
                if there are several series; or the name of a column of ``X`` that is 1 in events, else 0.
            tolerance: Rows before and behind an event within which an alarm is true.
            window: Rows of the widest buffer of VUS.
            legacy: Add point-adjusted F1, with a warning.

        Returns:
            As of ``forecast.evaluation.detectors.detector_table``: ``method``, ``threshold``, ``measure``, ``setting``,
            ``value``, ``low``, ``high``, ``better``; intervals are over series, none for a single one.

        Raises:
            InputError: Events make no sense, none lies behind the rows that were learned from, or these are not in the
                table.

        Example:
            >>> import forecast
            >>> table = forecast.load_dataset("nile")
            >>> detector = forecast.Detector("novelty", alarms="1 per 20 rows").fit(table[:30])
            >>> found = detector.evaluate(table, {"start": ["1902-01-01", "1913-01-01"]}, tolerance=1)
            >>> recall = found[found["measure"] == "recall"].set_index("method")["value"]
            >>> recall[["novelty", "range check", "random"]].round(2).to_dict()
            {'novelty': 0.5, 'range check': 1.0, 'random': 0.12}
        """
        panel, spans = read_labelled(self._fitted().contract, X, events)
        return judge(self, panel, spans, tolerance=tolerance, window=window, legacy=legacy)

    def plot_calibration(self, X: Any) -> Any:
        """Draw the calibration report: realised against asked, both on logarithmic scales."""
        return plot_calibration(self.calibration_report(X), self.rate_)

    def plot(self, X: Any, **options: Any) -> Any:
        """Draw what was expected, what happened, and the events; see ``forecast.report.events.plot_events``."""
        return plot_events(self._found(X), self._fitted().contract.columns, **options)

    def save(self, path: Any) -> None:
        """Write everything to one file, atomically; ``forecast.load`` reads it."""
        from forecast.estimators.detector_saving import save_detector

        save_detector(self, path)

    def _found(self, X: Any) -> list[Found]:
        """Look at a table without remembering it: first rows seen before, then those behind them."""
        fitted = self._fitted()
        if self.from_arrays_:
            X = validate_data(self, X, reset=False, dtype=np.float64, ensure_all_finite="allow-nan")
            return fitted.older(fitted.contract.read(as_table(X)))
        given = fitted.contract.read(as_table(X))
        seen, newer = split(fitted.history, given)
        older = fitted.older(seen) if seen is not None else []
        return joined(older, fitted.newer(newer)[0] if newer is not None else [], given.ids)

    def _fitted(self) -> FittedDetector:
        check_is_fitted(self)
        return self.fitted_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def _is_array(X: Any) -> bool:
    """Say whether rows come without names, as scikit-learn hands them over."""
    plain = isinstance(X, list | tuple) or hasattr(X, "__array__") or issparse(X)
    return plain and not hasattr(X, "columns")
