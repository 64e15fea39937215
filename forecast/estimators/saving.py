"""Estimators as model files, and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from forecast.data.calendar import Calendar
from forecast.data.encoding import StaticEncoder
from forecast.data.lags import check_lags
from forecast.data.panel import Panel
from forecast.data.table import Choice
from forecast.errors import DamagedModelFile, InputError, ParameterError
from forecast.estimators.arguments import options_of
from forecast.estimators.baseline import Baseline, FittedBaseline, check_method
from forecast.estimators.checking import (
    check_architecture,
    check_gate,
    check_realised,
    check_shift,
    check_spec,
    check_template,
    checked,
    least_numbers,
)
from forecast.estimators.describing import parameters_of, versions, with_tuples
from forecast.estimators.detector_saving import load_detector
from forecast.estimators.fitting import Fitted
from forecast.estimators.forecaster import Forecaster
from forecast.estimators.network import Network
from forecast.estimators.packing import (
    fingerprint,
    pack_panel,
    pack_table,
    unpack_contract,
    unpack_panel,
    unpack_table,
)
from forecast.estimators.realised import Realised
from forecast.estimators.recipe import Architecture, Extras
from forecast.estimators.sequence_saving import load_sequences
from forecast.estimators.setting import Setting
from forecast.estimators.shifts import shift_numbers, stored_shift
from forecast.estimators.standing import standing_numbers, stored_standing
from forecast.evaluation.comparison import AUTO, NETWORK
from forecast.evaluation.gate import Gate
from forecast.evaluation.intervals import ConformalShift
from forecast.modelfile import CONSTANT, ModelFile, write_model
from forecast.models import Spec
from forecast.training.course import Record
from forecast.training.gradients import health_of


def load(path: Any, *, network: Callable[..., Any] | None = None) -> Any:
    """Read a model file, whatever estimator it holds; ``LOADERS`` lists the kinds. No code in the file is run.

    Args:
        path: File that ``save`` or a command wrote.
        network: The function that built the network, if it was not one of this package.

    Returns:
        A ``Forecaster``, ``Baseline``, ``Detector``, ``SequenceClassifier`` or ``EventLabeler``.

    Raises:
        ModelFileError: Missing, foreign, damaged or newer; four different messages.
    """
    file = ModelFile(path)
    if file.description.get("own_network") and network is None:
        raise ParameterError(
            f"{path} holds a network of your own: pass load(path, network=the function that built it)."
        )
    kind = file.description.get("kind")
    if kind not in tuple(LOADERS):
        raise file.damaged("its kind is unknown")
    try:
        return LOADERS[kind](file, network)
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
    history, numbers = pack_panel(fitted.history)
    description = {
        "kind": "forecaster",
        "versions": versions(),
        "parameters": parameters_of(forecaster),
        "own_network": forecaster.network is not None,
        "from_arrays": forecaster.from_arrays_,
        "features": [str(n) for n in getattr(forecaster, "feature_names_in_", [])],
        "contract": asdict(fitted.contract),
        "setting": asdict(fitted.setting),
        "spec": asdict(network.spec),
        "architecture": asdict(network.architecture),
        "extras": asdict(network.extras),
        "encoder": asdict(network.encoder),
        "record": asdict(network.record),
        "health": [asdict(health) for health in network.health],
        "wanted": list(fitted.wanted),
        "choices": [asdict(choice) for choice in forecaster.choices_],
        "comparison": pack_table(fitted.comparison),
        "gate": None if fitted.gate is None else asdict(fitted.gate),
        "shifts": list(fitted.shifts),
        "weights": fitted.weights,
        "templates": list(fitted.templates),
        "realised": list(fitted.realised),
        "calibrated": network.shift is not None,
        "rows": fitted.rows,
        "trained": list(fitted.trained),
        "history": history,
    }
    shifts = {"network": network.shift} if network.shift is not None else {}
    numbers |= {"scales": fitted.scales} | shift_numbers(shifts | fitted.shifts, fitted.history)
    numbers |= standing_numbers(network.standing, fitted.history)
    # For the NumPy runner, which has no encoder.
    windows = network.windows(fitted.history, first=fitted.history.ends, scales=fitted.scales)
    constant = windows.of_series(np.arange(len(fitted.history)))
    numbers |= {f"{CONSTANT}{name}": values for name, values in constant.items()}
    numbers |= _sample_numbers(fitted.templates, fitted.realised)
    write_model(path, network.model, description, numbers)


def save_baseline(baseline: Baseline, path: Any) -> None:
    """Write a fitted baseline to one file."""
    check_is_fitted(baseline)
    fitted = baseline.fitted_
    history, numbers = pack_panel(fitted.history)
    description = {
        "kind": "baseline",
        "versions": versions(),
        "parameters": parameters_of(baseline),
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
    shifts = {"baseline": fitted.shift} if fitted.shift else {}
    numbers |= {"scales": fitted.scales} | shift_numbers(shifts, fitted.history)
    templates = {} if fitted.template is None else {baseline.method: fitted.template}
    numbers |= _sample_numbers(templates, fitted.realised)
    write_model(path, None, description, numbers)


def _forecaster(file: ModelFile, builder: Callable[..., Any] | None) -> Forecaster:
    described, numbers = file.description, file.numbers()
    forecaster = Forecaster(**with_tuples(described["parameters"]), network=builder)
    options = options_of(forecaster)
    spec, setting = checked(Spec, described["spec"]), checked(Setting, described["setting"])
    contract = unpack_contract(described["contract"])
    history = unpack_panel(described["history"], numbers, contract)
    encoder = checked(StaticEncoder, described["encoder"])
    check_spec(spec, setting, history)
    _check_contents(described, spec, encoder, history)
    architecture, extras = checked(Architecture, described["architecture"]), _extras(described["extras"])
    if extras.sizes(encoder) != {name: getattr(spec, name) for name in extras.sizes(encoder)}:
        raise ValueError
    if builder is None:
        check_architecture(architecture, options)
        file.check_room(least_numbers(architecture, spec))
    forecaster.choices_ = tuple(checked(Choice, choice) for choice in described["choices"])
    forecaster.from_arrays_ = bool(described["from_arrays"])
    if forecaster.from_arrays_:
        forecaster.n_features_in_ = spec.known_future
        if described["features"]:
            forecaster.feature_names_in_ = np.array(described["features"], dtype=object)
    shifts = _shifts(described, numbers, spec, history)
    parts = {
        "wanted": tuple(described["wanted"]),
        "comparison": unpack_table(described["comparison"]),
        "gate": None if described.get("gate") is None else check_gate(checked(Gate, described["gate"])),
        "rows": int(described["rows"]),
        "trained": _ids(described["trained"]),
    }
    record = checked(Record, described["record"])
    # The network comes last: whatever else is wrong with a file is told without building one.
    model = architecture.build(spec, builder)
    file.load_weights(model)
    forecaster.fitted_ = Fitted(
        contract=contract,
        setting=setting,
        network=Network(
            model,
            spec,
            architecture,
            encoder,
            extras,
            shifts.pop(NETWORK, None),
            record,
            standing=stored_standing(model, numbers, history),
            # Files of before this was measured have none.
            health=tuple(health_of(health) for health in described.get("health", [])),
        ),
        history=history,
        scales=numbers["scales"],
        shifts=shifts,
        weights=_weights(described),
        templates=_templates(described, numbers, spec.horizon, spec.targets),
        realised=_realised(described, numbers, (spec.horizon, spec.targets, len(spec.quantiles))),
        choices=(),
        **parts,
    )
    return forecaster


def _shifts(
    described: dict[str, Any], numbers: dict[str, np.ndarray], spec: Spec, history: Panel
) -> dict[str, ConformalShift]:
    """Return the calibrations by method, the network's among them if it was calibrated."""
    names = [*described["shifts"], *([NETWORK] if described["calibrated"] else [])]
    for name in names:
        check_method(name, (NETWORK, AUTO))
    levels = spec.quantiles or (0.5,)
    return {name: check_shift(stored_shift(name, numbers, levels, history), spec) for name in names}


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


def _baseline(file: ModelFile, builder: Callable[..., Any] | None) -> Baseline:
    described, numbers = file.description, file.numbers()
    baseline = Baseline(**with_tuples(described["parameters"]))
    check_method(baseline.method)
    contract, setting = unpack_contract(described["contract"]), checked(Setting, described["setting"])
    levels = tuple(float(level) for level in described["levels"])
    targets = len(contract.columns.target)
    templates = _templates(described, numbers, setting.horizon, targets)
    baseline.from_arrays_ = bool(described["from_arrays"])
    if baseline.from_arrays_:
        baseline.n_features_in_ = int(described["features"])
    history = unpack_panel(described["history"], numbers, contract)
    baseline.fitted_ = FittedBaseline(
        contract=contract,
        setting=setting,
        history=history,
        scales=numbers["scales"],
        wanted=tuple(described["wanted"]),
        levels=levels,
        shift=stored_shift("baseline", numbers, levels, history) if described["calibrated"] else None,
        template=templates.get(baseline.method),
        realised=_realised(described, numbers, (setting.horizon, targets, len(levels))),
    )
    return baseline


def _check_contents(described: dict[str, Any], spec: Spec, encoder: StaticEncoder, history: Panel) -> None:
    """Refuse what is of the right type and contradicts the rest."""
    names = [name for name, *_ in (*encoder.numbers, *encoder.categories)]
    if spec.static != encoder.width or sorted(names) != sorted(history.columns.static):
        raise ValueError
    if not set(described["wanted"]) <= set(spec.quantiles) or type(described["rows"]) is not int:
        raise ValueError
    if not all(type(name) is str for name in described["features"]):
        raise ValueError
    if fingerprint(history) != described["history"]["fingerprint"]:
        raise ValueError


def _ids(told: list[Any]) -> tuple:
    """Return ids of series, or refuse what can be none."""
    if not all(name is None or type(name) in (str, int) for name in told):
        raise TypeError
    return tuple(told)


def _extras(described: dict[str, Any]) -> Extras:
    """Return what windows hold beside the columns, or refuse what is none of that."""
    calendar = described["calendar"]
    return Extras(
        None if calendar is None else checked(Calendar, calendar),
        check_lags(described["lags"]),
        _ids(described["ids"]),
        bool(described["embedded"]),
    )


def _sample_numbers(templates: dict[str, np.ndarray], realised: dict[str, Realised]) -> dict[str, np.ndarray]:
    numbers = {f"template {name}": template for name, template in templates.items()}
    numbers |= {f"below {name}": seen.below for name, seen in realised.items()}
    return numbers | {f"seen {name}": seen.counts for name, seen in realised.items()}


LOADERS: dict[str, Callable[[ModelFile, Callable[..., Any] | None], Any]] = {
    "forecaster": _forecaster,
    "baseline": _baseline,
    "classifier": load_sequences,
    "labeler": load_sequences,
    "detector": load_detector,
}
"""Who reads a file, by the kind it says it is. A new kind of estimator is one line here."""
