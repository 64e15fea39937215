"""Print what one new row costs in a stream, beside other ways to run an LSTM: `python benchmarks/streaming.py`.

All networks have one LSTM layer of 64 units and random weights, and run on one thread. What each way does with a row:

- `Stream.push`: raw value in, state moved on, calibrated quantiles of the horizon out.
- `Stream.push, window`: the same of a network that was trained on windows, read anew.
- `Stream.update`: as the first, from a data frame of one row to a table of forecasts.
- `model.predict`, `compiled function, window`: the windows' network called on a window that lies ready.
- `compiled function, step`: the carried network's step, raw value and states that lie ready.
- `NumPy, LSTM and head`: the same step of `Stream.push` without what lies around it, to compare with the next.
- `ONNX Runtime, LSTM and head`: scaled value and states that lie ready.
- `torch LSTMCell`: the bare cell, scaled value and states that lie ready; no head.

Ways take turns; a figure is the median of the rounds' means, and the ratio that to `Stream.push`. Packages that are not
installed are named and left out.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import time
import warnings
from collections.abc import Callable

THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OPENBLAS_NUM_THREADS")
os.environ |= dict.fromkeys(THREADS, "1") | {"TF_CPP_MIN_LOG_LEVEL": "3"}

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

UNITS, CONTEXT, HORIZON = 64, 96, 24
MANY = 10_000


def main() -> None:
    """Measure every way and print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.3, help="of each way in a round")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args()
    ways, left_out = make_ways()
    rows = {name: [] for name in ways}
    for way in ways.values():
        for _ in range(5):
            way()
    for _ in range(options.rounds):
        for name, way in ways.items():
            rows[name].append(mean_seconds(way, options.seconds))
    found = {name: statistics.median(times) for name, times in rows.items()}
    many = many_series(options.rounds)
    if options.json:
        print(json.dumps({"seconds": found, "seconds_of_many": many, "left_out": left_out}, indent=2))
        return
    ours = found["Stream.push"]
    print(f"{'one row of one series':<28} {'microseconds':>14} {'ratio':>8}")
    for name, seconds in sorted(found.items(), key=lambda row: row[1]):
        print(f"{name:<28} {seconds * 1e6:>14,.0f} {seconds / ours:>8.2f}")
    print(f"\nStream.push of {MANY:,} series: {many * 1e3:,.0f} ms, {MANY / many:,.0f} rows a second")
    for name in left_out:
        print(f"{name} is not installed: left out")


def mean_seconds(way: Callable[[], object], seconds: float) -> float:
    """Return the mean time of a call, over so many seconds."""
    begin, calls = time.perf_counter(), 0
    while (gone := time.perf_counter() - begin) < seconds:
        way()
        calls += 1
    return gone / max(calls, 1)


def table(rows: int = 400, series: int = 1) -> pd.DataFrame:
    """Make hourly series with a daily season."""
    rng, hour = np.random.default_rng(0), np.arange(rows)
    wave = 10 + 3 * np.sin(2 * np.pi * hour / 24)
    times = pd.date_range("2024-01-01", periods=rows, freq="h")
    parts = [
        pd.DataFrame({"id": f"s{i:05d}", "time": times, "y": wave + 0.3 * rng.normal(size=rows)})
        for i in range(series)
    ]
    return pd.concat(parts, ignore_index=True)


def fitted(stateful: bool, frame: pd.DataFrame):
    """Fit for an instant: what the weights are does not matter here."""
    import forecast

    options = {"horizon": HORIZON, "context": CONTEXT, "cell": "lstm", "units": UNITS, "model": "rnn"}
    model = forecast.Forecaster(**options, preset="fast", steps=2, season=24, stateful=stateful)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(frame)


def make_ways() -> tuple[dict[str, Callable[[], object]], list[str]]:
    """Return a call for each way to read a row, and the packages that are not there."""
    frame = table().drop(columns="id")
    carried, windowed = fitted(True, frame), fitted(False, frame)
    values = frame["y"].to_numpy()
    stream, window, framed = carried.stream(), windowed.stream(), carried.stream()

    def update() -> object:
        return framed.update(pd.DataFrame({"time": framed.times, "y": values[:1]}))

    ways: dict[str, Callable[[], object]] = {
        "Stream.push": lambda: stream.push(10.5),
        "Stream.push, window": lambda: window.push(10.5),
        "Stream.update": update,
        "NumPy, LSTM and head": numpy_step(carried),
    }
    ways |= keras_ways(carried, windowed, values)
    left_out = []
    for name, package, make in (
        ("ONNX Runtime, LSTM and head", "onnxruntime", onnx_step),
        ("torch LSTMCell", "torch", torch_cell),
    ):
        if importlib.util.find_spec(package) is None:
            left_out.append(package)
        else:
            ways[name] = make()
    return ways, left_out


def keras_ways(carried, windowed, values: np.ndarray) -> dict[str, Callable[[], object]]:
    """Run the networks as Keras does: `predict`, and compiled functions."""
    from forecast.models.forms import forms_of

    model = windowed.model_
    inputs = {"target": values[-CONTEXT:].reshape(1, CONTEXT, 1)}
    if "length" in model.input:
        inputs["length"] = np.array([CONTEXT], np.int32)
    held = forms_of(carried.model_).carried
    step = held.stretch(1)
    state = {"now": held.fresh(1)}
    row = {"target": np.full((1, 1, 1), 10.5), "length": np.ones(1, np.int32)}

    def one_step() -> object:
        after = step.predict_on_batch(row | state["now"])
        forecasts = after.pop("forecast")
        state["now"] = after
        return forecasts

    return {
        "model.predict": lambda: model.predict(inputs, verbose=0),
        "compiled function, window": lambda: model.predict_on_batch(inputs),
        "compiled function, step": one_step,
    }


def numpy_step(carried) -> Callable[[], object]:
    """Return one step of LSTM and head of the runner, from a scaled value."""
    steps = carried.stream().reader.steps
    cell, head, every, row = steps.cells[0], steps.head, slice(None), [[0.1, 0.2, 0.0]]

    def step() -> object:
        cell.advance(every, row)
        return np.dot(cell.state_and_one, head.kernel)

    return step


def onnx_step() -> Callable[[], object]:
    """Return one step of LSTM and head in ONNX Runtime."""
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper

    rng = np.random.default_rng(0)
    outputs = HORIZON * 3
    weights = {
        "W": rng.normal(size=(1, 4 * UNITS, 3)),
        "R": 0.1 * rng.normal(size=(1, 4 * UNITS, UNITS)),
        "B": np.zeros((1, 8 * UNITS)),
        "K": rng.normal(size=(UNITS, outputs)),
        "b": np.zeros(outputs),
        "shape": np.array([1, UNITS]),
    }
    stored = [
        onnx.numpy_helper.from_array(value.astype(np.int64 if name == "shape" else np.float32), name)
        for name, value in weights.items()
    ]
    nodes = [
        helper.make_node("LSTM", ["x", "W", "R", "B", "", "h", "c"], ["", "h2", "c2"], hidden_size=UNITS),
        helper.make_node("Reshape", ["h2", "shape"], ["flat"]),
        helper.make_node("Gemm", ["flat", "K", "b"], ["y"]),
    ]
    shapes = {"x": (1, 1, 3), "h": (1, 1, UNITS), "c": (1, 1, UNITS)}
    after = {"y": (1, outputs), "h2": (1, 1, UNITS), "c2": (1, 1, UNITS)}
    graph = helper.make_graph(
        nodes,
        "step",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in after.items()],
        stored,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    feed = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}

    def step() -> object:
        forecasts, feed["h"], feed["c"] = session.run(None, feed)
        return forecasts

    return step


def torch_cell() -> Callable[[], object]:
    """Return one step of a bare LSTM cell in torch."""
    import torch

    torch.set_num_threads(1)
    cell = torch.nn.LSTMCell(3, UNITS).eval()
    row, state = torch.zeros(1, 3), {"now": (torch.zeros(1, UNITS), torch.zeros(1, UNITS))}

    def step() -> object:
        with torch.inference_mode():
            state["now"] = cell(row, state["now"])
        return state["now"]

    return step


def many_series(rounds: int) -> float:
    """Return the seconds of a row of each of many series."""
    model = fitted(True, table(200, 20))
    stream = model.stream()
    last = stream.times[0]
    fresh = pd.DataFrame({"id": [f"t{i:05d}" for i in range(MANY - 20)], "time": last, "y": 10.0})
    stream.update(fresh)
    values = np.random.default_rng(0).normal(10, 1, size=(MANY, 1))
    return statistics.median(mean_seconds(lambda: stream.push(values), 0.0001) for _ in range(rounds))


if __name__ == "__main__":
    main()
