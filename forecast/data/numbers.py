"""Cells to float64, with the first cell that is no number."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

MISSING = frozenset({"", "na", "n/a", "nan", "-nan", "null", "none", "-", "?", "."})
_SAMPLE = 1_000
MINUS = "\u2212"
_GROUPS = " '\u2019\u00a0\u202f\u2009"
_NOT_PLAIN = re.compile(r"[^0-9eE+.\-\nan]")
_PLAIN = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_GROUPED = {
    decimal: re.compile(
        rf"([+-]?)([0-9]{{1,3}}(?:([{other}{_GROUPS}])[0-9]{{3}})(?:\3[0-9]{{3}})*)(?:[{decimal}]([0-9]*))?"
    )
    for decimal, other in (".,", ",.")
}
_INFINITE = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)
_BOOLEANS = {"true": 1.0, "false": 0.0}


@dataclass(frozen=True)
class Numbers:
    """A column read as numbers.

    Args:
        values: float64, NaN where a cell is missing or no number.
        kind: ``"number"`` (every cell is a number or missing), ``"boolean"``, ``"empty"`` (all missing),
            ``"mostly"`` (half of the cells or more are numbers) or ``"text"`` (fewer, or fewer than one in
            twenty of the first thousand).
        bad: First row that is neither missing nor a finite number; None when there is none.
        whole: Whether every number is an integer.
        grouped: First row whose thousands separator was read away; None when there is none.
    """

    values: np.ndarray
    kind: str
    bad: int | None = None
    whole: bool = False
    grouped: int | None = None


def parse_numbers(column: np.ndarray | pd.DatetimeIndex, decimal: str = ".") -> Numbers:
    """Read a column as numbers.

    Thousands separators (``1,234.5``; ``1.234,5`` with a decimal comma; spaces; ``1'234``) and the
    Unicode minus are understood. Empty cells and, in any case, ``NA``, ``N/A``, ``NaN``, ``null``,
    ``None``, ``-``, ``?`` and ``.`` are missing. Infinite and overflowing numbers count as numbers but are
    reported as bad; percentages, currencies and hexadecimal are no numbers.

    Args:
        column: Text as objects, or an array of numbers, booleans or timestamps.
        decimal: Decimal mark, ``"."`` or ``","``.

    Example:
        >>> import numpy as np
        >>> parse_numbers(np.array(["1,234.5", "", "-2"], dtype=object)).values
        array([1234.5,    nan,   -2. ])
    """
    kind = column.dtype.kind if isinstance(column, np.ndarray) else "M"
    if kind in "iu":
        return Numbers(np.asarray(column).astype(np.float64), "number", whole=True)
    if kind == "f":
        return _from_floats(np.asarray(column, dtype=np.float64))
    if kind == "b":
        return Numbers(np.asarray(column).astype(np.float64), "boolean", whole=True)
    if kind == "M":
        return Numbers(np.full(len(column), np.nan), "text", bad=0 if len(column) else None)
    return _from_text(column.tolist(), decimal)


def why_no_number(cell: object, decimal: str = ".") -> str:
    """Say why a cell was refused as a number.

    Example:
        >>> why_no_number("5%")
        "'5%' is not a number: write it without '%'"
    """
    text = str(cell).strip()
    said = f"{show(cell)} is not a number"
    if isinstance(cell, float) or _INFINITE.fullmatch(text) or read_number(text, decimal) is not None:
        return f"{show(cell)} is not a finite number"
    if text.lower() in _BOOLEANS:
        return f"{show(cell)} is a truth value, not a number"
    if len(text) > 1 and not text[-1].isalnum() and read_number(text[:-1], decimal) is not None:
        return f"{said}: write it without {show(text[-1])}"
    if len(text) > 1 and not text[0].isalnum() and read_number(text[1:], decimal) is not None:
        return f"{said}: write it without {show(text[0])}"
    other = "," if decimal == "." else "."
    if read_number(text, other) is not None:
        return f"{said} with the decimal mark {decimal!r}; if the mark is {other!r}, pass --decimal {other!r}"
    return said


def read_number(cell: str, decimal: str = ".") -> float | None:
    """Read one cell; None when it is no number. The result may be infinite.

    Example:
        >>> read_number("1.234,5", ","), read_number("0x10")
        (1234.5, None)
    """
    return _read(cell, decimal)[0]


def is_missing(cell: str) -> bool:
    """Tell whether a cell of a numeric column stands for a missing number."""
    return cell.strip().lower() in MISSING


def show(cell: object, most: int = 40) -> str:
    """Show a value in a message: quoted, on one line, shortened.

    Example:
        >>> show("a\\nb")
        "'a\\\\nb'"
    """
    text = str(cell)
    return repr(text if len(text) <= most else text[: most - 1] + "…")


def _read(cell: str, decimal: str) -> tuple[float | None, bool]:
    """Read one cell, and tell whether a thousands separator had to be taken out."""
    text = cell.strip().replace(MINUS, "-")
    plain = text if decimal == "." else "no" if "." in text else text.replace(",", ".")
    if _PLAIN.fullmatch(plain):
        return float(plain), False
    plain = _ungroup(text, decimal)
    return (float(plain), True) if _PLAIN.fullmatch(plain) else (None, False)


def _ungroup(text: str, decimal: str) -> str:
    """Take the thousands separators out of ``1,234,567.8``; anything else comes back unreadable."""
    found = _GROUPED[decimal].fullmatch(text)
    if found is None:
        return "no"
    sign, digits, separator, fraction = found.groups()
    return sign + digits.replace(separator, "") + "." + (fraction or "0")


def _from_floats(values: np.ndarray) -> Numbers:
    finite = np.isfinite(values)
    bad = ~finite & ~np.isnan(values)
    kind = "number" if not np.isnan(values).all() else "empty"
    whole = bool((values[finite] == np.floor(values[finite])).all())
    return Numbers(values, kind, _first(bad), whole)


def _from_text(cells: list[str], decimal: str) -> Numbers:
    quick = _all_plain(cells, decimal)
    if quick is not None:
        return _from_floats(quick)
    first = _first_if_prose(cells, decimal)
    if first is not None:
        return Numbers(np.full(len(cells), np.nan), "text", first)
    memo = {cell: _classify(cell, decimal) for cell in dict.fromkeys(cells)}
    read = [memo[cell] for cell in cells]
    values = np.array([value for _, value in read], dtype=np.float64)
    classes = np.array([label for label, _ in read], dtype="U1")
    present = int((classes != "m").sum())
    if present == 0:
        return Numbers(values, "empty")
    if (classes == "b").sum() == present:
        return Numbers(values, "boolean", whole=True)
    good = np.isin(classes, ("n", "g", "i"))
    bad = ~good & (classes != "m")
    kind = "number" if not bad.any() else "mostly" if 2 * good.sum() >= present else "text"
    finite = values[np.isfinite(values)]
    whole = kind == "number" and bool((finite == np.floor(finite)).all())
    return Numbers(values, kind, _first(bad | (classes == "i")), whole, _first(classes == "g"))


def _first_if_prose(cells: list[str], decimal: str) -> int | None:
    """Return the first row of text when hardly any of the first cells is a number: the rest need no look."""
    labels = [_classify(cell, decimal)[0] for cell in cells[:_SAMPLE]]
    present = [label for label in labels if label != "m"]
    if not present or 20 * sum(label != "t" for label in present) > len(present):
        return None
    return labels.index("t")


def _all_plain(cells: list[str], decimal: str) -> np.ndarray | None:
    """Convert at once a column of ordinary numbers; None when any cell needs a closer look."""
    marked = ["nan" if cell in ("", "NA", "NaN") else cell for cell in cells]
    joined = "\n".join(marked)
    if decimal == ",":
        if "." in joined:
            return None
        joined = joined.replace(",", ".")
        marked = joined.split("\n")
    # Only these characters: then float() cannot meet "inf", "1_000" or digits of other scripts.
    if len(marked) != len(cells) or _NOT_PLAIN.search(joined):
        return None
    try:
        return np.array(marked, dtype=object).astype(np.float64)
    except ValueError:
        return None


def _classify(cell: str, decimal: str) -> tuple[str, float]:
    """Label a cell missing, boolean, number, grouped number, infinite or text."""
    text = cell.strip()
    if text.lower() in MISSING:
        return "m", np.nan
    if text.lower() in _BOOLEANS:
        return "b", _BOOLEANS[text.lower()]
    value, grouped = _read(text, decimal)
    if value is None:
        return ("i" if _INFINITE.fullmatch(text) else "t"), np.nan
    if not np.isfinite(value):
        return "i", value
    return ("g" if grouped else "n"), value


def _first(mask: np.ndarray) -> int | None:
    return int(np.argmax(mask)) if mask.any() else None
