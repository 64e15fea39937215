"""Small turns of phrase that findings share."""

from __future__ import annotations

from collections.abc import Iterable


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun.

    Example:
        >>> counted(1, "window"), counted(2_000, "window"), counted(2, "series", "series")
        ('1 window', '2,000 windows', '2 series')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def columns_named(names: Iterable[object], most: int = 5) -> str:
    """List names in quotes, at most ``most`` of them.

    Example:
        >>> columns_named(["a", "b"]), columns_named(range(7))
        ("'a', 'b'", '0, 1, 2, 3, 4 and 2 more')
    """
    named = [repr(name) for name in names]
    more = f" and {len(named) - most:,} more" if len(named) > most else ""
    return ", ".join(named[:most]) + more


def sentence(text: str) -> str:
    """Begin with a capital.

    Example:
        >>> sentence("the network sees it.")
        'The network sees it.'
    """
    return text[:1].upper() + text[1:]


def percent(share: float) -> str:
    """Write a share as a percentage with one digit at most.

    Example:
        >>> percent(0.805), percent(0.8)
        ('80.5 %', '80 %')
    """
    return f"{round(100 * share, 1):g} %"
