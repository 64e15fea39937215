"""``forecast backtest``: methods on the past, each time as if the rest were not known."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import click

from forecast.cli.opening import check_is_table, read_training, table_name
from forecast.cli.options import (
    check_targets,
    column_options,
    force_option,
    json_option,
    quiet_option,
    reading_options,
)
from forecast.cli.parts import folder_option, tell_parts
from forecast.cli.sections import Verb, option, section
from forecast.cli.training_options import (
    budget_option,
    check_loss,
    covariate_options,
    network_options,
    quantile_options,
    size_options,
    training_options,
)
from forecast.cli.values import MOST_ROWS, always_or_every, names, whole, word

backtest_options = section(
    "Backtest",
    option(
        "--methods",
        type=names(),
        default="segment,theta,holt-winters",
        metavar="METHODS",
        help="segment, gru, lstm, … best, auto, baselines; naive ones are always there.",
    ),
    option("--windows", type=whole(1, 10_000), default=5, metavar="N", help="Windows at the end of the table."),
    option("--stride", type=whole(1, MOST_ROWS), metavar="ROWS", help="Between windows; a horizon if not given."),
    option("--gap", type=whole(0, MOST_ROWS), default=0, metavar="ROWS", help="Unseen before each window."),
    option(
        "--refit",
        type=always_or_every(),
        default="always",
        metavar="always|never|N",
        help="Fit before each window, once, or before each N-th.",
    ),
    option("--sliding", type=whole(1, MOST_ROWS), metavar="ROWS", help="A fit sees at most; all if not given."),
    option("--align", type=word("time", "end"), help="Cut series at one time, or each before its end."),
    option("--seeds", type=whole(1, 1_000), default=1, metavar="N", help="Fits of each network."),
    option("--jobs", type=whole(1, 1_024), metavar="N", help="Fits at a time; one if not given."),
)  # fmt: skip


@click.command(cls=Verb, short_help="Test methods on the past, each fit seeing only what came before.")
@click.argument("table", metavar="TABLE")
@backtest_options
@column_options
@size_options
@network_options
@covariate_options
@training_options
@budget_option
@quantile_options
@reading_options
@section("Output", option("--out", metavar="NAME", help="Of the files written, without ending."))
@folder_option
@force_option
@json_option
@quiet_option
def backtest(table: str, out: str | None, force: bool, as_json: bool, quiet: bool, **options: Any) -> None:
    """Forecast the end of TABLE from several cutoffs, fitting anew on what lies before each.

    Prints how methods compare, with intervals and a test, and writes NAME.backtest.csv (every forecast beside
    what came) and two pictures: NAME.backtest.png and NAME.reliability.png. Finished fits are kept in
    NAME.backtest.parts until all is done, or in --folder for good: the same command goes on from there.
    """
    from forecast.backtesting.names import check_name
    from forecast.cli.session import settle, start_keras, terminable

    settle(quiet)
    check_is_table(table)
    check_loss(options)
    files = _files(table, out)
    check_targets(list(files.values()), force)
    plan, folder = _plan(options), options.pop("folder")
    parts = Path(folder or files["forecasts"].with_suffix(".parts"))
    for method in plan["methods"]:
        check_name(method, "--methods: ")
    checked = read_training(table, options)
    start_keras()
    try:
        with terminable():
            found = _run(checked, plan, options, parts, quiet)
    except KeyboardInterrupt:
        tell_parts(parts)
        raise
    _write(found, files)
    if folder is None:
        shutil.rmtree(parts, ignore_errors=True)
    _report(found, files, as_json)


def _files(table: str, out: str | None) -> dict[str, Path]:
    name = out or table_name(table)
    endings = {"forecasts": "backtest.csv", "picture": "backtest.png", "reliability": "reliability.png"}
    return {key: Path(f"{name}.{ending}") for key, ending in endings.items()}


_PLAN = ("methods", "windows", "stride", "gap", "refit", "sliding", "align", "seeds", "jobs")


def _plan(options: dict[str, Any]) -> dict[str, Any]:
    """Take out of ``options`` what belongs to the backtest; the rest makes the networks."""
    return {name: options.pop(name) for name in _PLAN}


def _run(checked: Any, plan: dict[str, Any], options: dict[str, Any], parts: Path, quiet: bool) -> Any:
    from forecast.backtesting.backtest import backtest as run
    from forecast.backtesting.methods import make_methods
    from forecast.cli.session import quiet_workers
    from forecast.data.gridding import to_panel
    from forecast.report.progress import ProgressLine, duration

    panel = to_panel(checked, step=options["step"], snapped=options["snap"])
    horizon = options.pop("horizon")
    line = None if quiet else ProgressLine()

    def show(progress: Any) -> None:
        if line is not None:
            times = f"{duration(progress.seconds)} gone, {duration(progress.seconds_left)} left"
            line.show(f"fit {progress.done}/{progress.tasks}  {progress.name}  {times}")

    try:
        with quiet_workers():
            return run(
                make_methods(plan["methods"], options),
                panel,
                horizon,
                plan["windows"],
                plan["stride"],
                season=options["season"],
                n_jobs=plan["jobs"],
                folder=parts,
                progress=show,
                **{name: plan[name] for name in ("gap", "refit", "sliding", "align", "seeds")},
            )
    finally:
        if line is not None:
            line.close()


def _write(found: Any, files: dict[str, Path]) -> None:
    from forecast.data.table import write_table
    from forecast.report.plots import save_png

    write_table(found.forecasts, files["forecasts"])
    save_png(found.plot(), files["picture"])
    save_png(found.plot_reliability(), files["reliability"])


def _report(found: Any, files: dict[str, Path], as_json: bool) -> None:
    from forecast.cli.tables import coverage_lines, frame_records, print_json, summary_lines

    if as_json:
        tables = {
            name: frame_records(getattr(found, name))
            for name in ("summary", "coverage", "reliability", "by_step")
        }
        print_json(
            tables
            | {"measured_on": found.summary.attrs, "verdict": found.verdict}
            | {"files": {name: str(path) for name, path in files.items()}}
        )
        return
    click.echo("\n".join([*summary_lines(found.summary), "", *coverage_lines(found.coverage), ""]))
    click.echo(found.verdict)
    for name, path in files.items():
        click.echo(f"{name:<11} {path}")
