"""A plain Keras model and the table that it is to be tried on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from forecast.auditing.findings import Finding
from forecast.auditing.invariance import COMPARED, PADDING, padding_result, relative
from forecast.auditing.subjects import (
    GIVEN,
    Inputs,
    Subject,
    check_some,
    in_batches,
    row_covariates,
    static_covariates,
)
from forecast.data.encoding import fit_static
from forecast.data.gridding import to_panel
from forecast.data.panel import Panel
from forecast.data.scale import error_scales
from forecast.data.season import find_season
from forecast.data.table import read_table
from forecast.data.windows import Windows, check_positive, make_windows
from forecast.errors import InputError, ParameterError
from forecast.estimators.contract import as_table
from forecast.training.predict import BATCH

Floats = NDArray[np.float64]
NAMES = ("target", "past_only", "known_future", "static", "length")


@dataclass(frozen=True, eq=False)
class Form:
    """How a model takes its inputs.

    Args:
        model: The model.
        names: Inputs by name, as ``Windows.inputs`` has them; empty for a single tensor
            ``(batch, context, channels)`` of targets, then known-future, then past-only columns.
        context: Rows seen.
        channels: Last axis of the single tensor; None if not known.
        fixed: Whether no other number of rows is taken.
    """

    model: keras.Model
    names: tuple[str, ...]
    context: int
    channels: int | None
    fixed: bool

    def tensor(self, inputs: Inputs) -> Any:
        """Return what the model takes."""
        if self.names:
            return {name: inputs[name] for name in self.names}
        known = inputs["known_future"][:, : inputs["target"].shape[1]] if "known_future" in inputs else None
        parts = [inputs["target"], known, inputs.get("past_only")]
        return np.concatenate([part for part in parts if part is not None], axis=-1).astype(np.float32)

    def call(self, inputs: Inputs) -> Floats:
        """Forecast one batch, as the model gives it."""
        found = self.model.predict_on_batch(self.tensor(inputs))
        if isinstance(found, list | tuple | dict):
            raise InputError(
                "The model has several outputs; audit takes one, the forecast (batch, horizon, …)."
            )
        return np.array(found, dtype=np.float64)


def form_of(model: keras.Model, context: int | None) -> Form:
    """Read a model's inputs.

    Raises:
        ParameterError: The inputs are others than audit knows, or their number of rows is open and not given.
    """
    known = getattr(model, "inputs", None)
    inputs = model.input if known else None
    if isinstance(inputs, dict):
        return _named_form(model, inputs, context)
    if isinstance(inputs, list | tuple):
        raise ParameterError(
            f"The model has {len(inputs)} inputs without names; audit takes one (batch, context, channels), or a dict "
            f"of {', '.join(NAMES)}."
        )
    shape = (None, None, None) if inputs is None else tuple(inputs.shape)
    if len(shape) != 3:
        raise ParameterError(f"The model's input has shape {shape}; audit takes (batch, context, channels).")
    rows = _rows(shape[1], context)
    return Form(model, (), rows, shape[2], shape[1] is not None)


def _named_form(model: keras.Model, inputs: dict[str, Any], context: int | None) -> Form:
    unknown = [name for name in inputs if name not in NAMES]
    if unknown or "target" not in inputs:
        raise ParameterError(
            f"The model's inputs are {', '.join(map(repr, inputs))}; audit takes target and any of "
            f"{', '.join(NAMES[1:])}, or a single tensor."
        )
    rows = inputs["target"].shape[1]
    return Form(model, tuple(inputs), _rows(rows, context), None, rows is not None)


def _rows(found: int | None, asked: int | None) -> int:
    if asked is not None:
        check_positive(context=asked)
    if found is None and asked is None:
        raise ParameterError("The model takes any number of rows; say how many it is to see with context=.")
    if found is not None and asked is not None and found != asked:
        raise ParameterError(f"context is {asked}, but the model takes {found} rows.")
    return int(found if found is not None else asked)  # type: ignore[arg-type]


def keras_subject(
    model: keras.Model, table: Any, *, context: int | None, season: int | None, reading: dict[str, Any]
) -> tuple[Subject, Form]:
    """Read a table and look at a Keras model over it.

    Args:
        model: Single input ``(batch, context, channels)`` or the inputs of ``Windows.inputs`` by name;
            output ``(batch, horizon)``, ``(batch, horizon, targets)`` or ``(…, targets, quantiles)``.
        table: History as a table, a panel, or an array ``(rows,)`` or ``(rows, channels)``.
        context: Rows seen, if the model does not say.
        season: Rows of a season; None finds it.
        reading: Arguments of ``read_table``.

    Raises:
        InputError: Model and table do not go together.
    """
    form = form_of(model, context)
    panel = _panel(form, table, reading)
    static = fit_static(panel.static)
    horizon, targets, levels = _output(form, panel, static.width)
    season = find_season(panel) if season is None else season
    check_positive(season=season)
    windows = _windows(form, panel, horizon, season, static.encode(panel.static))

    def raw(inputs: Inputs, size: int = BATCH) -> Floats:
        found = in_batches(form.call, inputs, size)
        return found.reshape(len(found), horizon, targets, levels)

    used = set(form.names) or {"past_only", "known_future"}
    covariates = (*row_covariates(panel), *static_covariates(static, windows))
    subject = Subject(
        name="the model",
        raw=raw,
        forecasts=lambda chosen: raw(chosen.inputs(np.arange(len(chosen)))),
        windows=windows,
        rows=GIVEN,
        season=season,
        single=lambda inputs: raw(inputs, 1),
        middle=levels // 2,
        covariates=tuple(c for c in covariates if c.role in used),
    )
    return subject, form


def _windows(form: Form, panel: Panel, horizon: int, season: int, static: np.ndarray) -> Windows:
    """List the windows that the model can forecast.

    Raises:
        InputError: There is none.
    """
    windows = make_windows(
        panel,
        context=form.context,
        horizon=horizon,
        short="pad" if "length" in form.names else "drop",
        scales=error_scales(panel, season),
        static=static,
    )
    check_some(windows)
    return windows if form.names else _observed(windows)


def _panel(form: Form, table: Any, reading: dict[str, Any]) -> Panel:
    """Read the table; of an array, the first columns are as many targets as the model forecasts."""
    if isinstance(table, Panel):
        return table
    if not isinstance(table, np.ndarray | list | tuple):
        return to_panel(read_table(table, **reading))
    frame = as_table(table)
    names = list(frame.columns)
    _check_channels(form, names)
    found = form.call({"target": np.zeros((2, form.context, len(names)))}) if not form.names else None
    targets = found.shape[2] if found is not None and found.ndim > 2 and found.shape[2] <= len(names) else 1
    targets = len(names) if form.names else targets
    roles: dict[str, Any] = {"time": "none", "id": "none", "target": tuple(names[:targets])}
    roles |= {
        "known_future": ("none",),
        "static": ("none",),
        "past_only": tuple(names[targets:]) or ("none",),
    }
    return to_panel(read_table(frame, **(roles | reading)))


def _output(form: Form, panel: Panel, static: int) -> tuple[int, int, int]:
    """Try a batch of zeros; return horizon, targets and levels of the output.

    Raises:
        ParameterError: The output has another shape than audit takes.
    """
    columns = panel.columns
    _check_channels(form, columns.numeric)
    zeros = {"target": np.zeros((2, form.context, len(columns.target)))}
    zeros["past_only"] = np.zeros((2, form.context, len(columns.past_only)))
    known = form.model.input["known_future"].shape[1] if "known_future" in form.names else form.context
    zeros["known_future"] = np.zeros((2, known, len(columns.known_future)))
    zeros |= {"static": np.zeros((2, static)), "length": np.full(2, form.context, np.int32)}
    try:
        shape = form.call(zeros).shape
    except (ValueError, TypeError) as error:
        raise ParameterError(
            f"The model does not take what the table holds ({', '.join(columns.numeric + columns.static)}): "
            f"{' '.join(str(error).split())[:200]}"
        ) from error
    if len(shape) not in (2, 3, 4):
        raise ParameterError(
            f"The model's output has shape {shape}; audit takes (batch, horizon), or that and targets, and quantiles."
        )
    horizon, third = shape[1], shape[2] if len(shape) > 2 else 1
    if len(shape) == 3 and third > 1 == len(columns.target):
        return horizon, 1, third
    if third != len(columns.target):
        raise ParameterError(
            f"The model forecasts {third} targets, and the table has {len(columns.target)} "
            f"({', '.join(columns.target)}). Name them with target=."
        )
    return horizon, third, shape[3] if len(shape) == 4 else 1


def _check_channels(form: Form, names: Sequence[str]) -> None:
    """Refuse a table with more or fewer columns than the model has channels."""
    if form.channels is not None and form.channels != len(names):
        raise ParameterError(
            f"The model takes {form.channels} channels, and the table has {len(names)} columns of numbers with a role "
            f"({', '.join(names)}). Name the columns with target=, known_future= and past_only=."
        )


def _observed(windows: Windows) -> Windows:
    """Keep windows without a missing value in what the model sees: a plain model has no word for it.

    Raises:
        InputError: There is none.
    """
    gaps = np.isnan(windows.panel.values).any(axis=1)
    count = np.concatenate([[0], np.cumsum(gaps)])
    whole = count[windows.origins] == count[windows.origins - windows.context]
    if not whole.any():
        raise InputError(
            f"No {windows.context} rows on end are without a missing value, and a plain Keras model takes none. Fill "
            "the gaps as it was trained with, or give other rows."
        )
    return windows.subset(np.flatnonzero(whole))


def plain_padding_finding(subject: Subject, form: Form, side: str, value: float) -> Finding:
    """Forecast half the context, once as it is and once padded to the whole: they must be the same.

    Args:
        subject: Of the model.
        form: Its inputs.
        side: ``"left"`` or ``"right"``.
        value: What is put into the padded rows.

    Raises:
        ParameterError: ``side`` is neither.
    """
    if side not in ("left", "right"):
        raise ParameterError(f"padding must be left or right; got {side!r}.")
    if form.fixed:
        told = f"Not judged: the model takes {form.context} rows and no fewer, so nothing can be compared with padding."
        return Finding(PADDING, "note", told, "Build it with keras.Input((None, channels)).")
    windows = subject.windows.thin(COMPARED)
    length = max(windows.context // 2, 1)
    names = ("target", "past_only", "known_future")
    inputs = {
        k: v[:, : windows.context] for k, v in windows.inputs(np.arange(len(windows))).items() if k in names
    }
    short = {name: values[:, -length:] for name, values in inputs.items()}
    fill = (windows.context - length, 0) if side == "left" else (0, windows.context - length)
    padded = {
        name: np.pad(values, ((0, 0), fill, (0, 0)), constant_values=value) for name, values in short.items()
    }
    scale = windows.scales[windows.series][:, None, :, None]
    worst = relative(subject.raw(padded), subject.raw(short), scale)
    return padding_result(worst, length, windows.context, f"Padding at the {side} by {value:g}")
