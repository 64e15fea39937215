"""Estimators as model files, and back."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import keras
import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

import forecast
from forecast.data.columns import Columns
from forecast.data.encoding import StaticEncoder
from forecast.data.panel import Panel
from forecast.data.step import Step
from forecast.data.table import Choice
from forecast.errors import DamagedModelFile, InputError, ParameterError
from forecast.estimators.arguments import options_of
from forecast.estimators.baseline import Baseline, FittedBaseline, check_method
from forecast.estimators.checking import (
    check_history,
    check_realised,
    check_shapes,
    check_shift,
    check_step,
    check_template,
    checked,
    least_numbers,
)
from forecast.estimators.contract import Contract
from forecast.estimators.fitting import Fitted
from forecast.estimators.forecaster import Forecaster
from forecast.estimators.network import Network
from forecast.estimators.realised import Realised
from forecast.estimators.setting import Setting
from forecast.evaluation.comparison import AUTO, NETWORK
from forecast.evaluation.intervals import ConformalShift
from forecast.modelfile import ModelFile, write_model
from forecast.models import Shapes
from forecast.models.frame import LONGEST_SKIP
from forecast.training.fit import Record

# Arguments that are code or live objects: they are not written.
UNSAVED = ("network", "optimizer", "callbacks")


def load(path: Any, *, network: Callable[..., Any] | None = None) -> Forecaster | Baseline:
    """Read a model file: a ``Forecaster`` or a ``Baseline``. No code in the file is run.

    Args:
        path: File that ``save`` or ``forecast fit`` wrote.
        network: The function that built the network, if it was not one of this package.

    Raises:
        ModelFileError: Missing, foreign, damaged or newer; four different messages.
    """
    file = ModelFile(path)
    if file.description.get("own_network") and network is None:
        raise ParameterError(
            f"{path} holds a network of your own: pass load(path, network=the function that built it)."
        )
    kind = file.description.get("kind")
    if kind not in ("forecaster", "baseline"):
        raise file.damaged("its kind is unknown")
    try:
        return _forecaster(file, network) if kind == "forecaster" else _baseline(file)
    except DamagedModelFile:
        raise
    except (
        InputError,
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        ArithmeticError,
        MemoryError,
        RecursionError,
    ) as error:
        raise file.damaged("its description makes no sense") from error


def save_forecaster(forecaster: Forecaster, path: Any) -> None:
    """Write a fitted forecaster to one file."""
    fitted = forecaster._fitted()
    network = fitted.network
    history, numbers = _packed(fitted.history)
    description = {
        "kind": "forecaster",
        "versions": versions(),
        "parameters": _parameters(forecaster),
        "own_network": forecaster.network is not None,
        "from_arrays": forecaster.from_arrays_,
        "features": [str(n) for n in getattr(forecaster, "feature_names_in_", [])],
        "contract": asdict(fitted.contract),
        "setting": asdict(fitted.setting),
        "shapes": asdict(network.shapes),
        "encoder": asdict(network.encoder),
        "record": asdict(network.record),
        "wanted": list(fitted.wanted),
        "choices": [asdict(choice) for choice in forecaster.choices_],
        "comparison": _table(fitted.comparison),
        "shifts": list(fitted.shifts),
        "weights": fitted.weights,
        "templates": list(fitted.templates),
        "realised": list(fitted.realised),
        "calibrated": network.shift is not None,
        "rows": fitted.rows,
        "history": history,
    }
    shifts = {"network": network.shift} if network.shift is not None else {}
    numbers |= {"scales": fitted.scales} | _shift_numbers(shifts | fitted.shifts)
    numbers |= _sample_numbers(fitted.templates, fitted.realised)
    write_model(path, network.model, description, numbers)


def save_baseline(baseline: Baseline, path: Any) -> None:
    """Write a fitted baseline to one file."""
    check_is_fitted(baseline)
    fitted = baseline.fitted_
    history, numbers = _packed(fitted.history)
    description = {
        "kind": "baseline",
        "versions": versions(),
        "parameters": _parameters(baseline),
        "from_arrays": baseline.from_arrays_,
        "features": int(getattr(baseline, "n_features_in_", 0)),
        "contract": asdict(fitted.contract),
        "setting": asdict(fitted.setting),
        "wanted": list(fitted.wanted),
        "levels": list(fitted.levels),
        "calibrated": fitted.shift is not None,
        "templates": [] if fitted.template is None else [baseline.method],
        "realised": list(fitted.realised),
        "history": history,
    }
    numbers |= {"scales": fitted.scales} | _shift_numbers({"baseline": fitted.shift} if fitted.shift else {})
    templates = {} if fitted.template is None else {baseline.method: fitted.template}
    numbers |= _sample_numbers(templates, fitted.realised)
    write_model(path, None, description, numbers)


def versions() -> dict[str, str]:
    """Versions of this package and of what it stands on."""
    found = {"keras-forecast": forecast.__version__, "python": platform.python_version()}
    return found | {
        "keras": keras.__version__,
        "backend": keras.config.backend(),
        "numpy": np.__version__,
        "pandas": pd.__version__,
    }


def _forecaster(file: ModelFile, builder: Callable[..., Any] | None) -> Forecaster:
    described, numbers = file.description, file.numbers()
    forecaster = Forecaster(**_tuples(described["parameters"]), network=builder)
    options = options_of(forecaster)
    shapes, setting = checked(Shapes, described["shapes"]), checked(Setting, described["setting"])
    contract = _contract(described["contract"])
    history = _unpacked(described["history"], numbers, contract)
    encoder = checked(StaticEncoder, described["encoder"])
    check_shapes(shapes, setting, history)
    _check_contents(described, shapes, encoder, history)
    if builder is None:
        skip = shapes.context <= LONGEST_SKIP if forecaster.skip is None else bool(forecaster.skip)
        file.check_room(least_numbers(forecaster.units, forecaster.layers, shapes, skip))
    forecaster.choices_ = tuple(checked(Choice, choice) for choice in described["choices"])
    forecaster.from_arrays_ = bool(described["from_arrays"])
    if forecaster.from_arrays_:
        forecaster.n_features_in_ = shapes.known_future
        if described["features"]:
            forecaster.feature_names_in_ = np.array(described["features"], dtype=object)
    shifts = _shifts(described, numbers, shapes)
    parts = {
        "wanted": tuple(described["wanted"]),
        "comparison": _untable(described["comparison"]),
        "rows": int(described["rows"]),
    }
    record = checked(Record, described["record"])
    # The network comes last: whatever else is wrong with a file is told without building one.
    model = options.builder(shapes, **options.model)
    file.load_weights(model)
    forecaster.fitted_ = Fitted(
        contract=contract,
        setting=setting,
        network=Network(model, shapes, encoder, shifts.pop(NETWORK, None), record),
        history=history,
        scales=numbers["scales"],
        shifts=shifts,
        weights=_weights(described),
        templates=_templates(described, numbers, shapes.horizon, shapes.targets),
        realised=_realised(described, numbers, (shapes.horizon, shapes.targets, len(shapes.quantiles))),
        choices=(),
        **parts,
    )
    return forecaster


def _shifts(
    described: dict[str, Any], numbers: dict[str, np.ndarray], shapes: Shapes
) -> dict[str, ConformalShift]:
    """Return the calibrations by method, the network's among them if it was calibrated."""
    names = [*described["shifts"], *([NETWORK] if described["calibrated"] else [])]
    for name in names:
        check_method(name, (NETWORK, AUTO))
    levels = shapes.quantiles or (0.5,)
    return {name: check_shift(_shift(name, numbers, levels), shapes) for name in names}


def _templates(
    described: dict[str, Any], numbers: dict[str, np.ndarray], horizon: int, targets: int
) -> dict[str, np.ndarray]:
    """Return the past windows of errors by method."""
    names = [str(name) for name in described["templates"]]
    for name in names:
        check_method(name, (NETWORK, AUTO))
    return {name: check_template(numbers[f"template {name}"], horizon, targets) for name in names}


def _realised(
    described: dict[str, Any], numbers: dict[str, np.ndarray], shape: tuple[int, ...]
) -> dict[str, Realised]:
    """Return what was realised in updates, by method."""
    names = [str(name) for name in described["realised"]]
    for name in names:
        check_method(name, (NETWORK, AUTO))
    found = {name: Realised(numbers[f"below {name}"], numbers[f"seen {name}"]) for name in names}
    return {name: check_realised(seen, shape) for name, seen in found.items()}


def _weights(described: dict[str, Any]) -> dict[str, float]:
    """Return the weights of the mean of all methods: of methods that are calibrated, and summing to one."""
    weights = {str(name): float(weight) for name, weight in described["weights"].items()}
    known = {NETWORK, *described["shifts"]} - {AUTO}
    total = sum(weights.values())
    if not set(weights) <= known or bool(weights) != (AUTO in described["shifts"]):
        raise ValueError
    if weights and not (min(weights.values()) > 0 and abs(total - 1) < 1e-9):
        raise ValueError
    return weights


def _baseline(file: ModelFile) -> Baseline:
    described, numbers = file.description, file.numbers()
    baseline = Baseline(**_tuples(described["parameters"]))
    check_method(baseline.method)
    contract, setting = _contract(described["contract"]), checked(Setting, described["setting"])
    levels = tuple(float(level) for level in described["levels"])
    targets = len(contract.columns.target)
    templates = _templates(described, numbers, setting.horizon, targets)
    baseline.from_arrays_ = bool(described["from_arrays"])
    if baseline.from_arrays_:
        baseline.n_features_in_ = int(described["features"])
    baseline.fitted_ = FittedBaseline(
        contract=contract,
        setting=setting,
        history=_unpacked(described["history"], numbers, contract),
        scales=numbers["scales"],
        wanted=tuple(described["wanted"]),
        levels=levels,
        shift=_shift("baseline", numbers, levels) if described["calibrated"] else None,
        template=templates.get(baseline.method),
        realised=_realised(described, numbers, (setting.horizon, targets, len(levels))),
    )
    return baseline


def _packed(history: Panel) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Split a panel into what JSON holds and what arrays hold."""
    stamps = isinstance(history.starts, pd.DatetimeIndex)
    described = {
        "ids": list(history.ids),
        "zone": _zone(history.starts),
        "static": {name: [_plain(v) for v in history.static[name]] for name in history.columns.static},
        "fingerprint": hashlib.sha256(history.values.tobytes()).hexdigest(),
    }
    numbers = {
        "history": history.values,
        "offsets": history.offsets,
        "present": history.present,
        "starts": pd.DatetimeIndex(history.starts).as_unit("ns").asi8
        if stamps
        else np.asarray(history.starts),
    }
    return described, numbers


def _unpacked(described: dict[str, Any], numbers: dict[str, np.ndarray], contract: Contract) -> Panel:
    starts: pd.Index = pd.Index(numbers["starts"])
    if contract.step.kind != "integer":
        starts = pd.DatetimeIndex(numbers["starts"].astype("datetime64[ns]"))
        if described["zone"] is not None:
            starts = starts.tz_localize("UTC").tz_convert(described["zone"])
    panel = Panel(
        values=numbers["history"],
        offsets=numbers["offsets"],
        ids=tuple(described["ids"]),
        starts=starts,
        step=contract.step,
        columns=contract.columns,
        static=pd.DataFrame(described["static"], index=range(len(described["ids"]))),
        present=numbers["present"],
    )
    check_history(panel, numbers["scales"], described["zone"])
    return panel


def _check_contents(
    described: dict[str, Any], shapes: Shapes, encoder: StaticEncoder, history: Panel
) -> None:
    """Refuse what is of the right type and contradicts the rest."""
    names = [name for name, *_ in (*encoder.numbers, *encoder.categories)]
    if shapes.static != encoder.width or sorted(names) != sorted(history.columns.static):
        raise ValueError
    if not set(described["wanted"]) <= set(shapes.quantiles) or type(described["rows"]) is not int:
        raise ValueError
    if not all(type(name) is str for name in described["features"]):
        raise ValueError
    if hashlib.sha256(history.values.tobytes()).hexdigest() != described["history"]["fingerprint"]:
        raise ValueError


def _contract(described: dict[str, Any]) -> Contract:
    reading = tuple((name, value) for name, value in described["reading"] if type(name) is str)
    if not all(value is None or type(value) is str for _, value in reading):
        raise TypeError
    step = check_step(checked(Step, described["step"]))
    return Contract(checked(Columns, described["columns"]), step, reading, bool(described["snapped"]))


def _shift(name: str, numbers: dict[str, np.ndarray], levels: tuple[float, ...]) -> ConformalShift:
    return ConformalShift(levels, numbers[f"shift {name}"], numbers[f"counts {name}"])


def _shift_numbers(shifts: dict[str, ConformalShift]) -> dict[str, np.ndarray]:
    numbers: dict[str, np.ndarray] = {}
    for name, shift in shifts.items():
        numbers |= {f"shift {name}": shift.shift, f"counts {name}": shift.counts}
    return numbers


def _sample_numbers(templates: dict[str, np.ndarray], realised: dict[str, Realised]) -> dict[str, np.ndarray]:
    numbers = {f"template {name}": template for name, template in templates.items()}
    numbers |= {f"below {name}": seen.below for name, seen in realised.items()}
    return numbers | {f"seen {name}": seen.counts for name, seen in realised.items()}


def _parameters(estimator: Any) -> dict[str, Any]:
    return {k: _plain(v) for k, v in estimator.get_params(deep=False).items() if k not in UNSAVED}


def _table(table: pd.DataFrame | None) -> dict[str, Any] | None:
    if table is None:
        return None
    rows = {str(name): [_plain(v) for v in table[name]] for name in table.columns}
    return {"columns": rows, "attrs": {k: _plain(v) for k, v in table.attrs.items()}}


def _untable(described: dict[str, Any] | None) -> pd.DataFrame | None:
    if described is None:
        return None
    table = pd.DataFrame(described["columns"])
    table.attrs = dict(described["attrs"])
    return table


def _tuples(described: dict[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in described.items()}


def _plain(value: Any) -> Any:
    """Turn NumPy scalars and sequences into what JSON holds."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(v) for v in value]
    return value


def _zone(starts: pd.Index) -> str | None:
    zone = starts.tz if isinstance(starts, pd.DatetimeIndex) else None
    return None if zone is None else str(zone)
