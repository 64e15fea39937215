"""Static covariates as numbers: standardised where they are numbers; one column a category, or codes, otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from forecast.errors import InputError, ParameterError

MOST_CATEGORIES = 1_000
# A number this many scales off the mean is as strange as any; float32 ends at 3e38.
_FARTHEST = 1e6


@dataclass(frozen=True)
class StaticEncoder:
    """What was learned about the static columns of the training table.

    Args:
        numbers: ``(name, mean, scale)`` of each numeric column.
        categories: ``(name, (category, …))`` of each text column, sorted. An unseen category becomes zeros.
        embedded: Whether the text columns are left to ``codes``, and ``encode`` holds the numeric ones alone.

    Example:
        >>> shops = pd.DataFrame({"area": [10.0, 30.0], "town": ["Ulm", "Bonn"]})
        >>> encoder = fit_static(shops)
        >>> encoder.encode(shops)
        array([[-1., 0., 1.], [ 1., 1., 0.]], dtype=float32)
        >>> encoder.codes(pd.DataFrame({"town": ["Ulm", "Kiel"]})), encoder.sizes
        (array([[2], [0]], dtype=int32), (3,))
    """

    numbers: tuple[tuple[str, float, float], ...] = ()
    categories: tuple[tuple[str, tuple[str, ...]], ...] = ()
    embedded: bool = False

    @property
    def width(self) -> int:
        """Number of encoded columns."""
        return len(self.numbers) + (0 if self.embedded else sum(len(values) for _, values in self.categories))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of codes of each text column: its categories and one for what is unseen or missing."""
        return tuple(len(_named(values)) + 1 for _, values in self.categories)

    def encode(self, static: pd.DataFrame) -> np.ndarray:
        """Return float32, shape ``(series, width)``; a missing number becomes 0, the mean.

        Raises:
            InputError: A column that held numbers in training holds text.
        """
        encoded = np.zeros((len(static), self.width), dtype=np.float32)
        for j, (name, mean, scale) in enumerate(self.numbers):
            encoded[:, j] = _standardised(static[name], mean, scale)
        begin = len(self.numbers)
        for name, values in () if self.embedded else self.categories:
            place = _places(static[name], values)
            known = np.flatnonzero(place >= 0)
            encoded[known, begin + place[known]] = 1.0
            begin += len(values)
        return encoded

    def codes(self, static: pd.DataFrame) -> np.ndarray:
        """Return int32, shape ``(series, text columns)``: categories from 1 on, 0 for an unseen or missing one."""
        places = [_places(static[name], _named(values)) + 1 for name, values in self.categories]
        return np.stack(places, axis=1).astype(np.int32) if places else np.zeros((len(static), 0), np.int32)


def fit_static(static: pd.DataFrame, *, embedded: bool = False) -> StaticEncoder:
    """Learn mean and scale of the numeric columns and the categories of the others.

    Args:
        static: One row per series.
        embedded: Leave text columns to ``codes``; they may then have any number of categories.

    Raises:
        ParameterError: A text column that is not embedded has more than 1,000 categories.
    """
    numbers, categories = [], []
    for name in static.columns:
        column = static[name]
        if pd.api.types.is_numeric_dtype(column.dtype):
            numbers.append((str(name), *_mean_and_scale(column.to_numpy(dtype=np.float64))))
            continue
        values = tuple(sorted(set(_texts(column))))
        if len(values) > MOST_CATEGORIES and not embedded:
            raise ParameterError(
                f"Static column {name!r} has {len(values):,} categories, more than {MOST_CATEGORIES:,}; leave it out "
                "by naming the others with --static."
            )
        categories.append((str(name), values))
    return StaticEncoder(tuple(numbers), tuple(categories), embedded)


def numbers_of(ids: Sequence, known: Sequence) -> np.ndarray:
    """Return the place of each id among the known ones, from 1; 0 for one that is not among them.

    Args:
        ids: Ids of series.
        known: Those that training knew, each once.

    Returns:
        int32, shape ``(ids,)``.

    Example:
        >>> numbers_of(("Ulm", "Kiel"), known=("Bonn", "Ulm"))
        array([2, 0], dtype=int32)
    """
    place = {name: number for number, name in enumerate(known, start=1)}
    return np.array([place.get(name, 0) for name in ids], dtype=np.int32)


def _named(values: tuple[str, ...]) -> tuple[str, ...]:
    """Leave out the category of missing text."""
    return tuple(value for value in values if value)


def _mean_and_scale(column: np.ndarray) -> tuple[float, float]:
    known = column[~np.isnan(column)]
    if not len(known):
        return 0.0, 1.0
    # Divided before they are added and squared: the largest floats do not overflow, equal numbers have no spread.
    largest = float(np.abs(known).max()) or 1.0
    mean, scale = (known / largest).mean(), (known / largest).std()
    return float(mean * largest), float(scale * largest) if scale > 0 else 1.0


def _standardised(column: pd.Series, mean: float, scale: float) -> np.ndarray:
    try:
        values = column.to_numpy(dtype=np.float64)
    except (ValueError, TypeError):
        raise InputError(
            f"Static column {column.name!r} held numbers in training and holds text now."
        ) from None
    with np.errstate(over="ignore"):
        away = (values - mean) / scale
    return np.where(np.isnan(away), 0.0, np.clip(away, -_FARTHEST, _FARTHEST))


def _places(column: pd.Series, values: tuple[str, ...]) -> np.ndarray:
    """Return the place of each series' category, -1 if unseen in training."""
    if not pd.api.types.is_numeric_dtype(column.dtype):
        return pd.Index(values, dtype=object).get_indexer(pd.Index(_texts(column), dtype=object))
    # Text in training may read as numbers where only the series with such categories are given.
    numbers = pd.Index(
        pd.to_numeric(pd.Series(values, dtype=object), errors="coerce").to_numpy(dtype=np.float64)
    )
    first = pd.Series(np.arange(len(numbers)), index=numbers).groupby(level=0).first()
    place = first.reindex(column.to_numpy(dtype=np.float64)).to_numpy(dtype=np.float64)
    return np.where(np.isnan(place), -1, place).astype(np.int64)


def _texts(column: pd.Series) -> list[str]:
    missing = column.isna().to_numpy(dtype=bool)
    return ["" if gone else str(value) for gone, value in zip(missing, column.tolist(), strict=True)]
