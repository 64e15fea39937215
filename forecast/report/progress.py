"""One line that says how far training is: live on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from forecast.training.fit import Progress

SECONDS_BETWEEN_LINES = 5.0
REFRESH = 0.1


class ProgressLine:
    """Prints epochs, loss and time left; call it with a ``Progress``, close it when done.

    Args:
        stream: Where to print; default stderr. A terminal gets one line that is rewritten, anything
            else a line every five seconds and at the end of training.

    Example:
        >>> import io
        >>> from forecast.training.fit import Progress
        >>> out = io.StringIO()
        >>> line = ProgressLine(out)
        >>> line(Progress(epoch=3, epochs=30, step=20, steps=20, loss=0.5, val_loss=0.6, seconds=2.0, seconds_left=18.0))
        >>> line.close()
        >>> print(out.getvalue().strip())
        epoch 3/30  loss 0.5  val_loss 0.6  2 s gone, 18 s left
    """

    def __init__(self, stream: TextIO | None = None):
        self.stream = sys.stderr if stream is None else stream
        self.live = self.stream.isatty()
        self._shown, self._pending = 0.0, ""

    def __call__(self, progress: Progress) -> None:
        self._pending = describe(progress)
        now = time.monotonic()
        if now - self._shown < (REFRESH if self.live else SECONDS_BETWEEN_LINES) and self._shown:
            return
        if self._shown or self.live:
            self._print()
        self._shown = now

    def close(self) -> None:
        """Print the last state and end the line."""
        if self._pending:
            self._print()
            if self.live:
                print(file=self.stream, flush=True)
        self._pending = ""

    def _print(self) -> None:
        if self.live:
            # Return to the start of the line and clear what a longer line left.
            print(f"\r\x1b[2K{self._pending}", end="", file=self.stream, flush=True)
        else:
            print(self._pending, file=self.stream, flush=True)


def describe(progress: Progress) -> str:
    """Say where training stands in one line."""
    parts = [f"epoch {progress.epoch}/{progress.epochs}", f"loss {progress.loss:.4g}"]
    if progress.val_loss is not None:
        parts.append(f"val_loss {progress.val_loss:.4g}")
    parts.append(f"{progress.seconds:.0f} s gone, {progress.seconds_left:.0f} s left")
    return "  ".join(parts)
