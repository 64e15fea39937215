"""`forecast audit`: findings worst first, a picture, JSON, and the exit code."""

from __future__ import annotations

import json

import pytest

CHECKS = {
    *("newest observation", "future", "persistence", "baselines", "columns", "drift", "batches"),
    *("quantiles", "calibration"),
}


def test_findings_and_a_picture(run, air):
    result = run("audit", air)
    assert result.err == ""
    lines = result.out.splitlines()
    findings = [line for line in lines if line[:7].strip() in ("serious", "warning", "note", "ok")]
    assert {line[9:].split(":")[0] for line in findings} == CHECKS
    order = [line[:7].strip() for line in findings]
    assert order == sorted(order, key=["serious", "warning", "note", "ok"].index)
    assert result.code == (1 if order[0] == "serious" else 0)
    counts = next(line for line in lines if line.endswith(" ok."))
    assert counts.startswith(f"{order.count('serious')} serious, ")
    assert lines[-4].strip() == "lag 6 to 1"
    assert [line[:6] for line in lines[-3:]] == ["step 1", "step 2", "step 3"]
    assert all(line[-1] in "░▒▓█" for line in lines[-3:])


def test_newer_rows_that_jump_are_told(run, air, datasets):
    months = [f"{1961 + i // 12}-{1 + i % 12:02d}-01,{432 if i < 13 else 9000}" for i in range(30)]
    text = (datasets / "air_passengers.csv").read_text() + "\n".join(months) + "\n"
    result = run("audit", air, "-", stdin=text)
    document = json.loads(run("audit", air, "-", "--json", stdin=text).out)
    assert result.code == (1 if document["serious"] else 0)
    drift = next(f for f in document["findings"] if f["check"] == "drift")
    assert drift["severity"] == "warning"
    assert "'passengers': level up by" in drift["finding"]
    baselines = next(f for f in document["findings"] if f["check"] == "baselines")
    assert baselines["figures"]["rows"] == "newer rows"


@pytest.mark.parametrize("stdin", [False, True])
def test_missing_columns_are_a_serious_finding(run, shops, shops_table, tmp_path, stdin):
    less = "\n".join(",".join(line.split(",")[:3] + line.split(",")[4:]) for line in shops_table.splitlines())
    (tmp_path / "less.csv").write_text(less)
    result = run("audit", shops, "-" if stdin else tmp_path / "less.csv", stdin=less if stdin else "")
    assert result.code == 1
    assert result.out.startswith(
        "serious  columns: 1 column that the model needs is missing: 'promo' (known-future);"
    )
    assert result.out.splitlines()[1].startswith("         → Supply them")


def test_json_holds_everything(run, shops, shops_table):
    extra = "\n".join(
        line + (",weather" if i == 0 else ",3") for i, line in enumerate(shops_table.splitlines())
    )
    result = run("audit", shops, "-", "--json", stdin=extra)
    document = json.loads(result.out)
    assert set(document) == {"serious", "findings", "reactions"}
    found = {finding["check"]: finding for finding in document["findings"]}
    assert set(found) == CHECKS | {"covariates"}
    assert set(found["columns"]) == {"check", "severity", "finding", "remedy", "figures"}
    assert found["columns"]["figures"]["extra"] == ["weather"]
    reactions = document["reactions"]
    assert reactions["lags"] == [1, 2, 3, 4, 5, 6]
    assert len(reactions["by_lag_and_step"]) == 6
    assert all(len(steps) == 3 for steps in reactions["by_lag_and_step"])
    assert reactions["ignored_by_step"] == [0, 0, 0]
    assert set(reactions["covariates_by_step"]) == {"promo", "holiday", "footfall", "region", "floor_area"}
    assert set(reactions["known_ahead_by_step"]) == {"promo", "holiday"}
    assert result.code == (1 if document["serious"] else 0)


def test_quiet_prints_what_needs_attention_only(run, air):
    loud, quiet = run("audit", air), run("audit", air, "--quiet")
    assert quiet.code == loud.code
    kept = [line for line in quiet.out.splitlines() if not line.startswith(" ")]
    assert all(line[:7] in ("serious", "warning") for line in kept[:-1])
    assert kept[-1] in loud.out
    assert "lag" not in kept[-1]
    assert set(quiet.out.splitlines()) <= set(loud.out.splitlines())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["missing.forecast"], "missing.forecast: there is no such file"),
        (["{air}", "missing.csv"], "missing.csv: there is no such file."),
        (["{air}", "{air}"], "is a model where a table is expected."),
        (["{air}", "empty.csv"], "empty.csv"),
        (["{air}", "text.csv"], "text.csv, line 3, column 'passengers'"),
        (["{air}", "daily.csv"], "daily.csv"),
        ([], "MODEL is missing."),
        (["{air}", "--quite"], "There is no option --quite. Did you mean '--quiet'?"),
    ],
)
def test_wrong_input_is_told_in_one_line(run, air, tmp_path, words, said):
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "text.csv").write_text("month,passengers\n1961-01,4\n1961-02,many\n1961-03,5\n1961-04,7\n")
    (tmp_path / "daily.csv").write_text("month,passengers\n1961-01-01,4\n1961-01-02,5\n1961-01-03,6\n")
    result = run("audit", *(word.format(air=air) for word in words), folder=tmp_path)
    assert result.code == 2
    assert said in result.error


def test_a_table_of_strangers_is_too_short(run, shops, shops_table):
    header, *rows = shops_table.splitlines()
    strange = [row.replace("Ashby", "Newtown") for row in rows if "Ashby" in row][:5]
    result = run("audit", shops, "-", stdin="\n".join([header, *strange]))
    assert result.code == 2
    assert "No series of the table has 9 observed rows" in result.err


def test_audit_is_a_verb_with_help(run):
    result = run("audit", "--help")
    assert result.code == 0
    assert "Usage: forecast audit [OPTIONS] MODEL [TABLE]" in result.out
    assert "exit code is 1 if one is serious" in " ".join(result.out.split())


def test_nothing_is_said_but_the_findings(apart, air, tmp_path):
    result = apart("audit", air, "--quiet", folder=tmp_path)
    assert result.code in (0, 1)
    assert result.err == ""
    assert list(tmp_path.iterdir()) == []
