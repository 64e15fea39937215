"""Where the kernel runs: on a CPU, wherever it was built, unless it is told not to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from forecast.errors import ParameterError
from forecast.models.native import library

KERNELS = ("auto", "native", "keras")
VARIABLE = "FORECAST_KERNEL"
_ASKED: ContextVar[str | None] = ContextVar("kernel", default=None)


def asked() -> str:
    """Return what was asked for: by ``kernel`` around the call, else by the environment variable ``FORECAST_KERNEL``.

    Raises:
        ParameterError: The variable holds another word than ``auto``, ``native`` or ``keras``.
    """
    word = _ASKED.get() or os.environ.get(VARIABLE) or "auto"
    if word not in KERNELS:
        raise ParameterError(f"{VARIABLE} must be one of {', '.join(KERNELS)}; got {word!r}.")
    return word


@contextmanager
def kernel(word: str | None) -> Iterator[None]:
    """Say, for networks that are first called within, what runs their recurrent layers on a CPU.

    A network keeps what it was compiled with.

    Args:
        word: ``"native"``: the kernel in C, an error where it cannot be; ``"keras"``: the layers of Keras;
            ``"auto"``: whatever is faster; None: what was asked for before.

    Example:
        >>> with kernel("keras"):
        ...     asked()
        'keras'
    """
    if word is not None and word not in KERNELS:
        raise ParameterError(f"kernel must be one of {', '.join(KERNELS)}; got {word!r}.")
    token = _ASKED.set(word or _ASKED.get())
    try:
        yield
    finally:
        _ASKED.reset(token)


def why_not() -> str | None:
    """Say why the kernel does not run on this machine; None if it does."""
    if asked() == "keras":
        return "switched off"
    if library.library() is None:
        return "not built: there was no C compiler when the package was installed"
    return None
