"""Detectors as model files, and back: the weights of all networks are numbers among the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from forecast.data.encoding import StaticEncoder
from forecast.data.table import Choice
from forecast.detection.engines import Engine, Past
from forecast.detection.evidence import Chain
from forecast.detection.evidence import Memory as ChainMemory
from forecast.detection.policy import Event, Policy
from forecast.detection.rarity import Rarity
from forecast.detection.simple import SIMPLE, Simple
from forecast.detection.simple import Memory as SimpleMemory
from forecast.estimators.blocks import Block
from forecast.estimators.checking import check_spec, checked
from forecast.estimators.describing import parameters_of, versions, with_tuples
from forecast.estimators.detecting import Errors, FittedDetector, State
from forecast.estimators.detector import Detector
from forecast.estimators.forecast_errors import ForecastErrors
from forecast.estimators.network import Network
from forecast.estimators.packing import fingerprint, pack_panel, unpack_contract, unpack_panel
from forecast.estimators.recipe import Architecture, Extras
from forecast.estimators.running_errors import Running, RunningErrors
from forecast.estimators.setting import Setting
from forecast.estimators.watching import METHODS
from forecast.estimators.window_errors import METHODS as WINDOW_METHODS
from forecast.estimators.window_errors import Recipe, WindowErrors
from forecast.modelfile import ModelFile, write_model
from forecast.models import Spec
from forecast.models.autoencoder import WindowSpec, least_weights
from forecast.models.running import MOST_ROWS, RunningSpec
from forecast.models.running import least_weights as running_weights
from forecast.training.fit import Record

MOST_NETWORKS = 64

Numbers = dict[str, np.ndarray]


def save_detector(detector: Detector, path: Any, *, stream: dict[str, Any] | None = None) -> None:
    """Write a fitted detector to one file, with where a stream stands if it follows one."""
    described, numbers = describe(detector._fitted())
    head = {
        "kind": "detector",
        "versions": versions(),
        "parameters": parameters_of(detector),
        "from_arrays": detector.from_arrays_,
        "features": int(getattr(detector, "n_features_in_", 0)),
    }
    if stream is not None:
        head["stream"] = stream
    write_model(path, None, head | described, numbers)


def load_detector(file: ModelFile, builder: Any = None) -> Detector:
    """Make a detector of a file; what it tells is checked before a network is built.

    Raises:
        ValueError, TypeError, LookupError, ParameterError: The parts contradict each other.
    """
    described = file.description
    detector = Detector(**with_tuples(described["parameters"]))
    if detector.method not in METHODS:
        raise ValueError("a method that does not exist")
    detector.from_arrays_ = bool(described["from_arrays"])
    if detector.from_arrays_:
        detector.n_features_in_ = int(described["features"])
    detector.fitted_ = restore(file, unpack_contract(described["contract"]))
    return detector


def describe(fitted: FittedDetector) -> tuple[dict[str, Any], Numbers]:
    """Split what a detector knows into what JSON holds and what arrays hold."""
    history, numbers = pack_panel(fitted.history)
    ids = list(fitted.history.ids)
    states = [fitted.states[name] for name in ids]
    described = {
        "contract": asdict(fitted.contract),
        "simple": asdict(fitted.simple),
        "chain": asdict(fitted.chain),
        "policy": asdict(fitted.policy),
        "choices": [asdict(choice) for choice in fitted.choices],
        "history": history,
        "events": [None if state.event is None else asdict(state.event) for state in states],
        "errors": None,
    }
    numbers |= {"scales": np.zeros((len(ids), len(fitted.contract.columns.target)))}
    numbers |= _pack_states(states)
    if fitted.errors is not None:
        described["errors"], weights = _pack_errors(fitted.errors)
        numbers |= weights
    return described, numbers


def restore(file: ModelFile, contract: Any) -> FittedDetector:
    """Undo ``describe``, or refuse parts that make no detector.

    Raises:
        ValueError, TypeError, LookupError: The parts contradict each other.
    """
    described, numbers = file.description, file.numbers()
    history = unpack_panel(described["history"], numbers, contract)
    if fingerprint(history) != described["history"]["fingerprint"]:
        raise ValueError("a history that was altered")
    simple, policy = checked(Simple, described["simple"]), checked(Policy, described["policy"])
    told = dict(described["chain"])
    parts = {"engine": checked(Engine, told["engine"]), "rarity": checked(Rarity, told["rarity"])}
    chain = checked(Chain, told | parts)
    learned = chain.rarity
    if learned is None or not (learned.level >= 0 and 0 < learned.share <= 1 and learned.mean > 0):
        raise ValueError("evidence of no meaning")
    if simple.name not in SIMPLE or simple.season < 1 or not 0 < chain.rate <= 0.5:
        raise ValueError("a detector of no known kind")
    events = [None if event is None else checked(Event, event) for event in described["events"]]
    states = _unpack_states(numbers, events, len(history), len(contract.columns.target))
    return FittedDetector(
        contract=contract,
        errors=None if described["errors"] is None else _unpack_errors(described["errors"], numbers, history),
        simple=simple,
        chain=chain,
        policy=policy,
        history=history,
        states=dict(zip(history.ids, states, strict=True)),
        choices=tuple(checked(Choice, choice) for choice in described["choices"]),
    )


def _pack_errors(errors: Errors) -> tuple[dict[str, Any], Numbers]:
    if isinstance(errors, RunningErrors):
        blocks, numbers = _pack_blocks(errors.blocks, lambda weights: ({}, weights))
        return {"running": asdict(errors.recipe)} | blocks, numbers
    if isinstance(errors, WindowErrors):
        blocks, numbers = _pack_blocks(errors.blocks, lambda weights: ({}, weights))
        return {"recipe": asdict(errors.recipe)} | blocks, numbers
    assert isinstance(errors, ForecastErrors)
    blocks, numbers = _pack_blocks(errors.blocks, _pack_network)
    return {"horizons": list(errors.horizons)} | blocks, numbers


def _unpack_errors(described: dict[str, Any], numbers: Numbers, history: Any) -> Errors:
    if "running" in described:
        return _unpack_running(described, numbers)
    if "recipe" in described:
        return _unpack_windows(described, numbers, history)
    horizons = tuple(int(h) for h in described["horizons"])
    if min(horizons) < 1:
        raise ValueError("horizons that are none")
    blocks = _unpack_blocks(described, numbers, lambda told, weights: _unpack_network(told, weights, history))
    if any(max(horizons) != network.spec.horizon for block in blocks for network in block.networks):
        raise ValueError("horizons that the networks do not have")
    return ForecastErrors(blocks, horizons)


def _unpack_running(described: dict[str, Any], numbers: Numbers) -> RunningErrors:
    told = described["running"]
    recipe = checked(Running, told | {"spec": checked(RunningSpec, told["spec"])})
    blocks = _unpack_blocks(described, numbers, lambda told, weights: weights)
    horizons = recipe.spec.horizons
    if not horizons or min(horizons) < 1 or max(horizons) > MOST_ROWS or recipe.spec.rows < 1:
        raise ValueError("windows of another kind")
    least = running_weights(recipe.spec, units=recipe.units)
    return RunningErrors(recipe, blocks, _program(recipe, blocks, least))


def _program(recipe: Recipe | Running, blocks: Sequence[Block], least: int) -> Any:
    """Build the network that runs all weights, if there are as many of them as it has."""
    every = [weights for block in blocks for weights in block.networks]
    if not every or min(sum(array.size for array in weights) for weights in every) < least:
        raise ValueError("fewer weights than a network has")
    program = recipe.build(recipe.spec.seed)
    for weights in every:
        _check_weights(weights, program)
    return program


def _unpack_windows(described: dict[str, Any], numbers: Numbers, history: Any) -> WindowErrors:
    told = described["recipe"]
    recipe = checked(Recipe, told | {"spec": checked(WindowSpec, told["spec"])})
    blocks = _unpack_blocks(described, numbers, lambda told, weights: weights)
    if recipe.method not in WINDOW_METHODS or recipe.spec.channels != len(history.columns.target):
        raise ValueError("windows of another kind")
    if recipe.spec.beyond not in (0, 1) or recipe.spec.rows < 1:
        raise ValueError("windows of another kind")
    least = least_weights(recipe.spec, units=recipe.units, code=recipe.code)
    return WindowErrors(recipe, blocks, _program(recipe, blocks, least))


def _pack_blocks(
    blocks: Sequence[Block], pack: Callable[[Any], tuple[dict[str, Any], list[np.ndarray]]]
) -> tuple[dict[str, Any], Numbers]:
    """Describe blocks; a network is packed into what JSON holds and weights."""
    described: dict[str, Any] = {"blocks": [], "known": list(blocks[0].stop)}
    numbers: Numbers = {}
    for b, block in enumerate(blocks):
        networks = []
        for n, network in enumerate(block.networks):
            told, weights = pack(network)
            networks.append(told | {"weights": len(weights)})
            numbers |= {f"weights {b} {n} {k}": np.asarray(array) for k, array in enumerate(weights)}
        described["blocks"].append(networks)
        numbers[f"stop {b}"] = np.array(list(block.stop.values()), np.int64)
    return described, numbers


def _unpack_blocks(
    described: dict[str, Any], numbers: Numbers, unpack: Callable[[dict[str, Any], list[np.ndarray]], Any]
) -> tuple[Block, ...]:
    known = described["known"]
    if sum(len(networks) for networks in described["blocks"]) > MOST_NETWORKS:
        raise ValueError("more networks than a detector has")
    if len({len(networks) for networks in described["blocks"]}) != 1:
        raise ValueError("blocks of other ensembles")
    if not all(name is None or type(name) in (str, int) for name in known):
        raise TypeError("ids that are none")
    blocks = []
    for b, networks in enumerate(described["blocks"]):
        stop = numbers[f"stop {b}"]
        if stop.dtype != np.int64 or len(stop) != len(known):
            raise ValueError("blocks of other series")
        found = tuple(
            unpack(told, [numbers[f"weights {b} {n} {k}"] for k in range(int(told["weights"]))])
            for n, told in enumerate(networks)
        )
        blocks.append(Block(found, dict(zip(known, stop.tolist(), strict=True))))
    return tuple(blocks)


def _pack_network(network: Network) -> tuple[dict[str, Any], list[np.ndarray]]:
    told = {name: asdict(getattr(network, name)) for name in ("spec", "architecture", "encoder", "record")}
    return told, network.model.get_weights()


def _unpack_network(told: dict[str, Any], weights: list[np.ndarray], history: Any) -> Network:
    spec, architecture = checked(Spec, told["spec"]), checked(Architecture, told["architecture"])
    check_spec(spec, Setting(spec.horizon, spec.context, spec.season, 0, 0, "pad"), history)
    if sum(array.size for array in weights) < spec.horizon:
        raise ValueError("fewer weights than a network has")
    model = architecture.build(spec, None)
    _check_weights(weights, model)
    model.set_weights(weights)
    encoder = checked(StaticEncoder, told["encoder"])
    return Network(model, spec, architecture, encoder, Extras(), None, checked(Record, told["record"]))


def _check_weights(weights: list[np.ndarray], model: Any) -> None:
    if [(a.shape, a.dtype) for a in weights] != [
        (tuple(own.shape), own.dtype) for own in model.get_weights()
    ]:
        raise ValueError("weights of another network")


def _pack_states(states: Sequence[State]) -> Numbers:
    pasts = [past for state in states for past in state.chain.pasts]
    return (
        _ragged("past", [past.scores for past in pasts])
        | _ragged("fitted", [past.numbers for past in pasts])
        | {"seen": np.array([past.seen for past in pasts], np.int64)}
        | _ragged("raised", [state.chain.raised for state in states])
        | _ragged("limits", [state.chain.limits for state in states])
        | {"watched": np.array([(state.chain.rows, state.rows) for state in states], np.int64).reshape(-1, 2)}
        | _ragged("tail", [state.simple.tail.ravel() for state in states])
        | _ragged("remembered", [state.simple.numbers.ravel() for state in states])
    )


def _unpack_states(numbers: Numbers, events: list, series: int, channels: int) -> list[State]:
    scores, fitted, seen = _parts(numbers, "past"), _parts(numbers, "fitted"), numbers["seen"]
    each = {name: _parts(numbers, name) for name in ("raised", "limits", "tail", "remembered")}
    watched = numbers["watched"]
    streams = len(scores) // max(series, 1)
    if not len(scores) == len(fitted) == len(seen) == streams * series or watched.shape != (series, 2):
        raise ValueError("states of other series")
    if any(len(parts) != series for parts in each.values()) or len(events) != series:
        raise ValueError("states of other series")
    pasts = [
        Past(one, int(count), last) for one, count, last in zip(scores, seen.tolist(), fitted, strict=True)
    ]
    return [
        State(
            SimpleMemory(each["tail"][i].reshape(-1, channels), each["remembered"][i].reshape(-1, channels)),
            ChainMemory(
                tuple(pasts[i * streams : (i + 1) * streams]),
                each["raised"][i],
                int(watched[i, 0]),
                each["limits"][i],
            ),
            events[i],
            int(watched[i, 1]),
        )
        for i in range(series)
    ]


def _ragged(name: str, arrays: list[np.ndarray]) -> Numbers:
    """Lay arrays end to end, with where each ends."""
    ends = np.cumsum([len(array) for array in arrays], dtype=np.int64)
    return {name: np.concatenate([np.empty(0), *arrays]), f"{name} ends": ends.astype(np.int64)}


def _parts(numbers: Numbers, name: str) -> list[np.ndarray]:
    ends, values = numbers[f"{name} ends"], _floats(numbers[name])
    if ends.dtype != np.int64 or (np.diff(np.concatenate([[0], ends])) < 0).any():
        raise ValueError("arrays that overlap")
    if len(values) != (ends[-1] if len(ends) else 0):
        raise ValueError("arrays of another length")
    return np.split(values, ends[:-1]) if len(ends) else []


def _floats(array: np.ndarray) -> np.ndarray:
    if array.dtype != np.float64 or array.ndim != 1:
        raise ValueError("numbers of another kind")
    return array
