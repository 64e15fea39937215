"""Which trial to look at next: random search whose better trials are given more windows."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

# Of the trials of a rung, one in so many is promoted.
KEEP = 3


@dataclass
class Halving:
    """Successive halving without waiting: a trial is promoted as soon as it is among the best third of its rung.

    Args:
        rungs: Windows looked at on each rung, ascending.
        most: Trials at most; None for no limit.
        scores: By rung, score of each finished trial; NaN for one that failed.

    Source: Li et al. (2020), "A system for massively parallel hyperparameter tuning" (ASHA), MLSys.

    Example:
        >>> search = Halving((1, 2), most=3)
        >>> [search.next() for _ in range(4)]
        [(0, 0), (1, 0), (2, 0), None]
        >>> for trial, score in enumerate([3.0, 1.0, 2.0]):
        ...     search.tell(trial, 0, score)
        >>> search.next(), search.next()
        ((1, 1), None)
    """

    rungs: tuple[int, ...]
    most: int | None = None
    scores: dict[int, dict[int, float]] = field(default_factory=dict)
    started: int = 0
    _promoted: set[tuple[int, int]] = field(default_factory=set)

    def next(self) -> tuple[int, int] | None:
        """Return (trial, rung) to look at next: the highest promotion that is due, else a new trial, else None."""
        for rung in range(len(self.rungs) - 2, -1, -1):
            for trial in self._best(rung):
                if (trial, rung) not in self._promoted:
                    self._promoted.add((trial, rung))
                    return trial, rung + 1
        if self.most is not None and self.started >= self.most:
            return None
        self.started += 1
        return self.started - 1, 0

    def tell(self, trial: int, rung: int, score: float) -> None:
        """Note the score of a trial on a rung; lower is better."""
        self.scores.setdefault(rung, {})[trial] = score

    def ranking(self) -> list[tuple[int, int, float]]:
        """Return (trial, rung, score) of every trial on its highest rung: highest rung first, then best score."""
        top: dict[int, tuple[int, float]] = {}
        for rung in sorted(self.scores):
            top |= {trial: (rung, score) for trial, score in self.scores[rung].items()}
        ranked = sorted(
            top.items(), key=lambda item: (np.isnan(item[1][1]), -item[1][0], item[1][1], item[0])
        )
        return [(trial, rung, score) for trial, (rung, score) in ranked]

    def _best(self, rung: int) -> list[int]:
        """Return the best third of the trials that finished a rung without failing, best first."""
        finished = {t: s for t, s in self.scores.get(rung, {}).items() if np.isfinite(s)}
        return sorted(finished, key=lambda t: (finished[t], t))[: len(finished) // KEEP]
