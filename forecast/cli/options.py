"""Options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from forecast.cli.sections import option, section
from forecast.cli.values import MOST_ROWS, levels, names, whole, word
from forecast.errors import ParameterError, closest

COLUMN_ROLES = ("time", "id", "target", "known_future", "past_only", "static")

column_options = section(
    "Columns (found if not given; none: there is none)",
    option("--time", metavar="COLUMN", help="Times, or whole numbers that count steps."),
    option("--id", metavar="COLUMN", help="Tells series apart."),
    option("--target", type=names(), multiple=True, metavar="COLUMNS", help="To forecast: a,b or repeated."),
    option(
        "--known-future",
        type=names(),
        multiple=True,
        metavar="COLUMNS",
        help="Known ahead too: plans, holidays.",
    ),
    option("--past-only", type=names(), multiple=True, metavar="COLUMNS", help="Known up to now."),
    option("--static", type=names(), multiple=True, metavar="COLUMNS", help="Constant in a series."),
)

READING = (
    "layout",
    "delimiter",
    "decimal",
    "encoding",
    "header",
    "date_format",
    "timezone",
    "duplicates",
    "lenient",
)
"""Arguments of ``read_table`` that are options of every verb with a TABLE."""

reading_options = section(
    "Reading TABLE",
    option(
        "--layout",
        type=word("auto", "long", "wide"),
        default="auto",
        help="wide: one column a series.",
    ),
    option("--delimiter", metavar="CHAR", help="Between cells; found if not given."),
    option("--decimal", metavar="CHAR", help="Decimal mark; found if not given."),
    option("--encoding", metavar="NAME", help="Of the text, such as latin-1."),
    option("--no-header", "header", flag_value=False, default=True, help="The first row is data."),
    option("--date-format", metavar="FORMAT", help='Such as "%d/%m/%Y".'),
    option("--timezone", metavar="ZONE", help="Of local times, such as Europe/Berlin."),
    option(
        "--duplicates",
        type=word("error", "first", "last", "mean", "sum"),
        default="error",
        help="Rows of one time.",
    ),
    option("--lenient", is_flag=True, help="Fill short rows with missing values."),
)

force_option = section("Output", option("--force", is_flag=True, help="Replace files that exist."))
json_option = section("Output", option("--json", "as_json", is_flag=True, help="Print one JSON document."))
quiet_option = section(
    "Output", option("--quiet", "-q", is_flag=True, help="Print results only, no messages.")
)
rows_out_option = section(
    "Output", option("--out", default="-", metavar="FILE", help=".csv, .parquet …, or - for stdout.")
)
horizon_option = section(
    "Forecast",
    option(
        "--horizon", type=whole(1, MOST_ROWS), metavar="ROWS", help="Rows ahead; as trained if not given."
    ),
)
level_options = section(
    "Forecast",
    option("--quantiles", type=levels(), metavar="LEVELS", help="Among the trained ones, or none."),
    option(
        "--method",
        metavar="METHOD",
        help="Who forecasts: network, best, auto (their weighted mean), or a baseline.",
    ),
)


def joined(values: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    """Join the lists of an option that was given several times."""
    return tuple(name for group in values for name in group)


def given(ctx: click.Context, options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that stand on the command line."""
    source = click.core.ParameterSource.COMMANDLINE
    return {name: value for name, value in options.items() if ctx.get_parameter_source(name) is source}


def check_method(method: str | None) -> None:
    """Refuse a method that does not exist, before any work is done.

    Raises:
        ParameterError: With the known ones.
    """
    if method in (None, "network"):
        return
    from forecast.evaluation.baselines import BASELINES
    from forecast.evaluation.comparison import CHOOSING

    known = (*CHOOSING, *BASELINES)
    if method not in known:
        raise ParameterError(
            f"--method: there is no method {method!r}; known are {', '.join(known)}.{closest(method, known)}"
        )


def check_targets(paths: list[Path], force: bool) -> None:
    """Refuse to replace files unless told to, before any work is done.

    Raises:
        ParameterError: Naming the files that exist.
        InputError: A folder is missing or may not be written to.
    """
    from forecast.storage import check_writable

    for path in paths:
        check_writable(path)
    there = [str(path) for path in paths if path.exists()]
    if there and not force:
        verb = "exists" if len(there) == 1 else "exist"
        raise ParameterError(
            f"{', '.join(there)} {verb} already; pass --force to replace, or --out for another name."
        )


def check_rows_out(out: str, force: bool) -> None:
    """Refuse a table file that exists or whose kind is unknown, before any work is done."""
    if out == "-":
        return
    known = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".parquet", ".pq")
    if not out.lower().endswith(known):
        raise ParameterError(
            f"--out {out}: the name must end in one of {', '.join(known)}, or be - for stdout."
        )
    check_targets([Path(out)], force)
