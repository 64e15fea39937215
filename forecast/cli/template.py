"""``forecast template``: the rows to fill before predicting."""

from __future__ import annotations

import shlex

import click

from forecast.cli.options import check_rows_out, force_option, horizon_option, quiet_option, rows_out_option
from forecast.cli.sections import Verb


@click.command(cls=Verb, short_help="Write the rows to fill in before predicting.")
@click.argument("model", metavar="MODEL")
@horizon_option
@rows_out_option
@force_option
@quiet_option
def template(model: str, horizon: int | None, out: str, force: bool, quiet: bool) -> None:
    """Write the rows ahead of MODEL's series, with empty cells for what must be known ahead.

    Fill them and pass the file to `forecast predict MODEL FILE`.
    """
    from forecast.cli.opening import contract_of, load_model, open_model, write_rows
    from forecast.cli.session import settle

    settle(quiet)
    check_rows_out(out, force)
    if not contract_of(open_model(model)).columns.known_future and not quiet:
        command = f"forecast predict {shlex.quote(model)}"
        click.echo(f"Note: nothing must be known ahead; `{command}` needs no table.", err=True)
    forecaster = load_model(model)
    from forecast.estimators.prediction import template_table

    write_rows(template_table(forecaster.fitted_, horizon), out)
