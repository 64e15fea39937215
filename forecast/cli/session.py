"""What a command does to its own process: less noise, signals, one-line notes."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import click

from forecast.errors import ForecastWarning


def settle(quiet: bool) -> None:
    """Show this package's warnings as notes and nobody else's; keep TensorFlow from logging."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.simplefilter("ignore")
    if not quiet:
        warnings.simplefilter("always", ForecastWarning)

    def show(message, category, filename, lineno, file=None, line=None):
        click.echo(f"Note: {message}", err=True)

    warnings.showwarning = show


@contextmanager
def silent_stderr() -> Iterator[None]:
    """Hide what native code writes to stderr while TensorFlow starts: it logs before it can be told not to."""
    if os.environ.get("FORECAST_DEBUG"):
        yield
        return
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def start_keras() -> None:
    """Import Keras and its backend and run one operation, without their greetings."""
    with silent_stderr():
        import keras

        keras.ops.zeros(1)


class Interruption:
    """Turns the first SIGINT or SIGTERM into a wish to stop, and lets the second one through.

    Used as a context manager; asked by calling it.
    """

    def __init__(self) -> None:
        self.signal = 0
        self._old: dict[int, object] = {}

    def __enter__(self) -> Interruption:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._old[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def __call__(self) -> bool:
        return self.signal != 0

    @property
    def exit_code(self) -> int:
        """128 plus the signal's number, 0 if there was none."""
        return 128 + self.signal if self.signal else 0

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal:
            raise KeyboardInterrupt
        self.signal = number
        click.echo("Stopping after this batch; the best model so far is kept. Once more to stop now.", err=True)
