"""``forecast detect``: the moments when something was wrong, from a table, a model, or rows as they come."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from forecast.cli.judging import Labels, judged_document, judged_lines, labels_options
from forecast.cli.opening import (
    check_is_table,
    is_model,
    load_model,
    open_detector,
    read_rows,
    read_training,
    write_rows,
)
from forecast.cli.options import (
    check_rows_out,
    check_targets,
    column_options,
    force_option,
    json_option,
    quiet_option,
    reading_options,
)
from forecast.cli.sections import Verb, option, section
from forecast.cli.training_options import ARCHITECTURES
from forecast.cli.values import MOST_ROWS, numbers, share, whole, word
from forecast.errors import ParameterError

BASELINES = ("range", "ewma", "seasonal-naive", "gaussian")
"""Methods without a network that stand beside every detector."""

REMAKING = ("reconstruction", "variational", "joint")
"""Methods whose networks make windows again."""

detector_options = section(
    "Detector",
    option(
        "--method",
        type=word("forecast", *REMAKING, "novelty", *BASELINES),
        default="forecast",
        metavar="NAME",
        help="forecast, reconstruction, variational, joint: errors of a recurrent network; without one: novelty, "
        f"{', '.join(BASELINES)}.",
    ),
    option(
        "--alarms",
        metavar="RATE",
        help='Asked for: "1 per week", "1 per 1000 rows"; 1 per 1,000 rows if not given.',
    ),
    option(
        "--engine",
        type=word(
            *("gpd", "conformal", "censored", "hybrid", "aci"),
            *("gaussian", "quantile", "dynamic", "likelihood"),
        ),
        default="gpd",
        metavar="NAME",
        help="P-values of errors: gpd, conformal; censored or hybrid if the history may be spoilt; aci; for "
        "comparison gaussian, quantile, dynamic, likelihood.",
    ),
    option(
        "--train", type=share(), default=0.5, metavar="SHARE", help="First part of the rows, to learn from."
    ),
    option("--missing", type=word("ignore", "evidence"), default="ignore", help="What missing rows are."),
)
network_options = section(
    "Network",
    option(
        "--model",
        type=word("auto", *ARCHITECTURES),
        default="auto",
        metavar="NAME",
        help="As of `forecast fit`.",
    ),
    option("--cell", type=word("rnn", "lstm", "gru"), default="gru", help="Kind of recurrent layer."),
    option("--bidirectional", is_flag=True, help="Read and make windows both ways; not of forecast."),
    option(
        "--units", type=whole(1, 4096), metavar="N", help="Width of its layers; its usual one if not given."
    ),
    option("--horizons", type=numbers(), default=(), metavar="ROWS", help="Whose mean is forecast: 1,6,24."),
    option("--context", type=whole(1, MOST_ROWS), metavar="ROWS", help="Rows the network sees."),
    option("--season", type=whole(1, MOST_ROWS), metavar="ROWS", help="Rows of a season; 1: none."),
    option("--step", metavar="STEP", help="Between rows: h, 15min, D … or a whole number."),
    option("--snap", is_flag=True, help="Round jittering times to the step."),
    option(
        "--ensemble",
        type=whole(1, 16),
        default=1,
        metavar="N",
        help="Networks by seed; their mean evidence.",
    ),
    option("--steps", type=whole(1), metavar="N", help="Optimiser steps; found if not given."),
    option("--online", is_flag=True, help="Fine-tune networks to each series as its rows come."),
    option("--seed", type=whole(0), default=0, metavar="N", help="Of weights and order."),
)
policy_options = section(
    "Alarms",
    option(
        "--hold",
        type=whole(0, 100_000),
        metavar="ROWS",
        help="An alarm keeps smaller ones back; 30 at most, if not given.",
    ),
    option("--min-rows", type=whole(1), default=1, metavar="ROWS", help="That the evidence must last."),
    option("--merge", type=whole(0), default=0, metavar="ROWS", help="Behind an event that belong to it."),
    option(
        "--release",
        type=share(),
        default=0.5,
        metavar="SHARE",
        help="Of its evidence, until an event is over.",
    ),
    option(
        "--quiet-times", "quiet_times", multiple=True, metavar="TIMES", help="22:00-06:00, sun, 'sat 12-24'."
    ),
    option(
        "--floor", type=float, default=0.0, metavar="UNITS", help="Least distance from what was expected."
    ),
)
follow_options = section(
    "Streams (of a MODEL)",
    option("--follow", is_flag=True, help="Read rows as they are appended; write events as they come."),
    option("--state", metavar="FILE", help="Where the stream stands; NAME.state.forecast if not given."),
    option(
        "--poll", type=float, default=1.0, metavar="SECONDS", help="Between two looks at a followed file."
    ),
)
out_option = section(
    "Output", option("--out", metavar="FILE", help="Model to write; of a MODEL, the events.")
)


@click.command(cls=Verb, short_help="Find the moments when something was wrong.")
@click.argument("source", metavar="TABLE|MODEL")
@click.argument("table", metavar="[TABLE]", required=False)
@column_options
@detector_options
@network_options
@policy_options
@labels_options
@follow_options
@reading_options
@out_option
@force_option
@json_option
@quiet_option
@click.pass_context
def detect(
    ctx: click.Context,
    source: str,
    table: str | None,
    out: str | None,
    force: bool,
    as_json: bool,
    quiet: bool,
    follow: bool,
    state: str | None,
    poll: float,
    **options: Any,
) -> None:
    """Learn from the first part of TABLE what is usual, and find events in the rest; or use a MODEL on TABLE.

    Nothing else is needed: columns, step and season are found, printed, and can be set. Writes NAME.forecast
    (the model), its events as .csv and .jsonl, and a picture of what was expected and what happened.

    With a MODEL, --follow reads the rows of TABLE (- for stdin) as they are appended and prints events as JSON
    lines; where it stopped, it goes on: no row is counted twice or lost.
    """
    from forecast.cli.session import settle

    settle(quiet)
    if is_model(source) and options["labels"] is not None:
        raise ParameterError(
            "--labels measures while it learns: forecast detect TABLE --labels …; in Python, load(MODEL).evaluate(…)."
        )
    if not is_model(source):
        if follow or table is not None:
            raise ParameterError(
                "A MODEL comes first: forecast detect TABLE learns one, forecast detect MODEL TABLE [--follow] uses it."
            )
        _learn(source, out, force, as_json, quiet, options)
        return
    if table is None:
        raise ParameterError(f"Give the table to look at: forecast detect {source} TABLE.")
    if follow:
        from forecast.cli.following import follow_rows

        follow_rows(ctx, source, table, state, poll, out)
        return
    _use(ctx, source, table, out or "-", force, as_json)


def _learn(
    source: str, out: str | None, force: bool, as_json: bool, quiet: bool, options: dict[str, Any]
) -> None:
    from forecast.cli.fit import model_path, tell_choices
    from forecast.cli.session import start_keras
    from forecast.detection.tables import event_table
    from forecast.estimators.contract import first_panel
    from forecast.report.plots import save_png

    check_is_table(source)
    model = model_path(source, out)
    files = {"model": model} | {
        name: Path(f"{model}.{ending}")
        for name, ending in (("events", "csv"), ("lines", "jsonl"), ("picture", "png"))
    }
    check_targets(list(files.values()), force)
    part = options.pop("train")
    options["quiet"] = options.pop("quiet_times")
    tolerance, labels = options.pop("tolerance"), Labels(options.pop("labels"), source, options)
    checked = read_training(source, options, labels.ignored)
    panel, _, choices = first_panel(
        checked, step=options["step"], snapped=options["snap"], reading={}, roles={}
    )
    first = _first_part(panel, part)
    labelled = labels.events(panel, first)
    if not quiet:
        tell_choices(choices)
    start_keras()
    from forecast.estimators.detector import Detector
    from forecast.estimators.judging import judge
    from forecast.report.events import plot_events

    detector = Detector(**options).fit(first)
    if not quiet:
        tell_choices(detector.choices_)
    # Rows that were learned from are not looked at again: on a long table that is most of the work.
    found = detector.fitted_.newer(panel)[0]
    events = _behind(event_table(found, panel.columns), first, panel)
    judged = None if labelled is None else judge(detector, panel, labelled, tolerance=tolerance)
    detector.save(model)
    _write(events, files)
    save_png(plot_events(found, panel.columns), files["picture"])
    _report(detector, events, _beside(detector, first, panel, events), judged, panel, first, files, as_json)


def _first_part(panel: Any, part: float) -> Any:
    """Return the rows to learn from: the first part of each series."""
    if not 0 < part < 1:
        raise ParameterError(f"--train must lie between 0 and 1; got {part}.")
    lengths = panel.ends - panel.offsets[:-1]
    return panel.cut(panel.offsets[:-1] + (part * lengths).astype(int).clip(1))


def _behind(events: Any, first: Any, panel: Any) -> Any:
    """Keep the events raised behind the rows that were learned from."""
    import pandas as pd

    ends = {name: first.time_at(i, int(first.offsets[i + 1]) - 1) for i, name in enumerate(first.ids)}
    column = panel.columns.id
    names = events[column] if column is not None else pd.Series([None] * len(events), index=events.index)
    later = [
        raised > ends[name] if name in ends else True
        for name, raised in zip(names, events["raised"], strict=True)
    ]
    return events[pd.Series(later, index=events.index, dtype=bool)].reset_index(drop=True)


def _beside(detector: Any, first: Any, panel: Any, events: Any) -> list[dict[str, Any]]:
    """Let every baseline look at the same rows at the same rate."""
    from forecast.detection.tables import event_table
    from forecast.estimators.judging import beside

    rows = [{"method": detector.method, "events": len(events), "in common": len(events)}]
    for name in BASELINES:
        if name == detector.method:
            continue
        other = beside(detector, name).fit(first)
        found = _behind(event_table(other.fitted_.newer(panel)[0], panel.columns), first, panel)
        rows.append({"method": name, "events": len(found), "in common": _common(events, found, panel)})
    return rows


def _common(events: Any, found: Any, panel: Any) -> int:
    """Count the events that overlap one of the others."""
    column = panel.columns.id
    count = 0
    for event in events.to_dict("records"):
        same = found if column is None else found[found[column] == event[column]]
        count += int(((same["start"] <= event["end"]) & (same["end"] >= event["start"])).any())
    return count


def _write(events: Any, files: dict[str, Path]) -> None:
    from forecast.cli.tables import json_lines
    from forecast.data.table import write_table
    from forecast.storage import write_atomic

    write_table(events, files["events"])
    write_atomic(files["lines"], json_lines(events).encode())


def _report(
    detector: Any,
    events: Any,
    beside: list[dict[str, Any]],
    judged: Any,
    panel: Any,
    first: Any,
    files: dict[str, Path],
    as_json: bool,
) -> None:
    from forecast.cli.tables import columns, event_lines, frame_records, print_json

    watched = panel.rows - first.rows
    asked = detector.rate_ * watched
    if as_json:
        print_json(
            {
                "choices": [vars(choice) for choice in detector.choices_],
                "rate": detector.rate_,
                "rows": watched,
                "asked": asked,
                "events": frame_records(events),
                "comparison": beside,
                **judged_document(judged),
                "files": {name: str(path) for name, path in files.items()},
            }
        )
        return
    click.echo("\n".join(event_lines(events)))
    click.echo(f"\n{watched:,} rows watched; at the rate asked for, chance alone raises about {asked:.3g}.")
    cells = [[str(row["method"]), f"{row['events']:,}", f"{row['in common']:,}"] for row in beside]
    click.echo("\n".join(columns(["method", "events", "in common"], cells)))
    click.echo("")
    if judged is not None:
        click.echo("\n".join([*judged_lines(judged), ""]))
    for name, path in files.items():
        click.echo(f"{name:<9} {path}")
    streams = " --follow" if panel.columns.time is not None else ""
    click.echo(f"next      forecast detect {shlex.quote(str(files['model']))} new.csv{streams}")


def _use(ctx: click.Context, source: str, table: str, out: str, force: bool, as_json: bool) -> None:
    """Look at a table with a model."""
    from forecast.cli.tables import frame_records, print_json

    if as_json and out != "-":
        raise click.UsageError("--json prints to stdout; leave out --out.")
    check_rows_out(out, force)
    file = open_detector(source, table)
    rows = read_rows(file, table, ctx)
    events = load_model(source).detect(rows)
    if as_json:
        print_json({"events": frame_records(events)})
    else:
        write_rows(events, out)
