"""`forecast report`: a page about a saved model."""

from __future__ import annotations

import pytest

from forecast.estimators.baseline import Baseline


def test_report(run, air, tmp_path):
    result = run("report", air, folder=tmp_path)
    assert (result.code, result.err) == (0, "")
    assert result.out == "report    air_passengers.forecast.report.html\n"
    html = (tmp_path / "air_passengers.forecast.report.html").read_text(encoding="utf-8")
    assert "<title>air_passengers.forecast</title>" in html
    for name in ("data", "choices", "training", "forecast", "methods", "calibration", "audit"):
        assert f'<section id="{name}">' in html
    assert "<script" not in html
    assert [path.name for path in tmp_path.iterdir()] == ["air_passengers.forecast.report.html"]


def test_report_replaces_only_if_told(run, air, tmp_path):
    (tmp_path / "p.html").write_text("mine")
    refused = run("report", air, "--out", "p.html", folder=tmp_path)
    assert refused.code == 2
    assert "p.html exists already" in refused.error
    assert (tmp_path / "p.html").read_text() == "mine"
    assert run("report", air, "--out", "p.html", "--force", folder=tmp_path).code == 0
    assert (tmp_path / "p.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_report_with_newer_rows(run, air, datasets, tmp_path):
    months = [f"{1961 + i // 12}-{1 + i % 12:02d}-01,{400 + i}" for i in range(12)]
    text = (datasets / "air_passengers.csv").read_text() + "\n".join(months) + "\n"
    result = run("report", air, "-", "--quiet", "--out", "p.html", folder=tmp_path, stdin=text)
    assert (result.code, result.out, result.err) == (0, "report    p.html\n", "")
    html = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert "On newer rows: 30 values in 10 windows of 1 series" in html
    assert "from 1962-01-01 on" in html


def test_report_of_many_series_with_covariates(run, shops, shops_table, tmp_path):
    (tmp_path / "rows.csv").write_text(shops_table)
    result = run("report", shops, "rows.csv", "--out", "p.html", folder=tmp_path)
    assert result.code == 0, result.err
    html = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert "Drawn are the first 4 of 6." in html
    assert "no rows newer than training" in html
    for column in ("date", "shop", "sales", "promo", "holiday", "footfall", "region", "floor_area"):
        assert f'<td class="words">{column}</td>' in html


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--out", "p.pdf"], "a report is a web page; give a name that ends in .html"),
        (["missing.csv"], "missing.csv"),
        (["--out", "none/p.html"], "does not exist"),
    ],
)
def test_what_cannot_be_reported(run, air, tmp_path, words, told):
    result = run("report", air, *words, folder=tmp_path)
    assert result.code == 2
    assert told in result.error
    assert list(tmp_path.iterdir()) == []


def test_a_baseline_has_no_report(run, datasets, tmp_path):
    Baseline("naive", horizon=3).fit(datasets / "air_passengers.csv").save(tmp_path / "naive.forecast")
    result = run("report", "naive.forecast", folder=tmp_path)
    assert result.code == 2
    assert "holds a baseline" in result.error


def test_help(run):
    result = run("report", "--help")
    assert result.code == 0
    assert "MODEL [TABLE]" in result.out
    assert "--force" in result.out
