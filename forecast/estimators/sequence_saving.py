"""Classifiers and labelers as model files, and back."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from forecast.data.labelled import LabelColumns
from forecast.data.labels import MOST_CLASSES, Classes
from forecast.data.sequences import Scaling
from forecast.data.sheet import Choice
from forecast.estimators.checking import checked
from forecast.estimators.classifier import SequenceClassifier
from forecast.estimators.describing import parameters_of, versions, with_tuples
from forecast.estimators.labeler import EventLabeler
from forecast.estimators.packing import pack_table, unpack_table
from forecast.estimators.sequence_learning import FittedSequences, Told, check_arguments, fitted_of
from forecast.estimators.sequence_network import SequenceNetwork
from forecast.evaluation.classification import named_confusion
from forecast.evaluation.temperature import LEAST, MOST
from forecast.modelfile import ModelFile, write_model
from forecast.models.committee import build_committee, least_weights
from forecast.models.sequence_spec import MOST_WIDTH, SequenceSpec
from forecast.training.course import Record

KINDS = {"classifier": SequenceClassifier, "labeler": EventLabeler}
MOST_ROWS = 10_000_000
# Arguments whose keys are labels; JSON would make text of numbers.
BY_LABEL = ("class_weight", "durations")


def save_sequences(estimator: SequenceClassifier | EventLabeler, path: Any) -> None:
    """Write a fitted classifier or labeler to one file."""
    fitted = fitted_of(estimator)
    network, told = fitted.network, fitted.told
    parameters = parameters_of(estimator)
    for name in BY_LABEL:
        if isinstance(parameters.get(name), dict) or hasattr(parameters.get(name), "items"):
            parameters[name] = {"by_label": [[label, value] for label, value in parameters[name].items()]}
    description = {
        "kind": next(kind for kind, made in KINDS.items() if isinstance(estimator, made)),
        "versions": versions(),
        "parameters": parameters,
        "classes": list(fitted.classes.names),
        "columns": None if fitted.columns is None else asdict(fitted.columns),
        "spec": asdict(network.spec),
        "temperature": network.temperature,
        "record": asdict(network.record),
        "choices": [asdict(choice) for choice in estimator.choices_],
        "told": None if told is None else {k: pack_table(v) for k, v in vars(told).items()},
        "sequences": fitted.sequences,
        "rows": fitted.rows,
        "durations": list(fitted.durations),
        "background": fitted.background,
    }
    numbers = {name: np.array(values) for name, values in asdict(network.scaling).items()}
    write_model(path, network.model, description, numbers)


def load_sequences(file: ModelFile, builder: Any = None) -> SequenceClassifier | EventLabeler:
    """Make a classifier or labeler of a file; what it tells is checked before a network is built.

    Raises:
        ValueError, TypeError, LookupError, ParameterError: The parts contradict each other.
        DamagedModelFile: Its weights are those of another network.
    """
    described = file.description
    estimator = KINDS[described["kind"]](**_parameters(described["parameters"]))
    check_arguments(estimator)
    recipe = estimator.recipe()
    classes = _classes(described["classes"])
    spec, scaling = checked(SequenceSpec, described["spec"]), _scaling(file.numbers())
    _check_spec(spec, classes, scaling)
    columns = None if described["columns"] is None else checked(LabelColumns, described["columns"])
    if columns is not None and len(columns.features) != len(scaling.middle):
        raise ValueError("columns and scales differ in number")
    durations, background = _events(described, classes, by_row=estimator.by_row)
    temperature = described["temperature"]
    if type(temperature) is not float or not LEAST * 0.99 <= temperature <= MOST * 1.01:
        raise ValueError("a temperature that no fit gives")
    told = None if described["told"] is None else _told(described["told"], classes)
    sequences, rows = described["sequences"], described["rows"]
    if not all(type(count) is int and count > 0 for count in (sequences, rows)):
        raise ValueError("numbers of rows that no fit has")
    estimator.choices_ = tuple(checked(Choice, choice) for choice in described["choices"])
    estimator.n_features_in_ = len(scaling.middle)
    record = checked(Record, described["record"])
    file.check_room(least_weights(recipe.name, spec, recipe.options, recipe.members))
    model = build_committee(recipe.name, spec, recipe.options, recipe.members)
    file.load_weights(model)
    network = SequenceNetwork(
        model, spec, recipe.name, recipe.options, recipe.members, scaling, temperature, record
    )
    estimator.fitted_ = FittedSequences(
        network, classes, columns, told, sequences, rows, durations, background
    )
    return estimator


def _parameters(described: dict[str, Any]) -> dict[str, Any]:
    found = with_tuples(described)
    for name in BY_LABEL:
        if isinstance(found.get(name), dict):
            found[name] = dict(found[name]["by_label"])
    return found


def _classes(names: list[Any]) -> Classes:
    """Return the classes, or refuse names of several kinds, out of order, or fewer than two."""
    if not isinstance(names, list) or not 2 <= len(names) <= MOST_CLASSES:
        raise ValueError("a number of classes that no fit has")
    if len({type(name) for name in names}) != 1 or type(names[0]) not in (str, int, bool):
        raise TypeError("classes of several kinds")
    if names != sorted(set(names)):
        raise ValueError("classes out of order")
    return Classes(tuple(names))


def _scaling(numbers: dict[str, np.ndarray]) -> Scaling:
    middle, spread, marked = (numbers[name] for name in ("middle", "spread", "marked"))
    if middle.dtype != np.float64 or spread.dtype != np.float64 or marked.dtype != np.bool_:
        raise TypeError("scales of another kind")
    if not middle.shape == spread.shape == marked.shape or middle.ndim != 1 or not len(middle):
        raise ValueError("scales differ in number")
    if not (np.isfinite(middle).all() and np.isfinite(spread).all() and (spread > 0).all()):
        raise ValueError("scales that are none")
    return Scaling(*(tuple(part.tolist()) for part in (middle, spread, marked)))


def _check_spec(spec: SequenceSpec, classes: Classes, scaling: Scaling) -> None:
    """Refuse sizes that contradict each other or would ask for absurd memory."""
    if spec.classes != len(classes) or spec.width != scaling.width:
        raise ValueError("sizes contradict each other")
    if not 1 <= spec.rows <= MOST_ROWS or spec.width > MOST_WIDTH or not 0 <= spec.seed < 2**63:
        raise ValueError("sizes are out of range")


def _events(
    described: dict[str, Any], classes: Classes, *, by_row: bool
) -> tuple[tuple[int, ...], int | None]:
    durations, background = described["durations"], described["background"]
    if len(durations) != (len(classes) if by_row else 0):
        raise ValueError("durations and classes differ in number")
    if not all(type(rows) is int and 1 <= rows <= MOST_ROWS for rows in durations):
        raise ValueError("durations that are none")
    if background is not None and not (by_row and type(background) is int and 0 <= background < len(classes)):
        raise ValueError("a background that is no class")
    return tuple(durations), background


def _told(described: dict[str, Any], classes: Classes) -> Told:
    tables = {name: unpack_table(described[name]) for name in ("comparison", "confusion", "further")}
    if any(table is None for table in tables.values()) or set(described) != set(tables):
        raise ValueError("tables are missing")
    comparison = tables["comparison"]
    assert comparison is not None
    if not {"method", "accuracy"} <= set(comparison.columns) or "network" not in set(comparison["method"]):
        raise ValueError("a comparison of nothing")
    if not {"count", "unit", "classes"} <= set(comparison.attrs):
        raise ValueError("a comparison of nothing")
    comparison, confused, further = (_typed(tables[name]) for name in ("comparison", "confusion", "further"))
    counts = confused.to_numpy()
    if counts.shape != (len(classes), len(classes)) or counts.dtype.kind != "i" or (counts < 0).any():
        raise ValueError("a confusion of other classes")
    return Told(comparison, named_confusion(counts, classes.names), further)


def _typed(table: pd.DataFrame | None) -> pd.DataFrame:
    """Refuse cells that are neither text nor numbers."""
    assert table is not None
    for name in table.columns:
        if not all(
            cell is None or isinstance(cell, str | int | float | bool | np.generic) for cell in table[name]
        ):
            raise TypeError("cells that are no cells")
    return table
