"""Print what starting the command line costs, in CPU seconds: `python benchmarks/startup.py`.

Each command runs in a process of its own, first to cache byte code in a temporary folder, then several
times; the fastest of them is what the command costs, as anything above it is the noise of the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

COMMANDS = {
    "python (nothing)": ["-c", "pass"],
    "import forecast": ["-c", "import forecast"],
    "forecast --help": ["-m", "forecast", "--help"],
    "forecast fit --help": ["-m", "forecast", "fit", "--help"],
    "forecast info": ["-m", "forecast", "info"],
    "forecast.read_table": ["-c", "import forecast; forecast.read_table"],
    "forecast.Forecaster": ["-c", "import forecast; forecast.Forecaster"],
    "predict --runner numpy": ["-m", "forecast", "predict", "MODEL", "--runner", "numpy"],
    "predict": ["-m", "forecast", "predict", "MODEL"],
}
FIT = (
    "import forecast, sys; table = forecast.load_dataset('air_passengers'); "
    "forecast.Forecaster(model='rnn', preset='fast', steps=20).fit(table).save(sys.argv[1])"
)


def main() -> None:
    """Measure every command and print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        model = str(Path(cache) / "air.forecast")
        once([sys.executable, "-c", FIT, model], environment(cache))
        found = {
            name: measure([model if word == "MODEL" else word for word in words], cache, options.repeats)
            for name, words in COMMANDS.items()
        }
    if options.json:
        print(json.dumps(found, indent=2))
        return
    print(f"{'command':<24} {'CPU, s':>8} {'peak memory, MB':>16}")
    for name, row in found.items():
        print(f"{name:<24} {row['cpu_seconds']:>8.3f} {row['peak_megabytes']:>16.0f}")


def measure(words: list[str], cache: str, repeats: int) -> dict[str, float]:
    """Return the CPU seconds of the fastest run and its peak memory."""
    runs = [once([sys.executable, *words], environment(cache)) for _ in range(repeats + 1)][1:]
    return dict(zip(("cpu_seconds", "peak_megabytes"), min(runs), strict=True))


def environment(cache: str) -> dict[str, str]:
    """Return the environment of a child that finds this package and keeps byte code in a folder."""
    root = str(Path(__file__).resolve().parents[1])
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return env | {"PYTHONPATH": root, "PYTHONPYCACHEPREFIX": cache, "TF_CPP_MIN_LOG_LEVEL": "3"}


def once(command: list[str], env: dict[str, str]) -> tuple[float, float]:
    """Run a command and return its CPU seconds and peak memory in MB."""
    child = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return used.ru_utime + used.ru_stime, used.ru_maxrss / unit


if __name__ == "__main__":
    main()
