"""Every malformed table of the corpus is refused by `forecast fit` in one line, and nothing is written."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

MALFORMED = runpy.run_path(str(Path(__file__).parents[1] / "data" / "malformed.py"))["MALFORMED"]
# Arguments of read_table that are no options: they protect a program, not a user.
NO_OPTION = {"nrows_limit"}


def flags(arguments: dict) -> list[str]:
    """The arguments of read_table as options."""
    words = []
    for name, value in arguments.items():
        flag = "--" + name.replace("_", "-")
        if name == "header":
            words += ["--no-header"] if not value else []
        elif isinstance(value, bool):
            words += [flag] if value else []
        elif isinstance(value, str):
            words += [flag, value]
        else:
            words += [word for item in value for word in (flag, item)]
    return words


OFFERED = [case for case in MALFORMED if not NO_OPTION & set(case[2])]


def test_nearly_the_whole_corpus_is_offered():
    assert len(MALFORMED) >= 120
    assert len(MALFORMED) - len(OFFERED) <= 2


@pytest.mark.parametrize(
    ("name", "data", "arguments", "fragment"), OFFERED, ids=[case[0] for case in OFFERED]
)
def test_refused(run, tmp_path, name, data, arguments, fragment):
    (tmp_path / "bad.csv").write_bytes(data)
    result = run("fit", "bad.csv", *flags(arguments), folder=tmp_path)
    assert result.code == 2
    assert fragment in result.error
    assert [path.name for path in tmp_path.iterdir()] == ["bad.csv"]
    assert (tmp_path / "bad.csv").read_bytes() == data


@pytest.mark.parametrize(
    ("name", "data", "arguments", "fragment"), OFFERED[::40], ids=[c[0] for c in OFFERED[::40]]
)
def test_refused_in_a_process_of_its_own(apart, tmp_path, name, data, arguments, fragment):
    (tmp_path / "bad.csv").write_bytes(data)
    result = apart("fit", "bad.csv", *flags(arguments), folder=tmp_path)
    assert result.code == 2
    assert fragment in result.error
    assert [path.name for path in tmp_path.iterdir()] == ["bad.csv"]


@pytest.mark.parametrize(
    ("rows", "words", "said"),
    [
        (5, [], "The longest series has 5 rows; at least 20 are needed"),
        (40, ["--step", "W"], "does not suit a time column of whole numbers"),
        (40, ["--step", "2"], "few.csv, line 3: time 1 lies between two steps of 2"),
        (40, ["--step", "fortnightly"], "'fortnightly'"),
        (40, ["--holdout", "38", "--horizon", "5"], "Lower --holdout, --context or --horizon."),
    ],
)
def test_what_cannot_be_fitted_is_told_before_anything_is_chosen(run, tmp_path, rows, words, said):
    (tmp_path / "few.csv").write_text("t,y\n" + "".join(f"{i},{i % 7}\n" for i in range(rows)))
    result = run("fit", "few.csv", *words, folder=tmp_path)
    assert result.code == 2
    assert said in result.error
    assert [path.name for path in tmp_path.iterdir()] == ["few.csv"]


def test_too_few_rows_for_a_context_of_ones_own(run, tmp_path):
    (tmp_path / "few.csv").write_text("t,y\n" + "".join(f"{i},{i % 7}\n" for i in range(40)))
    result = run("fit", "few.csv", "--context", "30", "--horizon", "20", folder=tmp_path)
    assert result.code == 2
    assert result.err.splitlines()[-1].startswith(
        "Error: No series is long enough to learn from: the longest has 40 rows"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["few.csv"]
