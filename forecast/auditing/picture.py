"""Which steps react to which lags, drawn with characters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forecast.auditing.reactions import Reactions

WIDEST, HIGHEST = 64, 16
# No reaction, then stronger and stronger ones; the strongest of all has the last.
SHADES = "·░▒▓█"


def picture_lines(reactions: Reactions) -> list[str]:
    """Draw the reactions: a line a step, the oldest row seen at the left, the newest at the right.

    Long contexts and horizons are drawn coarser, the strongest reaction of a cell counting; the newest
    observation, the first and the last step keep a cell of their own.

    Example:
        >>> none = np.zeros(2)
        >>> matrix = np.array([[0.0, 1.0], [0.5, 0.1], [0.01, 0.0]])
        >>> found = Reactions(3, np.arange(1, 4), matrix, np.array([1, 0]), {"promo": none}, {}, ())
        >>> print("\\n".join(picture_lines(found)))
        Reactions of forecast steps (lines) to observations (oldest left, newest right); · none, ░▒▓█ stronger
                lag 3 to 1
        step 1  ░█·
        step 2  ·▓█
        columns, by step 1 to 2
        promo   ··
    """
    lags, steps = _cells(len(reactions.lags), WIDEST), _cells(reactions.steps, HIGHEST)
    matrix = _coarse(_coarse(reactions.matrix, lags).T, steps)[:, ::-1]
    names = [f"step {_span(cell)}" for cell in steps]
    width = max(map(len, [*names, *reactions.covariates]))
    shades = _shades(matrix)
    lines = [
        "Reactions of forecast steps (lines) to observations (oldest left, newest right); · none, ░▒▓█ stronger",
        f"{'':{width}}  lag {reactions.lags[-1]} to {reactions.lags[0]}",
    ]
    lines += [f"{name:{width}}  {row}" for name, row in zip(names, shades, strict=True)]
    if reactions.covariates:
        across = _cells(reactions.steps, WIDEST)
        values = np.stack([_coarse(steps[:, None], across)[:, 0] for steps in reactions.covariates.values()])
        lines.append(f"columns, by step 1 to {reactions.steps}")
        lines += [
            f"{name:{width}}  {row}" for name, row in zip(reactions.covariates, _shades(values), strict=True)
        ]
    return lines


def _cells(count: int, most: int) -> list[NDArray[np.int64]]:
    """Divide 0 … count - 1 into at most ``most`` runs; the first and the last one hold one place each."""
    places = np.arange(count)
    if count <= most:
        return [places[k : k + 1] for k in range(count)]
    return [places[:1], *np.array_split(places[1:-1], most - 2), places[-1:]]


def _coarse(values: NDArray[np.float64], cells: list[NDArray[np.int64]]) -> NDArray[np.float64]:
    """Take the largest value of each run on the first axis."""
    return np.stack([values[cell].max(axis=0) for cell in cells])


def _shades(values: NDArray[np.float64]) -> list[str]:
    """Shade values by their size against the largest, a factor of four between shades."""
    most = values.max(initial=0.0)
    with np.errstate(divide="ignore"):
        below = np.floor(np.log(np.where(values > 0, values, 1.0) / (most or 1.0)) / np.log(0.25))
    shade = np.where(values > 0, np.clip(len(SHADES) - 1 - below, 1, len(SHADES) - 1), 0).astype(int)
    return ["".join(SHADES[k] for k in row) for row in shade]


def _span(cell: NDArray[np.int64]) -> str:
    return f"{cell[0] + 1}" if len(cell) == 1 else f"{cell[0] + 1}-{cell[-1] + 1}"
