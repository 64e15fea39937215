"""Methods of a backtest by name: estimators, or words that stand for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sklearn.base import clone

from forecast.backtesting.names import ALWAYS, ARCHITECTURES, CELLS, check_name
from forecast.data.panel import Panel
from forecast.errors import InputError, ParameterError
from forecast.estimators.baseline import Baseline
from forecast.estimators.forecaster import Forecaster
from forecast.evaluation.baselines import BASELINES
from forecast.evaluation.comparison import NETWORK

RESERVED = frozenset(("window", "cutoff", "step", "actual", "target"))
"""Columns of the result that are no method."""

Estimator = Forecaster | Baseline
Estimators = str | Estimator | Sequence[str | Estimator] | Mapping[str, str | Estimator]


def make_methods(estimators: Estimators, options: Mapping[str, Any] | None = None) -> dict[str, Estimator]:
    """Name the methods of a backtest, and add the naive ones if they are missing.

    Args:
        estimators: One or several of: a ``Forecaster``, a ``Baseline``, a name (``"gru"``, ``"lstm"``, ``"rnn"``,
            ``"segment"`` or another architecture, ``"network"``, ``"best"``, ``"auto"`` or a baseline's); or a mapping
            from names of your own to these.
        options: Arguments of the forecasters that names stand for; baselines take quantiles and season from them.

    Raises:
        ParameterError: A name is unknown or given twice, or an estimator is of another kind.

    Example:
        >>> list(make_methods(["lstm", Baseline("theta")]))
        ['lstm', 'theta', 'naive', 'seasonal-naive']
    """
    if isinstance(estimators, Mapping):
        named = {str(name): _estimator(one, options) for name, one in estimators.items()}
    else:
        several = list(estimators) if isinstance(estimators, list | tuple) else [estimators]
        named = {}
        for one in several:
            made = _estimator(one, options)
            name = one if isinstance(one, str) else _name(made)
            if name in named and isinstance(one, str):
                raise ParameterError(f"Method {name!r} is given twice.")
            while name in named:
                stem, _, count = name.partition("-v")
                name = f"{stem}-v{int(count or 1) + 1}"
            named[name] = made
    if not named:
        raise ParameterError("There is no method to test; name one, such as --methods gru.")
    _check_names(named)
    return named | {name: _estimator(name, options) for name in ALWAYS if name not in named}


def with_sizes(estimator: Estimator, horizon: int, season: int | None) -> Estimator:
    """Return an unfitted copy whose open sizes are set."""
    copy = clone(estimator)
    if copy.horizon is None:
        copy.set_params(horizon=horizon)
    if copy.season is None and season is not None:
        copy.set_params(season=season)
    return copy


def is_network(estimator: Estimator) -> bool:
    """Say whether an estimator learns by training."""
    return isinstance(estimator, Forecaster) and estimator.method not in BASELINES


def _estimator(one: Any, options: Mapping[str, Any] | None) -> Estimator:
    if isinstance(one, Forecaster | Baseline):
        return one
    if not isinstance(one, str):
        raise ParameterError(
            f"A method is a Forecaster, a Baseline or one of their names; got {type(one).__name__}."
        )
    told: dict[str, Any] = dict(options or {})
    if check_name(one) in BASELINES:
        return Baseline(one, **{name: told[name] for name in ("quantiles", "season") if name in told})
    if one in CELLS:
        told |= {"model": "rnn", "cell": one}
    else:
        told["model" if one in ARCHITECTURES else "method"] = one
    return Forecaster(**told)


def _name(estimator: Estimator) -> str:
    """Name an estimator by what it is."""
    if isinstance(estimator, Baseline):
        return estimator.method
    if estimator.method != NETWORK:
        return estimator.method
    if estimator.network is not None:
        return getattr(estimator.network, "__name__", NETWORK)
    return (
        estimator.cell
        if estimator.model == "rnn"
        else NETWORK
        if estimator.model == "auto"
        else estimator.model
    )


def check_columns(panel: Panel, named: Mapping[str, Any]) -> None:
    """Refuse a table whose time or id column has a name that the result needs for another column.

    Raises:
        InputError: It names the column.
    """
    for name in (panel.columns.time, panel.columns.id):
        if name in RESERVED or name in named:
            raise InputError(
                f"The result of a backtest has a column {name!r} of its own; rename that of the table."
            )


def _check_names(named: Mapping[str, Any]) -> None:
    """Refuse names that the columns of the result need for themselves."""
    for name in named:
        if name in RESERVED or not name or "#" in name:
            raise ParameterError(f"A method cannot be called {name!r}; choose another name.")
