"""One real Apache Kafka broker, with its own controller, as a local process."""

import base64
import functools
import shutil
import signal
import subprocess
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from headrace.local.jars import kafka_jars
from headrace.local.java import QUICK_START, find_java
from headrace.local.ports import LOOPBACK, Ports
from headrace.local.process import LocalServerError, ServerProcess, locked, quote_end, write_whole
from headrace.local.secured import Secured
from headrace.local.server import LocalServer

PROPERTIES = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "4",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "auto.create.topics.enable": "false",
    # A killed broker may come back as soon as its session has ended.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    # A crashed producer's transaction is aborted, and a closed segment compacted, soon enough for a test to see it.
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    "log.cleaner.backoff.ms": "500",
    "log.retention.check.interval.ms": "1000",
    "log.initial.task.delay.ms": "1000",
}
# Of Java's collectors the one that takes the least CPU, which the broker shares with what it serves.
COLLECTOR = "-XX:+UseParallelGC"
# simplelogger writes to standard error, which is the log file.
LOGGING = ("-Dorg.slf4j.simpleLogger.showDateTime=true", "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS")
START_SECONDS = 120.0
STOP_SECONDS = 20.0


class LocalKafka(LocalServer):
    """A Kafka broker in `directory`, where its data, its log and its port stay from one start to the next.

    `properties` are broker properties over the defaults here. `full_jit` trades seconds at the start for the last
    third of the speed: benchmarks want it. A `detached` broker outlives this process; any other ends with it.
    A broker is a cluster by itself, unless `properties` name the voters of the cluster whose id is `cluster_id`.
    A `secured` broker has a second listener, with passwords and rights. `host` is an address of this machine by which
    clients reach the first one: whoever does may read and write everything.
    """

    def __init__(
        self,
        directory: Path,
        properties: Mapping[str, str] | None = None,
        heap_mb: int = 512,
        *,
        full_jit: bool = False,
        detached: bool = False,
        cluster_id: str | None = None,
        secured: Secured | None = None,
        host: str = LOOPBACK,
    ) -> None:
        self.directory = directory.absolute()
        self._host = host
        self.properties = PROPERTIES | dict(properties or {})
        self.jvm = [
            f"-Xms{heap_mb // 2}m",
            f"-Xmx{heap_mb}m",
            COLLECTOR,
            *LOGGING,
            *(() if full_jit else QUICK_START),
        ]
        self._process = ServerProcess(self.directory, "kafka", detached=detached)
        self._secured = secured
        self._ports = Ports(self.directory, 3 if secured else 2)
        self._cluster_id = cluster_id or new_cluster_id()

    @functools.cached_property
    def java(self) -> Path:
        """The Java that runs it, 17 or newer."""
        return find_java()

    @property
    def jars(self) -> list[Path]:
        """All jars of Kafka, its command line tools included."""
        return sorted(kafka_jars().glob("*.jar"))

    @property
    def classpath(self) -> str:
        """What `java -cp` takes to find any class of Kafka."""
        return str(kafka_jars() / "*")

    @property
    def bootstrap_servers(self) -> str:
        """`host:port`, the same before and after a stop and a start. Raises when it was never started."""
        return f"{self._host}:{self._ports.known()[0]}"

    @property
    def secured_servers(self) -> str:
        """`127.0.0.1:port` of a secured broker's second listener."""
        return f"127.0.0.1:{self._ports.known()[2]}"

    def settle(self) -> str:
        """Choose the ports before the start, as other brokers must know them; the controller's address."""
        with locked(self.directory / "lock"):
            ports = self._ports.known() if self.running else self._ports.settle()
        return f"127.0.0.1:{ports[1]}"

    def start(self) -> Self:
        """Start the broker and return when it answers. Raises `LocalServerError` with the end of its log."""
        with locked(self.directory / "lock"):
            self._process.claim()
            self._ports.bring_up(self._process, self._launch, lambda: answers(self.bootstrap_servers), START_SECONDS)
        return self

    def stop(self, timeout: float = STOP_SECONDS) -> None:
        """Stop the broker in order, by force after `timeout` seconds."""
        self._process.end(signal.SIGTERM, timeout)

    def kill(self) -> None:
        """Kill the broker (SIGKILL) and return when it is gone."""
        self._process.end(signal.SIGKILL, 0)

    def pause(self) -> None:
        """Freeze the broker (SIGSTOP): its connections stay open and it answers nothing."""
        self._process.send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen broker go on (SIGCONT)."""
        self._process.send(signal.SIGCONT)

    def restart(self, timeout: float = STOP_SECONDS) -> None:
        """Stop in order, then start with the same data on the same port."""
        self.stop(timeout)
        self.start()

    def _launch(self, ports: list[int]) -> None:
        java = [self.java, *self.jvm, "-cp", self.classpath]
        data = self.directory / "data"
        more = self._secured.properties(ports[2]) if self._secured else {}
        settings = write_settings(self.directory / "server.properties", data, self._host, ports, self.properties, more)
        if not (data / "meta.properties").exists():
            alone = () if "controller.quorum.voters" in self.properties else ("--standalone",)
            format_storage([*java, "kafka.tools.StorageTool", "format", *alone], data, settings, self._cluster_id)
        self._process.start([*java, "kafka.Kafka", settings], dies_with_us=signal.SIGKILL)


def write_settings(
    file: Path,
    data: Path,
    host: str,
    ports: list[int],
    properties: Mapping[str, str],
    secured: Mapping[str, str],
) -> Path:
    """Write the broker's properties, the addresses and the data folder among them, as Kafka reads them.

    Listeners that `secured` names come beside those that are there anyway.
    """
    broker, controller, *_ = ports
    addresses = {
        "controller.quorum.bootstrap.servers": f"127.0.0.1:{controller}",
        "listeners": f"PLAINTEXT://{host}:{broker},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"PLAINTEXT://{host}:{broker}",
        "log.dirs": str(data),
    }
    chosen = addresses | dict(properties)
    for name, value in secured.items():
        chosen[name] = f"{chosen[name]},{value}" if name in addresses else value
    write_whole(file, "".join(f"{name}={value}\n" for name, value in chosen.items()))
    return file


def new_cluster_id() -> str:
    """A UUID in Kafka's notation; the first byte keeps it from beginning with a dash, which reads as an option."""
    return base64.urlsafe_b64encode(b"\x01" + uuid.uuid4().bytes[1:]).rstrip(b"=").decode()


def format_storage(tool: list[str | Path], data: Path, settings: Path, cluster_id: str) -> None:
    """Make the data folder of a broker. A folder that a crash left half made is made anew."""
    if data.exists():
        shutil.rmtree(data)
    command = [*tool, "-t", cluster_id, "-c", settings]
    made = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if made.returncode != 0:
        raise LocalServerError(f"Kafka cannot make its data folder {data}:{quote_end(made.stdout + made.stderr)}")


def answers(bootstrap_servers: str) -> bool:
    """Whether a broker there answers and takes part in its cluster."""
    quick = {"reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 50, "socket.timeout.ms": 2000}
    admin = AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0, **quick})
    try:
        return bool(admin.list_topics(timeout=2).brokers)
    except KafkaException:
        return False
