"""Killed while writing, or on a full disk: the file is the old one or the new one, and nothing is left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from forecast.modelfile import ModelFile
from forecast.storage import TEMPORARY, sweep, write_atomic

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs fork and signals")

# A process without TensorFlow forks children that write again and again, and kills each at a random moment.
KILLS = """
import json, os, random, signal, sys, time
import numpy as np
from forecast.modelfile import ModelFile, write_model
from forecast.storage import TEMPORARY

folder, kills = sys.argv[1], int(sys.argv[2])
path = os.path.join(folder, "m.forecast")
dice = random.Random(7)
noise = np.random.default_rng(0).normal(size=40_000)

def write(number):
    write_model(path, None, {"kind": "demo", "number": number}, {"a": noise + number})

write(0)
span = 0.01
seen = {"old": 0, "new": 0, "unreadable": 0, "left": 0}
current = 0
for kill in range(1, kills + 1):
    child = os.fork()
    if not child:
        write(kill)
        os._exit(0)
    time.sleep(dice.uniform(0, span))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    seen["left"] += sum(name.startswith(TEMPORARY) for name in os.listdir(folder)) > 0
    try:
        file = ModelFile(path)
        found = file.description["number"]
        whole = np.array_equal(file.numbers()["a"], noise + found)
    except Exception as error:
        print(error, file=sys.stderr)
        found, whole = None, False
    if not whole or found not in (current, kill):
        seen["unreadable"] += 1
    else:
        seen["old" if found == current else "new"] += 1
        # As long as a write takes here and now, so that about half of the kills come too late.
        span *= 1.1 if found == current else 0.9
        current = found
print(json.dumps(seen))
"""


def kill(folder: Path, kills: int) -> dict[str, int]:
    root = str(Path(__file__).parents[2])
    env = os.environ | {"PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(
        [sys.executable, "-c", KILLS, str(folder), str(kills)],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return json.loads(done.stdout)


@pytest.mark.parametrize("kills", [100, pytest.param(250, marks=pytest.mark.slow)])
def test_killed_at_random_moments(tmp_path, kills):
    seen = kill(tmp_path, kills)
    assert seen["unreadable"] == 0
    assert seen["old"] + seen["new"] == kills
    assert min(seen["old"], seen["new"]) >= kills // 20, f"kills fell on one side only: {seen}"
    assert seen["left"] > 0, "no kill fell between the first byte and the rename"
    write_atomic(tmp_path / "another", b"sweeps")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["another", "m.forecast"]
    assert not list(tmp_path.glob(f"{TEMPORARY}*"))
    assert sweep(tmp_path) == 0


FULL = """
import resource, sys
from forecast.errors import ForecastError
from forecast.modelfile import write_model
from forecast.storage import write_atomic
import numpy as np

path, limits = sys.argv[1], [int(word) for word in sys.argv[2:]]
old = open(path, "rb").read()
for limit in limits:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    for write in (
        lambda: write_model(path, None, {"kind": "demo"}, {"a": np.random.default_rng(1).normal(size=8_000)}),
        lambda: write_atomic(path, bytes(60_000)),
    ):
        try:
            write()
        except ForecastError as error:
            print(error.exit_code, error)
        else:
            print("written")
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert open(path, "rb").read() == old
"""


def test_full_disk_keeps_the_old_file(tmp_path):
    path = tmp_path / "m.forecast"
    path.write_bytes(b"the old model")
    limits = [*range(0, 38_000, 2_000), 59_000]
    root = str(Path(__file__).parents[2])
    env = os.environ | {"PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(path), *map(str, limits)], env=env, capture_output=True, text=True
    )
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines == [f"1 {path}: writing failed (File too large); the old file, if any, is kept."] * 2 * len(
        limits
    )
    assert path.read_bytes() == b"the old model"
    assert [p.name for p in tmp_path.iterdir()] == ["m.forecast"]


READERS = """
import sys
from forecast.modelfile import ModelFile, write_model
import numpy as np, os, time

path = sys.argv[1]
child = os.fork()
if not child:
    for number in range(1, 101):
        write_model(path, None, {"kind": "demo", "number": number}, {"a": np.full(2_000, float(number))})
    os._exit(0)
numbers = set()
while True:
    file = ModelFile(path)
    number = file.description["number"]
    assert (file.numbers()["a"] == number).all()
    numbers.add(number)
    if number == 100:
        break
os.waitpid(child, 0)
print(len(numbers))
"""


def test_a_reader_sees_old_or_new_while_another_process_writes(tmp_path):
    import numpy as np

    from forecast.modelfile import write_model

    path = tmp_path / "m.forecast"
    write_model(path, None, {"kind": "demo", "number": 0}, {"a": np.zeros(2_000)})
    root = str(Path(__file__).parents[2])
    env = os.environ | {"PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run([sys.executable, "-c", READERS, str(path)], env=env, capture_output=True, text=True)
    assert done.stderr == ""
    assert int(done.stdout) > 5
    assert ModelFile(path).description["number"] == 100
