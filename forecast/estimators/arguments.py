"""Check a forecaster's arguments and sort them by what they decide: sizes, network, training."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import validate_data

from forecast.data.panel import Panel
from forecast.data.windows import check_positive
from forecast.errors import InputError, ParameterError, closest
from forecast.estimators.baseline import check_method
from forecast.estimators.contract import as_table, with_future
from forecast.estimators.fitting import Fitted
from forecast.estimators.recipe import AUTO_MODEL, STATEFUL, TBPTT, Options, check_options, settled
from forecast.estimators.setting import Wishes
from forecast.evaluation.comparison import AUTO, BEST, CHOOSING, NETWORK, winner
from forecast.evaluation.intervals import check_quantiles
from forecast.models.losses import DISTRIBUTION_LOSSES, POINT_LOSSES

if TYPE_CHECKING:
    from forecast.estimators.forecaster import Forecaster

# Options of architectures that have an argument of their own; others go through ``model_options``.
NETWORK_ARGUMENTS = (
    *("cell", "units", "layers", "bidirectional", "dropout", "recurrent_dropout", "activation", "start"),
)
# Fields of a network's spec; None and "auto" leave them open.
SPEC_ARGUMENTS = ("anchor", "scale", "positive", "independent", "skip", "head")
TRAINING_ARGUMENTS = (
    *("calendar", "holidays", "lags", "loss", "calibrate", "preset", "ensemble", "snapshots", "steps"),
    "epochs",
    *(
        "batch_size",
        "learning_rate",
        "sampling",
        "patience",
        "clip",
        "averaging",
        "weight_decay",
        "budget",
        "optimizer",
        "seed",
    ),
)


def wishes_of(estimator: Forecaster, options: Options, *, arrays: bool) -> Wishes:
    """Return the sizes that the user fixed; arrays hold nothing out unless asked."""
    return Wishes(
        horizon=estimator.horizon,
        context=estimator.context,
        season=estimator.season,
        holdout=0 if arrays and estimator.holdout is None else estimator.holdout,
        short=estimator.short,
        quantiles=options.quantiles,
        validation=estimator.validation,
        model=options.model if options.builder is None else "own",
    )


def options_of(estimator: Forecaster) -> Options:
    """Return what the user said about network and training.

    Raises:
        ParameterError: An argument is unknown, out of range, or contradicts another.
    """
    check_method(estimator.method, CHOOSING)
    _check_numbers(estimator)
    training: dict[str, Any] = {name: getattr(estimator, name) for name in TRAINING_ARGUMENTS}
    given = Options(
        model=_model(estimator),
        tbptt=TBPTT if estimator.tbptt is None else int(estimator.tbptt),
        arguments={} if estimator.network is not None else _network_arguments(estimator),
        builder=estimator.network,
        spec=_spec_arguments(estimator),
        embed=_words(estimator.embed),
        horizons=tuple(int(h) for h in estimator.horizons),
        quantiles=_levels(estimator),
        wanted=tuple(float(q) for q in estimator.quantiles),
        **training,
    )
    check_options(given)
    options = settled(given)
    check_loss(options.loss, options.head, bool(options.quantiles))
    return options


def check_loss(loss: str, head: str, quantiles: bool) -> None:
    """Refuse a loss that does not go with what is forecast.

    Raises:
        ParameterError: It says what to pass with it.
    """
    known = ("auto", *POINT_LOSSES, *DISTRIBUTION_LOSSES)
    if loss not in known:
        raise ParameterError(f"loss must be one of {', '.join(known)}; got {loss!r}.{closest(loss, known)}")
    if head != "quantiles":
        if loss not in ("auto", *DISTRIBUTION_LOSSES):
            raise ParameterError(f"loss={loss!r} is of points; head={head!r} takes likelihood or crps.")
    elif loss in DISTRIBUTION_LOSSES:
        raise ParameterError(f"loss={loss!r} needs a distribution: pass head='normal' or another with it.")
    elif quantiles and loss not in ("auto", "smape", "owa"):
        raise ParameterError(
            f"loss={loss!r} is a point loss, which forecasts no quantiles: pass quantiles=() with it, or loss='auto'."
        )


def _model(estimator: Forecaster) -> str:
    """Return the architecture; one that carries its state may be asked for by what it does."""
    if not estimator.stateful and estimator.tbptt is None and estimator.model != STATEFUL:
        return estimator.model
    if estimator.model not in (AUTO_MODEL, "rnn", STATEFUL) or estimator.network is not None:
        given = "network" if estimator.network is not None else f"model={estimator.model!r}"
        raise ParameterError(
            f"stateful and tbptt are for recurrent networks read row by row; leave out {given}."
        )
    if (estimator.ensemble or 1) > 1:
        raise ParameterError("A stateful network is one network: leave out ensemble.")
    return STATEFUL


def _network_arguments(estimator: Forecaster) -> dict[str, Any]:
    """Return the options of the network that were given, not those left as they are."""
    usual = inspect.signature(type(estimator).__init__).parameters
    given = {name: _number(getattr(estimator, name)) for name in NETWORK_ARGUMENTS}
    given = {name: value for name, value in given.items() if value != usual[name].default}
    return given | {name: _number(value) for name, value in dict(estimator.model_options or {}).items()}


def _spec_arguments(estimator: Forecaster) -> dict[str, Any]:
    """Return fields of the spec; an argument called "transform" would make scikit-learn see a transformer."""
    given = {name: getattr(estimator, name) for name in SPEC_ARGUMENTS}
    return given | {"transform": estimator.target_transform}


def _words(given: Any) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _number(value: Any) -> Any:
    """Return a NumPy number as a plain one, which is all that Keras takes as a size."""
    return value.item() if isinstance(value, np.generic) else value


def _levels(estimator: Forecaster) -> tuple[float, ...]:
    """Return the quantiles asked for and the median, sorted; none if none were asked for."""
    wanted = {float(q) for q in estimator.quantiles}
    return check_quantiles(sorted({*wanted, 0.5})) if wanted else ()


def _check_numbers(estimator: Forecaster) -> None:
    whole = ("batch_size", "epochs", "steps", "patience", "ensemble", "tbptt")
    counts = {name: getattr(estimator, name) for name in whole}
    check_positive(**{name: value for name, value in counts.items() if value is not None})
    seed = estimator.seed
    if not isinstance(seed, (int, np.integer)) or isinstance(seed, bool) or seed < 0:
        raise ParameterError(f"seed must be a whole number of at least 0; got {seed!r}.")
    if estimator.averaging is not None and not 0 < estimator.averaging < 1:
        raise ParameterError(f"averaging must lie between 0 and 1; got {estimator.averaging!r}.")
    for name in ("learning_rate", "clip", "budget", "weight_decay"):
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
    """Return who forecasts: a method; for ``"best"`` the gate's decision, or without a gate the comparison's winner.

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
    if method == AUTO:
        return AUTO
    return winner(fitted.comparison) if fitted.gate is None else fitted.gate.decision
