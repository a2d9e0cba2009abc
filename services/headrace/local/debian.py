"""Programs of Debian's packages, for a machine that has not installed them: fetched once, unpacked in the user's cache.

Nothing is installed, and nobody need be root.
"""

import logging
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from headrace.local.jars import cache
from headrace.local.process import LocalServerError, locked

FETCH_S: Final = 120.0

log = logging.getLogger("headrace.local")


def debian_program(package: str, program: str) -> Path:
    """The program, from the PATH, or else out of Debian's package. Raises `LocalServerError` where neither is there."""
    if found := shutil.which(program):
        return Path(found)
    unpacked = cache() / "debian" / package
    if not unpacked.is_dir():
        with locked(unpacked.with_name(f"{package}.lock")):
            if not unpacked.is_dir():
                _fetch(package, unpacked)
    found = shutil.which(program, path=f"{unpacked}/usr/bin")
    if found is None:
        raise LocalServerError(f"Debian's package {package} has no {program}: remove {unpacked}, and install it")
    return Path(found)


def _fetch(package: str, unpacked: Path) -> None:
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise LocalServerError(f"{package} is not on the PATH, and this is no Debian to fetch it from: install it")
    log.info("Fetching Debian's package %s (once)", package)
    with tempfile.TemporaryDirectory(prefix=f"{package}.part-", dir=unpacked.parent) as part:
        if not _download(package, part):
            # A machine that has never asked knows no packages; only root may make it ask.
            _run(part, "apt-get", "update", "-qq")
            if not _download(package, part):
                raise LocalServerError(f"{package}: apt-get cannot download it: run `apt-get update`, or install it")
        [archive] = Path(part).glob("*.deb")
        if _run(part, "dpkg-deb", "-x", str(archive), "whole") != 0:
            raise LocalServerError(f"{package}: {archive.name} cannot be unpacked")
        (Path(part) / "whole").rename(unpacked)


def _download(package: str, folder: str) -> bool:
    return _run(folder, "apt-get", "download", "-qq", package) == 0


def _run(folder: str, *command: str) -> int:
    try:
        done = subprocess.run(  # noqa: S603
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=FETCH_S, check=False
        )
    except subprocess.TimeoutExpired:
        return 1
    return done.returncode
