"""Every odd but valid table gives the frame it should."""

from __future__ import annotations

import io
import runpy
from pathlib import Path

import pandas as pd
import pytest

from forecast.data.table import read_table

WELL_FORMED = runpy.run_path(str(Path(__file__).with_name("well_formed.py")))["WELL_FORMED"]


def test_there_are_many_and_no_name_comes_twice():
    names = [name for name, *_ in WELL_FORMED]
    assert len(names) >= 75
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(("name", "text", "kwargs", "expected"), WELL_FORMED, ids=[w[0] for w in WELL_FORMED])
def test_odd_but_valid_tables_are_read(name, text, kwargs, expected):
    source = io.StringIO(text) if isinstance(text, str) else io.BytesIO(text)
    table = read_table(source, **kwargs)
    pd.testing.assert_frame_equal(table.frame, expected)
    assert isinstance(table.frame.index, pd.RangeIndex)
    assert len(table.lines) == len(table.frame)
    assert tuple(table.frame.columns) == table.columns.names
