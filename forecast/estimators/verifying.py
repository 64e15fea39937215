"""What a model file says of itself must fit together before anything is built from it.

Every function raises ValueError; the reader turns that into one message about a damaged file.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from forecast.data.panel import Panel
from forecast.estimators.setting import Setting
from forecast.models import Shapes

LARGEST = 1_000_000
MOST_LEVELS = 1_000


def check_numbers(numbers: dict[str, np.ndarray], series: int, columns: int, targets: int) -> None:
    """Check kind and shape of the history's arrays.

    Args:
        numbers: ``history, offsets, present, starts, scales``.
        series: Number of ids.
        columns: Number of numeric columns.
        targets: Number of target columns.
    """
    history, offsets = numbers["history"], numbers["offsets"]
    wanted = {
        "history": ("f", (len(history), columns)),
        "offsets": ("i", (series + 1,)),
        "present": ("b", (len(history),)),
        "starts": ("i", (series,)),
        "scales": ("f", (series, targets)),
    }
    for name, (kind, shape) in wanted.items():
        _demand(numbers[name].dtype.kind == kind and numbers[name].shape == shape)
    _demand(offsets[0] == 0 and offsets[-1] == len(history) and bool((np.diff(offsets) > 0).all()))
    scales = numbers["scales"]
    _demand(bool((np.isfinite(scales) & (scales > 0)).all()))


def check_shift(shift: np.ndarray, counts: np.ndarray, horizon: int, targets: int, levels: int) -> None:
    """Check a calibration's shape: ``(horizon, targets, levels)``."""
    shape = (horizon, targets, levels)
    _demand(shift.dtype.kind == "f" and shift.shape == shape)
    _demand(counts.dtype.kind == "i" and counts.shape == shape)


def check_setting(setting: Setting) -> None:
    """Check that sizes are whole numbers of a sensible size."""
    for name in ("horizon", "context", "season"):
        _whole(getattr(setting, name), 1)
    for name in ("holdout", "validation"):
        _whole(getattr(setting, name), 0)


def check_shapes(shapes: Shapes, setting: Setting, history: Panel) -> None:
    """Check that a network's sizes are those of the setting and of the columns."""
    columns = history.columns
    for name in ("static", "known_future", "past_only", "targets"):
        _whole(getattr(shapes, name), 0)
    told = (shapes.targets, shapes.known_future, shapes.past_only)
    _demand(told == (len(columns.target), len(columns.known_future), len(columns.past_only)))
    same = ("horizon", "context", "season")
    _demand(all(getattr(shapes, name) == getattr(setting, name) for name in same))
    _demand(len(shapes.quantiles) <= MOST_LEVELS and all(isinstance(q, float) for q in shapes.quantiles))
    _demand(isinstance(shapes.padded, bool) and isinstance(shapes.missing, bool))


def _whole(value: Any, least: int) -> None:
    _demand(isinstance(value, int) and not isinstance(value, bool) and least <= value <= LARGEST)


def _demand(fits: bool) -> None:
    if not fits:
        raise ValueError("sizes do not fit together")
