"""Detectors as model files, and back: the weights of all networks are numbers among the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from forecast.data.encoding import StaticEncoder
from forecast.data.table import Choice
from forecast.detection.engines import Engine, Past
from forecast.detection.evidence import Chain
from forecast.detection.evidence import Memory as ChainMemory
from forecast.detection.policy import Event, Policy
from forecast.detection.simple import SIMPLE, Simple
from forecast.detection.simple import Memory as SimpleMemory
from forecast.estimators.checking import check_spec, checked
from forecast.estimators.describing import parameters_of, versions, with_tuples
from forecast.estimators.detecting import FittedDetector, State
from forecast.estimators.detector import Detector
from forecast.estimators.forecast_errors import Block, ForecastErrors
from forecast.estimators.network import Network
from forecast.estimators.packing import fingerprint, pack_panel, unpack_contract, unpack_panel
from forecast.estimators.recipe import Architecture, Extras
from forecast.estimators.setting import Setting
from forecast.estimators.watching import METHODS
from forecast.modelfile import ModelFile, write_model
from forecast.models import Spec
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
    numbers |= {"scales": np.zeros((len(ids), len(fitted.contract.columns.target))), "pool": fitted.pool}
    numbers |= _pack_states(states)
    if fitted.errors is not None:
        described["errors"], weights = _pack_errors(fitted.errors, ids)
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
    chain = checked(Chain, told | {"engine": checked(Engine, told["engine"])})
    if simple.name not in SIMPLE or simple.season < 1 or not 0 < chain.rate == policy.rate <= 0.5:
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
        pool=_floats(numbers["pool"]),
        choices=tuple(checked(Choice, choice) for choice in described["choices"]),
    )


def _pack_errors(errors: ForecastErrors, ids: list) -> tuple[dict[str, Any], Numbers]:
    described: dict[str, Any] = {
        "horizons": list(errors.horizons),
        "blocks": [],
        "known": list(errors.blocks[0].stop),
    }
    numbers: Numbers = {}
    for b, block in enumerate(errors.blocks):
        networks = []
        for n, network in enumerate(block.networks):
            weights = network.model.get_weights()
            networks.append(
                {
                    "spec": asdict(network.spec),
                    "architecture": asdict(network.architecture),
                    "encoder": asdict(network.encoder),
                    "record": asdict(network.record),
                    "weights": len(weights),
                }
            )
            numbers |= {f"weights {b} {n} {k}": np.asarray(array) for k, array in enumerate(weights)}
        described["blocks"].append(networks)
        numbers[f"stop {b}"] = np.array(list(block.stop.values()), np.int64)
    return described, numbers


def _unpack_errors(described: dict[str, Any], numbers: Numbers, history: Any) -> ForecastErrors:
    horizons = tuple(int(h) for h in described["horizons"])
    known = described["known"]
    if sum(len(networks) for networks in described["blocks"]) > MOST_NETWORKS or min(horizons) < 1:
        raise ValueError("more networks than a detector has")
    if not all(name is None or type(name) in (str, int) for name in known):
        raise TypeError("ids that are none")
    blocks = []
    for b, networks in enumerate(described["blocks"]):
        stop = numbers[f"stop {b}"]
        if stop.dtype != np.int64 or len(stop) != len(known):
            raise ValueError("blocks of other series")
        found = tuple(_unpack_network(one, numbers, (b, n), history) for n, one in enumerate(networks))
        if any(max(horizons) != network.spec.horizon for network in found):
            raise ValueError("horizons that the networks do not have")
        blocks.append(Block(found, dict(zip(known, stop.tolist(), strict=True))))
    return ForecastErrors(tuple(blocks), horizons)


def _unpack_network(told: dict[str, Any], numbers: Numbers, place: tuple[int, int], history: Any) -> Network:
    spec, architecture = checked(Spec, told["spec"]), checked(Architecture, told["architecture"])
    check_spec(spec, Setting(spec.horizon, spec.context, spec.season, 0, 0, "pad"), history)
    weights = [numbers[f"weights {place[0]} {place[1]} {k}"] for k in range(int(told["weights"]))]
    if sum(array.size for array in weights) < spec.horizon:
        raise ValueError("fewer weights than a network has")
    model = architecture.build(spec, None)
    if [array.shape for array in weights] != [tuple(own.shape) for own in model.get_weights()]:
        raise ValueError("weights of another network")
    model.set_weights(weights)
    encoder = checked(StaticEncoder, told["encoder"])
    return Network(model, spec, architecture, encoder, Extras(), None, checked(Record, told["record"]))


def _pack_states(states: Sequence[State]) -> Numbers:
    pasts = [past for state in states for past in state.chain.pasts]
    return (
        _ragged("past", [past.scores for past in pasts])
        | _ragged("fitted", [past.numbers for past in pasts])
        | {"seen": np.array([past.seen for past in pasts], np.int64)}
        | _ragged("recent", [state.chain.recent for state in states])
        | _ragged("peaks", [state.chain.peaks for state in states])
        | _ragged("limits", [state.chain.limits for state in states])
        | {"watched": np.array([(state.chain.rows, state.rows) for state in states], np.int64).reshape(-1, 2)}
        | _ragged("tail", [state.simple.tail.ravel() for state in states])
        | _ragged("remembered", [state.simple.numbers.ravel() for state in states])
    )


def _unpack_states(numbers: Numbers, events: list, series: int, channels: int) -> list[State]:
    scores, fitted, seen = _parts(numbers, "past"), _parts(numbers, "fitted"), numbers["seen"]
    each = {name: _parts(numbers, name) for name in ("recent", "peaks", "limits", "tail", "remembered")}
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
                each["recent"][i],
                each["peaks"][i],
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
