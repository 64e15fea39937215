"""The one-file model: a ``.keras`` zip with two more members, read without running anything in it.

A model file is data; code comes only from the installed package. ``config.json`` (which plain Keras
reads) is never parsed here: the network is built from ``forecast.json`` by name, and only its numbers
are loaded from the file, after their SHA-256 agreed.

    metadata.json, config.json, model.weights.h5    written by Keras; plain Keras can open the file
    forecast.json                                   format, versions, shapes, options, contract, record
    forecast.npz                                    history, scales and calibration; no pickled objects
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from forecast.errors import (
    DamagedModelFile,
    InputError,
    ModelFileError,
    ModelFileMissing,
    NewerModelFile,
    NotAModelFile,
)
from forecast.storage import check_writable, write_atomic

FORMAT = 1
DESCRIPTION, NUMBERS, WEIGHTS = "forecast.json", "forecast.npz", "model.weights.h5"
OWN = {DESCRIPTION, NUMBERS}
NETWORK = {"metadata.json", "config.json", WEIGHTS}
LARGEST_DESCRIPTION = 256 * 2**20


def write_model(path: str | os.PathLike[str], model: Any, description: dict[str, Any], numbers: dict[str, np.ndarray]) -> None:
    """Write a model, its description and its numbers to one file, atomically.

    Args:
        path: File to create or replace.
        model: A built ``keras.Model``, whose optimiser is left out; None for methods without one.
        description: Anything JSON can hold.
        numbers: Arrays by name, no objects.
    """
    check_writable(path)
    content = io.BytesIO() if model is None else _keras_zip(model)
    packed = io.BytesIO()
    np.savez_compressed(packed, allow_pickle=False, **numbers)
    with zipfile.ZipFile(content, "a") as archive:
        sums = {NUMBERS: _sha(packed.getvalue())}
        if model is not None:
            sums[WEIGHTS] = _sha(archive.read(WEIGHTS))
        described = description | {"format": FORMAT, "sha256": sums}
        archive.writestr(DESCRIPTION, json.dumps(described, indent=1), zipfile.ZIP_DEFLATED)
        archive.writestr(NUMBERS, packed.getvalue())
    write_atomic(path, content.getvalue())


class ModelFile:
    """A model file opened for reading; every member is checked before it is used.

    Args:
        path: The file.

    Raises:
        ModelFileMissing: There is no such file.
        NotAModelFile: It is something else.
        DamagedModelFile: It was truncated or altered.
        NewerModelFile: It was written by a newer version.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = Path(path)
        self._content = _read(self.path)
        self.description = self._describe()

    def numbers(self) -> dict[str, np.ndarray]:
        """Return the arrays."""
        try:
            with np.load(io.BytesIO(self._member(NUMBERS)), allow_pickle=False) as packed:
                return {name: packed[name] for name in packed.files}
        except (ValueError, OSError, EOFError, zipfile.BadZipFile, KeyError) as error:
            raise self._damaged() from error

    def load_weights(self, model: Any) -> None:
        """Fill a built model with the file's weights; the model's shapes decide, not the file's."""
        weights = self._member(WEIGHTS)
        with tempfile.TemporaryDirectory() as folder:
            plain = Path(folder) / WEIGHTS
            plain.write_bytes(weights)
            try:
                model.load_weights(plain)
            except Exception as error:
                raise self._damaged("its weights do not fit the network it describes") from error

    def _describe(self) -> dict[str, Any]:
        try:
            with zipfile.ZipFile(io.BytesIO(self._content)) as archive:
                names = [info.filename for info in archive.infolist()]
                if DESCRIPTION not in names:
                    raise NotAModelFile(f"{self.path} is not a model of this program: it holds no {DESCRIPTION}.")
                if set(names) not in (OWN, OWN | NETWORK) or len(names) != len(set(names)):
                    raise self._damaged("it holds other members than a model has")
                if archive.getinfo(DESCRIPTION).file_size > LARGEST_DESCRIPTION:
                    raise self._damaged(f"its {DESCRIPTION} is too large")
                description = json.loads(archive.read(DESCRIPTION))
        except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
            if isinstance(error, ModelFileError):
                raise
            raise self._damaged() from error
        if not isinstance(description, dict) or not isinstance(description.get("format"), int):
            raise self._damaged()
        if description["format"] > FORMAT:
            raise NewerModelFile(
                f"{self.path} was written in format {description['format']}, and this version reads up to {FORMAT}; "
                "upgrade keras-forecast."
            )
        return description

    def _member(self, name: str) -> bytes:
        try:
            with zipfile.ZipFile(io.BytesIO(self._content)) as archive:
                content = archive.read(name)
        except (zipfile.BadZipFile, EOFError, ValueError, KeyError, NotImplementedError, RuntimeError) as error:
            raise self._damaged() from error
        except Exception as error:  # zlib.error and the like, from altered bytes
            raise self._damaged() from error
        if _sha(content) != self.description.get("sha256", {}).get(name):
            raise self._damaged(f"{name} is not what was written")
        return content

    def damaged(self, why: str = "a part of it is missing or changed") -> DamagedModelFile:
        """Return the error for a file whose content makes no sense."""
        return self._damaged(why)

    def _damaged(self, why: str = "a part of it is missing or changed") -> DamagedModelFile:
        return DamagedModelFile(f"{self.path} was truncated or altered: {why}. Use another copy, or fit again.")


def _keras_zip(model: Any) -> io.BytesIO:
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "model.keras"
        model.save(plain, include_optimizer=False)
        return io.BytesIO(plain.read_bytes())


def _read(path: Path) -> bytes:
    if path.is_dir():
        raise NotAModelFile(f"{path} is a folder, not a model file.")
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ModelFileMissing(f"{path}: there is no such file.{_near(path)}") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}).") from error
    if not content.startswith(b"PK\x03\x04"):
        raise NotAModelFile(f"{path} is not a model of this program. `forecast fit` writes one.")
    return content


def _near(path: Path) -> str:
    found = sorted(p.name for p in path.parent.glob("*.forecast"))[:5] if path.parent.is_dir() else []
    return f" Models here: {', '.join(found)}." if found else " `forecast fit data.csv` writes one."


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
