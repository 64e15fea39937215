"""Check a forecaster's arguments and sort them by what they decide: sizes, network, training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import validate_data

from forecast.data.panel import Panel
from forecast.data.windows import check_positive
from forecast.errors import InputError, ParameterError
from forecast.estimators.baseline import check_method
from forecast.estimators.contract import as_table, with_future
from forecast.estimators.fitting import Fitted
from forecast.estimators.network import Options
from forecast.estimators.setting import Wishes
from forecast.evaluation.comparison import AUTO, BEST, CHOOSING, NETWORK, winner
from forecast.evaluation.intervals import check_quantiles
from forecast.models import build_rnn
from forecast.models.losses import POINT_LOSSES

if TYPE_CHECKING:
    from forecast.estimators.forecaster import Forecaster

NETWORK_ARGUMENTS = (
    *("cell", "units", "layers", "bidirectional", "dropout", "recurrent_dropout", "activation", "start"),
    *("anchor", "independent", "skip", "seed"),
)
TRAINING_ARGUMENTS = (
    *(
        "calibrate",
        "epochs",
        "batch_size",
        "learning_rate",
        "patience",
        "clip",
        "budget",
        "optimizer",
        "seed",
    ),
)


def wishes_of(estimator: Forecaster, *, arrays: bool) -> Wishes:
    """Return the sizes that the user fixed; arrays hold nothing out unless asked."""
    return Wishes(
        horizon=estimator.horizon,
        context=estimator.context,
        season=estimator.season,
        holdout=0 if arrays and estimator.holdout is None else estimator.holdout,
        short=estimator.short,
        quantiles=_levels(estimator),
    )


def options_of(estimator: Forecaster) -> Options:
    """Return what the user said about network and training.

    Raises:
        ParameterError: An argument is unknown, out of range, or contradicts another.
    """
    if estimator.loss not in ("auto", *POINT_LOSSES):
        raise ParameterError(f"loss must be auto, {', '.join(POINT_LOSSES)}; got {estimator.loss!r}.")
    if estimator.loss != "auto" and len(tuple(estimator.quantiles)):
        raise ParameterError(
            "A point loss forecasts no quantiles: pass quantiles=() with it, or loss='auto'."
        )
    check_method(estimator.method, CHOOSING)
    _check_numbers(estimator)
    own = estimator.network is not None
    training: dict[str, Any] = {name: getattr(estimator, name) for name in TRAINING_ARGUMENTS}
    return Options(
        model={} if own else {name: _number(getattr(estimator, name)) for name in NETWORK_ARGUMENTS},
        builder=estimator.network if own else build_rnn,
        quantiles=_levels(estimator),
        wanted=tuple(float(q) for q in estimator.quantiles),
        loss="mae" if estimator.loss == "auto" else estimator.loss,
        **training,
    )


def _number(value: Any) -> Any:
    """Return a NumPy number as a plain one, which is all that Keras takes as a size."""
    return value.item() if isinstance(value, np.generic) else value


def _levels(estimator: Forecaster) -> tuple[float, ...]:
    """Return the quantiles asked for and the median, sorted; none if none were asked for."""
    wanted = {float(q) for q in estimator.quantiles}
    return check_quantiles(sorted({*wanted, 0.5})) if wanted else ()


def _check_numbers(estimator: Forecaster) -> None:
    counts = {name: getattr(estimator, name) for name in ("batch_size", "epochs", "patience")}
    check_positive(**{name: value for name, value in counts.items() if value is not None})
    seed = estimator.seed
    if not isinstance(seed, (int, np.integer)) or isinstance(seed, bool) or seed < 0:
        raise ParameterError(f"seed must be a whole number of at least 0; got {seed!r}.")
    for name in ("learning_rate", "clip", "budget"):
        value = getattr(estimator, name)
        if value is not None and not (isinstance(value, int | float | np.number) and 0 < value < np.inf):
            raise ParameterError(f"{name} must be a positive number; got {value!r}.")


def asked(
    forecaster: Forecaster, X: Any, horizon: int | None, method: str | None
) -> tuple[Fitted, Panel, int | None, str]:
    """Return what is asked to forecast: the fitted parts, the history to continue, how far, and by which method.

    Raises:
        InputError: An argument is wrong, or the table is not one that training knew.
    """
    fitted = forecaster._fitted()
    method = chosen_method(forecaster, forecaster.method if method is None else method)
    if horizon is not None:
        check_positive(horizon=horizon)
    if forecaster.from_arrays_ and X is not None:
        X = validate_data(forecaster, X, reset=False, dtype=np.float64)
        return fitted, with_future(fitted.history, X), len(X), method
    if forecaster.from_arrays_ and fitted.contract.columns.known_future and method == NETWORK:
        raise InputError("This model was fitted on arrays: pass the next rows' covariates, predict(X).")
    return fitted, fitted.history if X is None else fitted.panel(as_table(X)), horizon, method


def standing_method(forecaster: Forecaster) -> str:
    """Return who forecasts when nobody is named: as constructed, or the network where no comparison chose."""
    if forecaster.method in (BEST, AUTO) and not forecaster._fitted().weights:
        return NETWORK
    return chosen_method(forecaster, forecaster.method)


def chosen_method(forecaster: Forecaster, method: str) -> str:
    """Return who forecasts: a method, or the winner of the comparison for ``"best"``.

    Raises:
        ParameterError: The method does not exist, or needs a comparison that there was not.
    """
    check_method(method, CHOOSING)
    if method not in (BEST, AUTO):
        return method
    fitted = forecaster._fitted()
    if not fitted.weights or fitted.comparison is None:
        raise ParameterError(
            f"method={method!r} needs a comparison, and no rows were held out; fit with holdout."
        )
    return AUTO if method == AUTO else winner(fitted.comparison)
