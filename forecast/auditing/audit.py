"""Audit a fitted forecaster, a baseline or any Keras model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from sklearn.utils.validation import check_is_fitted

from forecast.auditing.calibration import CALIBRATION, coverage_finding, quantiles_finding
from forecast.auditing.demands import columns_finding, demanded, missing_columns
from forecast.auditing.drift import DRIFT, drift_finding
from forecast.auditing.findings import Audit, Finding
from forecast.auditing.information import (
    covariate_finding,
    future_finding,
    newest_finding,
    numbers_finding,
)
from forecast.auditing.invariance import batch_finding, padding_finding
from forecast.auditing.kerasmodels import keras_subject, plain_padding_finding
from forecast.auditing.persistence import persistence_finding
from forecast.auditing.probing import measure
from forecast.auditing.reactions import Reactions
from forecast.auditing.rivals import (
    BASELINES_CHECK,
    Judgement,
    judge_baseline,
    judge_forecaster,
    judge_model,
    rivals_finding,
)
from forecast.auditing.subjects import (
    GIVEN,
    TRAINED,
    Subject,
    baseline_subject,
    forecaster_subject,
    tail_windows,
)
from forecast.data.encoding import StaticEncoder
from forecast.data.panel import Panel
from forecast.data.scale import error_scales
from forecast.data.table import column_names
from forecast.errors import InputError, ParameterError
from forecast.estimators.arguments import standing_method
from forecast.estimators.baseline import Baseline
from forecast.estimators.contract import Contract, as_table, join
from forecast.estimators.fitting import Fitted
from forecast.estimators.forecaster import Forecaster
from forecast.estimators.rolling import forecast_ahead

# Windows whose quantiles are looked at.
ORDERED = 256
# Longer than any history: stored rows precede every series that a table continues.
ALL_ROWS = 10**12


def audit(
    model: Forecaster | Baseline | keras.Model,
    table: Any = None,
    *,
    context: int | None = None,
    season: int | None = None,
    padding: str | None = None,
    padding_value: float = 0.0,
    seed: int = 0,
    **reading: Any,
) -> Audit:
    """Ask a fitted model what its forecasts react to, whether they are worth having, and whether they are honest.

    Inputs are moved and rows behind the origin scrambled, to see which forecast steps react; first steps are
    compared with the last observation, errors with those of the baselines, realised with claimed coverage,
    the table's columns and values with those of training; and padded rows and neighbours in a batch must
    have no influence. Nothing is trained and nothing of the model is changed.

    Args:
        model: A fitted ``Forecaster`` or ``Baseline``; or any Keras model with one input
            ``(batch, context, channels)`` (or the inputs of ``forecast.models.build_rnn`` by name) and one
            output ``(batch, horizon)``, ``(batch, horizon, targets)`` or
            ``(batch, horizon, targets, quantiles)``. Channels are targets, then known-future, then past-only.
        table: History, best with rows that are newer than training. None takes what the model stores (a
            Keras model stores nothing and needs one). For a Keras model also an array ``(rows,)`` or
            ``(rows, channels)``, in the units that it is fed with.
        context: Rows that a Keras model sees, if its input does not say.
        season: Rows of a season for a Keras model; None finds it, 1 is none.
        padding: How a Keras model that takes any number of rows is fed with short series: ``"left"`` or
            ``"right"``; None: never.
        padding_value: What padded rows hold.
        seed: Of the noise that inputs are moved by.
        reading: For a Keras model: arguments of ``forecast.read_table`` (``target``, ``time`` …).

    Returns:
        Findings, worst first, and the reactions behind them. ``serious`` says whether any is serious.

    Raises:
        InputError: The table cannot be read or holds no window; an argument is wrong.

    Example:
        >>> import forecast
        >>> from forecast.auditing.audit import audit
        >>> table = forecast.load_dataset("air_passengers")
        >>> found = audit(forecast.Baseline("seasonal-naive", horizon=12).fit(table))
        >>> [finding.severity for finding in found.of("newest observation")]
        ['note']
        >>> found.reactions.ignored.tolist()
        [11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
    """
    if isinstance(model, keras.Model):
        if table is None:
            raise InputError("A Keras model holds no history: pass a table, audit(model, table).")
        return _audit_keras(
            model, table, context, season, reading, padding=padding, value=padding_value, seed=seed
        )
    if not isinstance(model, Forecaster | Baseline):
        raise ParameterError(
            f"audit takes a Forecaster, a Baseline or a keras.Model; got {type(model).__name__}. For the evaluation "
            "of something else see audit_evaluation."
        )
    others = {"context": context, "season": season, "padding": padding} | reading
    given = [name for name, value in others.items() if value is not None]
    if given:
        raise ParameterError(f"{', '.join(given)} can be said for a Keras model only: a fitted one knows.")
    check_is_fitted(model)
    names = None if table is None else _names(table)
    rows = None
    if names is not None and not missing_columns(model.fitted_.contract.columns, names):
        rows = read_rows(model.fitted_.contract, table)
    return audit_estimator(model, rows, names, seed=seed)


def audit_estimator(
    model: Forecaster | Baseline, rows: Panel | None, names: Sequence[str] | None, *, seed: int = 0
) -> Audit:
    """Audit a fitted forecaster or baseline on rows that were read already.

    Args:
        model: The estimator.
        rows: The table's rows; None if there is no table, or one that lacks columns.
        names: The table's columns; None if there is no table.
        seed: Of the noise that inputs are moved by.
    """
    if isinstance(model, Baseline):
        return _audit_baseline(model, rows, names, seed)
    return _audit_forecaster(model, rows, names, seed)


def read_rows(contract: Contract, table: Any) -> Panel:
    """Read a table with the columns of training.

    Raises:
        InputError: The table is not one that the model can read.
    """
    if isinstance(table, Panel):
        return table if table.columns == contract.columns else contract.read(table.to_table())
    return contract.read(as_table(table))


def _names(table: Any) -> tuple[str, ...]:
    if isinstance(table, Panel):
        return tuple(demanded(table.columns))
    names = column_names(as_table(table))
    if hasattr(table, "seek"):
        table.seek(0)
    return names


def _audit_forecaster(model: Forecaster, rows: Panel | None, names: Sequence[str] | None, seed: int) -> Audit:
    fitted: Fitted = model.fitted_
    panel = fitted.history if rows is None else _continued(fitted.history, rows)
    subject = forecaster_subject(fitted, panel, TRAINED if rows is None else GIVEN)
    judgement = judge_forecaster(fitted, panel, standing_method(model), given=rows is not None)

    def ahead(past: Panel) -> np.ndarray:
        return forecast_ahead(fitted.network, past, fitted.setting.horizon, fitted.scales_of(past))

    reactions = measure(subject, seed=seed)
    findings = [
        *_shared(subject, reactions, judgement),
        future_finding(subject, seed, ahead),
        columns_finding(fitted.contract.columns, names),
        _drift(fitted.history, rows, names, fitted.scales, fitted.network.encoder),
        batch_finding(subject, seed),
    ]
    if fitted.network.spec.padded:
        findings.append(padding_finding(subject, seed))
    levels = fitted.network.spec.quantiles
    if levels:
        forecasts = subject.forecasts(tail_windows(subject.windows, ORDERED, 1))
        findings.append(quantiles_finding(forecasts, levels, fitted.network.shift))
        findings.append(_coverage(judgement))
    return Audit(tuple(findings), reactions)


def _audit_baseline(model: Baseline, rows: Panel | None, names: Sequence[str] | None, seed: int) -> Audit:
    fitted = model.fitted_
    panel = fitted.history if rows is None else _continued(fitted.history, rows)
    scales = fitted.scales if rows is None else error_scales(panel, fitted.setting.season)
    subject = baseline_subject(model.method, fitted, panel, scales, TRAINED if rows is None else GIVEN)
    judgement = judge_baseline(subject, fitted)
    reactions = measure(subject, seed=seed)
    findings = [
        *_shared(subject, reactions, judgement),
        future_finding(subject, seed),
        columns_finding(fitted.contract.columns, names),
        _drift(fitted.history, rows, names, fitted.scales),
    ]
    if fitted.shift is not None and judgement.trial is not None:
        forecasts = judgement.trial.forecasts[model.method]
        findings.append(quantiles_finding(forecasts, fitted.levels, fitted.shift))
        findings.append(_coverage(judgement))
    return Audit(tuple(findings), reactions)


def _audit_keras(
    model: keras.Model,
    table: Any,
    context: int | None,
    season: int | None,
    reading: dict[str, Any],
    *,
    padding: str | None,
    value: float,
    seed: int,
) -> Audit:
    subject, form = keras_subject(model, table, context=context, season=season, reading=reading)
    reactions = measure(subject, seed=seed)
    findings = [*_shared(subject, reactions, judge_model(subject)), batch_finding(subject, seed)]
    if "length" in form.names:
        findings.append(padding_finding(subject, seed))
    elif padding is not None:
        findings.append(plain_padding_finding(subject, form, padding, value))
    return Audit(tuple(findings), reactions)


def _shared(subject: Subject, reactions: Reactions, judgement: Judgement | None) -> list[Finding]:
    """Make the checks that every model is put to."""
    found = [numbers_finding(subject), newest_finding(subject, reactions), covariate_finding(reactions)]
    found.append(persistence_finding(subject))
    if judgement is None:
        found.append(
            Finding(BASELINES_CHECK, "note", "Not compared: no row can be forecast from a full context.")
        )
    else:
        found.append(rivals_finding(judgement))
    return [finding for finding in found if finding is not None]


def _drift(
    history: Panel,
    rows: Panel | None,
    names: Sequence[str] | None,
    scales: np.ndarray,
    encoder: StaticEncoder | None = None,
) -> Finding:
    if rows is not None:
        return drift_finding(history, rows, scales, encoder)
    why = "no table was given" if names is None else "the table lacks columns"
    return Finding(DRIFT, "note", f"Nothing was compared with training: {why}.")


def _coverage(judgement: Judgement | None) -> Finding:
    if judgement is None:
        return Finding(CALIBRATION, "note", "Not judged: no row can be forecast from a full context.")
    return coverage_finding(judgement)


def _continued(stored: Panel, given: Panel) -> Panel:
    """Put stored history before every series that the table continues; without times, take the table alone."""
    if given.columns.time is None:
        return given
    begins = dict(zip(stored.ids, stored.starts, strict=True))
    pairs = zip(given.ids, given.starts, strict=True)
    continues = any(name in begins and start > begins[name] for name, start in pairs)
    return join(stored, given, ALL_ROWS) if continues else given
