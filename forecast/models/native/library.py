"""Calls of the recurrent kernel with NumPy arrays.

Results are the same to the bit for any number of threads. The sizes of all arrays are checked here: the kernel reads
and writes what it is told.
"""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any

import numpy as np

from forecast.models.native.memory import aligned

CELLS = {"rnn": 0, "rnn_relu": 1, "lstm": 2, "gru": 3}
GATES = {"rnn": 1, "rnn_relu": 1, "lstm": 4, "gru": 3}
LEVELS = {"auto": 0, "baseline": 1, "avx2": 2, "avx512": 3}
_SIZES = ("batch", "steps", "inputs", "units")
_ARRAYS = (
    *("starts", "kernel", "recurrent", "bias", "h0", "c0", "mask", "input_drop", "state_drop"),
    *("sequence", "last", "h_last", "c_last", "reserve", "d_sequence", "d_last", "d_h_last", "d_c_last"),
    *("d_x", "d_kernel", "d_recurrent", "d_bias", "d_h0", "d_c0"),
)
_FAULTS = {1: "the kernel refuses the sizes", 2: "no memory"}


class _Call(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_int32) for name in ("cell", "level", "threads", "backwards", "zero_masked")),
        *((name, ctypes.c_int64) for name in _SIZES),
        ("x", ctypes.c_void_p),
        ("x_batch", ctypes.c_int64),
        ("x_step", ctypes.c_int64),
        *((name, ctypes.c_void_p) for name in _ARRAYS),
    ]


@dataclass(frozen=True)
class Run:
    """How a layer is run.

    Args:
        cell: ``"rnn"`` (tanh), ``"rnn_relu"``, ``"lstm"`` or ``"gru"`` (``reset_after=True``).
        backwards: Read from the last step to the first; outputs are in the order of the reading.
        sequences: Give the output of every step, not only the last one.
        zero_masked: The outputs of masked steps are zero, not those of the step before.
        threads: At most so many; None for what ``threads()`` says.
        level: Which instructions: ``"auto"``, ``"baseline"``, ``"avx2"`` or ``"avx512"``.
    """

    cell: str
    backwards: bool = False
    sequences: bool = False
    zero_masked: bool = False
    threads: int | None = None
    level: str = "auto"


@dataclass
class Sequences:
    """What a layer reads.

    Args:
        x: ``(batch, steps, inputs)`` with strides of any size, the last axis contiguous. With ``starts`` a series
            ``(rows, inputs)``, of which windows are read where they lie.
        kernel: ``(inputs, gates * units)``, as Keras keeps it.
        recurrent: ``(units, gates * units)``.
        bias: ``(gates * units,)``, of a GRU ``(2, gates * units)``; None for none.
        h0: First state ``(batch, units)``; None for zeros.
        c0: First cell of an LSTM ``(batch, units)``; None for zeros.
        mask: Which rows are real ``(batch, steps)``; None for all. The state passes over the others.
        starts: First row of each window of a series, int64 ``(batch,)``.
        steps: Rows of a window, with ``starts``.
        input_drop: Factors of the inputs, the same at all steps ``(batch, inputs)``.
        state_drop: Factors of the state that the gates see, the same at all steps ``(batch, units)``.
    """

    x: np.ndarray
    kernel: np.ndarray
    recurrent: np.ndarray
    bias: np.ndarray | None = None
    h0: np.ndarray | None = None
    c0: np.ndarray | None = None
    mask: np.ndarray | None = None
    starts: np.ndarray | None = None
    steps: int | None = None
    input_drop: np.ndarray | None = None
    state_drop: np.ndarray | None = None


@dataclass
class States:
    """What a layer gives; or the gradients of it, None for zero.

    Args:
        last: Last output ``(batch, units)``.
        sequence: All outputs ``(batch, steps, units)``; None unless asked for.
        h: State behind the last step ``(batch, units)``. It is the last output unless all rows were passed over.
        c: Cell of an LSTM.
        reserve: What the way back needs; None unless asked for.
    """

    last: np.ndarray | None
    sequence: np.ndarray | None
    h: np.ndarray | None
    c: np.ndarray | None
    reserve: np.ndarray | None = None


@cache
def library() -> ctypes.CDLL | None:
    """Return the kernel's library; None where it was not built."""
    for suffix in EXTENSION_SUFFIXES:
        path = Path(__file__).with_name(f"kernel{suffix}")
        if path.exists():
            try:
                found = ctypes.CDLL(str(path))
            except OSError:
                return None
            found.forecast_reserve.restype = ctypes.c_int64
            return found
    return None


def level() -> str | None:
    """Return which instructions the kernel uses on this machine; None where it was not built."""
    found = library()
    return None if found is None else next(name for name, n in LEVELS.items() if n == found.forecast_level())


def threads() -> int:
    """Return how many threads a call may use: ``FORECAST_THREADS``, else ``OMP_NUM_THREADS``, else all cores."""
    for name in ("FORECAST_THREADS", "OMP_NUM_THREADS"):
        value = os.environ.get(name, "")
        if value.isdigit() and int(value):
            return int(value)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def floats_kept(run: Run, batch: int, steps: int, inputs: int, units: int) -> int:
    """Return how many floats ``forward`` keeps for ``backward``.

    Raises:
        ValueError: A layer cannot have these sizes.
    """
    return _reserve(
        _Call(CELLS[run.cell], LEVELS[run.level], batch=batch, steps=steps, inputs=inputs, units=units)
    )


def forward(run: Run, given: Sequences, *, keep: bool = False) -> States:
    """Run a layer over sequences.

    Args:
        run: How.
        given: What it reads, float32.
        keep: Keep what ``backward`` needs.

    Raises:
        ValueError: Arrays that do not fit each other.
        RuntimeError: The kernel was not built, or has no memory.

    Example:
        >>> from forecast.models.native.library import library
        >>> x, kernel, recurrent = (np.ones(shape, np.float32) for shape in ((1, 3, 2), (2, 4), (4, 4)))
        >>> forward(Run("rnn"), Sequences(x, kernel, recurrent)).last.shape if library() else (1, 4)
        (1, 4)
    """
    call, held = _described(run, given)
    batch, steps, units = call.batch, call.steps, call.units
    found = States(
        last=aligned((batch, units)),
        sequence=aligned((batch, steps, units)) if run.sequences else None,
        h=aligned((batch, units)),
        c=aligned((batch, units)) if run.cell == "lstm" else None,
        reserve=aligned((_reserve(call),)) if keep else None,
    )
    _point(
        call, last=found.last, sequence=found.sequence, h_last=found.h, c_last=found.c, reserve=found.reserve
    )
    _carry_out("forecast_forward", call)
    del held
    return found


def backward(
    run: Run, given: Sequences, kept: np.ndarray, gradients: States, *, inputs: bool = True
) -> dict[str, np.ndarray | None]:
    """Return the gradients of what ``forward`` read, from those of what it gave.

    Args:
        run: As ``forward`` had it.
        given: As ``forward`` had it; of ``x`` only the shape is looked at.
        kept: The reserve that ``forward`` gave.
        gradients: Of what it gave.
        inputs: Whether the gradient of ``x`` is asked for.

    Returns:
        Arrays by name: ``x`` ``(batch, steps, inputs)``, ``kernel``, ``recurrent``, ``bias``, ``h0``, ``c0``; None
        for what is not asked for or not there.

    Raises:
        ValueError: Arrays that do not fit each other.
        RuntimeError: The kernel was not built, or has no memory.
    """
    call, held = _described(run, given)
    batch, steps, units = call.batch, call.steps, call.units
    if kept.shape != (_reserve(call),):
        raise ValueError(f"The reserve has {kept.shape} floats, this call needs {_reserve(call)}.")
    shapes = {
        "last": (batch, units),
        "sequence": (batch, steps, units),
        "h": (batch, units),
        "c": (batch, units),
    }
    given_back = {name: _checked(name, getattr(gradients, name), shape) for name, shape in shapes.items()}
    made = {
        "x": aligned((batch, steps, call.inputs)) if inputs else None,
        "kernel": aligned(given.kernel.shape),
        "recurrent": aligned(given.recurrent.shape),
        "bias": None if given.bias is None else aligned(given.bias.shape),
        "h0": aligned((batch, units)),
        "c0": aligned((batch, units)) if run.cell == "lstm" else None,
    }
    _point(call, reserve=np.ascontiguousarray(kept), **{f"d_{name}": array for name, array in made.items()})
    _point(call, d_last=given_back["last"], d_sequence=given_back["sequence"])
    _point(call, d_h_last=given_back["h"], d_c_last=given_back["c"] if run.cell == "lstm" else None)
    _carry_out("forecast_backward", call)
    del held
    return made


def _described(run: Run, given: Sequences) -> tuple[_Call, list[Any]]:
    """Return the call, and the arrays that must live as long as it."""
    x, windowed = given.x, given.starts is not None
    if x.dtype != np.float32 or x.ndim != (2 if windowed else 3):
        raise ValueError(f"Inputs must be float32 with {2 if windowed else 3} axes; got {x.dtype} {x.shape}.")
    if x.shape[-1] > 1 and x.strides[-1] != 4:
        x = np.ascontiguousarray(x)
    inputs, units = x.shape[-1], len(given.recurrent)
    columns = GATES[run.cell] * units
    steps = x.shape[1] if given.starts is None else given.steps or 0
    batch = len(x if given.starts is None else given.starts)
    starts = None if not windowed else _checked_starts(given, len(x))
    arrays = {
        "kernel": _checked("kernel", given.kernel, (inputs, columns)),
        "recurrent": _checked("recurrent kernel", given.recurrent, (units, columns)),
        "bias": _checked("bias", given.bias, (2, columns) if run.cell == "gru" else (columns,)),
        "h0": _checked("first state", given.h0, (batch, units)),
        "c0": _checked("first cell", given.c0, (batch, units)),
        "mask": _checked("mask", given.mask, (batch, steps), np.bool_),
        "input_drop": _checked("input dropout", given.input_drop, (batch, inputs)),
        "state_drop": _checked("state dropout", given.state_drop, (batch, units)),
        "starts": None if starts is None else starts * (x.strides[0] // 4),
    }
    call = _Call(
        CELLS[run.cell],
        LEVELS[run.level],
        threads() if run.threads is None else run.threads,
        int(run.backwards),
        int(run.zero_masked),
        *(batch, steps, inputs, units),
        x=x.ctypes.data,
        x_batch=0 if windowed else x.strides[0] // 4,
        x_step=x.strides[-2] // 4,
    )
    _point(call, **arrays)
    return call, [x, arrays]


def _checked(
    name: str, array: np.ndarray | None, shape: tuple[int, ...], dtype: Any = np.float32
) -> np.ndarray | None:
    if array is None:
        return None
    if array.shape != shape or array.dtype != dtype:
        raise ValueError(
            f"The {name} must be {np.dtype(dtype)} of shape {shape}; got {array.dtype} {array.shape}."
        )
    return np.ascontiguousarray(array)


def _checked_starts(given: Sequences, rows: int) -> np.ndarray:
    starts = np.ascontiguousarray(given.starts, np.int64)
    if given.steps is None or given.steps < 1 or starts.ndim != 1:
        raise ValueError("Windows of a series need one axis of starts, and how many rows each has.")
    if len(starts) and (starts.min() < 0 or starts.max() + given.steps > rows):
        raise ValueError(f"A window of {given.steps} rows runs past a series of {rows}.")
    return starts


def _point(call: _Call, **arrays: np.ndarray | None) -> None:
    for name, array in arrays.items():
        setattr(call, name, None if array is None else array.ctypes.data)


def _reserve(call: _Call) -> int:
    found = library()
    if found is None:
        raise RuntimeError("The kernel was not built.")
    floats = found.forecast_reserve(ctypes.byref(call))
    if floats < 0:
        raise ValueError(
            f"A layer cannot have {', '.join(f'{name} {getattr(call, name)}' for name in _SIZES)}."
        )
    return floats


def _carry_out(function: str, call: _Call) -> None:
    _reserve(call)
    fault = getattr(library(), function)(ctypes.byref(call))
    if fault:
        raise RuntimeError(f"The recurrent kernel failed: {_FAULTS[fault]}.")
