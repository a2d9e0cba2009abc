"""Kafka and PostgreSQL together, in one folder, with a schema registry where one is asked for."""

import contextlib
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from headrace.local.kafka import LocalKafka
from headrace.local.ports import LOOPBACK
from headrace.local.postgres import LocalPostgres
from headrace.local.registry import LocalRegistry
from headrace.local.server import LocalServer


class LocalServers:
    """A broker and a database in `directory`, started side by side and stopped in the order in which data flow.

    `full_jit` is the broker's; `host` is the address of this machine by which both are reached.
    """

    def __init__(
        self,
        directory: Path,
        properties: Mapping[str, str] | None = None,
        settings: Mapping[str, str] | None = None,
        *,
        full_jit: bool = False,
        detached: bool = False,
        host: str = LOOPBACK,
    ) -> None:
        self.directory = directory.absolute()
        self.kafka = LocalKafka(self.directory / "kafka", properties, full_jit=full_jit, detached=detached, host=host)
        self.postgres = LocalPostgres(self.directory / "postgres", settings, detached=detached, host=host)
        self.registry = LocalRegistry(self.directory / "registry", detached=detached)

    @property
    def bootstrap_servers(self) -> str:
        """Where clients find Kafka. Raises when it was never started."""
        return self.kafka.bootstrap_servers

    def start(self, *, kafka: bool = True, postgres: bool = True, registry: bool = False) -> Self:
        """Start those and return when they answer, else leave none of them. Raises `LocalServerError`."""
        wanted: list[tuple[LocalServer, bool]] = [
            (self.postgres, postgres), (self.registry, registry), (self.kafka, kafka)
        ]  # fmt: skip
        with contextlib.ExitStack() as undo, ThreadPoolExecutor(len(wanted)) as beside:
            starting = [(server, beside.submit(server.start)) for server, is_wanted in wanted if is_wanted]
            for server, started in starting:
                if not started.exception():
                    undo.callback(server.stop)
            for _, started in starting:
                started.result()
            undo.pop_all()
        return self

    def stop(self) -> None:
        """Stop Kafka, whose records go to PostgreSQL, then PostgreSQL and the registry."""
        self.kafka.stop()
        self.registry.stop()
        self.postgres.stop()

    def remove(self) -> None:
        """Stop all and remove what they have written."""
        self.kafka.kill()
        self.registry.kill()
        self.postgres.remove()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
