"""Compiles the recurrent kernel when the package is built; a machine without a C compiler gets the package without it.

Hatchling loads this file by its path. The library uses nothing of Python: one serves all its versions.
"""

from __future__ import annotations

import shutil
import sysconfig
import tempfile
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from setuptools import Distribution, Extension
from setuptools.errors import BaseError

HOME = "forecast/models/native"
FLAGS = ["-std=gnu11", "-O3", "-pthread", "-fvisibility=hidden"]


class KernelHook(BuildHookInterface):
    """Puts the compiled library into wheels, and beside its sources where these are installed as they lie."""

    def initialize(self, version, build_data):
        if self.target_name != "wheel":
            return
        self.scratch = Path(tempfile.mkdtemp())
        try:
            made = self._compiled()
        except BaseError as reason:
            self.app.display_warning(f"The recurrent kernel is left out: {reason}")
            return
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"
        if version == "editable":
            home = Path(self.root, HOME)
            # A library that runs at this moment keeps its bytes: the new one takes its name, not its place.
            shutil.copy(made, home / "kernel.new")
            (home / "kernel.new").replace(home / "kernel.abi3.so")
        else:
            build_data["force_include"][str(made)] = f"{HOME}/kernel.abi3.so"

    def finalize(self, version, build_data, artifact_path):
        if self.target_name == "wheel":
            shutil.rmtree(self.scratch, ignore_errors=True)

    def _compiled(self) -> Path:
        sources = sorted(str(path) for path in Path(self.root, HOME).glob("*.c"))
        extension = Extension("kernel", sources, extra_compile_args=FLAGS, extra_link_args=["-pthread"])
        command = Distribution({"ext_modules": [extension]}).get_command_obj("build_ext")
        command.build_lib, command.build_temp = str(self.scratch / "lib"), str(self.scratch)
        command.ensure_finalized()
        command.run()
        return Path(command.get_outputs()[0])
