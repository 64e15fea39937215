"""The line that says how far training is."""

from __future__ import annotations

import io
import os

import pytest

from forecast.report import progress
from forecast.report.progress import ProgressLine, describe, duration
from forecast.training.course import Progress


class Terminal(io.StringIO):
    """A terminal that keeps what was written."""

    def isatty(self):
        return True

    def screen(self) -> list[str]:
        """What is to be seen: carriage returns overwrite."""
        lines = []
        for line in self.getvalue().split("\n"):
            shown = ""
            for part in line.split("\r"):
                shown = part + shown[len(part) :]
            lines.append(shown.rstrip())
        return lines


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand: ``clock[0]`` is now."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def at(epoch, step=1, **changes):
    told = {
        "epochs": 10,
        "steps": 5,
        "loss": 0.25,
        "val_loss": None,
        "seconds": 1.0,
        "seconds_left": 9.0,
    } | changes
    return Progress(epoch=epoch, step=step, **told)


def test_words():
    assert describe(at(3)) == "epoch 3/10  loss 0.25  1 s gone, 9 s left"
    assert describe(at(3, val_loss=1234.56)) == "epoch 3/10  loss 0.25  val_loss 1235  1 s gone, 9 s left"
    assert describe(at(3, seconds_left=float("nan"))).endswith("1 s gone, some time left")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (0.4, "0 s"),
        (59.4, "59 s"),
        (60, "1 min 0 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h 0 min"),
        (-1, "0 s"),
    ],
)
def test_durations(seconds, words):
    assert duration(seconds) == words


def test_a_terminal_gets_one_line_that_is_rewritten(clock):
    terminal = Terminal()
    line = ProgressLine(terminal)
    line(at(1, val_loss=123456.0))
    clock[0] += 0.01
    line(at(2))
    assert terminal.screen() == ["epoch 1/10  loss 0.25  val_loss 1.235e+05  1 s gone, 9 s left"], (
        "not ten times a second"
    )
    clock[0] += 0.2
    line(at(3))
    assert terminal.screen() == ["epoch 3/10  loss 0.25  1 s gone, 9 s left"], (
        "the rest of the longer line is gone"
    )
    clock[0] += 0.01
    line(at(4))
    line.close()
    assert terminal.screen() == ["epoch 4/10  loss 0.25  1 s gone, 9 s left", ""]
    assert "\x1b" not in terminal.getvalue()
    line.close()
    assert terminal.getvalue().count("\n") == 1


def test_a_line_is_no_wider_than_the_terminal(clock, monkeypatch):
    monkeypatch.setattr(progress, "_columns", lambda stream: 30)
    terminal = Terminal()
    line = ProgressLine(terminal)
    line(at(1, val_loss=0.5))
    assert terminal.getvalue() == "\repoch 1/10  loss 0.25  val_lo"


def test_a_second_training_gets_a_line_of_its_own(clock):
    terminal = Terminal()
    line = ProgressLine(terminal)
    for place in (at(9), at(10), at(1), at(2)):
        clock[0] += 1
        line(place)
    line.close()
    assert [text.split("  ")[0] for text in terminal.screen()] == ["epoch 10/10", "epoch 2/10", ""]


def test_what_is_told_stands_on_lines_of_its_own(clock):
    terminal = Terminal()
    line = ProgressLine(terminal)
    tell = line.around(lambda choices: terminal.write(f"{choices}\n"))
    tell(("first",))
    line(at(2))
    tell(("second",))
    assert [text.split("  ")[0] for text in terminal.screen()] == [
        "('first',)",
        "epoch 2/10",
        "('second',)",
        "",
    ]


def test_elsewhere_a_line_every_five_seconds_and_at_the_end(clock):
    out = io.StringIO()
    line = ProgressLine(out)
    for epoch in range(1, 10):
        line(at(epoch))
        clock[0] += 2.0
    line.close()
    assert [text.split("  ")[0] for text in out.getvalue().splitlines()] == [
        "epoch 4/10",
        "epoch 7/10",
        "epoch 9/10",
    ]
    assert "\r" not in out.getvalue()


def test_nothing_happened(clock):
    for stream in (io.StringIO(), Terminal()):
        ProgressLine(stream).close()
        assert stream.getvalue() == ""


def test_a_message_stands_on_a_line_of_its_own(clock):
    terminal = Terminal()
    line = ProgressLine(terminal)
    line.interject("before")
    line(at(1))
    line.interject("between")
    clock[0] += 1
    line(at(2))
    line.close()
    shown = [text.split("  ")[0] for text in terminal.screen()]
    assert shown == ["before", "epoch 1/10", "between", "epoch 2/10", ""]


def test_a_message_goes_past_the_buffers_of_python():
    """A signal may come while the stream is being written to, which must not be entered again."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        ProgressLine(stream).interject("heard")
        assert os.read(reading, 100) == b"heard\n"
    os.close(reading)
