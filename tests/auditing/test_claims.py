"""Columns, drift, calibration and order of quantiles; and how an audit is shown."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest

import forecast
from forecast.auditing.audit import audit
from forecast.auditing.calibration import CALIBRATION, QUANTILES, coverage_finding, quantiles_finding
from forecast.auditing.demands import COLUMNS
from forecast.auditing.drift import DRIFT, drift_finding
from forecast.auditing.findings import Audit, Finding
from forecast.auditing.picture import picture_lines
from forecast.auditing.reactions import Reactions
from forecast.auditing.rivals import BASELINES_CHECK, NEWER, Judgement, rivals_finding
from forecast.data.gridding import to_panel
from forecast.data.scale import error_scales
from forecast.data.table import read_table
from forecast.data.windows import make_windows
from forecast.errors import ForecastWarning, ParameterError
from forecast.evaluation.comparison import NETWORK, compare, set_beside
from tests.tables import COVARIATES, PLAIN, SMALL_NETWORK, panel_of, shops, wavy

SMALL = SMALL_NETWORK | {"epochs": 1}


def judged(width: float, *, rows: int = 600, horizon: int = 4, seed: int = 0) -> Judgement:
    """White noise and intervals of one width around zero: the 80 % interval needs 1.2816 on either side."""
    noise = np.random.default_rng(seed).normal(size=rows)
    panel = panel_of(pd.DataFrame({"v": noise}), time="none", id="none", target=("v",))
    windows = make_windows(panel, context=5, horizon=horizon, scales=error_scales(panel, 1))
    forecasts = np.broadcast_to([-width, 0.0, width], (len(windows), horizon, 1, 3)).copy()
    trial = set_beside(forecasts, windows, None, (0.1, 0.5, 0.9), 1)
    return Judgement(compare(trial), NETWORK, NEWER, trial)


@pytest.mark.parametrize(
    ("width", "rows", "severity"),
    [(1.2816, 600, "ok"), (1.0, 600, "warning"), (0.6, 600, "serious"), (2.5, 600, "note"), (1.0, 40, "ok")],
)
def test_coverage_within_and_beyond_chance(width, rows, severity):
    finding = coverage_finding(judged(width, rows=rows))
    assert finding.severity == severity
    entry = finding.figures["intervals"][0]
    assert entry["claimed"] == pytest.approx(0.8)
    assert 1 <= entry["independent_values"] <= rows


@pytest.mark.parametrize("seed", range(20))
def test_calibrated_intervals_raise_no_alarm(seed):
    assert coverage_finding(judged(1.2816, rows=150, seed=seed)).severity == "ok"


def test_values_that_miss_together_count_less():
    """A level that all steps of a window miss or hit together: as many values as windows, not as rows."""
    judgement = judged(1.2816)
    trial = judgement.trial
    level = np.random.default_rng(1).normal(size=(len(trial.windows), 1, 1))
    trial.forecasts[NETWORK][:] = (
        trial.windows.actual(np.arange(len(trial.windows)))[..., None] + level[..., None]
    )
    trial.forecasts[NETWORK][..., 0] -= 1.2816
    trial.forecasts[NETWORK][..., 2] += 1.2816
    entry = coverage_finding(judgement).figures["intervals"][0]
    assert entry["independent_values"] == pytest.approx(595 / 4, rel=0.1)


def test_a_stored_comparison_is_judged_carefully():
    table = pd.DataFrame({"method": [NETWORK, "naive"], "MASE": [1.0, 2.0], "coverage": [0.4, 0.8]})
    table.attrs = {"criterion": "MASE", "windows": 100, "series": 1, "level": 0.8}
    many, few = (Judgement(table, NETWORK, "held-out rows", horizons=n) for n in (100, 2))
    assert coverage_finding(many).severity == "serious"
    assert coverage_finding(few).severity == "ok"
    table.attrs["level"] = None
    assert coverage_finding(many).severity == "note"


@pytest.mark.parametrize(
    ("own", "horizons", "severity"),
    [
        (1.99, 1, "ok"),
        (2.01, 1, "ok"),
        (2.2, 1, "warning"),
        (2.5, 1, "serious"),
        (2.2, 100, "serious"),
        (2.03, 100, "ok"),
        (1.5, 100, "ok"),
    ],
)
def test_worse_than_naive_by_more_than_chance(own, horizons, severity):
    table = pd.DataFrame({"method": [NETWORK, "naive", "drift"], "MASE": [own, 2.0, 2.1]})
    table.attrs = {"criterion": "MASE", "windows": 100}
    finding = rivals_finding(Judgement(table, NETWORK, "held-out rows", horizons=horizons))
    assert finding.severity == severity
    assert finding.figures["skill"]["naive"] == pytest.approx(1 - own / 2)
    assert ("may be chance" in finding.message) == (severity == "warning")


def test_worse_than_the_best_baseline_is_a_warning():
    table = pd.DataFrame({"method": ["theta", NETWORK, "naive"], "MASE": [1.0, 1.1, 2.0]})
    table.attrs = {"criterion": "MASE", "windows": 100}
    finding = rivals_finding(Judgement(table, NETWORK, "held-out rows", horizons=50))
    assert finding.severity == "warning"
    assert "45 % below naive (2.000); 10 % above theta, the best baseline (1.000)" in finding.message
    assert finding.remedy.startswith("Forecast with theta (method='theta', 'best' or 'auto')")


def test_crossing_quantiles_are_serious_and_empty_ones_a_note():
    forecasts = np.broadcast_to([1.0, 2.0, 3.0], (4, 2, 1, 3)).copy()
    assert quantiles_finding(forecasts, (0.1, 0.5, 0.9), None).severity == "ok"
    empty = forecasts.copy()
    empty[..., 0] = np.nan
    finding = quantiles_finding(empty, (0.1, 0.5, 0.9), None)
    assert (finding.severity, finding.figures["empty"]) == ("note", [0.1])
    forecasts[1, 1, 0] = [1.0, 3.0, 2.0]
    finding = quantiles_finding(forecasts, (0.1, 0.5, 0.9), None)
    assert (finding.severity, finding.figures["crossing"]) == ("serious", 1)
    forecasts[1, 1, 0] = [3.0, np.nan, 2.0]
    assert quantiles_finding(forecasts, (0.1, 0.5, 0.9), None).figures["crossing"] == 1


def test_crossing_is_found_in_a_network_of_ones_own():
    def crossing(spec, **_):
        import keras

        inputs = {"target": keras.Input((spec.context, 1), name="target")}
        flat = keras.layers.Flatten()(inputs["target"])
        free = keras.layers.Dense(
            spec.horizon * 3, kernel_initializer=keras.initializers.GlorotUniform(seed=1)
        )
        return keras.Model(inputs, keras.layers.Reshape((spec.horizon, 1, 3))(free(flat)))

    options = SMALL | PLAIN | {"network": crossing, "calibrate": False, "holdout": 0, "learning_rate": 1e-6}
    found = audit(forecast.Forecaster(**options).fit(shops()))
    assert found.of(QUANTILES)[0].severity == "serious"


@pytest.fixture(scope="module")
def model():
    """A forecaster that has seen the first 70 of 100 days."""
    return forecast.Forecaster(**(SMALL | COVARIATES)).fit(past(shops(100, covariates=True)))


def past(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["day"] < pd.Timestamp("2024-03-11")]


def test_newer_rows_are_compared_covered_and_do_not_drift(model):
    found = audit(model, shops(100, covariates=True))
    assert found.of(BASELINES_CHECK)[0].figures["rows"] == "newer rows"
    assert found.of(CALIBRATION)[0].figures["rows"] == "newer rows"
    assert found.of(DRIFT)[0].severity == "ok"
    assert found.of(DRIFT)[0].figures["newer"]
    assert found.of(COLUMNS)[0].severity == "ok"
    assert found.of("padding") == ()
    only_newer = shops(100, covariates=True).drop(past(shops(100, covariates=True)).index)
    again = audit(model, only_newer)
    assert again.of(BASELINES_CHECK)[0].figures["scores"] == found.of(BASELINES_CHECK)[0].figures["scores"]


def test_without_newer_rows_the_stored_comparison_counts(model):
    for table in (None, past(shops(100, covariates=True))):
        finding = audit(model, table).of(BASELINES_CHECK)[0]
        assert finding.figures["rows"] == "held-out rows"
        assert finding.figures["scores"] == model.comparison_.set_index("method")["MASE"].to_dict()


def test_without_anything_held_out_training_has_seen_the_rows():
    found = audit(forecast.Forecaster(**(SMALL | PLAIN), holdout=0).fit(shops()))
    assert "on rows that training has seen" in found.of(BASELINES_CHECK)[0].message
    assert "That flatters it" in found.of(BASELINES_CHECK)[0].message
    assert "flatters" in found.of(CALIBRATION)[0].message
    assert "rows that training has seen" in found.of("persistence")[0].message


def test_every_method_is_judged_by_its_own_row(model):
    table = shops(100, covariates=True)
    for method in ("theta", "best", "auto"):
        copy = forecast.Forecaster(**(SMALL | COVARIATES | {"method": method}))
        copy.fitted_, copy.choices_, copy.from_arrays_ = model.fitted_, model.choices_, False
        finding = audit(copy, table).of(BASELINES_CHECK)[0]
        named = copy.comparison_["method"].iloc[0] if method == "best" else method
        assert finding.figures["method"] == named
        assert NETWORK not in finding.figures["skill"]


def test_columns_that_are_missing_or_not_needed(model):
    table = shops(100, covariates=True)
    found = audit(model, table.drop(columns=["promo", "town"]).assign(weather=1.0))
    finding = found.of(COLUMNS)[0]
    assert finding.severity == "serious"
    assert finding.figures["missing"] == ["promo", "town"]
    assert "'promo' (known-future), 'town' (static)" in finding.message
    assert found.of(DRIFT)[0].message == "Nothing was compared with training: the table lacks columns."
    extra = audit(model, table.assign(weather=1.0)).of(COLUMNS)[0]
    assert (extra.severity, extra.figures["extra"]) == ("note", ["weather"])


def test_panels_and_arrays_are_tables_too(model):
    panel = panel_of(shops(100, covariates=True), **COVARIATES)
    assert audit(model, panel).of(BASELINES_CHECK)[0].figures["rows"] == "newer rows"
    roles = {"time": "none", "id": "none", "target": "y"}
    own = forecast.Forecaster(**(SMALL | roles)).fit(wavy(80))
    assert audit(own, wavy(60, seed=4)).of(BASELINES_CHECK)[0].figures["rows"] == "the rows given"


def test_file_objects_and_models_of_arrays(model):
    table = shops(100, covariates=True)
    text = io.StringIO(table.to_csv(index=False))
    assert audit(model, text).findings == audit(model, table).findings
    rng = np.random.default_rng(0)
    plans, sold = rng.normal(size=(90, 2)), wavy(90)
    own = forecast.Forecaster(**(SMALL | {"holdout": 0})).fit(plans, sold)
    found = audit(own)
    assert set(found.reactions.covariates) == {"x0", "x1"}
    assert found.of("future")[0].severity == "ok"


def drift(given: pd.DataFrame, **more: object) -> Finding:
    history = panel_of(past(shops(100, covariates=True)), **COVARIATES)
    # As a model reads it: on the step of training.
    panel = to_panel(read_table(given, **COVARIATES), step="D")
    return drift_finding(history, panel, error_scales(history, 7), **more)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t, new: t.assign(sold=np.where(new, t["sold"] * 3, t["sold"])), "'sold' in 3 of 3 series"),
        (lambda t, new: t.assign(visits=np.where(new, t["visits"] * 9, t["visits"])), "times as large"),
        (
            lambda t, new: t.assign(visits=np.where(new, t["visits"] + 7, t["visits"])),
            "far outside the range",
        ),
        (lambda t, new: t.assign(promo=np.where(new, 5.0, t["promo"])), "'promo' in 3 of 3 series"),
        (
            lambda t, new: t.assign(visits=np.where(new & (t.index % 2 == 0), np.nan, t["visits"])),
            "is missing in",
        ),
        (lambda t, new: t.assign(shop=t["shop"].replace("s1", "x9")), "1 of 3 series is new ('x9')"),
        (
            lambda t, new: t[~new | (t["day"].dt.day_name() == "Monday")],
            "rows come 7 steps of D (daily) apart",
        ),
    ],
)
def test_drift_is_told_with_figures(change, said):
    table = shops(130, covariates=True)
    new = table["day"] >= pd.Timestamp("2024-03-11")
    finding = drift(change(table, new))
    assert finding.severity == "warning"
    assert said in finding.message


def test_new_categories_are_told(model):
    table = shops(100, covariates=True).assign(town=lambda t: t["town"].replace("Bonn", "Rom"))
    finding = drift(table, encoder=model.fitted_.network.encoder)
    assert "'town' has categories that training did not know ('Rom')" in finding.message


def test_a_level_is_told_in_standard_deviations_and_errors():
    line = pd.DataFrame({"v": np.random.default_rng(0).normal(size=300)})
    roles = {"time": "none", "id": "none", "target": ("v",)}
    history = panel_of(line, **roles)
    moved = panel_of(line.iloc[:50] + 8, **roles)
    finding = drift_finding(history, moved, error_scales(history, 1))
    away = (moved.values.mean() - line["v"].mean()) / line["v"].std(ddof=0)
    assert finding.figures["columns"]["v"]["largest_level"] == pytest.approx(away)
    assert f"level up by {away:.3g} standard deviations" in finding.message
    assert "typical errors" in finding.message


@pytest.mark.parametrize("seed", range(10))
def test_more_of_the_same_is_no_drift(seed):
    rng = np.random.default_rng(seed)
    walk = pd.DataFrame({"v": 50 + np.cumsum(rng.normal(size=330)) * 0.3 + rng.normal(size=330)})
    roles = {"time": "none", "id": "none", "target": ("v",)}
    history, given = panel_of(walk.iloc[:300], **roles), panel_of(walk.iloc[300:], **roles)
    assert drift_finding(history, given, error_scales(history, 1)).severity == "ok"


def test_too_few_rows_tell_nothing():
    roles = {"time": "none", "id": "none", "target": ("v",)}
    history = panel_of(pd.DataFrame({"v": wavy(100)}), **roles)
    given = panel_of(pd.DataFrame({"v": [900.0, 901.0]}), **roles)
    finding = drift_finding(history, given, error_scales(history, 7))
    assert (finding.severity, finding.message) == ("note", "Too few rows to compare with training.")


def test_an_audit_is_shown_worst_first(model):
    found = audit(model, shops(100, covariates=True).drop(columns="promo"))
    order = [finding.severity for finding in found.findings]
    assert order == sorted(order, key=["serious", "warning", "note", "ok"].index)
    assert found.serious
    assert order[0] == "serious"
    table = found.table()
    assert table.columns.tolist() == ["check", "severity", "finding", "remedy"]
    assert (table.loc[table["severity"].isin(["serious", "warning"]), "remedy"] != "").all()
    text = str(found)
    assert text.splitlines()[0].startswith("1 serious") or text.splitlines()[0].startswith("2 serious")
    assert "step 1 " in text
    html = found._repr_html_()
    assert "<table" in html
    assert "<pre>" in html


def test_html_is_escaped():
    found = Audit((Finding("columns", "note", "'<b>&' is not used."),))
    assert "<b>" not in found._repr_html_()
    assert "&lt;b&gt;" in found._repr_html_()


def test_unknown_severities_are_refused():
    with pytest.raises(ParameterError, match="severity must be one of serious, warning, note, ok; got 'bad'"):
        Finding("columns", "bad", "It is.")


def test_long_pictures_are_coarse_but_keep_the_newest_row():
    matrix = np.zeros((64, 100))
    matrix[0, 99] = 1.0
    lags = np.linspace(1, 900, 64).round().astype(np.int64)
    lines = picture_lines(Reactions(900, lags, matrix, np.zeros(100, np.int64), {}, {}, ()))
    assert len(lines) == 2 + 16
    assert lines[1].strip() == "lag 900 to 1"
    assert lines[-1] == "step 100    " + 63 * "·" + "█"
    assert all(set(line.split("  ")[-1].strip()) == {"·"} for line in lines[2:-1])


@pytest.mark.slow
@pytest.mark.filterwarnings(f"ignore::{ForecastWarning.__module__}.{ForecastWarning.__name__}")
def test_levels_that_calibration_left_empty_are_a_note():
    options = SMALL | PLAIN | {"quantiles": (0.001, 0.5), "holdout": 0}
    found = audit(forecast.Forecaster(**options).fit(shops()))
    finding = found.of(QUANTILES)[0]
    assert finding.severity == "note"
    assert 0.001 in finding.figures["empty"]
