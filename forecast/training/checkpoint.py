"""Where a fit stands, in one file, so that a fit that was killed goes on as if nothing had happened."""

from __future__ import annotations

import io
import json
import time
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from forecast.archive import ArchiveError, pack, read_members, unpack
from forecast.data.table import Choice
from forecast.errors import ForecastError, ForecastWarning, InputError
from forecast.storage import Lock, write_atomic

FILE, LOCK = "fit.checkpoint", "lock"
# Seconds after which an epoch that is not over is kept, too.
EVERY = 30.0
_CONTENTS, _MOST, _FORMAT = "contents.json", 64 * 2**20, 1


@dataclass
class Standing:
    """Where one training stands.

    Args:
        told: Counters and history, as JSON holds them.
        groups: Arrays of weights, optimiser slots and metrics, by what they are.
        over: Whether it is finished.
    """

    told: dict[str, Any]
    groups: dict[str, list[np.ndarray]]
    over: bool = False


@dataclass(eq=False)
class Checkpoint:
    """The trainings of one fit, in the order in which they begin, kept in one file that is replaced whole.

    A fit is the same steps in the same order whenever it is run, so what lies between its trainings is done again; a
    training that is over is not, and one that is not goes on at the batch at which it was kept.

    Args:
        folder: Where the file lies; it is made if it is missing. One fit at a time may use it.
        identity: What tells this fit from others, by name, as JSON holds it.
        resume: Whether to go on with what the folder holds; otherwise it is begun anew.

    Raises:
        InputError: Another fit uses the folder, or what it holds is damaged or belongs to another fit.
    """

    folder: Path
    identity: Mapping[str, Any]
    resume: bool = True
    resumed: bool = field(default=False, init=False)
    _number: int = field(default=0, init=False)
    _kept: dict[int, Standing] = field(default_factory=dict, init=False)
    _packed: dict[int, bytes] = field(default_factory=dict, init=False)
    _saved: float = field(default=0.0, init=False)
    _stopped: bool = field(default=False, init=False)

    def __enter__(self) -> Checkpoint:
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError(f"checkpoint: {self.folder} is a file; name a folder.")
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = Lock(self.folder / LOCK)
        if not self._lock.acquire():
            raise InputError(
                f"checkpoint: another fit is using {self.folder}; wait for its end or name another folder."
            )
        try:
            if self.resume and self.path.exists():
                self._kept = _read(self.path, self.identity)
                self.resumed = bool(self._kept)
        except BaseException:
            self._lock.release()
            raise
        self._saved = time.monotonic()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None and not self._stopped:
            self.path.unlink(missing_ok=True)
        self._lock.release()
        if not any(self.folder.iterdir()):
            self.folder.rmdir()

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / FILE

    @property
    def told(self) -> Choice:
        """Say where a fit goes on."""
        over = sum(one.over for one in self._kept.values())
        going = [one.told["epoch"] + 1 for one in self._kept.values() if not one.over]
        said = [f"{over} training{'s are' if over != 1 else ' is'} over"] if over else []
        said += [f"one goes on in epoch {going[-1]}"] if going else []
        return Choice("checkpoint", ", ".join(said), "", f"kept in {self.folder}")

    @property
    def due(self) -> bool:
        """Whether what was kept last is old."""
        return time.monotonic() - self._saved > EVERY

    def training(self) -> tuple[int, Standing | None]:
        """Return the number of the training that begins, and where it stood when it was kept; None if it was not."""
        self._number += 1
        return self._number - 1, self._kept.get(self._number - 1)

    def keep(self, number: int, standing: Standing, *, last: bool = False) -> None:
        """Replace the file by one that knows where a training stands.

        Where that fails the old file stays, and the fit goes on.

        Args:
            number: Of the training.
            standing: Where it stands.
            last: The fit was asked to stop, so that nothing it does from here on is kept.
        """
        if self._stopped:
            return
        self._stopped = last
        self._kept[number] = standing
        for place, one in self._kept.items():
            if place == number or place not in self._packed:
                self._packed[place] = _packed(one)
        contents = {"format": _FORMAT, "identity": dict(self.identity), "trainings": {}}
        contents["trainings"] = {
            str(k): {"told": v.told, "over": v.over, "layout": _layout(v)} for k, v in self._kept.items()
        }
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr(_CONTENTS, json.dumps(contents))
            for place, content in self._packed.items():
                archive.writestr(f"{place}.npz", content)
        try:
            write_atomic(self.path, file.getvalue())
        except (ForecastError, InputError) as error:
            warnings.warn(f"The checkpoint is older than the fit: {error}", ForecastWarning, stacklevel=2)
        self._saved = time.monotonic()


def _packed(standing: Standing) -> bytes:
    """Lay arrays of one type end to end: there may be more of them than an archive has members."""
    by_type: dict[str, list[np.ndarray]] = {}
    for group in standing.groups.values():
        for array in group:
            by_type.setdefault(array.dtype.name, []).append(array.ravel())
    return pack({name: np.concatenate(arrays) for name, arrays in by_type.items()}, compress=False)


def _layout(standing: Standing) -> dict[str, list[Any]]:
    """Return type and shape of each array."""
    return {
        name: [[array.dtype.name, list(array.shape)] for array in group]
        for name, group in standing.groups.items()
    }


def _unpacked(content: bytes, layout: Mapping[str, Sequence[Any]]) -> dict[str, list[np.ndarray]]:
    """Undo ``_packed``."""
    flat, at = unpack(content), dict[str, int]()
    groups: dict[str, list[np.ndarray]] = {}
    for name, arrays in layout.items():
        groups[name] = []
        for kind, shape in arrays:
            begin, size = at.get(kind, 0), int(np.prod(shape, dtype=np.int64))
            at[kind] = begin + size
            groups[name].append(flat[kind][begin : begin + size].reshape(shape))
    return groups


def _read(path: Path, identity: Mapping[str, Any]) -> dict[int, Standing]:
    """Read a file of the same fit.

    Raises:
        InputError: It is damaged, or of another fit.
    """
    try:
        with path.open("rb") as file:
            contents = json.loads(read_members(file, {_CONTENTS: _MOST})[_CONTENTS])
            if contents["format"] != _FORMAT:
                raise ArchiveError("it has a format of another version")
            _compare(path, contents["identity"], identity)
            names = {f"{int(number)}.npz": None for number in contents["trainings"]}
            members = read_members(file, names)
        return {
            int(number): Standing(
                one["told"], _unpacked(members[f"{number}.npz"], one["layout"]), bool(one["over"])
            )
            for number, one in contents["trainings"].items()
        }
    except InputError:
        raise
    except Exception as error:  # whatever altered bytes cause
        why = f"; {error}" if isinstance(error, ArchiveError) else ""
        raise InputError(f"checkpoint: {path} is damaged{why}. Remove it to begin anew.") from error


def _compare(path: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    # What was read from JSON has lists for tuples.
    now = json.loads(json.dumps(dict(now)))
    other = [
        f"{name} was {_short(before.get(name))}, is {_short(now.get(name))}"
        for name in dict.fromkeys([*before, *now])
        if before.get(name) != now.get(name)
    ]
    if other:
        several = f", and {len(other) - 3} more" if len(other) > 3 else ""
        raise InputError(
            f"checkpoint: {path} is of another fit: {'; '.join(other[:3])}{several}. "
            "Give the same, or remove it to begin anew."
        )


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def values_of(variables: Sequence[Any]) -> list[np.ndarray]:
    """Return the numbers of variables of Keras."""
    import keras

    return [keras.ops.convert_to_numpy(variable.value) for variable in variables]


def assign(variables: Sequence[Any], values: Sequence[np.ndarray]) -> None:
    """Give variables of Keras their numbers back.

    Raises:
        InputError: They are others than those that were kept.
    """
    shapes = [tuple(variable.shape) for variable in variables]
    if shapes != [value.shape for value in values]:
        raise InputError("checkpoint: it holds other networks than this fit trains. Remove it to begin anew.")
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
