"""Where the demo plays: Kafka, Postgres and the services as processes, in a folder of their own."""

import os
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, Literal, Self, TypeAlias

from confluent_kafka import KafkaException

from headrace.app import LIMITS, shop
from headrace.avro.agreement import disagreements
from headrace.avro.contract import read_lock
from headrace.kafka.clients import admin_client
from headrace.kafka.topics import create_topics
from headrace.kernel.app import App
from headrace.kernel.errors import Fault, Misconfigured
from headrace.local import LocalServers, Patience, Supervisor
from headrace.local.ports import free_port
from headrace.postgres.schema import migrate
from headrace.settings import Settings, read_settings

DOMAIN: Final = "orders"
PARTITIONS: Final = 12
Services: TypeAlias = tuple[tuple[str, tuple[str, ...], str], ...]
# Two of each: (name, arguments of `headrace`, consumer group).
SERVICES: Final[Services] = (
    ("handler", ("handle", DOMAIN), f"headrace.handle.{DOMAIN}"),
    ("orders-projector", ("project", "orders"), "headrace.project.orders_v1"),
    ("statistics-projector", ("project", "order_statistics"), "headrace.project.order_statistics_v1"),
    ("journal-projector", ("project", "journal"), "headrace.project.journal"),
)
# What the story does without, and whoever looks on wants to see: one of each.
SPECTATORS: Final = (
    ("audit-projector", ("project", "audit")),
    ("statements-projector", ("project", "statements")),
    ("transfer-volumes-projector", ("project", "transfer_volumes")),
    ("watch", ("watch",)),
)
# One of each.
BANK: Final[Services] = (
    ("accounts-handler", ("handle", "accounts"), "headrace.handle.accounts"),
    ("transfers-handler", ("handle", "transfers"), "headrace.handle.transfers"),
    ("transfer-process", ("react", "transfer_process"), "headrace.react.transfer_process"),
    ("accounts-projector", ("project", "accounts"), "headrace.project.accounts_v1"),
    ("transfers-projector", ("project", "transfers"), "headrace.project.transfers_v1"),
)
REPLICAS: Final = 2
SESSION_TIMEOUT_MS: Final = "3000"
POLL_S: Final = 0.1


class Stage:
    """Servers and services in `folder`; both end with the `with`, however that ends.

    The folder is removed with them, unless something failed: then logs and data stay for a look. `app` is what one
    of `headrace.app` is called there, and that one. Set `addresses` to an empty dict before services are started, and
    each has a METRICS_PORT, and its address there.
    """

    def __init__(
        self,
        folder: Path,
        schemas: Path,
        patience: Patience | None = None,
        replicas: int = REPLICAS,
        servers: Callable[[Path], LocalServers] = LocalServers,
        app: tuple[str, App] = ("shop", shop),
    ) -> None:
        self._app_name, self._app = app
        self.folder = folder.absolute()
        self._patience = patience
        self.schemas = schemas.absolute()
        self.replicas = replicas
        self._names: list[str] = []
        self.addresses: dict[str, str] | None = None
        self.servers = servers(self.folder / "servers")
        self.failed = False
        self.began = time.monotonic()
        self._open = ExitStack()

    def __enter__(self) -> Self:
        (self.folder / "logs").mkdir(parents=True)
        self.services = self._open.enter_context(Supervisor(self._patience))
        try:
            self.servers.start()
        except BaseException as error:
            self.__exit__(type(error))
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.failed |= kind is not None and kind is not KeyboardInterrupt
        try:
            self._open.close()
        finally:
            if self.failed:
                self.servers.stop()
            else:
                self.servers.remove()
                shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def settings(self) -> Settings:
        """Where everything is, as every process of the demo is told."""
        places = {
            "kafka_bootstrap_servers": self.servers.bootstrap_servers,
            "database_url": self.servers.postgres.url,
            "profile": "local",
            "schemas": self.schemas,
            "partitions": PARTITIONS,
        }
        return read_settings().model_copy(update=places)

    @property
    def environment(self) -> dict[str, str]:
        """The same as environment variables."""
        settings = self.settings
        return {
            "KAFKA_BOOTSTRAP_SERVERS": settings.kafka,
            "DATABASE_URL": settings.database,
            "HEADRACE_APP": f"headrace.app:{self._app_name}",
            "HEADRACE_PROFILE": settings.profile,
            "HEADRACE_SCHEMAS": str(settings.schemas),
            "HEADRACE_PARTITIONS": str(settings.partitions),
            "HEADRACE_TUNING": settings.tuning,
            "HEADRACE_BATCH_SIZE": str(settings.batch_size),
            "HEADRACE_WINDOW_MS": str(settings.window_ms),
        }

    @property
    def pids(self) -> dict[str, int]:
        """The numbers of all processes, by name."""
        found = {name: self.services.pid(name) for name in self._names}
        servers = {"kafka": self.servers.kafka.pid, "postgres": self.servers.postgres.pid}
        return {name: pid for name, pid in (found | servers).items() if pid}

    @property
    def seconds(self) -> float:
        """How long ago the demo began."""
        return time.monotonic() - self.began

    def prepare(
        self, overrides: dict[str, str] | None = None, profile: Literal["local", "production"] = "local"
    ) -> tuple[list[str], int]:
        """Check the schemas, create topics (with a profile's replicas, and `overrides` of their settings) and tables.

        Returns the topics and how many contracts there are.
        """
        catalogue = read_lock(self.schemas)
        if wrong := list(disagreements(self._app, catalogue)):
            raise Misconfigured(f"the schemas do not fit the code: {'; '.join(wrong)}")
        topics = create_topics(
            admin_client(self.settings), self._app, self.settings.model_copy(update={"profile": profile}), overrides
        )
        migrate(self._app, self.settings)
        return topics, len(catalogue.contracts)

    def start_services(self) -> list[str]:
        """Start the replicas of each service; returns their names once each has partitions of its own."""
        names = self._names
        for name, arguments, _ in SERVICES:
            for number in range(1, self.replicas + 1):
                slot = ("--slot", str(number)) if name == "handler" else ()
                self._start(f"{name}-{number}", *arguments, *slot)
                names.append(f"{name}-{number}")
        self._wait_for_partitions(SERVICES, self.replicas)
        return names

    def start_bank(self, reviewed: int) -> list[str]:
        """Start one of each of the bank's services, which let a second person look at transfers of more than that."""
        for name, arguments, _ in BANK:
            self._start(name, *arguments, env={LIMITS: f'{{"review_above": {reviewed}}}'})
            self._names.append(name)
        return [name for name, *_ in BANK]

    def start_spectators(self) -> None:
        """Start what is only there to be looked at."""
        for name, arguments in SPECTATORS:
            self._start(name, *arguments)
            self._names.append(name)

    def wait_for_bank(self) -> None:
        """Wait until each of them has partitions."""
        self._wait_for_partitions(BANK, 1)

    def wait(self, holds: Callable[[], bool], what: str, seconds: float) -> None:
        """Wait until something holds; a `Fault` says what did not come, and where the logs are."""
        deadline = time.monotonic() + seconds
        while not holds():
            self.services.check()
            if time.monotonic() > deadline:
                raise Fault(f"not within {seconds:.0f} s: {what}; the services' logs are in {self.folder / 'logs'}")
            time.sleep(POLL_S)

    def _wait_for_partitions(self, services: Services, replicas: int) -> None:
        admin, groups = admin_client(self.settings), [group for *_, group in services]
        self.wait(lambda: _all_have_partitions(admin, groups, replicas), "every service has partitions", 60)

    def _start(self, name: str, *arguments: str, env: dict[str, str] | None = None) -> None:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("HEADRACE_", "KAFKA_", "PG"))}
        # A killed process is missed after so long; the local profile's own six seconds are a long time in a demo.
        ours = {"KAFKA_CONSUMER__SESSION_TIMEOUT_MS": SESSION_TIMEOUT_MS, "HEADRACE_INSTANCE": name}
        if self.addresses is not None:
            port = free_port()
            ours |= {"METRICS_PORT": str(port), "METRICS_HOST": "127.0.0.1"}
            self.addresses[name] = f"127.0.0.1:{port}"
        log = self.folder / "logs" / f"{name}.log"
        command = [sys.executable, "-m", "headrace", *arguments]
        self.services.start(name, command, log, kept | self.environment | ours | (env or {}))


def _all_have_partitions(admin: Any, names: list[str], replicas: int) -> bool:
    """Whether each group has all its members, and each member something to do."""
    found = admin.describe_consumer_groups(names, request_timeout=10)
    try:
        groups = [future.result() for future in found.values()]
    except KafkaException:  # a new broker makes its group coordinator first
        return False
    for group in groups:
        shares = [member.assignment.topic_partitions for member in group.members if member.assignment]
        if sum(map(bool, shares)) < replicas or sum(map(len, shares)) < PARTITIONS:
            return False
    return True
