"""Model files that were altered by chance or on purpose: refused, or equal to what was saved; never in between."""

from __future__ import annotations

import contextlib
import copy
import json
import random
import resource
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

import forecast
from forecast.errors import ForecastError, InputError, ModelFileError
from forecast.modelfile import DESCRIPTION, NUMBERS, WEIGHTS, ModelFile

# Far above what a refusal takes: they catch a hang or a bomb and measure nothing.
SECONDS, MEGABYTES = 10.0, 500


@pytest.fixture(scope="module")
def forecaster():
    """A small network over two series with covariates of every kind."""
    import pandas as pd

    t = np.arange(60)
    parts = [
        {"t": t, "id": name, "y": np.sin(t / 3) + 5, "promo": t % 4 // 3, "visits": t % 5, "size": size}
        for name, size in (("a", 1.0), ("b", 2.0))
    ]
    table = pd.concat([pd.DataFrame(part) for part in parts], ignore_index=True)
    model = forecast.Forecaster(
        *(3, 6), time="t", id="id", target="y", known_future=["promo"], past_only=["visits"], static=["size"]
    )
    return model.set_params(model="rnn", preset="fast", units=3, epochs=1, season=1, holdout=6).fit(table)


@pytest.fixture(scope="module")
def saved(forecaster, tmp_path_factory):
    """Its file."""
    path = tmp_path_factory.mktemp("saved") / "m.forecast"
    forecaster.save(path)
    return path


def contents(file: ModelFile) -> tuple:
    """Everything that is used of a file."""
    numbers = {
        name: (array.dtype.str, array.shape, array.tobytes()) for name, array in file.numbers().items()
    }
    return json.dumps(file.description), numbers, file._members[WEIGHTS]


def outcome(path: Path) -> tuple | None:
    """What a file holds, or None where it is refused; anything else is a failure."""
    try:
        return contents(ModelFile(path))
    except ModelFileError as error:
        message = str(error)
        assert "\n" not in message
        assert str(path) in message
        return None


def flipped(content: bytes, bit: int) -> bytes:
    return content[: bit // 8] + bytes([content[bit // 8] ^ (1 << bit % 8)]) + content[bit // 8 + 1 :]


def test_single_flipped_bits(saved, tmp_path):
    content, original, path = saved.read_bytes(), outcome(saved), tmp_path / "m.forecast"
    dice = random.Random(1)
    refused = 0
    for bit in dice.sample(range(8 * len(content)), 300):
        path.write_bytes(flipped(content, bit))
        begin = time.process_time()
        found = outcome(path)
        assert time.process_time() - begin < SECONDS
        assert found in (None, original), f"bit {bit} changed the model and nobody noticed"
        refused += found is None
    assert 100 < refused < 300


@pytest.mark.slow
def test_flipped_bits_in_every_byte_that_is_not_weights_or_numbers(saved, tmp_path):
    content, original, path = saved.read_bytes(), outcome(saved), tmp_path / "m.forecast"
    with zipfile.ZipFile(saved) as archive:
        spans = [
            (member.header_offset + 60, member.header_offset + member.compress_size)
            for member in archive.infolist()
            if member.filename not in (DESCRIPTION,)
        ]
    places = [i for i in range(len(content)) if not any(low <= i < high for low, high in spans)]
    assert len(places) > 1000
    for place in places:
        path.write_bytes(flipped(content, 8 * place + place % 8))
        assert outcome(path) in (None, original)


def test_truncations(saved, tmp_path):
    content, path = saved.read_bytes(), tmp_path / "m.forecast"
    dice = random.Random(2)
    for length in [
        0,
        1,
        3,
        4,
        21,
        22,
        *(len(content) - i for i in range(1, 24)),
        *dice.sample(range(len(content)), 71),
    ]:
        path.write_bytes(content[:length])
        begin = time.process_time()
        assert outcome(path) is None
        assert time.process_time() - begin < SECONDS


@pytest.mark.parametrize("extra", [b"\0", b"PK\x05\x06" + bytes(18), b"trailing text"])
def test_more_at_the_end(saved, tmp_path, extra):
    (tmp_path / "m.forecast").write_bytes(saved.read_bytes() + extra)
    assert outcome(tmp_path / "m.forecast") is None


def described(path: Path) -> dict:
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read(DESCRIPTION))


def with_description(saved: Path, to: Path, description: object) -> Path:
    with zipfile.ZipFile(saved) as old, zipfile.ZipFile(to, "w") as new:
        for name in old.namelist():
            member = json.dumps(description).encode() if name == DESCRIPTION else old.read(name)
            new.writestr(name, member)
    return to


def places(value: object, way: tuple = ()) -> list[tuple]:
    """Ways to every value inside a JSON document; of lists the first three items."""
    found = [way] if way else []
    items = (
        value.items() if isinstance(value, dict) else enumerate(value[:3]) if isinstance(value, list) else ()
    )
    for key, inner in items:
        found += places(inner, (*way, key))
    return found


def changed(document: dict, way: tuple, value: object) -> dict:
    document = copy.deepcopy(document)
    inner = document
    for key in way[:-1]:
        inner = inner[key]
    if value is DELETE:
        del inner[way[-1]]
    else:
        inner[way[-1]] = value
    return document


DELETE = object()
ODD = [
    *(None, True, False, 0, 1, -1, 7, 2**31, 2**63, 10**30, 0.5, -0.0, float("nan"), float("inf")),
    *(
        "",
        "none",
        "network",
        "x" * 5000,
        "\x1b[2J",
        [],
        [[]],
        [1, 2, 3],
        ["a", "a"],
        {},
        {"a": {"b": 1}},
        DELETE,
    ),
]


def load_or_refuse(path: Path) -> object:
    """Load, and demand that a refusal is one of this package, quick and small."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin = time.process_time()
    try:
        return forecast.load(path)
    except ForecastError as error:
        assert "\n" not in str(error)
        assert time.process_time() - begin < SECONDS, "the refusal took too long"
        return None
    finally:
        assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < MEGABYTES


def mutations(document: dict, count: int, seed: int) -> list[tuple[tuple, object]]:
    """Random changes; what says how a network is built comes up often."""
    dice = random.Random(seed)
    ways = places(document)
    building = [
        way
        for way in ways
        if way[0] in ("spec", "architecture", "extras", "setting", "contract", "encoder", "history", "shifts")
    ]
    return [(dice.choice(ways if i % 2 else building), dice.choice(ODD)) for i in range(count)]


@pytest.mark.parametrize("count", [40, pytest.param(500, marks=pytest.mark.slow)])
def test_descriptions_with_odd_values(saved, tmp_path, count):
    document, refused = described(saved), 0
    for way, value in mutations(document, count, seed=count):
        path = with_description(saved, tmp_path / "m.forecast", changed(document, way, value))
        try:
            model = load_or_refuse(path)
            refused += model is None
            if model is not None:
                use(model)
        except Exception as error:
            raise AssertionError(
                f"{way} = {'nothing' if value is DELETE else repr(value)[:80]}: {error!r}"
            ) from error
    assert refused > count // 4


def use(model: object) -> None:
    """Forecast with a model that was loaded: what it makes no sense of is refused in the package's words."""
    with contextlib.suppress(InputError):
        model.predict()


HUGE = {
    ("parameters", "units"): 4096,
    ("architecture", "options", "units"): 4096,
    ("architecture", "options", "layers"): 16,
    ("spec", "context"): 1_000_000,
    ("spec", "horizon"): 100_000,
    ("spec", "static"): 2_000_000_000,
    ("spec", "known_future"): 10**9,
    ("spec", "past_only"): 10**9,
    ("spec", "targets"): 10**9,
    ("spec", "season"): 10**15,
    ("spec", "quantiles"): [i / 200_000 for i in range(1, 200_000)],
    ("setting", "horizon"): 10**9,
    ("setting", "context"): 10**12,
}


@pytest.mark.parametrize("way", HUGE, ids=".".join)
def test_sizes_that_the_file_cannot_hold_are_refused_before_anything_is_built(saved, tmp_path, way):
    document = changed(described(saved), way, HUGE[way])
    path = with_description(saved, tmp_path / "m.forecast", document)
    assert load_or_refuse(path) is None


def test_other_networks_and_kinds(saved, tmp_path):
    document = described(saved)
    for way, value in [
        (("kind",), "detector"),
        (("kind",), ["forecaster"]),
        (("parameters", "cell"), "lstm"),
        (("parameters", "cell"), "os.system"),
        (("parameters", "units"), 4),
        (("parameters", "layers"), 2),
        (("parameters", "bidirectional"), True),
        (("spec", "skip"), False),
        (("spec", "anchor"), "first"),
        (("spec", "transform"), "log"),
        (("spec", "calendar"), 2),
        (("spec", "series"), 3),
        (("architecture", "name"), "segment"),
        (("architecture", "name"), "ensemble"),
        (("architecture", "name"), "os.system"),
        (("architecture", "options", "cell"), "lstm"),
        (("architecture", "options", "attention"), "luong"),
        (("spec", "quantiles"), [0.1, 0.5]),
        (("contract", "columns", "target"), ["y", "z"]),
        (("own_network",), True),
    ]:
        path = with_description(saved, tmp_path / "m.forecast", changed(document, way, value))
        with pytest.raises(ForecastError):
            forecast.load(path)


def test_numbers_of_other_shapes(saved, tmp_path):
    """The arrays and their sum are changed together, as only somebody who means it can."""
    from forecast.archive import pack, unpack
    from forecast.modelfile import _sha

    with zipfile.ZipFile(saved) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    arrays = unpack(members[NUMBERS])
    for place, (name, array) in enumerate(arrays.items()):
        others = [array[:0], array[..., None], array.astype(np.int8)[:1], np.float64(3), None]
        for other in others if place < 5 else others[place % 5 :: 5]:
            changed_arrays = {k: v for k, v in arrays.items() if k != name}
            if other is not None:
                changed_arrays[name] = np.asarray(other)
            packed = pack(changed_arrays)
            document = json.loads(members[DESCRIPTION])
            document["sha256"][NUMBERS] = _sha(packed)
            path = tmp_path / "m.forecast"
            with zipfile.ZipFile(path, "w") as new:
                for member, content in (
                    members | {NUMBERS: packed, DESCRIPTION: json.dumps(document)}
                ).items():
                    new.writestr(member, content)
            try:
                model = load_or_refuse(path)
                if model is not None:
                    use(model)
            except Exception as error:
                raise AssertionError(
                    f"{name} {None if other is None else np.shape(other)}: {error!r}"
                ) from error


def test_a_saved_model_forecasts_the_same(forecaster, saved):
    loaded = forecast.load(saved)
    rows = forecaster.fitted_.history.to_table()
    future = rows.groupby("id").tail(3).assign(t=lambda table: table["t"] + 3, y=np.nan, visits=np.nan)
    import pandas as pd

    table = pd.concat([rows, future], ignore_index=True)
    pd.testing.assert_frame_equal(loaded.predict(table), forecaster.predict(table), check_exact=True)
    assert loaded.get_params().keys() == forecaster.get_params().keys()
