"""What a checkpoint belongs to: the settings and the data of one fit."""

from __future__ import annotations

import hashlib
import os
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import keras
import pandas as pd

from forecast.data.panel import Panel
from forecast.errors import ParameterError
from forecast.estimators.describing import parameters_of, versions
from forecast.training.checkpoint import Checkpoint

# Arguments that change nothing that is learned.
_SILENT = ("verbose",)


def checkpoint_of(
    folder: Any, resume: bool, estimator: Any, panel: Panel
) -> AbstractContextManager[Checkpoint | None]:
    """Return the checkpoint of a fit; one that keeps nothing without a folder.

    Raises:
        ParameterError: The folder is no path.
    """
    if folder is None:
        return nullcontext()
    if not isinstance(folder, str | os.PathLike):
        raise ParameterError(f"checkpoint must be the path of a folder; got {folder!r}.")
    return Checkpoint(Path(folder), identity_of(estimator, panel), resume)


def identity_of(estimator: Any, panel: Panel) -> dict[str, Any]:
    """Return everything that the course of a fit depends on, by name, as JSON holds it."""
    found = {name: value for name, value in parameters_of(estimator).items() if name not in _SILENT}
    parameters = estimator.get_params(deep=False)
    if callable(parameters.get("network")):
        found["network"] = f"{parameters['network'].__module__}.{parameters['network'].__qualname__}"
    if parameters.get("optimizer") is not None:
        found["optimizer"] = keras.saving.serialize_keras_object(parameters["optimizer"])
    found |= {name: version for name, version in versions().items() if name not in ("python", "pandas")}
    found |= {"step": str(panel.step), "series": len(panel), "rows": panel.rows}
    found["times and ids"] = _digest(
        panel.offsets.tobytes(), str(panel.ids).encode(), str(panel.starts.tolist()).encode()
    )
    for j, name in enumerate(panel.columns.numeric):
        found[f"column {name!r}"] = _digest(panel.values[:, j].tobytes())
    for name in panel.static:
        found[f"column {name!r}"] = _digest(
            pd.util.hash_pandas_object(panel.static[name], index=False).values.tobytes()
        )
    return found


def _digest(*parts: bytes) -> str:
    found = hashlib.sha256()
    for part in parts:
        found.update(part)
    return f"digest {found.hexdigest()[:12]}"
