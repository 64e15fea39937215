"""``forecast evaluate``: how good a saved model is on rows it has not seen."""

from __future__ import annotations

from typing import Any

import click

from forecast.cli.options import json_option, quiet_option, reading_options
from forecast.cli.sections import Verb, option, section
from forecast.cli.values import whole


@click.command(cls=Verb, short_help="Compare a saved model with the baselines on newer rows.")
@click.argument("model", metavar="MODEL")
@click.argument("table", metavar="TABLE")
@section(
    "Comparison",
    option("--windows", type=whole(1), default=100, metavar="N", help="Windows at most per series."),
)
@reading_options
@json_option
@quiet_option
@click.pass_context
def evaluate(
    ctx: click.Context, model: str, table: str, windows: int, as_json: bool, quiet: bool, **_: Any
) -> None:
    """Compare MODEL with the baselines on the rows of TABLE behind the end of training.

    TABLE (- for stdin) holds the history before those rows too. If none is newer, the last rows are used
    and the answer says that training has seen them.
    """
    from forecast.cli.opening import load_model, open_model, read_rows
    from forecast.cli.session import settle

    settle(quiet)
    file = open_model(model, table)
    rows = read_rows(file, table, ctx)
    found = load_model(model).evaluate(rows, windows=windows)
    from forecast.cli.tables import comparison_lines, frame_records, print_json
    from forecast.evaluation.comparison import verdict

    if as_json:
        print_json(
            {"comparison": frame_records(found), "verdict": verdict(found), "measured_on": found.attrs}
        )
        return
    seen, new = found.attrs["in_sample"], found.attrs["new_series"]
    click.echo("\n".join(comparison_lines(found, "Rows of training" if seen else "Newer rows")))
    click.echo(verdict(found))
    if new:
        click.echo(f"{new:,} of the series were not in training.")
    if seen:
        click.echo(
            "Training has seen these rows: the figures flatter the network. Give newer rows for honest ones."
        )
