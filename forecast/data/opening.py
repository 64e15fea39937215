"""A path, a pipe or a file object to bytes; bytes to UTF-8."""

from __future__ import annotations

import codecs
import gzip
import io
import os
import re
import sys
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

from forecast.data.numbers import show
from forecast.errors import TableError, closest

MOST_BYTES = 4 << 30  # a text file beyond this does not fit into memory as a table
_MARKS = (  # the longer mark first: the UTF-16 mark is the beginning of the UTF-32 one
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_OTHER_FILES = (
    (b"PK\x03\x04", "a workbook or another zip archive; save the sheet as CSV"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook; save the sheet as CSV"),
    (b"\x89HDF", "an HDF5 file; save the table as CSV or Parquet"),
    (b"SQLite format 3\0", "an SQLite data base; export the table as CSV"),
    (b"BZh", "compressed with bzip2; unpack it, or use gzip"),
    (b"\xfd7zXZ", "compressed with xz; unpack it, or use gzip"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstandard; unpack it, or use gzip"),
    (b"%PDF", "a PDF document; export the table as CSV"),
)


def is_openable(source: Any) -> bool:
    """Tell whether ``source`` is a path or a file object rather than a table in memory."""
    return isinstance(source, str | os.PathLike) or callable(getattr(source, "read", None))


def read_source(source: Any) -> tuple[str, bytes]:
    """Return the name for messages and the bytes behind a path, ``"-"`` or a file object.

    Gzip is recognised by its first bytes and unpacked.

    Raises:
        TableError: The file is missing, unreadable, too large, or of a kind that is not read.
    """
    name, data = _from_path(source) if isinstance(source, str | os.PathLike) else _from_file(source)
    if data.startswith(b"\x1f\x8b"):
        data = _unpack(name, data)
    if len(data) > MOST_BYTES:
        raise TableError(
            f"{name}: the table is larger than {MOST_BYTES >> 30} GiB; split it or use fewer columns."
        )
    for mark, kind in _OTHER_FILES:
        if data.startswith(mark):
            raise TableError(f"{name}: this is {kind}.")
    return name, data


def to_utf8(name: str, data: bytes, encoding: str | None) -> bytes:
    """Return the text of a file as UTF-8 without a byte-order mark.

    Args:
        name: What messages call the file.
        data: The bytes of the file.
        encoding: Name of the encoding; None means the one a byte-order mark tells, else UTF-8.

    Raises:
        TableError: The bytes are not text in that encoding, or hold a NUL character.
    """
    asked = "utf-8" if encoding is None else _check_encoding(name, encoding)
    # A mark at the start outweighs the argument: no text begins with those bytes by chance.
    mark, known = next(((m, e) for m, e in _MARKS if data.startswith(m)), (b"", asked))
    body = data[len(mark) :]
    try:
        text = body.decode(known)
        if known != "utf-8":
            body = text.encode("utf-8")
    except UnicodeError as error:
        raise TableError(_undecodable(name, body, known, error)) from None
    if "\0" in text:
        line = 1 + text[: text.index("\0")].count("\n")
        raise TableError(
            f"{name}, line {line}: a NUL character; the file is damaged, not text, or in another encoding "
            "(pass --encoding utf-16)."
        )
    return body


def _check_encoding(name: str, encoding: str) -> str:
    try:
        with suppress(UnicodeError):  # one byte need not be a character; an empty text would not be decoded
            b"a".decode(encoding)
        return codecs.lookup(encoding).name.replace("utf-8-sig", "utf-8")
    except (LookupError, ValueError, TypeError):
        known = ("utf-8", "latin-1", "cp1252", "utf-16", "cp1250", "cp1251", "gb18030", "shift_jis")
        raise TableError(
            f"{name}: there is no text encoding {show(encoding)}.{closest(str(encoding), known)} "
            "Pass --encoding utf-8, latin-1, cp1252 or another."
        ) from None


def _undecodable(name: str, data: bytes, encoding: str, error: UnicodeError) -> str:
    if not isinstance(error, UnicodeDecodeError):
        return f"{name}: the file is not text in the encoding {encoding}; pass another one by --encoding."
    before = data[: error.start]
    line = 1 + before.count(b"\n")
    with suppress(UnicodeError):  # a line end may be more than one byte, or a byte of another character
        line = 1 + before.decode(encoding).count("\n")
    what = f"{name}, line {line}: byte 0x{data[error.start]:02x} is not {encoding.upper()} text"
    if encoding == "utf-8":
        return f"{what}; save the file as UTF-8, or pass --encoding latin-1 (or cp1252)."
    return f"{what}; pass another --encoding."


def _from_path(source: str | os.PathLike[str]) -> tuple[str, bytes]:
    text = os.fspath(source)
    if text == "-":
        return "standard input", sys.stdin.buffer.read(MOST_BYTES + 1)
    if re.match(r"[a-z][a-z0-9+]*://", str(text)):
        raise TableError(f"{show(text)} is an address; download the file first and pass its path.")
    if "\n" in text or "\0" in text:
        raise TableError(f"{show(text)} is not a path; wrap the text of a table in io.StringIO.")
    path = Path(text).expanduser() if text.startswith("~") else Path(text)
    name = plain_name(path.name or text)
    try:
        with path.open("rb") as file:
            return name, file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise TableError(f"{plain_name(text)}: there is no such file.{_nearest(path)}") from None
    except IsADirectoryError:
        raise TableError(f"{plain_name(text)} is a folder; name a file.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise TableError(f"{plain_name(text)} cannot be opened: {reason}.") from None


def _nearest(path: Path) -> str:
    try:
        return closest(path.name, [other.name for other in path.parent.iterdir() if other.is_file()])
    except OSError:
        return f" There is no folder {show(path.parent)} either." if not path.parent.is_dir() else ""


def _from_file(file: Any) -> tuple[str, bytes]:
    label = getattr(file, "name", None)
    name = plain_name(Path(label).name) if isinstance(label, str) and label else "the table"
    try:
        data = file.read()
    except UnicodeDecodeError:
        raise TableError(
            f"{name}: the file is not text in the encoding it was opened with; open it as bytes."
        ) from None
    except (OSError, ValueError) as error:
        raise TableError(f"{name}: reading failed ({show(error, 80)}).") from None
    if isinstance(data, str):
        try:
            return name, data.encode("utf-8")
        except UnicodeEncodeError as error:
            line = 1 + data[: error.start].count("\n")
            raise TableError(f"{name}, line {line}: a lone surrogate, which is not a character.") from None
    if not isinstance(data, bytes | bytearray | memoryview):
        raise TableError(f"{name}: reading gave {type(data).__name__} where text or bytes were expected.")
    return name, bytes(data)


def plain_name(text: str | os.PathLike[str]) -> str:
    """Return a file name fit for a one-line message."""
    name = str(text)
    return name if name.isprintable() else show(name, 200)


def _unpack(name: str, data: bytes) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            return file.read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error):
        raise TableError(f"{name}: the gzip file is truncated or damaged.") from None
