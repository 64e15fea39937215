"""``forecast fit``: from a table to a model, a forecast and a picture."""

from __future__ import annotations

import shlex
import sys
import warnings
from pathlib import Path
from typing import Any

import click

from forecast.cli.opening import check_is_table, read_training, table_name
from forecast.cli.options import (
    check_method,
    check_targets,
    column_options,
    force_option,
    json_option,
    quiet_option,
    reading_options,
)
from forecast.cli.sections import Verb, option, section
from forecast.cli.training_options import (
    budget_option,
    check_loss,
    covariate_options,
    method_option,
    network_options,
    quantile_options,
    refit_option,
    size_options,
    training_options,
)
from forecast.errors import ForecastWarning, InputError, ParameterError


@click.command(cls=Verb, short_help="Train on a table, compare with baselines, forecast, draw.")
@click.argument("table", metavar="TABLE")
@column_options
@size_options
@network_options
@covariate_options
@training_options
@refit_option
@budget_option
@quantile_options
@method_option
@reading_options
@section(
    "Output",
    option("--out", metavar="FILE", help="Model to write; forecast and picture go beside it."),
    option("--resume", is_flag=True, help="Go on with this fit where it was stopped or killed."),
    option("--diagnose", is_flag=True, help="Tell and draw how far back gradients reach, before and after."),
)
@force_option
@json_option
@quiet_option
def fit(
    table: str,
    out: str | None,
    resume: bool,
    diagnose: bool,
    force: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Train on TABLE (CSV or Parquet, - for stdin), compare with baselines, forecast and draw.

    Nothing else is needed: columns, step, season, horizon and context are found, printed, and can be
    set. Writes NAME.forecast (the model), NAME.forecast.csv and NAME.forecast.png into the current
    folder, or where --out says. While it runs, NAME.forecast.checkpoint keeps where it stands.
    """
    from forecast.cli.session import Interruption, settle, start_keras
    from forecast.data.table import Choice
    from forecast.report.progress import ProgressLine
    from forecast.training.checkpoint import FILE

    settle(quiet)
    model = model_path(table, out)
    files = {"model": model, "forecast": Path(f"{model}.csv"), "picture": Path(f"{model}.png")}
    if diagnose:
        files["gradients"] = Path(f"{model}.gradients.png")
    _check(table, options)
    folder = Path(f"{model}.checkpoint")
    kept = (folder / FILE).exists()
    # What a fit that was stopped has written is replaced by what it ends with.
    check_targets(list(files.values()), force or (resume and kept))
    checked = read_training(table, options)
    choices = _preview(checked, options)
    if resume != kept:
        what = "nothing was kept; the fit begins anew" if resume else "of a fit that was stopped, is replaced"
        choices = (*choices, Choice("checkpoint", what, "--resume", ""))
    if not quiet:
        tell_choices(choices)
    start_keras()
    line = None if quiet else ProgressLine()
    told = {choice.what for choice in choices}

    def tell(further: tuple) -> None:
        """Print what is chosen while fitting."""
        tell_choices(tuple(choice for choice in further if choice.what not in told))

    with Interruption(None if line is None else line.interject) as interruption:
        listeners = {"progress": line, "interrupted": interruption, "checkpoint": folder, "resume": resume}
        listeners["diagnostics"] = diagnose
        forecaster = _train(checked, options, listeners, tell)
        forecaster.save(files["model"])
        rows = _forecast(forecaster, files)
        if diagnose:
            _draw_gradients(forecaster, files)
    again = _again() if interruption.exit_code else None
    _report(forecaster, rows, files, again, as_json)
    if interruption.exit_code:
        sys.exit(interruption.exit_code)


def _again() -> str:
    """Return the command that goes on with this one."""
    words = click.get_current_context().obj or ()
    return shlex.join(["forecast", *(word for word in words if word != "--resume"), "--resume"])


def model_path(table: str, out: str | None) -> Path:
    """Return where the model goes: ``--out``, or the table's name in the current folder (or in that of ``--out``).

    Raises:
        ParameterError: ``--out`` names another kind of file.

    Example:
        >>> str(model_path("data/sales.csv.gz", None)), str(model_path("sales.csv", "best"))
        ('sales.forecast', 'best.forecast')
    """
    name = table_name(table)
    if out is None:
        return Path(f"{name}.forecast")
    if out.endswith(("/", "\\")) or Path(out).is_dir():
        return Path(out) / f"{name}.forecast"
    if Path(out).suffix.lower() in (
        ".csv",
        ".tsv",
        ".txt",
        ".gz",
        ".parquet",
        ".pq",
        ".png",
        ".keras",
        ".h5",
        ".json",
    ):
        raise ParameterError(
            f"--out {out} names the model, whose name ends in .forecast; its forecast is written to "
            f"{Path(out).stem}.forecast.csv. Pass --out {Path(out).stem}."
        )
    return Path(out) if out.endswith(".forecast") else Path(f"{out}.forecast")


def _check(table: str, options: dict[str, Any]) -> None:
    """Refuse what can be refused without reading anything."""
    check_is_table(table)
    check_method(options["method"])
    if options["method"] in ("best", "auto") and options["holdout"] == 0:
        raise ParameterError(f"--method {options['method']} needs a comparison; leave out --holdout 0.")
    check_loss(options)


def _preview(checked: Any, options: dict[str, Any]) -> tuple:
    """Return everything that will be chosen, before Keras takes its seconds to start; refuse what cannot be fitted."""
    from forecast.estimators.contract import first_panel
    from forecast.estimators.setting import Wishes, choose_setting
    from forecast.evaluation.intervals import check_quantiles

    panel, _, choices = first_panel(
        checked, step=options["step"], snapped=options["snap"], reading={}, roles={}
    )
    quantiles = options["quantiles"]
    wishes = Wishes(
        **{
            name: options[name] for name in ("horizon", "context", "season", "holdout", "validation", "short")
        },
        model=options["model"],
        quantiles=check_quantiles(sorted({*quantiles, 0.5})) if quantiles else (),
    )
    return choices + choose_setting(panel, wishes)[1]


def tell_choices(choices: tuple) -> None:
    """Print what was chosen and the flag that changes it, one line each, to stderr."""
    from forecast.cli.session import printable

    width = max((len(choice.what) for choice in choices), default=0) + 1
    for choice in choices:
        why = f"; {choice.why}" if choice.why else ""
        flag = f"  [{choice.flag}]" if choice.flag else ""
        click.echo(printable(f"{choice.what + ':':<{width}} {choice.value}{why}{flag}"), err=True)


def _train(checked: Any, options: dict[str, Any], listeners: dict[str, Any], tell: Any) -> Any:
    from forecast.estimators.forecaster import Forecaster

    line = listeners["progress"]
    announce = None if line is None else line.around(tell)
    try:
        return Forecaster(**options).fit(checked, announce=announce, **listeners)
    finally:
        if line is not None:
            line.close()


def _forecast(forecaster: Any, files: dict[str, Path]) -> Any:
    """Write forecast and picture; without what must be known ahead, say so and leave both out."""
    from forecast.data.table import write_table
    from forecast.report.pictures import forecast_picture
    from forecast.report.plots import save_png

    fitted = forecaster.fitted_
    try:
        rows = forecaster.predict()
    except InputError as error:
        if not fitted.contract.columns.known_future:
            raise
        warnings.warn(f"The model is saved, but cannot forecast yet. {error}", ForecastWarning, stacklevel=2)
        for name in ("forecast", "picture"):
            # An older model's, which --force was given for, would be taken for this one's.
            files.pop(name).unlink(missing_ok=True)
        return None
    write_table(rows, files["forecast"])
    save_png(forecast_picture(fitted.history, rows, fitted.setting.season), files["picture"])
    return rows


def _draw_gradients(forecaster: Any, files: dict[str, Path]) -> None:
    """Draw how far back gradients reached; without a recurrent layer there is nothing to draw, as the report says."""
    from forecast.report.gradients import plot_gradients
    from forecast.report.plots import save_png

    if forecaster.health_[0].layers:
        save_png(plot_gradients(forecaster.health_), files["gradients"])
    else:
        files.pop("gradients")


def _report(forecaster: Any, rows: Any, files: dict[str, Path], again: str | None, as_json: bool) -> None:
    from forecast.cli.tables import comparison_lines, print_json

    if as_json:
        print_json(_document(forecaster, rows, files) | {"resume": again})
        return
    if forecaster.comparison_ is not None:
        click.echo("\n".join(comparison_lines(forecaster.comparison_)))
    click.echo(forecaster.verdict_ + _advice(forecaster))
    if forecaster.gate_ is not None:
        click.echo(forecaster.gate_.attrs["sentence"])
    if forecaster.method == "auto":
        click.echo(f"Forecast by {_mixture(forecaster.weights_)}, weighted by the held-out rows.")
    for health in forecaster.health_:
        click.echo(str(health))
    for name, path in files.items():
        click.echo(f"{name:<9} {path}")
    click.echo(f"next      {_next(forecaster, str(files['model']))}")
    if again is not None:
        click.echo(f"resume    {again}")


def _document(forecaster: Any, rows: Any, files: dict[str, Path]) -> dict[str, Any]:
    from forecast.cli.tables import frame_records

    comparison, fitted = forecaster.comparison_, forecaster.fitted_
    record = fitted.network.record
    return {
        "choices": [vars(choice) for choice in forecaster.choices_],
        "setting": vars(fitted.setting),
        "comparison": None if comparison is None else frame_records(comparison),
        "held_out": None if comparison is None else comparison.attrs,
        "verdict": forecaster.verdict_,
        "gate": _gate(forecaster.gate_),
        "weights": forecaster.weights_,
        "stopped": record.stopped,
        "halved": record.halved,
        "health": [health.document() for health in forecaster.health_],
        "best_epoch": record.best_epoch,
        "method": None if rows is None else rows.attrs["method"],
        "forecast": None if rows is None else frame_records(rows),
        "files": {name: str(path) for name, path in files.items()},
    }


def _gate(table: Any) -> dict[str, Any] | None:
    from forecast.cli.tables import frame_records

    return None if table is None else table.attrs | {"folds": frame_records(table)}


def _next(forecaster: Any, model: str) -> str:
    fitted, model = forecaster.fitted_, shlex.quote(model)
    if fitted.contract.columns.known_future:
        return f"forecast template {model} --out future.csv; fill it; forecast predict {model} future.csv"
    return f"forecast predict {model} --horizon {2 * fitted.setting.horizon}"


def _mixture(weights: dict[str, float]) -> str:
    parts = sorted(weights.items(), key=lambda part: -part[1])
    return " + ".join(f"{weight:.2f} {name}" for name, weight in parts)


def _advice(forecaster: Any) -> str:
    """Point to --method best where a baseline won and the network forecasts all the same."""
    from forecast.evaluation.comparison import NETWORK, winner

    table = forecaster.comparison_
    if table is None or winner(table) == NETWORK or forecaster.method != "network":
        return ""
    return " Pass --method best to let tests on several folds decide who forecasts."
