"""What ``forecast classify`` prints, and how it opens a model of labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forecast.cli.opening import model_file
from forecast.cli.tables import columns, frame_records
from forecast.errors import InputError, NotAModelFile

if TYPE_CHECKING:
    from forecast.modelfile import ModelFile

KINDS = ("classifier", "labeler")
# A confusion table of more classes is no longer looked at; the most frequent mistakes are.
MOST_SHOWN = 12


def open_labels(path: str, table: str | None) -> ModelFile:
    """Read and check the model file of a classifier or a labeler.

    Raises:
        ModelFileError: It is missing, damaged, or holds something else.
    """
    file = model_file(path, table)
    kind = file.description.get("kind")
    if kind in ("forecaster", "baseline"):
        raise NotAModelFile(f"{path} holds a {kind}, which forecasts; `forecast predict {path}` uses it.")
    if kind not in KINDS:
        raise file.damaged("its kind is unknown")
    return file


def read_unlabelled(file: ModelFile, table: str, date_format: str | None, form: dict[str, Any]) -> Any:
    """Read a table with the columns of a model, so that its mistakes are told at once.

    Raises:
        InputError: A column is missing, or the model learned arrays.
    """
    from forecast.data.labelled import LabelColumns, read_labelled

    if table.endswith(".forecast"):
        raise InputError(f"{table} is a model where a table is expected.")
    described = file.description.get("columns")
    if described is None:
        raise InputError(f"{file.path} learned arrays, not a table; use it by forecast.load in Python.")
    try:
        found: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in described.items()}
        wanted = replace(LabelColumns(**found), label=None, groups=None)
        written = date_format if date_format is not None else file.description["parameters"]["date_format"]
        hash(wanted)
    except (KeyError, TypeError, AttributeError) as error:
        raise file.damaged("its description makes no sense") from error
    return read_labelled(table, wanted, date_format=written, **form)


def method_lines(table: Any) -> list[str]:
    """Lay the comparison of classifiers out in columns.

    Args:
        table: From ``evaluation.classification.compare_classes``.
    """
    headers = ["method", "accuracy", "balanced", "F1", "log loss", "calibration error"]
    rows = [
        [str(r["method"]), *(_percent(r[name]) for name in ("accuracy", "balanced")), f"{r['F1']:.3f}",
         f"{r['log_loss']:.3f}", f"{r['calibration_error']:.3f}"]
        for r in table.to_dict("records")
    ]  # fmt: skip
    attrs = table.attrs
    return [
        f"Held out: {attrs['count']:,} {attrs['unit']} of {attrs['classes']} classes",
        *columns(headers, rows),
    ]


def confusion_lines(table: Any) -> list[str]:
    """Lay out which class was taken for which; of many classes, the most frequent mistakes."""
    names = [str(name) for name in table.index]
    if len(names) <= MOST_SHOWN:
        rows = [
            [name, *(f"{count:,}" for count in line)]
            for name, line in zip(names, table.to_numpy(), strict=True)
        ]
        return columns(["label \\ predicted", *names], rows)
    counts = table.to_numpy()
    places = [(int(i), int(j)) for i, j in zip(*counts.nonzero(), strict=True) if i != j]
    mistakes = sorted((-int(counts[place]), *place) for place in places)
    rows = [[names[i], names[j], f"{-count:,}"] for count, i, j in mistakes[:MOST_SHOWN]]
    return columns(["label", "predicted", "times"], rows)


def early_lines(table: Any) -> list[str]:
    """Lay out the accuracy by the share of each sequence that was seen."""
    rows = [
        [f"{100 * r['share']:g} %", f"{r['rows']:.0f}", _percent(r["accuracy"])]
        for r in table.to_dict("records")
    ]
    return columns(["seen", "rows", "accuracy"], rows)


def event_lines(table: Any) -> list[str]:
    """Lay out how well events were found."""
    rows = [
        [str(r["label"]), *(f"{r[n]:,}" for n in ("events", "found", "matched")),
         *(_known(r[n], ".3f") for n in ("precision", "recall", "F1")), _known(r["onset_error"], ".1f")]
        for r in table.to_dict("records")
    ]  # fmt: skip
    headers = ["events of", "labelled", "found", "matched", "precision", "recall", "F1", "onset error"]
    return columns(headers, rows)


def document(estimator: Any, rows: Any, files: dict[str, Path]) -> dict[str, Any]:
    """Return everything as one document for programs."""
    told = {"comparison": estimator.comparison_}
    told |= {"report": estimator.report_} if estimator.by_row else {"early": estimator.early_}
    confused = estimator.confusion_
    return {
        "kind": "labeler" if estimator.by_row else "classifier",
        "choices": [vars(choice) for choice in estimator.choices_],
        "classes": estimator.classes_.tolist(),
        **{name: None if table is None else frame_records(table) for name, table in told.items()},
        "confusion": None if confused is None else confused.to_numpy().tolist(),
        "verdict": estimator.verdict_,
        "temperature": estimator.fitted_.network.temperature,
        "rows": None if rows is None else frame_records(rows),
        "files": {name: str(path) for name, path in files.items()},
    }


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _known(value: float | None, form: str) -> str:
    return "–" if value is None or value != value else f"{value:{form}}"
