"""Simple classifiers to compare with: the usual class, summary statistics, the nearest neighbour."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from forecast.data.sequences import Sequences

# A class that no neighbour has is not impossible.
SMOOTHING = 1.0
RESAMPLED = 32
MOST_ROWS = 20_000
NEAR = (2, 8, 32)
LARGEST = 1e100


def majority(codes: np.ndarray, weights: np.ndarray, count: int, asked: int) -> np.ndarray:
    """Return the shares of the classes in training for each of ``asked``: ``(asked, classes)``."""
    shares = np.bincount(codes, weights, minlength=count) + 1e-9
    return np.tile(shares / shares.sum(), (asked, 1))


def summaries(sequences: Sequences) -> np.ndarray:
    """Summarise each channel of each sequence by ten numbers: ``(sequences, 10 * channels + 1)``.

    Mean, deviation, smallest, largest, first, last, slope, and the means of the three thirds; and the length.
    """
    return np.array([_summary(sequences.take([i]).values) for i in range(len(sequences))])


def _bounded(values: np.ndarray) -> np.ndarray:
    """Bound values so that their squares and sums are finite."""
    return np.clip(values, -LARGEST, LARGEST)


def _summary(values: np.ndarray) -> np.ndarray:
    parts = []
    for channel in _bounded(values).T:
        seen = channel[~np.isnan(channel)]
        if not len(seen):
            parts.append(np.zeros(10))
            continue
        thirds = [float(part.mean()) if len(part) else float(seen.mean()) for part in np.array_split(seen, 3)]
        place = np.arange(len(seen)) - (len(seen) - 1) / 2
        slope = float(place @ seen / max(place @ place, 1.0))
        usual = (seen.mean(), seen.std(), seen.min(), seen.max(), seen[0], seen[-1], slope)
        parts.append(np.array([*usual, *thirds]))
    return np.append(np.concatenate(parts), len(values))


def resampled(sequences: Sequences, rows: int = RESAMPLED) -> np.ndarray:
    """Bring every sequence to as many rows by interpolation: ``(sequences, rows * channels)``."""
    found = np.zeros((len(sequences), rows, sequences.values.shape[1]))
    for i in range(len(sequences)):
        values = _bounded(sequences.take([i]).values)
        for j, channel in enumerate(values.T):
            seen = np.flatnonzero(~np.isnan(channel))
            if len(seen):
                found[i, :, j] = np.interp(np.linspace(0, len(channel) - 1, rows), seen, channel[seen])
    return found.reshape(len(sequences), -1)


def neighbourhoods(sequences: Sequences, causal: bool) -> np.ndarray:
    """Describe every row by itself and the means around it: ``(rows, channels * (1 + widths))``.

    Args:
        sequences: The rows.
        causal: Look back only, as the network does.
    """
    return np.concatenate(
        [_around(_bounded(sequences.take([i]).values), causal) for i in range(len(sequences))]
    )


def _around(values: np.ndarray, causal: bool) -> np.ndarray:
    seen = ~np.isnan(values)
    sums = np.cumsum(np.pad(np.where(seen, values, 0.0), ((1, 0), (0, 0))), axis=0)
    counts = np.cumsum(np.pad(seen, ((1, 0), (0, 0))), axis=0)
    place, parts = np.arange(len(values)), [np.where(seen, values, 0.0)]
    for width in NEAR:
        first = np.maximum(place - width, 0)
        stop = np.minimum(place + (1 if causal else width + 1), len(values))
        parts.append((sums[stop] - sums[first]) / np.maximum(counts[stop] - counts[first], 1))
    return np.concatenate(parts, axis=1)


def compared_sequences(
    training: Sequences, codes: np.ndarray, weights: np.ndarray, judged: Sequences, count: int
) -> dict[str, np.ndarray]:
    """Let simple classifiers learn sequences and judge others.

    Returns:
        By method, probabilities ``(judged, classes)``.
    """
    found = {"majority": majority(codes, weights, count, len(judged))}
    linear = _of_scikit(_linear, summaries, training, judged)
    near = _of_scikit(lambda: KNeighborsClassifier(n_neighbors=1), resampled, training, judged)
    found["summary statistics"] = linear(codes, weights, count)
    found["nearest neighbour"] = _smoothed(near(codes, None, count))
    return found


def compared_rows(
    training: Sequences,
    codes: np.ndarray,
    weights: np.ndarray,
    judged: Sequences,
    count: int,
    *,
    causal: bool,
    seed: int,
) -> dict[str, np.ndarray]:
    """Let simple classifiers learn labelled rows and judge those of other sequences.

    Returns:
        By method, probabilities ``(rows, classes)``.
    """
    rows = np.flatnonzero(weights > 0)
    if len(rows) > MOST_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, MOST_ROWS, replace=False))
    found = {"majority": majority(codes[rows], weights[rows], count, len(judged.values))}
    seen, asked = (neighbourhoods(part, causal) for part in (training, judged))
    found["means around a row"] = _learned(_linear(), seen[rows], asked, codes[rows], weights[rows], count)
    return found


def _linear() -> Pipeline:
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1_000))


def _of_scikit(
    make: Callable[[], object],
    describe: Callable[[Sequences], np.ndarray],
    training: Sequences,
    judged: Sequences,
) -> Callable[[np.ndarray, np.ndarray | None, int], np.ndarray]:
    seen, asked = describe(training), describe(judged)
    return lambda codes, weights, count: _learned(make(), seen, asked, codes, weights, count)


def _learned(
    model: Any, seen: np.ndarray, asked: np.ndarray, codes: np.ndarray, weights: np.ndarray | None, count: int
) -> np.ndarray:
    """Return probabilities of all classes from a classifier of scikit-learn that may know fewer."""
    if len(np.unique(codes)) < 2:
        return majority(codes, np.ones(len(codes)), count, len(asked))
    # Far apart numbers, such as 1e300, overflow in their squares: they are drawn together first.
    middle, spread = seen.mean(axis=0), seen.std(axis=0)
    seen, asked = (
        np.clip((part - middle) / np.where(spread > 0, spread, 1.0), -1e3, 1e3) for part in (seen, asked)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of iterations that end before the last digit is found
        named = {} if weights is None else {"logisticregression__sample_weight": weights}
        model.fit(seen, codes, **named)
    found = np.zeros((len(asked), count))
    found[:, model.classes_] = model.predict_proba(asked)
    return found


def _smoothed(found: np.ndarray) -> np.ndarray:
    """Let a single neighbour be wrong now and then: its class gets no probability of 1."""
    count = found.shape[1]
    return (found * 9 + SMOOTHING / count) / (9 + SMOOTHING)
