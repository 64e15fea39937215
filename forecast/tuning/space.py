"""What a search may choose from, and how a choice is drawn."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from forecast.errors import ParameterError, closest
from forecast.estimators.forecaster import Forecaster


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``, both included; whole ones if both ends are.

    Args:
        low: Least.
        high: Greatest.
        log: Draw orders of magnitude evenly.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> Range(8, 128, log=True).draw(rng), Range(1e-4, 1e-2, log=True).draw(rng)
        (47, 0.000346)
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        if not self.low < self.high or (self.log and self.low <= 0):
            raise ParameterError(f"A range must ascend (from above 0 if log); got {self.low} to {self.high}.")

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are meant."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def draw(self, rng: np.random.Generator) -> float | int:
        """Draw one number, to three digits."""
        low, high = (np.log(self.low), np.log(self.high)) if self.log else (self.low, self.high)
        value = rng.uniform(low, high)
        value = float(np.exp(value) if self.log else value)
        return min(max(round(value), self.low), self.high) if self.whole else float(f"{value:.3g}")


Space = Mapping[str, Sequence[Any] | Range]
# Arguments that say what is forecast, or that the search decides itself: they are no choice.
FIXED = frozenset(
    ("horizon", "time", "id", "target", "known_future", "past_only", "static", "step", "season", "quantiles", "seed",
     "holdout", "refit", "callbacks", "verbose", "method", "duplicates", "timezone", "date_format", "snap", "budget")
)  # fmt: skip


def usual_space(context: int, season: int, targets: int) -> dict[str, Sequence[Any] | Range]:
    """Return what is worth trying for recurrent networks.

    Args:
        context: The context that would be chosen without a search.
        season: Rows of a season, 1 for none.
        targets: Number of targets.
    """
    space: dict[str, Sequence[Any] | Range] = {
        "model": ["segment", "segment", "rnn"],
        "cell": ["gru", "lstm"],
        "units": [32, 64, 128],
        "dropout": [0.0, 0.1, 0.3, 0.5],
        "learning_rate": Range(1e-3, 1e-2, log=True),
        "context": sorted({max(context // 2, season, 2), context, 2 * context}),
        "anchor": ["last", "mean", "season"] if season > 1 else ["last", "mean"],
        "target_transform": ["auto", "none"],
        "skip": [True, False],
    }
    return space | ({"independent": [True, False]} if targets > 1 else {})


def check_space(space: Space) -> Space:
    """Refuse names that are no argument of ``Forecaster``, and empty choices.

    Raises:
        ParameterError: With the nearest name.
    """
    known = sorted(set(Forecaster().get_params()) - FIXED)
    for name, choices in space.items():
        if name not in known:
            raise ParameterError(f"There is nothing to search called {name!r}.{closest(name, known)}")
        if not isinstance(choices, Range) and (isinstance(choices, str) or not len(choices)):
            raise ParameterError(f"Give {name} a list of values or a Range; got {choices!r}.")
    if not space:
        raise ParameterError("The space is empty: there is nothing to search.")
    return space


def draw(space: Space, seed: int, trial: int) -> dict[str, Any]:
    """Draw the settings of a trial: a function of space, seed and trial alone.

    Example:
        >>> draw({"units": [8, 16], "layers": [1]}, seed=1, trial=3) == draw({"units": [8, 16], "layers": [1]}, 1, 3)
        True
    """
    rng = np.random.default_rng((seed, trial))
    return {
        name: choices.draw(rng) if isinstance(choices, Range) else choices[int(rng.integers(len(choices)))]
        for name, choices in sorted(space.items())
    }


def command(table: str, settings: Mapping[str, Any]) -> str:
    """Write settings as the command that fits with them; what is the default is left out.

    Example:
        >>> command("my sales.csv", {"cell": "lstm", "units": None, "independent": False, "target": ("a", "b")})
        "forecast fit 'my sales.csv' --cell lstm --joint --target a,b"
    """
    defaults = Forecaster().get_params()
    words = ["forecast", "fit", shlex.quote(table)]
    for name, value in settings.items():
        if value == defaults.get(name):
            continue
        flag = "--" + name.replace("_", "-")
        if name == "independent":
            words.append("--joint")
        elif isinstance(value, bool):
            words.append(flag if value else f"--no-{name.replace('_', '-')}")
        elif name == "model_options":
            for option, chosen in value.items():
                words += ["--model-options", shlex.quote(f"{option}={_told(chosen)}")]
        else:
            words += [flag, shlex.quote(_told(value) or "none")]
    return " ".join(words)


def _told(value: Any) -> str:
    """Write a value as options take it, several with commas between them."""
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
