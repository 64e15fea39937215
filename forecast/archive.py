"""Zip members, arrays and HDF5 weights whose declared sizes are checked before anything is allocated.

All three formats let a small file ask for gigabytes (a zip bomb, a shape in an array's header, a dataset
that was never filled), and let names and links point elsewhere. What is read here is no larger than a file
of its size can honestly be, holds plain numbers, and comes from the file itself.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Collection, Mapping
from typing import BinaryIO

import numpy as np

# Arrays of mostly equal numbers shrink a lot, bombs more: beyond this, arrays are stored as they are.
HONEST_RATIO, ALWAYS_ALLOWED = 300, 64 * 2**20
KINDS = "biuf"
MOST_OBJECTS = 5_000
LARGEST_DIRECTORY = 16_384
_END, _LOCATOR_64 = b"PK\x05\x06", b"PK\x06\x07"


class ArchiveError(Exception):
    """The archive is damaged, or asks for more than it can honestly hold; the message continues "it …"."""


def read_members(
    file: BinaryIO, limits: Mapping[str, int | None], exactly: Collection[frozenset[str]] = ()
) -> dict[str, bytes]:
    """Read members of a zip archive, as far as they are there.

    Args:
        file: The archive, which must end with its directory and begin anywhere.
        limits: Largest size by name; None demands a member that is stored uncompressed, and so is no
            larger than the file.
        exactly: If given, the archive must hold one of these sets of names and nothing else.

    Raises:
        ArchiveError: It is damaged, holds a name twice or other names, or a member is too large.

    Example:
        >>> content = io.BytesIO()
        >>> with zipfile.ZipFile(content, "w") as archive:
        ...     archive.writestr("a", b"abc")
        >>> read_members(content, {"a": 10, "b": 10})
        {'a': b'abc'}
    """
    try:
        _check_directory(file)
        with zipfile.ZipFile(file) as archive:
            members = {member.filename: member for member in archive.infolist()}
            if len(members) != len(archive.infolist()):
                raise ArchiveError("it holds a member twice")
            if exactly and frozenset(members) not in exactly:
                raise ArchiveError("it holds other members than it should")
            return {
                name: _read(archive, members[name], limit)
                for name, limit in limits.items()
                if name in members
            }
    except ArchiveError:
        raise
    except Exception as error:  # altered bytes cause all kinds: zlib.error, struct.error, RuntimeError …
        raise ArchiveError("it is no whole zip archive") from error


def pack(numbers: Mapping[str, np.ndarray], *, compress: bool = True) -> bytes:
    """Write arrays as an ``.npz`` that ``unpack`` and ``numpy.load`` read.

    Raises:
        ValueError: An array holds something other than numbers, or there are too many of them.

    Example:
        >>> unpack(pack({"a": np.arange(3)}))["a"].tolist()
        [0, 1, 2]
    """
    arrays = {name: _npy(name, array) for name, array in numbers.items()}
    content = _zipped(arrays, zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED)
    if sum(map(len, arrays.values())) > _honest(len(content)):
        content = _zipped(arrays, zipfile.ZIP_STORED)
    try:
        _check_directory(io.BytesIO(content))
    except ArchiveError as error:
        raise ValueError(f"{len(arrays)} arrays are more than can be read again.") from error
    return content


def unpack(content: bytes) -> dict[str, np.ndarray]:
    """Read what ``pack`` wrote.

    Raises:
        ArchiveError: It is damaged, declares more than it can honestly hold, or holds no numbers.
    """
    file = io.BytesIO(content)
    try:
        _check_directory(file)
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            if len({member.filename for member in members}) != len(members):
                raise ArchiveError("holds an array twice")
            if sum(member.file_size for member in members) > _honest(len(content)):
                raise ArchiveError("declares more than it can hold")
            return {
                member.filename.removesuffix(".npy"): _array(_read(archive, member, member.file_size))
                for member in members
            }
    except ArchiveError:
        raise
    except Exception as error:
        raise ArchiveError("cannot be read") from error


def check_hdf5(content: bytes, most: int) -> int:
    """Refuse HDF5 content that links elsewhere or whose datasets declare more than ``most`` bytes.

    Returns:
        How many datasets it holds, those of an optimiser and of seeds left out.

    Raises:
        ArchiveError: For that reason, or because it cannot be read.
    """
    import h5py

    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            groups, seen, total, count = [file], 0, 0, 0
            while groups:
                for item in _items(groups.pop()):
                    seen += 1
                    if isinstance(item, h5py.Group):
                        groups.append(item)
                    else:
                        total += _declared(item)
                        count += not (item.name.startswith("/optimizer/") or "/seed_generator/" in item.name)
                    if seen > MOST_OBJECTS or total > most:
                        raise ArchiveError("declares more than its network has")
            return count
    except ArchiveError:
        raise
    except Exception as error:
        raise ArchiveError("cannot be read") from error


def _check_directory(file: BinaryIO) -> None:
    """Refuse a long directory before it is read: an entry of 46 bytes becomes an object of 500."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(size - 42, 0))
    tail = file.read()
    if tail[-22:-18] != _END or tail.startswith(_LOCATOR_64):
        raise ArchiveError("its end is missing")
    if int.from_bytes(tail[-10:-6], "little") > LARGEST_DIRECTORY:
        raise ArchiveError("it holds too many members")


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo, limit: int | None) -> bytes:
    if limit is None and member.compress_type != zipfile.ZIP_STORED:
        raise ArchiveError(f"{member.filename} is compressed")
    if limit is not None and member.file_size > limit:
        raise ArchiveError(f"{member.filename} is too large")
    with archive.open(member) as stream:
        # Never more than declared: without a number the whole stream would be unpacked at once.
        content = stream.read(member.file_size) if member.file_size else b""
    if len(content) != member.file_size:
        raise ArchiveError(f"{member.filename} is cut short")
    return content


def _npy(name: str, array: np.ndarray) -> bytes:
    if array.dtype.kind not in KINDS:
        raise ValueError(f"Array {name!r} holds {array.dtype}, not numbers.")
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _zipped(arrays: Mapping[str, bytes], compression: int) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as archive:
        for name, array in arrays.items():
            archive.writestr(f"{name}.npy", array)
    return content.getvalue()


def _honest(size: int) -> int:
    return ALWAYS_ALLOWED + HONEST_RATIO * size


def _array(content: bytes) -> np.ndarray:
    """Read one array after its header agreed with the number of bytes that follow."""
    file = io.BytesIO(content)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    shape, _, dtype = readers[np.lib.format.read_magic(file)](file)
    count = 1
    for length in shape:
        count *= int(length)
    if (
        dtype.kind not in KINDS
        or min(shape, default=0) < 0
        or count * dtype.itemsize != len(content) - file.tell()
    ):
        raise ArchiveError("holds an array that is not what its header says")
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)


def _items(group):
    import h5py

    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise ArchiveError("links to another place")
        yield group[name]


def _declared(dataset) -> int:
    """Return how many bytes a dataset takes once read; refuse all but plain numbers kept in this file."""
    import h5py

    if not isinstance(dataset, h5py.Dataset) or dataset.shape is None or dataset.dtype.kind not in KINDS:
        raise ArchiveError("holds other things than numbers")
    if dataset.external or dataset.is_virtual:
        raise ArchiveError("links to another place")
    count = 1
    for length in dataset.shape:
        count *= int(length)
    return count * dataset.dtype.itemsize
