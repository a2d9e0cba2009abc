"""Apache Kafka's jars: fetched from Maven Central once, checked against `kafka.lock`, kept in the user's cache.

After a change of the version here, `resolve_lock` gives the lock's new text.
"""

import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from headrace.local.process import LocalServerError, locked

KAFKA_VERSION = "4.3.1"
# kafka_2.13 does not name kafka-server as a dependency and needs it; without a logger the broker is mute.
COORDINATES = (
    f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}",
    f"org.apache.kafka:kafka-server:{KAFKA_VERSION}",
    f"org.apache.kafka:kafka-tools:{KAFKA_VERSION}",
    "org.slf4j:slf4j-simple:1.7.36",
)
SHORT = 80
LOCK = Path(__file__).with_name("kafka.lock")

log = logging.getLogger("headrace.local")


def cache(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder for what is fetched once: HEADRACE_CACHE, else `headrace` in the user's cache folder."""
    if chosen := environment.get("HEADRACE_CACHE"):
        return Path(chosen).absolute()
    return Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "headrace"


def kafka_jars(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder that holds Kafka's jars, fetched when it is not there yet. Raises `LocalServerError`.

    They come from Maven Central, or from the mirror of it that HEADRACE_MAVEN names. The folder appears whole or not
    at all, also when two processes ask at once or one of them is killed.
    """
    jars = cache(environment) / f"kafka-{KAFKA_VERSION}"
    if jars.is_dir():
        return jars
    try:
        with locked(jars.with_name(f"{jars.name}.lock")):
            if not jars.is_dir():
                _fetch(jars, environment.get("HEADRACE_MAVEN"))
    except OSError as error:
        raise _unavailable(f"cannot write to {jars.parent} ({error.strerror or error})") from error
    return jars


def _fetch(jars: Path, mirror: str | None) -> None:
    from jgo.maven import MavenContext  # noqa: PLC0415  slow to import, and needed only once

    repository = mirror or "Maven Central"
    log.info("Fetching Apache Kafka %s from %s (40 MB, once)", KAFKA_VERSION, repository)
    for abandoned in jars.parent.glob(f"{jars.name}.part-*"):
        shutil.rmtree(abandoned)
    with tempfile.TemporaryDirectory(prefix=f"{jars.name}.part-", dir=jars.parent) as part:
        maven = MavenContext(repo_cache=Path(part) / "repository", remote_repos={"mirror": mirror} if mirror else None)
        whole = Path(part) / "whole"
        whole.mkdir()
        for coordinate, digest in (line.split() for line in LOCK.read_text().splitlines()):
            try:
                jar = maven.create_dependency(coordinate).artifact.resolve()
            except Exception as error:  # jgo raises whatever broke below it: HTTP, TLS, its own
                reason = str(error) if len(str(error)) < SHORT else type(error).__name__
                raise _unavailable(f"cannot fetch {coordinate} from {repository} ({reason})") from error
            if digest != digest_of(jar):
                raise _unavailable(f"{coordinate} from {repository} is not what kafka.lock says")
            jar.rename(whole / jar.name)
        whole.rename(jars)


def digest_of(file: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _unavailable(why: str) -> LocalServerError:
    return LocalServerError(
        f"Apache Kafka {KAFKA_VERSION}: {why}. Connect to the network once, or set HEADRACE_CACHE to a folder that has"
        " it, HEADRACE_MAVEN to a mirror, or KAFKA_BOOTSTRAP_SERVERS to a Kafka of yours"
    )


def resolve_lock() -> str:
    """The text of `kafka.lock`: every jar that Kafka needs, as Maven Central has it now."""
    from jgo.maven import MavenContext  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as repository:
        maven = MavenContext(repo_cache=Path(repository))
        wanted = [maven.create_dependency(coordinate) for coordinate in COORDINATES]
        roots, below = maven.resolver.resolve(wanted)
        needed = [*roots, *(dependency for dependency in below if dependency.scope in ("compile", "runtime"))]
        lines = (
            f"{found.groupId}:{found.artifactId}:{found.version} {digest_of(found.artifact.resolve())}\n"
            for found in needed
        )
        return "".join(sorted(lines))
