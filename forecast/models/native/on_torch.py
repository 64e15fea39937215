"""The kernel as an operation of torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch  # pyright: ignore[reportMissingImports]

from forecast.models.native import library
from forecast.models.native.library import Run, Sequences, States

_INPUTS = ("x", "kernel", "recurrent", "bias", "h0", "c0", "mask")


def is_there() -> bool:
    """Return whether Keras lays tensors on a CPU."""
    from keras.src.backend.torch.core import get_device

    return get_device() == "cpu"


def run_layer(run: Run, tensors: dict[str, Any]) -> tuple[Any, Any, list[Any]]:
    """Run a layer; see ``operation.run_layer``."""
    last, *found = _Layer.apply(run, *(tensors.get(name) for name in _INPUTS))
    sequence = found.pop() if run.sequences else None
    return last, sequence, found


class _Layer(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, run: Run, *tensors: torch.Tensor | None) -> tuple[torch.Tensor, ...]:
        asked = any(context.needs_input_grad)
        made = library.forward(run, _sequences(tensors), keep=asked)
        context.run, context.reserve = run, made.reserve
        if asked:
            context.save_for_backward(*tensors)
        arrays = (made.last, made.h, made.c, made.sequence)
        return tuple(torch.from_numpy(array) for array in arrays if array is not None)

    @staticmethod
    def backward(context: Any, *d_found: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        run, (d_last, d_h, *more) = context.run, (_array(d) for d in d_found)
        d_c = more.pop(0) if run.cell == "lstm" else None
        d_sequence = more.pop() if run.sequences else None
        made = library.backward(
            run,
            _sequences(context.saved_tensors),
            context.reserve,
            States(d_last, d_sequence, d_h, d_c),
            inputs=context.needs_input_grad[1],
        )
        return None, *(None if (d := made.get(name)) is None else torch.from_numpy(d) for name in _INPUTS)


def _sequences(tensors: tuple[torch.Tensor | None, ...]) -> Sequences:
    arrays: dict[str, Any] = {name: _array(tensor) for name, tensor in zip(_INPUTS, tensors, strict=True)}
    return Sequences(**arrays)


def _array(tensor: torch.Tensor | None) -> np.ndarray | None:
    return None if tensor is None else tensor.detach().numpy()
