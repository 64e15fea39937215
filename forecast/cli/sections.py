"""A command whose help lists its options by section."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click


class Option(click.Option):
    """An option that belongs to a section of the help."""

    def __init__(self, *arguments: Any, section: str = "Help", **keywords: Any):
        super().__init__(*arguments, **keywords)
        self.section = section


class Verb(click.Command):
    """A command whose help lists its options by section, in the order they were declared."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one list a section."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                sections.setdefault(getattr(parameter, "section", "Help"), []).append(record)
        sections["Help"] = sections.pop("Help", [])
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)


def section(title: str, *declared: tuple[tuple[str, ...], dict[str, Any]]) -> Callable[..., Any]:
    """Make one decorator of several options that stand under a title in the help.

    Args:
        title: The title.
        declared: From ``option``.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for flags, keywords in reversed(declared):
            function = click.option(*flags, cls=Option, section=title, **keywords)(function)
        return function

    return decorate


def option(*flags: str, help: str, **keywords: Any) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Declare an option; its default is shown if it has one, and the words it takes stand in its place."""
    shown = keywords.get("default") is not None and not isinstance(keywords["default"], bool)
    words = getattr(keywords.get("type"), "known", ())
    return flags, {"help": help, "show_default": shown} | (
        {"metavar": "|".join(words)} if words else {}
    ) | keywords
