"""``forecast detect``: files, refusals, streams."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import forecast
from forecast.cli import commands

RATE = "1 per 100 rows"


def run(*words: str, input: bytes | None = None):
    return CliRunner().invoke(commands, ["detect", *map(str, words)], input=input)


def loads(rows: int = 900) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    values = 10 + 3 * np.sin(np.arange(rows) * 2 * np.pi / 24) + 0.3 * rng.normal(size=rows)
    values[[row for row in (500, 700, 701, 820) if row < rows]] += 9
    return pd.DataFrame(
        {"when": pd.date_range("2024-01-01", periods=rows, freq="h"), "load": values.round(3)}
    )


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    loads().to_csv("load.csv", index=False)
    return tmp_path


def learn(*words: str):
    done = run("load.csv", "--method", "novelty", "--alarms", RATE, *words)
    assert done.exit_code == 0, done.output
    return done


def test_a_table_becomes_model_events_lines_and_picture(folder):
    done = learn()
    assert "chance alone raises about 4.5" in done.output and "range" in done.output
    events = pd.read_csv("load.forecast.csv")
    lines = [json.loads(line) for line in Path("load.forecast.jsonl").read_text().splitlines()]
    assert len(events) == len(lines) > 0
    assert {"2024-01-21 20:00:00", "2024-01-30 04:00:00"} <= set(events["start"])
    assert events["start"].min() > str(loads()["when"][449])
    assert Path("load.forecast.png").read_bytes()[:4] == b"\x89PNG"
    again = forecast.load("load.forecast").detect(loads())
    assert again["start"].astype(str).isin(events["start"]).sum() == len(events)


def test_nothing_is_replaced_unless_told(folder):
    learn()
    before = Path("load.forecast").read_bytes()
    done = run("load.csv", "--method", "novelty")
    assert done.exit_code != 0 and "--force" in str(done.exception)
    assert Path("load.forecast").read_bytes() == before
    assert learn("--force")


def test_json_holds_it_all(folder):
    document = json.loads(learn("--json", "--quiet").stdout)
    assert document["rows"] == 450 and document["asked"] == pytest.approx(4.5)
    assert {row["method"] for row in document["comparison"]} >= {"novelty", "range", "ewma", "gaussian"}
    assert document["events"][0]["severity"] > 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["load.csv", "--follow"], "A MODEL comes first"),
        (["load.csv", "--alarms", "often"], "1 per week"),
        (["load.csv", "--train", "1"], "--train"),
        (["load.csv", "--method", "forecast", "--bidirectional"], "bidirectional"),
        (["load.csv", "--target", "weight"], "weight"),
        (["nowhere.csv"], "nowhere.csv"),
        (["load.forecast"], "Give the table"),
        (["load.forecast", "load.forecast"], "where a table is expected"),
        (["load.forecast", "load.csv", "--follow", "--poll", "0"], "--poll"),
        (["load.forecast", "gone.csv", "--follow"], "no such file"),
    ],
)
def test_mistakes_get_one_line(folder, words, told):
    learn()
    if words[0] == "load.csv":
        words = ["load.csv", "--method", "novelty", "--force", *words[1:]]
    done = run(*words)
    assert _code(done) == 2
    assert told in done.output + str(done.exception) and "Traceback" not in done.output


def test_five_rows(folder):
    loads(5).to_csv("few.csv", index=False)
    done = run("few.csv", "--method", "ewma")
    assert _code(done) == 2 and "at least 10" in str(done.exception)
    assert not Path("few.forecast").exists()


def test_a_forecasters_model_is_no_detector_and_the_other_way_round(folder):
    learn()
    done = CliRunner().invoke(commands, ["predict", "load.forecast"])
    assert "holds a detector" in str(done.exception)
    forecast.Baseline("naive", horizon=2).fit(loads()).save("naive.forecast")
    assert "holds no detector" in str(run("naive.forecast", "load.csv").exception)


def test_a_network_that_makes_windows_again(folder):
    loads(300).to_csv("load.csv", index=False)
    done = run(
        *("load.csv", "--method", "joint", "--bidirectional", "--cell", "rnn", "--units", 4),
        *("--context", 8, "--steps", 4, "--alarms", RATE, "--json", "--quiet"),
    )
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert document["comparison"][0]["method"] == "joint" and len(document["comparison"]) == 5
    assert Path("load.forecast.png").read_bytes()[:4] == b"\x89PNG"
    told = CliRunner().invoke(commands, ["info", "load.forecast"])
    assert told.exit_code == 0, told.exception
    assert "network   rnn both ways of 4 units, windows of 8 rows, code of 2" in told.output
    assert forecast.load("load.forecast").method == "joint"


def test_info_tells_how_a_detector_looks_at_rows(folder):
    learn()
    told = CliRunner().invoke(commands, ["info", "load.forecast"])
    assert told.exit_code == 0, told.exception
    assert "method    novelty, p-values gpd" in told.output and "1 in 100 rows" in told.output


def test_piped_rows_give_the_events_of_the_whole_table(folder):
    learn()
    expected = json.loads(run("load.forecast", "load.csv", "--json").stdout)["events"]
    newer = [event for event in expected if event["raised"] > "2024-01-19T17"]
    text = loads().to_csv(index=False).encode()
    done = run("load.forecast", "-", "--follow", "--state", "s.forecast", input=text)
    assert done.exit_code == 0, done.output
    got = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["start"] for event in got] == [event["start"] for event in newer]
    again = run("load.forecast", "-", "--follow", "--state", "s.forecast", input=text)
    assert again.exit_code == 0 and again.stdout == ""


def test_rows_without_times_cannot_be_followed(folder):
    loads()[["load"]].to_csv("plain.csv", index=False)
    done = run("plain.csv", "--method", "ewma")
    assert done.exit_code == 0 and "--follow" not in done.output
    done = run("plain.forecast", "plain.csv", "--follow")
    assert _code(done) == 2 and "without times" in str(done.exception)


def test_the_state_of_another_stream_is_refused(folder):
    learn()
    text = loads().to_csv(index=False).encode()
    assert run("load.forecast", "-", "--follow", "--state", "s.forecast", input=text).exit_code == 0
    assert "another model or table" in str(
        run("load.forecast", "load.csv", "--follow", "--state", "s.forecast").exception
    )
    assert "no state of a stream" in str(
        run("load.forecast", "load.csv", "--follow", "--state", "load.forecast").exception
    )


@pytest.mark.slow
def test_a_followed_file_survives_being_killed(folder):
    """Killed twice, once between rows and once anywhere: the events are those of the whole table, each once."""
    text = loads().to_csv(index=False).splitlines(keepends=True)
    learn()
    Path("grow.csv").write_text("".join(text[:451]))
    words = [sys.executable, "-m", "forecast", "detect", "load.forecast", "grow.csv"]
    words += ["--follow", "--poll", "0.1", "--out", "events.jsonl", "--quiet"]
    for stop in (640, 760, 898):
        process = subprocess.Popen(words)
        with open("grow.csv", "a") as file:
            file.write("".join(text[451 if stop == 640 else (640 if stop == 760 else 760) : stop - 3]))
            file.write("a line that is none\n" if stop == 760 else "")
            # A row in two pieces.
            file.write(text[stop - 3][:9])
            file.flush()
            _until(lambda: Path("grow.state.forecast").exists())
            file.write(text[stop - 3][9:] + "".join(text[stop - 2 : stop]))
        size = Path("grow.csv").stat().st_size
        if stop == 760:
            time.sleep(0.3)
        else:
            _until(lambda size=size: _offset() == size)
        process.send_signal(signal.SIGKILL)
        process.wait()
    process = subprocess.Popen(words)
    with open("grow.csv", "a") as file:
        file.write("".join(text[898:]))
    _until(lambda: _offset() == Path("grow.csv").stat().st_size)
    process.terminate()
    assert process.wait() == 143
    got = [json.loads(line) for line in Path("events.jsonl").read_text().splitlines()]
    detector = forecast.load("load.forecast")
    expected = detector.update(loads())
    assert sorted({event["start"] for event in got}) == [str(t).replace(" ", "T") for t in expected["start"]]
    finished = [event["start"] for event in got if not event["open"]]
    assert len(finished) == len(set(finished))
    state = forecast.load("grow.state.forecast")
    pd.testing.assert_frame_equal(state.score(loads()[-1:]), detector.score(loads()[-1:]))
    one, two = (d.fitted_.states[None].chain for d in (state, detector))
    assert len(one.pasts) == len(two.pasts) > 0
    for a, b in zip(one.pasts, two.pasts, strict=True):
        np.testing.assert_array_equal(a.scores, b.scores)
        np.testing.assert_array_equal(a.numbers, b.numbers)
    np.testing.assert_array_equal(one.raised, two.raised)
    assert one.rows == two.rows == 900


def _code(done) -> object:
    return getattr(done.exception, "exit_code", done.exit_code)


def _offset() -> int:
    from forecast.modelfile import ModelFile

    return ModelFile("grow.state.forecast").description["stream"]["offset"]


def _until(true, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "nothing came"
        time.sleep(0.1)
