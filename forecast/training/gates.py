"""What the gates and units of a recurrent layer do: how often they are shut or open, and which never move."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

# Blocks of the kernels in the order in which Keras keeps them.
BLOCKS: Mapping[str, tuple[str, ...]] = {
    "rnn": ("state",),
    "lstm": ("input", "forget", "candidate", "output"),
    "gru": ("update", "reset", "candidate"),
}
# The gate that, open, carries a state on as it is.
KEEPING: Mapping[str, str] = {"lstm": "forget", "gru": "update"}
# A gate or a tanh is saturated beyond these shares of its range, where next to no gradient passes.
SHUT, OPEN = 0.05, 0.95
# Next to the unit that moves most, a unit that moves less than this share is dead.
DEAD = 1e-3


def gates(
    cell: str, weights: list[NDArray[np.floating]], rows: NDArray[np.floating], states: NDArray[np.floating]
) -> dict[str, NDArray[np.floating]]:
    """Compute the gates of an LSTM or GRU at every step but the first; a SimpleRNN has none.

    Args:
        cell: ``"rnn"``, ``"lstm"`` or ``"gru"``, as Keras has them.
        weights: ``layer.get_weights()``.
        rows: What the layer read ``(batch, steps, columns)``.
        states: Its output behind each step ``(batch, steps, units)``.

    Returns:
        By name ``(batch, steps - 1, units)``, 0 shut to 1 open.
    """
    if cell not in KEEPING:
        return {}
    kernel, recurrent, *bias = weights
    given = rows[:, 1:] @ kernel + (np.atleast_2d(bias[0])[0] if bias else 0.0)
    # A GRU's second row of biases belongs to its recurrent kernel.
    further = bias[0][1] if bias and np.ndim(bias[0]) == 2 else 0.0
    found = given + states[:, :-1] @ recurrent + further
    units = states.shape[-1]
    blocks = {name: found[..., i * units : (i + 1) * units] for i, name in enumerate(BLOCKS[cell])}
    return {name: 1 / (1 + np.exp(-block)) for name, block in blocks.items() if name != "candidate"}


def saturation(gate: NDArray[np.floating], real: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the shares of a gate's values that are as good as shut and as good as open, where steps are real.

    Example:
        >>> saturation(np.array([[[0.01, 0.5, 0.99, 0.97]]]), np.array([[True]]))
        (0.25, 0.5)
    """
    values = gate[real]
    return float(np.mean(values < SHUT)), float(np.mean(values > OPEN))


def dead_units(states: NDArray[np.floating], real: NDArray[np.bool_]) -> int:
    """Count units whose state is the same in all windows at all real steps, as good as.

    Example:
        >>> states = np.array([[[0.1, 0.0, 0.3], [0.4, 0.0, 0.3]]])
        >>> dead_units(states, np.array([[True, True]]))
        2
    """
    spread = states[real].std(axis=0)
    return int(np.sum(spread <= DEAD * max(spread.max(), DEAD)))


def spectral_radii(cell: str, recurrent: NDArray[np.floating]) -> dict[str, float]:
    """Return the largest absolute eigenvalue of each block of a recurrent kernel ``(units, blocks * units)``.

    Example:
        >>> spectral_radii("rnn", np.diag([0.5, -0.25]))
        {'state': 0.5}
    """
    names = BLOCKS[cell]
    blocks = np.split(np.asarray(recurrent, np.float64), len(names), axis=1)
    return {
        name: float(np.abs(np.linalg.eigvals(block)).max()) for name, block in zip(names, blocks, strict=True)
    }
