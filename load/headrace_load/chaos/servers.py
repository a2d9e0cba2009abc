"""The servers of a run: three brokers, any of which may go, and a database."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from headrace.local import LocalKafkaCluster, LocalServers


class ReplicatedServers(LocalServers):
    """A cluster instead of the broker.

    A broker that is a cluster by itself can leave confirmed transactions open when it stops: it writes no markers to
    partitions that have no leader at the moment, as all of them have then (`TransactionMarkerChannelManager`).
    """

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.brokers = LocalKafkaCluster(self.directory / "kafka")

    @property
    def bootstrap_servers(self) -> str:
        """Where clients find the brokers."""
        return self.brokers.bootstrap_servers

    def start(self, *, kafka: bool = True, postgres: bool = True, registry: bool = False) -> Self:
        """Start the brokers and the database side by side, or one of both; there is no registry."""
        del registry
        with ThreadPoolExecutor(1) as beside:
            database = beside.submit(self.postgres.start) if postgres else None
            if kafka:
                self.brokers.start()
            if database:
                database.result()
        return self

    def stop(self) -> None:
        """Stop all of them."""
        self.brokers.stop()
        self.postgres.stop()

    def remove(self) -> None:
        """Stop all of them and remove all they have written."""
        self.brokers.kill()
        self.postgres.remove()
        shutil.rmtree(self.directory, ignore_errors=True)
