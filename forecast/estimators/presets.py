"""How much work a fit may be, by name; nothing heavy is imported here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Preset:
    """How much work a fit may be.

    Args:
        fewest: Steps at least.
        most: Steps at most.
        passes: Passes over the windows in between.
        members: Networks in the mean.
        trials: Whether scalings and architectures are tried on validation rows.
    """

    fewest: int
    most: int
    passes: float
    members: int
    trials: bool


PRESETS = {
    "fast": Preset(200, 500, 1.0, 1, False),
    "good": Preset(300, 1_500, 3.0, 1, True),
    "best": Preset(600, 4_000, 4.0, 4, True),
}
"""Work of a fit by name."""


def networks(preset: str, ensemble: int | None) -> int:
    """Return how many networks a fit trains: as many as were asked for, or as the preset says.

    Example:
        >>> networks("good", None), networks("best", None), networks("fast", 3)
        (1, 4, 3)
    """
    if ensemble is not None:
        return ensemble
    return PRESETS[preset].members if preset in PRESETS else 1
