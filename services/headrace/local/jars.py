"""Apache Kafka's jars and Apicurio Registry: fetched from Maven Central once, checked, kept in the user's cache.

After a change of the version here, `resolve_lock` gives the lock's new text.
"""

import hashlib
import logging
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec import Struct

from headrace.local.process import LocalServerError, locked

KAFKA_VERSION = "4.3.1"
# kafka_2.13 does not name kafka-server as a dependency and needs it; without a logger the broker is mute.
COORDINATES = (
    f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}",
    f"org.apache.kafka:kafka-server:{KAFKA_VERSION}",
    f"org.apache.kafka:kafka-tools:{KAFKA_VERSION}",
    "org.slf4j:slf4j-simple:1.7.36",
)
APICURIO_VERSION = "3.3.3"
APICURIO_COORDINATE = f"io.apicurio:apicurio-registry-app:{APICURIO_VERSION}:all:tar.gz"
APICURIO_DIGEST = "8bc6751c76d963734224b01d5e7f84ccb3cb61c87d3bd77c36c35f10a5cbed63"
KAFKA = f"Apache Kafka {KAFKA_VERSION}"
APICURIO = f"Apicurio Registry {APICURIO_VERSION}"
INSTEAD = {
    KAFKA: "KAFKA_BOOTSTRAP_SERVERS to a Kafka of yours",
    APICURIO: "SCHEMA_REGISTRY_URL to a registry of yours",
}
SHORT = 80
LOCK = Path(__file__).with_name("kafka.lock")

log = logging.getLogger("headrace.local")


class Source(Struct, frozen=True):
    """Where `what` comes from: Maven Central, or a mirror of it."""

    what: str
    mirror: str | None

    @property
    def name(self) -> str:
        """Its name, for people."""
        return self.mirror or "Maven Central"

    def fetch(self, coordinate: str, digest: str, repository: Path) -> Path:
        """The file `group:name:version[:classifier:packaging]`, of that SHA-256. Raises `LocalServerError`."""
        from jgo.maven import MavenContext  # noqa: PLC0415  slow to import, and needed only once

        maven = MavenContext(repo_cache=repository, remote_repos={"mirror": self.mirror} if self.mirror else None)
        try:
            group, name, version, *kind = coordinate.split(":")
            found: Path = maven.project(group, name).at_version(version).artifact(*kind).resolve()
        except Exception as error:  # jgo raises whatever broke below it: HTTP, TLS, its own
            reason = str(error) if len(str(error)) < SHORT else type(error).__name__
            raise self.unavailable(f"cannot fetch {coordinate} from {self.name} ({reason})") from error
        if digest != digest_of(found):
            raise self.unavailable(f"{coordinate} from {self.name} is not what the lock says")
        return found

    def unavailable(self, why: str) -> LocalServerError:
        """What to do then."""
        return LocalServerError(
            f"{self.what}: {why}. Connect to the network once, or set HEADRACE_CACHE to a folder that has it, "
            f"HEADRACE_MAVEN to a mirror, or {INSTEAD[self.what]}"
        )


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
    return _kept(f"kafka-{KAFKA_VERSION}", KAFKA, environment, _fetch_jars)


def apicurio(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder that Apicurio Registry is unpacked in, likewise."""
    return _kept(f"apicurio-{APICURIO_VERSION}", APICURIO, environment, _fetch_apicurio)


def _kept(name: str, what: str, environment: Mapping[str, str], fetch: Callable[[Source, Path], None]) -> Path:
    folder = cache(environment) / name
    if folder.is_dir():
        return folder
    mirror = environment.get("HEADRACE_MAVEN")
    source = Source(what, mirror)
    try:
        with locked(folder.with_name(f"{folder.name}.lock")):
            if not folder.is_dir():
                log.info("Fetching %s from %s (once)", what, source.name)
                for abandoned in folder.parent.glob(f"{folder.name}.part-*"):
                    shutil.rmtree(abandoned)
                with tempfile.TemporaryDirectory(prefix=f"{folder.name}.part-", dir=folder.parent) as part:
                    whole = Path(part) / "whole"
                    whole.mkdir()
                    fetch(source, whole)
                    whole.rename(folder)
    except OSError as error:
        raise source.unavailable(f"cannot write to {folder.parent} ({error.strerror or error})") from error
    return folder


def _fetch_jars(source: Source, whole: Path) -> None:
    for coordinate, digest in (line.split() for line in LOCK.read_text().splitlines()):
        jar = source.fetch(coordinate, digest, whole.parent / "repository")
        jar.rename(whole / jar.name)


def _fetch_apicurio(source: Source, whole: Path) -> None:
    archive = source.fetch(APICURIO_COORDINATE, APICURIO_DIGEST, whole.parent / "repository")
    with tarfile.open(archive) as packed:
        # Early versions of Python 3.11 have no filters; what is unpacked is known to its last byte anyway.
        packed.extraction_filter = getattr(tarfile, "data_filter", lambda member, _path: member)
        packed.extractall(whole)  # noqa: S202


def digest_of(file: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


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
