"""``forecast update``: train a saved model further with newer rows; only a better network replaces the old one."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from forecast.cli.fit import tell_choices
from forecast.cli.opening import load_model, open_model, read_rows
from forecast.cli.options import given, json_option, quiet_option, reading_options
from forecast.cli.sections import Verb, option, section
from forecast.cli.values import MOST_ROWS, positive, share, whole
from forecast.errors import ParameterError
from forecast.storage import check_writable

training_options = section(
    "Training",
    option("--refit", is_flag=True, help="Train a new network on all rows, instead of fine-tuning this one."),
    option("--force", is_flag=True, help="Replace the network even if it forecasts no better."),
    option("--no-training", is_flag=True, help="Take the rows, and let the intervals follow; train nothing."),
    option(
        "--holdout",
        type=whole(1, MOST_ROWS),
        metavar="ROWS",
        help="Newest rows that judge; a fifth of the new ones if not given.",
    ),
    option(
        "--replay",
        type=share(),
        default=0.5,
        metavar="SHARE",
        help="Of older windows among those that are learned from.",
    ),
    option("--epochs", type=whole(1), metavar="N", help="Passes over the windows; found if not given."),
    option("--learning-rate", type=positive(), metavar="RATE", help="Highest rate; found if not given."),
)
out_option = section(
    "Output", option("--out", metavar="FILE", help="Another model file to write; if not given, MODEL itself.")
)

_TRAINING = ("refit", "force", "holdout", "replay", "epochs", "learning_rate")


@click.command(cls=Verb, short_help="Train a model further with newer rows; keep what is better.")
@click.argument("model", metavar="MODEL")
@click.argument("table", metavar="TABLE")
@training_options
@reading_options
@out_option
@json_option
@quiet_option
@click.pass_context
def update(
    ctx: click.Context,
    model: str,
    table: str,
    out: str | None,
    no_training: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Read the rows of TABLE (- for stdin) that are newer than those MODEL knows, and train it further.

    The newest rows are kept out. On them the network before, the network after and the baselines are compared, and
    the network is replaced only if it forecasts better there (--force replaces it anyhow). History and intervals follow
    the new rows in any case. TABLE holds the new rows, or all of them: known ones change nothing.
    """
    from forecast.cli.session import Interruption, settle
    from forecast.report.progress import ProgressLine

    settle(quiet)
    wishes = {name: options[name] for name in _TRAINING}
    contradicting = given(ctx, wishes)
    if no_training and contradicting:
        named = ", ".join(f"--{name.replace('_', '-')}" for name in contradicting)
        raise ParameterError(f"--no-training trains nothing; leave out {named}.")
    target = _target(model, out)
    file = open_model(model, table)
    rows = read_rows(file, table, ctx)
    forecaster = load_model(model)
    if no_training:
        forecaster.update(rows)
        forecaster.save(target)
        _say(forecaster, None, target, as_json)
        return
    line = None if quiet else ProgressLine()
    tell = None if line is None else line.around(tell_choices)
    with Interruption(None if line is None else line.interject) as interruption:
        try:
            found = forecaster.continue_training(
                rows, progress=line, interrupted=interruption, announce=tell, **wishes
            )
        finally:
            if line is not None:
                line.close()
        forecaster.save(target)
    _say(forecaster, found, target, as_json)
    if interruption.exit_code:
        sys.exit(interruption.exit_code)


def _target(model: str, out: str | None) -> Path:
    """Return where the model is written: in its own place, or to a file that does not exist."""
    target = Path(model if out is None else out)
    if out is not None and not out.endswith(".forecast"):
        target = Path(f"{out}.forecast")
    if target.exists() and not target.samefile(model):
        raise ParameterError(f"{target} exists already; pass --out another name.")
    check_writable(target)
    return target


def _say(forecaster: Any, found: Any, target: Path, as_json: bool) -> None:
    from forecast.cli.tables import comparison_lines, frame_records, print_json

    fitted = forecaster.fitted_
    panel = fitted.history
    newest = str(panel.times_at(panel.ends - 1).max())
    if as_json:
        document: dict[str, Any] = {"way": "no training", "replaced": False}
        if found is not None:
            before, after = found.scores()
            document = {
                **{
                    name: getattr(found, name)
                    for name in ("way", "taught", "replaced", "forced", "holdout", "stopped")
                },
                "before": before,
                "after": after,
                "criterion": found.comparison.attrs["criterion"],
                "comparison": frame_records(found.comparison),
                "held_out": found.comparison.attrs,
            }
        print_json(
            document | {"sentence": str(found or ""), "newest": newest, "files": {"model": str(target)}}
        )
        return
    if found is not None:
        click.echo("\n".join(comparison_lines(found.comparison)))
        click.echo(str(found))
    click.echo(f"newest    {newest}")
    click.echo(f"model     {target}")
    click.echo(f"next      forecast predict {shlex.quote(str(target))}")
