"""Compiles what takes most time, where there is a C compiler when the package is built; else all is pure Python."""

import os
from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCES: Final = (
    "services/headrace/avro/compiled.pyx",
    "services/headrace/handler/accepting.pyx",
    "services/headrace/handler/asked.pyx",
    "services/headrace/handler/outcomes.pyx",
    "services/headrace/postgres/packing.pyx",
)
VARIABLE: Final = "HEADRACE_BUILD_CODEC"
"""`compiled` makes a build without the compiled codec fail, `python` leaves it out; else what can be had is taken."""


class CompiledCodec(BuildHookInterface[Any]):
    """Puts each extension module beside its source, from where hatchling takes it into the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's signature
        """Compile; a wheel with what comes of it is for one version of Python on one platform."""
        wanted = os.environ.get(VARIABLE)
        os.chdir(self.root)
        for source in map(Path, SOURCES):
            for old in source.parent.glob(f"{source.stem}.*.so"):
                old.unlink()
        if wanted == "python":
            return
        try:
            compile_codec()
        except (Exception, SystemExit) as error:
            if wanted == "compiled":
                raise
            self.app.display_warning(f"the codec is not compiled, pure Python does its work: {error}")
            return
        build_data["pure_python"] = False
        build_data["infer_tag"] = True


def compile_codec() -> None:
    """C from the source by Cython, and from that the module; raises whatever keeps it from being made."""
    from Cython.Build import cythonize  # noqa: PLC0415 - not there where the package is only installed
    from setuptools import Distribution, Extension  # noqa: PLC0415

    extensions = [
        Extension(
            source.removeprefix("services/").removesuffix(".pyx").replace("/", "."),
            [source],
            extra_compile_args=["-O2", "-g0"],
        )
        for source in SOURCES
    ]
    modules = cythonize(extensions, build_dir="build/cython", quiet=True)
    command = Distribution({"ext_modules": modules, "package_dir": {"": "services"}}).get_command_obj("build_ext")
    command.inplace = True
    command.build_temp = "build/temp"
    command.ensure_finalized()
    command.run()
