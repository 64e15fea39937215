"""From the labels of rows to events: what is one, how long it lasts at least, and how well it is found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from forecast.data.examples import Examples
from forecast.data.labelled import Labelled
from forecast.data.labels import Classes
from forecast.data.sequences import Sequences
from forecast.errors import InputError, ParameterError
from forecast.evaluation.segments import runs_of, segment_scores, spans_of_class
from forecast.evaluation.viterbi import decode, shortest_durations

# Labels that usually say that nothing happens.
NOTHING = ("none", "normal", "background", "nothing", "no event", "no", "off", "other", "idle", "-", "0")
EVERYTHING = "none at all"
ALL = "all"


def background_of(asked: Any, classes: Classes) -> int | None:
    """Return the number of the class that is no event, None if all are.

    Raises:
        ParameterError: The label is unknown.

    Example:
        >>> background_of(None, Classes(("cough", "Normal"))), background_of("none at all", Classes((0, 1)))
        (1, None)
    """
    if isinstance(asked, str) and asked == EVERYTHING:
        return None
    if asked is not None:
        try:
            return int(classes.codes([asked])[0])
        except InputError as error:
            raise ParameterError(f"background: {error}") from error
    if not isinstance(classes.names[0], str):
        return classes.names.index(0) if 0 in classes.names else None
    return next((i for i, name in enumerate(classes.names) if name.strip().lower() in NOTHING), None)


def durations_of(
    asked: int | Mapping[Any, int] | None, examples: Examples, background: int | None
) -> tuple[int, ...]:
    """Return the rows that a segment of each class lasts at least; what is not asked for is learned.

    Raises:
        ParameterError: A label is unknown, or a duration is no whole number from 1 on.
    """
    found = list(shortest_durations(_segments(examples)))
    if asked is None:
        return tuple(found)
    if isinstance(asked, Mapping):
        for label, rows in asked.items():
            try:
                found[int(examples.classes.codes([label])[0])] = _duration(rows)
            except ParameterError:
                raise
            except InputError as error:
                raise ParameterError(f"durations: {error}") from error
        return tuple(found)
    return tuple(1 if number == background else _duration(asked) for number in range(len(found)))


def _duration(rows: Any) -> int:
    if isinstance(rows, bool) or not isinstance(rows, int | np.integer) or rows < 1:
        raise ParameterError(f"durations must be whole numbers of rows from 1 on; got {rows!r}.")
    return int(rows)


def _segments(examples: Examples) -> list[list[int]]:
    """Return the lengths of each class's labelled segments; those cut off or next to unlabelled rows do not count."""
    found: list[list[int]] = [[] for _ in examples.classes.names]
    for first, stop in pairwise(examples.sequences.offsets):
        runs = runs_of(examples.codes[first:stop])
        for before, (begin, end, code), after in zip(runs, runs[1:], runs[2:], strict=False):
            if min(before[2], code, after[2]) >= 0:
                found[code].append(end - begin)
    return found


def decoded(found: np.ndarray, sequences: Sequences, durations: Sequence[int], switch: float) -> np.ndarray:
    """Return the likeliest labels of every row whose segments last long enough, ``(rows,)``."""
    parts = [decode(found[first:stop], durations, switch) for first, stop in pairwise(sequences.offsets)]
    return np.concatenate(parts)


def event_frame(
    codes: np.ndarray,
    found: np.ndarray,
    sequences: Sequences,
    table: Labelled | None,
    classes: Classes,
    background: int | None,
) -> pd.DataFrame:
    """Lay events out as a table; see ``EventLabeler.events``."""
    columns = None if table is None else table.columns
    name = "sequence" if columns is None or columns.id is None else columns.id
    ids: Sequence[Any] = range(len(sequences)) if table is None or name == "sequence" else table.ids
    times = None if table is None or columns is None or columns.time is None else table.frame[columns.time]
    rows = []
    for i, (first, stop) in enumerate(zip(sequences.offsets[:-1], sequences.offsets[1:], strict=True)):
        for begin, end, code in runs_of(codes[first:stop]):
            if code == background:
                continue
            ends = (
                (begin, end - 1)
                if times is None
                else (times.iloc[first + begin], times.iloc[first + end - 1])
            )
            sure = float(found[first + begin : first + end, code].mean())
            rows.append((ids[i], *ends, classes.names[code], sure, end - begin))
    return pd.DataFrame(rows, columns=pd.Index([name, "start", "end", "label", "probability", "rows"]))


def report_table(
    codes: np.ndarray, examples: Examples, background: int | None, *, overlap: float = 0.5
) -> pd.DataFrame:
    """Compare found events with labelled ones; see ``EventLabeler.report``. Unlabelled rows do not count."""
    known = examples.codes >= 0
    offsets = examples.sequences.offsets
    places = [slice(int(a), int(b)) for a, b in pairwise(offsets)]
    counts = [int(n) for n in examples.sequences.lengths]
    numbers = [n for n in range(len(examples.classes)) if n != background]
    rows, everything = [], []
    for number in numbers:
        pairs = [
            [spans_of_class(labels[place], number, known[place]) for place in places]
            for labels in (codes, examples.codes)
        ]
        everything.append(segment_scores(pairs[0], pairs[1], counts, overlap=overlap))
        rows.append(_row(examples.classes.names[number], [everything[-1]]))
    table = pd.DataFrame([*rows, _row(ALL, everything)])
    table.attrs = {"overlap": overlap, "rows": int(known.sum())}
    return table


def _row(label: Any, scores: Sequence[Any]) -> dict[str, Any]:
    events, found, matched = (
        sum(getattr(one, name) for one in scores) for name in ("events", "found", "matched")
    )
    onsets = [onset for one in scores for onset in one.onsets]
    joined = type(scores[0])(events, found, matched, tuple(onsets), ())
    return {
        "label": label,
        "events": events,
        "found": found,
        "matched": matched,
        "precision": joined.precision,
        "recall": joined.recall,
        "F1": joined.f1,
        "onset_error": joined.onset_error,
        "onset_bias": joined.onset_bias,
    }
