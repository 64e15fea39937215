"""What a report says: the figures of the model it shows, whatever model it is."""

from __future__ import annotations

import socket

import numpy as np
import pandas as pd
import pytest

from forecast.errors import ForecastWarning, InputError, ParameterError
from forecast.estimators.baseline import Baseline
from forecast.estimators.forecaster import Forecaster
from forecast.evaluation.comparison import verdict
from forecast.report.html import Facts, Grid, Marks, Picture, Text, render
from forecast.reporting.calibration import _apart
from forecast.reporting.compose import report_page, write_report
from tests.tables import shops, wavy

ROLES = {"time": "day", "id": "shop", "target": "sold", "static": ("none",)}
TINY = {"horizon": 4, "context": 7, "model": "rnn", "preset": "fast", "units": 2, "epochs": 1}
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Even though the `tf.config:UserWarning"),
]
SCRIPT = '<script>alert("x")</script>'


def blocks(page, name, kind):
    (section,) = [section for section in page.sections if section.name == name]
    return [block for block in section.blocks if isinstance(block, kind)]


def texts(page, name):
    return " ".join(block.text for block in blocks(page, name, Text))


def facts(page, name):
    return dict(row for block in blocks(page, name, Facts) for row in block.rows)


@pytest.fixture(scope="module", autouse=True)
def without_graphs():
    """Tracing a graph takes ten times as long as training these networks without one."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module")
def table():
    """Sixty, fifty-five and fifty days of three shops; one row is missing and two cells are empty."""
    found = shops(60)
    found.loc[[5, 70], "sold"] = np.nan
    return found.drop(index=[100]).reset_index(drop=True)


@pytest.fixture(scope="module")
def model(table):
    """Trained on all but the last twenty days."""
    old = table[table["day"] < "2024-02-10"]
    return Forecaster(**TINY, **ROLES, known_future=("none",), past_only=("none",), quantiles=(0.2, 0.8)).fit(
        old
    )


@pytest.fixture(scope="module")
def page(model):
    return report_page(model)


@pytest.fixture(scope="module")
def judged(model, table):
    return report_page(model, table)


# ---------------------------------------------------------------- data


def test_sections_come_in_the_order_of_the_work(page):
    names = ["data", "choices", "training", "forecast", "methods", "calibration", "audit"]
    assert [section.name for section in page.sections] == names
    assert page.title == "sold"


def test_gaps_and_blanks_are_counted(judged):
    columns, series = blocks(judged, "data", Grid)
    assert [row[:2] for row in columns.rows] == [("day", "time"), ("shop", "id"), ("sold", "target")]
    assert series.head[:6] == ("series", "from", "to", "rows", "missing rows", "empty cells")
    assert [row[:6] for row in series.rows] == [
        ("s0", "2024-01-01", "2024-02-29", "60", "0", "1"),
        ("s1", "2024-01-01", "2024-02-24", "55", "1", "1"),
        ("s2", "2024-01-01", "2024-02-19", "50", "0", "0"),
    ]
    assert series.caption == "1 row missing, 2 cells empty in all; none is filled."
    assert facts(judged, "data")["trained until"] == "2024-02-09"
    assert facts(judged, "data")["table given"] == "165 rows of 3 series"


def test_without_a_table_the_stored_rows_are_told_of(page):
    assert "stored with the model" in texts(page, "data")
    assert "table given" not in facts(page, "data")


def test_many_series_are_not_all_listed():
    many = pd.concat([shops(30, 1).assign(shop=f"s{k:02d}") for k in range(24)])
    model = Forecaster(**TINY, **ROLES, holdout=0, quantiles=()).fit(many)
    found = report_page(model)
    series = blocks(found, "data", Grid)[1]
    assert len(series.rows) == 20
    assert series.caption.startswith("The first 20 of 24 series.")
    assert len(blocks(found, "forecast", Picture)) == 4
    assert "the first 4 of 24" in texts(found, "forecast")


# ---------------------------------------------------------------- choices and training


def test_choices_are_those_of_the_model(page, model):
    (chosen,) = blocks(page, "choices", Grid)
    assert [row[0] for row in chosen.rows] == [choice.what for choice in model.choices_]
    assert [row[3] for row in chosen.rows] == [choice.flag for choice in model.choices_]
    told = facts(page, "choices")
    assert told["context"] == "7 rows seen"
    assert told["quantiles"].startswith("20 %, 80 %; calibrated")
    assert told["weights"] == f"{model.model_.count_params():,}"
    assert told["network"] == "rnn (units 2), anchor last, context 7"


def test_training_is_drawn_and_told(page, model):
    (curve,) = blocks(page, "training", Picture)
    assert curve.wide.startswith(b"\x89PNG")
    (losses,) = blocks(page, "training", Grid)
    assert losses.folded
    assert len(losses.rows) == len(model.history_)
    assert texts(page, "training").startswith(f"{len(model.history_)} epoch")
    assert "rows that were kept back" in texts(page, "training")


# ---------------------------------------------------------------- forecast


def test_forecasts_are_those_of_the_model(page, judged, model, table):
    for found, expected in ((page, model.predict()), (judged, model.predict(table))):
        (figures,) = blocks(found, "forecast", Grid)
        assert figures.head == ("shop", "day", "forecast", "q0.2", "q0.8")
        assert len(figures.rows) == len(expected) == 12
        assert [row[1] for row in figures.rows] == expected["day"].dt.strftime("%Y-%m-%d").tolist()
        shown = [float(row[2].replace(",", "")) for row in figures.rows]
        np.testing.assert_allclose(shown, expected["forecast"], rtol=1e-3)
        assert [picture.caption for picture in blocks(found, "forecast", Picture)] == [
            "sold, s0",
            "sold, s1",
            "sold, s2",
        ]


def test_forecasts_of_series_that_are_new_say_what_they_stand_on(model, table):
    fresh = table[table["shop"] == "s1"].assign(shop="s9")
    figures = blocks(report_page(model, pd.concat([table, fresh])), "forecast", Grid)[0]
    assert figures.head == ("shop", "day", "source", "forecast", "q0.2", "q0.8")
    assert figures.words == 3
    assert {row[0]: row[2] for row in figures.rows} == dict.fromkeys(("s0", "s1", "s2"), "series") | {
        "s9": "pool"
    }


def test_networks_of_an_ensemble_are_told_apart(table):
    ensemble = TINY | {"ensemble": 2, "steps": 4, "epochs": None}
    model = Forecaster(**ensemble, **ROLES, known_future=("none",), past_only=("none",)).fit(table)
    told = texts(report_page(model), "training")
    assert f"{len(model.history_)} epochs" in told
    assert "those of 2 networks, trained one after the other" in told
    assert "were kept:" not in told
    assert facts(report_page(model), "choices")["network"].startswith("mean of 2: ")


def test_known_rows_ahead_that_are_missing_are_asked_for(tmp_path):
    table = shops(50, covariates=True)
    roles = ROLES | {"known_future": ("promo",), "past_only": ("none",)}
    model = Forecaster(**TINY, **roles, quantiles=()).fit(table)
    told = texts(report_page(model), "forecast")
    assert told.startswith(
        "No forecast can be made from these rows alone: Column 'promo' must be known 4 rows ahead"
    )
    ahead = shops(50, covariates=True, ahead=4).groupby("shop").tail(4).drop(columns="sold")
    found = report_page(model, ahead)
    assert len(blocks(found, "forecast", Picture)) == 3
    assert "no rows newer than training" in texts(found, "methods")


# ---------------------------------------------------------------- judged


def test_the_comparison_is_that_of_the_fit(page, model):
    (grid,) = blocks(page, "methods", Grid)
    assert [row[0] for row in grid.rows] == model.comparison_["method"].tolist()
    np.testing.assert_allclose([float(row[1]) for row in grid.rows], model.comparison_["MAE"], rtol=1e-3)
    assert grid.rows[grid.marked][0] == "network"
    assert grid.head[5] == "60 % coverage"
    assert page.lead == model.verdict_
    assert model.verdict_ in texts(page, "methods")
    assert "table with newer rows" in texts(page, "calibration")
    assert blocks(page, "calibration", Picture) == []


def test_newer_rows_are_judged_apart(judged, model, table):
    newer = model.evaluate(table)
    assert not newer.attrs["in_sample"]
    stored, grid = blocks(judged, "methods", Grid)
    assert stored.caption.startswith("Held-out rows: ")
    assert grid.caption.startswith("On newer rows: ")
    shown = {row[0]: float(row[1]) for row in grid.rows}
    for method, error in newer.set_index("method")["MAE"].items():
        assert shown[method] == pytest.approx(error, rel=1e-3)
    assert "flatter" not in texts(judged, "methods") + texts(judged, "calibration")
    assert judged.lead.startswith("On newer rows: ")
    assert len(blocks(judged, "methods", Picture)) == 1
    assert len(blocks(judged, "calibration", Picture)) == 1


def test_coverage_is_told_as_it_was_measured(judged, model, table):
    newer = model.evaluate(table).set_index("method").loc["network", "coverage"]
    overall, by_step = blocks(judged, "calibration", Grid)
    assert overall.rows[0][:2] == ("60 %", f"{100 * newer:.1f} %")
    assert [row[0] for row in by_step.rows] == ["1", "2", "3", "4"]
    shares = [float(row[1].removesuffix(" %")) for row in by_step.rows]
    counts = [int(row[2]) for row in by_step.rows]
    assert np.average(shares, weights=counts) == pytest.approx(100 * newer, abs=0.1)
    held = model.comparison_.set_index("method").loc["network", "coverage"]
    assert f"held {100 * held:.1f} %" in facts(judged, "calibration")["on held-out rows"]
    shift = model.fitted_.network.shift
    assert facts(judged, "calibration")["calibrated on"].startswith(f"{shift.counts.min()}")


def test_rows_of_training_flatter_and_that_is_said(table):
    old = table[table["day"] < "2024-02-10"]
    model = Forecaster(**TINY, **ROLES, holdout=0, quantiles=(0.2, 0.8)).fit(old)
    found = report_page(model, old)
    assert "flatter the network" in texts(found, "methods")
    assert "flatter the network" in texts(found, "calibration")
    assert "nothing was compared" in found.lead
    assert not [name for name, _ in found.cards if "MASE" in name]


def test_windows_that_share_rows_count_once(model, table):
    panel = model.fitted_.contract.read(table)
    windows = model.fitted_.network.windows(panel)
    alone = 0
    for i in range(len(panel)):
        origins = np.sort(windows.origins[windows.series == i])
        alone += 1 + (origins.max() - origins.min()) // 4
    assert np.array_equal(np.diff(np.sort(windows.origins[windows.series == 0])), np.ones(49, int))
    assert _apart(windows) == alone


def test_the_audit_is_shown_worst_first(judged, model, table):
    from forecast.auditing.audit import audit

    found = audit(model, table)
    (marks,) = blocks(judged, "audit", Marks)
    assert [(m.severity, m.name, m.text, m.remedy) for m in marks.rows] == [
        (f.severity, f.check, f.message, f.remedy) for f in found.findings
    ]
    assert found.summary() in texts(judged, "audit")
    assert len(blocks(judged, "audit", Picture)) == 1
    assert ("audit", dict(judged.cards)["audit"]) in judged.cards


# ---------------------------------------------------------------- other models


def test_points_without_a_comparison_or_times():
    frame = pd.DataFrame({"load": wavy(60), "heat": wavy(60, seed=1)})
    model = Forecaster(**TINY, time="none", target=("load", "heat"), holdout=0, quantiles=()).fit(frame)
    found = report_page(model, title="$x$")
    assert found.title == "$x$"
    assert facts(found, "data")["trained until"] == "row 59 of the table"
    assert [picture.caption for picture in blocks(found, "forecast", Picture)] == ["load", "heat"]
    assert "no interval to judge" in texts(found, "calibration")
    assert "nothing was compared" in texts(found, "methods")
    assert facts(found, "choices")["held out"] == "none"


def test_arrays():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    model = Forecaster(**TINY, quantiles=()).fit(X, X[:, 0])
    assert texts(report_page(model), "forecast").startswith("No forecast can be made")


def test_levels_that_too_few_windows_reach_are_named():
    frame = pd.DataFrame({"load": wavy(40)})
    model = Forecaster(**TINY, time="none", target="load", quantiles=(0.01, 0.99)).fit(frame)
    with pytest.warns(ForecastWarning, match=r"0\.01, 0\.99 are empty"):
        found = report_page(model)
    assert facts(found, "calibration")["out of reach"].startswith("quantiles 1 %, 99 %")
    assert blocks(found, "forecast", Grid)[0].rows[0][-1] == "–"


@pytest.mark.parametrize("method", ["best", "auto", "theta"])
def test_another_method_may_forecast(model, method, monkeypatch):
    monkeypatch.setattr(model, "method", method)
    found = report_page(model)
    who = model.comparison_["method"].iloc[0] if method == "best" else method
    assert facts(found, "choices")["forecasts by"] == who
    np.testing.assert_allclose(
        [float(row[2]) for row in blocks(found, "forecast", Grid)[0].rows],
        model.predict()["forecast"],
        rtol=1e-3,
    )
    grid = blocks(found, "methods", Grid)[0]
    assert grid.marked == (None if method == "auto" else [row[0] for row in grid.rows].index(who))
    assert verdict(model.comparison_) in texts(found, "methods")


def test_names_from_a_table_of_unknown_origin(tmp_path):
    names = {"shop": "<b>shop</b>", "day": "day'\"", "sold": SCRIPT, "promo": "$p_1$ & <i>"}
    table = shops(60, covariates=True).rename(columns=names)[list(names.values())]
    table[names["shop"]] = table[names["shop"]].map(
        {"s0": SCRIPT, "s1": "</title><img src=x onerror=alert(1)>", "s2": "$x^2$\n\t"}
    )
    roles = {"time": names["day"], "id": names["shop"], "target": SCRIPT, "known_future": (names["promo"],)}
    model = Forecaster(**TINY, **roles, past_only=("none",), static=("none",), method="naive").fit(table)
    html = render(report_page(model, title=SCRIPT))
    for tag in ("<script", "<b>shop", "<i>", "<img src=x"):
        assert tag not in html
    assert "&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt;" in html
    assert html.count("<img") == html.count('<img src="data:image/png;base64,')


# ---------------------------------------------------------------- files


def test_a_report_is_one_file_and_needs_no_network(model, table, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a report opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    write_report(model, tmp_path / "page.html", table)
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
    html = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert html.startswith("<!doctype html>")
    assert html.rstrip().endswith("</html>")
    write_report(model, tmp_path / "again.HTML", table)
    assert (tmp_path / "again.HTML").read_text(encoding="utf-8") == html


def test_what_cannot_be_reported(model, tmp_path):
    with pytest.raises(InputError, match=r"page\.png: a report is a web page; .* ends in \.html"):
        write_report(model, tmp_path / "page.png")
    with pytest.raises(InputError, match="does not exist"):
        write_report(model, tmp_path / "none" / "page.html")
    with pytest.raises(ParameterError, match="shows a Forecaster; got a Baseline"):
        report_page(Baseline())
    with pytest.raises(ValueError, match="not fitted"):
        report_page(Forecaster())
    with pytest.raises(InputError, match="sold"):
        write_report(
            model,
            tmp_path / "page.html",
            pd.DataFrame({"shop": ["s0"], "day": ["2024-01-01"], "price": [1.0]}),
        )
    assert list(tmp_path.iterdir()) == []
