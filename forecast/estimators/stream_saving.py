"""Where a stream stands, as a file that another process or machine goes on from."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.errors import InputError
from forecast.estimators.describing import versions
from forecast.estimators.packing import pack_panel, unpack_panel
from forecast.modelfile import ModelFile, write_model

if TYPE_CHECKING:
    from forecast.estimators.fitting import Fitted
    from forecast.estimators.streaming import Stream

KIND = "stream"
_STATE = "state "


def save_stream(stream: Stream, path: Any, told: dict[str, Any] | None = None) -> None:
    """Write the states of a stream, its times and the rows that wait, atomically.

    Args:
        stream: To be written.
        path: File to create or replace.
        told: Anything JSON can hold that belongs to it, such as how far a file was read.
    """
    lengths = [len(stream.waiting.get(k, ())) for k in range(len(stream.ids))]
    rows = [stream.waiting[k] for k in sorted(stream.waiting)]
    values = np.concatenate(rows) if rows else np.zeros((0, len(stream.panel.columns.numeric)))
    panel = replace(
        stream.panel,
        values=values,
        offsets=np.cumsum([0, *lengths], dtype=np.int64),
        present=np.ones(len(values), bool),
        starts=stream.times,
    )
    described, numbers = pack_panel(panel)
    description = {
        "kind": KIND,
        "versions": versions(),
        "model": _print_of(stream.fitted),
        "history": described,
        "passed_over": stream.passed_over,
        "told": told or {},
    }
    numbers |= {"scales": stream.scales}
    numbers |= {f"{_STATE}{name}": values for name, values in stream.reader.states().items()}
    write_model(path, None, description, numbers)


def restore_stream(stream: Stream, path: Any) -> dict[str, Any]:
    """Let a stream stand where a file says, and return what was told with it.

    Raises:
        InputError: The file holds the state of another model, or no state.
        ModelFileError: The file is missing or damaged.
    """
    file = ModelFile(path)
    if file.description.get("kind") != KIND:
        raise InputError(f"{path} is no state of a stream; give a file that a stream wrote.")
    if file.description.get("model") != _print_of(stream.fitted):
        raise InputError(
            f"{path} is the state of another model; give another file, or begin anew without one."
        )
    numbers = file.numbers()
    try:
        panel = unpack_panel(file.description["history"], numbers, stream.fitted.contract)
        states = {name.removeprefix(_STATE): x for name, x in numbers.items() if name.startswith(_STATE)}
        stream.stand(panel, numbers["scales"], states)
        stream.passed_over = int(file.description["passed_over"])
        return dict(file.description["told"])
    except (LookupError, TypeError, ValueError) as error:
        raise file.damaged("its description makes no sense") from error


def _print_of(fitted: Fitted) -> str:
    """Return a digest of weights and sizes, which tells two networks from each other."""
    digest = hashlib.sha256(repr(fitted.network.spec).encode())
    for weights in fitted.network.model.get_weights():
        digest.update(np.ascontiguousarray(weights).tobytes())
    return digest.hexdigest()
