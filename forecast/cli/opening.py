"""Open a saved model and the table it is to read; both are checked before Keras is started."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from forecast.cli.options import COLUMN_ROLES, READING, given, joined
from forecast.errors import InputError, NotAModelFile, TableError

if TYPE_CHECKING:
    from forecast.estimators.contract import Contract
    from forecast.modelfile import ModelFile


def open_model(path: str, table: str | None = None) -> ModelFile:
    """Read and check a model file of a forecaster.

    Args:
        path: The file.
        table: The other file of the command, for a hint if the two were swapped.

    Raises:
        ModelFileError: Missing, foreign, damaged or newer; four different messages.
    """
    file = model_file(path, table)
    kind = file.description.get("kind")
    if kind == "baseline":
        raise NotAModelFile(f"{path} holds a baseline, not a forecaster; use it by forecast.load in Python.")
    if kind in ("classifier", "labeler"):
        raise NotAModelFile(
            f"{path} holds a {kind}, not a forecaster; `forecast classify {path} TABLE` uses it."
        )
    if kind == "detector":
        raise NotAModelFile(
            f"{path} holds a detector, not a forecaster; `forecast detect {path} TABLE` uses it."
        )
    if kind != "forecaster":
        raise file.damaged("its kind is unknown")
    return file


def model_file(path: str, table: str | None = None) -> ModelFile:
    """Read and check a model file of any kind, with a hint if it was swapped with the table."""
    from forecast.modelfile import ModelFile

    try:
        return ModelFile(path)
    except NotAModelFile as error:
        if table is not None and table.endswith(".forecast"):
            raise NotAModelFile(
                f"{path} is not a model of this program; the MODEL comes first, then the TABLE."
            ) from error
        raise


def open_detector(path: str, table: str) -> ModelFile:
    """Read and check the file of a detector.

    Raises:
        ModelFileError: Missing, foreign, damaged or newer, or it holds something else.
    """
    if is_model(table):
        raise InputError(f"{table} is a model where a table is expected.")
    file = model_file(path)
    if file.description.get("kind") != "detector":
        raise NotAModelFile(f"{path} holds no detector; `forecast detect TABLE` learns one.")
    return file


def load_model(path: str) -> Any:
    """Start Keras and load what a model file holds."""
    from forecast.cli.session import start_keras

    start_keras()
    from forecast.estimators.saving import load

    return load(path)


def is_model(path: str) -> bool:
    """Tell a model from a table by its name."""
    return path.endswith(".forecast")


def table_name(table: str) -> str:
    """Return the name of a table without folder and endings."""
    name = "stdin" if table == "-" else Path(table).name
    while Path(name).suffix.lower() in (".csv", ".tsv", ".txt", ".gz", ".parquet", ".pq"):
        name = Path(name).stem
    return name


def check_is_table(table: str) -> None:
    """Refuse a model in the place of a table.

    Raises:
        InputError: It says what to do with the model.
    """
    if table.endswith(".forecast"):
        raise InputError(f"{table} is a model where a table is expected; `forecast predict {table}` uses it.")


def read_training(table: str, options: dict[str, Any], ignore: tuple[str, ...] = ()) -> Any:
    """Read a table to train on, without the columns to ignore, and leave in ``options`` what the estimator takes."""
    from forecast.data.table import read_table

    for name in ("target", "known_future", "past_only", "static"):
        options[name] = joined(options[name])
    roles = {name: options[name] for name in COLUMN_ROLES}
    reading = {name: options.pop(name) if name in _READER_ONLY else options[name] for name in READING}
    return read_table(table, ignore=ignore, **roles, **reading)


# Arguments of the reader that the estimator does not have: they belong to one file, not to its columns.
_READER_ONLY = ("layout", "delimiter", "decimal", "encoding", "header", "lenient")


def read_rows(
    file: ModelFile,
    table: str,
    ctx: click.Context,
    *,
    future_only: bool = False,
    content: bytes | None = None,
) -> Any:
    """Read a table with the columns of a model, so that its mistakes are told with their lines, and at once.

    Args:
        file: The model.
        table: Path, or ``-`` for stdin.
        ctx: Of the command, for the reading options that were given.
        future_only: Whether the targets and past-only columns may be absent, all of them: rows to come.
        content: What to read in place of the table.

    Returns:
        A DataFrame of the columns with a role.

    Raises:
        InputError: The table is not one this model can read.
    """
    from forecast.data.table import read_table

    contract = contract_of(file)
    columns = contract.columns
    if table.endswith(".forecast"):
        raise InputError(f"{table} is a model where a table is expected.")
    source = table
    if table == "-" or content is not None:
        source = _Stdin(sys.stdin.buffer.read() if content is None else content)
        source.name = "standard input" if table == "-" else table
    reading = dict(contract.reading) | given(ctx, {name: ctx.params.get(name) for name in READING})
    roles: dict[str, Any] = {"time": columns.time or "none"}
    if reading.get("layout") != "wide":
        roles |= {role: getattr(columns, role) or "none" for role in COLUMN_ROLES[1:]}
    try:
        found = read_table(source, **roles, **reading)
    except TableError:
        held = set(_names(source, reading))
        if was_wide(columns) and not held & {columns.id, *columns.target}:
            wide: dict[str, Any] = reading | {"layout": "wide"}
            found = read_table(_again(source), time=roles["time"], **wide)
        elif future_only and columns.known_future and not held & {*columns.target, *columns.past_only}:
            absent = {"target": "none", "past_only": "none"}
            found = read_table(_again(source), **(roles | absent), **reading)
        else:
            raise
    contract.panel(found)
    missing = [name for name in columns.target + columns.past_only if name not in found.frame.columns]
    return found.frame.assign(**dict.fromkeys(missing, float("nan")))


def was_wide(columns: Any) -> bool:
    """Whether training read a wide table, whose columns became rows under these names."""
    from forecast.data.assembly import WIDE_ID, WIDE_VALUE

    return columns.id == WIDE_ID and columns.target == (WIDE_VALUE,)


def contract_of(file: ModelFile) -> Contract:
    """Return what a model expects of a table, from its description.

    Raises:
        DamagedModelFile: The description makes no sense.
    """
    from forecast.data.columns import Columns
    from forecast.data.step import Step
    from forecast.estimators.contract import Contract

    try:
        described = file.description["contract"]
        names: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in described["columns"].items()
        }
        reading = tuple((str(name), value) for name, value in described["reading"])
        contract = Contract(Columns(**names), Step(**described["step"]), reading, bool(described["snapped"]))
        hash(contract)  # lists inside would break what builds on it
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise file.damaged("its description makes no sense") from error
    return contract


class _Stdin(io.BytesIO):
    """Standard input or a part of a table, which can be read once only, kept for reading again."""

    name: str


def _again(source: Any) -> Any:
    if isinstance(source, _Stdin):
        source.seek(0)
    return source


def _names(source: Any, reading: dict[str, Any]) -> tuple[str, ...]:
    """Return the column names of a table that could not be read as asked."""
    from forecast.data.table import column_names

    keys = ("delimiter", "decimal", "encoding", "header", "lenient")
    names = column_names(_again(source), **{key: reading[key] for key in keys if key in reading})
    _again(source)
    return names


def write_rows(rows: Any, out: str) -> None:
    """Write a table to a file, and say so, or as CSV to stdout."""
    from forecast.data.table import write_table

    if out == "-":
        write_table(rows, sys.stdout)
        return
    write_table(rows, Path(out))
    click.echo(f"rows      {out}")
