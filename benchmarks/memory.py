"""How much memory training on a long table takes beyond the framework: as a multiple of the table's values.

    python benchmarks/memory.py --json memory.json

A small recurrent network is first trained on a short panel of the same shape, so that everything the
framework loads and compiles is in memory. Then the same model is trained on the long one. What is reported
is how far the peak of the resident memory rises above the first level, the panel itself included. The
requirement is less than twice the panel; the program ends with exit code 1 if it is missed. Linux only.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from forecast.data.gridding import to_panel
from forecast.data.panel import Panel
from forecast.data.scale import error_scales
from forecast.data.table import read_table
from forecast.data.windows import make_windows

# Native logs of TensorFlow would stand between the figures.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

REQUIRED = 2.0
MIB = 2**20


def resident(field: str) -> float:
    """Resident memory of this process in MiB: ``VmRSS`` now, ``VmHWM`` at its peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def peak_of(work: Callable[[], Any]) -> tuple[float, Any]:
    """Do some work; return the peak of resident memory meanwhile in MiB, and what the work returned."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # from here on VmHWM is the peak
    result = work()
    return resident("VmHWM"), result


def make_table(rows: int, columns: int) -> Any:
    """An hourly table with a daily season; every hundredth cell is missing."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(rows, columns)) + 5 * np.sin(np.arange(rows) * 2 * np.pi / 24)[:, None]
    values[rng.random(values.shape) < 0.01] = np.nan
    names = [f"y{j}" for j in range(columns)]
    frame = pd.DataFrame(values, columns=names)
    frame["hour"] = pd.date_range("1880-01-01", periods=rows, freq="h")
    return read_table(frame, time="hour", target=names)


def make_panel(rows: int, columns: int) -> Panel:
    """The table as a panel; the table itself is let go of."""
    return to_panel(make_table(rows, columns), step="h")


def train_on(panel: Panel, model: Any, options: argparse.Namespace) -> None:
    """Train for some steps on windows of a panel."""
    from forecast.training.sequence import WindowSequence

    windows = make_windows(
        panel, context=options.context, horizon=options.horizon, scales=error_scales(panel, season=24)
    )
    model.fit(WindowSequence(windows, options.batch_size, options.steps), epochs=1, verbose=0, shuffle=False)


def make_model(options: argparse.Namespace) -> Any:
    """A small GRU over all columns together."""
    from forecast.models import Spec, build_rnn
    from forecast.models.losses import PointLoss
    from forecast.training.optimizer import GuardedAdam

    spec = Spec(options.context, options.horizon, targets=options.columns, missing=True)
    model = build_rnn(spec, cell="gru", units=16, independent=False)
    model.compile(optimizer=GuardedAdam(1e-3), loss=PointLoss("mae"))
    return model


def measure(options: argparse.Namespace) -> dict[str, float]:
    """Return memory levels in MiB and the growth as a multiple of the panel."""
    model = make_model(options)
    train_on(make_panel(options.context + options.horizon + 2_000, options.columns), model, options)
    gc.collect()
    baseline = resident("VmRSS")
    reading, panel = peak_of(lambda: make_panel(options.rows, options.columns))
    gc.collect()
    held = resident("VmRSS")
    training, _ = peak_of(lambda: train_on(panel, model, options))
    size = panel.values.nbytes / MIB
    return {
        "framework": baseline,
        "panel": size,
        "after_reading": held,
        "peak_reading": reading,
        "peak_training": training,
        "growth": training - baseline,
        "multiple": (training - baseline) / size,
    }


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=7)
    parser.add_argument("--context", type=int, default=336)
    parser.add_argument("--horizon", type=int, default=24)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    return parser.parse_args()


def main() -> int:
    options = parse()
    if not Path("/proc/self/clear_refs").exists():
        print("This benchmark reads peaks of memory from /proc, which only Linux has.", file=sys.stderr)
        return 2
    found = measure(options)
    print(
        f"{options.rows:,} rows x {options.columns} columns, context {options.context}, horizon {options.horizon}"
    )
    words = {
        "framework": "framework and model, trained on a short panel",
        "panel": "values of the long panel",
        "after_reading": "resident with the long panel",
        "peak_reading": "peak while reading it",
        "peak_training": f"peak of {options.steps} training steps",
        "growth": "growth: that peak above the framework, panel included",
    }
    for name, text in words.items():
        print(f"{text:<56} {found[name]:9.1f} MiB")
    kept = found["multiple"] < REQUIRED
    print(f"{'growth as a multiple of the panel':<56} {found['multiple']:9.2f}     required < {REQUIRED:g}")
    if options.json is not None:
        settings = {k: v for k, v in vars(options).items() if k != "json"}
        options.json.write_text(json.dumps({"settings": settings, "figures": found}, indent=2) + "\n")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
