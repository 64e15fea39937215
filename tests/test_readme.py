"""The README's two commands are the ones CI runs, and its picture and tables exist."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CI = (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def commands() -> dict[str, str]:
    found = re.findall(r"<!-- ([a-z ]+) -->\n```bash\n(.*?)\n```", README, flags=re.DOTALL)
    return dict(found)


def test_there_are_two_commands_for_a_fresh_machine():
    assert list(commands()) == ["main job", "tests"]
    for command in commands().values():
        assert command.startswith("python3 -m venv .venv && . .venv/bin/activate && pip install ")
    assert commands()["main job"].endswith("&& forecast fit datasets/air_passengers.csv")
    assert commands()["tests"].endswith("&& python -m pytest -n 2 --dist loadfile")


def test_ci_reads_and_runs_those_very_commands():
    """CI's own extraction, run here, gives the README's text word for word."""
    function = re.search(r"^command_of\(\) \{\n.*?^\}", CI, flags=re.DOTALL | re.MULTILINE)
    assert function is not None
    for name, command in commands().items():
        assert f"bash -euo pipefail -c \"$(command_of '{name}')\"" in CI
        script = f"{function[0]}\ncommand_of '{name}'"
        found = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
        assert found.stdout.rstrip("\n") == command


def test_ci_begins_with_a_fresh_environment():
    assert CI.index("rm -rf .venv") < CI.index("command_of 'main job')")
    assert "pip install" not in CI


def test_files_the_readme_shows_exist():
    shown = [*re.findall(r"!\[[^]]*\]\(([^)]+)\)", README), "datasets/air_passengers.csv", "CONTRIBUTING.md"]
    assert len(shown) > 2
    assert [path for path in shown if not (ROOT / path).is_file()] == []


def test_contributing_is_one_page():
    assert len((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").splitlines()) <= 40
