"""``forecast evaluate``: how good a saved model is on rows it has not seen."""

from __future__ import annotations

import click

from forecast.cli.options import json_option, quiet_option
from forecast.cli.predict import open_forecaster


@click.command(short_help="Compare a saved model with the baselines on newer rows.")
@click.argument("model", metavar="MODEL")
@click.argument("table", metavar="TABLE")
@click.option("--windows", type=click.IntRange(1), default=100, show_default=True, help="Windows at most per series.")
@json_option
@quiet_option
def evaluate(model: str, table: str, windows: int, as_json: bool, quiet: bool) -> None:
    """Compare MODEL with the baselines on the rows of TABLE behind the end of training.

    TABLE holds the history before those rows too. If none is newer, the last rows are used and the
    answer says that training has seen them.
    """
    from forecast.cli.session import settle

    settle(quiet)
    forecaster = open_forecaster(model)
    found = forecaster.evaluate(table, windows=windows)
    from forecast.cli.tables import comparison_lines, frame_records, print_json
    from forecast.evaluation.comparison import verdict

    if as_json:
        print_json({"comparison": frame_records(found), "verdict": verdict(found), "measured_on": found.attrs})
        return
    click.echo("\n".join(comparison_lines(found)))
    click.echo(verdict(found))
    if found.attrs["in_sample"]:
        click.echo("Training has seen these rows: the figures flatter the network. Give newer rows for honest ones.")
