"""How far back gradients reach in a network, what stops them, and what to do about it: numbers and words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

BEFORE, AFTER = "before training", "after training"
# Part of the gradient that the memory of a layer holds.
SHARE = 0.9
# Beyond these a report has something to say: memory in shares of the window, gradient at the oldest step in shares of
# the newest, steps of training that were clipped, values of a gate at its ends, units that never move.
SHORT, STILL, CLIPPED, SATURATED, DEAD = 0.5, 0.2, 0.5, 0.5, 0.1
# A gradient that grows so many times over from the newest step to the largest one explodes.
EXPLODES = 10.0
_NAMES = {"rnn": "SimpleRNN", "lstm": "LSTM", "gru": "GRU"}


@dataclass(frozen=True)
class LayerHealth:
    """The health of one direction of a recurrent layer.

    Args:
        name: Of the layer.
        cell: ``"rnn"``, ``"lstm"`` or ``"gru"``.
        activation: Of its candidate state.
        units: Width of its state.
        lags: Norm of ``dL/dh`` at 0, 1, 2 … steps before the last one that it read; the mean over windows.
        held: The same with the gate that keeps the state held open: what training can reach. Equal to ``lags``
            without gates.
        gates: Shares of the values of each gate that are shut and open, by its name.
        radii: Spectral radius of each block of the recurrent kernel, by its name.
        dead: Units that never move.
        norm: Of the gradient by the weights of the layer.
    """

    name: str
    cell: str
    activation: str
    units: int
    lags: tuple[float, ...]
    held: tuple[float, ...]
    gates: dict[str, tuple[float, float]]
    radii: dict[str, float]
    dead: int
    norm: float

    @property
    def steps(self) -> int:
        """Steps that the layer was looked at over."""
        return len(self.lags)

    @property
    def memory(self) -> int:
        """Steps within which 90 % of the gradient lies: the effective length of its memory."""
        return memory_of(self.lags)

    @property
    def reach(self) -> int:
        """The same with the gates held open; it cannot be longer without other weights."""
        return memory_of(self.held)

    @property
    def factor(self) -> float:
        """What the gradient is multiplied by a step further back, on the (geometric) average."""
        return factor_of(self.lags)

    @property
    def oldest(self) -> float:
        """Gradient at the oldest step in shares of that at the newest."""
        return self.lags[-1] / self.lags[0] if self.lags[0] > 0 else float("nan")

    @property
    def growth(self) -> float:
        """Largest gradient at any step in shares of that at the newest."""
        return max(self.lags) / self.lags[0] if self.lags[0] > 0 else float("nan")

    def inside(self, steps: int | None = None) -> float:
        """Return the share of the gradient within some steps; None: within all of them.

        Behind those looked at it is taken to go on as over the oldest quarter; NaN where it does not fall there.
        """
        lags = np.asarray(self.lags)
        tail = factor_of(lags[-max(len(lags) // 4, 2) :])
        if not 0 < lags.sum() < np.inf or tail >= 1:
            return float("nan")
        # Where nothing is left to be told of a tail, nothing is left behind it.
        beyond = 0.0 if np.isnan(tail) else lags[-1] * tail / (1 - tail)
        return float(lags[:steps].sum() / (lags.sum() + beyond))


@dataclass(frozen=True)
class Health:
    """The health of a network at one moment; printed, a report.

    Args:
        moment: Such as ``"before training"``.
        layers: Of which there may be none.
        context: Rows of a window.
        clipped: Share of the steps of training whose gradient was clipped; None where nothing was trained.
        tbptt: Rows that gradients go back in training, of a network that carries its state; else None.
    """

    moment: str
    layers: tuple[LayerHealth, ...]
    context: int
    clipped: float | None = None
    tbptt: int | None = None

    def document(self) -> dict[str, Any]:
        """Return everything as plain values, with what is derived for each layer and the advice."""
        derived = ("steps", "memory", "reach", "factor", "oldest", "growth")
        layers = [
            asdict(layer)
            | {name: getattr(layer, name) for name in derived}
            | {"inside": layer.inside(self.tbptt)}
            for layer in self.layers
        ]
        return asdict(self) | {"layers": layers, "advice": advice_of(self)}

    def __str__(self) -> str:
        return "\n".join([*lines_of(self), *advice_of(self)])


def memory_of(lags: Sequence[float], share: float = SHARE) -> int:
    """Return the number of newest steps that hold a share of the gradient; 0 if there is none.

    Example:
        >>> memory_of([1.0, 0.5, 0.25, 0.125, 0.0625]), memory_of([1.0, 1.0, 1.0, 1.0])
        (3, 4)
    """
    total = np.cumsum(lags)
    return int(np.searchsorted(total, share * total[-1])) + 1 if total[-1] > 0 else 0


def factor_of(lags: Sequence[float] | np.ndarray) -> float:
    """Return the geometric mean of what each step back multiplies by, over the part that a float32 can tell.

    Example:
        >>> round(factor_of([1.0, 0.5, 0.25, 0.125]), 3)
        0.5
    """
    values = np.asarray(lags, np.float64)
    told = values > 1e-7 * values.max() if values.max() > 0 else np.zeros(len(values), bool)
    if told.sum() < 2:
        return float("nan")
    return float(np.exp(np.polyfit(np.flatnonzero(told), np.log(values[told]), 1)[0]))


def health_of(stored: dict[str, Any]) -> Health:
    """Read the health of a network from what ``dataclasses.asdict`` made of it.

    Example:
        >>> from dataclasses import asdict
        >>> layer = LayerHealth("gru", "gru", "tanh", 2, (1.0, 0.5), (1.0, 0.9), {"update": (0.0, 0.1)}, {}, 0, 1.0)
        >>> health_of(asdict(Health(AFTER, (layer,), 24))).layers[0] == layer
        True
    """
    layers = tuple(
        LayerHealth(
            **layer
            | {name: tuple(float(x) for x in layer[name]) for name in ("lags", "held")}
            | {"gates": {name: (float(a), float(b)) for name, (a, b) in layer["gates"].items()}}
        )
        for layer in stored["layers"]
    )
    rest: dict[str, Any] = {name: value for name, value in stored.items() if name != "layers"}
    return Health(layers=layers, **rest)


def lines_of(health: Health) -> list[str]:
    """Lay the numbers of each layer out in columns, below a line that names the moment."""
    title = f"Gradients {health.moment}".rstrip()
    if health.clipped is not None:
        title += f": clipped in {health.clipped:.0%} of the steps"
    if not health.layers:
        return [title]
    rows = [_HEADERS, *(_cells(health, layer) for layer in health.layers)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEADERS))]
    return [title, *("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)]


_HEADERS = (
    "layer",
    "reads",
    "90 % within",
    "gates open",
    "a step back",
    "oldest/newest",
    "inside",
    "radius",
    "dead",
    "shut/open",
)


def _cells(health: Health, layer: LayerHealth) -> tuple[str, ...]:
    inside = layer.inside(health.tbptt)
    gates = (f"{name} {shut:.0%}/{opened:.0%}" for name, (shut, opened) in layer.gates.items())
    return (
        layer.name,
        _steps(health, layer),
        f"{layer.memory} steps",
        f"{layer.reach} steps" if layer.gates else "-",
        f"x {layer.factor:.3g}",
        f"{layer.oldest:.2g}",
        f"{inside:.0%}" if inside == inside else "-",
        f"{max(layer.radii.values()):.2f}",
        f"{layer.dead}/{layer.units}",
        ", ".join(gates) or "-",
    )


def advice_of(health: Health) -> list[str]:
    """Say in plain words what stands out and what to do; one sentence if nothing does."""
    if not health.layers:
        return ["No layer is a SimpleRNN, LSTM or GRU of Keras: gradients through time are not looked at."]
    found = [sentence for layer in health.layers for sentence in _advice(health, layer)]
    if health.clipped is not None and health.clipped > CLIPPED:
        found.append(
            f"The gradient was clipped in {health.clipped:.0%} of the steps: a lower learning rate, or a larger --clip."
        )
    return found or ["Gradients reach as far back as the context does; nothing stands out."]


def _advice(health: Health, layer: LayerHealth) -> list[str]:
    steps, found = _steps(health, layer), []
    if not all(np.isfinite(layer.lags)) or layer.growth > EXPLODES:
        found.append(
            f"{layer.name}: the gradient explodes, to {layer.growth:.3g} times the newest: a lower learning rate, "
            "a smaller --clip, or an LSTM or GRU."
        )
    elif health.tbptt is not None:
        found += _carried(health.tbptt, layer)
    elif layer.memory <= SHORT * layer.steps:
        found.append(_too_short(health, layer))
    elif layer.oldest > STILL and health.moment == AFTER:
        found.append(
            f"{layer.name}: at the oldest of {steps} the gradient is still {layer.oldest:.0%} of the newest: "
            "a longer context may tell more."
        )
    for name, ends in layer.gates.items():
        if sum(ends) > SATURATED:
            found.append(
                f"{layer.name}: the {name} gate is saturated {sum(ends):.0%} of the time, where it cannot learn: "
                "a lower learning rate."
            )
    if layer.dead > DEAD * layer.units:
        remedy = "a lower learning rate, or tanh" if layer.activation != "tanh" else "fewer units will do"
        found.append(f"{layer.name}: {layer.dead} of {layer.units} units never move: {remedy}.")
    return found


def _carried(tbptt: int, layer: LayerHealth) -> list[str]:
    """Say whether training goes back as far as the memory of a network that carries its state."""
    start = f"{layer.name}: 90 % of the gradient lies within {layer.memory} steps; training goes back {tbptt}"
    if layer.memory > tbptt:
        return [f"{start}: a longer --tbptt reaches more of it."]
    if layer.memory <= SHORT * tbptt:
        return [f"{start}: a shorter --tbptt would do."]
    return []


def _too_short(health: Health, layer: LayerHealth) -> str:
    """Say that the memory is shorter than what is read, why, and what helps."""
    window = _steps(health, layer)
    start = f"{layer.name}: 90 % of the gradient lies within {layer.memory} steps; the context is {window}"
    able = layer.gates and layer.reach > SHORT * layer.steps
    if able and health.moment == BEFORE:
        return f"{start}. Held open, its gates keep it for {layer.reach}: training decides, look again behind it."
    if layer.gates:
        return f"{start}: use segments, or shorten the context."
    kept = "" if layer.activation == "relu" else " or ReLU with an identity start"
    why = "nothing in a SimpleRNN holds it, so what lies farther back is not learned"
    return f"{start}; {why}: use GRU or LSTM{kept}, or segments, or shorten the context."


def _steps(health: Health, layer: LayerHealth) -> str:
    """Name the steps of a layer, and the rows of each where it reads segments."""
    rows = -(-health.context // layer.steps)
    return f"{layer.steps} steps" if rows == 1 else f"{layer.steps} steps of {rows} rows"
