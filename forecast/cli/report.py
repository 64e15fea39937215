"""``forecast report``: everything about a saved model on one web page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from forecast.cli.options import check_targets, force_option, quiet_option, reading_options
from forecast.cli.sections import Verb, option, section
from forecast.errors import ParameterError


@click.command(cls=Verb, short_help="Write one web page about a model: forecast, comparison, audit.")
@click.argument("model", metavar="MODEL")
@click.argument("table", metavar="[TABLE]", required=False)
@reading_options
@section("Output", option("--out", metavar="FILE", help="Page to write. Default: MODEL.report.html here."))
@force_option
@quiet_option
@click.pass_context
def report(
    ctx: click.Context, model: str, table: str | None, out: str | None, force: bool, quiet: bool, **_: Any
) -> None:
    """Write a page about MODEL: data, choices, training, forecast, comparison, calibration, audit.

    The page is one file without scripts that loads nothing from elsewhere. TABLE (- for stdin) best holds rows
    that are newer than training: the forecast continues them, and methods and intervals are judged on them.
    """
    from forecast.cli.opening import load_model, open_model, read_rows
    from forecast.cli.session import settle

    settle(quiet)
    page = Path(f"{Path(model).name}.report.html" if out is None else out)
    if page.suffix.lower() not in (".html", ".htm"):
        raise ParameterError(f"--out {page}: a report is a web page; give a name that ends in .html.")
    check_targets([page], force)
    file = open_model(model, table)
    rows = None if table is None else read_rows(file, table, ctx, future_only=True)
    forecaster = load_model(model)
    from forecast.reporting.compose import write_report

    write_report(forecaster, page, rows, title=Path(model).name)
    click.echo(f"report    {page}")
