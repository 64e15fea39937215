"""What separates cells and what marks decimals, guessed from the first rows of a text file."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass

from forecast.data.numbers import MINUS, show
from forecast.data.sheet import Choice
from forecast.errors import TableError

CANDIDATES = (",", ";", "\t", "|")
_NAMES = {"\t": "tab", " ": "space"}
_WITH_COMMA = re.compile(
    r"[+-]?(?:[0-9]{1,3}(?:[. '\u00a0\u202f][0-9]{3})+|[0-9]+),[0-9]+(?:[eE][+-]?[0-9]+)?"
)
_WITH_POINT = re.compile(
    r"[+-]?(?:[0-9]{1,3}(?:[, '\u00a0\u202f][0-9]{3})+|[0-9]+)\.[0-9]+(?:[eE][+-]?[0-9]+)?"
)
_GROUP_COMMA = re.compile(r"[+-]?[1-9][0-9]{0,2}(?:,[0-9]{3})+")
_GROUP_POINT = re.compile(r"[+-]?[1-9][0-9]{0,2}(?:\.[0-9]{3})+")


@dataclass(frozen=True)
class Dialect:
    """How a text file is written.

    Args:
        delimiter: The character between cells.
        decimal: ``"."`` or ``","``.
        spaced: Whether a space follows every delimiter.
        choices: What was guessed and is not the commonest case.
    """

    delimiter: str
    decimal: str
    spaced: bool = False
    choices: tuple[Choice, ...] = ()


def sniff(name: str, lines: list[str], delimiter: str | None, decimal: str | None) -> Dialect:
    """Work out delimiter and decimal mark from the first lines of a file.

    A decimal comma is assumed when some number can only be read so and none only with a point; numbers
    such as ``1,234`` that fit both count as decimals in files separated by semicolons or tabs, and
    as thousands elsewhere.

    Args:
        name: What messages call the file.
        lines: The first lines, with at least one that is not blank.
        delimiter: What the user said, or None.
        decimal: What the user said, or None.

    Example:
        >>> found = sniff("a.csv", ["day;y", "01.02.2024;1,5"], None, None)
        >>> found.delimiter, found.decimal
        (';', ',')
    """
    asked = None if delimiter is None else check_delimiter(name, delimiter)
    if decimal not in (None, ".", ","):
        raise TableError(f"{name}: the decimal mark is '.' or ',', not {show(decimal)}; see --decimal.")
    found = asked if asked is not None else _delimiter(lines) or ","
    if asked is not None:
        _check_present(name, lines, asked)
    rows = _split(lines, found)
    header = rows[0] if rows else []
    spaced = found != " " and len(header) > 1 and all(cell[:1] == " " for cell in header[1:])
    mark, why = (decimal, "") if decimal is not None else _decimal(rows, found)
    choices = []
    if spaced or (asked is None and found != ","):
        choices.append(Choice("delimiter", label(found) + " and a space" * spaced, "--delimiter"))
    if decimal is None and mark == ",":
        choices.append(Choice("decimal mark", repr(mark), "--decimal", why))
    return Dialect(found, mark, spaced, tuple(choices))


def check_delimiter(name: str, delimiter: str) -> str:
    """Return the delimiter as one character; ``"tab"`` and a written-out ``\\t`` mean the tab."""
    found = {"tab": "\t", "\\t": "\t", "space": " "}.get(str(delimiter).lower(), str(delimiter))
    if len(found) != 1 or found in '\r\n"\0' or found.isalnum():
        raise TableError(
            f"{name}: --delimiter must be one character and no letter, digit, quotation mark or line end, "
            f"not {show(delimiter)}."
        )
    return found


def label(delimiter: str) -> str:
    """Return a readable name of a delimiter."""
    return _NAMES.get(delimiter, repr(delimiter))


def _split(lines: list[str], delimiter: str) -> list[list[str]]:
    """Split sample lines loosely; the strict reading comes later."""
    try:
        return [row for row in csv.reader(lines, delimiter=delimiter) if any(cell.strip() for cell in row)]
    except csv.Error:
        return []


def _delimiter(lines: list[str]) -> str | None:
    """Return the candidate that splits the header and agrees best over the rows; None when none does."""
    best, best_score = None, (0.0, 0)
    for candidate in CANDIDATES:
        rows = _split(lines, candidate)
        width = len(rows[0]) if rows else 0
        if width > 1:
            score = (sum(len(row) == width for row in rows) / len(rows), width)
            if score > best_score:
                best, best_score = candidate, score
    return best


def _check_present(name: str, lines: list[str], asked: str) -> None:
    """Refuse a delimiter that never occurs while another one plainly separates the cells."""
    if any(asked in line for line in lines):
        return
    other = _delimiter(lines)
    if other is not None:
        raise TableError(
            f"{name}: the first rows hold no {label(asked)}; cells look separated by {label(other)}. "
            f"Pass --delimiter {label(other)}."
        )


def _decimal(rows: list[list[str]], delimiter: str) -> tuple[str, str]:
    cells = [cell.strip().replace(MINUS, "-") for row in rows for cell in row]
    commas = [cell for cell in cells if "," in cell and _WITH_COMMA.fullmatch(cell)]
    points = [cell for cell in cells if "." in cell and _WITH_POINT.fullmatch(cell)]
    sure_comma = [cell for cell in commas if not _GROUP_COMMA.fullmatch(cell)]
    sure_point = [cell for cell in points if not _GROUP_POINT.fullmatch(cell)]
    if sure_comma and not sure_point:
        return ",", f"of numbers such as {show(sure_comma[0])}"
    if commas and not points and delimiter in ";\t":
        return ",", f"{show(commas[0])} is read as a decimal number"
    return ".", ""
