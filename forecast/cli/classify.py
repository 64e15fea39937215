"""``forecast classify``: a label for every sequence, or for every row, of a table."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from forecast.cli.opening import check_is_table, is_model, write_rows
from forecast.cli.options import (
    check_rows_out,
    check_targets,
    force_option,
    given,
    joined,
    json_option,
    quiet_option,
)
from forecast.cli.sections import Verb, option, section
from forecast.cli.values import names, share, whole, word
from forecast.errors import InputError, ParameterError

FORM = ("delimiter", "decimal", "encoding", "header", "lenient")
"""Arguments of ``read_labelled`` that belong to one file."""
ONLY_FOR_ROWS = {"background": "--background", "durations": "--durations", "causal": "--causal"}
ONLY_FOR_SEQUENCES = {"model": "--model", "bidirectional": "--bidirectional"}

column_options = section(
    "Columns (found if not given; none: there is none)",
    option("--label", metavar="COLUMN", help="Labels: one a sequence, or one a row; empty where unknown."),
    option("--id", metavar="COLUMN", help="Tells sequences apart."),
    option("--time", metavar="COLUMN", help="Orders the rows of a sequence."),
    option("--features", type=names(), multiple=True, metavar="COLUMNS", help="To read: a,b or repeated."),
    option("--groups", metavar="COLUMN", help="Never parted when some is held out: a subject."),
    option("--per", type=word("auto", "sequence", "row"), default="auto", help="What a label is of."),
)
network_options = section(
    "Network",
    option("--model", type=word("fcn", "rnn"), default="fcn", help="fcn: recurrent beside convolutions."),
    option("--cell", type=word("rnn", "lstm", "gru"), default="gru", help="Kind of recurrent layer."),
    option(
        "--units", type=whole(1, 4096), metavar="N", help="Width of its layers; its usual one if not given."
    ),
    option("--bidirectional", is_flag=True, help="Read sequences in both directions; rows always are."),
    option("--causal", is_flag=True, help="Of rows: read forwards only, for streams."),
    option("--members", type=whole(1, 64), metavar="N", help="Networks whose mean counts; 2, of rows 1."),
)
event_options = section(
    "Events (labels of rows)",
    option("--background", metavar="LABEL", help="The label that is no event; found if not given."),
    option("--durations", type=whole(1), metavar="ROWS", help="Of an event at least; learned if not given."),
    option("--events", is_flag=True, help="Write events, not rows."),
)
training_options = section(
    "Training",
    option(
        "--class-weight", type=word("none", "balanced"), default="none", help="balanced: all classes alike."
    ),
    option(
        "--holdout", type=share(), default=0.25, metavar="SHARE", help="Kept to compare and calibrate by."
    ),
    option("--steps", type=whole(1), metavar="N", help="Optimiser steps; found if not given."),
    option("--seed", type=whole(0), default=0, metavar="N", help="Of weights, order and what is held out."),
)
reading_options = section(
    "Reading TABLE",
    option("--delimiter", metavar="CHAR", help="Between cells; found if not given."),
    option("--decimal", metavar="CHAR", help="Decimal mark; found if not given."),
    option("--encoding", metavar="NAME", help="Of the text, such as latin-1."),
    option("--no-header", "header", flag_value=False, default=True, help="The first row is data."),
    option("--date-format", metavar="FORMAT", help='Such as "%d/%m/%Y".'),
    option("--lenient", is_flag=True, help="Fill short rows with missing values."),
)
out_option = section("Output", option("--out", metavar="FILE", help="Model to write; of a MODEL, the rows."))


@click.command(cls=Verb, short_help="Label sequences or rows: learn from a table, or use a model.")
@click.argument("source", metavar="TABLE|MODEL")
@click.argument("table", metavar="[TABLE]", required=False)
@column_options
@network_options
@event_options
@training_options
@reading_options
@out_option
@force_option
@json_option
@quiet_option
@click.pass_context
def classify(
    ctx: click.Context,
    source: str,
    table: str | None,
    out: str | None,
    force: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Learn labels from TABLE (CSV or Parquet, - for stdin), or label TABLE with a MODEL.

    Columns are found, printed, and can be set. If no sequence has two labels, whole sequences are
    classified; otherwise every row is labelled, and rows make events. Writes NAME.forecast (the model),
    NAME.forecast.png and, if some labels are empty, NAME.forecast.csv into the current folder, or where
    --out says.
    """
    from forecast.cli.session import settle

    settle(quiet)
    if table is not None or is_model(source):
        _use(ctx, source, table, out or "-", force, as_json, options)
        return
    _learn(ctx, source, out, force, as_json, quiet, options)


def _learn(
    ctx: click.Context,
    source: str,
    out: str | None,
    force: bool,
    as_json: bool,
    quiet: bool,
    options: dict[str, Any],
) -> None:
    from forecast.cli.fit import model_path, tell_choices
    from forecast.cli.session import Interruption, start_keras
    from forecast.report.progress import ProgressLine

    check_is_table(source)
    if options["events"]:
        raise ParameterError("--events belongs to a MODEL: forecast classify MODEL TABLE --events.")
    if options["holdout"] > 0.5:
        raise ParameterError(f"--holdout must be at most 0.5; got {options['holdout']}.")
    model = model_path(source, out)
    files = {"model": model, "rows": Path(f"{model}.csv"), "picture": Path(f"{model}.png")}
    check_targets(list(files.values()), force)
    found, by_row = _read(source, options)
    _check_options(ctx, options, by_row=by_row)
    if not quiet:
        tell_choices((*found.choices, _kind(options["per"], by_row=by_row)))
    start_keras()
    estimator = _estimator(options, by_row=by_row)
    line = None if quiet else ProgressLine()
    known = {choice.what for choice in found.choices}

    def tell(more: tuple) -> None:
        tell_choices(tuple(choice for choice in more if choice.what not in known))

    with Interruption(None if line is None else line.interject) as interruption:
        try:
            announce = None if line is None else line.around(tell)
            estimator.fit(found, progress=line, interrupted=interruption, announce=announce)
        finally:
            if line is not None:
                line.close()
        estimator.save(files["model"])
        rows = _unlabelled(estimator, found)
    _write(estimator, found, rows, files)
    _report(estimator, rows, files, as_json)
    if interruption.exit_code:
        sys.exit(interruption.exit_code)


def _read(source: str, options: dict[str, Any]) -> tuple[Any, bool]:
    """Read the table and tell what its labels are of."""
    from forecast.data.examples import examples_of_table
    from forecast.data.labelled import Wanted, read_labelled

    wanted = Wanted(
        options["label"], options["id"], options["time"], joined(options["features"]), options["groups"]
    )
    form = {name: options[name] for name in FORM}
    found = read_labelled(source, wanted, date_format=options["date_format"], **form)
    if found.classes is None:
        raise InputError(
            f"{found.source}: there is nothing to learn without labels; name their column with --label."
        )
    by_row = options["per"] == "row" or (options["per"] == "auto" and not found.constant())
    # Refused here, before Keras takes its seconds to start.
    examples_of_table(found, by_row=by_row).labelled()
    return found, by_row


def _kind(per: str, *, by_row: bool) -> Any:
    from forecast.data.sheet import Choice

    value = "of rows, which make events" if by_row else "of whole sequences"
    why = "asked for" if per != "auto" else "they change within a sequence" if by_row else "none has two"
    return Choice("labels", value, "--per", why)


def _check_options(ctx: click.Context, options: dict[str, Any], *, by_row: bool) -> None:
    """Refuse options that belong to the other kind of labels."""
    wrong = ONLY_FOR_SEQUENCES if by_row else ONLY_FOR_ROWS
    for name in given(ctx, {name: options[name] for name in wrong}):
        other = "sequences" if by_row else "rows"
        raise ParameterError(
            f"{wrong[name]} is for labels of {other}; leave it out, or pass --per {other[:-1]}."
        )


def _estimator(options: dict[str, Any], *, by_row: bool) -> Any:
    from forecast.estimators.classifier import SequenceClassifier
    from forecast.estimators.labeler import EventLabeler

    weight = None if options["class_weight"] == "none" else options["class_weight"]
    names = ("label", "id", "time", "groups", "cell", "holdout", "steps", "seed", "date_format")
    shared = {name: options[name] for name in names}
    shared |= {"features": joined(options["features"]), "class_weight": weight}
    shared |= {name: options[name] for name in ("units", "members") if options[name] is not None}
    if not by_row:
        return SequenceClassifier(options["model"], bidirectional=options["bidirectional"], **shared)
    shared |= {name: options[name] for name in ("background", "durations", "causal")}
    return EventLabeler(**shared)


def _unlabelled(estimator: Any, found: Any) -> Any:
    """Label what has no label yet; None if everything has one."""
    missing = found.labels < 0 if estimator.by_row else found.of_sequences() < 0
    return estimator.predict(found)[missing].reset_index(drop=True) if missing.any() else None


def _write(estimator: Any, found: Any, rows: Any, files: dict[str, Path]) -> None:
    from forecast.data.table import write_table
    from forecast.report.labels import plot_labelling
    from forecast.report.plots import save_png

    if rows is None:
        # An older model's, which --force was given for, would be taken for this one's.
        files.pop("rows").unlink(missing_ok=True)
    else:
        write_table(rows, files["rows"])
    told = None if estimator.by_row else estimator.early_
    events = estimator.events(found) if estimator.by_row else None
    save_png(plot_labelling(found, estimator.confusion_, early=told, events=events), files["picture"])


def _report(estimator: Any, rows: Any, files: dict[str, Path], as_json: bool) -> None:
    from forecast.cli.labels import confusion_lines, document, early_lines, event_lines, method_lines
    from forecast.cli.tables import print_json

    if as_json:
        print_json(document(estimator, rows, files))
        return
    if estimator.comparison_ is not None:
        click.echo("\n".join([*method_lines(estimator.comparison_), ""]))
        click.echo("\n".join([*confusion_lines(estimator.confusion_), ""]))
        further = event_lines(estimator.report_) if estimator.by_row else early_lines(estimator.early_)
        click.echo("\n".join([*further, ""]))
    click.echo(estimator.verdict_)
    for name, path in files.items():
        click.echo(f"{name:<9} {path}")
    more = " --events" if estimator.by_row else ""
    click.echo(f"next      forecast classify {shlex.quote(str(files['model']))} new.csv{more}")


def _use(
    ctx: click.Context,
    model: str,
    table: str | None,
    out: str,
    force: bool,
    as_json: bool,
    options: dict[str, Any],
) -> None:
    """Label a table with a model."""
    from forecast.cli.labels import open_labels, read_unlabelled
    from forecast.cli.opening import load_model
    from forecast.cli.tables import frame_records, print_json

    if as_json and out != "-":
        raise click.UsageError("--json prints to stdout; leave out --out.")
    check_rows_out(out, force)
    file = open_labels(model, table)
    if table is None:
        raise ParameterError(f"{model} is a model; name the TABLE to label behind it.")
    by_row = file.description["kind"] == "labeler"
    learned = set(options) - {*FORM, "date_format", "events"}
    for name in given(ctx, {name: options[name] for name in learned}):
        raise ParameterError(f"--{name.replace('_', '-')} is settled by the model; leave it out.")
    if options["events"] and not by_row:
        raise ParameterError(f"{model} labels whole sequences, which have no events; leave out --events.")
    form = {name: options[name] for name in FORM}
    rows = read_unlabelled(file, table, options["date_format"], form)
    estimator = load_model(model)
    found = estimator.events(rows) if options["events"] else estimator.predict(rows)
    if as_json:
        print_json({"events" if options["events"] else "labels": frame_records(found)})
        return
    write_rows(found, out)
