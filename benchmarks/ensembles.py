"""One network, a mean of three and a mean of snapshots: errors on held-out rows of shipped tables, and what they cost.

python benchmarks/ensembles.py --seeds 3
"""

from __future__ import annotations

import argparse
import logging
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

import forecast

TABLES = ("air_passengers", "co2", "elnino", "sunspots")
WAYS = {
    "one network": {"ensemble": 1},
    "three snapshots": {"ensemble": 3, "snapshots": True},
    "three members": {"ensemble": 3},
}


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=300)
    given = parser.parse_args()
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    print(f"rnn, {given.steps} steps in all for one network and for snapshots, mean of {given.seeds} seeds")
    print(f"{'table':<16} {'way':<16} {'MASE':>7} {'CPU-seconds':>12}")
    for name in TABLES:
        table = forecast.load_dataset(name)
        for way, options in WAYS.items():
            errors, seconds = [], []
            for seed in range(given.seeds):
                began = time.process_time()
                model = forecast.Forecaster(
                    model="rnn",
                    anchor="last",
                    scale="window",
                    target_transform="none",
                    steps=given.steps,
                    refit=False,
                    seed=10 * seed,
                    **options,
                ).fit(table)
                seconds.append(time.process_time() - began)
                errors.append(model.comparison_.set_index("method").loc["network", "MASE"])
            print(f"{name:<16} {way:<16} {np.mean(errors):>7.3f} {np.mean(seconds):>12.1f}", flush=True)


if __name__ == "__main__":
    main()
