"""Peak memory of training on one long series: truncated backpropagation through time beside the full one.

    python benchmarks/tbptt_memory.py

Each fit runs in a process of its own; what is printed is how far its peak lies above that of the same fit on the
shortest series with the shortest stretch. Linux or macOS.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

FIT = """
import sys, numpy as np, pandas as pd, forecast
rows, tbptt, units = map(int, sys.argv[1:])
y = np.sin(np.arange(rows) / 4) + 0.1 * np.random.default_rng(0).normal(size=rows)
table = pd.DataFrame({"hour": pd.date_range("1900-01-01", periods=rows, freq="h"), "y": y})
forecast.Forecaster(horizon=12, context=24, season=24, stateful=True, tbptt=tbptt, units=units, steps=4, anchor="last",
    target_transform="none", holdout=0, validation=200, refit=False, calibrate=False).fit(table)
"""


def peak(rows: int, tbptt: int, units: int) -> float:
    """Return the peak memory of a fit in MiB."""
    env = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    command = [sys.executable, "-c", FIT, str(rows), str(tbptt), str(units)]
    child = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"the fit of {rows:,} rows with tbptt={tbptt:,} failed")
    return used.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[2_000, 4_000, 64_000])
    parser.add_argument("--full", type=int, default=4_000, help="longest series for the full one")
    parser.add_argument("--tbptt", type=int, default=256)
    parser.add_argument("--units", type=int, default=64)
    given = parser.parse_args()
    first = peak(given.rows[0], given.tbptt, given.units)
    print(f"GRU of {given.units} units, one series; MiB above {first:,.0f}")
    print(f"{'rows':>8} {f'tbptt {given.tbptt}':>12} {'tbptt = rows':>13}")
    for rows in given.rows:
        short = peak(rows, given.tbptt, given.units) - first
        full = f"{peak(rows, rows, given.units) - first:,.0f}" if rows <= given.full else "not run"
        print(f"{rows:>8,} {short:>12,.0f} {full:>13}", flush=True)


if __name__ == "__main__":
    main()
