"""The adding problem: which recurrent networks learn what lies far back, and what gradients say of it beforehand.

A sequence holds random numbers and marks two of them; their sum is asked for behind the last row. Who answers with
the mean has a squared error of 1/6. Hochreiter and Schmidhuber (1997); Le, Jaitly and Hinton (2015).

    python benchmarks/adding_problem.py --rows 100 --steps 3000
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import forecast
from forecast.models.recurrent import recurrent

CELLS = {
    "SimpleRNN, tanh": {"cell": "rnn"},
    "SimpleRNN, ReLU, identity": {"cell": "rnn", "activation": "relu", "start": "identity"},
    "LSTM": {"cell": "lstm"},
    "GRU": {"cell": "gru"},
}
BATCH, UNITS, RATE = 64, 32, 5e-3
SOLVED = 0.01


def sequences(count: int, rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw numbers and marks ``(count, rows, 2)``, one mark in each half, and the sums ``(count, 1)``."""
    draw, each = np.random.default_rng(seed), np.arange(count)
    x = np.zeros((count, rows, 2), np.float32)
    x[:, :, 0] = draw.random((count, rows))
    first, second = draw.integers(0, rows // 2, count), draw.integers(rows // 2, rows, count)
    x[each, first, 1] = x[each, second, 1] = 1
    return x, (x[each, first, 0] + x[each, second, 0])[:, None]


def learn(options: dict, rows: int, steps: int, seed: int) -> dict:
    """Look at a fresh network, train it, look again."""
    seen = keras.Input((rows, 2))
    state = recurrent(units=UNITS, seed=seed, name="layer", **options)(seen)
    end = keras.layers.Dense(1, kernel_initializer=keras.initializers.GlorotUniform(seed=seed))
    model = keras.Model(seen, end(state))
    looked_at, test = sequences(64, rows, 1), sequences(2_000, rows, 2)
    (before,) = forecast.gradient_health(model, *looked_at).layers
    rate = keras.optimizers.schedules.CosineDecay(RATE, steps)
    model.compile(keras.optimizers.Adam(rate, global_clipnorm=1.0), "mse", jit_compile=False)
    began = time.perf_counter()
    for part in range(10):
        # New sequences all the time; a tenth of them at once in memory.
        x, y = sequences(steps // 10 * BATCH, rows, 1_000 * (seed + 1) + part)
        model.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0)
    (after,) = forecast.gradient_health(model, *looked_at).layers
    return {
        "before": before.memory,
        "reach": before.reach,
        "after": after.memory,
        "mse": float(model.evaluate(*test, verbose=0)),
        "seconds": time.perf_counter() - began,
    }


def main() -> None:
    """Print a table, and write JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--steps", type=int, default=3_000)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    print(
        f"{given.rows} rows, {given.steps:,} steps of {BATCH}, {UNITS} units; the mean has an error of {1 / 6:.3f}"
    )
    print(f"{'network':<26} {'seed':>4} {'fresh':>6} {'gates open':>11} {'trained':>8} {'error':>8}  seconds")
    found = []
    for name, options in CELLS.items():
        for seed in range(given.seeds):
            result = learn(options, given.rows, given.steps, seed)
            found.append({"network": name, "seed": seed} | result)
            print(
                f"{name:<26} {seed:>4} {result['before']:>6} {result['reach']:>11} {result['after']:>8} "
                f"{result['mse']:>8.4f}  {result['seconds']:.0f}{'  learned' if result['mse'] < SOLVED else ''}",
                flush=True,
            )
    if given.json is not None:
        given.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
