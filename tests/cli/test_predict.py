"""`forecast predict` and `forecast template`: from a model and new rows to rows."""

from __future__ import annotations

import csv
import io
import json

import pandas as pd
import pytest


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture(scope="module")
def plain(run, air):
    """The forecast of the stored history."""
    result = run("predict", air)
    assert result.code == 0
    assert result.err == ""
    return result.out


@pytest.fixture(scope="module")
def future(run, shops):
    """The template of the shops."""
    result = run("template", shops)
    assert result.code == 0
    assert result.err == ""
    return result.out


def test_csv_on_stdout_is_the_forecast_of_the_fit(plain, air):
    assert plain == air.with_name("air_passengers.forecast.csv").read_text()


def test_horizon_quantiles_and_method(run, air):
    longer = run("predict", air, "--horizon", 5, "--quantiles", "none")
    assert longer.code == 0
    assert [list(row) for row in rows_of(longer.out)] == [["month", "forecast"]] * 5
    naive = run("predict", air, "--method", "naive", "--quantiles", "0.9")
    assert {row["forecast"] for row in rows_of(naive.out)} == {"432.0"}
    beyond = run("predict", air, "--horizon", 5)
    assert beyond.err.startswith("Note: Intervals beyond the trained horizon of 3 rows")
    assert run("predict", air, "--horizon", 5, "--quiet").err == ""


def test_json(run, air, plain):
    document = json.loads(run("predict", air, "--json").out)
    assert document["method"] == "network"
    assert [str(row["forecast"]) for row in document["forecast"]] == [
        row["forecast"] for row in rows_of(plain)
    ]


@pytest.mark.parametrize("name", ["p.csv", "p.parquet", "p.tsv", "p.csv.gz"])
def test_files(run, air, plain, tmp_path, name):
    result = run("predict", air, "--out", name, folder=tmp_path)
    assert result.out == f"rows      {name}\n"
    path = tmp_path / name
    found = (
        pd.read_parquet(path)
        if name.endswith("parquet")
        else pd.read_csv(path, sep="\t" if ".tsv" in name else ",")
    )
    assert found["forecast"].tolist() == [float(row["forecast"]) for row in rows_of(plain)]
    content = path.read_bytes()
    again = run("predict", air, "--out", name, folder=tmp_path)
    assert again.code == 2
    assert again.error == f"{name} exists already; pass --force to replace, or --out for another name."
    assert path.read_bytes() == content
    assert run("predict", air, "--out", name, "--force", "--horizon", 2, folder=tmp_path).code == 0
    assert path.read_bytes() != content
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_a_device_is_not_replaced(run, air, tmp_path):
    (tmp_path / "null.csv").symlink_to("/dev/null")
    result = run("predict", air, "--out", "null.csv", "--force", folder=tmp_path)
    assert result.code == 2
    assert result.error == "null.csv is a device or a pipe; name an ordinary file to write."


def test_template_has_the_rows_ahead(future):
    rows = rows_of(future)
    assert list(rows[0]) == ["shop", "date", "promo", "holiday", "region", "floor_area"]
    assert len(rows) == 18
    assert [row["date"] for row in rows[:3]] == ["2024-07-01", "2024-07-02", "2024-07-03"]


def test_filled_template_is_predicted(run, shops, future, tmp_path):
    (tmp_path / "future.csv").write_text(future)
    plain = run("predict", shops)
    same = run("predict", shops, "future.csv", folder=tmp_path)
    assert same.code == 0, same.err
    assert same.out == plain.out
    assert run("predict", shops, "-", stdin=future).out == plain.out
    table = pd.read_csv(tmp_path / "future.csv")
    table["promo"] = 1 - table["promo"]
    table.to_csv(tmp_path / "future.csv", index=False)
    other = run("predict", shops, "future.csv", folder=tmp_path)
    assert [row["date"] for row in rows_of(other.out)] == [row["date"] for row in rows_of(plain.out)]
    assert other.out != plain.out


def test_template_into_a_file_and_longer(run, shops, air, tmp_path):
    result = run("template", shops, "--horizon", 30, "--out", "future.csv", folder=tmp_path)
    assert result.out == "rows      future.csv\n"
    table = pd.read_csv(tmp_path / "future.csv")
    assert len(table) == 180
    assert table["promo"].isna().sum() == 6 * 2, "28 days are known, two are to be filled in"
    missing = run("predict", shops, "future.csv", "--horizon", 30, folder=tmp_path)
    assert missing.code == 2
    assert "Column 'promo' must be known 30 rows ahead of series 'Ashby'" in missing.error
    assert "2024-07-29" in missing.error
    assert "forecast template" in missing.error
    table.fillna(0).to_csv(tmp_path / "future.csv", index=False)
    found = run("predict", shops, "future.csv", "--horizon", 30, "-q", folder=tmp_path)
    assert found.err == ""
    assert len(rows_of(found.out)) == 180
    note = run("template", air, folder=tmp_path)
    assert note.err == f"Note: nothing must be known ahead; `forecast predict {air}` needs no table.\n"
    assert rows_of(note.out)[0].keys() == {"month"}


def test_rows_that_continue_the_history(run, air, plain):
    new = "month,passengers\n1961-01,450\n1961-02,400\n"
    found = rows_of(run("predict", air, "-", stdin=new).out)
    assert [row["month"][:7] for row in found] == ["1961-03", "1961-04", "1961-05"]
    other = rows_of(run("predict", air, "-", stdin=new.replace("400", "900")).out)
    assert [row["month"] for row in other] == [row["month"] for row in found]
    assert other[0]["forecast"] != found[0]["forecast"], "the newest row matters"


def test_the_whole_table_again(run, air, plain, datasets):
    assert run("predict", air, datasets / "air_passengers.csv").out == plain


def test_another_format_of_the_same_rows(run, air, plain, datasets, tmp_path):
    rows = [line.split(",") for line in (datasets / "air_passengers.csv").read_text().splitlines()]
    text = "\n".join(";".join(reversed(row)) for row in rows).replace("passengers", "passengers ")
    (tmp_path / "other.csv").write_bytes(text.encode("utf-16"))
    result = run("predict", air, "other.csv", "--delimiter", ";", folder=tmp_path)
    assert result.code == 0, result.err
    assert result.out == plain
    refused = run("predict", air, "other.csv", "--delimiter", "|", folder=tmp_path)
    assert refused.code == 2
    assert refused.error.startswith("other.csv")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("sales", "sale", "no column 'sales' for --target. Did you mean 'sale'?"),
        ("promo", "promos", "no column 'promo' for --known-future. Did you mean 'promos'?"),
        ("footfall", "visits", "no column 'footfall' for --past-only."),
        ("region", "area", "no column 'region' for --static."),
        ("shop,", "store,", "no column 'shop' for --id."),
        ("2024-07-04,Ashby", "2024-07-04,Newton", "newton"),
        ("2024-07-04", "2024-07-32", "line 127, column 'date': '2024-07-32'"),
    ],
)
def test_tables_that_do_not_fit_the_model(run, shops, shops_table, tmp_path, old, new, said):
    (tmp_path / "new.csv").write_text(shops_table.replace(old, new))
    result = run("predict", shops, "new.csv", folder=tmp_path)
    assert result.code == 2, result
    assert said.lower() in result.error.lower()


def test_a_new_series_with_enough_history_is_forecast(run, shops, shops_table):
    header, *rows = shops_table.splitlines(keepends=True)
    ours = [row.replace("Ashby", "Newton") for row in rows if "Ashby" in row]
    result = run("predict", shops, "-", stdin=header + "".join(ours))
    assert result.code == 0, result.err
    assert {row["shop"] for row in rows_of(result.out)} == {"Newton"}
    assert len(rows_of(result.out)) == 3


def test_a_level_that_was_not_trained(run, air):
    result = run("predict", air, "--quantiles", "0.25")
    assert result.code == 2
    assert "Quantile 0.25 was not trained; this model has 0.1, 0.9." in result.error


def test_a_model_without_a_time_column(run, tmp_path, tiny):
    rows = "".join(f"2024-01-{i + 1:02d},{i % 5}\n" for i in range(31))
    (tmp_path / "t.csv").write_text("day,y\n" + rows)
    fit = run(
        "fit", "t.csv", *tiny, "--time", "none", "--target", "y", "--holdout", "0", "-q", folder=tmp_path
    )
    assert fit.code == 0, fit.err
    plain = run("predict", "t.forecast", folder=tmp_path)
    assert [row["step"] for row in rows_of(plain.out)] == ["31", "32", "33"]
    assert run("predict", "t.forecast", "t.csv", folder=tmp_path).out == plain.out
    short = run("predict", "t.forecast", "-", stdin="y\n1\n", folder=tmp_path)
    assert short.code == 2
    assert "The table has no time column" in short.error


def test_a_wide_table(run, tmp_path, tiny):
    rows = "".join(f"2024-01-{i + 1:02d},{i % 5},{i % 3}\n" for i in range(31))
    (tmp_path / "t.csv").write_text("day,north,south\n" + rows)
    words = ["--layout", "wide", "-q"]
    fit = run("fit", "t.csv", *tiny, *words, "--holdout", "0", folder=tmp_path)
    assert fit.code == 0, fit.err
    plain = run("predict", "t.forecast", folder=tmp_path)
    assert {row["series"] for row in rows_of(plain.out)} == {"north", "south"}
    assert run("predict", "t.forecast", "t.csv", *words, folder=tmp_path).out == plain.out
    assert run("predict", "t.forecast", "t.csv", folder=tmp_path).out == plain.out, "found without a flag"
    refused = run("predict", "t.forecast", "-", stdin=plain.out.replace("series", "region"), folder=tmp_path)
    assert refused.code == 2


def test_paths_are_rows_of_their_own(run, air):
    found = run("predict", air, "--paths", 4)
    assert (found.code, found.err) == (0, "")
    rows = rows_of(found.out)
    assert list(rows[0]) == ["month", "path", "forecast"]
    assert [row["path"] for row in rows] == [str(path) for path in (1, 2, 3, 4) for _ in range(3)]
    assert len({row["forecast"] for row in rows}) == 12
    assert run("predict", air, "--paths", 4).out == found.out, "the seed is the model's"
    assert len(rows_of(run("predict", air, "--paths", 4, "--horizon", 2).out)) == 8
    naive = rows_of(run("predict", air, "--paths", 4, "--method", "naive").out)
    assert naive[0]["forecast"] != rows[0]["forecast"]


def test_a_total_and_its_paths(run, air, plain):
    found = run("predict", air, "--total")
    assert (found.code, found.err) == (0, "")
    (row,) = rows_of(found.out)
    assert list(row) == ["from", "to", "forecast", "q0.1", "q0.9"]
    months = [row["month"] for row in rows_of(plain)]
    assert (row["from"], row["to"]) == (months[0], months[-1])
    added = sum(float(row["forecast"]) for row in rows_of(plain))
    assert float(row["q0.1"]) < added < float(row["q0.9"])
    (few,) = rows_of(run("predict", air, "--total", "--paths", 20, "--quantiles", "0.9").out)
    assert list(few) == ["from", "to", "forecast", "q0.9"]
    assert few["q0.9"] != row["q0.9"]


def test_json_of_paths_and_total(run, air):
    assert len(json.loads(run("predict", air, "--paths", 2, "--json").out)["paths"]) == 6
    document = json.loads(run("predict", air, "--total", "--json").out)
    assert document["method"] == "network"
    assert list(document["total"][0]) == ["from", "to", "forecast", "q0.1", "q0.9"]


def test_a_total_of_every_series(run, shops, future, tmp_path):
    (tmp_path / "future.csv").write_text(future)
    result = run("predict", shops, "future.csv", "--total", "--out", "sum.csv", folder=tmp_path)
    assert result.out == "rows      sum.csv\n"
    table = pd.read_csv(tmp_path / "sum.csv")
    assert table.columns.tolist() == ["shop", "from", "to", "forecast", "q0.1", "q0.9"]
    assert table["shop"].nunique() == len(table) == 6
    assert (table["q0.1"] < table["q0.9"]).all()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--paths", "5", "--quantiles", "0.1"], "leave out --quantiles, or add --total."),
        (["--paths", "0"], "'0' is not a whole number from 1 to 100,000."),
        (["--total", "--horizon", "4"], "Paths reach 3 rows ahead, as trained"),
        (["--total", "--quantiles", "0.05"], "Quantile 0.05 of the sum lies outside the trained ones"),
        (["--paths", "5", "--method", "naive2"], "20 windows of past errors of naive2"),
    ],
)
def test_what_paths_cannot_do(run, air, words, said):
    result = run("predict", air, *words)
    assert result.code == 2
    assert said in result.error
