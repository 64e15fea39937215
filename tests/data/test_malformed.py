"""Every malformed table is refused in one line that says where."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from forecast.data.table import read_table
from forecast.errors import InputError

MALFORMED = runpy.run_path(str(Path(__file__).with_name("malformed.py")))["MALFORMED"]
WHERE = re.compile(r"\blines? \d|\bcolumns? |\(id '")
WHOLE_FILE = re.compile(
    r"empty|no rows|gzip|Parquet|encoding|this is |--de(limiter|cimal)|separated|at most|a line of more"
)


def test_the_corpus_is_large_and_has_no_name_twice():
    names = [name for name, *_ in MALFORMED]
    assert len(names) >= 120
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(("name", "data", "kwargs", "fragment"), MALFORMED, ids=[m[0] for m in MALFORMED])
def test_refused_in_one_line_that_says_where(tmp_path, name, data, kwargs, fragment):
    path = tmp_path / "bad.csv"
    path.write_bytes(data)
    with pytest.raises(InputError) as caught:
        read_table(path, **kwargs)
    message = str(caught.value)
    assert fragment in message
    assert len(message.splitlines()) == 1
    assert message.startswith("bad.csv")
    assert len(message) < 400
    assert WHERE.search(message) or WHOLE_FILE.search(message)
    assert caught.value.exit_code == 2
