"""Panels and tables as what JSON and arrays hold, and back."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pandas as pd

from forecast.data.columns import Columns
from forecast.data.panel import Panel
from forecast.data.step import Step
from forecast.estimators.checking import check_history, check_step, checked
from forecast.estimators.contract import Contract


def pack_panel(history: Panel) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Split a panel into what JSON holds and what arrays hold.

    Example:
        >>> import forecast
        >>> described, numbers = pack_panel(forecast.to_panel(forecast.read_table({"sold": [3.0, 4.0]})))
        >>> described["ids"], numbers["offsets"].tolist()
        ([None], [0, 2])
    """
    stamps = isinstance(history.starts, pd.DatetimeIndex)
    described = {
        "ids": list(history.ids),
        "zone": _zone(history.starts),
        "static": {name: [plain(v) for v in history.static[name]] for name in history.columns.static},
        "fingerprint": fingerprint(history),
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


def unpack_panel(described: dict[str, Any], numbers: dict[str, np.ndarray], contract: Contract) -> Panel:
    """Put a panel together again, or refuse parts that make none.

    Args:
        described: What ``pack_panel`` gave for JSON.
        numbers: Its arrays, and the ``scales`` of the series.
        contract: Columns and step.

    Raises:
        ValueError, TypeError, LookupError: The parts contradict each other.
    """
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


def unpack_contract(described: dict[str, Any]) -> Contract:
    """Return what an estimator expects of a table, or refuse what is none of that.

    Raises:
        TypeError, ValueError, LookupError: For that reason.
    """
    reading = tuple((name, value) for name, value in described["reading"] if type(name) is str)
    if not all(value is None or type(value) is str for _, value in reading):
        raise TypeError
    step = check_step(checked(Step, described["step"]))
    return Contract(checked(Columns, described["columns"]), step, reading, bool(described["snapped"]))


def pack_table(table: pd.DataFrame | None) -> dict[str, Any] | None:
    """Describe a table and its ``attrs`` for JSON; None stays None.

    Example:
        >>> pack_table(pd.DataFrame({"error": np.array([0.5])}))
        {'columns': {'error': [0.5]}, 'attrs': {}}
    """
    if table is None:
        return None
    rows = {str(name): [plain(v) for v in table[name]] for name in table.columns}
    return {"columns": rows, "attrs": {k: plain(v) for k, v in table.attrs.items()}}


def unpack_table(described: dict[str, Any] | None) -> pd.DataFrame | None:
    """Undo ``pack_table``."""
    if described is None:
        return None
    table = pd.DataFrame(described["columns"])
    table.attrs = dict(described["attrs"])
    return table


def plain(value: Any) -> Any:
    """Turn NumPy scalars and sequences into what JSON holds.

    Example:
        >>> plain((np.float64(0.5), np.arange(2)))
        [0.5, [0, 1]]
    """
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(v) for v in value]
    return value


def fingerprint(history: Panel) -> str:
    """Return a digest of all values, which tells whether one was altered."""
    return hashlib.sha256(history.values.tobytes()).hexdigest()


def _zone(starts: pd.Index) -> str | None:
    zone = starts.tz if isinstance(starts, pd.DatetimeIndex) else None
    return None if zone is None else str(zone)
