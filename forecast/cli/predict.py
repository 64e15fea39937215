"""``forecast predict``: forecast with a saved model."""

from __future__ import annotations

from typing import Any

import click

from forecast.cli.options import (
    check_method,
    check_rows_out,
    force_option,
    horizon_option,
    json_option,
    level_options,
    quiet_option,
    reading_options,
    rows_out_option,
)
from forecast.cli.sections import Verb


@click.command(cls=Verb, short_help="Forecast with a saved model, from new rows or further ahead.")
@click.argument("model", metavar="MODEL")
@click.argument("table", metavar="[TABLE]", required=False)
@horizon_option
@level_options
@reading_options
@rows_out_option
@force_option
@json_option
@quiet_option
@click.pass_context
def predict(
    ctx: click.Context,
    model: str,
    table: str | None,
    out: str,
    force: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Forecast the rows after the end of TABLE, or after the history inside MODEL.

    TABLE (- for stdin) holds history, and over the horizon the columns known ahead, with empty targets. Rows
    that continue the stored history suffice; `forecast template MODEL` writes those to fill in.
    """
    from forecast.cli.opening import load_forecaster, open_model, read_rows, write_rows
    from forecast.cli.session import settle

    settle(quiet)
    if as_json and out != "-":
        raise click.UsageError("--json prints to stdout; leave out --out.")
    check_rows_out(out, force)
    check_method(options["method"])
    file = open_model(model, table)
    rows = None if table is None else read_rows(file, table, ctx, future_only=True)
    forecaster = load_forecaster(model)
    wanted = {name: options[name] for name in ("horizon", "quantiles", "method")}
    found = forecaster.predict(rows, **wanted)
    if not as_json:
        write_rows(found, out)
        return
    from forecast.cli.tables import frame_records, print_json

    print_json({"method": found.attrs["method"], "forecast": frame_records(found)})
