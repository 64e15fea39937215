"""The door: a file or any frame comes in, a checked table goes out, and every refusal says where."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from forecast.data.assembly import DUPLICATES, build, id_column, melt, notices, series_codes
from forecast.data.columns import Columns
from forecast.data.dates import Times, read_times, show_time
from forecast.data.frames import read_frame, read_parquet
from forecast.data.guess import codes_of, guess_id, guess_time
from forecast.data.numbers import show
from forecast.data.opening import is_openable, read_source
from forecast.data.roles import Asked, ask, assign_roles
from forecast.data.sheet import Choice, Sheet
from forecast.data.text import Format, read_text
from forecast.data.writing import write_table
from forecast.data.zones import check_timezone, to_zone
from forecast.errors import ParameterError, TableError, closest

__all__ = ["Choice", "Table", "column_names", "read_table", "write_table"]

_LAYOUTS = ("auto", "long", "wide")
Names = str | Iterable[str]


@dataclass(frozen=True)
class Table:
    """A checked table.

    Args:
        frame: The columns with a role under their own names, sorted by id and time, with a RangeIndex.
            Times are datetime64[ns] (with or without a zone) or int64 steps, ids text (int64 where a frame
            had integers), targets and covariates float64 with NaN for missing, static columns float64 or
            text.
        columns: Which column plays which part.
        choices: Everything that was guessed.
        source: File name, or ``"the table"``.
        lines: 1-based line in the file of each row of ``frame``; None when the table was no text file.
    """

    frame: pd.DataFrame
    columns: Columns
    choices: tuple[Choice, ...]
    source: str
    lines: np.ndarray | None = None


def read_table(
    source: Any,
    *,
    time: str | None = None,
    id: str | None = None,
    target: Names = (),
    known_future: Names = (),
    past_only: Names = (),
    static: Names = (),
    ignore: Names = (),
    layout: str = "auto",
    delimiter: str | None = None,
    decimal: str | None = None,
    encoding: str | None = None,
    date_format: str | None = None,
    header: bool = True,
    timezone: str | None = None,
    duplicates: str = "error",
    lenient: bool = False,
    nrows_limit: int | None = None,
) -> Table:
    """Read a table of time series, guess what was not said, and refuse what cannot be right.

    Roles that are not given are guessed, and each guess is recorded in ``choices``: the time column by its
    cells, the id column when times repeat, static columns when constant in every series, the target
    by name or for being the only column of numbers (several without a usual name are all targets), covariates
    filled in after the last target as known in the future, and the other numbers as known up to now.
    With a given ``target``, columns of numbers that were not named are ignored.

    Cells of numeric columns that are empty or, in any case, ``NA``, ``N/A``, ``NaN``, ``null``, ``None``,
    ``-``, ``?`` or ``.`` are missing; ids are always text, so ``007`` and ``NA`` stay what they are. Nothing
    is filled in, and nothing but blank lines is dropped.

    Args:
        source: Path of a CSV or TSV file (also gzipped) or Parquet file, ``"-"`` for standard input, a file
            object, a DataFrame, a Series, a dict of columns, or a frame that narwhals understands.
        time: Time column; None guesses, ``"none"`` says rows are in order and one step apart.
        id: Column that tells series apart; None guesses, ``"none"`` says there is one series.
        target: Columns to forecast; none named: guessed. ``"none"``: the table has no target.
        known_future: Numbers known ahead of time; ``"none"`` switches guessing off, as for the next two.
        past_only: Numbers known only up to now.
        static: Columns constant within a series.
        ignore: Columns that play no part, so that none is guessed.
        layout: ``"wide"`` for one column a series, which gives columns ``series`` and ``value``; otherwise
            ``"long"``, also meant by ``"auto"``.
        delimiter: Character between cells; None finds out.
        decimal: Decimal mark, ``"."`` or ``","``; None finds out.
        encoding: Text encoding; None is UTF-8 or what a byte-order mark says.
        date_format: ``strptime`` format of the time column, or ``"integer"``, ``"s"``, ``"ms"``, ``"us"``,
            ``"ns"``, ``"year"``, ``"excel"``, ``"yyyymm"``, ``"yyyymmdd"`` to say what numbers mean; None
            finds out.
        header: Whether the first row holds column names; without, they are ``column_1``, ``column_2`` …
        timezone: Zone of clock times without an offset, and of the result; None leaves clock times as they
            are.
        duplicates: Rows of one series and time: ``"error"``, or keep the ``"first"`` or ``"last"`` in file
            order, or the ``"mean"`` or ``"sum"`` of the observed values (``"sum"`` adds targets and averages
            covariates).
        lenient: Fill short rows of a text file with missing cells instead of refusing them.
        nrows_limit: Refuse a table with more rows; None does not.

    Returns:
        The table. Neither it nor the source can be changed through the other.

    Raises:
        TableError: The table cannot be read or its cells do not fit their roles.
        ParameterError: An argument is out of range or contradicts another.

    Example:
        >>> import io
        >>> text = "day,shop,sales\\n2024-01-02,A,5\\n2024-01-01,A,4\\n2024-01-01,B,7\\n"
        >>> table = read_table(io.StringIO(text))
        >>> table.columns.time, table.columns.id, table.columns.target
        ('day', 'shop', ('sales',))
        >>> table.frame["sales"].tolist(), table.lines.tolist()
        ([4.0, 5.0, 7.0], [3, 2, 4])
    """
    _check_word("layout", layout, _LAYOUTS)
    _check_word("duplicates", duplicates, DUPLICATES)
    zone = check_timezone(timezone)
    asked = Asked(ask(time), ask(id), ask(target), ask(known_future), ask(past_only), ask(static))
    form = Format(delimiter, decimal, encoding, bool(header), bool(lenient))
    sheet = _without(open_sheet(source, form, asked, nrows_limit), ask(ignore) or ())
    asked.check(sheet)
    sheet, asked, times = settle_time(sheet, asked, date_format)
    if layout == "wide":
        sheet, asked, times = melt(sheet, asked, times)
    sheet, asked = settle_id(sheet, asked, times, zone, duplicates)
    ids = id_column(sheet, asked.id[0]) if asked.id else None
    series = series_codes(ids, len(sheet))
    moments = None if times is None else to_zone(sheet, asked.time_name, times, zone, series)
    order = np.arange(len(sheet)) if moments is None else moments.values.astype(np.int64)
    columns, choices = assign_roles(sheet, asked, series, order)
    frame, lines = build(sheet, columns, moments, ids, series, duplicates=duplicates)
    choices = sheet.choices + choices + notices(sheet, columns.numeric)
    return Table(frame, columns, choices, sheet.source, lines)


def column_names(source: Any, **form: Any) -> tuple[str, ...]:
    """Return a table's column names, without deciding what they mean.

    Args:
        source: Anything ``read_table`` reads.
        form: ``delimiter, decimal, encoding, header, lenient`` as in ``read_table``.

    Raises:
        TableError: The table cannot be read at all.

    Example:
        >>> column_names({"day": ["2024-01-01"], "sales": [1.0]})
        ('day', 'sales')
    """
    return tuple(open_sheet(source, Format(**form), Asked(), None).names)


def _without(sheet: Sheet, names: tuple[str, ...]) -> Sheet:
    gone = {sheet.check_name(name, "ignore") for name in names}
    return replace(
        sheet, columns={name: column for name, column in sheet.columns.items() if name not in gone}
    )


def _check_word(flag: str, word: str, known: tuple[str, ...]) -> None:
    if word not in known:
        raise ParameterError(
            f"--{flag} must be one of {', '.join(known)}, not {show(word)}.{closest(str(word), known)}"
        )


def open_sheet(source: Any, form: Format, asked: Asked, limit: int | None = None) -> Sheet:
    """Return the raw table behind a path, a file object or a frame."""
    if limit is not None and limit < 1:
        raise ParameterError(f"nrows_limit must be 1 or more, not {limit}.")
    if not is_openable(source):
        sheet = read_frame(source)
    else:
        name, data = read_source(source)
        if data.startswith(b"PAR1") or Path(name).suffix.lower() in (".parquet", ".pq"):
            sheet = read_parquet(name, data)
        else:
            keep = frozenset((asked.time or ()) + (asked.id or ()) + (asked.static or ()))
            sheet = read_text(name, data, form, keep)
    if form.decimal is not None:
        sheet = replace(sheet, decimal=form.decimal)
    if len(sheet) == 0:
        raise TableError(f"{sheet.source}: the table has no rows.")
    if limit is not None and len(sheet) > limit:
        raise TableError(f"{sheet.source}: {len(sheet):,} rows; at most {limit:,} are allowed here.")
    return sheet


def settle_time(sheet: Sheet, asked: Asked, date_format: str | None) -> tuple[Sheet, Asked, Times | None]:
    """Read the time column, guessing which it is if nobody said."""
    guessed = asked.time is None
    name, why = guess_time(sheet, asked.named) if asked.time is None else (asked.time_name or None, "")
    if name is None:
        choice = Choice("time column", "none; rows are one step apart", "--time", why)
        return (sheet.with_choices(choice) if guessed else sheet), replace(asked, time=()), None
    times = read_times(sheet, name, date_format)
    choices = []
    if guessed:
        low, high = times.values.min(), times.values.max()
        span = f"{show_time(low)} to {show_time(high)}"
        choices.append(Choice("time column", f"{name!r} ({span})", "--time", why))
    if times.note:
        choices.append(Choice("times", times.note, "--date-format", times.why))
    return sheet.with_choices(*choices), replace(asked, time=(name,)), times


def settle_id(
    sheet: Sheet, asked: Asked, times: Times | None, zone: ZoneInfo | None, duplicates: str
) -> tuple[Sheet, Asked]:
    """Guess the id column if nobody said which it is."""
    if asked.id is not None:
        return sheet, asked

    def keys(codes: np.ndarray) -> np.ndarray:
        """Return the time of each row as int64; in a repeated hour it depends on the series."""
        assert times is not None  # without times the id is guessed from its own values
        return to_zone(sheet, asked.time_name, times, zone, codes).values.astype(np.int64)

    name, why = guess_id(sheet, asked.named, times, keys, merge=duplicates != "error")
    if name is None:
        return sheet, replace(asked, id=())
    count = int(codes_of(sheet, name).max()) + 1
    choice = Choice("id column", f"{name!r} ({count:,} series)", "--id", why)
    return sheet.with_choices(choice), replace(asked, id=(name,))
