"""``forecast predict``: forecast with a saved model."""

from __future__ import annotations

from typing import Any

import click

from forecast.cli.options import (
    check_method,
    check_rows_out,
    force_option,
    given,
    horizon_option,
    json_option,
    level_options,
    quiet_option,
    reading_options,
    rows_out_option,
)
from forecast.cli.sections import Verb, option, section
from forecast.cli.values import whole, word
from forecast.errors import InputError, ParameterError

# Paths of a sum whose number is not given, and at most: a path is a row of the table for every step.
USUAL_PATHS, MOST_PATHS = 1_000, 100_000

runner_option = section(
    "Forecast",
    option(
        "--runner",
        type=word("keras", "numpy"),
        default="keras",
        help="numpy: starts at once, with neither Keras nor pandas; plain CSV only.",
    ),
)
path_options = section(
    "Forecast",
    option(
        "--paths",
        type=whole(1, MOST_PATHS),
        metavar="N",
        help="Write N sample paths instead of quantiles.",
    ),
    option(
        "--total",
        is_flag=True,
        help=f"Write the sum over the horizon, with intervals from N paths ({USUAL_PATHS:,} if not given).",
    ),
)


@click.command(cls=Verb, short_help="Forecast with a saved model, from new rows or further ahead.")
@click.argument("model", metavar="MODEL")
@click.argument("table", metavar="[TABLE]", required=False)
@horizon_option
@level_options
@path_options
@runner_option
@reading_options
@rows_out_option
@force_option
@json_option
@quiet_option
@click.pass_context
def predict(
    ctx: click.Context,
    model: str,
    table: str | None,
    out: str,
    force: bool,
    as_json: bool,
    quiet: bool,
    runner: str,
    **options: Any,
) -> None:
    """Forecast the rows after the end of TABLE, or after the history inside MODEL.

    TABLE (- for stdin) holds history, and over the horizon the columns known ahead, with empty targets. Rows
    that continue the stored history suffice; `forecast template MODEL` writes those to fill in.

    Quantiles of single steps do not add up: for a sum or a peak over the horizon, --total and --paths keep how
    the steps go together.
    """
    from forecast.cli.opening import load_model, open_model, read_rows, write_rows
    from forecast.cli.session import settle

    settle(quiet)
    if as_json and out != "-":
        raise click.UsageError("--json prints to stdout; leave out --out.")
    check_rows_out(out, force)
    check_method(options["method"])
    _check_paths(options)
    if runner == "numpy":
        _run_in_numpy(ctx, model, table, out, as_json=as_json, **options)
        return
    file = open_model(model, table)
    rows = None if table is None else read_rows(file, table, ctx, future_only=True)
    forecaster = load_model(model)
    kind, found = _found(forecaster, rows, options)
    if not as_json:
        write_rows(found, out)
        return
    from forecast.cli.tables import frame_records, print_json

    print_json({"method": found.attrs["method"], kind: frame_records(found)})


def _run_in_numpy(
    ctx: click.Context, model: str, table: str | None, out: str, *, as_json: bool, **options: Any
) -> None:
    """Forecast without Keras and pandas."""
    import csv
    import io
    import json
    import sys

    from forecast.data.escaping import escape
    from forecast.estimators.numpy_rows import feed
    from forecast.estimators.numpy_runner import load_runner
    from forecast.runner.steps import EVERY
    from forecast.storage import write_atomic

    beyond = {
        name: value for name, value in given(ctx, options).items() if name not in ("horizon", "quantiles")
    }
    if beyond.pop("method", "network") != "network" or beyond:
        named = ", ".join(f"--{name.replace('_', '-')}" for name in beyond) or "--method"
        raise ParameterError(f"--runner numpy forecasts by the network, quantiles only; leave out {named}.")
    if not out.lower().endswith((".csv", "-")):
        raise ParameterError(f"--runner numpy writes CSV; --out {out} names another kind of file.")
    runner, which = load_runner(model), EVERY
    if runner.method != "network" and options["method"] is None:
        raise ParameterError(
            f"{model} forecasts by the method {runner.method}, and --runner numpy knows the network alone; pass "
            "--method network."
        )
    if table is not None:
        text = sys.stdin.read() if table == "-" else _text_of(table)
        which = feed(runner, io.StringIO(text, newline=""), "standard input" if table == "-" else table)
    found = runner.predict(options["horizon"], options["quantiles"], which)
    # NaN marks quantiles that could not be calibrated: an empty cell, or null.
    rows = [[None if cell != cell else cell for cell in row] for row in zip(*found.values(), strict=True)]
    if as_json:
        records = [dict(zip(found, row, strict=True)) for row in rows]
        click.echo(json.dumps({"method": "network", "forecast": records}, indent=2))
        return
    lines = io.StringIO(newline="")
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow([escape(name) for name in found])
    writer.writerows([escape(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    if out == "-":
        sys.stdout.write(lines.getvalue())
        return
    write_atomic(out, lines.getvalue().encode())
    click.echo(f"rows      {out}")


def _text_of(table: str) -> str:
    try:
        with open(table, encoding="utf-8", newline="") as file:
            return file.read()
    except FileNotFoundError:
        raise InputError(f"{table}: there is no such file.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{table} cannot be read as plain text ({error}); leave out --runner.") from None


def _found(forecaster: Any, rows: Any, options: dict[str, Any]) -> tuple[str, Any]:
    """Return what was asked for, by name: the forecast, its paths, or the total."""
    wanted = {name: options[name] for name in ("horizon", "method")}
    if options["total"]:
        paths = USUAL_PATHS if options["paths"] is None else options["paths"]
        return "total", forecaster.total(rows, quantiles=options["quantiles"], paths=paths, **wanted)
    if options["paths"] is not None:
        return "paths", forecaster.sample(rows, paths=options["paths"], **wanted)
    return "forecast", forecaster.predict(rows, quantiles=options["quantiles"], **wanted)


def _check_paths(options: dict[str, Any]) -> None:
    """Refuse quantiles of paths, before any work is done.

    Raises:
        ParameterError: Paths are not quantiles.
    """
    if options["paths"] is not None and options["quantiles"] is not None and not options["total"]:
        raise ParameterError(
            "--paths writes paths, which have no quantiles; leave out --quantiles, or add --total."
        )
