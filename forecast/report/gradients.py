"""A picture of how far back gradients reach."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from forecast.errors import ParameterError
from forecast.report.methods import COLOURS, add_legend, titled
from forecast.report.plots import HEIGHT, INK, TITLE, new_figure, style
from forecast.training.gradients import SHARE, Health

# Gradients smaller than this share of the largest are as good as none; the axis ends there.
LEAST = 1e-8


def plot_gradients(healths: Health | Sequence[Health], *, title: str | None = None) -> Any:
    """Draw the norm of ``dL/dh`` by steps back, a panel for each recurrent layer and a line for each moment.

    A vertical line stands where 90 % of the gradient is reached, a thin dotted line shows what gates that are held
    open would keep. Each line is drawn in shares of its newest step.

    Args:
        healths: Of one network at one or several moments.
        title: Above the figure.

    Returns:
        The Matplotlib figure.

    Raises:
        ParameterError: There is no recurrent layer to draw.
    """
    healths = [healths] if isinstance(healths, Health) else list(healths)
    names = [layer.name for layer in healths[0].layers] if healths else []
    if not names:
        raise ParameterError("There is no recurrent layer whose gradients could be drawn.")
    rows = -(-len(names) // 2)
    figure = new_figure(HEIGHT * rows)
    axes = figure.subplots(rows, min(len(names), 2), squeeze=False).ravel().tolist()
    for spare in axes[len(names) :]:
        spare.remove()
    for ax, name in zip(axes, names, strict=False):
        for colour, health in zip(COLOURS, healths, strict=False):
            layer = next(layer for layer in health.layers if layer.name == name)
            _line(ax, layer.lags, label=health.moment or layer.cell, color=colour, linewidth=1.6)
            if layer.gates:
                _line(ax, layer.held, color=colour, linewidth=0.9, linestyle=":")
            ax.axvline(layer.memory - 1, color=colour, linewidth=0.9, linestyle="--")
        ax.set_yscale("log")
        ax.set_ylim(bottom=max(LEAST, ax.get_ylim()[0]))
        ax.set_title(name, loc="left", **TITLE)
        ax.set_xlabel("steps back")
        style(ax, 10)
    dotted = "; dotted: with gates held open" if any(layer.gates for layer in healths[0].layers) else ""
    note = f"gradient by the state, newest = 1; dashed: {SHARE:.0%} of it lies to the left{dotted}"
    figure.suptitle(titled(title or "", note), x=0.01, ha="left", color=INK, fontsize=10)
    add_legend(figure, axes[: len(names)])
    return figure


def _line(ax: Any, lags: Sequence[float], **look: Any) -> None:
    values = np.asarray(lags, np.float64)
    shares = values / values[0] if values[0] > 0 else values
    ax.plot(np.arange(len(values)), np.where(shares > 0, shares, np.nan), **look)
