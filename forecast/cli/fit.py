"""``forecast fit``: from a table to a model, a forecast and a picture."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from forecast.cli.options import (
    READING,
    Levels,
    Limit,
    check_targets,
    column_options,
    force_option,
    joined,
    json_option,
    quiet_option,
    reading_options,
    stacked,
)

model_options = stacked(
    click.option("--horizon", type=click.IntRange(1), help="Rows ahead to forecast."),
    click.option("--context", type=click.IntRange(1), help="Rows the network sees."),
    click.option("--step", metavar="STEP", help="Between rows: h, 15min, D, W, MS … or a whole number."),
    click.option("--season", type=click.IntRange(1), help="Rows of a season; 1: none."),
    click.option("--cell", type=click.Choice(["rnn", "lstm", "gru"]), default="gru", show_default=True, help="Kind."),
    click.option("--units", type=click.IntRange(1), default=64, show_default=True, help="Width of each layer."),
    click.option("--layers", type=click.IntRange(1), default=1, show_default=True, help="Recurrent layers."),
    click.option("--bidirectional", is_flag=True, help="Read the context in both directions."),
    click.option("--dropout", type=float, default=0.0, show_default=True, help="Share dropped between layers."),
    click.option("--recurrent-dropout", type=float, default=0.0, show_default=True, help="… and between steps."),
    click.option("--activation", type=click.Choice(["tanh", "relu", "leaky_relu"]), default="tanh", show_default=True),
    click.option("--start", type=click.Choice(["orthogonal", "identity"]), default="orthogonal", show_default=True),
    click.option("--anchor", type=click.Choice(["last", "mean", "season", "none"]), default="last", show_default=True),
    click.option("--independent/--joint", default=True, help="Targets alone, or informing each other."),
    click.option("--skip/--no-skip", default=None, help="Linear path from context to horizon."),
)

training_options = stacked(
    click.option("--quantiles", type=Levels(), default="0.1,0.9", show_default=True, help="Levels, or none."),
    click.option("--calibrate/--no-calibrate", default=True, help="Make the quantiles hold on unseen windows."),
    click.option("--use", default="network", show_default=True, help="Who forecasts: network, best, a baseline."),
    click.option("--loss", default="auto", show_default=True, help="auto, mae, mse or mixed."),
    click.option("--epochs", type=click.IntRange(1), help="Passes over the windows."),
    click.option("--batch-size", type=click.IntRange(1), default=64, show_default=True, help="Windows a step."),
    click.option("--learning-rate", type=float, default=2e-3, show_default=True, help="Highest rate."),
    click.option("--patience", type=click.IntRange(1), default=10, show_default=True, help="Epochs without gain."),
    click.option("--clip", type=Limit(), default="1", show_default=True, help="Largest gradient norm, or none."),
    click.option("--holdout", type=click.IntRange(0), help="Last rows kept for the comparison; 0: none."),
    click.option("--refit/--no-refit", default=True, help="Train again with the held-out rows."),
    click.option("--budget", type=float, metavar="SECONDS", help="Seconds of training at most."),
    click.option("--short", type=click.Choice(["error", "drop", "pad"]), help="Series shorter than a window."),
    click.option("--snap", is_flag=True, help="Round jittering times to the step."),
    click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of weights and order."),
)


@click.command(short_help="Train on a table, compare with baselines, forecast, draw.")
@click.argument("table", metavar="TABLE")
@column_options
@model_options
@training_options
@reading_options
@click.option("--out", metavar="FILE", help="Model to write, the forecast and picture beside it.")
@force_option
@json_option
@quiet_option
def fit(table: str, out: str | None, force: bool, as_json: bool, quiet: bool, **options: Any) -> None:
    """Train on TABLE (CSV or Parquet, - for stdin), compare with baselines, forecast and draw.

    Nothing else is needed: columns, step, season, horizon and context are found, printed, and can be
    set. Writes NAME.forecast (the model), NAME.forecast.csv and NAME.forecast.png into the current
    folder, or where --out says.
    """
    from forecast.cli.session import Interruption, settle, start_keras

    settle(quiet)
    model = model_path(table, out)
    files = {"model": model, "forecast": Path(f"{model}.csv"), "picture": Path(f"{model}.png")}
    check_targets(list(files.values()), force)
    for name in ("target", "known_future", "past_only", "static"):
        options[name] = joined(options[name])
    checked = _read(table, options)
    start_keras()
    with Interruption() as interruption:
        forecaster = _train(checked, options, interruption, quiet)
        forecaster.save(files["model"])
        rows = _forecast(forecaster, files, quiet)
    _report(forecaster, rows, files, as_json)
    if interruption.exit_code:
        sys.exit(interruption.exit_code)


def model_path(table: str, out: str | None) -> Path:
    """Return where the model goes: ``--out``, or the table's name in the current folder."""
    if out is not None:
        return Path(out) if out.endswith(".forecast") else Path(f"{out}.forecast")
    name = "stdin" if table == "-" else Path(table).name
    while Path(name).suffix.lower() in (".csv", ".tsv", ".txt", ".gz", ".parquet"):
        name = Path(name).stem
    return Path(f"{name}.forecast")


def _read(table: str, options: dict[str, Any]) -> Any:
    """Read the table before anything heavy is imported, so that mistakes are told at once."""
    from forecast.data.table import read_table

    roles = {name: options[name] for name in ("time", "id", "target", "known_future", "past_only", "static")}
    reading = {name: options.pop(name) if name in _READER_ONLY else options[name] for name in READING}
    return read_table(table, **roles, **reading)


# Arguments of the reader that the estimator does not have: they belong to one file, not to its columns.
_READER_ONLY = ("layout", "delimiter", "decimal", "encoding", "header", "lenient")


def _train(checked: Any, options: dict[str, Any], interruption: Any, quiet: bool) -> Any:
    from forecast.estimators.forecaster import Forecaster
    from forecast.report.progress import ProgressLine

    forecaster = Forecaster(**options)
    line = None if quiet else ProgressLine()
    forecaster.fit(checked, progress=line, interrupted=interruption, announce=None if quiet else tell_choices)
    if line is not None:
        line.close()
    return forecaster


def tell_choices(choices: tuple) -> None:
    """Print what was chosen and the flag that changes it, one line each, to stderr."""
    for choice in choices:
        why = f" ({choice.why})" if choice.why else ""
        click.echo(f"{choice.what + ':':<16} {choice.value}{why}  [{choice.flag}]", err=True)


def _forecast(forecaster: Any, files: dict[str, Path], quiet: bool) -> Any:
    from forecast.data.table import write_table
    from forecast.report.pictures import forecast_picture
    from forecast.report.plots import save_png

    rows = forecaster.predict()
    write_table(rows, files["forecast"])
    fitted = forecaster.fitted_
    save_png(forecast_picture(fitted.history, rows, fitted.setting.season), files["picture"])
    return rows


def _report(forecaster: Any, rows: Any, files: dict[str, Path], as_json: bool) -> None:
    from forecast.cli.tables import comparison_lines, frame_records, print_json

    if as_json:
        comparison = forecaster.comparison_
        print_json(
            {
                "choices": [vars(choice) for choice in forecaster.choices_],
                "setting": vars(forecaster.fitted_.setting),
                "comparison": None if comparison is None else frame_records(comparison),
                "held_out": None if comparison is None else comparison.attrs,
                "verdict": forecaster.verdict_,
                "stopped": forecaster.fitted_.network.record.stopped,
                "best_epoch": forecaster.fitted_.network.record.best_epoch,
                "method": rows.attrs["method"],
                "forecast": frame_records(rows),
                "files": {name: str(path) for name, path in files.items()},
            }
        )
        return
    if forecaster.comparison_ is not None:
        click.echo("\n".join(comparison_lines(forecaster.comparison_)))
    click.echo(forecaster.verdict_ + _advice(forecaster))
    for name, path in files.items():
        click.echo(f"{name:<9} {path}")
    click.echo(f"next      forecast predict {files['model']} --horizon {2 * forecaster.fitted_.setting.horizon}")


def _advice(forecaster: Any) -> str:
    """Point to --use best where a baseline won and the network forecasts all the same."""
    from forecast.evaluation.comparison import NETWORK, winner

    table = forecaster.comparison_
    if table is None or winner(table) == NETWORK or forecaster.use != "network":
        return ""
    return " Pass --use best to forecast with the winner."
