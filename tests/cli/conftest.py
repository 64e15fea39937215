"""One small model of each kind for all tests of the command line."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from forecast.cli import main

DATASETS = Path(__file__).parents[2] / "datasets"
TINY = [
    "--model",
    "rnn",
    "--preset",
    "fast",
    "--epochs",
    "1",
    "--units",
    "4",
    "--horizon",
    "3",
    "--context",
    "6",
]


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line on stderr of a command that was refused, without its first word."""
        assert self.out == ""
        assert self.err.startswith("Error: ")
        assert self.err.endswith("\n")
        assert len(self.err.splitlines()) == 1
        return self.err.removeprefix("Error: ").rstrip("\n")


class Stdin(io.TextIOWrapper):
    """Standard input that holds some text."""

    def __init__(self, text: str):
        super().__init__(io.BytesIO(text.encode()), encoding="utf-8")


def run_here(*words: object, stdin: str = "", folder: Path | None = None) -> Result:
    """Run a command in this process, which is quick once TensorFlow is loaded."""
    out, err = io.StringIO(), io.StringIO()
    old, sys.stdin = sys.stdin, Stdin(stdin)
    try:
        with (
            contextlib.chdir(folder or Path.cwd()),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            main([str(word) for word in words])
    except SystemExit as end:
        return Result(int(end.code or 0), out.getvalue(), err.getvalue())
    finally:
        sys.stdin = old
    raise AssertionError("main did not leave")


def environment(**more: str) -> dict[str, str]:
    """The environment of a child that finds this package."""
    root = str(Path(__file__).parents[2])
    return os.environ | {"PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])} | more


def run_apart(*words: object, folder: Path, stdin: str | None = None, **more: str) -> Result:
    """Run a command in a process of its own."""
    command = [sys.executable, "-m", "forecast", *map(str, words)]
    done = subprocess.run(
        command, cwd=folder, input=stdin, env=environment(**more), capture_output=True, text=True, timeout=300
    )
    return Result(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def run():
    """A function that runs a command in this process."""
    return run_here


@pytest.fixture(scope="session")
def apart():
    """A function that runs a command in a process of its own."""
    return run_apart


@pytest.fixture(scope="session")
def child_environment():
    """A function that makes the environment of a child."""
    return environment


@pytest.fixture(scope="session")
def tiny():
    """Options of a fit that takes no time."""
    return list(TINY)


@pytest.fixture(scope="session")
def datasets():
    """The folder of the small data sets."""
    return DATASETS


@pytest.fixture(scope="session")
def air_fit(tmp_path_factory):
    """A fit of one series without covariates: its folder and what it printed."""
    folder = tmp_path_factory.mktemp("air")
    result = run_here("fit", DATASETS / "air_passengers.csv", *TINY, folder=folder)
    assert result.code == 0, result.err
    return folder, result


@pytest.fixture(scope="session")
def air(air_fit):
    """The model of one series without covariates."""
    return air_fit[0] / "air_passengers.forecast"


@pytest.fixture(scope="session")
def shops_table():
    """The last months of the shops, as text."""
    header, *rows = (DATASETS / "shops.csv").read_text().splitlines(keepends=True)
    return header + "".join(row for row in rows if row >= "2024-03")


@pytest.fixture(scope="session")
def shops(tmp_path_factory, shops_table):
    """A model of six series with covariates of every kind."""
    folder = tmp_path_factory.mktemp("shops")
    (folder / "shops.csv").write_text(shops_table)
    result = run_here("fit", "shops.csv", "--quiet", *TINY, folder=folder)
    assert result.code == 0, result.err
    return folder / "shops.forecast"
