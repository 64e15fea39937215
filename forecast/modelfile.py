"""The one-file model: a ``.keras`` zip with two more members, read without running anything in it.

A model file is data; code comes only from the installed package. ``config.json`` (which plain Keras
reads) is never made objects of here: the network is built from ``forecast.json`` by name, and only its numbers
are loaded from the file, after their SHA-256 agreed. The NumPy runner looks up functions of its own by the
names in it.

    metadata.json, config.json, model.weights.h5    written by Keras; plain Keras can open the file
    forecast.json                                   format, versions, shapes, options, contract, record
    forecast.npz                                    history, scales and calibration; no pickled objects

What a file declares (members, sizes, shapes) is checked before anything of that size is read or
allocated, so that a small file cannot ask for much memory.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from forecast.archive import ArchiveError, check_hdf5, pack, read_members, unpack
from forecast.errors import (
    DamagedModelFile,
    ForecastError,
    InputError,
    ModelFileError,
    ModelFileMissing,
    NewerModelFile,
    NotAModelFile,
    closest,
)
from forecast.storage import check_writable, write_atomic

FORMAT = 1
DESCRIPTION, NUMBERS, WEIGHTS = "forecast.json", "forecast.npz", "model.weights.h5"
GRAPH = "config.json"
CONSTANT = "constant "
OWN = {DESCRIPTION, NUMBERS}
NETWORK = {"metadata.json", GRAPH, WEIGHTS}
LARGEST_DESCRIPTION = 32 * 2**20
# Real descriptions hold long lists but few of them; millions of tiny ones would fill the memory.
MOST_BRACKETS = 200_000
_MISFIT = "its weights do not fit the network it describes"


def write_model(
    path: str | os.PathLike[str], model: Any, description: dict[str, Any], numbers: dict[str, np.ndarray]
) -> None:
    """Write a model, its description and its numbers to one file, atomically.

    Args:
        path: File to create or replace.
        model: A built ``keras.Model``, whose optimiser is left out; None for methods without one.
        description: Anything JSON can hold.
        numbers: Arrays by name, no objects.

    Raises:
        InputError: The folder does not exist or may not be written, or the description is too large.
        ForecastError: The disk is full or failed; an old file is kept.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "means.forecast"
        >>> write_model(path, None, {"kind": "demo"}, {"means": np.arange(3.0)})
        >>> file = ModelFile(path)
        >>> file.description["kind"], file.numbers()["means"].tolist()
        ('demo', [0.0, 1.0, 2.0])
    """
    check_writable(path)
    packed = pack(numbers)
    members = {} if model is None else _keras_members(model)
    sums = {NUMBERS: _sha(packed)} | {
        name: _sha(members[name]) for name in members if name in (GRAPH, WEIGHTS)
    }
    described = json.dumps(description | {"format": FORMAT, "sha256": sums}, separators=(",", ":"))
    if len(described) > LARGEST_DESCRIPTION:
        raise InputError(
            f"{path}: the ids and static columns take {len(described):,} bytes as text, and a model "
            f"file holds {LARGEST_DESCRIPTION:,}. Shorten the ids, or leave static columns out."
        )
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, member in members.items():
            archive.writestr(name, member)
        archive.writestr(DESCRIPTION, described, zipfile.ZIP_DEFLATED)
        archive.writestr(NUMBERS, packed)
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
        with _opened(self.path) as file:
            self.description = self._describe(file)
            self._members = self._checked(file)

    @property
    def fingerprint(self) -> str:
        """Digest of what the file holds, which tells it from any other."""
        return _sha(json.dumps(self.description["sha256"], sort_keys=True).encode())

    def numbers(self) -> dict[str, np.ndarray]:
        """Return the arrays."""
        try:
            return unpack(self._members[NUMBERS])
        except ArchiveError as error:
            raise self.damaged(f"{NUMBERS} {error}") from error

    def check_room(self, least: int) -> None:
        """Refuse a network of at least ``least`` numbers if the file cannot hold its weights.

        To be asked before the network is built, so that a small file cannot ask for a large one.
        """
        if 2 * least > len(self._members.get(WEIGHTS, b"")):  # no weight takes less than two bytes
            raise self.damaged("it describes a larger network than it holds")

    def load_weights(self, model: Any) -> None:
        """Fill a built model with the file's weights; the model's shapes decide, not the file's."""
        if WEIGHTS not in self._members:
            raise self.damaged("it holds no weights")
        # The optimiser of a network that could not be copied is stored too: at most a few times its size.
        size = 8 * sum(8 * int(np.prod(v.shape)) for v in model.variables) + 2**20
        try:
            count = check_hdf5(self._members[WEIGHTS], size)
        except ArchiveError as error:
            raise self.damaged(f"{WEIGHTS} {error}") from error
        with _folder() as folder:
            plain = folder / WEIGHTS
            plain.write_bytes(self._members[WEIGHTS])
            # A compiled model would ask for its optimiser's state too, which is not in the file.
            target = model if getattr(model, "optimizer", None) is None else _uncompiled(model)
            try:
                with warnings.catch_warnings():
                    # Keras only warns of layers that it finds no weights for, and leaves them as they are.
                    warnings.simplefilter("error", UserWarning)
                    target.load_weights(plain)
            except Exception as error:
                raise self.damaged(_MISFIT) from error
            # It says nothing about weights that it has no use for: they are another network's.
            if count > len(target.weights):
                raise self.damaged(_MISFIT)
            if target is not model:
                model.set_weights(target.get_weights())

    @contextmanager
    def graph(self) -> Iterator[tuple[dict[str, Any], Any]]:
        """Lend the network as Keras describes it, and the open group of its weights.

        Raises:
            InputError: The file was written before descriptions were summed, or by a network of one's own classes.
            DamagedModelFile: Either is not what was written.
        """
        import h5py

        with _opened(self.path) as file:
            content = read_members(file, {GRAPH: None}).get(GRAPH)
        known = self.description["sha256"].get(GRAPH)
        if content is None or known is None:
            raise InputError(
                f"{self.path} holds no description of its network that can be checked; load it and save it again."
            )
        if known != _sha(content):
            raise self.damaged(f"{GRAPH} is not what was written")
        weights = self._members[WEIGHTS]
        try:
            check_hdf5(weights, len(weights))
        except ArchiveError as error:
            raise self.damaged(f"{WEIGHTS} {error}") from error
        with h5py.File(io.BytesIO(weights), "r") as group:
            yield json.loads(content), group

    def damaged(self, why: str = "a part of it is missing or changed") -> DamagedModelFile:
        """Return the error for a file whose content makes no sense."""
        return DamagedModelFile(
            f"{self.path} was truncated or altered: {why}. Use another copy, or fit again."
        )

    def _describe(self, file: BinaryIO) -> dict[str, Any]:
        """Read the description; its format comes first, as a newer one may hold other members."""
        try:
            content = read_members(file, {DESCRIPTION: LARGEST_DESCRIPTION}).get(DESCRIPTION)
            if content is None:
                raise NotAModelFile(f"{self.path} is not a model of this program: it holds no {DESCRIPTION}.")
            if content.count(b"{") + content.count(b"[") > MOST_BRACKETS:
                raise self.damaged(f"its {DESCRIPTION} is too large")
            description = json.loads(content)
        except ModelFileError:
            raise
        except ArchiveError as error:
            raise self.damaged(str(error)) from error
        except (ValueError, RecursionError) as error:
            raise self.damaged(f"its {DESCRIPTION} is no JSON") from error
        number = description.get("format") if isinstance(description, dict) else None
        if type(number) is not int or number < 1:
            raise self.damaged(f"its {DESCRIPTION} names no format")
        if number > FORMAT:
            raise NewerModelFile(
                f"{self.path} was written in format {number}, and this version reads up to {FORMAT}; "
                "upgrade keras-forecast."
            )
        return description

    def _checked(self, file: BinaryIO) -> dict[str, bytes]:
        """Read the members that are used, and compare their sums with what was written."""
        try:
            sizes: dict[str, int | None] = {NUMBERS: None, WEIGHTS: None}
            kinds = (set(), {WEIGHTS}, NETWORK)
            members = read_members(file, sizes, exactly=[frozenset(OWN | kind) for kind in kinds])
        except ArchiveError as error:
            raise self.damaged(str(error)) from error
        sums = self.description.get("sha256")
        for name, content in members.items():
            if not isinstance(sums, dict) or sums.get(name) != _sha(content):
                raise self.damaged(f"{name} is not what was written")
        return members


def _keras_members(model: Any) -> dict[str, bytes]:
    """Return what Keras writes for a model, without its optimiser where the model can be copied."""
    plain = _uncompiled(model)
    with _folder() as folder:
        try:
            plain.save(folder / "model.keras")
        except (NotImplementedError, TypeError, ValueError):  # a class that cannot describe itself
            plain.save_weights(folder / WEIGHTS)
            return {WEIGHTS: (folder / WEIGHTS).read_bytes()}
        with zipfile.ZipFile(folder / "model.keras") as archive:
            return {name: archive.read(name) for name in archive.namelist()}


def _uncompiled(model: Any) -> Any:
    """Return a copy without an optimiser, or the model itself where it cannot be copied."""
    try:
        plain = type(model).from_config(_never_compiled(model.get_config()))
        plain.set_weights(model.get_weights())
    except Exception:  # a network of the user's own classes, which raise what they like
        return model
    return plain


def _never_compiled(config: Any) -> Any:
    """Return a configuration whose inner models, such as members of an ensemble, say nothing of their training."""
    if isinstance(config, dict):
        return {name: _never_compiled(part) for name, part in config.items() if name != "compile_config"}
    return [_never_compiled(part) for part in config] if isinstance(config, list) else config


@contextmanager
def _folder() -> Iterator[Path]:
    """Lend a temporary folder, as Keras reads and writes paths only."""
    try:
        with tempfile.TemporaryDirectory(prefix="forecast-") as folder:
            yield Path(folder)
    except OSError as error:
        where, reason = tempfile.gettempdir(), error.strerror or type(error).__name__
        raise ForecastError(f"The folder for temporary files, {where}, cannot be used ({reason}).") from error


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    if path.is_dir():
        raise NotAModelFile(f"{path} is a folder, not a model file.")
    try:
        with path.open("rb") as file:
            if file.read(4) != b"PK\x03\x04":
                raise NotAModelFile(f"{path} is not a model of this program{_advice(path)}")
            yield file
    except FileNotFoundError:
        raise ModelFileMissing(f"{path}: there is no such file.{_near(path)}") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}).") from error


def _advice(path: Path) -> str:
    if path.suffix.lower() in (".csv", ".tsv", ".txt", ".gz", ".parquet"):
        return f" but a table; `forecast fit {path}` makes a model of it."
    return "; `forecast fit data.csv` writes one."


def _near(path: Path) -> str:
    found = sorted(p.name for p in path.parent.glob("*.forecast"))[:5] if path.parent.is_dir() else []
    hint = closest(path.name, found)
    if hint or found:
        return hint or f" Models here: {', '.join(found)}."
    return " `forecast fit data.csv` writes one."


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def network_words(architecture: Mapping[str, Any], spec: Mapping[str, Any]) -> str:
    """Say in words what a network is made of, from what a file tells of it.

    Example:
        >>> spec = {"anchor": "mean", "transform": "log", "context": 336, "head": "quantiles"}
        >>> network_words({"name": "segment", "options": {"units": 64}}, spec)
        'segment (units 64), anchor mean of log values, context 336'
    """
    if architecture["name"] == "own":
        return "your own"
    if "members" in architecture["options"]:
        each = [
            network_words({"name": one["model"], "options": one.get("options", {})}, {**spec, **one["spec"]})
            for one in architecture["options"]["members"]
        ]
        return f"mean of {len(each)}: " + "; ".join(each)
    told = ", ".join(f"{name} {value}" for name, value in architecture["options"].items())
    values = "" if spec["transform"] == "none" else f" of {spec['transform']} values"
    values += " and training spread" if spec.get("scale_by") else ""
    head = "" if spec["head"] == "quantiles" else f", {spec['head'].replace('_', ' ')} distribution"
    options = f" ({told})" if told else ""
    return (
        f"{architecture['name']}{options}, anchor {spec['anchor']}{values}, context {spec['context']}{head}"
    )
