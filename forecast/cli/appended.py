"""Rows that are appended to a file or come on stdin, and the output that grows with them."""

from __future__ import annotations

import io
import os
import sys
import time
import warnings
from collections.abc import Iterator
from typing import Any

import click

from forecast.cli.opening import contract_of, read_rows, was_wide
from forecast.errors import ForecastWarning, InputError

_CHUNK = 2**20


class Output:
    """Where lines go: a file that is cut to what a state knows, or stdout."""

    def __init__(self, out: str | None, written: int):
        self.file = None if out in (None, "-") else open(str(out), "ab")  # noqa: SIM115
        if self.file is not None:
            self.file.truncate(written)
            self.file.seek(0, os.SEEK_END)

    @property
    def length(self) -> int:
        """Bytes written to the file."""
        return 0 if self.file is None else self.file.tell()

    def write(self, text: str) -> None:
        """Write lines, and see to it that they are there."""
        if self.file is None:
            click.echo(text, nl=False)
            sys.stdout.flush()
            return
        self.file.write(text.encode())
        self.file.flush()
        os.fsync(self.file.fileno())


def appended_lines(table: str, offset: int, poll: float) -> Iterator[tuple[bytes, bytes, int]]:
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


def readable_rows(
    file: Any, table: str, ctx: click.Context, header: bytes, lines: bytes, *, future_only: bool = False
) -> Iterator[Any]:
    """Yield tables of the lines: one, or where some cannot be read, one of each that can.

    Raises:
        InputError: The first line does not name the columns, so that no line can be read.
    """
    try:
        yield read_rows(file, table, ctx, content=header + lines, future_only=future_only)
        return
    except InputError as error:
        _check_columns(file, table, header)
        if lines.count(b"\n") <= 1:
            warnings.warn(f"A row was passed over. {error}", ForecastWarning, stacklevel=2)
            return
    for line in io.BytesIO(lines):
        if line.strip():
            yield from readable_rows(file, table, ctx, header, line, future_only=future_only)


def _check_columns(file: Any, table: str, header: bytes) -> None:
    """Refuse a table whose first line lacks the time or the id of the rows."""
    contract, first = contract_of(file), header.decode(errors="replace").strip()
    if dict(contract.reading).get("header") is False or "\ufffd" in first:
        # Names that cannot be looked for.
        return
    missing = [name for name in (contract.columns.time, contract.columns.id) if name and name not in first]
    if missing and not was_wide(contract.columns):
        source = "standard input" if table == "-" else table
        raise InputError(f"{source}: there is no column {missing[0]!r}; its first line is {first[:200]!r}.")
