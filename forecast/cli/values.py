"""Values that options take, and the one-line refusals of others."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from typing import Any

import click

from forecast.errors import closest

# Rows that a context, a horizon or a season may have: a model file holds no more.
MOST_ROWS = 1_000_000


class Value(click.ParamType):
    """A value read from text by a function that raises ValueError for what it does not take.

    Args:
        read: Turns text into the value.
        wanted: What is taken, as in ``"a whole number of at least 1"``.
        known: Words among which a mistyped one is looked for.
    """

    name = "value"

    def __init__(self, read: Callable[[str], Any], wanted: str, known: tuple[str, ...] = ()):
        self.read, self.wanted, self.known = read, wanted, known

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the value; one that is not text is a default and stays what it is."""
        if not isinstance(value, str):
            return value
        try:
            return self.read(value)
        except ValueError:
            hint = closest(value.lower(), self.known) if self.known else ""
            self.fail(f"{value!r} is not {self.wanted}.{hint}", param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list:
        """Offer the known words to a shell that completes."""
        from click.shell_completion import CompletionItem

        return [CompletionItem(word) for word in self.known if word.startswith(incomplete)]


def whole(least: int, most: int | None = None) -> Value:
    """A whole number of at least ``least`` and at most ``most``.

    Example:
        >>> whole(1).convert("3", None, None)
        3
    """

    def read(text: str) -> int:
        number = int(text)
        if number < least or (most is not None and number > most):
            raise ValueError
        return number

    span = f"of at least {least}" if most is None else f"from {least} to {most:,}"
    return Value(read, f"a whole number {span}")


def always_or_every() -> Value:
    """``always``, ``never``, or a whole number of at least 1.

    Example:
        >>> always_or_every().convert("3", None, None), always_or_every().convert("never", None, None)
        (3, 'never')
    """

    def read(text: str) -> str | int:
        if text in ("always", "never"):
            return text
        number = int(text)
        if number < 1:
            raise ValueError
        return number

    return Value(read, "always, never, or a whole number of at least 1")


def positive(or_none: bool = False) -> Value:
    """A positive number; ``none`` for None where that is allowed."""

    def read(text: str) -> float | None:
        if or_none and text == "none":
            return None
        number = float(text)
        if not 0 < number < math.inf:
            raise ValueError
        return number

    return Value(read, "a positive number" + (" or none" if or_none else ""))


def seconds() -> Value:
    """A time: ``90``, ``90s``, ``10m`` or ``2h``, in seconds.

    Example:
        >>> seconds().convert("10m", None, None), seconds().convert("1.5", None, None)
        (600.0, 1.5)
    """

    def read(text: str) -> float:
        unit = {"s": 1, "m": 60, "h": 3600}.get(text[-1:].lower())
        number = float(text if unit is None else text[:-1]) * (unit or 1)
        if not 0 < number < math.inf:
            raise ValueError
        return number

    return Value(read, "a time such as 90s, 10m or 2h")


def choices() -> Value:
    """What to choose an argument from: ``units=16,32`` or, for all numbers between two, ``dropout=0..0.3``.

    Example:
        >>> choices().convert("learning-rate=1e-4..1e-2", None, None), choices().convert("skip=true,none", None, None)
        (('learning_rate', (0.0001, 0.01)), ('skip', [True, None]))
    """

    def read(text: str) -> tuple[str, Any]:
        name, sign, values = text.partition("=")
        if not sign or not name.strip() or not values:
            raise ValueError
        low, dots, high = values.partition("..")
        told = (_number(low), _number(high)) if dots else [_plain(v.strip()) for v in values.split(",")]
        return name.strip().replace("-", "_"), told

    return Value(read, "a choice such as units=16,32 or learning_rate=1e-4..1e-2")


def setting() -> Value:
    """One option of an architecture: ``segment=24``.

    Example:
        >>> setting().convert("attention=luong", None, None), setting().convert("dilations=1,7", None, None)
        (('attention', 'luong'), ('dilations', (1, 7)))
    """

    def read(text: str) -> tuple[str, Any]:
        name, sign, value = text.partition("=")
        if not sign or not name.strip() or not value:
            raise ValueError
        several = [_plain(part.strip()) for part in value.split(",")]
        return name.strip().replace("-", "_"), several[0] if len(several) == 1 else tuple(several)

    return Value(read, "an option such as segment=24")


def mapping(ctx: click.Context, param: click.Parameter, pairs: tuple) -> dict[str, Any] | None:
    """Return pairs of name and value as a dict, None if there are none; a name given twice is refused."""
    names = [name for name, _ in pairs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise click.BadParameter(f"{twice} is given twice.", ctx, param)
    return dict(pairs) or None


def numbers() -> Value:
    """Whole numbers of at least 1: ``24,168``; sorted, each once.

    Example:
        >>> numbers().convert("168, 24", None, None)
        (24, 168)
    """

    def read(text: str) -> tuple[int, ...]:
        found = tuple(sorted({int(part) for part in text.split(",")}))
        if found[0] < 1:
            raise ValueError
        return found

    return Value(read, "a list of whole numbers such as 24,168")


def numbers_or_auto() -> Value:
    """As ``numbers``; ``auto`` for True, ``none`` for none."""

    def read(text: str) -> Any:
        words = {"auto": True, "none": ()}
        return words[text] if text in words else numbers().read(text)

    return Value(read, "a list of whole numbers such as 24,168, auto or none")


def words_or_auto() -> Value:
    """As ``names``; ``auto`` for True, ``none`` for False.

    Example:
        >>> words_or_auto().convert("auto", None, None), words_or_auto().convert("weekend", None, None)
        (True, ('weekend',))
    """

    def read(text: str) -> Any:
        words = {"auto": True, "none": False}
        return words[text] if text in words else names().read(text)

    return Value(read, "a list of names, auto or none")


def _number(text: str) -> float:
    return int(text) if text.strip().lstrip("+-").isdigit() else float(text)


def _plain(text: str) -> Any:
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    try:
        return _number(text)
    except ValueError:
        return text


def share() -> Value:
    """A number of at least 0 and below 1."""

    def read(text: str) -> float:
        number = float(text)
        if not 0 <= number < 1:
            raise ValueError
        return number

    return Value(read, "a number of at least 0 and below 1")


def levels() -> Value:
    """Quantiles such as ``0.1,0.9``, sorted; ``none`` for none.

    Example:
        >>> levels().convert("0.9, 0.1", None, None), levels().convert("none", None, None)
        ((0.1, 0.9), ())
    """

    def read(text: str) -> tuple[float, ...]:
        found = () if text == "none" else tuple(sorted(float(part) for part in text.split(",")))
        if not all(0 < level < 1 for level in found) or len(set(found)) < len(found):
            raise ValueError
        return found

    return Value(read, "a list of numbers between 0 and 1 such as 0.1,0.9, or none")


def names() -> Value:
    """One or several column names: ``a,b``; a name with a comma stands in quotation marks.

    Example:
        >>> names().convert('price, "tax, gross"', None, None)
        ('price', 'tax, gross')
    """

    def read(text: str) -> tuple[str, ...]:
        row = next(csv.reader([text], skipinitialspace=True), [])
        found = tuple(part.strip() for part in row)
        if not found or not all(found):
            raise ValueError
        return found

    return Value(read, "a list of column names such as a,b")


def word(*known: str) -> Value:
    """One of the known words, in upper or lower case."""

    def read(text: str) -> str:
        if text.lower() not in known:
            raise ValueError
        return text.lower()

    return Value(read, f"one of {', '.join(known)}", known)
