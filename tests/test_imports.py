"""The floors of the house: who may import whom, and what `import forecast` may cost."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import forecast
from forecast.cli import VERBS

ROOT = Path(forecast.__file__).parent
BUILDING = "hatch_build.py"  # is loaded when the package is built
MODULES = sorted(p.relative_to(ROOT.parent) for p in ROOT.rglob("*.py") if p.name != BUILDING)

# A module imports only from the floors above its own. Modules of one floor may import each other.
FLOORS = (
    ("forecast.errors",),
    ("forecast.archive", "forecast.storage"),
    ("forecast.modelfile",),
    ("forecast.data",),
    ("forecast.models",),
    ("forecast.runner",),
    ("forecast.training",),
    ("forecast.evaluation",),
    ("forecast.detection",),
    ("forecast.report",),
    ("forecast.estimators",),
    ("forecast.auditing", "forecast.backtesting", "forecast.reporting", "forecast.sktime", "forecast.tuning"),
    ("forecast.cli",),
    ("forecast.__main__",),
)
BACKENDS = ("on_tensorflow.py", "on_torch.py", "on_jax.py")
# Estimators have methods `save` and `load`, and what they call makes estimators again: they import it lazily.
LAZY_CYCLE = {
    ("forecast.estimators.forecaster", "forecast.estimators.saving"),
    ("forecast.estimators.baseline", "forecast.estimators.saving"),
    ("forecast.estimators.classifier", "forecast.estimators.sequence_saving"),
    ("forecast.estimators.labeler", "forecast.estimators.sequence_saving"),
    ("forecast.estimators.detector", "forecast.estimators.detector_saving"),
}


def name_of(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def floor_of(module: str) -> int:
    for number, names in enumerate(FLOORS):
        if any(module == name or module.startswith(f"{name}.") for name in names):
            return number
    raise AssertionError(f"{module} stands on no floor; add it to FLOORS.")


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse((ROOT.parent / path).read_text(encoding="utf-8"))


def imports_of(path: Path) -> set[str]:
    """Every module that is imported, at the top or inside a function, except for type checkers only."""
    known = {name_of(other) for other in MODULES}
    skipped = {
        id(node)
        for branch in ast.walk(tree_of(path))
        if isinstance(branch, ast.If) and "TYPE_CHECKING" in ast.dump(branch.test)
        for part in branch.body
        for node in ast.walk(part)
    }
    found = set()
    for node in ast.walk(tree_of(path)):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (inner & known) | ({node.module} if inner - known else set())
    return found


def test_there_is_something_to_check():
    assert len(MODULES) > 40
    assert "forecast.storage" in imports_of(Path("forecast/modelfile.py"))
    assert "forecast.modelfile" in imports_of(Path("forecast/cli/info.py"))  # a lazy one


@pytest.mark.parametrize("path", [p for p in MODULES if name_of(p) != "forecast"], ids=name_of)
def test_a_module_imports_only_from_floors_above(path):
    own = floor_of(name_of(path))
    below = [m for m in imports_of(path) if m.startswith("forecast.") and floor_of(m) > own]
    assert below == []


def test_the_top_of_the_package_is_used_for_its_version_only():
    for path in MODULES:
        if name_of(path) == "forecast" or "forecast" not in imports_of(path):
            continue
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ImportFrom) and node.module == "forecast":
                assert {alias.name for alias in node.names} == {"__version__"}, path
            if isinstance(node, ast.Attribute) and getattr(node.value, "id", None) == "forecast":
                assert node.attr == "__version__", path


def test_no_import_cycles():
    edges = {(name_of(p), m) for p in MODULES for m in imports_of(p) if m.startswith("forecast.")}
    assert edges >= LAZY_CYCLE, "an exception is no longer needed: remove it"
    assert cycles_in(edges - LAZY_CYCLE) == []
    assert cycles_in(edges), "the exceptions are no cycles"


def test_the_one_cycle_is_lazy():
    for module, saving in LAZY_CYCLE:
        tree = tree_of(Path(*module.split(".")).with_suffix(".py"))
        top = {node.module for node in tree.body if isinstance(node, ast.ImportFrom)}
        assert saving not in top


def cycles_in(edges: set[tuple[str, str]]) -> list[str]:
    graph: dict[str, set[str]] = {}
    for module, other in edges:
        graph.setdefault(module, set()).add(other)
    found, done = [], set()

    def visit(module: str, way: tuple[str, ...]) -> None:
        if module in way:
            found.append(" -> ".join((*way[way.index(module) :], module)))
        elif module not in done:
            for other in graph.get(module, ()):
                visit(other, (*way, module))
            done.add(module)

    for module in sorted(graph):
        visit(module, ())
    return found


@pytest.mark.parametrize(
    ("folder", "forbidden"),
    [
        ("data", {"keras", "tensorflow", "torch", "jax", "sklearn", "matplotlib"}),
        ("models", {"pandas", "sklearn", "matplotlib", "tensorflow", "torch", "jax"}),
        ("cli", {"matplotlib", "tensorflow", "sklearn"}),
        ("evaluation", {"keras", "tensorflow", "matplotlib"}),
    ],
)
def test_walls(folder, forbidden):
    # The native kernel is an operation of each backend, in a module for each.
    inside = [p for p in MODULES if p.parts[1] == folder and p.name not in BACKENDS]
    assert inside
    for path in inside:
        assert not {m.split(".")[0] for m in imports_of(path)} & forbidden, path


def test_matplotlib_is_imported_in_one_place():
    users = [p.as_posix() for p in MODULES if any(m.split(".")[0] == "matplotlib" for m in imports_of(p))]
    assert {Path(user).parent.as_posix() for user in users} == {"forecast/report"}


def test_recurrent_layers_are_named_in_one_place():
    names = {"LSTM", "GRU", "SimpleRNN", "RNN", "Bidirectional", "LSTMCell", "GRUCell", "SimpleRNNCell"}
    users = set()
    for path in MODULES:
        for node in ast.walk(tree_of(path)):
            attribute = isinstance(node, ast.Attribute) and node.attr in names
            if attribute and ast.unparse(node.value) in ("keras.layers", "layers"):
                users.add(path.as_posix())
            if isinstance(node, ast.ImportFrom) and node.module == "keras.layers":
                users |= {path.as_posix() for alias in node.names if alias.name in names}
    assert users == {"forecast/models/recurrent.py"}


def loaded_by(code: str) -> set[str]:
    """Top-level packages beyond the standard library that a program has loaded when it prints MARK, at its end."""
    program = f"MARK = '\\n#modules'\n{code}\nimport sys\nprint('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    modules = {line.split(".")[0] for line in done.stdout.split("\n#modules\n")[1].splitlines()}
    return {m for m in modules if m not in sys.stdlib_module_names and not m.startswith("_")}


@cache
def ambient() -> frozenset[str]:
    """What an interpreter loads by itself here (hooks of editable installs and the like)."""
    return frozenset(loaded_by("print(MARK)"))


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help_imports_click_and_this_package_only(verb):
    arguments = [verb, "--help"] if verb else ["--help"]
    code = (
        f"from forecast.cli import main\ntry:\n    main({arguments!r})\nexcept SystemExit:\n    print(MARK)"
    )
    assert loaded_by(code) - ambient() == {"click", "forecast"}


def test_importing_the_package_imports_nothing_else():
    assert loaded_by("import forecast\ndir(forecast)\nprint(MARK)") - ambient() == {"forecast"}


def test_reading_a_table_imports_no_keras():
    code = "import forecast\nforecast.read_table\nforecast.to_panel\nprint('\\n#modules')"
    loaded = loaded_by(code)
    assert "pandas" in loaded
    assert not loaded & {"tensorflow", "keras", "matplotlib", "sklearn"}


def test_public_names_resolve():
    assert len(set(forecast.__all__)) == len(forecast.__all__)
    for name in forecast.__all__:
        assert getattr(forecast, name) is not None
        assert name in dir(forecast)
    with pytest.raises(AttributeError, match="no attribute 'Forecastr'"):
        _ = forecast.Forecastr
