"""``forecast predict``: forecast with a saved model."""

from __future__ import annotations

from pathlib import Path

import click

from forecast.cli.options import Levels, check_targets, force_option, quiet_option


@click.command(short_help="Forecast with a saved model, from new rows or further ahead.")
@click.argument("model", metavar="MODEL")
@click.argument("table", metavar="[TABLE]", required=False)
@click.option("--horizon", type=click.IntRange(1), help="Rows ahead; as trained if not given.")
@click.option("--quantiles", type=Levels(), help="Levels among the trained ones, or none.")
@click.option("--use", help="Who forecasts: network, best, or a baseline's name.")
@click.option("--out", default="-", show_default=True, metavar="FILE", help=".csv, .parquet, or - for stdout.")
@force_option
@quiet_option
def predict(model: str, table: str | None, horizon: int | None, quantiles: tuple | None, use: str | None, out: str, force: bool, quiet: bool) -> None:
    """Forecast the rows after the end of TABLE, or after the history inside MODEL.

    TABLE holds history, and over the horizon the columns known ahead (with empty targets);
    `forecast template MODEL` writes those rows to fill. Rows that continue the stored history suffice.
    """
    from forecast.cli.session import settle

    settle(quiet)
    if out != "-":
        check_targets([Path(out)], force)
    forecaster = open_forecaster(model)
    write_rows(forecaster.predict(table, horizon, quantiles=quantiles, use=use), out)


def open_forecaster(path: str):
    """Load a forecaster after checking the file, so that a wrong file is told before Keras starts."""
    from forecast.modelfile import ModelFile

    described = ModelFile(path).description
    if described.get("kind") != "forecaster":
        from forecast.errors import NotAModelFile

        raise NotAModelFile(f"{path} holds a {described.get('kind')}, not a forecaster; use forecast.load in Python.")
    from forecast.cli.session import start_keras

    start_keras()
    from forecast.estimators.saving import load

    return load(path)


def write_rows(rows, out: str) -> None:
    """Write a table to a file, or as CSV to stdout."""
    import sys

    from forecast.data.table import write_table

    write_table(rows, sys.stdout if out == "-" else out)
