"""What becomes of a build with a C compiler, and without one: a wheel either way."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[1]


def build(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The wheel of a copy of the package, in `dist`."""
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / name, folder)
    unwanted = shutil.ignore_patterns("__pycache__", "*.so")
    shutil.copytree(ROOT / "services", folder / "services", ignore=unwanted)
    return subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel"],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def modules(folder: Path) -> tuple[str, list[str]]:
    """The tags of the one wheel, and what was compiled of it."""
    [wheel] = (folder / "dist").glob("*.whl")
    with ZipFile(wheel) as archive:
        return wheel.stem.partition("-0.1.0-")[2], [name for name in archive.namelist() if name.endswith(".so")]


def test_without_a_compiler_the_package_is_pure_python_and_the_build_says_so(tmp_path: Path) -> None:
    done = build(tmp_path, CC="no-such-compiler")
    assert done.returncode == 0, done.stderr
    assert "the codec is not compiled, pure Python does its work" in done.stdout + done.stderr
    assert modules(tmp_path) == ("py3-none-any", [])


def test_who_asks_for_the_compiled_codec_gets_no_package_without_it(tmp_path: Path) -> None:
    assert build(tmp_path, CC="no-such-compiler", HEADRACE_BUILD_CODEC="compiled").returncode != 0
    assert not (tmp_path / "dist").exists() or not list((tmp_path / "dist").glob("*.whl"))


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler here")
def test_with_a_compiler_the_wheel_has_the_codec_and_is_for_this_python_alone(tmp_path: Path) -> None:
    done = build(tmp_path, HEADRACE_BUILD_CODEC="compiled")
    assert done.returncode == 0, done.stderr
    tags, compiled = modules(tmp_path)
    assert tags.startswith(f"cp{sys.version_info.major}{sys.version_info.minor}-")
    assert sorted(name.partition(".")[0] for name in compiled) == [
        "headrace/avro/compiled",
        "headrace/handler/accepting",
        "headrace/handler/asked",
        "headrace/handler/outcomes",
        "headrace/postgres/packing",
    ]
