"""The words that stand for a method; nothing heavy is imported here, so that a command can check them at once."""

from __future__ import annotations

from forecast.errors import ParameterError, closest
from forecast.evaluation.baselines import BASELINES
from forecast.evaluation.comparison import CHOOSING

CELLS = ("gru", "lstm", "rnn")
ARCHITECTURES = (
    "stateful",
    "segment",
    "esrnn",
    "seq2seq",
    "autoregressive",
    "dense",
    "linear",
    "conv",
    "transformer",
)
NAMES = (*CELLS, *ARCHITECTURES, *CHOOSING, *BASELINES)
"""Every word that stands for a method."""
ALWAYS = ("naive", "seasonal-naive")
"""Methods that stand in every backtest."""


def check_name(name: str, told: str = "") -> str:
    """Return the name of a method, or refuse it.

    Args:
        name: Such as ``"gru"`` or ``"theta"``.
        told: What begins the message, such as the flag.

    Raises:
        ParameterError: With the nearest name.

    Example:
        >>> check_name("lstm")
        'lstm'
    """
    if name not in NAMES:
        raise ParameterError(
            f"{told}There is no method {name!r}; known are {', '.join(NAMES)}.{closest(name, NAMES)}"
        )
    return name
