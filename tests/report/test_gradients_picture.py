"""The picture of how far back gradients reach."""

from __future__ import annotations

import numpy as np
import pytest

from forecast.errors import ParameterError
from forecast.report.gradients import plot_gradients
from forecast.training.gradients import AFTER, BEFORE, Health, LayerHealth


def health(moment, factor, names=("gru_1",)):
    lags = tuple(3.0 * factor**k for k in range(50))
    held = tuple(3.0 * 0.99**k for k in range(50))
    gates = {"update": (0.0, 0.1)}
    layers = (
        LayerHealth(name, "gru", "tanh", 4, lags, held, gates, {"candidate": 1.0}, 0, 1.0) for name in names
    )
    return Health(moment, tuple(layers), 50)


def test_a_line_for_each_moment_in_shares_of_the_newest_step():
    figure = plot_gradients([health(BEFORE, 0.5), health(AFTER, 0.9)], title="air_passengers")
    (ax,) = figure.axes
    lines = {line.get_label(): line for line in ax.get_lines()}
    assert lines[AFTER].get_ydata()[0] == 1.0
    assert lines[AFTER].get_ydata()[10] == pytest.approx(0.9**10)
    assert lines[BEFORE].get_ydata()[1] == pytest.approx(0.5)
    uprights = [line.get_xdata()[0] for line in ax.get_lines() if line.get_linestyle() == "--"]
    # 0.5 reaches 90 % in the fourth step, which is three back; 0.9 in the 22nd.
    assert uprights == [3, 21]
    assert ax.get_yscale() == "log"
    assert figure.get_suptitle().startswith("air_passengers")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [BEFORE, AFTER]


def test_a_panel_for_each_layer():
    figure = plot_gradients(health(AFTER, 0.9, ("a", "b", "c")))
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["a", "b", "c"]


def test_gradients_of_nothing():
    flat = health(AFTER, 0.0)
    assert np.isnan(plot_gradients(flat).axes[0].get_lines()[0].get_ydata()[1:]).all()
    for nothing in ([], Health(AFTER, (), 24)):
        with pytest.raises(ParameterError, match="no recurrent layer"):
            plot_gradients(nothing)
