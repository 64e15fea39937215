"""Rows as they are appended, events as they come: what ``forecast detect MODEL TABLE --follow`` does.

The state file holds the detector after the last row and where the followed file was read up to; it is replaced whole
after every batch. Events go to the output before the state is replaced, and the state says how long the output was: a
command that was killed in between begins again at that length. So no row is counted twice or lost, and no event in a
file given by ``--out`` is there twice.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import click

from forecast.cli.appended import Output, appended_lines, readable_rows
from forecast.cli.opening import contract_of, load_model, open_detector, table_name
from forecast.cli.session import terminable
from forecast.errors import ForecastWarning, InputError, ParameterError


def follow_rows(
    ctx: click.Context, model: str, table: str, state: str | None, poll: float, out: str | None
) -> None:
    """Read rows until the input ends (of a file: until interrupted), and write events as JSON lines."""
    if poll <= 0:
        raise ParameterError(f"--poll must be above 0 seconds; got {poll}.")
    stored = Path(f"{table_name(table)}.state.forecast" if state is None else state)
    file = open_detector(str(stored) if stored.exists() else model, table)
    if contract_of(file).columns.time is None:
        raise InputError(
            f"{model} was learned from rows without times, so rows to come cannot be told from those seen; "
            "learn from a table with a time column to follow it."
        )
    stand = _stand(file, open_detector(model, table), table, stored)
    detector = load_model(str(file.path))
    # Not before Keras has been started without its greetings.
    from forecast.cli.tables import json_lines
    from forecast.estimators.detector_saving import save_detector

    output = Output(out, stand["written"])
    with terminable():
        for header, lines, offset in appended_lines(table, stand["offset"], poll):
            for rows in readable_rows(file, table, ctx, header, lines):
                output.write(json_lines(_news(detector, rows)))
            stand |= {"offset": offset, "written": output.length}
            save_detector(detector, stored, stream=stand)


def _stand(file: Any, model: Any, table: str, stored: Path) -> dict[str, Any]:
    """Return where the stream stands, by the state file if there is one."""
    fresh = {"model": model.fingerprint, "table": table_name(table), "offset": 0, "written": 0}
    told = file.description.get("stream")
    if told is None:
        if file.path == stored:
            raise InputError(f"{stored} is no state of a stream; give another --state.")
        return fresh
    if told.get("model") != fresh["model"] or told.get("table") != fresh["table"]:
        raise InputError(
            f"{stored} is the state of another model or table; give another --state, or remove it to begin anew."
        )
    return fresh | {name: int(told[name]) for name in ("offset", "written")}


def _news(detector: Any, rows: Any) -> Any:
    """Let the detector see rows; return the events that were raised or are over in them."""
    columns, history = detector.fitted_.contract.columns, detector.fitted_.history
    newest = {name: history.time_at(i, int(history.offsets[i + 1]) - 1) for i, name in enumerate(history.ids)}
    try:
        events = detector.update(rows)
    except InputError as error:
        warnings.warn(f"{len(rows):,} rows were passed over. {error}", ForecastWarning, stacklevel=2)
        return None
    names = events[columns.id] if columns.id is not None else [None] * len(events)
    fresh = [
        not ongoing or name not in newest or raised > newest[name]
        for name, raised, ongoing in zip(names, events["raised"], events["open"], strict=True)
    ]
    return events[fresh]
