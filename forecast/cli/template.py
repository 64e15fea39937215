"""``forecast template``: the rows to fill before predicting."""

from __future__ import annotations

from pathlib import Path

import click

from forecast.cli.options import check_targets, force_option, quiet_option
from forecast.cli.predict import open_forecaster, write_rows


@click.command(short_help="Write the CSV of future rows to fill in.")
@click.argument("model", metavar="MODEL")
@click.option("--horizon", type=click.IntRange(1), help="Rows ahead; as trained if not given.")
@click.option("--out", default="-", show_default=True, metavar="FILE", help=".csv, .parquet, or - for stdout.")
@force_option
@quiet_option
def template(model: str, horizon: int | None, out: str, force: bool, quiet: bool) -> None:
    """Write the future rows of MODEL's series, with empty cells for what must be known ahead.

    Fill them and pass the file to `forecast predict MODEL FILE`.
    """
    from forecast.cli.session import settle

    settle(quiet)
    if out != "-":
        check_targets([Path(out)], force)
    forecaster = open_forecaster(model)
    from forecast.estimators.prediction import template_table

    rows = template_table(forecaster.fitted_, horizon)
    if not forecaster.fitted_.contract.columns.known_future and not quiet:
        click.echo("Note: this model needs nothing known ahead; `forecast predict MODEL` works without a table.", err=True)
    write_rows(rows, out)
