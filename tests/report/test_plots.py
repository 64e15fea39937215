import subprocess
import sys

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.dates import ConciseDateFormatter, num2date
from matplotlib.figure import Figure

from forecast.errors import InputError, ParameterError, TableError
from forecast.report import plots
from forecast.report.plots import plot_forecast, plot_history, save_png


def _history(rows: int = 100, **columns) -> pd.DataFrame:
    days = pd.date_range("2024-01-01", periods=rows, freq="D")
    return pd.DataFrame({"ds": days, "sold": np.arange(rows, dtype=float), **columns})


def _forecast(start: str = "2024-04-10", rows: int = 10, **columns) -> pd.DataFrame:
    days = pd.date_range(start, periods=rows, freq="D")
    return pd.DataFrame({"ds": days, "forecast": np.arange(rows) + 100.0, **columns})


def _draw(history: pd.DataFrame, forecast: pd.DataFrame, **options) -> Figure:
    figure = plot_forecast(history, forecast, **{"time": "ds", "target": "sold"} | options)
    figure.canvas.draw()
    return figure


def _line(ax, label: str):
    return next(line for line in ax.get_lines() if line.get_label() == label)


def _labels(ax) -> list[str]:
    return ax.get_legend_handles_labels()[1]


def _legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def _polygons(ax) -> list[PolyCollection]:
    return [artist for artist in ax.collections if isinstance(artist, PolyCollection)]


def _days(dates) -> list[pd.Timestamp]:
    return [pd.Timestamp(d) for d in dates]


# ---------------------------------------------------------------- lines


def test_lines_hold_the_data():
    history, forecast = _history(), _forecast()
    (ax,) = _draw(history, forecast).axes
    past, ahead = _line(ax, "history"), _line(ax, "forecast")
    assert past.get_ydata().tolist() == list(range(60, 100))
    assert _days(past.get_xdata(orig=True)) == history["ds"].tail(40).tolist()
    assert ahead.get_ydata().tolist() == forecast["forecast"].tolist()
    assert _days(ahead.get_xdata(orig=True)) == forecast["ds"].tolist()
    assert _labels(ax) == ["history", "forecast"]


def test_inputs_are_not_changed():
    history = _history(shop=7)
    history["ds"] = history["ds"].dt.strftime("%Y-%m-%d")
    forecast = _forecast(shop="7")
    before = history.copy(), forecast.copy()
    _draw(history, forecast, id="shop")
    pd.testing.assert_frame_equal(history, before[0])
    pd.testing.assert_frame_equal(forecast, before[1])


@pytest.mark.parametrize(
    ("rows", "horizon", "season", "shown"),
    [(500, 10, None, 40), (500, 2, None, 24), (500, 2, 30, 60), (500, 50, 30, 200), (5, 2, None, 5)],
)
def test_part_of_the_history_that_is_shown(rows, horizon, season, shown):
    forecast = _forecast(start=str(pd.Timestamp("2024-01-01") + pd.Timedelta(days=rows)), rows=horizon)
    (ax,) = _draw(_history(rows), forecast, season=season).axes
    assert len(_line(ax, "history").get_xdata()) == shown


def test_usual_season_of_the_step_is_shown_twice():
    weeks = pd.date_range("2015-01-04", periods=300, freq="W")
    history = pd.DataFrame({"ds": weeks, "sold": 1.0})
    forecast = pd.DataFrame({"ds": [weeks[-1] + pd.Timedelta(weeks=1)], "forecast": [1.0]})
    (ax,) = _draw(history, forecast).axes
    assert len(_line(ax, "history").get_xdata()) == 104


def test_unsorted_tables_are_drawn_in_order():
    (ax,) = _draw(_history().iloc[::-1], _forecast().iloc[::-1]).axes
    assert _line(ax, "history").get_ydata().tolist() == list(range(60, 100))
    assert _line(ax, "forecast").get_ydata().tolist() == list(range(100, 110))


def test_start_of_the_forecast_is_marked():
    (ax,) = _draw(_history(), _forecast()).axes
    upright = [line for line in ax.get_lines() if len(line.get_xdata()) == 2 and line.get_label()[0] == "_"]
    assert len(upright) == 1
    assert num2date(ax.convert_xunits(upright[0].get_xdata(orig=True)[0])).date().isoformat() == "2024-04-10"


# ---------------------------------------------------------------- gaps


def test_blank_cells_stay_gaps():
    history = _history()
    history.loc[[70, 71, 95], "sold"] = np.nan
    (ax,) = _draw(history, _forecast()).axes
    drawn = _line(ax, "history").get_ydata()
    assert np.flatnonzero(np.isnan(drawn)).tolist() == [10, 11, 35]
    assert len(drawn) == 40


def test_missing_rows_become_gaps():
    history = _history().drop(index=[70, 71, 95])
    (ax,) = _draw(history, _forecast()).axes
    line = _line(ax, "history")
    x, y = _days(line.get_xdata(orig=True)), line.get_ydata()
    gaps = np.flatnonzero(np.isnan(y))
    assert len(gaps) == 2
    for gap in gaps:
        assert x[gap - 1] < x[gap] < x[gap + 1]
        assert x[gap + 1] - x[gap - 1] > pd.Timedelta(days=1)
    assert y[np.isfinite(y)].tolist() == history["sold"].tail(40).tolist()


def test_missing_steps_of_integer_time_become_gaps():
    history = pd.DataFrame({"ds": [2, 4, 6, 12, 14, 16], "sold": 1.0})
    (ax,) = _draw(history, pd.DataFrame({"ds": [18, 20], "forecast": 1.0})).axes
    line = _line(ax, "history")
    assert line.get_xdata().tolist() == [2, 4, 6, 9, 12, 14, 16]
    assert np.flatnonzero(np.isnan(line.get_ydata())).tolist() == [3]


def test_weekends_of_business_days_are_no_gaps():
    days = pd.bdate_range("2024-01-01", periods=60)
    history = pd.DataFrame({"ds": days[:50], "sold": 1.0})
    (ax,) = _draw(history, pd.DataFrame({"ds": days[50:], "forecast": 1.0})).axes
    assert np.isfinite(_line(ax, "history").get_ydata()).all()


def test_a_value_between_gaps_is_seen_as_a_dot():
    history = _history()
    history.loc[[80, 82], "sold"] = np.nan
    (ax,) = _draw(history, _forecast()).axes
    line = _line(ax, "history")
    assert line.get_marker() == "o"
    assert line.get_markevery() == [21]
    assert _line(ax, "forecast").get_marker() in ("", "None")


# ---------------------------------------------------------------- intervals, baselines, actual values


def test_quantiles_become_nested_bands():
    forecast = _forecast()
    for level, width in {0.05: -4, 0.25: -1, 0.5: 0, 0.75: 1, 0.95: 4}.items():
        forecast[f"q{level}"] = forecast["forecast"] + width
    figure = _draw(_history(), forecast)
    (ax,) = figure.axes
    wide, narrow = _polygons(ax)
    assert (wide.get_label(), narrow.get_label()) == ("90 % interval", "50 % interval")
    assert _legend(figure) == ["history", "forecast", "90 % interval", "50 % interval"]
    heights = [np.ptp(band.get_paths()[0].vertices[:, 1]) for band in (wide, narrow)]
    assert heights == [9 + 8, 9 + 2]
    # The wider band is the lighter one and lies below.
    assert wide.get_facecolor()[0, :3].sum() > narrow.get_facecolor()[0, :3].sum()
    drawn = list(ax.collections)
    assert drawn.index(wide) < drawn.index(narrow)


def test_uneven_quantiles_are_named_by_their_ends():
    forecast = _forecast()
    forecast["q0.1"], forecast["q0.8"] = forecast["forecast"] - 1, forecast["forecast"] + 1
    (ax,) = _draw(_history(), forecast).axes
    assert [band.get_label() for band in _polygons(ax)] == ["10 to 80 % quantile"]


def test_at_most_four_bands():
    levels = np.round(np.arange(0.05, 1.0, 0.05), 2)
    forecast = _forecast().assign(**{f"q{level}": 100.0 + level for level in levels})
    (ax,) = _draw(_history(), forecast).axes
    assert [band.get_label() for band in _polygons(ax)] == [
        "90 % interval",
        "60 % interval",
        "40 % interval",
        "10 % interval",
    ]


def test_interval_from_named_columns():
    forecast = _forecast(low=90.0, high=120.0, **{"q0.1": 0.0, "q0.9": 1.0})
    (ax,) = _draw(_history(), forecast, lower="low", upper="high").axes
    (band,) = _polygons(ax)
    assert band.get_label() == "interval"
    assert sorted(set(band.get_paths()[0].vertices[:, 1])) == [90.0, 120.0]
    with pytest.raises(ParameterError, match="give both or neither"):
        _draw(_history(), forecast, lower="low")


def test_gap_in_a_band_splits_it():
    forecast = _forecast(**{"q0.1": 90.0, "q0.9": 120.0})
    forecast.loc[5, "q0.9"] = np.nan
    (ax,) = _draw(_history(), forecast).axes
    (band,) = _polygons(ax)
    assert len(band.get_paths()) == 2


def test_single_step_is_visible():
    forecast = _forecast(rows=1, **{"q0.1": 90.0, "q0.9": 120.0})
    figure = _draw(_history(), forecast)
    (ax,) = figure.axes
    assert _line(ax, "forecast").get_marker() == "o"
    bar = next(artist for artist in ax.collections if artist.get_label() == "80 % interval")
    assert bar.get_segments()[0][:, 1].tolist() == [90.0, 120.0]
    assert bar.get_linewidth()[0] >= 5


def test_baselines_are_dashed_lines():
    forecast = _forecast(naive=99.0, seasonal_naive=98.0)
    (ax,) = _draw(_history(), forecast, baselines=["naive", "seasonal_naive"]).axes
    lines = [_line(ax, name) for name in ("naive", "seasonal_naive")]
    assert [set(line.get_ydata()) for line in lines] == [{99.0}, {98.0}]
    assert all(line.get_linestyle() == "--" for line in lines)
    assert len({line.get_color() for line in [*lines, _line(ax, "forecast")]}) == 3


def test_later_history_is_the_actual():
    (ax,) = _draw(_history(130), _forecast()).axes
    assert _line(ax, "history").get_ydata().tolist() == list(range(60, 100))
    assert _line(ax, "actual").get_ydata().tolist() == list(range(100, 110))


def test_given_actual_wins_over_later_history():
    actual = _history(130).assign(sold=7.0)
    (ax,) = _draw(_history(130), _forecast(), actual=actual).axes
    assert _line(ax, "actual").get_ydata().tolist() == [7.0] * 10


def test_unknown_future_is_no_actual():
    history = _history(130)
    history.loc[100:, "sold"] = np.nan
    (ax,) = _draw(history, _forecast()).axes
    assert "actual" not in _labels(ax)


# ---------------------------------------------------------------- several panels


def _many(shops: int, **columns) -> tuple[pd.DataFrame, pd.DataFrame]:
    history = pd.concat([_history(shop=f"s{i}").assign(sold=float(i)) for i in range(shops)])
    forecast = pd.concat([_forecast(shop=f"s{i}", **columns).assign(forecast=float(i)) for i in range(shops)])
    return history, forecast


@pytest.mark.parametrize(("shops", "panels"), [(1, 1), (2, 2), (5, 5), (12, 12), (13, 12), (300, 12)])
def test_one_panel_for_each_series(shops, panels):
    figure = _draw(*_many(shops), id="shop")
    assert len(figure.axes) == panels
    for i, ax in enumerate(figure.axes):
        assert set(_line(ax, "forecast").get_ydata()) == {float(i)}
        assert set(_line(ax, "history").get_ydata()) == {float(i)}
    heading = figure.axes[0].get_title(loc="left") if shops == 1 else figure.get_suptitle()
    assert heading == {1: "sold · s0", 13: "sold · 12 of 13 series", 300: "sold · 12 of 300 series"}.get(
        shops, "sold"
    )
    assert len(figure.legends) == 1


def test_panel_titles_are_ids():
    figure = _draw(*_many(3), id="shop")
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["s0", "s1", "s2"]


def test_fewer_panels_and_own_title():
    figure = _draw(*_many(8), id="shop", max_panels=6, title="Shops")
    assert len(figure.axes) == 6
    assert figure.get_suptitle() == "Shops · 6 of 8 series"


def test_series_chosen_in_the_given_order():
    figure = _draw(*_many(8), id="shop", series=["s6", "s2"])
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["s6", "s2"]
    with pytest.raises(ParameterError, match=r"no series 's99'\."):
        _draw(*_many(3), id="shop", series=["s99"])


def test_several_targets():
    history = _history(returned=1.0)
    forecast = pd.concat([_forecast(target="sold"), _forecast(target="returned").assign(forecast=2.0)])
    figure = _draw(history, forecast, target=["sold", "returned"])
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["sold", "returned"]
    assert set(_line(figure.axes[1], "forecast").get_ydata()) == {2.0}
    assert set(_line(figure.axes[1], "history").get_ydata()) == {1.0}
    assert figure.get_suptitle() == ""
    (alone,) = _draw(history, forecast, target="returned").axes
    assert set(_line(alone, "forecast").get_ydata()) == {2.0}


def test_several_targets_and_series():
    history, forecast = _many(2)
    history["returned"] = 1.0
    both = pd.concat([forecast.assign(target="sold"), forecast.assign(target="returned")])
    figure = _draw(history, both, target=("sold", "returned"), id="shop", max_panels=3)
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["sold · s0", "returned · s0", "sold · s1"]
    assert figure.get_suptitle() == "3 of 4 panels"


def test_target_may_be_called_target():
    history = _history().rename(columns={"sold": "target"})
    (ax,) = _draw(history, _forecast(target=5.0), target="target").axes
    assert len(_line(ax, "forecast").get_ydata()) == 10


def test_ids_are_compared_as_text():
    history = pd.concat([_history(shop=i) for i in (1, 2)])
    forecast = pd.concat([_forecast(shop=str(i)) for i in (1, 2)])
    figure = _draw(history, forecast, id="shop")
    assert all(len(_line(ax, "history").get_ydata()) == 40 for ax in figure.axes)


def test_odd_names_are_drawn_as_they_are():
    history, forecast = _history(shop="$\\frac{$ _x"), _forecast(shop="$\\frac{$ _x", **{"_b $^$": 3.0})
    figure = _draw(history, forecast, id="shop", baselines=["_b $^$"])
    assert figure.axes[0].get_title(loc="left") == "sold · $\\frac{$ _x"
    assert _legend(figure) == ["history", "forecast", "b $^$"]


# ---------------------------------------------------------------- axes, times, numbers


def test_dates_are_written_concisely():
    (ax,) = _draw(_history(), _forecast()).axes
    assert isinstance(ax.xaxis.get_major_formatter(), ConciseDateFormatter)
    assert all(len(label.get_text()) <= 8 for label in ax.get_xticklabels())


def test_years_are_whole_numbers_without_separators():
    history = pd.DataFrame({"ds": range(1960, 2000), "sold": 1.0})
    (ax,) = _draw(history, pd.DataFrame({"ds": range(2000, 2006), "forecast": 1.0})).axes
    texts = [label.get_text() for label in ax.get_xticklabels()]
    assert {"1980", "1990", "2000"} <= set(texts)
    assert all(text.isdigit() and len(text) == 4 for text in texts)


def test_five_rows_have_whole_ticks_and_dots():
    history = pd.DataFrame({"ds": [1, 2, 3, 4, 5], "sold": [3.0, 5, 4, 6, 7]})
    (ax,) = _draw(history, pd.DataFrame({"ds": [6, 7], "forecast": [8.0, 9]})).axes
    low, high = ax.get_xlim()
    ticks = [tick for tick in ax.get_xticks() if low <= tick <= high]
    assert ticks == [1, 2, 3, 4, 5, 6, 7]
    assert _line(ax, "history").get_marker() == _line(ax, "forecast").get_marker() == "o"


@pytest.mark.parametrize(
    ("scale", "texts"),
    [
        (1.0, {"13", "15"}),
        (1e3, {"13,000", "15,000"}),
        (1e6, {"13 M", "15 M"}),
        (1e9, {"13 bn", "15 bn"}),
        (1e-3, {"0.013", "0.015"}),
        (-1.0, {"−13", "−15"}),
    ],
)
def test_numbers_are_short(scale, texts):
    history = _history().assign(sold=np.linspace(8, 16, 100) * scale)
    (ax,) = _draw(history, _forecast().assign(forecast=16.0 * scale)).axes
    assert texts <= {label.get_text() for label in ax.get_yticklabels()}


def test_local_times_are_labelled_in_their_zone():
    hours = pd.date_range("2024-06-01", periods=72, freq="h", tz="Asia/Tokyo")
    history = pd.DataFrame({"ds": hours[:60], "sold": 1.0})
    (ax,) = _draw(history, pd.DataFrame({"ds": hours[60:], "forecast": 1.0})).axes
    assert str(ax.xaxis.get_major_formatter()._tz) == "Asia/Tokyo"
    first = _line(ax, "forecast").get_xdata(orig=True)[0]
    assert pd.Timestamp(first, tz="UTC") == hours[60]
    assert np.isfinite(_line(ax, "history").get_ydata()).all()


@pytest.mark.parametrize("kind", ["text", "date", "period"])
def test_other_kinds_of_time_are_understood(kind):
    change = {
        "text": lambda s: s.dt.strftime("%Y-%m-%d"),
        "date": lambda s: s.dt.date,
        "period": lambda s: s.dt.to_period("D"),
    }[kind]
    history, forecast = (table.assign(ds=change(table["ds"])) for table in (_history(), _forecast()))
    (ax,) = _draw(history, forecast).axes
    assert _days(_line(ax, "forecast").get_xdata(orig=True)) == _forecast()["ds"].tolist()


def test_rows_are_counted_where_there_are_no_times():
    history = pd.DataFrame({"shop": ["a"] * 30 + ["b"] * 40, "sold": np.arange(70.0)})
    forecast = pd.DataFrame({"shop": ["a", "a", "b", "b"], "step": [30, 31, 38, 39], "forecast": 1.0})
    first, second = _draw(history, forecast, time=None, id="shop").axes
    assert _line(first, "history").get_xdata().tolist() == list(range(6, 30))
    assert _line(first, "history").get_ydata().tolist() == list(range(6, 30))
    assert _line(second, "history").get_xdata().tolist() == list(range(14, 38))
    assert _line(second, "actual").get_ydata().tolist() == [68.0, 69.0]
    assert "step" not in history.columns


def test_legend_lies_outside_the_axes():
    figure = _draw(*_many(4, **{"q0.1": 0.0, "q0.9": 9.0}), id="shop")
    legend = figure.legends[0].get_window_extent()
    for ax in figure.axes:
        assert not legend.overlaps(ax.get_window_extent())
    for text in [ax.title for ax in figure.axes]:
        assert not legend.overlaps(text.get_window_extent())


def test_drawing_into_given_axes():
    host = Figure(facecolor="black")
    left, right = host.subplots(1, 2)
    assert plot_forecast(_history(), _forecast(), time="ds", target="sold", ax=right) is host
    assert len(left.get_lines()) == 0
    assert _labels(right) == ["history", "forecast"]
    host.canvas.draw()
    box = right.get_legend().get_window_extent()
    assert not box.overlaps(right.get_window_extent().shrunk(0.99, 0.99))
    assert not box.overlaps(right._left_title.get_window_extent())
    assert host.get_facecolor() == (0.0, 0.0, 0.0, 1.0)
    with pytest.raises(ParameterError, match="ax= holds one series, but the forecast has 3"):
        plot_forecast(*_many(3), time="ds", target="sold", id="shop", ax=left)


# ---------------------------------------------------------------- refusals


def test_unknown_column_suggests_the_nearest():
    with pytest.raises(ParameterError, match=r"The history has no column 'sales'\. It has ds, sold\."):
        _draw(_history(), _forecast(), target="sales")
    with pytest.raises(ParameterError, match=r"The forecast has no column 'naiv'\. Did you mean 'naive'\?"):
        _draw(_history(), _forecast(naive=1.0), baselines=["naiv"])


def test_several_targets_need_a_target_column():
    with pytest.raises(ParameterError, match="The forecast has no column 'target'"):
        _draw(_history(returned=1.0), _forecast(), target=["sold", "returned"])


def test_empty_forecast_is_refused():
    with pytest.raises(TableError, match="The forecast has no rows"):
        _draw(_history(), _forecast().iloc[:0])


def test_two_cutoffs_at_once_are_refused():
    twice = pd.concat([_forecast(shop="a"), _forecast(shop="a", start="2024-04-12")])
    with pytest.raises(TableError, match=r"2024-04-12.* twice for 'sold' of series 'a'; draw one cutoff"):
        _draw(_history(shop="a"), twice, id="shop")


def test_different_kinds_of_time_are_refused():
    with pytest.raises(TableError, match="'ds' holds numbers in the table history but timestamps without"):
        _draw(_history().assign(ds=range(100)), _forecast())
    local = _history()
    local["ds"] = local["ds"].dt.tz_localize("Europe/London")
    with pytest.raises(TableError, match="timestamps with a time zone in the table history"):
        _draw(local, _forecast())


def test_odd_text_as_time_is_refused():
    with pytest.raises(
        TableError, match="history, column 'ds': '31/01/2024' is not a date such as 2024-01-31"
    ):
        _draw(_history().assign(ds="31/01/2024"), _forecast())


def test_text_as_values_is_refused():
    with pytest.raises(TableError, match="Column 'sold' holds text where numbers are needed"):
        _draw(_history().assign(sold="many"), _forecast())


# ---------------------------------------------------------------- losses


def _epochs() -> pd.DataFrame:
    return pd.DataFrame(
        {"epoch": [1, 2, 3, 4], "loss": [4.0, 3.0, 2.0, 1.0], "val_loss": [4.5, 2.5, 2.75, np.nan]}
    )


def test_history_lines_and_best_epoch():
    figure = plot_history(_epochs())
    figure.canvas.draw()
    (ax,) = figure.axes
    assert _line(ax, "training").get_ydata().tolist() == [4.0, 3.0, 2.0, 1.0]
    np.testing.assert_array_equal(_line(ax, "validation").get_ydata(), [4.5, 2.5, 2.75, np.nan])
    assert _line(ax, "training").get_xdata().tolist() == [1, 2, 3, 4]
    assert [text.get_text() for text in ax.texts] == ["best: epoch 2, 2.5"]
    dot = next(line for line in ax.get_lines() if line.get_linestyle() == "None")
    assert (dot.get_xdata()[0], dot.get_ydata()[0]) == (2, 2.5)
    assert ax.get_yscale() == "linear"
    assert _legend(figure) == ["training", "validation"]


def test_history_without_validation():
    (ax,) = plot_history(_epochs().drop(columns="val_loss")).axes
    assert [text.get_text() for text in ax.texts] == ["best: epoch 4, 1"]
    assert _labels(ax) == ["training"]


def test_wide_losses_get_a_logarithmic_scale():
    rows = _epochs()
    rows.loc[0, "loss"] = 400.0
    assert plot_history(rows).axes[0].get_yscale() == "log"
    rows.loc[3, "loss"] = -1.0
    assert plot_history(rows).axes[0].get_yscale() == "linear"


def test_history_that_diverged_has_no_best():
    rows = _epochs().assign(loss=np.nan, val_loss=np.inf)
    (ax,) = plot_history(rows).axes
    assert len(ax.texts) == 0


def test_history_refusals():
    with pytest.raises(ParameterError, match="The history has no column 'loss'"):
        plot_history(_epochs()[["epoch"]])
    with pytest.raises(TableError, match="no epochs"):
        plot_history(_epochs().iloc[:0])


def test_history_into_given_axes():
    host = Figure()
    ax = host.subplots()
    assert plot_history(_epochs(), ax=ax) is host
    assert _labels(ax) == ["training", "validation"]


# ---------------------------------------------------------------- files and global state


def _size(png: bytes) -> tuple[int, int]:
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    return int.from_bytes(png[16:20]), int.from_bytes(png[20:24])


def test_png_has_the_promised_size_and_is_reproducible(tmp_path):
    save_png(_draw(_history(), _forecast()), tmp_path / "a.png")
    save_png(_draw(_history(), _forecast()), tmp_path / "b.png")
    assert _size((tmp_path / "a.png").read_bytes()) == (1200, 450)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    save_png(_draw(_history(), _forecast()), tmp_path / "c.png", dpi=200)
    assert _size((tmp_path / "c.png").read_bytes()) == (2400, 900)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png", "c.png"]


def test_other_endings_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"a\.pdf: pictures are written as PNG"):
        save_png(_draw(_history(), _forecast()), tmp_path / "a.pdf")
    assert list(tmp_path.iterdir()) == []


def test_failed_write_keeps_the_old_picture(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(Exception, match="No space left"):
        save_png(_draw(_history(), _forecast()), path)
    assert path.read_bytes() == b"old"


def test_notebooks_can_show_the_figure():
    assert _size(_draw(_history(), _forecast())._repr_png_()) == (1200, 450)


def test_global_settings_are_unchanged():
    before = dict(matplotlib.rcParams)
    _draw(*_many(3), id="shop")
    plot_history(_epochs())
    assert dict(matplotlib.rcParams) == before


def test_users_settings_do_not_spoil_our_figures():
    with matplotlib.rc_context({"axes.facecolor": "black", "axes.grid": True, "lines.marker": "s"}):
        (ax,) = _draw(_history(), _forecast()).axes
        assert ax.get_facecolor() == (1.0, 1.0, 1.0, 1.0)
        assert not any(line.get_visible() for line in ax.get_xgridlines())
        assert _line(ax, "forecast").get_marker() in ("", "None")


CODE = """
import sys
import forecast.report.plots as plots
assert "matplotlib" not in sys.modules, "import of the module"
import pandas as pd
rows = pd.DataFrame({"t": [1, 2, 3, 4], "y": [1.0, 2, 3, 4]})
ahead = pd.DataFrame({"t": [5, 6], "forecast": [5.0, 6]})
plots.plot_forecast(rows, ahead, time="t", target="y").canvas.draw()
plots.plot_history(pd.DataFrame({"epoch": [1, 2], "loss": [2.0, 1.0]})).canvas.draw()
assert "matplotlib" in sys.modules
assert "matplotlib.pyplot" not in sys.modules, "pyplot"
"""


def test_pyplot_is_never_imported():
    folder = plots.__file__.split("/forecast/report/")[0]
    done = subprocess.run(
        [sys.executable, "-c", CODE], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
