"""What a command does to its own process: less noise, signals, one-line notes."""

from __future__ import annotations

import logging
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import click

from forecast.errors import ForecastError, ForecastWarning


class Stopped(KeyboardInterrupt):
    """A second signal: stop now. ``exit_code`` is 128 plus the signal's number."""

    def __init__(self, number: int):
        super().__init__()
        self.exit_code = 128 + number


def settle(quiet: bool) -> None:
    """For this command: show this package's warnings as notes, nobody else's, and keep TensorFlow from logging."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    context = click.get_current_context()
    context.with_resource(warnings.catch_warnings())
    warnings.simplefilter("ignore")
    if quiet:
        return
    warnings.simplefilter("always", ForecastWarning)

    def show(message: Any, *_: Any, **__: Any) -> None:
        click.echo(f"Note: {printable(message)}", err=True)

    warnings.showwarning = show


def printable(text: Any) -> str:
    r"""Return text in one line, without characters that steer a terminal.

    Example:
        >>> printable("a\x1b[2Jb\n  c")
        'a\\x1b[2Jb   c'
    """
    line = str(text)
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() else " " if c.isspace() else repr(c)[1:-1] for c in line).strip()


@contextmanager
def silent_stderr() -> Iterator[int]:
    """Hide what native code writes to stderr while TensorFlow starts: it logs before it can be told not to.

    Yields:
        A descriptor that still leads to the real one.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    if not os.environ.get("FORECAST_DEBUG"):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
    try:
        yield kept
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def start_keras() -> None:
    """Import Keras and its backend and run one operation, without their greetings.

    Raises:
        ForecastError: Keras or its backend is not installed, or is broken.
    """
    try:
        with silent_stderr() as kept, _leaving_at_once(kept):
            import keras

            keras.ops.zeros(1)
    except ImportError as error:
        raise ForecastError(
            f"Keras cannot be started ({error}). Install it anew with its backend."
        ) from error
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


@contextmanager
def _leaving_at_once(stderr: int) -> Iterator[None]:
    """Leave at the first SIGINT: an exception in the middle of TensorFlow's import may get lost or be misread."""

    def leave(number: int, frame: FrameType | None) -> None:
        os.write(stderr, b"\nError: interrupted.\n")
        os._exit(128 + number)

    with _handled(signal.SIGINT, leave):
        yield


@contextmanager
def _handled(number: int, handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Let a handler take a signal inside; elsewhere than in the main thread, which alone may set one, do nothing."""
    try:
        old = signal.signal(number, handler)
    except ValueError:
        yield
        return
    try:
        yield
    finally:
        signal.signal(number, old)


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM stop the work inside as Ctrl-C does, with its own exit code."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise Stopped(number)

    with _handled(signal.SIGTERM, leave):
        yield


@contextmanager
def quiet_workers() -> Iterator[None]:
    """Let joblib's processes start Keras before they are sent work, which is when its greetings can be hidden."""
    from joblib import parallel_config

    with parallel_config(backend="loky", initializer=start_keras):
        yield


class Interruption:
    """Turns the first SIGINT or SIGTERM into a wish to stop; the second one stops now, the third at any cost.

    Used as a context manager around work that asks it, by calling it, whether to stop.

    Args:
        tell: Says to the user that the wish was heard. It is called inside a signal handler, so it must
            not use ``print``, which the signal may have interrupted.
    """

    def __init__(self, tell: Callable[[str], None] | None = None):
        self.tell = tell
        self.signal, self._count = 0, 0
        self._old: dict[int, Any] = {}

    def __enter__(self) -> Interruption:
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                self._old[number] = signal.signal(number, self._note)
            except ValueError:  # not the main thread, which alone may set handlers
                break
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)

    def __call__(self) -> bool:
        return self.signal != 0

    @property
    def exit_code(self) -> int:
        """128 plus the signal's number, 0 if there was none."""
        return 128 + self.signal if self.signal else 0

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._count += 1
        if self._count > 2:
            os._exit(128 + number)
        if self._count == 2:
            raise Stopped(number)
        self.signal = number
        if self.tell is not None:
            self.tell("Stopping after this batch; the best model so far is kept. Once more to stop now.")
