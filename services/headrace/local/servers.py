"""Kafka and PostgreSQL together, in one folder."""

import contextlib
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from headrace.local.kafka import LocalKafka
from headrace.local.postgres import LocalPostgres


class LocalServers:
    """A broker and a database in `directory`, started side by side and stopped in the order in which data flow."""

    def __init__(
        self,
        directory: Path,
        properties: Mapping[str, str] | None = None,
        settings: Mapping[str, str] | None = None,
        *,
        detached: bool = False,
    ) -> None:
        self.directory = directory.absolute()
        self.kafka = LocalKafka(self.directory / "kafka", properties, detached=detached)
        self.postgres = LocalPostgres(self.directory / "postgres", settings, detached=detached)

    @property
    def bootstrap_servers(self) -> str:
        """Where clients find Kafka. Raises when it was never started."""
        return self.kafka.bootstrap_servers

    def start(self, *, kafka: bool = True, postgres: bool = True) -> Self:
        """Start both, or one, and return when they answer, else leave neither. Raises `LocalServerError`."""
        with contextlib.ExitStack() as undo, ThreadPoolExecutor(1) as beside:
            database = beside.submit(self.postgres.start) if postgres else None
            try:
                if kafka:
                    self.kafka.start()
                    undo.callback(self.kafka.stop)
            finally:
                if database and not database.exception():
                    undo.callback(self.postgres.stop)
            if database:
                database.result()
            undo.pop_all()
        return self

    def stop(self) -> None:
        """Stop Kafka, whose records go to PostgreSQL, then PostgreSQL."""
        self.kafka.stop()
        self.postgres.stop()

    def remove(self) -> None:
        """Stop both and remove all they have written."""
        self.kafka.kill()
        self.postgres.remove()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
