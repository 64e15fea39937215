"""``forecast plot``: draw the forecast of a saved model."""

from __future__ import annotations

from pathlib import Path

import click

from forecast.cli.options import check_targets, force_option, quiet_option
from forecast.cli.predict import open_forecaster


@click.command(short_help="Draw a saved model's forecast, or its training.")
@click.argument("model", metavar="MODEL")
@click.argument("table", metavar="[TABLE]", required=False)
@click.option("--horizon", type=click.IntRange(1), help="Rows ahead; as trained if not given.")
@click.option("--training", is_flag=True, help="Draw the loss by epoch instead.")
@click.option("--out", metavar="FILE", help="PNG to write. Default: MODEL.plot.png here.")
@force_option
@quiet_option
def plot(model: str, table: str | None, horizon: int | None, training: bool, out: str | None, force: bool, quiet: bool) -> None:
    """Draw history, forecast and intervals of MODEL into a PNG."""
    from forecast.cli.session import settle

    settle(quiet)
    target = Path(out) if out is not None else Path(f"{Path(model).name}.plot.png")
    check_targets([target], force)
    forecaster = open_forecaster(model)
    from forecast.report.plots import plot_history, save_png

    figure = plot_history(forecaster.history_) if training else forecaster.plot(table, horizon)
    save_png(figure, target)
    click.echo(f"picture   {target}")
