"""The rows that a network learns from and the rows that judge it, as windows of any spec."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import keras
import numpy as np

from forecast.data.encoding import StaticEncoder
from forecast.data.panel import Panel
from forecast.data.scale import error_scales
from forecast.data.windows import Windows, make_windows
from forecast.errors import InputError
from forecast.estimators.recipe import Extras
from forecast.estimators.setting import Setting
from forecast.models.scaling import Standardise
from forecast.models.spec import Spec


@dataclass(frozen=True, eq=False)
class Lessons:
    """Rows before ``stop``: the last ``validation`` of them judge, those before teach.

    Args:
        panel: All rows.
        setting: Sizes.
        stop: Absolute row per series; nothing at or behind it is looked at.
        validation: Rows before ``stop`` that judge; 0 for none.
        encoder: Of the static covariates.
        extras: What windows hold beside the columns.
        partial: Fewest rows of a horizon that must lie before the end; None for all.
    """

    panel: Panel
    setting: Setting
    stop: np.ndarray
    validation: int
    encoder: StaticEncoder
    extras: Extras
    partial: int | None = None

    @cached_property
    def scales(self) -> np.ndarray:
        """Typical error per series and target before ``stop``."""
        return error_scales(self.panel, self.setting.season, self.stop)

    @cached_property
    def turn(self) -> np.ndarray:
        """Absolute row per series where teaching ends and judging begins."""
        return np.maximum(self.stop - self.validation, self.panel.offsets[:-1])

    def teaching(self, spec: Spec) -> Windows:
        """Windows to learn from.

        Raises:
            InputError: No series is long enough for a single one.
        """
        windows = self._windows(spec, first=self.panel.offsets[:-1], stop=self.turn)
        if not len(windows):
            raise InputError(_too_short(self.panel, self.setting))
        return windows

    def judging(self, spec: Spec) -> Windows | None:
        """Windows to judge by, none of whose targets lie in a window to learn from; None without such rows."""
        return self._windows(spec, first=self.turn, stop=self.stop) if self.validation else None

    def _windows(self, spec: Spec, **limits: np.ndarray) -> Windows:
        return make_windows(
            self.panel,
            context=spec.context,
            horizon=spec.horizon,
            short=self.setting.short,
            scales=self.scales,
            partial=self.partial,
            **self._extra,
            **limits,
        )

    @cached_property
    def _extra(self) -> dict[str, Any]:
        return self.extras.windows(self.panel, self.setting.horizon, self.encoder)


def learn_covariates(model: keras.Model, panel: Panel, stop: np.ndarray) -> None:
    """Set mean and spread of the covariates from the rows before ``stop``, in float64."""
    columns = panel.columns
    targets = len(columns.target)
    spans = {
        "known_future": slice(targets, targets + len(columns.known_future)),
        "past_only": slice(targets + len(columns.known_future), None),
    }
    before = None
    for role, span in spans.items():
        layers = [part for part in model.layers if part.name == f"{role}_scale"]
        if not getattr(columns, role) or not layers:
            continue
        if before is None:
            before = np.arange(panel.rows) < np.repeat(stop, panel.lengths)
        values = panel.values[before, span]
        known = ~np.isnan(values)
        count = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, values, 0.0).sum(axis=0) / count
        spread = np.sqrt((np.where(known, values - mean, 0.0) ** 2).sum(axis=0) / count)
        assert isinstance(layers[0], Standardise)
        layers[0].learn(mean, np.where(spread > 0, spread, 1.0))


def _too_short(panel: Panel, setting: Setting) -> str:
    longest = int((panel.ends - panel.offsets[:-1]).max())
    need = setting.context + setting.horizon + setting.validation + setting.holdout
    return (
        f"No series is long enough to learn from: the longest has {longest} rows, and context {setting.context}, "
        f"horizon {setting.horizon}, {setting.validation} validation rows and {setting.holdout} held-out rows need "
        f"{need}. Lower --context, --horizon or --holdout."
    )
