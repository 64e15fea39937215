"""Files that are either the old one or the new one, whole."""

from __future__ import annotations

import hashlib
import os
import platform
import secrets
import time
from contextlib import suppress
from pathlib import Path

from forecast.errors import ForecastError, InputError

TEMPORARY = ".forecast-tmp-"
# A temporary file this old was left behind, whatever process its name tells of.
STALE_SECONDS = 24 * 3600.0


def write_atomic(path: str | os.PathLike[str], data: bytes) -> None:
    """Write ``data`` so that ``path`` holds either its old content or all of the new.

    The bytes go to a temporary file in the same folder, are flushed to the disk, and take the
    name in one step; a full disk or a killed process leaves the old file as it was. Temporary files
    of killed processes are swept from the folder first. A link is followed, and the mode of an old file
    is kept.

    Args:
        path: File to create or replace. Its folder must exist.
        data: The whole content.

    Raises:
        InputError: The folder does not exist or may not be written, or ``path`` is no ordinary file.
        ForecastError: The disk is full or failed.

    Example:
        >>> import tempfile, pathlib
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> write_atomic(folder / "a.txt", b"whole")
        >>> (folder / "a.txt").read_bytes(), len(list(folder.iterdir()))
        (b'whole', 1)
    """
    target = Path(os.path.realpath(check_writable(path)))
    sweep(target.parent)
    temporary = target.parent / f"{TEMPORARY}{_host()}-{os.getpid()}-{secrets.token_hex(6)}"
    try:
        _write_through(temporary, data)
        if target.exists():
            os.chmod(temporary, target.stat().st_mode & 0o777)
        os.replace(temporary, target)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ForecastError(f"{path}: writing failed ({reason}); the old file, if any, is kept.") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    _sync_folder(target.parent)


def check_writable(path: str | os.PathLike[str]) -> Path:
    """Return ``path`` as a Path, or refuse it when no file can be written there.

    Raises:
        InputError: It is a folder, a device or a pipe, or its folder is missing or may not be written to.
    """
    target = Path(path)
    folder = Path(os.path.realpath(target)).parent
    if target.is_dir():
        raise InputError(f"{target} is a folder; name a file to write.")
    if target.exists() and not target.is_file():
        raise InputError(f"{target} is a device or a pipe; name an ordinary file to write.")
    if not folder.is_dir():
        raise InputError(f"{target}: the folder {str(target.parent)!r} does not exist; create it first.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"{target}: the folder {str(target.parent)!r} may not be written to.")
    return target


def sweep(folder: str | os.PathLike[str]) -> int:
    """Remove temporary files that a killed process of this package left; return how many.

    Files of processes that still run, and of other computers that share the folder, are kept for a day.
    """
    removed = 0
    for stale in Path(folder).glob(f"{TEMPORARY}*-*-*"):
        with suppress(OSError):  # another process may sweep the same file
            if _abandoned(stale):
                stale.unlink()
                removed += 1
    return removed


def _abandoned(temporary: Path) -> bool:
    host, owner = temporary.name[len(TEMPORARY) :].split("-")[:2]
    if host == _host() and owner.isdigit() and not _alive(int(owner)):
        return True
    return time.time() - temporary.stat().st_mtime > STALE_SECONDS


def _alive(pid: int) -> bool:
    if os.name != "posix":  # asking by signal 0 would end the process on Windows
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


def _host() -> str:
    """Name this computer in a few letters that any file system takes."""
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]


def _write_through(path: Path, data: bytes) -> None:
    """Create a file with the mode the user's mask gives, and have its bytes on the disk."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    # Windows cannot open a folder, and some file systems cannot flush one; there the rename alone has to do.
    if os.name != "posix":
        return
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class Lock:
    """A file that at most one process holds at a time; the system lets go of it when its process ends.

    Args:
        path: The file, made when it is taken and removed when it is let go of. Its folder must exist.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "lock"
        >>> first, second = Lock(path), Lock(path)
        >>> first.acquire(), second.acquire()
        (True, False)
        >>> first.release()
        >>> second.acquire()
        True
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = Path(path)
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Take it, or return False at once where another holds it.

        Raises:
            InputError: The folder may not be written to.
        """
        while True:
            try:
                descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
            except OSError as error:
                raise InputError(f"{self.path}: cannot be opened ({error.strerror}).") from error
            if not _locked(descriptor):
                os.close(descriptor)
                return False
            # Whoever held it may have removed the file in between: then this is a lock on nothing.
            with suppress(OSError):
                if os.path.samestat(os.fstat(descriptor), os.stat(self.path)):
                    self._descriptor = descriptor
                    return True
            os.close(descriptor)

    def release(self) -> None:
        """Let go of it."""
        if self._descriptor is None:
            return
        with suppress(OSError):  # Windows does not remove a file that is open
            self.path.unlink()
        os.close(self._descriptor)
        self._descriptor = None


def _locked(descriptor: int) -> bool:
    """Try to lock an open file."""
    try:
        if os.name == "posix":
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    except OSError:
        return False
    return True
