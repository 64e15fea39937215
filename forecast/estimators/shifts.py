"""Calibrations as arrays of a model file, and back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from forecast.data.panel import Panel
from forecast.estimators.checking import check_widths
from forecast.evaluation.intervals import ConformalShift
from forecast.evaluation.widths import Widths


def shift_numbers(shifts: dict[str, ConformalShift], history: Panel) -> dict[str, np.ndarray]:
    """Return the arrays of calibrations by name; widths are those of the history's series, in its order."""
    numbers: dict[str, np.ndarray] = {}
    for name, shift in shifts.items():
        numbers |= {f"shift {name}": shift.shift, f"counts {name}": shift.counts}
        if shift.widths is not None:
            numbers[f"widths {name}"] = shift.widths.of(history.ids).astype(np.float32)
    return numbers


def stored_shift(
    name: str, numbers: dict[str, np.ndarray], levels: tuple[float, ...], history: Panel
) -> ConformalShift:
    """Return a calibration from the arrays of a model file; one written without widths has those of the pool.

    Raises:
        KeyError: It is not there.
        ValueError: Its widths do not suit it, or are no factors.
    """
    shift = ConformalShift(levels, numbers[f"shift {name}"], numbers[f"counts {name}"])
    factors = numbers.get(f"widths {name}")
    if factors is None:
        return shift
    return replace(shift, widths=check_widths(Widths(history.ids, factors), shift))
