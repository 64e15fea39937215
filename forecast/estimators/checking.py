"""Whether what a model file tells makes sense, asked before anything is built from it."""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from typing import Any

import numpy as np
import pandas as pd

from forecast.data.panel import Panel
from forecast.data.step import Step
from forecast.data.windows import SHORT
from forecast.estimators.realised import Realised
from forecast.estimators.recipe import AUTO_MODEL, ENSEMBLE, Architecture, Options, frozen_options
from forecast.estimators.setting import Setting
from forecast.estimators.templates import MOST_WINDOWS
from forecast.evaluation.baselines import BASELINES
from forecast.evaluation.comparison import NETWORK
from forecast.evaluation.gate import Gate
from forecast.evaluation.intervals import MEDIAN, ConformalShift
from forecast.evaluation.widths import Widths
from forecast.models import MODELS, Spec
from forecast.models.ensemble import member_spec

MOST_ROWS, MOST_CELLS, MOST_LEVELS = 1_000_000, 10**9, 1_000


def checked(kind: type, told: Any) -> Any:
    """Make a dataclass of a JSON object whose values have the types of the fields; lists become tuples.

    Raises:
        TypeError: A field is missing, unknown or of another type.

    Example:
        >>> checked(Setting, {"horizon": 3, "context": 6, "season": 1, "holdout": 0, "validation": 0, "short": "error"})
        Setting(horizon=3, context=6, season=1, holdout=0, validation=0, short='error', period=1)
        >>> checked(Setting, {"horizon": "3"})
        Traceback (most recent call last):
        TypeError: Setting has no horizon such as '3'
    """
    if not isinstance(told, dict):
        raise TypeError(f"{kind.__name__} is no {type(told).__name__}")
    hints = typing.get_type_hints(kind)
    values = {}
    for name, value in told.items():
        if name not in hints:
            raise TypeError(f"{kind.__name__} has no {name}")
        try:
            values[name] = _as(hints[name], value)
        except TypeError as error:
            raise TypeError(f"{kind.__name__} has no {name} such as {value!r}"[:200]) from error
    needed = {field.name for field in dataclasses.fields(kind) if field.default is dataclasses.MISSING}
    if not needed - {"history"} <= set(values):
        raise TypeError(f"{kind.__name__} lacks {needed - set(values)}")
    return kind(**values)


def _as(hint: Any, value: Any) -> Any:
    """Return a JSON value as the type that an annotation asks for."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in inner:
            return None
        return _as(next(part for part in inner if part is not type(None)), value)
    if origin is tuple and isinstance(value, list):
        if inner[-1] is Ellipsis:
            return tuple(_as(inner[0], item) for item in value)
        return tuple(_as(part, item) for part, item in zip(inner, value, strict=True))
    if origin is list and isinstance(value, list):
        return [_as(inner[0], item) for item in value]
    if origin is dict and isinstance(value, dict):
        return {_as(inner[0], key): _as(inner[1], item) for key, item in value.items()}
    if hint is float and type(value) in (int, float):
        return float(value)
    if hint is Any or type(value) is hint:
        return value
    raise TypeError


def check_spec(spec: Spec, setting: Setting, history: Panel) -> None:
    """Refuse sizes that contradict each other or would ask for absurd memory.

    Raises:
        ValueError: For that reason.
    """
    columns = history.columns
    told = (spec.targets, spec.known_future, spec.past_only)
    seen = (len(columns.target), len(columns.known_future), len(columns.past_only))
    rows = (spec.context, spec.horizon, spec.season)
    if (
        told != seen
        or rows != (setting.context, setting.horizon, setting.season)
        or setting.short not in SHORT
    ):
        raise ValueError("sizes contradict each other")
    if min(rows) < 1 or max(rows) > MOST_ROWS or len(spec.quantiles) > MOST_LEVELS:
        raise ValueError("sizes are out of range")
    if spec.context * spec.horizon > MOST_CELLS or min(setting.holdout, setting.validation) < 0:
        raise ValueError("sizes are out of range")


def check_step(step: Step) -> Step:
    """Return a step, or refuse one of an unknown kind or length.

    Raises:
        ValueError: For that reason.
    """
    kinds = ("tick", "day", "business", "month", "integer")
    if step.kind not in kinds or not 1 <= step.count < 2**62 or not 0 <= step.day <= 31:
        raise ValueError("a step of an unknown kind or length")
    return step


def check_history(history: Panel, scales: np.ndarray, zone: Any) -> None:
    """Refuse arrays that do not belong together.

    Raises:
        ValueError: For that reason.
    """
    rows, series = len(history.values), len(history.ids)
    _has(history.values, np.float64, (rows, len(history.columns.numeric)))
    _has(history.offsets, np.int64, (series + 1,))
    _has(history.present, np.bool_, (rows,))
    _has(scales, np.float64, (series, len(history.columns.target)))
    if history.offsets[0] != 0 or history.offsets[-1] != rows or (np.diff(history.offsets) < 0).any():
        raise ValueError("series overlap")
    single = history.columns.id is None
    if history.ids != (None,) if single else not all(type(name) in (str, int) for name in history.ids):
        raise ValueError("ids are neither text nor numbers")
    if len(set(history.ids)) != series or len(history.starts) != series or len(history.static) != series:
        raise ValueError("series and ids differ in number")
    if tuple(history.static.columns) != history.columns.static:
        raise ValueError("static columns are missing")
    if zone is not None:
        # pandas knows names of places and fixed offsets such as UTC+01:00; anything else raises.
        pd.DatetimeTZDtype("ns", zone)


def check_shift(shift: ConformalShift, spec: Spec) -> ConformalShift:
    """Return a calibration, or refuse one that does not suit the network.

    Raises:
        ValueError: For that reason.
    """
    shape = (spec.horizon, spec.targets, len(shift.quantiles))
    _has(shift.shift, np.float64, shape)
    _has(shift.counts, np.int64, shape)
    return shift


def check_widths(widths: Widths, shift: ConformalShift) -> Widths:
    """Return widths of series, or refuse those that do not suit the calibration or are no factors.

    Raises:
        ValueError: For that reason.
    """
    factors, middle = widths.factors, shift.quantiles.index(MEDIAN)
    _has(factors, np.float32, (len(widths.ids), *shift.shift.shape[1:]))
    if not (np.isfinite(factors) & (factors > 0)).all() or (factors[..., middle] != 1).any():
        raise ValueError("widths that are no factors")
    return widths


def check_gate(gate: Gate) -> Gate:
    """Return the decision of a gate, or refuse one for a method that it did not test.

    Raises:
        ValueError: For that reason, or an error is negative, infinite or missing.
    """
    found = [np.array(errors) for errors in gate.errors.values()]
    if not all(len(errors) and (np.isfinite(errors) & (errors >= 0)).all() for errors in found):
        raise ValueError("errors of folds that are no errors")
    if gate.decision not in gate.errors or not set(gate.errors) <= {NETWORK, *BASELINES}:
        raise ValueError("a decision for a method that was not tested")
    return gate


def check_template(template: np.ndarray, horizon: int, targets: int) -> np.ndarray:
    """Return past windows of errors, or refuse those of another shape.

    Raises:
        ValueError: For that reason, or a number is missing or infinite.
    """
    _has(template, np.float32, (len(template), horizon, targets))
    if len(template) > MOST_WINDOWS or not np.isfinite(template).all():
        raise ValueError("windows of errors that no fit keeps")
    return template


def check_realised(seen: Realised, shape: tuple[int, ...]) -> Realised:
    """Return counts of an adaptation, or refuse those that cannot be.

    Raises:
        ValueError: For that reason.
    """
    _has(seen.below, np.int64, shape)
    _has(seen.counts, np.int64, shape)
    if (seen.below < 0).any() or (seen.below > seen.counts).any():
        raise ValueError("more hits than scores")
    return seen


def check_architecture(architecture: Architecture, options: Options) -> None:
    """Refuse a network that is not the one the estimator's parameters ask for.

    Raises:
        ValueError: For that reason.
    """
    members = [{"model": architecture.name, "options": architecture.options}]
    if architecture.name == ENSEMBLE:
        members = architecture.options["members"]
    asked = frozen_options(options.arguments)
    for one in members:
        if options.model not in (AUTO_MODEL, one["model"]) or one["model"] not in MODELS:
            raise ValueError("another network than the parameters ask for")
        if asked != {name: one["options"].get(name) for name in asked}:
            raise ValueError("other options than the parameters ask for")


def least_numbers(architecture: Architecture, spec: Spec) -> int:
    """Fewest weights a network of this package can have: its file must hold at least as many."""
    members = architecture.options["members"] if architecture.name == ENSEMBLE else None
    if members is None:
        members = [{"model": architecture.name, "options": architecture.options}]
    return sum(_least(one["model"], one.get("options", {}), member_spec(spec, one)) for one in members)


def _least(name: str, options: dict[str, Any], spec: Spec) -> int:
    usual = {k: p.default for k, p in inspect.signature(MODELS[name]).parameters.items()} | options
    units, layers = usual.get("units") or 1, usual.get("layers") or 1
    inside = {"linear": spec.context * spec.horizon, "dense": spec.context * units}
    # One matrix of each layer; whatever else there is makes it more.
    least = inside.get(name, layers * units * units)
    if name in ("rnn", "dense", "conv", "transformer") and not spec.known_future + spec.calendar + spec.lags:
        least += spec.horizon
    return least + sum(spec.categories) + spec.series + spec.static + spec.known_future + spec.past_only


def _has(array: np.ndarray, dtype: Any, shape: tuple[int, ...]) -> None:
    if array.dtype != dtype or array.shape != shape:
        raise ValueError(f"an array of shape {array.shape} where {shape} is expected")
