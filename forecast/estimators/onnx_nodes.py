"""What tf2onnx converts wrongly or not at all: ``where`` with NaN, and functions ONNX Runtime lacks in float64."""

from __future__ import annotations

from typing import Any

import numpy as np


def _select(ctx: Any, node: Any, name: str, args: Any) -> None:
    """Keep ``where`` as it is; by itself tf2onnx writes a sum of products, in which NaN times 0 is NaN."""
    node.type = "Where"


def _log1p(ctx: Any, node: Any, name: str, args: Any) -> None:
    given, out, one = _taken(ctx, node)
    _made(ctx, "Log", [_make(ctx, "Add", given, one)], out)


def _erfc(ctx: Any, node: Any, name: str, args: Any) -> None:
    given, out, one = _taken(ctx, node)
    _made(ctx, "Sub", [one, _make(ctx, "Erf", given)], out)


def _asinh(ctx: Any, node: Any, name: str, args: Any) -> None:
    """Return sign(x) log(|x| + sqrt(x² + 1))."""
    given, out, one = _taken(ctx, node)
    size = _make(ctx, "Abs", given)
    root = _make(ctx, "Sqrt", _make(ctx, "Add", _make(ctx, "Mul", given, given), one))
    away = _make(ctx, "Log", _make(ctx, "Add", size, root))
    _made(ctx, "Mul", [_make(ctx, "Sign", given), away], out)


def _sinh(ctx: Any, node: Any, name: str, args: Any) -> None:
    """Return (exp(x) - exp(-x)) / 2."""
    given, out, one = _taken(ctx, node)
    up, down = _make(ctx, "Exp", given), _make(ctx, "Exp", _make(ctx, "Neg", given))
    _made(ctx, "Div", [_make(ctx, "Sub", up, down), _make(ctx, "Add", one, one)], out)


def _taken(ctx: Any, node: Any) -> tuple[str, tuple[Any, ...], str]:
    """Take a node out of the graph: what it read, what it wrote with dtype and shape, and a one of that dtype."""
    from tf2onnx import utils  # pyright: ignore[reportMissingImports]

    dtype = ctx.get_dtype(node.output[0])
    out = list(node.output), [dtype], [ctx.get_shape(node.output[0])]
    given = node.input[0]
    ctx.remove_node(node.name)
    one = np.array(1, utils.map_onnx_to_numpy_type(dtype))
    return given, out, ctx.make_const(utils.make_name("one"), one).output[0]


def _make(ctx: Any, kind: str, *inputs: str) -> str:
    return ctx.make_node(kind, list(inputs)).output[0]


def _made(ctx: Any, kind: str, inputs: list[str], out: tuple[Any, ...]) -> None:
    names, dtypes, shapes = out
    ctx.make_node(kind, inputs, outputs=names, dtypes=dtypes, shapes=shapes)


HANDLERS: dict[str, tuple[Any, list[Any]]] = {
    "SelectV2": (_select, []),
    "Log1p": (_log1p, []),
    "Erfc": (_erfc, []),
    "Asinh": (_asinh, []),
    "Sinh": (_sinh, []),
}
"""By the name of TensorFlow's operation, as ``tf2onnx.convert`` takes them."""
