"""One line that says how far training is: live on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import os
import sys
import time
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable

    from forecast.data.table import Choice
    from forecast.training.course import Progress

SECONDS_BETWEEN_LINES = 5.0
REFRESH = 0.1


class ProgressLine:
    """Prints epochs, loss and time left; call it with a ``Progress``, close it when done.

    A second training that begins while the first is shown gets a line of its own.

    Args:
        stream: Where to print; default stderr. A terminal gets one line that is rewritten, anything
            else a line every five seconds and at the end of training.

    Example:
        >>> import io
        >>> from forecast.training.course import Progress
        >>> out = io.StringIO()
        >>> line = ProgressLine(out)
        >>> line(Progress(3, 30, step=20, steps=20, loss=0.5, val_loss=0.6, seconds=2.0, seconds_left=18.0))
        >>> line.close()
        >>> print(out.getvalue().strip())
        epoch 3/30  loss 0.5  val_loss 0.6  2 s gone, 18 s left
    """

    def __init__(self, stream: TextIO | None = None):
        self.stream = sys.stderr if stream is None else stream
        self.live = self.stream.isatty()
        self._shown, self._pending, self._width = time.monotonic(), "", 0
        self._last: tuple[int, int] | None = None

    def __call__(self, progress: Progress) -> None:
        place = (progress.epoch, progress.step)
        if self._last is not None and place < self._last:
            self.close()
            self._shown = time.monotonic()
        self._last = place
        self.show(describe(progress))

    def show(self, text: str) -> None:
        """Show a text in place of the last one; not more often than a stream can bear."""
        self._pending = text
        now = time.monotonic()
        wait = REFRESH if self.live else SECONDS_BETWEEN_LINES
        if now - self._shown >= wait or (self.live and not self._width):
            self._print()
            self._shown = now

    def close(self) -> None:
        """Print the last state and end the line."""
        if self._pending:
            self._print()
        if self.live and self._width:
            print(file=self.stream, flush=True)
        self._pending, self._width, self._last = "", 0, None

    def around(self, tell: Callable[[tuple[Choice, ...]], None]) -> Callable[[tuple[Choice, ...]], None]:
        """Return a function that ends the line before it tells choices."""

        def told(choices: tuple[Choice, ...]) -> None:
            self.close()
            tell(choices)

        return told

    def interject(self, message: str) -> None:
        """Write a message on a line of its own, safely even from a signal handler."""
        start = "\n" if self.live and self._width else ""
        self._width = 0
        try:
            os.write(self.stream.fileno(), f"{start}{message}\n".encode())
        except (OSError, ValueError, AttributeError):  # a stream without a file behind it
            self.stream.write(f"{start}{message}\n")

    def _print(self) -> None:
        if not self.live:
            print(self._pending, file=self.stream, flush=True)
        else:
            # A line longer than the terminal would wrap, and could not be returned to.
            text = self._pending[: max(_columns(self.stream) - 1, 20)]
            print(f"\r{text.ljust(self._width)}", end="", file=self.stream, flush=True)
            self._width = len(text)
        self._pending = ""


def _columns(stream: TextIO) -> int:
    """Width of the terminal behind a stream; 80 if it does not tell."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError, AttributeError):
        return 80


def describe(progress: Progress) -> str:
    """Say where training stands in one line."""
    parts = [f"epoch {progress.epoch}/{progress.epochs}", f"loss {progress.loss:.4g}"]
    if progress.val_loss is not None:
        parts.append(f"val_loss {progress.val_loss:.4g}")
    parts.append(f"{duration(progress.seconds)} gone, {duration(progress.seconds_left)} left")
    return "  ".join(parts)


def duration(seconds: float) -> str:
    """Write a time for people.

    Example:
        >>> duration(7.2), duration(250), duration(8000)
        ('7 s', '4 min 10 s', '2 h 13 min')
    """
    if not math.isfinite(seconds):
        return "some time"
    whole = max(round(seconds), 0)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
