"""What needs a process of its own: terminals, signals, pipes, full devices."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from forecast.modelfile import ModelFile

pty = pytest.importorskip("pty")
LONG = [
    "--preset",
    "fast",
    "--epochs",
    "5000",
    "--patience",
    "5000",
    "--units",
    "4",
    "--horizon",
    "3",
    "--context",
    "6",
    "--seed",
    "1",
]


class OnTerminal:
    """A command whose stderr is a terminal and whose stdout is a file."""

    def __init__(self, words: list[str], folder: Path, env: dict[str, str]):
        self.terminal, inner = pty.openpty()
        self.text = ""
        with (folder / "stdout").open("wb") as out:
            self.child = subprocess.Popen(
                [sys.executable, "-m", "forecast", *words],
                cwd=folder,
                env=env,
                stdout=out,
                stderr=inner,
                stdin=inner,
            )
        os.close(inner)

    def read_until(self, wanted: str, seconds: float = 120.0) -> str:
        """Read until some text appears, or to the end."""
        deadline = time.monotonic() + seconds
        while wanted not in self.text and time.monotonic() < deadline:
            if select.select([self.terminal], [], [], 0.1)[0]:
                try:
                    piece = os.read(self.terminal, 4096)
                except OSError:  # Linux says so where the other side is closed
                    break
                if not piece:
                    break
                self.text += piece.decode()
        return self.text

    def end(self, seconds: float = 120.0) -> int:
        """Wait for the end and return the exit code."""
        self.read_until("\0 never", seconds)
        code = self.child.wait(10)
        os.close(self.terminal)
        return code


@pytest.fixture
def start(tmp_path, datasets, child_environment):
    """A function that starts a long fit on a terminal and waits until its progress is shown."""
    started = []

    def begin(*words: str) -> OnTerminal:
        fit = OnTerminal(["fit", str(datasets / "nile.csv"), *words], tmp_path, child_environment())
        started.append(fit)
        fit.read_until("epoch ")
        assert "epoch " in fit.text, fit.text
        return fit

    yield begin
    for fit in started:
        if fit.child.poll() is None:
            fit.child.kill()
            fit.child.wait()


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "stdout")


def test_one_line_is_rewritten_and_an_interrupted_fit_is_kept(start, tmp_path, run):
    fit = start(*LONG)
    fit.read_until("val_loss")
    fit.child.send_signal(signal.SIGINT)
    code = fit.end()
    assert code == 130, fit.text
    assert "Traceback" not in fit.text
    progress, said = fit.text.split("\r\nStopping after this batch; the best model so far is kept.")
    shown = [line for line in progress.split("\r") if line.startswith("epoch ")]
    assert len(shown) > 1
    assert "\n" not in "".join(shown)
    assert all("/5000" in line and "loss " in line and " left" in line for line in shown)
    assert said.splitlines()[0] == " Once more to stop now."
    written = ["nile.forecast", "nile.forecast.checkpoint", "nile.forecast.csv", "nile.forecast.png"]
    assert names_in(tmp_path) == written
    assert ModelFile(tmp_path / "nile.forecast").description["record"]["stopped"] == "interrupted"
    assert "next      forecast predict" in (tmp_path / "stdout").read_text()
    assert run("predict", tmp_path / "nile.forecast").out == (tmp_path / "nile.forecast.csv").read_text()


def test_an_interrupted_fit_goes_on_with_the_command_it_prints(start, tmp_path, run, datasets):
    words = [*LONG, "--epochs", "400"]
    fit = start(*words)
    fit.read_until("epoch 20/400")
    fit.child.send_signal(signal.SIGTERM)
    assert fit.end() == 143, fit.text
    said = (tmp_path / "stdout").read_text().splitlines()[-1]
    assert said == f"resume    forecast fit {datasets / 'nile.csv'} {' '.join(words)} --resume"
    command = said.split()[2:]
    other = run(*command, "--units", "5", folder=tmp_path)
    assert other.code == 2 and "is of another fit: units was 4, is 5" in other.err
    resumed = run(*command, folder=tmp_path)
    assert resumed.code == 0, resumed.err
    assert "checkpoint:" in resumed.err
    assert names_in(tmp_path) == ["nile.forecast", "nile.forecast.csv", "nile.forecast.png"]
    found = (tmp_path / "nile.forecast.csv").read_text()
    whole = run("fit", datasets / "nile.csv", *words, "--out", tmp_path / "whole")
    assert whole.code == 0
    assert found == (tmp_path / "whole.forecast.csv").read_text()


@pytest.mark.slow
def test_a_second_signal_stops_at_once(start, tmp_path):
    (tmp_path / "nile.forecast").write_bytes(b"an older model")
    fit = start(*LONG, "--force", "--holdout", "0")
    fit.read_until("val_loss")
    os.kill(fit.child.pid, signal.SIGINT)
    # The second must come before the first has ended the batch and the model is written: at once.
    fit.read_until("Once more", 20)
    os.kill(fit.child.pid, signal.SIGINT)
    code = fit.end()
    assert code == 130, fit.text
    assert "Traceback" not in fit.text
    assert "Exception ignored" not in fit.text
    assert not [name for name in names_in(tmp_path) if name.startswith(".")]
    content = (tmp_path / "nile.forecast").read_bytes()
    assert (
        content == b"an older model"
        or ModelFile(tmp_path / "nile.forecast").description["kind"] == "forecaster"
    )


@pytest.mark.slow
def test_sigterm_is_an_interruption_too(start, tmp_path, run):
    fit = start(*LONG)
    fit.read_until("val_loss")
    fit.child.terminate()
    assert fit.end() == 143
    assert "Traceback" not in fit.text
    assert run("predict", tmp_path / "nile.forecast").code == 0


@pytest.mark.slow
@pytest.mark.parametrize("moment", [0.05, 0.4, 0.8, 1.2, 1.8, 2.5, 3.5, 5.0])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_at_any_moment(tmp_path, datasets, child_environment, run, moment, number):
    words = ["fit", str(datasets / "nile.csv"), *LONG[:6], "--horizon", "3", "--context", "6"]
    with (tmp_path / "stderr").open("wb") as err, (tmp_path / "stdout").open("wb") as out:
        child = subprocess.Popen(
            [sys.executable, "-m", "forecast", *words],
            cwd=tmp_path,
            env=child_environment(),
            stdout=out,
            stderr=err,
        )
        time.sleep(moment)
        child.send_signal(number)
        code = child.wait(120)
    text = (tmp_path / "stderr").read_text()
    # Before training a signal may end the process as it ends every other one: shells tell both as 128 + number.
    assert code in (128 + number, -number) or moment < 0.1, text
    assert "Traceback" not in text or moment < 0.1
    path = tmp_path / "nile.forecast"
    assert not path.exists() or run("predict", path).code == 0
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_a_fresh_process_forecasts_the_same_without_noise(apart, air):
    result = apart("predict", air, folder=air.parent)
    assert result.code == 0
    assert result.err == ""
    assert result.out == air.with_name("air_passengers.forecast.csv").read_text()


@pytest.mark.slow
def test_plain_lines_where_there_is_no_terminal(apart, tmp_path, datasets, tiny):
    result = apart("fit", datasets / "nile.csv", *tiny, "--holdout", "0", folder=tmp_path)
    assert result.code == 0
    assert "\r" not in result.err
    assert "\x1b" not in result.err + result.out
    lines = [line for line in result.err.splitlines() if line.startswith("epoch ")]
    assert lines
    assert all(line.endswith(" left") for line in lines)
    told = [line for line in result.err.splitlines() if line not in lines]
    assert all(" [--" in line for line in told), f"noise among the messages: {told}"


def test_colour_on_a_terminal_unless_refused(air, child_environment, tmp_path):
    def shown(**more: str) -> str:
        terminal, inner = pty.openpty()
        env = {name: value for name, value in child_environment().items() if name != "NO_COLOR"} | more
        command = [sys.executable, "-m", "forecast", "info", str(air)]
        subprocess.run(command, env=env, stdout=inner, stderr=inner, cwd=tmp_path, check=True)
        os.close(inner)
        text = b""
        while select.select([terminal], [], [], 0.2)[0]:
            try:
                text += os.read(terminal, 65536)
            except OSError:
                break
        os.close(terminal)
        return text.decode()

    assert "\x1b[1mColumns" in shown()
    plain = shown(NO_COLOR="1")
    assert "Columns" in plain
    assert "\x1b" not in plain


def test_a_reader_that_goes_away(air, child_environment, tmp_path):
    command = f"{sys.executable} -m forecast info {air} --json | head -n 1"
    done = subprocess.run(
        command, shell=True, capture_output=True, text=True, env=child_environment(), cwd=tmp_path
    )
    assert done.stdout == "{\n"
    assert done.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("words", [["info"], ["--help"]])
def test_a_full_device_behind_stdout(child_environment, tmp_path, words):
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "forecast", *words]
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, env=child_environment()
        )
    assert done.returncode == 1
    assert done.stderr == "Error: reading or writing failed: No space left on device.\n"
