"""Files are the old one or the new one, whole."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time

import pytest

from forecast import storage
from forecast.errors import ForecastError, InputError
from forecast.storage import TEMPORARY, check_writable, sweep, write_atomic


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_create_and_replace(tmp_path):
    write_atomic(tmp_path / "a", b"one")
    write_atomic(str(tmp_path / "a"), b"")
    assert (tmp_path / "a").read_bytes() == b""
    assert names_in(tmp_path) == ["a"]


def test_a_relative_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_atomic("a", b"one")
    assert (tmp_path / "a").read_bytes() == b"one"


def test_a_new_file_has_the_mode_of_the_mask_and_an_old_one_keeps_its_own(tmp_path):
    old = os.umask(0o027)
    try:
        write_atomic(tmp_path / "new", b"1")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640
    (tmp_path / "new").chmod(0o600)
    write_atomic(tmp_path / "new", b"2")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o600


def test_a_link_is_followed(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "v3").write_bytes(b"old")
    (tmp_path / "latest").symlink_to("real/v3")
    write_atomic(tmp_path / "latest", b"new")
    assert (tmp_path / "latest").is_symlink()
    assert (tmp_path / "real" / "v3").read_bytes() == b"new"
    assert names_in(tmp_path / "real") == ["v3"]


def test_refusals(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, said in [
        (tmp_path, "is a folder; name a file to write."),
        (tmp_path / "no" / "a", "does not exist; create it first."),
        (tmp_path / "pipe", "is a device or a pipe; name an ordinary file to write."),
        ("/dev/null", "is a device or a pipe"),
    ]:
        with pytest.raises(InputError, match=said):
            write_atomic(path, b"x")
        with pytest.raises(InputError, match=said):
            check_writable(path)
    assert names_in(tmp_path) == ["pipe"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="may not be written to"):
        check_writable(tmp_path / "a")


@pytest.mark.parametrize("step", ["fsync", "replace", "chmod"])
def test_a_failure_keeps_the_old_file_and_leaves_no_other(tmp_path, monkeypatch, step):
    (tmp_path / "a").write_bytes(b"old")

    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage.os, step, fail)
    with pytest.raises(
        ForecastError, match=r"a: writing failed \(No space left on device\); the old file"
    ) as caught:
        write_atomic(tmp_path / "a", b"new")
    assert caught.value.exit_code == 1
    assert (tmp_path / "a").read_bytes() == b"old"
    assert names_in(tmp_path) == ["a"]


def test_an_interruption_leaves_no_temporary_file(tmp_path, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(storage.os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomic(tmp_path / "a", b"new")
    assert names_in(tmp_path) == []


def ended_process() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_what_dead_processes_left_is_swept_by_the_next_write(tmp_path):
    here = storage._host()
    dead, alive = ended_process(), os.getppid()
    kept = {
        f"{TEMPORARY}{here}-{alive}-abc",
        f"{TEMPORARY}{here}-{os.getpid()}-abc",
        f"{TEMPORARY}00000000-{dead}-of-another-computer",
        f"{TEMPORARY}notours",
        "a.forecast",
    }
    stale = {f"{TEMPORARY}{here}-{dead}-abc", f"{TEMPORARY}{here}-{2**70}-abc"}
    for name in kept | stale:
        (tmp_path / name).write_bytes(b"part")
    write_atomic(tmp_path / "b", b"new")
    assert set(names_in(tmp_path)) == kept | {"b"}
    assert sweep(tmp_path) == 0


def test_what_is_a_day_old_is_swept_whoever_left_it(tmp_path):
    path = tmp_path / f"{TEMPORARY}00000000-1-abc"
    path.write_bytes(b"part")
    assert sweep(tmp_path) == 0
    yesterday = time.time() - 25 * 3600
    os.utime(path, (yesterday, yesterday))
    assert sweep(tmp_path) == 1
    assert names_in(tmp_path) == []
