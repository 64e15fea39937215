"""Static covariates as numbers: standardised where they are numbers, one column a category otherwise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from forecast.errors import InputError, ParameterError

MOST_CATEGORIES = 1_000


@dataclass(frozen=True)
class StaticEncoder:
    """What was learned about the static columns of the training table.

    Args:
        numbers: ``(name, mean, scale)`` of each numeric column.
        categories: ``(name, (category, …))`` of each text column, sorted. An unseen category becomes zeros.

    Example:
        >>> shops = pd.DataFrame({"area": [10.0, 30.0], "town": ["Ulm", "Bonn"]})
        >>> encoder = fit_static(shops)
        >>> encoder.encode(shops)
        array([[-1., 0., 1.], [ 1., 1., 0.]], dtype=float32)
    """

    numbers: tuple[tuple[str, float, float], ...] = ()
    categories: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def width(self) -> int:
        """Number of encoded columns."""
        return len(self.numbers) + sum(len(values) for _, values in self.categories)

    def encode(self, static: pd.DataFrame) -> np.ndarray:
        """Return float32, shape ``(series, width)``; a missing number becomes 0, the mean."""
        parts = []
        for name, mean, scale in self.numbers:
            try:
                column = static[name].to_numpy(dtype=np.float64)
            except ValueError:
                raise InputError(f"Static column {name!r} held numbers in training and holds text now.") from None
            parts.append(np.nan_to_num((column - mean) / scale)[:, None])
        for name, values in self.categories:
            text = static[name].astype(str).to_numpy()
            parts.append(text[:, None] == np.array(values, dtype=object)[None, :])
        if not parts:
            return np.zeros((len(static), 0), dtype=np.float32)
        return np.concatenate(parts, axis=1).astype(np.float32)


def fit_static(static: pd.DataFrame) -> StaticEncoder:
    """Learn mean and scale of the numeric columns and the categories of the others."""
    numbers, categories = [], []
    for name in static.columns:
        column = static[name]
        if pd.api.types.is_numeric_dtype(column.dtype):
            known = column.to_numpy(dtype=np.float64)
            known = known[~np.isnan(known)]
            mean, scale = (float(known.mean()), float(known.std())) if len(known) else (0.0, 1.0)
            numbers.append((str(name), mean, scale if scale > 0 else 1.0))
            continue
        values = tuple(sorted(set(column.astype(str))))
        if len(values) > MOST_CATEGORIES:
            raise ParameterError(
                f"Static column {name!r} has {len(values):,} categories, more than {MOST_CATEGORIES:,}; leave it out."
            )
        categories.append((str(name), values))
    return StaticEncoder(tuple(numbers), tuple(categories))
