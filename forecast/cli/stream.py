"""``forecast stream``: forecasts that move with rows as they come, on stdin or appended to a file."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import click

from forecast.cli.appended import Output, appended_lines, readable_rows
from forecast.cli.opening import contract_of, load_model, open_model, table_name
from forecast.cli.options import quiet_option, reading_options
from forecast.cli.sections import Verb, option, section
from forecast.cli.session import terminable
from forecast.cli.values import word
from forecast.errors import ForecastWarning, InputError, ParameterError

stream_options = section(
    "Stream",
    option("--format", type=word("jsonl", "csv"), default="jsonl", help="Of the forecasts."),
    option(
        "--newest", is_flag=True, help="Forecast behind the newest of the rows that come at once, not each."
    ),
    option(
        "--state", metavar="FILE", help="Where the stream stands, to go on from; written after every batch."
    ),
    option("--poll", type=float, default=0.5, metavar="SECONDS", help="Between looks at the file."),
    option("--out", metavar="FILE", help="Where forecasts go; - or nothing: stdout."),
)


@click.command(cls=Verb, short_help="Forecast behind each new row, from stdin or a file that grows.")
@click.argument("model", metavar="MODEL")
@click.argument("table", metavar="[TABLE]", default="-")
@stream_options
@reading_options
@quiet_option
@click.pass_context
def stream(
    ctx: click.Context,
    model: str,
    table: str,
    format: str,
    newest: bool,
    state: str | None,
    poll: float,
    out: str | None,
    quiet: bool,
    **options: Any,
) -> None:
    """Read the rows of TABLE as they are appended (stdin if not given), and forecast behind each.

    A network fitted with --stateful reads each row once, in constant time; any other reads its newest window anew.
    Rows that were read before change nothing, so a whole table may be sent again. Missing rows count as missing
    values; rows with empty targets may tell what is known ahead. With --state it goes on where it stopped: no row is
    counted twice or lost.
    """
    from forecast.cli.session import settle

    settle(quiet)
    if poll <= 0:
        raise ParameterError(f"--poll must be above 0 seconds; got {poll}.")
    file = open_model(model, table)
    if contract_of(file).columns.time is None and table != "-":
        raise InputError(f"{model} was learned from rows without times; send rows to come on stdin.")
    forecaster = load_model(model)
    from forecast.estimators.stream_saving import restore_stream, save_stream

    reader, told = forecaster.stream(), {"table": table_name(table), "offset": 0, "written": 0}
    if state is not None and Path(state).exists():
        told |= _told(restore_stream(reader, state), state, told)
    if not quiet:
        click.echo(_ways(reader), err=True)
    output, rows = Output(out, told["written"]), 0
    with terminable():
        for header, lines, offset in appended_lines(table, told["offset"], poll):
            for found in readable_rows(file, table, ctx, header, lines, future_only=True):
                rows += len(found)
                output.write(_text(_news(reader, found, every=not newest), format, output.length == 0))
            if state is not None:
                told |= {"offset": offset, "written": output.length}
                save_stream(reader, state, told)
    if not quiet:
        click.echo(
            f"{rows:,} rows read, {reader.passed_over:,} passed over: known before, or late.", err=True
        )


def _told(told: dict[str, Any], state: str, fresh: dict[str, Any]) -> dict[str, int]:
    """Return how far table and output had come when a state was written."""
    if told.get("table") != fresh["table"]:
        raise InputError(
            f"{state} is the state of a stream of another table; give another --state, or remove it to begin anew."
        )
    return {name: int(told.get(name, 0)) for name in ("offset", "written")}


def _ways(reader: Any) -> str:
    """Say how rows are read."""
    if reader.engine == "state":
        return "Each row moves a carried state on, in constant time."
    rows = reader.fitted.setting.context
    return (
        f"This network was trained on windows: each forecast reads the newest {rows} rows anew. Fit with --stateful to "
        "read each row once."
    )


def _news(reader: Any, rows: Any, *, every: bool) -> Any:
    """Let the stream read rows; return the forecasts, or nothing if the rows could not be used."""
    try:
        return reader.update(rows, every=every)
    except InputError as error:
        warnings.warn(f"{len(rows):,} rows were passed over. {error}", ForecastWarning, stacklevel=2)
        return None


def _text(forecasts: Any, format: str, first: bool) -> str:
    from forecast.cli.tables import json_lines

    if forecasts is None or not len(forecasts):
        return ""
    return json_lines(forecasts) if format == "jsonl" else forecasts.to_csv(index=False, header=first)
