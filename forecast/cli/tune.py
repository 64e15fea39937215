"""``forecast tune``: search the settings of a network by backtests."""

from __future__ import annotations

import math
import shlex
import shutil
from pathlib import Path
from typing import Any

import click

from forecast.cli.opening import check_is_table, read_training, table_name
from forecast.cli.options import (
    COLUMN_ROLES,
    READING,
    check_targets,
    column_options,
    force_option,
    given,
    json_option,
    quiet_option,
    reading_options,
)
from forecast.cli.parts import folder_option, tell_parts
from forecast.cli.sections import Verb, option, section
from forecast.cli.training_options import (
    covariate_options,
    network_options,
    quantile_options,
    size_options,
    training_options,
)
from forecast.cli.values import MOST_ROWS, choices, seconds, whole, word

search_options = section(
    "Search",
    option("--budget", type=seconds(), default="10m", metavar="TIME", help="For the search: 90s, 10m, 2h."),
    option("--trials", type=whole(1), metavar="N", help="At most; as many as the budget allows if not given."),
    option("--windows", type=whole(1, 1_000), default=4, metavar="N", help="That the best trials are judged by."),
    option("--tail", type=whole(1, MOST_ROWS), metavar="ROWS", help="Last rows, looked at once at the end."),
    option("--metric", type=word("mase", "mae", "rmse"), default="mase", help="What is to be small."),
    option("--sampler", type=word("random", "optuna"), default="random", help="Who proposes settings."),
    option(
        "--space",
        type=choices(),
        multiple=True,
        metavar="NAME=VALUES",
        help="units=16,32 or learning_rate=1e-4..1e-2; repeated. Usual choices if not given.",
    ),
    option("--jobs", type=whole(1, 1_024), default=1, metavar="N", help="Trials at a time."),
)  # fmt: skip


@click.command(cls=Verb, short_help="Search the settings of a network by backtests.")
@click.argument("table", metavar="TABLE")
@search_options
@column_options
@size_options
@network_options
@covariate_options
@training_options
@quantile_options
@reading_options
@section("Output", option("--out", metavar="NAME", help="Of the leaderboard, without ending."))
@folder_option
@force_option
@json_option
@quiet_option
@click.pass_context
def tune(
    ctx: click.Context, table: str, out: str | None, force: bool, as_json: bool, quiet: bool, **options: Any
) -> None:
    """Try settings of a network on the past of TABLE; print the best as a `forecast fit` command.

    Trials begin with one window; the better ones get more. What is given of sizes, network and training stays
    fixed. The last rows are set aside, and only the best and the default settings are compared on them, once.
    Writes NAME.tune.csv, one line a trial. Finished fits are kept in NAME.tune.parts until all is done, or in
    --folder for good: the same command goes on from there.
    """
    from forecast.cli.session import settle, start_keras, terminable

    settle(quiet)
    check_is_table(table)
    board = Path(f"{out or table_name(table)}.tune.csv")
    check_targets([board], force)
    search = {name: options.pop(name) for name in _SEARCH}
    folder = options.pop("folder")
    parts = Path(folder or board.with_suffix(".parts"))
    fixed = _fixed(ctx, options)
    checked = read_training(table, options)
    start_keras()
    try:
        with terminable():
            found = _run(checked, search, options, fixed, parts, quiet)
    except KeyboardInterrupt:
        tell_parts(parts)
        raise
    _write(found, board)
    if folder is None:
        shutil.rmtree(parts, ignore_errors=True)
    _report(found, _command(found, table, ctx, options), board, as_json)


_SEARCH = ("budget", "trials", "windows", "tail", "metric", "sampler", "space", "jobs")


def _fixed(ctx: click.Context, options: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of the forecaster that were given: they stay as they are."""
    told = given(ctx, options)
    other = {*READING, *COLUMN_ROLES, "horizon", "step", "snap", "budget", "holdout", "refit", "seed"}
    return {name: value for name, value in told.items() if name not in other}


def _run(
    checked: Any,
    search: dict[str, Any],
    options: dict[str, Any],
    fixed: dict[str, Any],
    parts: Path,
    quiet: bool,
) -> Any:
    from forecast.cli.session import quiet_workers
    from forecast.data.gridding import to_panel
    from forecast.report.progress import ProgressLine, duration
    from forecast.tuning.space import Range
    from forecast.tuning.tune import tune as run

    space = {
        name: Range(*values, log=values[0] > 0 and values[1] >= 10 * values[0])
        if isinstance(values, tuple)
        else values
        for name, values in search["space"]
    }
    line = None if quiet else ProgressLine()

    def show(progress: Any) -> None:
        if line is not None:
            scores = f"{progress.score:.4g}  best {progress.best:.4g}"
            times = f"{duration(progress.seconds)} gone, {duration(progress.seconds_left)} left"
            line.show(f"trial {progress.trial}  windows {progress.windows}  {scores}  {times}")

    try:
        with quiet_workers():
            return run(
                to_panel(checked, step=options["step"], snapped=options["snap"]),
                options["horizon"],
                space=space or None,
                trials=search["trials"],
                budget=search["budget"],
                options=fixed,
                metric=search["metric"].upper(),
                n_jobs=search["jobs"],
                folder=parts,
                seed=options["seed"],
                progress=show,
                **{name: search[name] for name in ("windows", "tail", "sampler")},
            )
    finally:
        if line is not None:
            line.close()


def _command(found: Any, table: str, ctx: click.Context, options: dict[str, Any]) -> str:
    """Return the command that fits with the best settings and with whatever was said about the table."""
    told = given(ctx, {name: ctx.params[name] for name in (*COLUMN_ROLES, *READING, "step", "snap")})
    words = [found.command(table)]
    for name, value in told.items():
        flag = "--no-header" if name == "header" else "--" + name.replace("_", "-")
        if isinstance(value, bool):
            words.append(flag)
        else:
            listed = options.get(name) if name in COLUMN_ROLES[2:] else value
            text = ",".join(listed) if isinstance(listed, list | tuple) else str(listed)
            words.append(f"{flag} {shlex.quote(text)}")
    return " ".join(words)


def _write(found: Any, board: Path) -> None:
    from forecast.data.table import write_table

    write_table(found.leaderboard, board)


def _report(found: Any, command: str, board: Path, as_json: bool) -> None:
    from forecast.cli.tables import frame_records, leaderboard_lines, print_json, summary_lines

    if as_json:
        print_json(
            {"leaderboard": frame_records(found.leaderboard), "settings": found.settings, "command": command}
            | {
                "tail": frame_records(found.tail.summary),
                "verdict": found.tail.verdict,
                "files": {"leaderboard": str(board)},
            }
        )
        return
    click.echo("\n".join(leaderboard_lines(found.leaderboard, found.metric)))
    failed = int(found.leaderboard["error"].astype(bool).sum())
    if failed:
        click.echo(f"{failed} trials failed; the table tells why.")
    click.echo("\nThe rows set aside, forecast by the best and the default settings:")
    click.echo("\n".join(summary_lines(found.tail.summary)))
    if not math.isnan(found.tail.summary["MAE"].iloc[0]):
        click.echo(found.tail.verdict)
    click.echo(f"leaderboard {board}\nbest        {command}")
