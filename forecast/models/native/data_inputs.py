"""Whether what a network reads is data, whose gradient nobody asks for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_DATA = ContextVar("inputs_are_data", default=False)


def inputs_are_data() -> bool:
    """Return whether gradients are taken of weights alone, by a tape around the very call of the network."""
    return _DATA.get()


@contextmanager
def data_inputs() -> Iterator[None]:
    """Within, layers that read nothing that was learned leave out the gradient of what they read.

    Example:
        >>> with data_inputs():
        ...     inputs_are_data()
        True
    """
    token = _DATA.set(True)
    try:
        yield
    finally:
        _DATA.reset(token)
