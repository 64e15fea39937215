"""Audit the evaluation of others: does it look at what it holds out, or at what was fitted before?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.stats import t as student

from forecast.auditing.findings import Audit, Finding
from forecast.auditing.outcomes import Outcome, Rows, largest_difference, read_outcome, read_rows_of
from forecast.auditing.wording import counted, percent
from forecast.errors import ParameterError

REPEATABLE, HELD_OUT, PRIOR_FIT, NOISE = "repeatability", "held-out values", "prior fit", "white noise"
# Without a fixed seed two runs differ; a leak must differ by more than this many times as much.
LOUDER = 10.0
# Probability of a gain on noise that is still taken for chance (Student's t, one-sided).
CHANCE = 0.001
WAYS = ("hundredfold", "noise")


def audit_evaluation(
    evaluate: Callable[..., Any],
    table: Any,
    *,
    make: Callable[[], Any] | None = None,
    fit: Callable[[Any, Any], Any] | None = None,
    time: str | None = None,
    id: str | None = None,
    target: str | Sequence[str] = (),
    past_only: str | Sequence[str] = (),
    forecast: str | Sequence[str] = "forecast",
    cutoff: str = "cutoff",
    seed: int = 0,
) -> Audit:
    """Ask a cross-validation, a backtest or any other evaluation whether the future reaches its forecasts.

    1. The values that it holds out are multiplied by a hundred, and replaced by noise: the forecasts of
       cutoffs up to there must stay equal bit for bit. (A scaler fitted on the whole table is caught.)
    2. With ``make``: a fit on the whole table before the evaluation must change nothing, and white noise
       must not be forecast better after it, beyond chance. (Folds that start from fitted weights are caught.)

    Args:
        evaluate: Called as ``evaluate(table)``, or as ``evaluate(model, table)`` with ``make``. Returns a
            DataFrame of forecasts with the table's time column (and id column), the column ``forecast``,
            and ``cutoff`` if there are several; or an array with the forecasts of the table's last rows,
            made without any of them. What was forecast counts as held out, from each cutoff's first time on.
        table: A DataFrame (anything else is made one, with parsed times), or an array ``(rows,)`` or
            ``(rows, targets)``.
        make: Makes a fresh model, not fitted. None leaves out the second part.
        fit: Called as ``fit(model, table)``; None calls ``model.fit(table)``.
        time: The table's time column; None guesses. The forecasts may also call it ``time``.
        id: The column that tells series apart; None guesses.
        target: Columns that are forecast; empty guesses.
        past_only: Columns that are not known ahead either, and are scrambled too.
        forecast: Columns of the returned table that hold forecasts (quantiles too, if wanted).
        cutoff: Its column that tells folds apart, if there is one; only used to group.
        seed: Of the noise.

    Returns:
        Findings, worst first, without reactions.

    Raises:
        InputError: The returned table lacks a column, or forecasts rows that the table does not hold.

    Example:
        >>> import pandas as pd
        >>> table = pd.DataFrame({"day": pd.date_range("2024-01-01", periods=60), "sold": np.arange(60.0)})
        >>> def scaled_on_everything(table):
        ...     largest = table["sold"].max()
        ...     share = table["sold"].iloc[-6] / largest
        ...     return table[["day"]].tail(5).assign(forecast=share * largest * (1 + largest))
        >>> found = audit_evaluation(scaled_on_everything, table)
        >>> found.serious, found.findings[0].check
        (True, 'held-out values')
    """
    forecasts = (forecast,) if isinstance(forecast, str) else tuple(forecast)
    rows = read_rows_of(table, time=time, id=id, target=target, past_only=past_only)
    if make is None and fit is not None:
        raise ParameterError("fit needs make: a function that makes a fresh model to fit.")

    def run(values: Any, *, fitted: bool = False) -> Outcome:
        if make is None:
            found = evaluate(values)
        else:
            model = make()
            if fitted:
                model.fit(values.copy()) if fit is None else fit(model, values.copy())
            found = evaluate(model, values)
        return read_outcome(found, rows, forecasts, cutoff)

    plain = run(rows.frame())
    spread = largest_difference(plain, run(rows.frame()))
    findings = [_repeatable(spread), _held_out(run, rows, plain, spread, seed)]
    if make is not None:
        findings.append(_prior_fit(largest_difference(plain, run(rows.frame(), fitted=True)), spread))
        noise = rows.noise(seed)
        findings.append(_noise(run(noise), run(noise, fitted=True), rows, noise))
    return Audit(tuple(findings))


def _repeatable(spread: float) -> Finding:
    figures = {"largest_difference": spread}
    if spread == 0:
        return Finding(REPEATABLE, "ok", "Two runs on the same table are equal bit for bit.", figures=figures)
    return Finding(
        REPEATABLE,
        "warning",
        f"Two runs on the same table differ by up to {spread:.4g}: what follows is judged by much larger changes only.",
        "Fix the seeds; and make sure that no state is kept from one run to the next.",
        figures,
    )


def _held_out(run: Callable[[Any], Outcome], rows: Rows, plain: Outcome, spread: float, seed: int) -> Finding:
    """Scramble what lies at and behind the first, a middle and the last cutoff."""
    changes = []
    for place in plain.some_cutoffs():
        for way in WAYS:
            found = run(rows.scrambled(plain.starts(place), way, seed))
            moved = largest_difference(plain.up_to(place), found.like(plain).up_to(place))
            changes.append((moved, way, str(plain.cutoffs[place])))
    worst, way, where = max(changes)
    figures = {
        "changes": [{"cutoff": where, "way": way, "largest_change": moved} for moved, way, where in changes],
        "held_out_rows": int(plain.held_out),
    }
    tried = f"{counted(len(changes), 'scramble')} of held-out values"
    if worst <= LOUDER * spread:
        told = (
            "left every forecast bit-equal"
            if spread == 0
            else f"moved forecasts no more than chance ({worst:.4g})"
        )
        return Finding(HELD_OUT, "ok", f"{tried} {told}.", figures=figures)
    return Finding(
        HELD_OUT,
        "serious",
        f"Forecasts of cutoff {where} change by up to {worst:.4g} when only the values at and behind it change "
        f"({way}).",
        "Fit scalers, features and weights in each fold, on the rows before its cutoff alone.",
        figures,
    )


def _prior_fit(moved: float, spread: float) -> Finding:
    figures = {"largest_change": moved}
    if moved <= LOUDER * spread:
        told = "A fit on the whole table before changes nothing."
        return Finding(PRIOR_FIT, "ok", told, figures=figures)
    return Finding(
        PRIOR_FIT,
        "serious",
        f"A fit on the whole table before changes the forecasts by up to {moved:.4g}: folds start from what was "
        "fitted on the rows that they hold out.",
        "Build a fresh model with fresh weights and scalers in every fold, whatever was fitted before.",
        figures,
    )


def _noise(fresh: Outcome, fitted: Outcome, rows: Rows, noise: Any) -> Finding:
    """Compare errors on white noise, with and without a fit before, value by value."""
    actual = fresh.actual(rows, noise)
    errors = [np.abs(outcome.like(fresh).values[:, 0] - actual) for outcome in (fresh, fitted)]
    gain = errors[0] - errors[1]
    gain = gain[~np.isnan(gain)]
    if not len(gain):
        return Finding(NOISE, "note", "Not judged: no forecast is of a row that the table holds.")
    error = float(gain.std(ddof=1) / np.sqrt(len(gain))) if len(gain) > 1 else 0.0
    before, after = (float(np.nanmean(e)) for e in errors)
    figures = {"MAE_fresh": before, "MAE_after_fit": after, "standard_error": error, "values": len(gain)}
    told = f"MAE {before:.3g} fresh, {after:.3g} after a fit on all of it ({counted(len(gain), 'value')})"
    if len(gain) > 1 and gain.mean() > float(student.ppf(1 - CHANCE, len(gain) - 1)) * error:
        return Finding(
            NOISE,
            "serious",
            f"White noise, which nothing can forecast, is forecast {percent(1 - after / before)} better: {told}.",
            "The same as for a prior fit: such a score is what the model remembers, not what it foresees.",
            figures,
        )
    return Finding(NOISE, "ok", f"White noise is not forecast better: {told}.", figures=figures)
