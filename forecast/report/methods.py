"""Which methods a picture shows, and how each of them is drawn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from forecast.errors import ParameterError, TableError, closest
from forecast.report.plots import BASELINE_COLOURS, BLUE, INK, legend_entries, line_style, plain

# The first method stands out; more than these cannot be told apart.
COLOURS = (BLUE, *BASELINE_COLOURS)


def methods_in(table: pd.DataFrame, column: str) -> list[str]:
    """Return the names in a column of methods, in the order of their first rows.

    Raises:
        TableError: There are no rows.

    Example:
        >>> methods_in(pd.DataFrame({"who": ["gru", "naive", "gru"]}), "who")
        ['gru', 'naive']
    """
    if table.empty:
        raise TableError("The table has no rows; there is nothing to draw.")
    return list(dict.fromkeys(table[column].astype(str)))


def choose_methods(known: Sequence[str], wanted: Iterable[str] | None) -> tuple[list[str], str]:
    """Return the methods to draw, and a note if some are left out.

    Args:
        known: Names to choose from.
        wanted: Names in the order asked for; None means all.

    Raises:
        ParameterError: A name is unknown, or there is none.

    Example:
        >>> choose_methods(["a", "b", "c", "d", "e", "f"], None)
        (['a', 'b', 'c', 'd', 'e'], '5 of 6 methods')
    """
    chosen = list(known) if wanted is None else list(wanted)
    for name in chosen:
        if name not in known:
            hint = closest(name, list(known)) or f" There are {', '.join(known) or 'none'}."
            raise ParameterError(f"There is no method {name!r}.{hint}")
    if not chosen:
        raise ParameterError("There is no method to draw: every column has another role.")
    most = len(COLOURS)
    return chosen[:most], f"{most} of {len(chosen)} methods" if len(chosen) > most else ""


def method_style(number: int, y: np.ndarray) -> dict[str, Any]:
    """Return how the line of a method is drawn: the first prominent, the others thin and dashed."""
    style = line_style(y, 2.0 if number == 0 else 1.3) | {"color": COLOURS[number]}
    return style if number == 0 else style | {"linestyle": "--"}


def add_legend(figure: Any, axes: Sequence[Any], most: int = 6) -> None:
    """Put one legend for all axes below them: in one row of at most ``most`` names, or in even rows."""
    handles, labels = legend_entries(axes)
    rows = -(-len(labels) // most)
    look: dict[str, Any] = {"frameon": False, "fontsize": 10, "labelcolor": INK}
    legend = figure.legend(handles, labels, loc="outside lower center", ncols=-(-len(labels) // rows), **look)
    plain(legend)


def legend_label(name: str) -> str:
    """Return a name that matplotlib puts into a legend: it leaves out those that begin with an underscore."""
    return name.lstrip("_") or "method"


def titled(*parts: str) -> str:
    """Join the parts of a heading that say something."""
    return " · ".join(part for part in parts if part)
