"""Tables in memory to a raw sheet: pandas, dicts, Parquet, and whatever narwhals understands."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from forecast.data.numbers import show
from forecast.data.sheet import Column, Sheet
from forecast.errors import TableError

FRAME = "the table"


def read_frame(source: Any, name: str = FRAME) -> Sheet:
    """Return a raw sheet of a frame in memory; nothing is shared with the caller's memory.

    A ``DatetimeIndex``, ``PeriodIndex`` or named index counts as a column, and so does every level of a
    ``MultiIndex``; an unnamed one of dates is called ``"time"``. Text, categories and mixed objects become
    text, missing ones the empty text.

    Args:
        source: A DataFrame, a Series, a mapping of columns, or a frame narwhals understands.
        name: What messages call it.

    Raises:
        TableError: It is none of these, has no rows, or two columns of one name.

    Example:
        >>> read_frame({"t": [1, 2], "y": [0.5, None]}).names
        ('t', 'y')
    """
    frame = _to_pandas(source, name)
    if isinstance(frame.columns, pd.MultiIndex):
        raise TableError(f"{name}: columns have {frame.columns.nlevels} levels of names; one is needed.")
    levels = _index_columns(frame.index)
    labels = [str(label) for label in frame.columns]
    twice = next((label for label, count in Counter([*labels, *levels]).items() if count > 1), None)
    if twice is not None:
        where = (
            "is both a column and a level of the index" if twice in levels else "is the name of two columns"
        )
        raise TableError(f"{name}: {show(twice)} {where}; rename one.")
    columns: dict[str, Column] = dict(levels)
    columns.update({label: _column(frame.iloc[:, i], name) for i, label in enumerate(labels)})
    return Sheet(name, columns)


def read_parquet(name: str, data: bytes) -> Sheet:
    """Return a raw sheet of the bytes of a Parquet file.

    Raises:
        TableError: pyarrow is not installed, or the file is damaged.
    """
    try:
        frame = pd.read_parquet(io.BytesIO(data))
    except ImportError:
        raise TableError(
            f"{name}: Parquet files need pyarrow; pip install keras-forecast[parquet]."
        ) from None
    except Exception as error:  # pyarrow raises many kinds for damaged files
        raise TableError(
            f"{name}: the Parquet file is damaged or of an unknown kind ({show(error, 80)})."
        ) from None
    return read_frame(frame, name)


def _to_pandas(source: Any, name: str) -> pd.DataFrame:
    if isinstance(source, pd.DataFrame):
        return source
    if isinstance(source, pd.Series):
        return source.to_frame("value" if source.name is None else source.name)
    if isinstance(source, Mapping):
        try:
            return pd.DataFrame(dict(source))
        except (ValueError, TypeError) as error:
            raise TableError(f"{name}: the columns do not make a table ({show(error, 80)}).") from None
    try:
        import narwhals as nw
    except ImportError:
        raise TableError(
            f"{name}: a {type(source).__name__} is not a path, a DataFrame or a dict of columns; for other "
            "frames pip install narwhals."
        ) from None
    return _by_narwhals(nw, source, name)


def _by_narwhals(nw: Any, source: Any, name: str) -> pd.DataFrame:
    try:
        frame = nw.from_native(source, allow_series=True)
        if isinstance(frame, nw.Series):
            frame = frame.to_frame()
        frame = frame.collect() if isinstance(frame, nw.LazyFrame) else frame
    except TypeError:
        raise TableError(
            f"{name}: a {type(source).__name__} is no table; pass a path, a DataFrame or a dict of columns."
        ) from None
    try:
        return frame.to_pandas()
    except ImportError:  # polars converts through pyarrow
        return pd.DataFrame(frame.to_dict(as_series=False))


def _index_columns(index: pd.Index) -> dict[str, Column]:
    """Return the levels of an index that count as columns."""
    columns: dict[str, Column] = {}
    many = isinstance(index, pd.MultiIndex)
    for number in range(index.nlevels):
        level = index.get_level_values(number)
        dated = isinstance(level, pd.DatetimeIndex | pd.PeriodIndex)
        if not many and level.name is None and not dated:
            continue
        label = str(level.name) if level.name is not None else "time" if dated else f"level_{number}"
        columns[label] = _column(level.to_series(index=range(len(level))), FRAME)
    return columns


def _column(series: pd.Series, name: str) -> Column:
    """Return one column as a fresh array of numbers, booleans, timestamps or text."""
    kind = series.dtype.kind if hasattr(series.dtype, "kind") else "O"
    if isinstance(series.dtype, pd.PeriodDtype):
        return _periods(series, name)
    if isinstance(series.dtype, pd.CategoricalDtype):
        kind = "O"
    missing = series.isna().to_numpy(dtype=bool)
    if kind == "b" and not missing.any():
        return series.to_numpy(dtype=bool, copy=True)
    if kind in "iu" and not missing.any() and (len(series) == 0 or int(series.max()) < 1 << 63):
        return series.to_numpy(dtype=np.int64, copy=True)
    if kind in "iuf":
        return series.to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
    if kind == "M":
        return pd.DatetimeIndex(series.array).copy()
    cells = series.astype(object).tolist()
    return np.array(
        ["" if gone else _as_text(cell) for gone, cell in zip(missing, cells, strict=True)], dtype=object
    )


def _periods(series: pd.Series, name: str) -> pd.DatetimeIndex:
    try:
        return pd.DatetimeIndex(series.dt.to_timestamp())
    except (ValueError, OverflowError):
        raise TableError(
            f"{name}, column {show(series.name)}: a period lies outside the years 1678 to 2261."
        ) from None


def _as_text(cell: Any) -> str:
    """Return one object as text that reads back: timestamps in ISO form, bytes decoded."""
    if isinstance(cell, str):
        return str(cell)
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "replace")
    if isinstance(cell, pd.Period):
        return cell.start_time.isoformat()
    return str(cell)
