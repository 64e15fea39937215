"""The kernel by itself: what its layers' equality with Keras does not show."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from forecast.models.native import library, memory
from forecast.models.native.library import Run, Sequences, States, backward, forward

SOURCES = Path(library.__file__).parent
CELLS = tuple(library.CELLS)
built = pytest.mark.skipif(library.library() is None, reason="the native kernel was not built")


def some(cell, batch, steps, inputs, units, seed=0):
    draw = np.random.default_rng(seed)

    def normal(*shape, by=1.0):
        return (by * draw.normal(size=shape)).astype(np.float32)

    columns = library.GATES[cell] * units
    return Sequences(
        normal(batch, steps, inputs),
        normal(inputs, columns),
        normal(units, columns, by=units**-0.5),
        normal(2, columns) if cell == "gru" else normal(columns),
        normal(batch, units),
        normal(batch, units) if cell == "lstm" else None,
    )


def all_of(run, given):
    """Everything the kernel gives for some sequences, the gradients of a random sum among them."""
    found = forward(run, given, keep=True)
    draw = np.random.default_rng(9)
    outer = States(
        *(
            None if a is None else draw.normal(size=a.shape).astype(np.float32)
            for a in (found.last, found.sequence, found.h, found.c)
        )
    )
    made = backward(run, given, found.reserve, outer)
    named = {"last": found.last, "sequence": found.sequence, "h": found.h, "c": found.c}
    named |= {f"d_{name}": array for name, array in made.items()}
    return {name: array for name, array in named.items() if array is not None}


def assert_same(one, other, tolerance=0.0):
    assert one.keys() == other.keys()
    for name in one:
        scale = max(1.0, float(np.abs(other[name]).max(initial=0.0)))
        np.testing.assert_allclose(one[name], other[name], rtol=0, atol=tolerance * scale, err_msg=name)


@built
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("shape", [(1, 4, 2, 3), (33, 5, 3, 20), (200, 3, 1, 7), (1100, 2, 1, 3)])
def test_the_same_bits_for_any_number_of_threads(cell, shape):
    given = some(cell, *shape)
    alone = all_of(Run(cell, sequences=True, threads=1), given)
    for threads in (2, 3, 100):
        assert_same(all_of(Run(cell, sequences=True, threads=threads), given), alone)


@built
@pytest.mark.parametrize("cell", CELLS)
def test_all_levels_of_instructions_agree(cell):
    best = library.LEVELS[library.level()]
    levels = [name for name, number in library.LEVELS.items() if 0 < number <= best]
    assert levels[0] == "baseline"
    given = some(cell, 19, 6, 5, 21)
    base = all_of(Run(cell, sequences=True, level="baseline"), given)
    for level in levels[1:]:
        assert_same(all_of(Run(cell, sequences=True, level=level), given), base, 2e-6)


@built
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("backwards", [False, True])
def test_windows_are_read_where_they_lie(cell, backwards):
    series = np.random.default_rng(0).normal(size=(50, 6)).astype(np.float32)[:, 1:4]
    starts = np.array([0, 41, 7, 7, 20])
    given = some(cell, 5, 9, 3, 4)
    run = Run(cell, backwards, sequences=True)
    given.x = np.stack([series[s : s + 9] for s in starts])
    copied = all_of(run, given)
    given.x, given.starts, given.steps = series, starts, 9
    assert_same(all_of(run, given), copied)
    given.x = np.lib.stride_tricks.sliding_window_view(series, 9, axis=0).transpose(0, 2, 1)[starts[0] : 5]
    given.starts = given.steps = None
    strided = all_of(run, given)
    given.x = np.ascontiguousarray(given.x)
    assert_same(strided, all_of(run, given))


@built
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("masked", [False, True])
def test_dropout_masks(cell, masked):
    draw = np.random.default_rng(2)
    given = some(cell, 6, 5, 3, 7)
    if masked:
        given.mask = draw.random((6, 5)) < 0.7
    run, factors = Run(cell, sequences=True), (draw.random((6, 3)) < 0.6).astype(np.float32) / 0.6
    x, given.input_drop = given.x, factors
    dropped = all_of(run, given)
    given.x, given.input_drop = x * factors[:, None], None
    by_hand = all_of(run, given)
    by_hand["d_x"] = by_hand["d_x"] * factors[:, None]
    assert_same(dropped, by_hand, 1e-6)
    # A state that each gate sees through factors is the state as it is times a kernel with its rows scaled.
    given.state_drop = np.repeat((draw.random((1, 7)) < 0.6).astype(np.float32) / 0.6, 6, axis=0)
    seen = all_of(run, given)
    recurrent, rows = given.recurrent, given.state_drop[0][:, None]
    given.recurrent, given.state_drop = recurrent * rows, None
    scaled = all_of(run, given)
    scaled["d_recurrent"] = scaled["d_recurrent"] * rows
    assert_same(seen, scaled, 2e-6)


@built
def test_dropout_of_the_state_differs_by_row():
    given = some("gru", 2, 4, 1, 5)
    given.x[1], given.h0[1] = given.x[0], given.h0[0]
    given.state_drop = np.stack([np.zeros(5), np.ones(5)]).astype(np.float32)
    last = forward(Run("gru"), given).last
    given.state_drop = None
    assert (forward(Run("gru"), given).last[1] == last[1]).all() and (last[0] != last[1]).any()


@built
def test_values_that_are_none_are_seen():
    given = some("lstm", 3, 4, 2, 5)
    given.x[1, 2, 0] = np.nan
    last = forward(Run("lstm"), given).last
    assert np.isnan(last).all(axis=1).tolist() == [False, True, False]
    given.mask = ~np.isnan(given.x).any(axis=2)
    found = all_of(Run("lstm", sequences=True), given)
    assert all(np.isfinite(array).all() for array in found.values())


@built
@pytest.mark.parametrize("value", [-1e30, -20.0, -1.0, -1e-3, 0.0, 1e-6, 0.3, 5.0, 8.4, 100.0, np.inf])
def test_the_functions_of_gates(value):
    one = np.ones((1, 1), np.float32)
    given = Sequences(np.full((1, 1, 1), value, np.float32), one, one)
    assert forward(Run("rnn"), given).last[0, 0] == pytest.approx(np.tanh(value), abs=2e-7)


@built
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"x": np.zeros((2, 3), np.float32)}, "Inputs must be float32 with 3 axes"),
        ({"x": np.zeros((2, 3, 4), np.float32)}, "kernel must be float32 of shape"),
        ({"bias": np.zeros(3, np.float32)}, "bias must be float32 of shape"),
        ({"h0": np.zeros((2, 5))}, "first state must be float32"),
        ({"mask": np.ones((2, 4), bool)}, "mask must be bool of shape"),
        (
            {"x": np.zeros((9, 2), np.float32), "starts": np.array([0, 7]), "steps": 3},
            "runs past a series of 9",
        ),
        ({"x": np.zeros((9, 2), np.float32), "starts": np.array([0, -1]), "steps": 3}, "runs past a series"),
        ({"x": np.zeros((0, 3, 2), np.float32), "h0": None, "c0": None}, "A layer cannot have batch 0"),
    ],
)
def test_arrays_that_do_not_fit(change, words):
    given = some("lstm", 2, 3, 2, 5)
    for name, value in change.items():
        setattr(given, name, value)
    with pytest.raises(ValueError, match=words):
        forward(Run("lstm"), given)


@built
def test_the_reserve_of_another_call():
    given = some("lstm", 2, 3, 2, 5)
    with pytest.raises(ValueError, match="The reserve has"):
        backward(Run("lstm"), given, np.zeros(7, np.float32), States(None, None, None, None))


def test_memory_is_used_anew_once_nobody_holds_it():
    first = memory.aligned((1001, 3))
    where, part = first.ctypes.data, first[5:7]
    del first
    gc.collect()
    assert memory.aligned((1001, 3)).ctypes.data != where
    del part
    gc.collect()
    assert memory.aligned((1001, 3)).ctypes.data == where


def test_threads(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert library.threads() == 3
    monkeypatch.setenv("FORECAST_THREADS", "2")
    assert library.threads() == 2
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setenv("FORECAST_THREADS", "all")
    assert 1 <= library.threads() <= (os.cpu_count() or 1)


@pytest.fixture(scope="module")
def fuzzer(tmp_path_factory):
    """The kernel and a program that calls it with random shapes, under sanitizers."""
    compiler = shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("there is no C compiler")
    program = tmp_path_factory.mktemp("fuzz") / "fuzz"
    files = [SOURCES / f"{name}.c" for name in ("kernel", "level_baseline", "level_avx2", "level_avx512")]
    flags = [
        "-std=gnu11",
        "-O1",
        "-g",
        "-fsanitize=address,undefined",
        "-fno-sanitize-recover=all",
        "-pthread",
    ]
    command = [
        compiler,
        *flags,
        f"-I{SOURCES}",
        Path(__file__).with_name("fuzz.c"),
        *files,
        "-o",
        program,
        "-lm",
    ]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode and "sanitize" in done.stderr:
        pytest.skip(f"the compiler has no sanitizers: {done.stderr[:200]}")
    assert done.returncode == 0, done.stderr
    return program


@pytest.mark.parametrize("seed", [1, 2])
def test_random_shapes_stay_in_their_buffers(fuzzer, seed):
    done = subprocess.run([fuzzer, str(seed), "150"], capture_output=True, text=True)
    assert done.returncode == 0 and "150 calls" in done.stdout, done.stdout + done.stderr


@pytest.mark.fuzz
def test_many_random_shapes_stay_in_their_buffers(fuzzer):
    done = subprocess.run([fuzzer, "3", "20000"], capture_output=True, text=True)
    assert done.returncode == 0 and "20000 calls" in done.stdout, done.stdout + done.stderr
