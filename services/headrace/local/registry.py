"""One real Apicurio Registry, which speaks Confluent's API of schema registries, as a local process."""

import functools
import signal
import urllib.request
from pathlib import Path
from typing import Self

from headrace.local.jars import apicurio
from headrace.local.java import QUICK_START, find_java
from headrace.local.ports import Ports
from headrace.local.process import ServerProcess, locked
from headrace.local.server import LocalServer

JAVA = 21
API = "/apis/ccompat/v7"
START_SECONDS = 300.0
STOP_SECONDS = 20.0
ANSWER_SECONDS = 5.0


class LocalRegistry(LocalServer):
    """A schema registry in `directory`, where its data (H2), its log and its port stay from one start to the next.

    It listens on the loopback only, and asks nobody for a password. A `detached` one outlives this process.
    """

    def __init__(self, directory: Path, heap_mb: int = 256, *, detached: bool = False) -> None:
        self.directory = directory.absolute()
        self.jvm = ["-Xms64m", f"-Xmx{heap_mb}m", *QUICK_START, "-XX:+UseSerialGC"]
        self._process = ServerProcess(self.directory, "registry", detached=detached)
        self._ports = Ports(self.directory, 2)

    @functools.cached_property
    def java(self) -> Path:
        """The Java that runs it, 21 or newer."""
        return find_java(oldest=JAVA)

    @property
    def url(self) -> str:
        """What SCHEMA_REGISTRY_URL is set to, the same before and after a stop and a start."""
        return f"http://127.0.0.1:{self._ports.known()[0]}{API}"

    def start(self) -> Self:
        """Start it and return when it answers. Raises `LocalServerError` with the end of its log."""
        with locked(self.directory / "lock"):
            self._process.claim()
            self._ports.bring_up(self._process, self._launch, lambda: answers(self.url), START_SECONDS)
        return self

    def stop(self, timeout: float = STOP_SECONDS) -> None:
        """Stop it in order, by force after `timeout` seconds."""
        self._process.end(signal.SIGTERM, timeout)

    def kill(self) -> None:
        """Kill it (SIGKILL) and return when it is gone."""
        self._process.end(signal.SIGKILL, 0)

    def _launch(self, ports: list[int]) -> None:
        public, management = ports
        settings = {
            "quarkus.http.host": "127.0.0.1",
            "quarkus.http.port": public,
            "quarkus.management.host": "127.0.0.1",
            "quarkus.management.port": management,
            "quarkus.http.access-log.enabled": "false",
            "apicurio.storage.kind": "sql",
            "apicurio.storage.sql.kind": "h2",
            "apicurio.datasource.url": f"jdbc:h2:file:{self.directory}/data/registry",
        }
        given = [f"-D{name}={value}" for name, value in settings.items()]
        program = apicurio() / "quarkus-run.jar"
        self._process.start([self.java, *self.jvm, *given, "-jar", program], dies_with_us=signal.SIGKILL)


def answers(url: str) -> bool:
    """Whether a registry there answers."""
    try:
        with urllib.request.urlopen(f"{url}/subjects", timeout=ANSWER_SECONDS) as answer:  # noqa: S310 - http, as above
            return bool(answer.status == 200)  # noqa: PLR2004
    except OSError:
        return False
