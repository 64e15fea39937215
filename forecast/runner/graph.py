"""Run a saved network with NumPy: the graph in a model file, layer by layer, with the functions of ``layers``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from forecast.errors import InputError
from forecast.runner.layers import LAYERS, Arrays

Function = Callable[..., Any]
_OPERATIONS = "keras.src.ops."


class Graph:
    """A network as Keras describes it, made of layers whose NumPy functions are known; nothing else is run.

    Args:
        config: What ``config.json`` of a model file holds.
        weights: The open group of its weights, see ``_arrays``.

    Raises:
        InputError: There is no function for one of its layers; named.
    """

    def __init__(self, config: Mapping[str, Any], weights: Mapping[str, Any]):
        inner, names = config["config"], _Names()
        self.inputs, self.output = inner["input_layers"], inner["output_layers"]
        self.functions: dict[str, Function] = {}
        self.nodes: dict[str, list[Any]] = {}
        for layer in inner["layers"]:
            self.nodes[layer["name"]] = layer["inbound_nodes"]
            operation = layer["module"].startswith(_OPERATIONS)
            place = None if operation else names.next(layer["class_name"])
            if layer["class_name"] == "InputLayer":
                continue
            group = weights["layers"][place] if place is not None and place in weights["layers"] else {}
            self.functions[layer["name"]] = _function(layer, group, operation=operation)

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> Any:
        """Return the output for inputs by name."""
        found: dict[tuple[str, int], Any] = {
            (place[0], 0): np.asarray(inputs[name]) for name, place in self.inputs.items()
        }
        with np.errstate(all="ignore"):
            return self._value(self.output, found)

    def _value(self, history: Any, found: dict[tuple[str, int], Any]) -> Any:
        """Return a tensor, after those it is made from: layer, which call of it, which of its outputs."""
        name, node, index = history
        if (name, node) not in found:
            call = self.nodes[name][node]
            args, kwargs = self._filled(call["args"], found), self._filled(call["kwargs"], found)
            kwargs.pop("training", None)
            found[name, node] = self.functions[name](*args, **kwargs)
        value = found[name, node]
        return value[index] if isinstance(value, tuple) else value

    def _filled(self, part: Any, found: dict[tuple[str, int], Any]) -> Any:
        """Put values in the place of what an argument says of tensors."""
        if isinstance(part, list):
            return [self._filled(one, found) for one in part]
        if not isinstance(part, dict):
            return part
        if part.get("class_name") == "__keras_tensor__":
            return self._value(part["config"]["keras_history"], found)
        if part.get("class_name") == "__slice__":
            return slice(*(part["config"][name] for name in ("start", "stop", "step")))
        if part.get("class_name") == "__ellipsis__":
            return ...
        return {name: self._filled(one, found) for name, one in part.items()}


def _function(layer: Mapping[str, Any], weights: Mapping[str, Any], *, operation: bool) -> Function:
    """Return what a layer does as a function of its inputs."""
    kind = layer["class_name"]
    if kind == "Functional":
        graph = Graph(layer, weights)
        return lambda inputs, mask=None: graph(inputs)
    known = LAYERS.get(f"ops.{kind}" if operation else kind)
    if known is None:
        raise InputError(
            f"The NumPy runner has no layer {kind}, which this network holds ({layer['name']}); leave out --runner."
        )
    config, arrays = layer["config"], _arrays(weights)
    return lambda *args, **kwargs: known(config, arrays, *args, **kwargs)


def _arrays(group: Mapping[str, Any]) -> Arrays:
    """Return the weights of a layer by the part that they belong to, "" for the layer itself."""
    found: Arrays = {}

    def look(part: Mapping[str, Any], path: tuple[str, ...]) -> None:
        for name, item in part.items():
            if name == "vars":
                found["/".join(path)] = [np.asarray(item[str(i)]) for i in range(len(item))]
            else:
                look(item, (*path, name))

    look(group, ())
    return found


def weights_by_name(config: Mapping[str, Any], weights: Mapping[str, Any]) -> dict[str, list[np.ndarray]]:
    """Return the weights of the layers of a network by their names, as ``layer.get_weights()`` does."""
    names, found = _Names(), {}
    for layer in config["config"]["layers"]:
        if not layer["module"].startswith(_OPERATIONS):
            place = names.next(layer["class_name"])
            group = weights["layers"].get(place, {})
            found[layer["name"]] = [array for part in _arrays(group).values() for array in part]
    return found


def starts_by_name(config: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return the first states that a network which carries its state was given, by the names of their layers."""
    layers = [layer for layer in config["config"]["layers"] if layer["class_name"] == "Fresh"]
    return {layer["name"]: np.asarray(layer["config"]["start"], layer["config"]["kind"]) for layer in layers}


class _Names:
    """Where Keras keeps the weights of the layers of a model: by class, and counted."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def next(self, kind: str) -> str:
        """Return the name of the next layer of a class."""
        words = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", kind)
        name = re.sub("([a-z])([A-Z])", r"\1_\2", words).lower()
        number = self.counts[name] = self.counts.get(name, -1) + 1
        return f"{name}_{number}" if number else name
