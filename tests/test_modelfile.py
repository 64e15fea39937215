"""The one-file model: what is written, and what is refused while reading."""

from __future__ import annotations

import io
import json
import re
import zipfile

import numpy as np
import pytest

from forecast import modelfile
from forecast.errors import (
    DamagedModelFile,
    ForecastError,
    InputError,
    ModelFileMissing,
    NewerModelFile,
    NotAModelFile,
)
from forecast.modelfile import DESCRIPTION, FORMAT, NUMBERS, WEIGHTS, ModelFile, write_model

NUMBERS_HELD = {"a": np.arange(5.0), "b": np.array([True, False])}


@pytest.fixture
def path(tmp_path):
    """A file without a network."""
    write_model(tmp_path / "m.forecast", None, {"kind": "demo", "ids": ["é", "1"]}, NUMBERS_HELD)
    return tmp_path / "m.forecast"


@pytest.fixture(scope="module")
def network():
    """A compiled and trained network of this package."""
    import keras

    from forecast.models import Spec, build_rnn

    model = build_rnn(Spec(context=4, horizon=2, quantiles=(0.1, 0.5, 0.9)), units=3)
    model.compile(optimizer=keras.optimizers.Adam(), loss="mse")
    model.optimizer.build(model.trainable_variables)
    return model


@pytest.fixture(scope="module")
def saved(network, tmp_path_factory):
    """A file with a network."""
    path = tmp_path_factory.mktemp("saved") / "n.forecast"
    write_model(path, network, {"kind": "demo"}, NUMBERS_HELD)
    return path


def rewritten(path, to, change, compression=zipfile.ZIP_STORED):
    """Copy an archive with changed members; ``change`` maps a dict of them to another."""
    with zipfile.ZipFile(path) as old:
        members = change({name: old.read(name) for name in old.namelist()})
    with zipfile.ZipFile(to, "w", compression) as new:
        for name, member in members.items():
            new.writestr(name, member)
    return to


def test_what_was_written_is_read(path):
    file = ModelFile(path)
    assert file.description["kind"] == "demo"
    assert file.description["ids"] == ["é", "1"]
    assert file.description["format"] == FORMAT
    found = file.numbers()
    assert set(found) == set(NUMBERS_HELD)
    for name, array in NUMBERS_HELD.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


def test_weights_return_bit_for_bit(saved, network):
    import keras

    copy = keras.models.clone_model(network)
    copy.set_weights([np.zeros_like(weights) for weights in copy.get_weights()])
    ModelFile(saved).load_weights(copy)
    for loaded, original in zip(copy.get_weights(), network.get_weights()):
        np.testing.assert_array_equal(loaded, original)


def test_members_are_known_and_the_optimiser_is_left_out(saved):
    h5py = pytest.importorskip("h5py")
    with zipfile.ZipFile(saved) as archive:
        assert set(archive.namelist()) == {"metadata.json", "config.json", WEIGHTS, DESCRIPTION, NUMBERS}
        assert not json.loads(archive.read("config.json")).get("compile_config")
        with h5py.File(io.BytesIO(archive.read(WEIGHTS))) as weights:
            assert "layers" in weights
            assert "optimizer" not in weights


def test_members_of_an_ensemble_are_written_without_their_optimisers_too(tmp_path):
    import keras

    from forecast.models import Spec, build_ensemble
    from forecast.models.forms import forms_of

    members = [{"model": "rnn", "spec": {"seed": seed}, "options": {"units": 3}} for seed in (0, 1)]
    spec = Spec(context=4, horizon=2)
    mean, fresh = build_ensemble(spec, members=members), build_ensemble(spec, members=members)
    for member in forms_of(mean).members:
        member.compile(optimizer=keras.optimizers.Adam(), loss="mse")
        member.optimizer.build(member.trainable_variables)
        member.set_weights([weight + 0.1 for weight in member.get_weights()])
    write_model(tmp_path / "e.forecast", mean, {"kind": "demo"}, NUMBERS_HELD)
    ModelFile(tmp_path / "e.forecast").load_weights(fresh)
    for loaded, original in zip(fresh.get_weights(), mean.get_weights(), strict=True):
        np.testing.assert_array_equal(loaded, original)
    with zipfile.ZipFile(tmp_path / "e.forecast") as archive:
        assert b"optimizer" not in archive.read("config.json")
    (tmp_path / "e.keras").write_bytes((tmp_path / "e.forecast").read_bytes())
    rows = {"target": np.arange(8.0).reshape(2, 4, 1)}
    found = keras.models.load_model(tmp_path / "e.keras").predict(rows, verbose=0)
    np.testing.assert_array_equal(found, mean.predict(rows, verbose=0))


def test_the_network_is_left_as_it_was(saved, network):
    assert network.compiled
    assert network.optimizer is not None


def test_plain_keras_opens_the_file(saved, network, tmp_path):
    import keras

    plain = tmp_path / "n.keras"
    plain.write_bytes(saved.read_bytes())
    model = keras.models.load_model(plain)
    rows = {"target": np.arange(8.0).reshape(2, 4, 1)}
    np.testing.assert_array_equal(model.predict(rows, verbose=0), network.predict(rows, verbose=0))


def test_a_network_that_cannot_be_copied_is_saved_too(tmp_path):
    import keras

    class Own(keras.Model):
        def __init__(self, layer):
            super().__init__()
            self.layer = layer

        def build(self, shape):
            self.layer.build(shape)

        def call(self, x):
            return self.layer(x)

    model = Own(keras.layers.Dense(2))
    model.build((None, 3))
    write_model(tmp_path / "m.forecast", model, {"kind": "demo"}, {})
    other = Own(keras.layers.Dense(2))
    other.build((None, 3))
    ModelFile(tmp_path / "m.forecast").load_weights(other)
    for loaded, original in zip(other.get_weights(), model.get_weights()):
        np.testing.assert_array_equal(loaded, original)


def test_config_json_is_never_parsed(saved, network, tmp_path):
    import keras

    evil = {"module": "os", "class_name": "system", "config": {"command": f"touch {tmp_path}/made"}}
    path = rewritten(
        saved,
        tmp_path / "m.forecast",
        lambda m: m | {"config.json": json.dumps(evil).encode(), "metadata.json": b"{"},
    )
    copy = keras.models.clone_model(network)
    ModelFile(path).load_weights(copy)
    np.testing.assert_array_equal(copy.get_weights()[0], network.get_weights()[0])
    assert not (tmp_path / "made").exists()


def test_a_description_too_large_to_be_read_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(modelfile, "LARGEST_DESCRIPTION", 1000)
    with pytest.raises(InputError, match=r"take 1,\d\d\d bytes as text, and a model file holds 1,000"):
        write_model(tmp_path / "m.forecast", None, {"ids": ["x" * 1000]}, {})
    assert list(tmp_path.iterdir()) == []


def test_no_room_for_temporary_files_is_told(saved, network, tmp_path, monkeypatch):
    monkeypatch.setattr(modelfile.tempfile, "tempdir", str(tmp_path / "no"))
    for call in (
        lambda: write_model(tmp_path / "m.forecast", network, {}, {}),
        lambda: ModelFile(saved).load_weights(network),
    ):
        with pytest.raises(
            ForecastError, match=r"The folder for temporary files, .*no, cannot be used"
        ) as caught:
            call()
        assert caught.value.exit_code == 1
    assert list(tmp_path.iterdir()) == []


def test_four_different_refusals(path, tmp_path):
    newer = rewritten(
        path,
        tmp_path / "newer",
        lambda m: {DESCRIPTION: json.dumps({"format": FORMAT + 1}).encode(), "other": b""},
    )
    half = tmp_path / "half"
    half.write_bytes(path.read_bytes()[:-100])
    foreign = tmp_path / "foreign.zip"
    with zipfile.ZipFile(foreign, "w") as archive:
        archive.writestr("a.txt", "x")
    table = tmp_path / "a.csv"
    table.write_text("a,b\n")
    messages = set()
    for wrong, kind in [
        (tmp_path / "missing", ModelFileMissing),
        (table, NotAModelFile),
        (foreign, NotAModelFile),
        (tmp_path, NotAModelFile),
        (half, DamagedModelFile),
        (newer, NewerModelFile),
    ]:
        with pytest.raises(kind) as caught:
            ModelFile(wrong)
        message = str(caught.value)
        assert str(wrong) in message
        assert "\n" not in message
        assert caught.value.exit_code == 2
        messages.add(message.replace(str(wrong), ""))
    assert len(messages) == 6


def test_what_is_near_is_named(path):
    with pytest.raises(ModelFileMissing, match=r"Did you mean 'm\.forecast'\?"):
        ModelFile(path.with_name("n.forecast"))
    with pytest.raises(ModelFileMissing, match=r"Models here: m\.forecast\."):
        ModelFile(path.with_name("something else"))


def test_an_empty_file(tmp_path):
    (tmp_path / "m.forecast").write_bytes(b"")
    with pytest.raises(NotAModelFile):
        ModelFile(tmp_path / "m.forecast")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: m | {"evil.py": b""}, "other members"),
        (lambda m: m | {"../../evil": b""}, "other members"),
        (lambda m: m | {"/etc/evil": b""}, "other members"),
        (lambda m: m | {"config.json": b"{}"}, "other members"),
        (lambda m: {DESCRIPTION: m[DESCRIPTION]}, "other members"),
        (lambda m: m | {NUMBERS: m[NUMBERS] + b"x"}, f"{NUMBERS} is not what was written"),
        (lambda m: m | {DESCRIPTION: b"{"}, "is no JSON"),
        (lambda m: m | {DESCRIPTION: b"[" * 100_000}, "is no JSON"),
        (lambda m: m | {DESCRIPTION: b"[" * 300_000}, "is too large"),
        (lambda m: m | {DESCRIPTION: b'{"format": ' + b"9" * 5000 + b"}"}, "is no JSON"),
        (lambda m: m | {DESCRIPTION: b"\xff\xfe\x00"}, "is no JSON"),
        (lambda m: m | {DESCRIPTION: b"[]"}, "names no format"),
        (lambda m: m | {DESCRIPTION: b'{"format": "1"}'}, "names no format"),
        (lambda m: m | {DESCRIPTION: b'{"format": true}'}, "names no format"),
        (lambda m: m | {DESCRIPTION: b'{"format": 0}'}, "names no format"),
        (lambda m: m | {DESCRIPTION: b'{"format": 1}'}, "is not what was written"),
        (lambda m: m | {DESCRIPTION: b'{"format": 1, "sha256": [1]}'}, "is not what was written"),
        (
            lambda m: m | {DESCRIPTION: b'{"format": 1, "sha256": {"forecast.npz": null}}'},
            "is not what was written",
        ),
    ],
)
def test_crafted_archives(path, tmp_path, change, said):
    with pytest.raises(DamagedModelFile, match=re.escape(said)):
        ModelFile(rewritten(path, tmp_path / "crafted", change))


def test_compressed_numbers_are_refused_unread(path, tmp_path):
    with pytest.raises(DamagedModelFile, match=r"forecast\.npz is compressed"):
        ModelFile(rewritten(path, tmp_path / "crafted", dict, zipfile.ZIP_DEFLATED))


def test_a_description_that_unpacks_to_much_is_refused_unread(path, tmp_path):
    crafted = rewritten(
        path,
        tmp_path / "crafted",
        lambda m: m | {DESCRIPTION: b" " * (modelfile.LARGEST_DESCRIPTION + 1)},
        zipfile.ZIP_DEFLATED,
    )
    assert crafted.stat().st_size < 200_000
    with pytest.raises(DamagedModelFile, match=r"forecast\.json is too large"):
        ModelFile(crafted)


def test_pickled_numbers_are_refused(path, tmp_path):
    content = io.BytesIO()
    np.savez(content, a=np.array([{}], dtype=object), allow_pickle=True)
    crafted = with_member(path, tmp_path / "crafted", NUMBERS, content.getvalue())
    with pytest.raises(
        DamagedModelFile, match=r"forecast\.npz holds an array that is not what its header says"
    ):
        ModelFile(crafted).numbers()


def with_member(path, to, name, member):
    """Put a member into a file, with the sum that goes with it: what an attacker would do."""

    def change(members):
        described = json.loads(members[DESCRIPTION])
        described["sha256"][name] = modelfile._sha(member)
        return members | {name: member, DESCRIPTION: json.dumps(described).encode()}

    return rewritten(path, to, change)


def test_weights_of_another_network(saved, network, tmp_path):
    import keras

    from forecast.models import Spec, build_rnn

    spec = Spec(context=4, horizon=2, quantiles=(0.1, 0.5, 0.9))
    others = {
        "wider": build_rnn(spec, units=4),
        "deeper": build_rnn(spec, units=3, layers=2),
        "of another cell": build_rnn(spec, units=3, cell="lstm"),
        "with a longer context": build_rnn(Spec(context=5, horizon=2, quantiles=(0.1, 0.5, 0.9)), units=3),
        "without weights": keras.Sequential([keras.Input((1,)), keras.layers.Dropout(0.1)]),
    }
    for name, other in others.items():
        write_model(tmp_path / "other", other, {"kind": "demo"}, NUMBERS_HELD)
        with zipfile.ZipFile(tmp_path / "other") as archive:
            weights = archive.read(WEIGHTS)
        swapped = with_member(saved, tmp_path / "swapped", WEIGHTS, weights)
        before = [w.copy() for w in network.get_weights()]
        copy = keras.models.clone_model(network)
        with pytest.raises(DamagedModelFile, match="its weights do not fit the network it describes"):
            ModelFile(swapped).load_weights(copy)
        assert all((a == b).all() for a, b in zip(before, network.get_weights())), name


def test_weights_that_link_elsewhere(saved, network, tmp_path):
    h5py = pytest.importorskip("h5py")
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file["layers"] = h5py.ExternalLink("/etc/passwd", "/")
    swapped = with_member(saved, tmp_path / "swapped", WEIGHTS, content.getvalue())
    with pytest.raises(DamagedModelFile, match=r"model\.weights\.h5 links to another place"):
        ModelFile(swapped).load_weights(network)


def test_a_file_without_weights(path, network):
    with pytest.raises(DamagedModelFile, match="it holds no weights"):
        ModelFile(path).load_weights(network)


def test_room_for_a_network(saved, path):
    file = ModelFile(saved)
    size = len(file._members[WEIGHTS])
    file.check_room(size // 2)
    with pytest.raises(DamagedModelFile, match="describes a larger network than it holds"):
        file.check_room(size // 2 + 1)
    with pytest.raises(DamagedModelFile, match="describes a larger network than it holds"):
        ModelFile(path).check_room(1)
