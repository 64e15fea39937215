import hashlib
import http.server
import re
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pooch
import pytest

from forecast.data import sources
from forecast.data.sources import SOURCES, dataset_path, list_datasets, load_dataset
from forecast.errors import InputError, ParameterError

DATASETS = Path(__file__).parents[2] / "datasets"
SHIPPED = [name for name, source in SOURCES.items() if source.address is None]
FETCHED = [name for name, source in SOURCES.items() if source.address is not None]
ETT_TEXT = """date,HUFL,OT
2016-07-01 00:00:00,5.827,30.531
2016-07-01 01:00:00,5.693,27.787
2016-07-01 02:00:00,,27.8
"""
TRAIN_TEXT = '"V1","V2","V3","V4"\n"H1","5","6","7"\n"H2","8","9",\n'
TEST_TEXT = '"V1","V2","V3"\n"H1","50","51"\n"H2","80","81"\n'


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture(autouse=True)
def no_place(tmp_path, monkeypatch):
    """An empty cache, no folder of the user's own, and no way to the network."""
    monkeypatch.delenv("FORECAST_DATA_DIR", raising=False)
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "cache" / name)

    def refuse(*args, **kwargs):
        raise AssertionError(f"tried to download {args}")

    monkeypatch.setattr(pooch, "retrieve", refuse)


@pytest.fixture
def own(tmp_path, monkeypatch):
    folder = tmp_path / "own"
    (folder / "ett").mkdir(parents=True)
    (folder / "m4").mkdir()
    monkeypatch.setenv("FORECAST_DATA_DIR", str(folder))
    return folder


def _pin(monkeypatch, name: str, text: str) -> None:
    monkeypatch.setitem(SOURCES, name, replace(SOURCES[name], sha256=_sha256(text)))


# ---------------------------------------------------------------- the files that come with the package


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_file_holds_what_the_registry_says(name):
    source, table = SOURCES[name], load_dataset(name, download=False)
    assert len(table) == source.rows
    assert table[source.time].notna().all()
    expected = "i" if source.time_format is None else "M"
    assert table[source.time].dtype.kind == expected
    for column in table.columns.drop([source.time, *source.text]):
        assert table[column].dtype.kind in "if", column
    assert dataset_path(name) == DATASETS / source.file
    assert dataset_path(name).stat().st_size < 200_000
    assert b"\r" not in dataset_path(name).read_bytes()


@pytest.mark.parametrize("name", [n for n in SHIPPED if n != "shops"])
def test_shipped_times_follow_the_stated_step(name):
    from forecast.data.frequency import infer_step

    times = load_dataset(name)[SOURCES[name].time]
    found = pd.DatetimeIndex(times) if times.dtype.kind == "M" else times.to_numpy()
    assert str(infer_step(found, np.zeros(len(times), int))) == SOURCES[name].step


def test_air_passengers_are_series_g():
    table = load_dataset("air_passengers")
    values = table["passengers"]
    assert values.iloc[:12].tolist() == [112, 118, 132, 129, 121, 135, 148, 148, 136, 119, 104, 118]
    assert values.iloc[-1] == 432
    assert (len(values), values.sum(), values.min(), values.max()) == (144, 40363, 104, 622)
    assert values.mean() == pytest.approx(280.2986, abs=5e-5)
    assert values.std() == pytest.approx(119.9663, abs=5e-5)
    # The sums of the years catch two slips that cancel in the total.
    years = values.groupby(table["month"].dt.year).sum().tolist()
    assert years == [1520, 1676, 2042, 2364, 2700, 2867, 3408, 3939, 4421, 4572, 5140, 5714]
    assert table["month"].iloc[0] == pd.Timestamp("1949-01-01")
    assert table["month"].iloc[-1] == pd.Timestamp("1960-12-01")


def test_public_series_equal_those_of_statsmodels():
    datasets = pytest.importorskip("statsmodels.api").datasets
    sunspots = datasets.sunspots.load_pandas().data
    assert load_dataset("sunspots")["sunspots"].tolist() == sunspots["SUNACTIVITY"].tolist()
    assert load_dataset("sunspots")["year"].tolist() == sunspots["YEAR"].tolist()
    nile = datasets.nile.load_pandas().data
    assert load_dataset("nile").to_numpy().tolist() == nile.to_numpy().tolist()
    co2 = datasets.co2.load_pandas().data
    np.testing.assert_array_equal(load_dataset("co2")["co2"], co2["co2"])
    assert (load_dataset("co2")["week"].to_numpy() == co2.index.to_numpy()).all()
    elnino = datasets.elnino.load_pandas().data.drop(columns="YEAR").to_numpy().ravel()
    np.testing.assert_array_equal(load_dataset("elnino")["temperature"], elnino)
    macro = datasets.macrodata.load_pandas().data
    ours = load_dataset("us_macro")
    np.testing.assert_array_equal(ours["quarter"].dt.year, macro["year"])
    np.testing.assert_array_equal(ours["quarter"].dt.quarter, macro["quarter"])
    for column in ours.columns.drop("quarter"):
        np.testing.assert_array_equal(ours[column], macro[column])


def test_gaps_of_co2_stay_gaps():
    assert load_dataset("co2")["co2"].isna().sum() == 59


# ---------------------------------------------------------------- shops


@pytest.fixture(scope="module")
def shops():
    return load_dataset("shops")


def test_shops_are_made_byte_for_byte(tmp_path):
    import runpy

    script = runpy.run_path(str(DATASETS / "make_shops.py"))
    script["main"](tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_bytes() == (DATASETS / "shops.csv").read_bytes()


def test_shops_know_the_future_for_28_days(shops):
    assert not shops[["promo", "holiday"]].isna().any().any()
    for _, shop in shops.groupby("shop"):
        last = shop.loc[shop["sales"].notna(), "date"].max()
        future = shop[shop["date"] > last]
        assert future["date"].tolist() == list(pd.date_range(last + pd.Timedelta(days=1), periods=28))
        assert future[["sales", "footfall"]].isna().all().all()
        assert 0 < future["promo"].sum() < 28


def test_shops_are_untidy_in_every_promised_way(shops):
    by_shop = shops.groupby("shop")
    assert by_shop["date"].min().nunique() >= 5
    assert not shops.duplicated(["shop", "date"]).any()
    span = (by_shop["date"].max() - by_shop["date"].min()).dt.days + 1
    assert (span - by_shop.size() > 0).all()
    assert span["Bexley"] - by_shop.size()["Bexley"] >= 9
    past = shops[shops["date"] <= "2024-06-30"]
    assert 10 <= past["sales"].isna().sum() <= 60
    broken = past[(past["shop"] == "Dawlish") & past["date"].between("2024-01-08", "2024-01-28")]
    assert broken["footfall"].isna().all()
    assert (by_shop[["region", "floor_area"]].nunique() == 1).all().all()
    assert shops["region"].nunique() == 3


def test_shops_react_to_promotions_and_holidays(shops):
    sold = shops[shops["sales"].notna()]
    level = sold.groupby("shop")["sales"].transform("median")
    relative = sold["sales"] / level
    assert relative[sold["promo"] == 1].median() > 1.15 * relative[sold["promo"] == 0].median()
    city_holidays = (sold["region"] == "city") & (sold["holiday"] == 1)
    assert relative[city_holidays].median() < 0.7


# ---------------------------------------------------------------- the registry


def test_registry_is_pinned_and_https():
    for name in FETCHED:
        assert SOURCES[name].address.startswith("https://raw.githubusercontent.com/"), name
        assert re.fullmatch(r"[0-9a-f]{64}", SOURCES[name].sha256), name
    assert len({SOURCES[name].sha256 for name in FETCHED}) == len(FETCHED)


def test_readme_names_every_file_with_its_rows():
    text = (DATASETS / "README.md").read_text(encoding="utf-8")
    for name in SHIPPED:
        row = next(line for line in text.splitlines() if line.startswith(f"| `{SOURCES[name].file}`"))
        assert f"| {SOURCES[name].rows:,} |" in row
        assert all(f"`{column}`" in row for column in load_dataset(name).columns)
    assert {path.name for path in DATASETS.glob("*.csv")} == {SOURCES[name].file for name in SHIPPED}


def test_list_shows_file_or_address(own):
    (own / "ett" / "ETTh1.csv").write_text("anything")
    table = list_datasets().set_index("name")
    assert table.columns.tolist() == ["rows", "step", "licence", "where"]
    assert table.index.tolist() == list(SOURCES)
    assert table.loc["nile", "where"] == str(DATASETS / "nile.csv")
    assert table.loc["ETTh1", "where"] == str(own / "ett" / "ETTh1.csv")
    assert table.loc["ETTm1", "where"] == SOURCES["ETTm1"].address


def test_steps_are_understood_by_parse_step():
    from forecast.data.frequency import parse_step

    for source in SOURCES.values():
        assert str(parse_step(source.step)) == source.step


def test_unknown_name_suggests_the_nearest():
    with pytest.raises(ParameterError, match=r"'sunspot' is unknown\. Did you mean 'sunspots'\?"):
        load_dataset("sunspot")


def test_installed_package_holds_its_own_files(tmp_path, monkeypatch):
    inside = tmp_path / "forecast" / "datasets" / "nile.csv"
    inside.parent.mkdir(parents=True)
    inside.write_text("year,volume\n1871,1120\n")
    monkeypatch.setattr(sources, "__file__", str(tmp_path / "forecast" / "data" / "sources.py"))
    assert dataset_path("nile") == inside
    assert len(load_dataset("nile")) == 1


def test_missing_shipped_file_is_one_line(monkeypatch):
    monkeypatch.setitem(SOURCES, "nile", replace(SOURCES["nile"], file="gone.csv"))
    with pytest.raises(InputError, match=r"gone\.csv is missing; install keras-forecast anew\.$"):
        dataset_path("nile")


# ---------------------------------------------------------------- the user's own folder


def test_own_folder_comes_first(own, monkeypatch):
    (own / "ett" / "ETTh1.csv").write_text(ETT_TEXT)
    _pin(monkeypatch, "ETTh1", ETT_TEXT)
    table = load_dataset("ETTh1")
    assert table["date"].tolist() == list(pd.date_range("2016-07-01", periods=3, freq="h"))
    np.testing.assert_array_equal(table["HUFL"], [5.827, 5.693, np.nan])


def test_other_file_in_own_folder_names_both_hashes(own):
    (own / "ett" / "ETTh1.csv").write_text(ETT_TEXT)
    with pytest.raises(InputError) as caught:
        load_dataset("ETTh1")
    message = str(caught.value)
    assert _sha256(ETT_TEXT) in message
    assert str(SOURCES["ETTh1"].sha256) in message
    assert str(own / "ett" / "ETTh1.csv") in message
    assert "\n" not in message


def test_caller_may_replace_the_pin(own):
    (own / "ett" / "ETTh1.csv").write_text(ETT_TEXT)
    assert len(load_dataset("ETTh1", sha256=_sha256(ETT_TEXT).upper())) == 3


def test_own_file_without_any_pin_is_used(own, monkeypatch):
    monkeypatch.setitem(SOURCES, "ETTh2", replace(SOURCES["ETTh2"], sha256=None))
    (own / "ett" / "ETTh2.csv").write_text(ETT_TEXT)
    assert len(load_dataset("ETTh2")) == 3


def test_wrong_own_folder_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("FORECAST_DATA_DIR", str(tmp_path / "typo"))
    with pytest.raises(InputError, match="typo', which is not a folder"):
        load_dataset("ETTh1")
    assert len(load_dataset("nile")) == 100


def test_m4_becomes_long_and_test_goes_on_counting(own, monkeypatch):
    (own / "m4" / "Hourly-train.csv").write_text(TRAIN_TEXT)
    (own / "m4" / "Hourly-test.csv").write_text(TEST_TEXT)
    _pin(monkeypatch, "m4_hourly", TRAIN_TEXT)
    _pin(monkeypatch, "m4_hourly_test", TEST_TEXT)
    train, test = load_dataset("m4_hourly"), load_dataset("m4_hourly_test")
    assert train.to_dict("list") == {
        "id": ["H1", "H1", "H1", "H2", "H2"],
        "t": [1, 2, 3, 1, 2],
        "value": [5.0, 6.0, 7.0, 8.0, 9.0],
    }
    assert test.to_dict("list") == {
        "id": ["H1", "H1", "H2", "H2"],
        "t": [4, 5, 3, 4],
        "value": [50.0, 51.0, 80.0, 81.0],
    }
    assert train["t"].dtype == test["t"].dtype == np.int64


# ---------------------------------------------------------------- cache and download


def test_refuses_when_download_is_not_allowed():
    with pytest.raises(InputError, match=r"not on this computer; .*FORECAST_DATA_DIR .* ett/ETTm1\.csv"):
        load_dataset("ETTm1", download=False)


def test_cached_file_is_used_without_download(tmp_path, monkeypatch):
    cached = tmp_path / "cache" / "keras-forecast" / "ett" / "ETTm1.csv"
    cached.parent.mkdir(parents=True)
    cached.write_text(ETT_TEXT)
    _pin(monkeypatch, "ETTm1", ETT_TEXT)
    assert dataset_path("ETTm1", download=False) == cached
    cached.write_text(ETT_TEXT + "2016-07-01 03:00:00,1,1\n")
    with pytest.raises(InputError, match="not on this computer"):
        dataset_path("ETTm1", download=False)


def test_set_without_pin_is_not_downloaded(monkeypatch):
    monkeypatch.setitem(SOURCES, "ETTh2", replace(SOURCES["ETTh2"], sha256=None))
    with pytest.raises(InputError, match="has no pinned SHA-256") as caught:
        load_dataset("ETTh2")
    assert "sha256=" in str(caught.value)
    assert "FORECAST_DATA_DIR" in str(caught.value)


@pytest.mark.parametrize("digest", ["", "abc", "g" * 64])
def test_odd_digest_is_refused(digest):
    with pytest.raises(ParameterError, match="64 hexadecimal digits"):
        load_dataset("ETTh1", sha256=digest)


class _Folder(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A web server on this computer, the real downloader, and ETTh2 as its only file."""
    monkeypatch.undo()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("FORECAST_DATA_DIR", raising=False)
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "cache" / name)
    folder = tmp_path / "web"
    folder.mkdir()
    (folder / "ETTh2.csv").write_text(ETT_TEXT)
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), lambda *args: _Folder(*args, directory=str(folder))
    ) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{running.server_port}/ETTh2.csv"
        changed = replace(SOURCES["ETTh2"], address=address, sha256=_sha256(ETT_TEXT))
        monkeypatch.setitem(SOURCES, "ETTh2", changed)
        yield folder
        running.shutdown()
        thread.join()


def _files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_download_is_kept(server, tmp_path):
    assert len(load_dataset("ETTh2")) == 3
    (server / "ETTh2.csv").unlink()
    assert len(load_dataset("ETTh2")) == 3
    assert dataset_path("ETTh2") == tmp_path / "cache" / "keras-forecast" / "ett" / "ETTh2.csv"


def test_download_of_something_else_is_refused_and_removed(server, tmp_path):
    (server / "ETTh2.csv").write_text(ETT_TEXT + "x")
    with pytest.raises(InputError, match=f"not the published file of SHA-256 {_sha256(ETT_TEXT)}") as caught:
        load_dataset("ETTh2")
    assert "\n" not in str(caught.value)
    assert _files(tmp_path / "cache") == []


def test_download_of_a_missing_file_names_the_status(server):
    (server / "ETTh2.csv").unlink()
    with pytest.raises(InputError, match="HTTP status 404"):
        load_dataset("ETTh2")


def test_download_beyond_the_cap_stops(server, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "LARGEST_DOWNLOAD", 10)
    with pytest.raises(InputError, match=r"could not be downloaded \(more than 0 MiB\)"):
        load_dataset("ETTh2")
    assert _files(tmp_path / "cache") == []


def test_no_network_is_one_line_with_address_and_variable(monkeypatch):
    import requests

    def unreachable(*args, **kwargs):
        raise requests.exceptions.ConnectionError("Max retries\nexceeded")

    monkeypatch.setattr(pooch, "retrieve", unreachable)
    with pytest.raises(InputError) as caught:
        load_dataset("ETTh1")
    message = str(caught.value)
    assert str(SOURCES["ETTh1"].address) in message
    assert "FORECAST_DATA_DIR" in message
    assert "no connection: ConnectionError" in message
    assert "\n" not in message


def test_pooch_is_not_imported_for_shipped_files():
    import subprocess
    import sys

    code = "import sys; from forecast.data.sources import load_dataset; load_dataset('nile'); "
    code += "sys.exit('pooch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=DATASETS.parent, check=False).returncode == 0
