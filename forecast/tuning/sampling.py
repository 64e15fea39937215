"""Who proposes the settings of a trial: chance, or optuna."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np

from forecast.errors import ParameterError
from forecast.tuning.space import Range, Space, draw

SAMPLERS = ("random", "optuna")


class RandomSampler:
    """Draws every trial anew, from the seed and the trial's number alone."""

    def __init__(self, space: Space, seed: int):
        self.space, self.seed = space, seed

    def ask(self, trial: int) -> dict[str, Any]:
        """Propose the settings of a trial."""
        return draw(self.space, self.seed, trial)

    def tell(self, trial: int, score: float) -> None:
        """Learn nothing."""


class OptunaSampler:
    """Asks optuna's tree-structured Parzen estimator, which learns from the scores on the first rung."""

    def __init__(self, space: Space, seed: int):
        if find_spec("optuna") is None:
            raise ParameterError("sampler='optuna' needs optuna: pip install 'keras-forecast[tune]'.")
        import optuna  # pyright: ignore[reportMissingImports]

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.space = space
        self.study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
        self.asked: dict[int, Any] = {}

    def ask(self, trial: int) -> dict[str, Any]:
        """Propose the settings of a trial."""
        one = self.asked[trial] = self.study.ask()
        return {name: self._suggest(one, name, choices) for name, choices in sorted(self.space.items())}

    def tell(self, trial: int, score: float) -> None:
        """Report the score of a trial on the first rung."""
        import optuna  # pyright: ignore[reportMissingImports]

        failed = not np.isfinite(score)
        state = optuna.trial.TrialState.FAIL if failed else optuna.trial.TrialState.COMPLETE
        self.study.tell(self.asked[trial], None if failed else score, state=state)

    def _suggest(self, one: Any, name: str, choices: Any) -> Any:
        if not isinstance(choices, Range):
            # Lists may repeat a value, to make it likelier; here the scores say what is likely.
            distinct = list(dict.fromkeys(choices))
            return distinct[one.suggest_categorical(name, range(len(distinct)))]
        if choices.whole:
            return one.suggest_int(name, int(choices.low), int(choices.high), log=choices.log)
        return float(f"{one.suggest_float(name, choices.low, choices.high, log=choices.log):.3g}")


def make_sampler(name: str, space: Space, seed: int) -> RandomSampler | OptunaSampler:
    """Return the sampler of a name."""
    return (RandomSampler if name == "random" else OptunaSampler)(space, seed)
