"""The newest rows of some series, and what a network that was trained on windows reads of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from forecast.models.spec import Spec

Which = slice | NDArray[np.int64]


class NewestRows:
    """Rows of some series, of each as many as a window and the lags beside it reach.

    Args:
        spec: Of the network.
        lags: In rows.
        series: Number of series.
        constant: ``static``, ``categories`` and ``series`` of all series, as ``Windows.inputs`` has them.
    """

    def __init__(self, spec: Spec, lags: Sequence[int], series: int, constant: Mapping[str, np.ndarray]):
        self.spec, self.lags, self.constant = spec, tuple(lags), constant
        self.reach = spec.context + max(self.lags, default=0)
        columns = spec.targets + spec.known_future + spec.past_only
        self.rows = np.full((series, self.reach, columns), np.nan)
        self.calendar = np.zeros((series, self.reach, spec.calendar), np.float32)
        self.counts = np.zeros(series, np.int64)

    def advance(self, which: Which, values: Any, past: Any, known: Any) -> None:
        """Read the next row of some series.

        Args:
            which: Numbers of the series, each once.
            values: Raw targets ``(series, targets)``, NaN where missing.
            past: Raw past-only columns ``(series, columns)``, or None.
            known: Raw known-ahead columns and calendar features side by side ``(series, columns)``, or None.
        """
        spec, which = self.spec, np.arange(len(self.counts))[which]
        row = np.full((len(which), self.rows.shape[2]), np.nan)
        row[:, : spec.targets] = np.reshape(values, (len(which), -1))
        if spec.past_only:
            row[:, spec.targets + spec.known_future :] = past
        if spec.known_future:
            row[:, spec.targets : spec.targets + spec.known_future] = known[:, : spec.known_future]
        self.rows[which] = np.concatenate([self.rows[which, 1:], row[:, None]], axis=1)
        if spec.calendar:
            features = known[:, None, spec.known_future :]
            self.calendar[which] = np.concatenate([self.calendar[which, 1:], features], axis=1)
        # A series begins with its first value.
        begun = (self.counts[which] > 0) | ~np.isnan(row[:, : spec.targets]).all(axis=1)
        self.counts[which] = np.minimum(self.counts[which] + begun, self.reach)

    def enough(self, which: Which) -> NDArray[np.bool_]:
        """Say which of some series have the rows that a forecast needs."""
        return self.counts[which] >= (1 if self.spec.padded else self.spec.context)

    def inputs(self, which: NDArray[np.int64], ahead: Any) -> dict[str, np.ndarray]:
        """Return what the network reads, as ``Windows.inputs`` has it.

        Args:
            which: Numbers of series that have enough rows.
            ahead: Raw known-ahead columns and calendar features ``(series, horizon, columns)``, or None.
        """
        spec, counts = self.spec, self.counts[which]
        length = np.minimum(counts, spec.context)
        real = np.arange(spec.context) < length[:, None]
        place = np.minimum(self.reach - length[:, None] + np.arange(spec.context), self.reach - 1)
        seen = np.take_along_axis(self.rows[which], place[:, :, None], axis=1)
        past = np.where(real[:, :, None], seen, np.nan)
        known = slice(spec.targets, spec.targets + spec.known_future)
        found = {"target": np.ascontiguousarray(past[:, :, : spec.targets])}
        if spec.past_only:
            found["past_only"] = np.ascontiguousarray(past[:, :, known.stop :])
        if spec.known_future:
            found["known_future"] = np.concatenate(
                [past[:, :, known], ahead[:, :, : spec.known_future]], axis=1
            )
        if spec.calendar:
            features = np.take_along_axis(self.calendar[which], place[:, :, None], axis=1)
            features = np.where(real[:, :, None], features, 0.0)
            both = np.concatenate([features, ahead[:, :, spec.known_future :]], axis=1)
            found["calendar"] = both.astype(np.float32)
        if self.lags:
            found["lagged"] = self._lagged(which, np.where(real, place, -1))
        found |= {name: values[which] for name, values in self.constant.items()}
        if spec.padded:
            found["length"] = length.astype(np.int32)
        return found

    def _lagged(self, which: NDArray[np.int64], place: NDArray[np.int64]) -> np.ndarray:
        """Gather lagged targets beside the rows of the context, -1 where padded, and of the horizon."""
        ahead = np.broadcast_to(self.reach + np.arange(self.spec.horizon), (len(which), self.spec.horizon))
        steps = np.concatenate([place, ahead], axis=1)
        parts, values = [], self.rows[which, :, : self.spec.targets]
        first = self.reach - self.counts[which][:, None]
        for lag in self.lags:
            earlier = steps - lag
            known = (steps >= 0) & (earlier >= first) & (earlier < self.reach)
            taken = np.take_along_axis(values, np.clip(earlier, 0, self.reach - 1)[:, :, None], axis=1)
            parts.append(np.where(known[:, :, None], taken, np.nan))
        return np.concatenate(parts, axis=2)
