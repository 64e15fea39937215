"""What a fitted detector knows, and how rows pass through it: scores, evidence, events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Protocol

import keras
import numpy as np
from numpy.typing import NDArray

from forecast.data.panel import Panel
from forecast.data.table import Choice
from forecast.detection.evidence import Chain, Evidence
from forecast.detection.evidence import Memory as ChainMemory
from forecast.detection.policy import Event, Policy, watch
from forecast.detection.simple import Memory as SimpleMemory
from forecast.detection.simple import Simple
from forecast.detection.streams import Scores
from forecast.detection.tables import Found, told_once
from forecast.estimators.blocks import Block, Tuned
from forecast.estimators.contract import Contract
from forecast.estimators.fine_tuning import RECENT, Spans, fine_tune, newest_spans, next_step
from forecast.estimators.joining import continued
from forecast.training.fine_tuning import Lessons

Floats = NDArray[np.float64]


class Errors(Protocol):
    """Networks whose errors are looked at."""

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The networks, in order of time."""
        ...

    @property
    def program(self) -> keras.Model:
        """What runs them."""
        ...

    @property
    def lookback(self) -> int:
        """Rows before a row that its scores look at."""
        ...

    @property
    def horizon(self) -> int:
        """Rows before a row from which on it is forecast."""
        ...

    def scores(
        self, panel: Panel, begins: NDArray[np.int64], had: NDArray[np.int64], tuned: Tuned | None = None
    ) -> list[Scores]:
        """Score the rows of each series behind its first ``had``; it begins ``begins`` rows behind the training's."""
        ...

    def lessons(self, panel: Panel, recent: int) -> Lessons | None:
        """Return what draws a step of fine-tuning from the newest rows of a series; None if there are none."""
        ...


@dataclass(frozen=True, eq=False)
class State:
    """What is remembered of a series.

    Args:
        simple: By the method without a network.
        chain: By the way from scores to evidence.
        event: The event that is open, None for none.
        rows: Rows seen, missing ones included.
        tuned: Networks fine-tuned to it, None before their first step.
        spoilt: First and last rows of its newest events, which are not learned from.
    """

    simple: SimpleMemory
    chain: ChainMemory = field(default_factory=ChainMemory)
    event: Event | None = None
    rows: int = 0
    tuned: Tuned | None = None
    spoilt: Spans = ()


@dataclass(frozen=True, eq=False)
class FittedDetector:
    """Everything a fitted detector knows.

    Args:
        contract: Columns and step.
        errors: Networks, None for methods without.
        simple: The method without a network that stands beside them, or alone.
        chain: From scores to evidence.
        policy: From evidence to alarms.
        history: The last rows of each series, enough to go on.
        states: Of each series after its last row, by id.
        online: Whether networks are fine-tuned to each series as its rows come.
        choices: What was chosen while fitting.
    """

    contract: Contract
    errors: Errors | None
    simple: Simple
    chain: Chain
    policy: Policy
    history: Panel
    states: dict
    online: bool = False
    choices: tuple[Choice, ...] = ()

    @property
    def lookback(self) -> int:
        """Rows of history that the scores of new rows look at."""
        if self.errors is None:
            return 1
        return self.errors.lookback + (RECENT if self.online else 0)

    def start(self) -> State:
        """Return the state of a series of which nothing was seen."""
        return State(self.simple.start(len(self.contract.columns.target)))

    def begin(self, panel: Panel) -> FittedDetector:
        """Look at the rows that are learned from, learn what evidence means there, and remember them."""
        states = [self.start()] * len(panel)
        had = np.zeros(len(panel), np.int64)
        weighed = self._weigh(panel, had, states)
        chain = self.chain.learn([(scores, evidence, state.chain) for scores, evidence, state in weighed])
        learned = replace(self, chain=chain, history=panel.tail(self.lookback))
        _, after = learned._judge(panel, had, states, weighed)
        return replace(learned, states=dict(zip(panel.ids, after, strict=True)))

    def newer(self, given: Panel) -> tuple[list[Found], FittedDetector]:
        """Look at the rows behind the last that was seen, and remember them.

        Args:
            given: Newer rows, or the whole table.

        Returns:
            What was found in the series that have newer rows, and the detector that has seen them.
        """
        panel = continued(self.history, given)
        place = {name: k for k, name in enumerate(self.history.ids)}
        had = np.array([self.history.lengths[place[name]] if name in place else 0 for name in panel.ids])
        states = [self.states.get(name, self.start()) for name in panel.ids]
        found, after = self._look(panel, had, states)
        behind = self.states | dict(zip(panel.ids, after, strict=True))
        grown = replace(self, history=panel.tail(self.lookback), states=behind)
        return [one for one, rows in zip(found, panel.lengths - had, strict=True) if rows > 0], grown

    def older(self, given: Panel) -> list[Found]:
        """Look at rows that were seen already, or at series by themselves: as if nothing had been seen before."""
        zero, start = np.zeros(len(given), np.int64), self.start()
        begins = _places(self.history, given)
        before = [
            max(begin + self.states[name].rows - length, 0) if name in self.states else 0
            for name, begin, length in zip(given.ids, begins, _lengths(self.history, given), strict=True)
        ]
        return self._look(given, zero, [replace(start, rows=int(rows)) for rows in before])[0]

    def _look(
        self, panel: Panel, had: NDArray[np.int64], states: list[State]
    ) -> tuple[list[Found], list[State]]:
        """Look at the rows of each series behind the first ``had``, which were seen already."""
        if not self.online:
            return self._judge(panel, had, states, self._weigh(panel, had, states))
        each = (
            self._pursue(panel.select(np.array([i])), int(had[i]), state) for i, state in enumerate(states)
        )
        found, after = zip(*each, strict=True)
        return list(found), list(after)

    def _pursue(self, panel: Panel, had: int, state: State) -> tuple[Found, State]:
        """Look at new rows of one series, and fine-tune its networks on the way."""
        assert self.errors is not None
        begin, parts = state.rows - had, []
        while not parts or state.rows < begin + panel.rows:
            due = next_step(self.errors, panel.ids[0], state.rows)
            rows = min(due - begin, panel.rows)
            new = rows - (state.rows - begin)
            # Not the whole past in every part: the work would grow with its square.
            upto = panel.cut(np.array([rows])).tail(new + self.lookback)
            seen = np.array([upto.rows - new])
            (part,), (state,) = self._judge(upto, seen, [state], self._weigh(upto, seen, [state]))
            parts.append(part)
            if state.rows == due:
                state = replace(state, tuned=fine_tune(self.errors, state.tuned, upto, due, state.spoilt))
        # Neighbours first: rows are copied a few times each, however many parts there are.
        while len(parts) > 1:
            parts = [reduce(Found.above, parts[k : k + 2]) for k in range(0, len(parts), 2)]
        return parts[0], state

    def _weigh(
        self, panel: Panel, had: NDArray[np.int64], states: list[State]
    ) -> list[tuple[Scores, Evidence, State]]:
        """Find the evidence in new rows of each series, and remember the scores it was made from."""
        begins = np.array([state.rows for state in states]) - had
        # Only a series that is looked at by itself has networks of its own.
        tuned = states[0].tuned if self.online else None
        predicted = None if self.errors is None else self.errors.scores(panel, begins, had, tuned)
        weighed = []
        for i, state in enumerate(states):
            values = panel.targets[panel.offsets[i] + had[i] : panel.offsets[i + 1]]
            scores, simple = self.simple.advance(state.simple, values, self.contract.columns.target)
            if predicted is not None:
                scores = predicted[i].beside(scores)
            evidence, chain = self.chain.weigh(state.chain, scores)
            weighed.append((scores, evidence, replace(state, simple=simple, chain=chain)))
        return weighed

    def _judge(
        self,
        panel: Panel,
        had: NDArray[np.int64],
        states: list[State],
        weighed: list[tuple[Scores, Evidence, State]],
    ) -> tuple[list[Found], list[State]]:
        """Find the events in new rows, and remember alarms and open events."""
        found, after = [], []
        for i, (name, state, (_, evidence, seen)) in enumerate(zip(panel.ids, states, weighed, strict=True)):
            evidence, chain = self.chain.judge(seen.chain, evidence)
            rows = len(evidence.total)
            times = panel.step.times(panel.time_at(i, int(panel.offsets[i] + had[i])), rows)
            events = watch(self.policy, evidence, times, state.rows, state.event)
            raised = [event for event in events if event.raised >= 0]
            found.append(Found(name, times, panel.step, state.rows, evidence, raised))
            last = events[-1] if events and events[-1].open else None
            after.append(replace(seen, chain=chain, event=last, rows=state.rows + rows))
            if self.online:
                oldest = state.rows + rows - self.lookback
                after[-1] = replace(after[-1], spoilt=newest_spans(state.spoilt, raised, oldest))
        return found, after


def split(history: Panel, given: Panel) -> tuple[Panel | None, Panel | None]:
    """Part a table in rows that were seen already and rows behind them.

    Returns:
        The rows seen, and the whole table, each None if there are no such rows. A series that is new was not seen.
    """
    left = _lengths(history, given) - _places(history, given)
    old = np.where(_lengths(history, given) > 0, np.clip(left, 0, given.lengths), 0).astype(np.int64)
    seen = given.cut(given.offsets[:-1] + old) if old.any() else None
    return seen, given if (old < given.lengths).any() else None


def joined(older: Sequence[Found], newer: Sequence[Found], ids: Sequence[object]) -> list[Found]:
    """Order what was found by series, then by time; an event that went on is told once, as it went on."""
    first, then = ({one.series: one for one in found} for found in (older, newer))
    for name in set(first) & set(then):
        first[name] = replace(first[name], events=told_once(first[name].events, then[name].events))
    return [found[name] for name in ids for found in (first, then) if name in found]


def _lengths(history: Panel, given: Panel) -> NDArray[np.int64]:
    """Rows of history of each given series, 0 for a new one."""
    place = {name: k for k, name in enumerate(history.ids)}
    return np.array([history.lengths[place[name]] if name in place else 0 for name in given.ids], np.int64)


def _places(history: Panel, given: Panel) -> NDArray[np.int64]:
    """Row of the history at which each given series begins, negative before it; 0 for a new one."""
    place = {name: k for k, name in enumerate(history.ids)}
    shared = [i for i, name in enumerate(given.ids) if name in place]
    found = np.zeros(len(given), np.int64)
    if shared:
        starts = history.starts[[place[given.ids[i]] for i in shared]]
        # Between two steps: what continues the history refuses it by name.
        found[shared] = np.nan_to_num(given.step.positions(given.starts[shared], starts)).astype(np.int64)
    return found
