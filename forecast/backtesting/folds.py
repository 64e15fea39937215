"""Where a backtest cuts: windows of the past, each with the last row that may be seen before it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from forecast.data.panel import Panel
from forecast.data.windows import check_positive
from forecast.errors import InputError, ParameterError

ALIGN = ("time", "end")
Refit = str | int | Callable[[int, object], bool]


@dataclass(frozen=True, eq=False)
class Fold:
    """One window of a backtest.

    Args:
        number: From 0, in time order.
        cuts: Absolute row per series of the panel; rows from there on are unseen.
        cutoffs: Time of that row per series: the first time that is unseen.
    """

    number: int
    cuts: np.ndarray
    cutoffs: pd.Index

    @property
    def label(self) -> str:
        """The cutoff, or the first and last one where series have their own."""
        first, last = self.cutoffs.min(), self.cutoffs.max()
        return str(first) if first == last else f"{first} to {last}"


@dataclass(frozen=True)
class Plan:
    """What is fitted where.

    Args:
        fit: Number of the fold that is fitted for; None takes the estimator as it is.
        predict: Numbers of the folds forecast with that fit.
    """

    fit: int | None
    predict: tuple[int, ...]


def make_folds(
    panel: Panel, horizon: int, windows: int, step: int, *, gap: int = 0, align: str = "time"
) -> tuple[Fold, ...]:
    """Place windows at the end of a panel, ``step`` rows apart, the last one ending with the last target.

    Args:
        panel: The whole table.
        horizon: Rows of a window.
        windows: Number of windows.
        step: Rows from one window to the next.
        gap: Unseen rows between a cutoff and its window.
        align: ``"time"``: all series are cut at the same time; ``"end"``: each as many rows before its own end.

    Returns:
        Folds in time order.

    Raises:
        InputError: The first cutoff leaves no row to learn from.

    Example:
        >>> from forecast.data.gridding import to_panel
        >>> from forecast.data.table import read_table
        >>> panel = to_panel(read_table({"t": range(10), "y": range(10)}, time="t", target=("y",)))
        >>> [fold.label for fold in make_folds(panel, horizon=2, windows=3, step=2)]
        ['4', '6', '8']
    """
    check_positive(horizon=horizon, windows=windows, step=step)
    check_positive(gap=gap + 1)
    if align not in ALIGN:
        raise ParameterError(f"align must be one of {', '.join(ALIGN)}; got {align!r}.")
    back = horizon + gap + step * np.arange(windows - 1, -1, -1)
    place = _by_time if align == "time" else _by_end
    folds = tuple(place(panel, number, int(rows)) for number, rows in enumerate(back))
    if not (folds[0].cuts > panel.offsets[:-1]).any():
        longest = int((panel.ends - panel.offsets[:-1]).max())
        raise InputError(
            f"{windows} windows of horizon {horizon}, {step} rows apart with a gap of {gap}, need more than "
            f"{back[0]} rows; the longest series has {longest}. Lower --windows, --horizon or --stride."
        )
    return folds


def make_plans(refit: Refit, folds: tuple[Fold, ...], *, fitted: bool = False) -> tuple[Plan, ...]:
    """Decide for which folds to fit, and which fit forecasts which folds.

    Args:
        refit: ``"always"``, ``"never"``, a number k (the first and every k-th after it), or a function of window
            number and cutoff that says whether to fit; the first window is always fitted for.
        folds: In time order.
        fitted: Whether the estimator is fitted already, which ``"never"`` then leaves it.

    Raises:
        ParameterError: ``refit`` is none of those.

    Example:
        >>> folds = tuple(Fold(k, np.array([k]), pd.Index([k])) for k in range(5))
        >>> [plan.predict for plan in make_plans(2, folds)]
        [(0, 1), (2, 3), (4,)]
    """
    numbers = tuple(fold.number for fold in folds)
    if refit == "never":
        return (Plan(None if fitted else 0, numbers),)
    if refit == "always":
        return tuple(Plan(k, (k,)) for k in numbers)
    if callable(refit):
        wanted = [k == 0 or bool(refit(k, folds[k].cutoffs.max())) for k in numbers]
    elif isinstance(refit, (int, np.integer)) and not isinstance(refit, bool) and refit >= 1:
        wanted = [k % refit == 0 for k in numbers]
    else:
        raise ParameterError(
            f"refit must be 'always', 'never', a whole number of at least 1, or a function; got {refit!r}."
        )
    begins = [k for k in numbers if wanted[k]]
    return tuple(Plan(a, numbers[a:b]) for a, b in zip(begins, [*begins[1:], len(numbers)], strict=True))


def check_unseen(fold: Fold, panel: Panel, trained: Panel, name: str) -> None:
    """Refuse a fold that begins before an estimator's training ended.

    Args:
        fold: The earliest one.
        panel: The table of the backtest.
        trained: What the estimator was trained on, or its last rows.
        name: Of the method.

    Raises:
        InputError: It names the dates.
    """
    ends = trained.times_at(trained.ends)
    if panel.columns.time is not None and panel.step.kind != "integer":
        begin, end = fold.cutoffs.min(), ends.max()
    else:
        place = dict(zip(trained.ids, ends, strict=True))
        pairs = [(c, place[key]) for key, c in zip(panel.ids, fold.cutoffs, strict=True) if key in place]
        begin, end = min(pairs, key=lambda pair: pair[0] - pair[1], default=(0, 0))
    if begin < end:
        last = trained.step.shift(end, -1)
        raise InputError(
            f"Window {fold.number + 1} begins at {begin}, but the fitted {name!r} was trained up to {last}: it has "
            f"seen what it would be judged by. Give rows after {last}, fewer windows, or refit='always'."
        )


def _by_time(panel: Panel, number: int, back: int) -> Fold:
    cutoff = panel.step.shift(panel.times_at(panel.ends).max(), -back)
    cuts = panel.offsets[:-1] + panel.rows_before(cutoff)
    return Fold(number, cuts, pd.Index([cutoff]).repeat(len(panel)))


def _by_end(panel: Panel, number: int, back: int) -> Fold:
    cuts = np.maximum(panel.ends - back, panel.offsets[:-1])
    return Fold(number, cuts, panel.times_at(cuts))
