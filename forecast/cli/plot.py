"""``forecast plot``: draw the forecast of a saved model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from forecast.cli.options import check_targets, force_option, horizon_option, quiet_option, reading_options
from forecast.cli.sections import Verb, option, section
from forecast.errors import ParameterError


@click.command(cls=Verb, short_help="Draw a saved model's forecast, or its training.")
@click.argument("model", metavar="MODEL")
@click.argument("table", metavar="[TABLE]", required=False)
@horizon_option
@section("Forecast", option("--training", is_flag=True, help="Draw the loss by epoch instead."))
@reading_options
@section("Output", option("--out", metavar="FILE", help="Picture to write. Default: MODEL.plot.png here."))
@force_option
@quiet_option
@click.pass_context
def plot(
    ctx: click.Context,
    model: str,
    table: str | None,
    horizon: int | None,
    out: str | None,
    force: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Draw history, forecast and intervals of MODEL into a PNG; TABLE is as for `forecast predict`."""
    from forecast.cli.opening import load_model, open_model, read_rows
    from forecast.cli.session import settle

    settle(quiet)
    training = options["training"]
    if training and (table is not None or horizon is not None):
        raise click.UsageError("--training draws the loss and takes neither TABLE nor --horizon.")
    target = Path(f"{Path(model).name}.{'training' if training else 'plot'}.png" if out is None else out)
    if target.suffix.lower() != ".png":
        raise ParameterError(f"--out {target}: pictures are written as PNG; give a name that ends in .png.")
    check_targets([target], force)
    file = open_model(model, table)
    rows = None if table is None else read_rows(file, table, ctx, future_only=True)
    forecaster = load_model(model)
    from forecast.report.plots import plot_history, save_png

    save_png(plot_history(forecaster.history_) if training else forecaster.plot(rows, horizon), target)
    click.echo(f"picture   {target}")
