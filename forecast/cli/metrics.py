"""``forecast metrics``: how each accuracy measure is defined."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from forecast.cli.options import json_option
from forecast.cli.sections import Verb

if TYPE_CHECKING:
    from forecast.evaluation.cards import Card

WIDEST = 100
LABEL = 11


@click.command(cls=Verb, short_help="Explain the accuracy measures: formula, unit, range, edge cases.")
@click.argument("names", metavar="[NAME ...]", nargs=-1)
@json_option
def metrics(names: tuple[str, ...], as_json: bool) -> None:
    """Print the definition card of each metric NAME, or of all: formula, unit, range, which direction is better,
    what a missing value, a zero and a constant history do, how other libraries differ, and the source."""
    from dataclasses import asdict

    from forecast.cli.tables import print_json
    from forecast.evaluation.cards import CONTRACT, cards

    found = cards(names)
    if as_json:
        print_json({"contract": CONTRACT, "metrics": [asdict(card) for card in found]})
        return
    width = _width()
    for paragraph in CONTRACT:
        click.echo("\n".join(_wrapped(paragraph, width)))
    for card in found:
        click.echo("\n" + click.style(card.name, bold=True))
        click.echo("\n".join(_lines(card, width)))


def _lines(card: Card, width: int) -> list[str]:
    """Lay a card out: its definition, then one labelled paragraph a property."""
    lines = _wrapped(card.definition, width, "  ")
    for label, text in (
        ("unit", card.unit),
        ("range", f"{card.range}; {card.better}"),
        ("missing", card.missing),
        ("zeros", card.zeros),
        ("constant", card.constant),
        ("agrees", card.agrees),
        ("differs", card.differs),
        ("source", card.source),
    ):
        lines += _wrapped(f"{label:<{LABEL}}{text}", width, "  ", " " * (LABEL + 2))
    return lines


def _wrapped(text: str, width: int, first: str = "", rest: str | None = None) -> list[str]:
    from textwrap import wrap

    return wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=first if rest is None else rest,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _width() -> int:
    """Columns of the terminal, within reason."""
    from shutil import get_terminal_size

    return max(min(get_terminal_size().columns, WIDEST), 40)
