"""Compiles the recurrent kernel when the package is built; a machine without a C compiler gets the package without it.

Hatchling loads this file by its path. The library uses nothing of Python: one serves all its versions.
"""

from __future__ import annotations

import shutil
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface  # pyright: ignore[reportMissingImports]
from setuptools import Distribution, Extension

HOME = "forecast/models/native"
FLAGS = ["-std=gnu11", "-O3", "-g0", "-pthread", "-fvisibility=hidden"]
LINKED = ["-pthread", "-ldl"]
LIBRARIES = {
    "kernel": ["kernel.c", "level_baseline.c", "level_avx2.c", "level_avx512.c", "xla_calls.c"],
    "tensorflow_ops": ["tensorflow_ops.c", "spare.c"],
}


class KernelHook(BuildHookInterface):
    """Puts the compiled library into wheels, and beside its sources where these are installed as they lie."""

    def initialize(self, version, build_data):
        if self.target_name != "wheel":
            return
        self.scratch = Path(tempfile.mkdtemp())
        made = [self._compiled(name, sources) for name, sources in LIBRARIES.items()]
        if not all(library.exists() for library in made):
            self.app.display_warning("The recurrent kernel is left out: it could not be compiled.")
            return
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"
        for library in made:
            if version == "editable":
                beside = Path(self.root, HOME, library.name)
                # A library that runs at this moment keeps its bytes: the new one takes its name, not its place.
                shutil.copy(library, beside.with_suffix(".new"))
                beside.with_suffix(".new").replace(beside)
            else:
                build_data["force_include"][str(library)] = f"{HOME}/{library.name}"

    def finalize(self, version, build_data, artifact_path):
        if self.target_name == "wheel":
            shutil.rmtree(self.scratch, ignore_errors=True)

    def _compiled(self, name: str, sources: list[str]) -> Path:
        paths = [str(Path(self.root, HOME, source)) for source in sources]
        flags: dict[str, Any] = {"extra_compile_args": FLAGS, "extra_link_args": LINKED}
        # Optional: what does not compile is said, and the rest goes on.
        extension = Extension(name, paths, py_limited_api=True, optional=True, **flags)
        command = Distribution({"ext_modules": [extension]}).get_command_obj("build_ext")
        command.build_lib, command.build_temp = str(self.scratch / "lib"), str(self.scratch)
        command.ensure_finalized()
        command.run()
        return Path(command.get_outputs()[0])
