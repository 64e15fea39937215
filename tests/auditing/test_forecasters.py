"""Our own forecasters pass, whatever the network: only what the data earn is serious."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import forecast
from forecast.auditing.audit import audit
from tests.tables import COVARIATES, shops

pytestmark = pytest.mark.slow

NETWORKS = {
    "gru": {"cell": "gru"},
    "lstm-bidirectional": {"cell": "lstm", "bidirectional": True},
    "rnn-two-layers": {"cell": "rnn", "layers": 2},
    "joint": {"cell": "gru", "independent": False, "anchor": "mean", "skip": False},
    "point": {"cell": "gru", "quantiles": ()},
    "padded": {"cell": "lstm", "short": "pad"},
}
SMALL = {"horizon": 4, "context": 14, "units": 8, "season": 7, "seed": 3}
UNTRIED = SMALL | {"preset": "fast"}


def table_with(targets: int, rows: int = 150) -> pd.DataFrame:
    """Shops with covariates in every role; a second target is the first one, later and smaller."""
    table = shops(rows, covariates=True, ahead=4)
    if targets > 1:
        table["back"] = 0.3 * table.groupby("shop")["sold"].shift(2)
    return table


# Two targets where they are forecast apart and where they are forecast together.
@pytest.mark.parametrize(("name", "targets"), [*((name, 1) for name in NETWORKS), ("gru", 2), ("joint", 2)])
def test_no_false_alarm(name, targets):
    roles = COVARIATES | {"target": ("sold", "back")[:targets]}
    table = table_with(targets)
    model = forecast.Forecaster(**(UNTRIED | roles | NETWORKS[name] | {"epochs": 2})).fit(table)
    for rows in (None, table):
        found = audit(model, rows)
        assert {f.check for f in found.findings if f.severity == "serious"} <= {"baselines"}
        for check in ("newest observation", "future", "columns", "covariates", "batches"):
            assert found.of(check)[0].severity == "ok", found.of(check)[0]
        assert all(finding.severity == "ok" for finding in found.of("padding"))
        assert bool(found.of("padding")) == (name == "padded")
        assert bool(found.of("calibration")) == (name != "point")
        assert set(found.reactions.covariates) == {"promo", "visits", "town", "area"}


@pytest.mark.parametrize("name", ["gru", "lstm-bidirectional"])
def test_a_network_that_was_trained_earns_no_serious_finding(name):
    """Promotions lift sales: known ahead, they are what the baselines cannot see."""
    table = shops(220, covariates=True, ahead=4)
    table["sold"] += 6 * table["promo"]
    cut = table["day"] < pd.Timestamp("2024-06-20")
    model = forecast.Forecaster(**(UNTRIED | COVARIATES | NETWORKS[name])).fit(table[cut])
    found = audit(model, table)
    assert not found.serious
    finding = found.of("baselines")[0]
    assert finding.severity == "ok"
    assert finding.figures["rows"] == "newer rows"
    assert min(finding.figures["skill"].values()) > 0.1
    assert found.of("persistence")[0].severity == "ok"
    strength = found.of("covariates")[0].figures["reaction"]
    assert max(strength, key=strength.get) == "promo"


def test_audits_repeat_and_leave_the_model_alone():
    model = forecast.Forecaster(**(UNTRIED | COVARIATES), epochs=1).fit(table_with(1))
    before, weights = model.predict(), model.model_.get_weights()
    one, two = audit(model), audit(model)
    assert one.findings == two.findings
    np.testing.assert_array_equal(one.reactions.matrix, two.reactions.matrix)
    pd.testing.assert_frame_equal(model.predict(), before, check_exact=True)
    assert all((a == b).all() for a, b in zip(weights, model.model_.get_weights()))


def test_a_random_walk_earns_a_note_not_an_alarm():
    walk = np.cumsum(np.random.default_rng(2).normal(size=500))
    model = forecast.Forecaster(horizon=2, context=16, season=1, units=8, preset="fast", target="y")
    found = audit(model.fit(walk))
    assert found.of("persistence")[0].severity in ("note", "ok")
    assert {f.check for f in found.findings if f.severity == "serious"} <= {"baselines"}
