"""Files that are either the old one or the new one, whole."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from forecast.errors import ForecastError, InputError

TEMPORARY = ".forecast-tmp-"


def write_atomic(path: str | os.PathLike[str], data: bytes) -> None:
    """Write ``data`` so that ``path`` holds either its old content or all of the new.

    The bytes go to a temporary file in the same folder, are flushed to the disk, and take the
    name in one step; a full disk or a killed process leaves the old file as it was.

    Args:
        path: File to create or replace. Its folder must exist.
        data: The whole content.

    Raises:
        InputError: The folder does not exist or may not be written.
        ForecastError: The disk is full or failed.

    Example:
        >>> import tempfile, pathlib
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> write_atomic(folder / "a.txt", b"whole")
        >>> (folder / "a.txt").read_bytes(), len(list(folder.iterdir()))
        (b'whole', 1)
    """
    target = check_writable(path)
    try:
        handle, temporary = tempfile.mkstemp(prefix=f"{TEMPORARY}{os.getpid()}-", dir=target.parent)
    except OSError as error:
        raise InputError(f"{target}: cannot write into this folder ({error.strerror}).") from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, target)
        _sync_folder(target.parent)
    except OSError as error:
        raise ForecastError(f"{target}: writing failed ({error.strerror}); the old file, if any, is kept.") from error
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


def check_writable(path: str | os.PathLike[str]) -> Path:
    """Return ``path`` as a Path, or refuse it when no file can be written there."""
    target = Path(path)
    if target.is_dir():
        raise InputError(f"{target} is a folder; name a file to write.")
    if not target.parent.is_dir():
        raise InputError(f"{target}: the folder {str(target.parent)!r} does not exist; create it first.")
    if not os.access(target.parent, os.W_OK):
        raise InputError(f"{target}: the folder {str(target.parent)!r} may not be written to.")
    return target


def sweep(folder: str | os.PathLike[str]) -> int:
    """Remove temporary files that a killed process of this package left; return how many.

    Files of processes that still run are kept.
    """
    removed = 0
    for stale in Path(folder).glob(f"{TEMPORARY}*"):
        owner = stale.name[len(TEMPORARY) :].split("-")[0]
        if owner.isdigit() and not _alive(int(owner)):
            stale.unlink(missing_ok=True)
            removed += 1
    return removed


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _umask() -> int:
    # The mask can only be read by setting it.
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    # Windows cannot open a folder; there the rename alone has to do.
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
