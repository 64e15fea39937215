"""A detector's networks as parts of a model file, and back: their weights are numbers among the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from forecast.data.encoding import StaticEncoder
from forecast.estimators.blocks import Block, Tuned, Weights
from forecast.estimators.checking import check_spec, checked
from forecast.estimators.detecting import Errors
from forecast.estimators.forecast_errors import ForecastErrors
from forecast.estimators.network import Network
from forecast.estimators.recipe import Architecture, Extras
from forecast.estimators.running_errors import Running, RunningErrors
from forecast.estimators.setting import Setting
from forecast.estimators.window_errors import METHODS as WINDOW_METHODS
from forecast.estimators.window_errors import Recipe, WindowErrors
from forecast.models import Spec
from forecast.models.autoencoder import WindowSpec, least_weights
from forecast.models.running import MOST_ROWS, RunningSpec
from forecast.models.running import least_weights as running_weights
from forecast.training.course import Record

MOST_NETWORKS = 64

Numbers = dict[str, np.ndarray]


def pack_errors(errors: Errors) -> tuple[dict[str, Any], Numbers]:
    """Split networks into what JSON holds and what arrays hold."""
    blocks = errors.blocks
    described: dict[str, Any] = {
        "blocks": len(blocks),
        "members": len(blocks[0].networks),
        "arrays": len(blocks[0].networks[0]),
        "known": list(blocks[0].stop),
    }
    numbers = _pack_networks("weights", [block.networks for block in blocks])
    for b, block in enumerate(blocks):
        numbers[f"stop {b}"] = np.array(list(block.stop.values()), np.int64)
    if isinstance(errors, RunningErrors):
        return described | {"running": asdict(errors.recipe)}, numbers
    if isinstance(errors, WindowErrors):
        return described | {"recipe": asdict(errors.recipe)}, numbers
    assert isinstance(errors, ForecastErrors)
    parts = ("spec", "architecture", "encoder", "record")
    told = {name: asdict(getattr(errors.network, name)) for name in parts}
    return described | {"network": told, "horizons": list(errors.horizons)}, numbers


def unpack_errors(described: dict[str, Any], numbers: Numbers, history: Any) -> Errors:
    """Undo ``pack_errors``, or refuse parts that make no networks.

    Raises:
        ValueError, TypeError, LookupError: The parts contradict each other.
    """
    blocks = _unpack_blocks(described, numbers)
    if "running" in described:
        return _unpack_running(described["running"], blocks)
    if "recipe" in described:
        return _unpack_windows(described["recipe"], blocks, history)
    horizons = tuple(int(h) for h in described["horizons"])
    if min(horizons) < 1:
        raise ValueError("horizons that are none")
    network = _unpack_network(described["network"], blocks, history)
    if max(horizons) != network.spec.horizon:
        raise ValueError("horizons that the networks do not have")
    return ForecastErrors(network, blocks, horizons)


def pack_tuned(tuned: Sequence[Tuned | None]) -> tuple[list[int | None], Numbers]:
    """Split networks that were fine-tuned to series into the rows since when they judge, and arrays."""
    own = [one for one in tuned if one is not None]
    # The networks of one series are blocks beside those of the others.
    numbers = (
        _pack_networks("now", [block for one in own for block in one.now])
        | _pack_networks("before", [block for one in own for block in one.before])
        if own
        else {}
    )
    return [None if one is None else one.since for one in tuned], numbers


def unpack_tuned(
    since: Sequence[Any], numbers: Numbers, described: dict[str, Any] | None, errors: Errors | None
) -> list[Tuned | None]:
    """Undo ``pack_tuned``.

    Args:
        since: Row of each series, None for one whose networks were not fine-tuned.
        numbers: Of the file.
        described: What ``pack_errors`` told of the networks they began as; None without networks.
        errors: These networks.

    Raises:
        ValueError, TypeError, LookupError: The parts contradict each other.
    """
    rows = [row for row in since if row is not None]
    if not rows:
        return [None] * len(since)
    if errors is None or described is None or any(type(row) is not int or row < 1 for row in rows):
        raise ValueError("fine-tuned networks of no kind")
    blocks, form = len(errors.blocks), _form(errors.blocks[0].networks[0])
    both = [_unpack_networks(name, described, numbers, len(rows)) for name in ("now", "before")]
    if any(_form(weights) != form for networks in both for block in networks for weights in block):
        raise ValueError("weights of another network")
    each = iter(range(0, blocks * len(rows), blocks))
    return [
        None if row is None else Tuned(row, *(networks[i : i + blocks] for networks in both))
        for row in since
        for i in ([0] if row is None else [next(each)])
    ]


def _unpack_running(told: dict[str, Any], blocks: tuple[Block, ...]) -> RunningErrors:
    recipe = checked(Running, told | {"spec": checked(RunningSpec, told["spec"])})
    horizons = recipe.spec.horizons
    if not horizons or min(horizons) < 1 or max(horizons) > MOST_ROWS or recipe.spec.rows < 1:
        raise ValueError("windows of another kind")
    _check_size(blocks, running_weights(recipe.spec, units=recipe.units))
    program = recipe.build(recipe.spec.seed)
    _check_form(blocks, program)
    return RunningErrors(recipe, blocks, program)


def _unpack_windows(told: dict[str, Any], blocks: tuple[Block, ...], history: Any) -> WindowErrors:
    recipe = checked(Recipe, told | {"spec": checked(WindowSpec, told["spec"])})
    if recipe.method not in WINDOW_METHODS or recipe.spec.channels != len(history.columns.target):
        raise ValueError("windows of another kind")
    if recipe.spec.beyond not in (0, 1) or recipe.spec.rows < 1:
        raise ValueError("windows of another kind")
    _check_size(blocks, least_weights(recipe.spec, units=recipe.units, code=recipe.code))
    program = recipe.build(recipe.spec.seed)
    _check_form(blocks, program)
    return WindowErrors(recipe, blocks, program)


def _unpack_network(told: dict[str, Any], blocks: tuple[Block, ...], history: Any) -> Network:
    spec, architecture = checked(Spec, told["spec"]), checked(Architecture, told["architecture"])
    check_spec(spec, Setting(spec.horizon, spec.context, spec.season, 0, 0, "pad"), history)
    _check_size(blocks, spec.horizon)
    model = architecture.build(spec, None)
    _check_form(blocks, model)
    encoder = checked(StaticEncoder, told["encoder"])
    return Network(model, spec, architecture, encoder, Extras(), None, checked(Record, told["record"]))


def _check_size(blocks: tuple[Block, ...], least: int) -> None:
    """Refuse to build a network that the file does not hold."""
    if any(sum(array.size for array in weights) < least for block in blocks for weights in block.networks):
        raise ValueError("fewer weights than a network has")


def _check_form(blocks: tuple[Block, ...], model: Any) -> None:
    form = _form(model.get_weights())
    if any(_form(weights) != form for block in blocks for weights in block.networks):
        raise ValueError("weights of another network")


def _form(weights: Weights) -> list[tuple[Any, Any]]:
    return [(tuple(array.shape), array.dtype) for array in weights]


def _unpack_blocks(described: dict[str, Any], numbers: Numbers) -> tuple[Block, ...]:
    known = described["known"]
    if not all(name is None or type(name) in (str, int) for name in known):
        raise TypeError("ids that are none")
    blocks = []
    for b, networks in enumerate(_unpack_networks("weights", described, numbers)):
        stop = numbers[f"stop {b}"]
        if stop.dtype != np.int64 or len(stop) != len(known):
            raise ValueError("blocks of other series")
        blocks.append(Block(networks, dict(zip(known, stop.tolist(), strict=True))))
    return tuple(blocks)


def _pack_networks(name: str, networks: Sequence[Sequence[Weights]]) -> Numbers:
    """Name the arrays of networks of one form, each with axes for block and member before its own."""
    each = range(len(networks[0][0]))
    return {
        f"{name} {k}": np.stack([np.stack([weights[k] for weights in block]) for block in networks])
        for k in each
    }


def _unpack_networks(
    name: str, described: dict[str, Any], numbers: Numbers, series: int = 1
) -> tuple[tuple[Weights, ...], ...]:
    blocks, members, arrays = (int(described[part]) for part in ("blocks", "members", "arrays"))
    if min(blocks, members) < 1 or blocks * members > MOST_NETWORKS:
        raise ValueError("more networks than a detector has, or none")
    stacked = [numbers[f"{name} {k}"] for k in range(arrays)]
    if any(array.shape[:2] != (series * blocks, members) for array in stacked):
        raise ValueError("other networks than it tells of")
    return tuple(
        tuple([array[b, n] for array in stacked] for n in range(members)) for b in range(series * blocks)
    )
