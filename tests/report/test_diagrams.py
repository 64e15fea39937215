"""Pictures of reliability, backtests, errors by step and reactions: lines, limits and labels."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PolyCollection, QuadMesh
from matplotlib.colors import to_hex
from matplotlib.dates import num2date

from forecast.errors import ParameterError, TableError
from forecast.report.diagrams import plot_backtest, plot_reactions, plot_reliability, plot_scores_by_step
from forecast.report.methods import COLOURS


def line(ax, label):
    return next(one for one in ax.get_lines() if one.get_label() == label)


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def bands(ax):
    return [artist for artist in ax.collections if isinstance(artist, PolyCollection)]


def inside(figure):
    """Draw, and say whether every title, label and legend lies within the picture."""
    figure.canvas.draw()
    width, height = figure.canvas.get_width_height()
    artists = [*figure.legends, *(text for ax in figure.axes for text in (ax.xaxis.label, ax.yaxis.label))]
    artists += [ax.get_title(loc="left") and ax._left_title for ax in figure.axes if ax.get_title(loc="left")]
    boxes = [artist.get_window_extent() for artist in artists]
    return all(b.x0 >= 0 and b.y0 >= 0 and b.x1 <= width and b.y1 <= height for b in boxes)


# ---------------------------------------------------------------- reliability


def shares(**columns):
    rows = {
        "who": ["gru"] * 3 + ["theta"] * 3,
        "asked": [0.9, 0.1, 0.5] * 2,
        "came": [0.85, 0.2, 0.55, 0.99, 0.01, 0.5],
        "chance": [0.06, 0.06, 0.1, 0.06, 0.06, 0.2],
    }
    return pd.DataFrame(rows | columns)


NAMES = {"method": "who", "level": "asked", "observed": "came", "band": "chance"}


def test_reliability_draws_shares_against_levels_in_order():
    figure = plot_reliability(shares(), **NAMES)
    (ax,) = figure.axes
    assert line(ax, "gru").get_xdata().tolist() == [0.1, 0.5, 0.9]
    assert line(ax, "gru").get_ydata().tolist() == [0.2, 0.55, 0.85]
    assert line(ax, "theta").get_ydata().tolist() == [0.01, 0.5, 0.99]
    diagonal = ax.get_lines()[0]
    assert (list(diagonal.get_xdata()), list(diagonal.get_ydata())) == ([0, 1], [0, 1])
    assert [to_hex(line(ax, name).get_color()).upper() for name in ("gru", "theta")] == list(COLOURS[:2])
    assert legend(figure) == ["gru", "theta", "chance (95 %)"]
    assert inside(figure)


def test_reliability_is_a_square_of_equal_scales():
    figure = plot_reliability(shares(), **NAMES)
    figure.canvas.draw()
    (ax,) = figure.axes
    assert ax.get_xlim() == ax.get_ylim()
    box = ax.get_window_extent()
    assert box.width == pytest.approx(box.height)


def test_band_of_chance_is_the_widest_and_stays_within_0_and_1():
    (band,) = bands(plot_reliability(shares(chance=[0.2] * 3 + [0.3] * 3), **NAMES).axes[0])
    corners = band.get_paths()[0].vertices
    at = {x: sorted({y for other, y in corners.round(9) if other == x}) for x in (0.1, 0.5, 0.9)}
    assert at[0.5] == [0.2, 0.8]
    assert at[0.1] == [0.0, 0.4]
    assert at[0.9] == [0.6, 1.0]


def test_reliability_without_a_band_and_with_gaps():
    figure = plot_reliability(shares(came=[0.85, np.nan, 0.55, 0.9, 0.1, 0.5]), **NAMES | {"band": None})
    (ax,) = figure.axes
    assert bands(ax) == []
    assert np.isnan(line(ax, "gru").get_ydata()).tolist() == [True, False, False]


def test_reliability_of_some_methods():
    figure = plot_reliability(shares(), **NAMES, methods=["theta"], title="$x$ <b>")
    (ax,) = figure.axes
    assert legend(figure) == ["theta", "chance (95 %)"]
    assert ax.get_title(loc="left") == "$x$ <b>"
    with pytest.raises(ParameterError, match=r"no method 'thetta'.* 'theta'"):
        plot_reliability(shares(), **NAMES, methods=["thetta"])


@pytest.mark.parametrize("draw", [plot_reliability, plot_scores_by_step])
def test_tables_that_cannot_be_drawn(draw):
    columns = ("step", "method", "score", "level", "observed", "band")
    with pytest.raises(TableError, match="no rows"):
        draw(pd.DataFrame(columns=columns))
    with pytest.raises(ParameterError, match=r"no column 'method'.*methods"):
        draw(pd.DataFrame({"step": [1], "methods": ["a"], "score": [1.0], "level": [0.5], "observed": [0.5]}))


# ---------------------------------------------------------------- errors by step


def scores(methods=("gru", "naive"), steps=6, low=1.0):
    rows = [(k, name, low + k + j) for j, name in enumerate(methods) for k in range(steps, 0, -1)]
    return pd.DataFrame(rows, columns=["ahead", "who", "MASE"])


BY_STEP = {"step": "ahead", "method": "who", "score": "MASE"}


def test_scores_by_step_start_at_zero():
    figure = plot_scores_by_step(scores(), **BY_STEP)
    (ax,) = figure.axes
    assert line(ax, "gru").get_xdata().tolist() == [1, 2, 3, 4, 5, 6]
    assert line(ax, "gru").get_ydata().tolist() == [2, 3, 4, 5, 6, 7]
    assert line(ax, "gru").get_linestyle() == "-"
    assert line(ax, "naive").get_linestyle() == "--"
    assert line(ax, "gru").get_linewidth() > line(ax, "naive").get_linewidth()
    assert ax.get_ylim()[0] == 0
    assert ax.get_ylim()[1] > 8
    assert ax.get_title(loc="left") == "MASE by step ahead"
    assert ax.get_xlabel() == "steps ahead"
    assert inside(figure)


def test_scores_below_zero_are_seen():
    (ax,) = plot_scores_by_step(scores(low=-4.0), **BY_STEP).axes
    assert ax.get_ylim()[0] < -3


@pytest.mark.parametrize("steps", [1, 2, 30])
def test_ticks_of_steps_are_whole_numbers(steps):
    figure = plot_scores_by_step(scores(steps=steps), **BY_STEP)
    figure.canvas.draw()
    labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert "1" in labels or "2" in labels or "0" in labels
    assert all(label.lstrip("−").isdigit() for label in labels)


def test_more_methods_than_colours():
    figure = plot_scores_by_step(scores([f"m{k}" for k in range(7)]), **BY_STEP)
    (ax,) = figure.axes
    assert legend(figure) == ["m0", "m1", "m2", "m3", "m4"]
    assert len({one.get_color() for one in ax.get_lines()}) == 5
    assert ax.get_title(loc="left") == "MASE by step ahead · 5 of 7 methods"
    chosen = plot_scores_by_step(scores([f"m{k}" for k in range(7)]), **BY_STEP, methods=["m6", "m2"])
    assert legend(chosen) == ["m6", "m2"]


# ---------------------------------------------------------------- reactions


def test_reactions_stand_with_the_newest_row_at_the_right_and_the_first_step_on_top():
    matrix = np.array([[0.9, 0.8], [0.5, 0.0], [0.1, 0.2]])
    figure = plot_reactions(matrix, lags=[1, 2, 3], steps=[1, 2])
    ax, bar = figure.axes
    (mesh,) = [artist for artist in ax.collections if isinstance(artist, QuadMesh)]
    cells = mesh.get_array()
    assert cells.shape == (2, 3)
    assert cells[0].tolist() == [0.1, 0.5, 0.9]
    assert cells[1].filled(-1).tolist() == [0.2, -1, 0.8]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["3", "2", "1"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["1", "2"]
    bottom, top = ax.get_ylim()
    assert bottom > top
    assert mesh.get_clim() == (0.0, 0.9)
    assert bar.get_ylim() == (0.0, 0.9)
    assert inside(figure)


def test_a_reaction_however_weak_is_not_white():
    figure = plot_reactions([[1.0, 1e-9], [0.0, 0.5]], lags=[1, 2], steps=[1, 2])
    figure.canvas.draw()
    mesh = figure.axes[0].collections[0]
    colours = mesh.to_rgba(mesh.get_array())
    weak, none = colours[1, 1], colours[0, 0]
    assert to_hex(weak) != "#ffffff"
    assert none[3] == 0
    assert figure.axes[0].get_facecolor() == (1, 1, 1, 1)


def test_reactions_name_some_of_many_cells():
    contiguous = plot_reactions(np.ones((48, 30)), lags=np.arange(1, 49), steps=np.arange(1, 31)).axes[0]
    assert [label.get_text() for label in contiguous.get_xticklabels()][-1] == "1"
    assert {"12", "24", "48"} <= {label.get_text() for label in contiguous.get_xticklabels()}
    assert len(contiguous.get_yticklabels()) <= 13
    lags = np.array([1, 2, 3, 10, 40, 336])
    ax = plot_reactions(np.ones((6, 2)), lags=lags, steps=[1, 2]).axes[0]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["336", "40", "10", "3", "2", "1"]


def test_reactions_of_nothing_and_of_wrong_shapes():
    mesh = plot_reactions(np.zeros((2, 2)), lags=[1, 2], steps=[1, 2]).axes[0].collections[0]
    assert mesh.get_array().mask.all()
    with pytest.raises(ParameterError, match=r"shape \(2, 2\); expected 3 lags by 2 steps"):
        plot_reactions(np.zeros((2, 2)), lags=[1, 2, 3], steps=[1, 2])
    with pytest.raises(ParameterError, match="at least one of each"):
        plot_reactions(np.zeros((0, 2)), lags=[], steps=[1, 2])


# ---------------------------------------------------------------- backtests


def backtest(shops=("Ulm",), windows=4, horizon=5, apart=5, zone=None):
    """Windows that begin ``apart`` days after each other; forecasts are the actuals plus 1, 2 and 3."""
    days = pd.date_range("2024-03-01", periods=windows * apart + horizon, tz=zone)
    parts = []
    for number, shop in enumerate(shops):
        for w in range(windows):
            rows = np.arange(w * apart, w * apart + horizon)
            actual = rows + 100.0 * number
            part = {
                "shop": shop,
                "fold": w,
                "seen": days[rows[0]],
                "day": days[rows],
                "k": rows - rows[0] + 1,
            }
            part |= {"sold": actual, "gru": actual + 1, "theta": actual + 2, "naive": actual + 3}
            part |= {"gru-q0.05": actual - 4, "gru-q0.5": actual + 1, "gru-q0.95": actual + 6}
            parts.append(pd.DataFrame(part))
    return pd.concat(parts, ignore_index=True)


ROLES = {"time": "day", "id": "shop", "cutoff": "seen", "step": "k", "actual": "sold", "window": "fold"}


def dates(values):
    return [num2date(value).date().isoformat() for value in values]


def test_a_backtest_draws_actuals_once_and_every_window_of_every_method():
    figure = plot_backtest(backtest(), **ROLES)
    (ax,) = figure.axes
    assert line(ax, "actual").get_ydata().tolist() == list(range(20))
    drawn = [one for one in ax.get_lines() if one.get_color() == COLOURS[0]]
    assert [one.get_ydata().tolist() for one in drawn] == [
        list(range(w * 5 + 1, w * 5 + 6)) for w in range(4)
    ]
    assert len([one for one in ax.get_lines() if one.get_color() == COLOURS[1]]) == 4
    upright = [
        one
        for one in ax.get_lines()
        if len(one.get_xdata()) == 2 and one.get_xdata()[0] == one.get_xdata()[1]
    ]
    assert [pd.Timestamp(one.get_xdata()[0]).day for one in upright] == [1, 6, 11, 16]
    assert legend(figure) == ["actual", "90 % interval of gru", "gru", "theta", "naive"]
    assert ax.get_title(loc="left") == "Ulm"
    assert figure._suptitle is None
    assert inside(figure)


def test_the_widest_interval_of_the_first_method_is_shaded():
    (ax,) = plot_backtest(backtest(windows=1), **ROLES).axes
    (band,) = bands(ax)
    heights = band.get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == (-4, 10)
    (none,) = plot_backtest(backtest(windows=1), **ROLES, methods=["theta", "gru"]).axes
    assert bands(none) == []


def test_windows_that_do_not_meet_are_not_joined():
    (ax,) = plot_backtest(backtest(windows=3, apart=9), **ROLES).axes
    y = line(ax, "actual").get_ydata()
    assert np.flatnonzero(np.isnan(y)).tolist() == [5, 11]
    assert y[~np.isnan(y)].tolist() == [*range(5), *range(9, 14), *range(18, 23)]
    (joined,) = plot_backtest(backtest(windows=3, apart=5), **ROLES).axes
    assert not np.isnan(line(joined, "actual").get_ydata()).any()


def test_of_overlapping_windows_the_last_that_do_not_overlap_are_drawn():
    figure = plot_backtest(backtest(windows=12, apart=1), **ROLES)
    (ax,) = figure.axes
    drawn = [one for one in ax.get_lines() if one.get_color() == COLOURS[0]]
    assert [one.get_ydata()[0] for one in drawn] == [2, 7, 12]
    assert line(ax, "actual").get_ydata().tolist() == list(range(1, 16))
    assert figure._suptitle.get_text() == "the last windows, 3 of 12"


def test_windows_are_limited_by_number_and_by_rows():
    figure = plot_backtest(backtest(windows=12), **ROLES, max_windows=2)
    assert line(figure.axes[0], "actual").get_ydata().tolist() == list(range(50, 60))
    assert figure._suptitle.get_text() == "the last windows, 2 of 12"
    many = plot_backtest(backtest(windows=8, horizon=200, apart=200), **ROLES)
    assert len(line(many.axes[0], "actual").get_ydata()) == 400
    one = plot_backtest(backtest(windows=2, horizon=900, apart=900), **ROLES)
    assert len(line(one.axes[0], "actual").get_ydata()) == 900


def test_series_have_panels_of_their_own():
    shops = [f"s{k}" for k in range(8)]
    figure = plot_backtest(backtest(shops), **ROLES)
    assert [ax.get_title(loc="left") for ax in figure.axes] == shops[:6]
    assert figure._suptitle.get_text() == "6 of 8 panels"
    assert inside(figure)
    chosen = plot_backtest(backtest(shops), **ROLES, series=["s7", "s2"])
    assert [ax.get_title(loc="left") for ax in chosen.axes] == ["s7", "s2"]
    assert line(chosen.axes[0], "actual").get_ydata()[0] == 700
    with pytest.raises(ParameterError, match="no series 's9'"):
        plot_backtest(backtest(shops), **ROLES, series=["s9"])


def test_targets_have_panels_of_their_own():
    table = pd.concat([backtest().assign(target=name) for name in ("heat", "rain")])
    figure = plot_backtest(table, **ROLES)
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["Ulm · heat", "Ulm · rain"]
    alone = plot_backtest(table.drop(columns="shop"), **ROLES | {"id": None})
    assert [ax.get_title(loc="left") for ax in alone.axes] == ["heat", "rain"]


def test_names_are_drawn_as_they_are():
    table = backtest(["$x_1$ <script>"]).rename(columns={"theta": "_hidden$y^2$"})
    figure = plot_backtest(table, **ROLES)
    figure.canvas.draw()
    assert figure.axes[0].get_title(loc="left") == "$x_1$ <script>"
    assert "hidden$y^2$" in legend(figure)
    assert not any(text.get_parse_math() for text in figure.legends[0].get_texts())


def test_one_step_ahead_is_drawn_as_dots():
    (ax,) = plot_backtest(backtest(horizon=1, apart=1, windows=6), **ROLES).axes
    assert line(ax, "actual").get_ydata().tolist() == [0, 1, 2, 3, 4, 5]
    drawn = [one for one in ax.get_lines() if one.get_color() == COLOURS[0]]
    assert len(drawn) == 6
    assert all(one.get_marker() == "o" for one in drawn)
    assert len(ax.collections) == 6


def test_times_may_be_numbers_or_have_a_zone():
    table = backtest()
    counted = table.assign(day=np.arange(20), seen=np.repeat([0, 5, 10, 15], 5))
    figure = plot_backtest(counted, **ROLES)
    figure.canvas.draw()
    assert figure.axes[0].get_xlim()[1] == pytest.approx(19, abs=1)
    ticks = zip(figure.axes[0].get_xticks(), figure.axes[0].get_xticklabels())
    assert [label.get_text() for place, label in ticks if 0 <= place <= 19][:2] == ["0", "2"]
    zoned = plot_backtest(backtest(zone="Asia/Tokyo"), **ROLES)
    zoned.canvas.draw()
    first = line(zoned.axes[0], "actual").get_xdata()[0]
    assert pd.Timestamp(first) == pd.Timestamp("2024-02-29 15:00")
    assert str(zoned.axes[0].xaxis.get_major_locator().tz) == "Asia/Tokyo"


def test_inputs_are_not_changed():
    table, asked = backtest(), shares()
    before = table.copy(), asked.copy()
    plot_backtest(table, **ROLES)
    plot_reliability(asked, **NAMES)
    pd.testing.assert_frame_equal(table, before[0])
    pd.testing.assert_frame_equal(asked, before[1])


def test_backtests_that_cannot_be_drawn():
    with pytest.raises(TableError, match="no rows"):
        plot_backtest(backtest().iloc[:0], **ROLES)
    with pytest.raises(ParameterError, match=r"no column 'dya'.*'day'"):
        plot_backtest(backtest(), **ROLES | {"time": "dya"})
    bare = backtest().drop(columns=["gru", "theta", "naive"])
    with pytest.raises(ParameterError, match="no method to draw"):
        plot_backtest(bare, **ROLES)


def test_nothing_of_pyplot_is_used():
    code = """
import sys
import pandas as pd
from forecast.report.diagrams import plot_reactions, plot_scores_by_step
plot_reactions([[1.0]], [1], [1]).savefig(sys.stdout.buffer, format="png")
plot_scores_by_step(pd.DataFrame({"step": [1], "method": ["a"], "score": [1.0]})).savefig(sys.stdout.buffer)
assert "matplotlib.pyplot" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.startswith(b"\x89PNG")
