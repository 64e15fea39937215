"""Tables out: CSV for people, escaped; Parquet for programs, as it is."""

from __future__ import annotations

import csv
import gzip
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from forecast.data.escaping import escape
from forecast.data.opening import plain_name
from forecast.errors import ParameterError, TableError

_SUFFIXES = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".parquet", ".pq")


def write_table(frame: pd.DataFrame, path_or_buffer: Any, *, escape: bool = True) -> None:
    """Write a frame as CSV, TSV or Parquet by the suffix of the path; a path is written whole or not at all.

    In CSV and TSV, texts and column names that begin with ``= + - @`` TAB, CR or NUL get a leading ``'``, so
    that a spreadsheet does not run them as formulas (and so do texts with only such marks before these);
    numbers are never touched, and ``read_table`` takes away exactly what was added. Numbers are written with
    all their digits. The index is not written.

    Args:
        frame: The table; it is not changed.
        path_or_buffer: Path, or a file object, which receives CSV.
        escape: Whether CSV is for people. Parquet is never escaped.

    Raises:
        ParameterError: The suffix is unknown.
        TableError: Parquet was asked for and pyarrow is not installed.
        InputError: The folder does not exist or may not be written.

    Example:
        >>> import io
        >>> buffer = io.StringIO()
        >>> write_table(pd.DataFrame({"id": ["=1+1"], "y": [-0.5]}), buffer)
        >>> print(buffer.getvalue(), end="")
        id,y
        '=1+1,-0.5
    """
    if not isinstance(path_or_buffer, str | os.PathLike):
        text = to_csv(frame, escape=escape)
        is_text = isinstance(path_or_buffer, io.TextIOBase)
        path_or_buffer.write(text if is_text else text.encode("utf-8"))
        return
    from forecast.storage import write_atomic

    write_atomic(path_or_buffer, _to_bytes(frame, Path(path_or_buffer), escape))


def to_csv(frame: pd.DataFrame, *, delimiter: str = ",", escape: bool = True) -> str:
    """Return a frame as delimited text.

    Args:
        frame: The table.
        delimiter: Character between cells.
        escape: Whether texts that begin like a formula get a leading ``'``.

    Raises:
        TableError: A text holds a NUL character or a lone surrogate, which no text file can carry.
    """
    table = _escaped(frame) if escape else frame
    # The csv module of older Pythons leaves a lone CR unquoted; then every text is quoted.
    texts = [str(label) for label in table.columns]
    texts += [cell for i in _text_positions(table) for cell in table.iloc[:, i] if isinstance(cell, str)]
    quoting = csv.QUOTE_NONNUMERIC if any("\r" in text for text in texts) else csv.QUOTE_MINIMAL
    if any("\0" in text for text in texts):
        raise TableError(
            "the table: a text holds a NUL character, which a text file cannot carry; remove it."
        )
    return table.to_csv(None, index=False, sep=delimiter, lineterminator="\n", quoting=quoting)


def _to_bytes(frame: pd.DataFrame, path: Path, escape: bool) -> bytes:
    suffix = "".join(path.suffixes[-2:]).lower() if path.suffix.lower() == ".gz" else path.suffix.lower()
    if suffix not in _SUFFIXES:
        raise ParameterError(f"{plain_name(path.name)}: the name must end in one of {', '.join(_SUFFIXES)}.")
    if suffix in (".parquet", ".pq"):
        return _to_parquet(frame, path)
    text = to_csv(frame, delimiter="\t" if suffix.startswith(".tsv") else ",", escape=escape).encode("utf-8")
    return gzip.compress(text, mtime=0) if suffix.endswith(".gz") else text


def _to_parquet(frame: pd.DataFrame, path: Path) -> bytes:
    buffer = io.BytesIO()
    try:
        frame.to_parquet(buffer, index=False)
    except ImportError:
        name = plain_name(path.name)
        raise TableError(
            f"{name}: Parquet files need pyarrow; pip install keras-forecast[parquet]."
        ) from None
    return buffer.getvalue()


def _text_positions(frame: pd.DataFrame) -> list[int]:
    return [i for i, dtype in enumerate(frame.dtypes) if not _is_safe(dtype)]


def _is_safe(dtype: Any) -> bool:
    """Tell whether no cell of the type can be text."""
    return isinstance(dtype, np.dtype | pd.DatetimeTZDtype | pd.PeriodDtype) and dtype.kind != "O"


def _escaped(frame: pd.DataFrame) -> pd.DataFrame:
    columns = [_escape_column(frame.iloc[:, i]) for i in range(frame.shape[1])]
    table = pd.concat(columns, axis=1) if columns else frame.copy()
    table.columns = [escape(label) if isinstance(label, str) else label for label in frame.columns]
    return table


def _escape_column(column: pd.Series) -> pd.Series:
    if _is_safe(column.dtype):
        return column
    cells = [escape(cell) if isinstance(cell, str) else cell for cell in column.astype(object)]
    return pd.Series(cells, index=column.index, dtype=object)
