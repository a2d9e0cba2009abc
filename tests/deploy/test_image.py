"""What the image is built from: lock files that agree, and a context that has what the Dockerfile copies."""

import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCKS = ("deploy/requirements.lock", "deploy/load.lock", "deploy/build.lock")


def plain(requirement: str) -> str:
    """The name of a requirement as lock files write it."""
    [name] = re.findall(r"^[\w.-]+", requirement)
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(path: str) -> dict[str, set[str]]:
    """For each distribution, with its version, the hashes that it may have."""
    entries = (ROOT / path).read_text().replace("\\\n", " ").splitlines()
    return {entry.split()[0]: set(re.findall(r"--hash=(sha256:[0-9a-f]{64})", entry)) for entry in entries}


@pytest.mark.parametrize("path", LOCKS)
def test_the_image_is_made_of_nothing_that_the_tests_have_not_run_with(path: str) -> None:
    tested = locked("requirements.lock")
    for name, hashes in locked(path).items():
        assert name in tested, f"{path}: {name}: run `make lock`"
        assert hashes
        assert hashes <= tested[name]


def test_every_dependency_is_locked_for_the_image_and_no_other_extra_is() -> None:
    service = {plain(entry) for entry in locked("deploy/requirements.lock")}
    load = {plain(entry) for entry in locked("deploy/load.lock")}
    wanted = {plain(entry) for entry in PROJECT["dependencies"]}
    extras = {name: {plain(entry) for entry in entries} for name, entries in PROJECT["optional-dependencies"].items()}
    assert wanted <= service, "run `make lock`"
    assert service | extras["load"] <= load, "run `make lock`"
    assert not service & (extras["dev"] | extras["local"] | {"pip", "setuptools"}) - wanted


def test_the_context_holds_what_the_dockerfile_copies() -> None:
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copies = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "deploy" / "Dockerfile").read_text(), re.MULTILINE)
    copied = [source for line in copies for source in line.split()]
    assert {"services", "schemas", "deploy/requirements.lock"} <= set(copied)
    for source in copied:
        assert (ROOT / source).exists()
        assert any(fnmatch(source, pattern) or source.startswith(f"{pattern}/") for pattern in kept), source
