"""Detectors as model files, and back; their networks: ``errors_saving``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from forecast.data.table import Choice
from forecast.detection.engines import Engine, Past
from forecast.detection.evidence import Chain
from forecast.detection.evidence import Memory as ChainMemory
from forecast.detection.policy import Event, Policy
from forecast.detection.rarity import Rarity
from forecast.detection.simple import SIMPLE, Simple
from forecast.detection.simple import Memory as SimpleMemory
from forecast.estimators.checking import checked
from forecast.estimators.describing import parameters_of, versions, with_tuples
from forecast.estimators.detecting import FittedDetector, State
from forecast.estimators.detector import Detector
from forecast.estimators.errors_saving import (
    Numbers,
    pack_errors,
    pack_tuned,
    unpack_errors,
    unpack_tuned,
)
from forecast.estimators.packing import fingerprint, pack_panel, unpack_contract, unpack_panel
from forecast.estimators.watching import METHODS
from forecast.modelfile import ModelFile, write_model


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
        "spoilt": [state.spoilt for state in states],
        "online": fitted.online,
        "errors": None,
    }
    numbers |= {"scales": np.zeros((len(ids), len(fitted.contract.columns.target)))}
    numbers |= _pack_states(states)
    if fitted.errors is not None:
        described["errors"], weights = pack_errors(fitted.errors)
        numbers |= weights
    described["tuned"], weights = pack_tuned([state.tuned for state in states])
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
    told = described["errors"]
    errors = None if told is None else unpack_errors(told, numbers, history)
    if described["online"] and errors is None:
        raise ValueError("no networks to fine-tune")
    tuned = unpack_tuned(described["tuned"], numbers, told, errors)
    spoilt = [tuple((int(first), int(last)) for first, last in spans) for spans in described["spoilt"]]
    states = [
        replace(state, tuned=own, spoilt=spans)
        for state, own, spans in zip(
            _unpack_states(numbers, events, len(history), len(contract.columns.target)),
            tuned,
            spoilt,
            strict=True,
        )
    ]
    return FittedDetector(
        contract=contract,
        errors=errors,
        simple=simple,
        chain=chain,
        policy=policy,
        history=history,
        states=dict(zip(history.ids, states, strict=True)),
        online=bool(described["online"]),
        choices=tuple(checked(Choice, choice) for choice in described["choices"]),
    )


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
