"""Where the finished parts of a long command are kept, so that it can go on after an interruption."""

from __future__ import annotations

from pathlib import Path

import click

from forecast.cli.sections import option, section

folder_option = section(
    "Output",
    option(
        "--folder", metavar="DIR", help="Keep finished fits there; they are removed at the end if not given."
    ),
)


def tell_parts(parts: Path) -> None:
    """Say how much of an interrupted command is kept."""
    kept = len(list(parts.glob("*.npz")))
    if kept:
        click.echo(
            f"{kept} finished fits are kept in {parts}; the same command goes on from there.", err=True
        )
