"""What an archive declares is checked before anything of that size is allocated."""

from __future__ import annotations

import io
import tracemalloc
import zipfile

import numpy as np
import pytest

from forecast import archive
from forecast.archive import ArchiveError, check_hdf5, pack, read_members, unpack

h5py = pytest.importorskip("h5py")


def zipped(members, compression=zipfile.ZIP_STORED) -> io.BytesIO:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as archive:
        for name, member in members:
            archive.writestr(name, member)
    return content


def peak(function, *arguments) -> tuple[object, int]:
    """The error a call ends in, and the most memory it took."""
    tracemalloc.start()
    try:
        function(*arguments)
        return None, tracemalloc.get_traced_memory()[1]
    except ArchiveError as error:
        return error, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "bool", "uint8"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3, 4)])
def test_arrays_return_as_they_were(dtype, shape):
    array = (np.arange(np.prod(shape, dtype=int)).reshape(shape) % 2).astype(dtype)
    found = unpack(pack({"one": array, "an other": np.array(array, order="F")}))
    for name in ("one", "an other"):
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)
        assert found[name].shape == shape


def test_numpy_reads_what_is_packed():
    with np.load(io.BytesIO(pack({"a": np.arange(4)})), allow_pickle=False) as found:
        assert found["a"].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "array", [np.array([None]), np.array(["text"]), np.array(["2024"], "M8[Y]"), np.array([1j])]
)
def test_only_numbers_are_packed(array):
    with pytest.raises(ValueError, match="Array 'a' holds"):
        pack({"a": array})


@pytest.fixture
def small(monkeypatch):
    """What is always allowed, lowered, so that a test need not take as much memory as a bomb."""
    monkeypatch.setattr(archive, "ALWAYS_ALLOWED", 2**20)
    return 2**20


def test_large_equal_arrays_are_stored_so_that_they_can_be_read(small):
    packed = pack({"zeros": np.zeros(2 * small // 8)})
    assert len(packed) > 2 * small
    assert unpack(packed)["zeros"].shape == (2 * small // 8,)
    assert len(pack({"zeros": np.zeros(small // 16)})) < 10_000


def test_a_bomb_of_zeros_is_refused_unread(small):
    npy = io.BytesIO()
    np.lib.format.write_array(npy, np.zeros(16 * small // 8))
    bomb = zipped([("a.npy", npy.getvalue())], zipfile.ZIP_DEFLATED).getvalue()
    del npy
    error, memory = peak(unpack, bomb)
    assert str(error) == "declares more than it can hold"
    assert memory < small


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }", "not what its header says"),
        (
            "{'descr': '<f8', 'fortran_order': False, 'shape': (-1, -2), }",
            "cannot be read|not what its header says",
        ),
        ("{'descr': '|O', 'fortran_order': False, 'shape': (2,), }", "not what its header says"),
        ("{'descr': '<U1000000', 'fortran_order': False, 'shape': (2,), }", "not what its header says"),
        ("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (2,), }", "not what its header says"),
        ("__import__('os').system('false')", "cannot be read"),
        ("{" * 3000, "cannot be read"),
    ],
)
def test_headers_that_lie(header, said):
    text = header.encode().ljust(117) + b"\n"
    npy = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(16)
    error, memory = peak(unpack, zipped([("a.npy", npy)]).getvalue())
    assert error is not None
    assert memory < 2**22
    with pytest.raises(ArchiveError, match=said):
        unpack(zipped([("a.npy", npy)]).getvalue())


def test_a_pickle_is_never_loaded(tmp_path):
    content = io.BytesIO()
    np.savez(content, a=np.array([Evil(tmp_path / "made")], dtype=object), allow_pickle=True)
    with pytest.raises(ArchiveError):
        unpack(content.getvalue())
    assert not (tmp_path / "made").exists()


class Evil:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_twice():
    twice = zipped([("a", b"1"), ("a", b"2")])
    with pytest.raises(ArchiveError, match="holds a member twice"):
        read_members(twice, {"a": 10})
    npy = io.BytesIO()
    np.save(npy, np.zeros(1))
    with pytest.raises(ArchiveError, match="holds an array twice"):
        unpack(zipped([("a.npy", npy.getvalue())] * 2).getvalue())


def test_other_names_and_sizes():
    content = zipped([("a", b"123"), ("b", b"")])
    assert read_members(content, {"a": 3}, exactly=[frozenset({"a", "b"})]) == {"a": b"123"}
    with pytest.raises(ArchiveError, match="other members"):
        read_members(content, {"a": 3}, exactly=[frozenset({"a"})])
    with pytest.raises(ArchiveError, match="a is too large"):
        read_members(content, {"a": 2})
    packed = zipped([("a", b"1" * 1000)], zipfile.ZIP_DEFLATED)
    assert read_members(packed, {"a": 1000}) == {"a": b"1" * 1000}
    with pytest.raises(ArchiveError, match="a is compressed"):
        read_members(packed, {"a": None})


def test_a_compressed_member_that_lies_about_its_size_is_not_unpacked():
    content = bytearray(zipped([("a", bytes(2**26))], zipfile.ZIP_DEFLATED).getvalue())
    for place in (content.find(b"PK\x03\x04") + 22, content.find(b"PK\x01\x02") + 24):
        content[place : place + 4] = (100).to_bytes(4, "little")
    error, memory = peak(read_members, io.BytesIO(bytes(content)), {"a": 1000})
    assert error is not None
    assert memory < 2**24


def test_a_long_directory_is_not_read():
    content = zipped([(f"{i}", b"") for i in range(20_000)])
    error, memory = peak(read_members, content, {"0": 10})
    assert str(error) == "it holds too many members"
    assert memory < 2**20


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\x05\x06", bytes(100), b"PK\x05\x06" + bytes(18)])
def test_what_is_no_archive(content):
    with pytest.raises(ArchiveError):
        read_members(io.BytesIO(content), {"a": 1}, exactly=[frozenset({"a"})])
    if content[-22:-18] != b"PK\x05\x06":
        with pytest.raises(ArchiveError):
            unpack(content)


def hdf5(fill) -> bytes:
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        fill(file)
    return content.getvalue()


def shape_bomb(file):
    file.create_dataset("a", shape=(2**40,), dtype="f4", chunks=(1024,), compression="gzip")


def cycle(file):
    group = file.create_group("a")
    group["b"] = group


def soft_link(file):
    file["a"] = h5py.SoftLink("/b")


def external_link(file):
    file["a"] = h5py.ExternalLink("/etc/passwd", "/")


def external_storage(file):
    file.create_dataset("a", shape=(10,), dtype="u1", external=[("/etc/passwd", 0, 10)])


def virtual(file):
    layout = h5py.VirtualLayout(shape=(10,), dtype="f4")
    layout[:] = h5py.VirtualSource("other.h5", "a", shape=(10,))
    file.create_virtual_dataset("a", layout)


def text(file):
    file["a"] = "text"


def named_type(file):
    file["a"] = np.dtype("f4")


@pytest.mark.parametrize(
    ("fill", "said"),
    [
        (shape_bomb, "declares more than its network has"),
        (cycle, "declares more than its network has"),
        (soft_link, "links to another place"),
        (external_link, "links to another place"),
        (external_storage, "links to another place"),
        (virtual, "links to another place"),
        (text, "holds other things than numbers"),
        (named_type, "holds other things than numbers"),
    ],
)
def test_weights_that_ask_for_too_much_or_point_elsewhere(fill, said):
    with pytest.raises(ArchiveError, match=said):
        check_hdf5(hdf5(fill), 10_000)


def test_honest_weights():
    def fill(file):
        file["layers/dense/vars/0"] = np.zeros((10, 100), "f4")
        file["layers/dense/vars/1"] = np.zeros(100, "f4")

    check_hdf5(hdf5(fill), 4_400)
    with pytest.raises(ArchiveError, match="declares more"):
        check_hdf5(hdf5(fill), 4_399)
    with pytest.raises(ArchiveError, match="cannot be read"):
        check_hdf5(b"nonsense", 10)
