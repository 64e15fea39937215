"""The header row: is it one, what are the columns called, which of them are only a trailing delimiter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from forecast.data.date_text import are_dates
from forecast.data.escaping import unescape
from forecast.data.numbers import is_missing, read_number, show
from forecast.data.sheet import Choice, Sheet
from forecast.errors import TableError

MOST_COLUMNS = 100_000
UNNAMED = "\0unnamed "  # no column of a file can bear such a name: NUL characters are refused


def check_header(name: str, line: int, rows: list[list[str]], decimal: str) -> None:
    """Refuse a first row that holds data although it should hold names.

    It holds data when all its cells are numbers or dates (save the counting names ``0, 1, 2 …``), when a
    date or a decimal number stands over another one, or when a word repeats itself in the row below.

    Args:
        name: What messages call the file.
        line: Line of the first row.
        rows: The first rows; the first of them should hold names.
        decimal: Decimal mark.
    """
    cells = [cell.strip() for cell in rows[0]]
    sign = _sign_of_data(cells, rows[1] if len(rows) > 1 else [], decimal)
    filled = [cell for cell in cells if cell]
    counting = filled == [str(i) for i in range(len(filled))]
    numbers = np.array([read_number(cell, decimal) is not None for cell in filled], dtype=bool)
    if (numbers | are_dates(filled)).all() and not counting:
        sign = filled[0]
    if sign is not None:
        raise TableError(
            f"{name}, line {line}: the first row looks like data ({show(sign)}); write column names above "
            "it, or pass --no-header (header=False)."
        )


def _sign_of_data(cells: list[str], below: list[str], decimal: str) -> str | None:
    """Return the cell of the first row that gives it away, if any."""
    pairs = list(zip(cells, (cell.strip() for cell in below), strict=False))
    dated = are_dates([cell for cell, _ in pairs]) & are_dates([under for _, under in pairs])
    for (cell, under), dates in zip(pairs, dated, strict=True):
        number, other = read_number(cell, decimal), read_number(under, decimal)
        if dates:
            return cell
        if number is not None and other is not None and decimal in cell:
            return cell
        if cell and cell == under and number is None and not is_missing(cell):
            return cell
    return None


def column_names(
    name: str, line: int, header: list[str] | None, width: int
) -> tuple[list[str], tuple[Choice, ...]]:
    """Return the column names: of the header without surrounding spaces, or ``column_1 …`` without one.

    Raises:
        TableError: Two columns bear one name.
    """
    if width > MOST_COLUMNS:
        raise TableError(f"{name}: {width:,} columns; at most {MOST_COLUMNS:,} are read.")
    if header is None:
        return [f"column_{i + 1}" for i in range(width)], ()
    names = [unescape(cell.strip()) for cell in header]
    names = [cell if cell else f"{UNNAMED}{i + 1}" for i, cell in enumerate(names)]
    seen: dict[str, int] = {}
    for i, cell in enumerate(names):
        if cell in seen:
            raise TableError(
                f"{name}, line {line}: columns {seen[cell] + 1} and {i + 1} are both called {show(cell)}."
            )
        seen[cell] = i
    spaced = [cell.strip() for cell in header if cell != cell.strip() and cell.strip()]
    if not spaced:
        return names, ()
    return names, (
        Choice("header", f"spaces around {', '.join(show(cell) for cell in spaced[:5])} removed", ""),
    )


def drop_unnamed(sheet: Sheet) -> Sheet:
    """Settle columns without a name: empty ones and row numbers go, a first column gets a name.

    Raises:
        TableError: A later column holds values under an empty header cell.
    """
    columns, choices = {}, []
    for position, (name, values) in enumerate(sheet.columns.items()):
        if not name.startswith(UNNAMED):
            columns[name] = values
        elif _is_blank(values):
            continue
        elif position == 0 and _counts_rows(values):
            choices.append(Choice("column 1", "ignored", "", "it has no name and numbers the rows"))
        elif position == 0 and "index" not in sheet.columns:
            columns["index"] = values
            choices.append(Choice("column 1", "named 'index'", "", "its header cell is empty"))
        else:
            raise TableError(
                f"{sheet.source}: column {position + 1} has values but no name; name it in the header."
            )
    if not columns:
        raise TableError(f"{sheet.source}: no column has a name and values.")
    return replace(sheet, columns=columns).with_choices(*choices)


def _is_blank(values: object) -> bool:
    array = np.asarray(values)
    if array.dtype.kind == "f":
        return bool(np.isnan(array).all())
    return not any(cell.strip() for cell in array.tolist())


def _counts_rows(values: object) -> bool:
    cells = np.asarray(values).tolist()
    return cells in ([str(i) for i in range(len(cells))], [str(i + 1) for i in range(len(cells))])
