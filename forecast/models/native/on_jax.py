"""The kernel as a custom call of XLA, for JAX."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import jax  # pyright: ignore[reportMissingImports]
import jax.numpy as jnp  # pyright: ignore[reportMissingImports]
import numpy as np
from jax.custom_derivatives import SymbolicZero  # pyright: ignore[reportMissingImports]

from forecast.models.native.library import CELLS, Run, floats_kept, library, threads

_INPUTS = ("x", "kernel", "recurrent", "bias", "h0", "c0", "mask")


@cache
def _registered() -> bool:
    found = library()
    if found is None or not hasattr(jax, "ffi"):
        return False
    for name in ("forecast_xla_forward", "forecast_xla_backward"):
        jax.ffi.register_ffi_target(name, jax.ffi.pycapsule(getattr(found, name)), platform="cpu")
    return True


def is_there() -> bool:
    """Return whether JAX runs on a CPU and takes the calls."""
    return jax.default_backend() == "cpu" and _registered()


def run_layer(run: Run, tensors: dict[str, Any]) -> tuple[Any, Any, list[Any]]:
    """Run a layer; see ``operation.run_layer``."""
    none = {name: jnp.zeros(0, bool if name == "mask" else jnp.float32) for name in _INPUTS}
    given = [none[name] if tensors.get(name) is None else tensors[name] for name in _INPUTS]
    last, h, c, sequence = _layer(run, *given)
    return last, sequence if run.sequences else None, [h, c] if run.cell == "lstm" else [h]


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _layer(run: Run, *given: Any) -> tuple[Any, ...]:
    return _forward(run, given, keep=False)[:4]


def _forward(run: Run, given: Any, *, keep: bool) -> tuple[Any, ...]:
    x, recurrent = given[0], given[2]
    batch, steps, inputs = x.shape
    units = recurrent.shape[0]
    kept = floats_kept(run, batch, steps, inputs, units) if keep else 0
    shapes = (
        (batch, units),
        (batch, units),
        (batch, units) if run.cell == "lstm" else (0,),
        (batch, steps, units) if run.sequences else (0,),
        (kept,),
    )
    return _call("forecast_xla_forward", run, shapes, given)


def _call(name: str, run: Run, shapes: Any, given: Any) -> tuple[Any, ...]:
    results = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    count = threads() if run.threads is None else run.threads
    settings = np.array([CELLS[run.cell], run.backwards, run.zero_masked, count], np.int32)
    return tuple(jax.ffi.ffi_call(name, results, vmap_method="sequential")(settings, *given))


def _with_reserve(run: Run, *marked: Any) -> tuple[tuple[Any, ...], Any]:
    given = [one.value for one in marked]
    *found, reserve = _forward(run, given, keep=True)
    return tuple(found), (given, reserve, marked[0].perturbed)


def _gradients(run: Run, kept: Any, d_found: Any) -> tuple[Any, ...]:
    given, reserve, x_asked = kept
    # An empty array is a gradient of zero.
    d_found = [jnp.zeros(0, jnp.float32) if isinstance(d, SymbolicZero) else d for d in d_found]
    shapes = [one.shape for one in given[:6]]
    made = _call(
        "forecast_xla_backward",
        run,
        [shapes[0] if x_asked else (0,), *shapes[1:]],
        [*given, reserve, *d_found],
    )
    return (made[0] if x_asked else jnp.zeros_like(given[0]), *made[1:], None)


_layer.defvjp(_with_reserve, _gradients, symbolic_zeros=True)
