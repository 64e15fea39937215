"""Data sets by name: small ones that come with the package, larger ones that are downloaded once.

A downloadable set is looked for in three places, in this order: the folder named by the environment variable
``FORECAST_DATA_DIR``, the user's cache, and its public address. Wherever it is found, its SHA-256 must be the
pinned one.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, replace
from io import BufferedWriter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from forecast.errors import InputError, ParameterError, closest

DATA_DIR_VARIABLE = "FORECAST_DATA_DIR"
LARGEST_DOWNLOAD = 64 * 2**20
_ETT = "https://raw.githubusercontent.com/zhouhaoyi/ETDataset/main/ETT-small/"
_M4 = "https://raw.githubusercontent.com/Mcompetitions/M4-methods/master/Dataset/"
_ETT_LICENCE = "CC BY-ND 4.0"
_M4_LICENCE = "none stated; published by the organisers"
_PUBLIC = "public domain"
_BOX_JENKINS = "none stated; published figures (Box and Jenkins, series G)"


@dataclass(frozen=True)
class Source:
    """One data set: where it is and how to read it.

    Args:
        file: Its place below the folder of data sets.
        rows: Rows of the loaded table; None where nobody has counted them yet.
        step: Distance between two rows of a series, as ``parse_step`` reads it.
        licence: Licence of the data.
        time: Column of times.
        time_format: How times are written; None means integers.
        text: Columns that hold text.
        address: Where to download the file; None means that it comes with the package.
        sha256: Pinned hash of the downloaded file; None means that none is known.
        wide: The file holds one series a row (the layout of the M4 competition).
        after: Name of the set whose series this one continues; None means that times start at 1.
    """

    file: str
    rows: int | None
    step: str
    licence: str
    time: str = "t"
    time_format: str | None = None
    text: tuple[str, ...] = ()
    address: str | None = None
    sha256: str | None = None
    wide: bool = False
    after: str | None = None


def _shipped(file: str, rows: int, step: str, time: str) -> Source:
    return Source(file, rows, step, _PUBLIC, time=time, time_format=None if step == "1" else "%Y-%m-%d")


def _ett(name: str, rows: int, step: str, sha256: str) -> Source:
    return Source(
        f"ett/{name}.csv",
        rows,
        step,
        _ETT_LICENCE,
        time="date",
        time_format="%Y-%m-%d %H:%M:%S",
        address=f"{_ETT}{name}.csv",
        sha256=sha256,
    )


def _m4(part: str, rows: int | None, sha256: str, after: str | None = None) -> Source:
    address = f"{_M4}{'Train' if after is None else 'Test'}/{part}.csv"
    return Source(
        f"m4/{part}.csv", rows, "1", _M4_LICENCE, address=address, sha256=sha256, wide=True, after=after
    )


_ETTH1 = "f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066"
_ETTH2 = "a3dc2c597b9218c7ce1cd55eb77b283fd459a1d09d753063f944967dd6b9218b"
_ETTM1 = "6ce1759b1a18e3328421d5d75fadcb316c449fcd7cec32820c8dafda71986c9e"
_ETTM2 = "db973ca252c6410a30d0469b13d696cf919648d0f3fd588c60f03fdbdbadd1fd"
_HOURLY = "ea59b7783573c49077a835ab6465c7d66f1474783360f310988a9a737fbca62f"
_HOURLY_TEST = "71a57fccb15e534d973626ada4fb87febf789e9317715b7cc6dd3b5f90db6f42"
_WEEKLY = "d478d3f6ed673e6ed3c2cb0fbed5425f72eedd51318ebebeb0b5ecfcefc37714"
_WEEKLY_TEST = "3b2bc4be8e636e802260dcd843ca3c5da40536a1fbe1ecb3229a97dae4f44688"

SOURCES: dict[str, Source] = {
    "air_passengers": replace(_shipped("air_passengers.csv", 144, "MS", "month"), licence=_BOX_JENKINS),
    "sunspots": _shipped("sunspots.csv", 309, "1", "year"),
    "co2": _shipped("co2.csv", 2284, "W", "week"),
    "nile": _shipped("nile.csv", 100, "1", "year"),
    "elnino": _shipped("elnino.csv", 732, "MS", "month"),
    "us_macro": _shipped("us_macro.csv", 203, "QS", "quarter"),
    "shops": replace(
        _shipped("shops.csv", 3192, "D", "date"), licence="Apache-2.0 (invented)", text=("shop", "region")
    ),
    "ETTh1": _ett("ETTh1", 17_420, "h", _ETTH1),
    "ETTh2": _ett("ETTh2", 17_420, "h", _ETTH2),
    "ETTm1": _ett("ETTm1", 69_680, "15min", _ETTM1),
    "ETTm2": _ett("ETTm2", 69_680, "15min", _ETTM2),
    "m4_hourly": _m4("Hourly-train", 353_500, _HOURLY),
    "m4_hourly_test": _m4("Hourly-test", 19_872, _HOURLY_TEST, after="m4_hourly"),
    "m4_weekly": _m4("Weekly-train", None, _WEEKLY),
    "m4_weekly_test": _m4("Weekly-test", 4_667, _WEEKLY_TEST, after="m4_weekly"),
}


def load_dataset(name: str, *, download: bool = True, sha256: str | None = None) -> pd.DataFrame:
    """Return the data set ``name`` as a table.

    Times become timestamps (integers where the file counts years or steps), ids stay text, blank cells become
    NaN. The M4 sets become long tables ``id, t, value``; ``t`` counts 1, 2, … in the training part and goes
    on counting in the test part, so that forecasts and test rows meet under the same ``t``.

    Args:
        name: A name that ``list_datasets`` shows.
        download: Whether a file that is not on this computer may be fetched.
        sha256: Hash to expect of the file in place of the pinned one; None means the pinned one.

    Raises:
        ParameterError: The name is unknown, or ``sha256`` is not 64 hexadecimal digits.
        InputError: The file is not here and cannot be fetched, or its hash is not the expected one.

    Example:
        >>> load_dataset("air_passengers").tail(2)
                 month  passengers
        142 1960-11-01         390
        143 1960-12-01         432
    """
    source = _source(name)
    path = dataset_path(name, download=download, sha256=sha256)
    if source.wide:
        table = _read_wide(path)
        if source.after is not None:
            before: Any = load_dataset(source.after, download=download)["id"].value_counts()
            table["t"] += table["id"].map(before)
        return table
    dates = [source.time] if source.time_format is not None else False
    text: Any = dict.fromkeys(source.text, str)
    return pd.read_csv(path, dtype=text, parse_dates=dates, date_format=source.time_format)


def dataset_path(name: str, *, download: bool = True, sha256: str | None = None) -> Path:
    """Return the file of the data set ``name``, fetching it first if need be.

    Args:
        name: A name that ``list_datasets`` shows.
        download: Whether a file that is not on this computer may be fetched.
        sha256: Hash to expect of the file in place of the pinned one; None means the pinned one.

    Raises:
        ParameterError: The name is unknown, or ``sha256`` is not 64 hexadecimal digits.
        InputError: The file is not here and cannot be fetched, or its hash is not the expected one.

    Example:
        >>> dataset_path("nile").name
        'nile.csv'
    """
    source = _source(name)
    if source.address is None:
        return _shipped_path(source)
    digest = source.sha256 if sha256 is None else _check_digest(sha256)
    own = _own_path(source)
    if own is not None:
        return _check_hash(own, name, digest)
    cached = _cache() / source.file
    # Without a pinned hash a cached file proves nothing.
    if cached.is_file() and digest is not None and _hash(cached) == digest:
        return cached
    if not download:
        raise InputError(
            f"Data set {name!r} is not on this computer; allow download=True, or set {DATA_DIR_VARIABLE} "
            f"to a folder that holds {source.file}."
        )
    if digest is None:
        raise InputError(
            f"Data set {name!r} has no pinned SHA-256, so {source.address} is not downloaded; pass sha256=, "
            f"or set {DATA_DIR_VARIABLE} to a folder that holds {source.file}."
        )
    return _download(name, source, digest)


def list_datasets() -> pd.DataFrame:
    """Return one row for each data set: ``name, rows, step, licence, where``.

    ``where`` is the file if it is on this computer and the address if not. Nothing is fetched or checked.

    Example:
        >>> table = list_datasets().set_index("name")
        >>> int(table.loc["co2", "rows"]), table.loc["co2", "step"], table.loc["co2", "licence"]
        (2284, 'W', 'public domain')
    """
    rows = [(name, s.rows, s.step, s.licence, _where(s)) for name, s in SOURCES.items()]
    table = pd.DataFrame(rows, columns=["name", "rows", "step", "licence", "where"])
    return table.astype({"rows": "Int64"})


def _source(name: str) -> Source:
    if name not in SOURCES:
        raise ParameterError(
            f"Data set {name!r} is unknown.{closest(name, list(SOURCES))} See list_datasets()."
        )
    return SOURCES[name]


def _where(source: Source) -> str:
    if source.address is None:
        return str(_shipped_path(source))
    candidates = (_own_path(source), _cache() / source.file)
    return next((str(path) for path in candidates if path is not None and path.is_file()), source.address)


def _shipped_path(source: Source) -> Path:
    package = Path(__file__).resolve().parents[1]
    # An installed wheel holds the files inside the package; a checkout holds them next to it.
    for folder in (package / "datasets", package.parent / "datasets"):
        if (folder / source.file).is_file():
            return folder / source.file
    raise InputError(f"{package / 'datasets' / source.file} is missing; install keras-forecast anew.")


def _own_path(source: Source) -> Path | None:
    """Return the file below the user's own folder of data sets, or None."""
    folder = os.environ.get(DATA_DIR_VARIABLE, "")
    if folder == "":
        return None
    if not Path(folder).is_dir():
        raise InputError(f"{DATA_DIR_VARIABLE} is {folder!r}, which is not a folder; correct or unset it.")
    path = Path(folder) / source.file
    return path if path.is_file() else None


def _cache() -> Path:
    import pooch

    return Path(pooch.os_cache("keras-forecast"))


def _check_digest(text: str) -> str:
    if re.fullmatch(r"[0-9a-fA-F]{64}", text) is None:
        raise ParameterError(f"sha256 must be 64 hexadecimal digits; got {text!r}.")
    return text.lower()


def _check_hash(path: Path, name: str, digest: str | None) -> Path:
    found = _hash(path)
    if digest is not None and found != digest:
        raise InputError(
            f"{path} is not the published data set {name!r}: its SHA-256 is {found}, expected {digest}. "
            "Remove the file to download it, or pass sha256= to accept it."
        )
    return path


def _hash(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}).") from error


def _download(name: str, source: Source, digest: str) -> Path:
    import pooch

    address, target = str(source.address), _cache() / source.file
    fetch: Any = _fetch  # pooch's own annotation of downloaders names the wrong arguments
    try:
        pooch.retrieve(address, f"sha256:{digest}", target.name, target.parent, downloader=fetch)
    except OSError as error:
        raise InputError(
            f"Data set {name!r}: {address} could not be downloaded ({_reason(error)}); fetch it by hand and "
            f"set {DATA_DIR_VARIABLE} to a folder that holds it as {source.file}."
        ) from error
    except ValueError as error:
        raise InputError(
            f"Data set {name!r}: what {address} holds is not the published file of SHA-256 {digest}; nothing "
            "was kept. If the publisher has changed it on purpose, pass its new hash as sha256=."
        ) from error
    return target


def _fetch(address: str, target: str, pooch_object: Any) -> None:
    """Download ``address`` to ``target``, giving up beyond the largest size a data set may have."""
    import pooch

    with open(target, "wb") as file:
        pooch.HTTPDownloader(chunk_size=2**16, timeout=30)(address, _Capped(file), pooch_object)


class _Capped:
    """A file that refuses to grow beyond ``LARGEST_DOWNLOAD``."""

    def __init__(self, file: BufferedWriter) -> None:
        self._file = file

    def write(self, chunk: bytes) -> None:
        if self._file.tell() + len(chunk) > LARGEST_DOWNLOAD:
            raise OSError(f"more than {LARGEST_DOWNLOAD // 2**20} MiB")
        self._file.write(chunk)

    def flush(self) -> None:
        self._file.flush()


def _reason(error: OSError) -> str:
    # The texts of connection errors run over several nested exceptions; their type says enough.
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is not None:
        return f"HTTP status {status}"
    if type(error).__module__.startswith("requests"):
        return f"no connection: {type(error).__name__}"
    return error.strerror or str(error)


def _read_wide(path: Path) -> pd.DataFrame:
    """Turn one series a row, ragged to the right, into the long table ``id, t, value``."""
    wide = pd.read_csv(path, index_col=0)
    values = wide.to_numpy(dtype=np.float64)
    row, column = np.nonzero(~np.isnan(values))
    ids = wide.index.astype(str).to_numpy()
    return pd.DataFrame({"id": ids[row], "t": column + 1, "value": values[row, column]})
