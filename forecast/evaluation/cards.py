"""What each metric means, read from its docstring: the text that ``forecast metrics`` prints.

A docstring says it in lines that begin with a label (``Unit:``, ``Range:`` …). Only what holds for every
metric that does not say otherwise is written here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from inspect import cleandoc

from forecast.errors import ForecastError, ParameterError, closest
from forecast.evaluation.metrics import METRICS

__all__ = ["CONTRACT", "Card", "card_of", "cards"]

CONTRACT = (
    "y is the actual, f its forecast, q a quantile level; means run over all values, or over an axis.",
    "A missing actual is left out, and `missing` counts them; a missing forecast of an actual that exists makes "
    "the result NaN, and so does having no actual at all. With missing values scikit-learn refuses, scoringrules "
    "returns NaN, and utilsforecast leaves out a missing forecast together with its actual.",
)
"""What holds for every metric unless its card says otherwise."""

_LABELS = ("Unit", "Range", "Missing", "Zeros", "Constant", "Agrees", "Differs", "Source")
_SECTIONS = ("Args", "Returns", "Raises", "Example")

_USUAL = {
    "Missing": "left out and counted; a missing forecast makes the result NaN",
    "Zeros": "values like any other",
    "Constant": "no part is played by the history",
    "Agrees": "none",
    "Differs": "only in missing values",
}


@dataclass(frozen=True)
class Card:
    """The definition of a metric.

    Args:
        name: As in ``metrics``.
        definition: One sentence, and others that qualify it.
        formula: The part of the sentence that computes; see ``CONTRACT``.
        unit: Of the result.
        range: Smallest and largest value.
        better: Which direction or value is best.
        missing: What a missing actual or forecast does.
        zeros: What a zero actual does.
        constant: What a constant history does.
        agrees: Functions of other libraries that return the same number, or none.
        differs: How other libraries differ.
        source: Where the definition stands.
    """

    name: str
    definition: str
    formula: str
    unit: str
    range: str
    better: str
    missing: str
    zeros: str
    constant: str
    agrees: str
    differs: str
    source: str


def cards(names: Sequence[str] = ()) -> list[Card]:
    """Return the cards of the metrics named, or of all.

    Args:
        names: As in ``metrics``; capitals and ``-`` for ``_`` are accepted.

    Raises:
        ParameterError: If there is no metric of a name.

    Example:
        >>> [card.name for card in cards(["MASE", "smape-100"])]
        ['mase', 'smape_100']
    """
    return [card_of(_known(name)) for name in names or METRICS]


def card_of(name: str) -> Card:
    """Return the card of one metric, by its exact name.

    Raises:
        ForecastError: If Python runs without docstrings (``python -OO``).

    Example:
        >>> card = card_of("mae")
        >>> card.formula, card.unit, card.range, card.better
        ('mean |y - f|', 'that of the data', '0 to inf', 'lower is better')
    """
    text = METRICS[name].__doc__
    if text is None:
        raise ForecastError(
            f"The card of {name} is its docstring, which `python -OO` leaves out; run without -OO."
        )
    definition, found = _parsed(text)
    formula = re.search("`(.+?)`", definition)
    span, _, better = found["Range"].partition("; ")
    return Card(
        name=name,
        definition=definition,
        formula=formula[1] if formula else "",
        unit=found["Unit"],
        range=span,
        better=better,
        **{label.lower(): found.get(label, usual) for label, usual in _USUAL.items()},
        source=found["Source"],
    )


def _known(name: str) -> str:
    key = name.lower().replace("-", "_")
    if key in METRICS:
        return key
    near = closest(key, tuple(METRICS)) or next(
        (f" Did you mean {known!r}?" for known in METRICS if key in known), ""
    )
    raise ParameterError(f"There is no metric {name!r}; metrics are {', '.join(METRICS)}.{near}")


def _parsed(text: str) -> tuple[str, dict[str, str]]:
    """Split a docstring into its definition and its labelled lines; sections such as ``Args`` are skipped."""
    definition: list[str] = []
    found: dict[str, list[str]] = {}
    part = definition
    for line in cleandoc(text).splitlines():
        label, colon, rest = line.partition(":")
        if colon and label in _LABELS:
            part = found[label] = [rest]
        elif colon and label in _SECTIONS:
            part = []
        else:
            part.append(line)
    sentence = _joined(definition).removeprefix("Return ").removeprefix("the ")
    return sentence[:1].upper() + sentence[1:], {k: _joined(v).rstrip(".") for k, v in found.items()}


def _joined(lines: list[str]) -> str:
    return " ".join(" ".join(lines).split()).replace("``", "`")
