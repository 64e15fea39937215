"""The notebooks run from top to bottom, and print what they printed when they were committed."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SECONDS = 180
NUMBER = re.compile(r"[-+]?\d[\d,]*\.?\d*(?:e[-+]?\d+)?")
# Training rounds differently on other processors; a figure that tells another story does not pass.
TOLERANCE = 0.25
# Notebooks on public data that do not come with the package, and a file that they read.
NEEDS = {"detection": "nab/windows.json"}


def printed(notebook) -> str:
    """What the cells wrote to stdout."""
    return "".join(
        part.text
        for cell in notebook.cells
        for part in cell.get("outputs", [])
        if part.output_type == "stream" and part.name == "stdout"
    )


def test_there_are_notebooks():
    assert len(NOTEBOOKS) >= 2


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_committed_outputs_are_whole(path):
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1)), (
        "run it from top to bottom"
    )
    kinds = {(part.output_type, part.get("name")) for cell in code for part in cell.outputs}
    assert not kinds & {("error", None), ("stream", "stderr")}
    assert len(NUMBER.findall(printed(notebook))) >= 3


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
# Running a kernel opens sockets that its libraries leave to the garbage collector.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::RuntimeWarning")
def test_notebook_runs_and_prints_the_same(path, tmp_path, monkeypatch):
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed")
    needed = NEEDS.get(path.stem)
    if needed is not None and not (Path(os.environ.get("FORECAST_DATA_DIR", "missing")) / needed).is_file():
        pytest.skip(f"FORECAST_DATA_DIR has no {needed}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    # Rounding differs with the instructions of the machine in the native kernel, and training carries it on.
    monkeypatch.setenv("FORECAST_KERNEL", "keras")
    notebook = nbformat.read(path, as_version=4)
    before = printed(notebook)
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=SECONDS, kernel_name="python3", resources=resources).execute()
    after = printed(notebook)
    assert NUMBER.sub("#", after) == NUMBER.sub("#", before)
    old, new = ([float(n.replace(",", "")) for n in NUMBER.findall(text)] for text in (before, after))
    assert new == pytest.approx(old, rel=TOLERANCE, abs=0.05)
