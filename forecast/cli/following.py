"""Rows as they are appended, events as they come: what ``forecast detect MODEL TABLE --follow`` does.

The state file holds the detector after the last row and where the followed file was read up to; it is replaced whole
after every batch. Events go to the output before the state is replaced, and the state says how long the output was: a
command that was killed in between begins again at that length. So no row is counted twice or lost, and no event in a
file given by ``--out`` is there twice.
"""

from __future__ import annotations

import io
import os
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from forecast.cli.opening import contract_of, load_model, open_detector, read_rows, table_name
from forecast.cli.session import terminable
from forecast.errors import ForecastWarning, InputError, ParameterError

_CHUNK = 2**20


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
    from forecast.estimators.detector_saving import save_detector

    output = _Output(out, stand["written"])
    with terminable():
        for header, lines, offset in _lines(table, stand["offset"], poll):
            for rows in _readable(file, table, ctx, header, lines):
                output.write(_news(detector, rows))
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


class _Output:
    """Where events go: a file that is cut to what the state knows, or stdout."""

    def __init__(self, out: str | None, written: int):
        self.file = None if out in (None, "-") else open(str(out), "ab")  # noqa: SIM115
        if self.file is not None:
            self.file.truncate(written)
            self.file.seek(0, os.SEEK_END)

    @property
    def length(self) -> int:
        """Bytes written to the file."""
        return 0 if self.file is None else self.file.tell()

    def write(self, events: Any) -> None:
        """Write one line an event, and see to it that it is there."""
        from forecast.cli.tables import json_lines

        text = json_lines(events)
        if self.file is None:
            click.echo(text, nl=False)
            sys.stdout.flush()
            return
        self.file.write(text.encode())
        self.file.flush()
        os.fsync(self.file.fileno())


def _lines(table: str, offset: int, poll: float) -> Iterator[tuple[bytes, bytes, int]]:
    """Yield header, new whole lines and where they end; of stdin until it ends, of a file for ever."""
    if table == "-":
        yield from _piped()
        return
    try:
        with open(table, "rb") as file:
            header = b""
            while True:
                if not header.endswith(b"\n"):
                    file.seek(0)
                    header = file.readline()
                    offset = max(offset, len(header))
                file.seek(offset)
                lines = file.read(_CHUNK)
                lines = lines[: lines.rfind(b"\n") + 1]
                if header.endswith(b"\n") and lines:
                    offset += len(lines)
                    yield header, lines, offset
                    continue
                if os.fstat(file.fileno()).st_size < offset:
                    raise InputError(
                        f"{table} is shorter than what was read of it: it was replaced. Remove the state."
                    )
                time.sleep(poll)
    except FileNotFoundError:
        raise InputError(f"{table}: there is no such file to follow.") from None


def _piped() -> Iterator[tuple[bytes, bytes, int]]:
    header, rest = sys.stdin.buffer.readline(), b""
    while chunk := sys.stdin.buffer.read1(_CHUNK):  # type: ignore[union-attr]
        rest += chunk
        lines = rest[: rest.rfind(b"\n") + 1]
        if lines:
            rest = rest[len(lines) :]
            yield header, lines, 0
    if rest.strip():
        yield header, rest, 0


def _readable(file: Any, table: str, ctx: click.Context, header: bytes, lines: bytes) -> Iterator[Any]:
    """Yield tables of the lines: one, or where some cannot be read, one of each that can."""
    try:
        yield read_rows(file, table, ctx, content=header + lines)
        return
    except InputError as error:
        if lines.count(b"\n") <= 1:
            warnings.warn(f"A row was passed over. {error}", ForecastWarning, stacklevel=2)
            return
    for line in io.BytesIO(lines):
        if line.strip():
            yield from _readable(file, table, ctx, header, line)


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
