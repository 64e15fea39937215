"""``forecast audit``: what a model's forecasts react to, what they are worth, and whether they are honest."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any

import click

from forecast.cli.options import READING, given, json_option, quiet_option, reading_options
from forecast.cli.sections import Verb
from forecast.errors import TableError

if TYPE_CHECKING:
    from forecast.auditing.findings import Audit, Finding
    from forecast.modelfile import ModelFile


@click.command(cls=Verb, short_help="Check what a model reacts to, and whether its claims hold.")
@click.argument("model", metavar="MODEL")
@click.argument("table", metavar="[TABLE]", required=False)
@reading_options
@json_option
@quiet_option
@click.pass_context
def audit(ctx: click.Context, model: str, table: str | None, as_json: bool, quiet: bool, **_: Any) -> None:
    """Check MODEL: does every forecast step use the newest observation, and none the future; does it beat naive?

    TABLE (- for stdin) best holds rows that are newer than training: they show errors, coverage and drift.
    Without it, the stored history and comparison have to do. Findings are printed worst first, each with
    what to do; --quiet leaves out what is in order, and the picture. The exit code is 1 if one is serious.
    """
    from forecast.cli.opening import load_model, open_model
    from forecast.cli.session import settle
    from forecast.cli.tables import print_json

    settle(quiet)
    file = open_model(model, table)
    rows, names = (None, None) if table is None else _rows_and_names(file, table, ctx)
    estimator = load_model(model)
    from forecast.auditing.audit import audit_estimator, read_rows

    panel = None if rows is None else read_rows(estimator.fitted_.contract, rows)
    found = audit_estimator(estimator, panel, names)
    print_json(_document(found)) if as_json else click.echo("\n".join(_lines(found, quiet)))
    ctx.exit(1 if found.serious else 0)


def _rows_and_names(file: ModelFile, table: str, ctx: click.Context) -> tuple[Any, tuple[str, ...]]:
    """Read the table, and name its columns; rows are None if some that the model needs are missing.

    Raises:
        InputError: The table cannot be read.
    """
    from forecast.auditing.demands import missing_columns
    from forecast.cli.opening import contract_of, read_rows
    from forecast.data.table import column_names

    columns = contract_of(file).columns
    form = given(ctx, {name: ctx.params[name] for name in READING})
    form = {
        name: form[name] for name in ("delimiter", "decimal", "encoding", "header", "lenient") if name in form
    }
    with _ReadTwice(table) as source:
        try:
            rows = read_rows(file, table, ctx)
        except TableError:
            names = column_names(source(), **form)
            if not missing_columns(columns, names):
                raise
            return None, names
        names = column_names(source(), **form)
    # A wide table holds its series under names of their own.
    return rows, tuple(rows.columns) if missing_columns(columns, names) else names


class _ReadTwice:
    """Lets a table be read more than once, although standard input gives it only once.

    Args:
        table: Path, or ``-`` for standard input.
    """

    def __init__(self, table: str):
        self.table, self.data, self._old = table, b"", sys.stdin

    def __enter__(self) -> _ReadTwice:
        if self.table == "-":
            self.data = sys.stdin.buffer.read()
            sys.stdin = io.TextIOWrapper(io.BytesIO(self.data))
        return self

    def __exit__(self, *_: object) -> None:
        sys.stdin = self._old

    def __call__(self) -> Any:
        """Return the path, or what standard input held."""
        return io.BytesIO(self.data) if self.table == "-" else self.table


def _lines(found: Audit, quiet: bool) -> list[str]:
    from forecast.auditing.picture import picture_lines
    from forecast.cli.session import printable

    shown = [finding for finding in found.findings if not quiet or finding.severity in ("serious", "warning")]
    lines = [line for finding in shown for line in _finding_lines(finding)]
    lines.append(found.summary())
    if found.reactions is not None and not quiet:
        lines += ["", *map(printable, picture_lines(found.reactions))]
    return lines


def _finding_lines(finding: Finding) -> list[str]:
    from forecast.cli.session import printable

    colour = {"serious": "red", "warning": "yellow"}.get(finding.severity)
    first, *rest = (printable(line) for line in str(finding).splitlines())
    word, message = first[:7], first[7:]
    return [
        click.style(word, fg=colour, bold=colour is not None) + message,
        *(f"         {line.strip()}" for line in rest),
    ]


def _document(found: Audit) -> dict[str, Any]:
    """Return everything as plain values."""
    findings = [
        {
            "check": finding.check,
            "severity": finding.severity,
            "finding": finding.message,
            "remedy": finding.remedy,
            "figures": dict(finding.figures),
        }
        for finding in found.findings
    ]
    reactions = found.reactions
    measured = reactions and {
        "context": reactions.context,
        "lags": reactions.lags.tolist(),
        "by_lag_and_step": reactions.matrix.tolist(),
        "ignored_by_step": reactions.ignored.tolist(),
        "covariates_by_step": {name: steps.tolist() for name, steps in reactions.covariates.items()},
        "known_ahead_by_step": {name: steps.tolist() for name, steps in reactions.ahead.items()},
    }
    return {"serious": found.serious, "findings": findings, "reactions": measured}
