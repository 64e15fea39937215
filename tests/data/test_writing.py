"""Written tables: escaped for people, read back unchanged, whole or not at all."""

from __future__ import annotations

import gzip
import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast.data.escaping import escape, unescape
from forecast.data.table import read_table, write_table
from forecast.data.writing import to_csv
from forecast.errors import InputError, ParameterError, TableError

RISKY = ["=1+1", "+1", "-1", "@a", "\ta", "\ra", "'=1", "''-1"]
HARMLESS = ["a=1", "'tis", "1-2", "'", "", " =1"]


@pytest.mark.parametrize("text", RISKY)
def test_texts_like_formulas_are_escaped_and_come_back(text):
    assert escape(text) == f"'{text}"
    assert unescape(escape(text)) == text


@pytest.mark.parametrize("text", HARMLESS)
def test_other_texts_stay(text):
    assert escape(text) == unescape(text) == text


@given(st.text())
def test_reading_takes_away_exactly_what_writing_added(text):
    assert unescape(escape(text)) == text


def test_names_are_escaped_and_numbers_are_not():
    frame = pd.DataFrame({"=name": ["-x", "y"], "n": [-1.5, -2.0], "k": [-1, 2]})
    assert to_csv(frame) == "'=name,n,k\n'-x,-1.5,-1\ny,-2.0,2\n"
    assert to_csv(frame, escape=False) == "=name,n,k\n-x,-1.5,-1\ny,-2.0,2\n"
    assert frame.columns.tolist() == ["=name", "n", "k"]
    assert frame["=name"].tolist() == ["-x", "y"]


@pytest.mark.parametrize("dtype", [object, "category", "string"])
def test_every_kind_of_text_is_escaped(dtype):
    frame = pd.DataFrame({"id": pd.Series(["=a", "b", None], dtype=dtype)})
    assert to_csv(frame).splitlines()[:3] == ["id", "'=a", "b"]


def test_mixed_objects_keep_their_numbers():
    assert to_csv(pd.DataFrame({"id": pd.Series(["-a", -1], dtype=object)})) == "id\n'-a\n-1\n"


def test_files_by_suffix(tmp_path):
    frame = pd.DataFrame({"id": ["=a", "b"], "y": [0.1, np.nan]})
    plain = b"id,y\n'=a,0.1\nb,\n"
    for name, content in {"a.csv": plain, "a.tsv": plain.replace(b",", b"\t"), "a.TXT": plain}.items():
        write_table(frame, tmp_path / name)
        assert (tmp_path / name).read_bytes() == content
    write_table(frame, str(tmp_path / "a.csv.gz"))
    assert gzip.decompress((tmp_path / "a.csv.gz").read_bytes()) == plain
    with pytest.raises(ParameterError, match=r"a\.xlsx: the name must end in one of \.csv"):
        write_table(frame, tmp_path / "a.xlsx")
    with pytest.raises(InputError):
        write_table(frame, tmp_path / "no" / "a.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.TXT", "a.csv", "a.csv.gz", "a.tsv"]


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("old")
    with pytest.raises(TableError, match="NUL"):
        write_table(pd.DataFrame({"id": ["a\0b"]}), path)
    assert path.read_text() == "old"


def test_parquet_is_not_escaped(tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"id": ["=a"], "y": [0.1]})
    write_table(frame, tmp_path / "a.parquet")
    assert pd.read_parquet(tmp_path / "a.parquet")["id"].tolist() == ["=a"]

    def missing(*args, **kwargs):
        raise ImportError("pyarrow")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", missing)
    with pytest.raises(TableError, match=r"b\.parquet: .* pip install keras-forecast\[parquet\]"):
        write_table(frame, tmp_path / "b.parquet")


def test_buffers_of_text_and_bytes():
    text, raw = io.StringIO(), io.BytesIO()
    frame = pd.DataFrame({"id": ["ü"]})
    write_table(frame, text)
    write_table(frame, raw)
    assert text.getvalue().encode() == raw.getvalue() == "id\nü\n".encode()


IDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=8)
NUMBERS = st.one_of(st.floats(allow_infinity=False, width=64), st.integers(-(10**15), 10**15).map(float))


@st.composite
def panels(draw):
    """A panel of one to three series of one to six days each, with any ids and any finite numbers."""
    ids = draw(st.lists(IDS, min_size=1, max_size=3, unique=True))
    rows = []
    for name in sorted(ids):
        start = np.datetime64("2000-01-01") + np.timedelta64(draw(st.integers(-50_000, 50_000)), "D")
        seconds = draw(st.sampled_from([0, 3600, 86_399]))
        for day in range(draw(st.integers(1, 6))):
            stamp = (start + np.timedelta64(day, "D")).astype("datetime64[ns]") + np.timedelta64(seconds, "s")
            rows.append((stamp, name, draw(NUMBERS), draw(st.one_of(NUMBERS, st.just(float("nan"))))))
    stamps, names, first, second = zip(*rows, strict=True)
    frame = pd.DataFrame({"when": np.array(stamps, dtype="datetime64[ns]"), "who": list(names)})
    return frame.astype({"who": object}).assign(y=np.array(first), x=np.array(second))


def check_round_trip(frame):
    buffer = io.BytesIO()
    write_table(frame, buffer)
    buffer.seek(0)
    table = read_table(buffer, time="when", id="who", target="y", past_only="x")
    pd.testing.assert_frame_equal(table.frame, frame, check_exact=True)


@given(panels())
@settings(max_examples=150, deadline=None)
def test_any_panel_comes_back_unchanged(frame):
    check_round_trip(frame)


@pytest.mark.fuzz
@given(panels())
@settings(max_examples=2_000, deadline=None)
def test_any_panel_comes_back_unchanged_long(frame):
    check_round_trip(frame)
