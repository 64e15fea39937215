"""Options that several verbs share, and values they are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from forecast.errors import ParameterError


class Names(click.ParamType):
    """One or several names: ``a,b`` or the option given twice."""

    name = "names"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


class Levels(click.ParamType):
    """Quantiles: ``0.1,0.9``; ``none`` for none."""

    name = "levels"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if not isinstance(value, str):
            return value
        if value == "none":
            return ()
        try:
            return tuple(sorted(float(part) for part in value.split(",")))
        except ValueError:
            self.fail(f"{value!r} is not a list of numbers such as 0.1,0.9", param, ctx)


class Limit(click.ParamType):
    """A positive number, or ``none`` for no limit."""

    name = "number"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if not isinstance(value, str):
            return value
        if value == "none":
            return None
        try:
            return float(value)
        except ValueError:
            self.fail(f"{value!r} is neither a number nor none", param, ctx)


def joined(values: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    """Join the lists of an option that was given several times."""
    return tuple(name for names in values for name in names)


def stacked(*options: Callable[..., Any]) -> Callable[..., Any]:
    """Make one decorator of several options, listed in this order in the help."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")
quiet_option = click.option("--quiet", "-q", is_flag=True, help="Print results only, no messages.")
force_option = click.option("--force", is_flag=True, help="Replace files that exist.")

column_options = stacked(
    click.option("--time", metavar="COLUMN", help="Column of times."),
    click.option("--id", metavar="COLUMN", help="Column that tells series apart."),
    click.option("--target", type=Names(), multiple=True, metavar="COLUMNS", help="Columns to forecast (a,b or repeated)."),
    click.option("--known-future", type=Names(), multiple=True, metavar="COLUMNS", help="Columns known ahead too; none: none."),
    click.option("--past-only", type=Names(), multiple=True, metavar="COLUMNS", help="Columns known up to now; none: none."),
    click.option("--static", type=Names(), multiple=True, metavar="COLUMNS", help="Columns constant in a series; none: none."),
)

reading_options = stacked(
    click.option("--layout", type=click.Choice(["auto", "long", "wide"]), default="auto", help="wide: one column per series."),
    click.option("--delimiter", metavar="CHAR", help="Between cells; found if not given."),
    click.option("--decimal", metavar="CHAR", help="Decimal mark; found if not given."),
    click.option("--encoding", metavar="NAME", help="Of the file, such as latin-1."),
    click.option("--no-header", "header", flag_value=False, default=True, help="The first row is data."),
    click.option("--date-format", metavar="FORMAT", help='Such as "%d/%m/%Y".'),
    click.option("--timezone", metavar="ZONE", help="Of local times, such as Europe/Berlin."),
    click.option(
        "--duplicates",
        type=click.Choice(["error", "first", "last", "mean", "sum"]),
        default="error",
        help="Two rows of one time.",
    ),
    click.option("--lenient", is_flag=True, help="Fill short rows with missing values."),
)
"""Arguments of ``read_table``."""

READING = ("layout", "delimiter", "decimal", "encoding", "header", "date_format", "timezone", "duplicates", "lenient")


def check_targets(paths: list[Any], force: bool) -> None:
    """Refuse to replace files unless told to, before any work is done.

    Raises:
        ParameterError: Naming the files that exist.
    """
    from forecast.storage import check_writable

    for path in paths:
        check_writable(path)
    there = [str(path) for path in paths if path.exists()]
    if there and not force:
        verb = "exists" if len(there) == 1 else "exist"
        raise ParameterError(f"{', '.join(there)} {verb} already; pass --force to replace, or --out for another name.")
