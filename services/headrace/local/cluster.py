"""Several real Apache Kafka brokers as one cluster, each of which can be stopped, killed and frozen by its number."""

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from headrace.local.kafka import LocalKafka, new_cluster_id
from headrace.local.process import LocalServerError, locked, until, write_whole

HEAP_MB = 256
IN_SYNC_SECONDS = 60.0
JOIN_SECONDS = 60.0
METADATA_SECONDS = 5.0
# What is written is on a majority: any one broker may be lost.
REPLICATED = {
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "share.coordinator.state.topic.replication.factor": "3",
    "share.coordinator.state.topic.min.isr": "2",
    # A broker that stands still leaves the in-sync replicas, and its leadership, within seconds.
    "replica.lag.time.max.ms": "5000",
    # The default, 128 MB, is half of the heap.
    "log.cleaner.dedupe.buffer.size": "16777216",
    "controller.quorum.election.timeout.ms": "1000",
    "controller.quorum.fetch.timeout.ms": "2000",
}


class LocalKafkaCluster:
    """Brokers 1 to `size` in `directory`, all of them controllers, too; three replicas of what Kafka keeps itself.

    `properties` are broker properties over the defaults here. A `detached` cluster outlives this process.
    """

    def __init__(
        self,
        directory: Path,
        size: int = 3,
        properties: Mapping[str, str] | None = None,
        heap_mb: int = HEAP_MB,
        *,
        detached: bool = False,
    ) -> None:
        self.directory = directory.absolute()
        chosen = REPLICATED | dict(properties or {})
        self.brokers = {
            number: LocalKafka(
                self.directory / f"broker-{number}",
                chosen | {"node.id": str(number)},
                heap_mb,
                detached=detached,
                cluster_id=self._cluster_id(),
            )
            for number in range(1, size + 1)
        }

    @property
    def bootstrap_servers(self) -> str:
        """`127.0.0.1:port,…`, the same before and after a stop and a start. Raises when it was never started."""
        return ",".join(broker.bootstrap_servers for broker in self.brokers.values())

    @property
    def running(self) -> list[int]:
        """The numbers of the brokers whose processes are alive."""
        return [number for number, broker in self.brokers.items() if broker.running]

    def start(self, *numbers: int) -> Self:
        """Start the brokers of these numbers, or all that do not run, and return when each takes part.

        A majority must run for any of them to answer. Raises `LocalServerError` with the end of a log.
        """
        chosen = numbers or tuple(number for number in self.brokers if number not in self.running)
        voters = ",".join(f"{number}@{broker.settle()}" for number, broker in self.brokers.items())
        for broker in self.brokers.values():
            broker.properties["controller.quorum.voters"] = voters
        if chosen:
            self._each(LocalKafka.start, chosen)
            if not until(lambda: self._take_part(chosen), JOIN_SECONDS):
                raise LocalServerError(f"after {JOIN_SECONDS:.0f} s the cluster does not know brokers {chosen}")
        return self

    def stop(self, *numbers: int) -> None:
        """Stop these brokers, or all, in order."""
        self._each(LocalKafka.stop, numbers)

    def kill(self, *numbers: int) -> None:
        """Kill these brokers, or all (SIGKILL), and return when they are gone."""
        self._each(LocalKafka.kill, numbers)

    def pause(self, *numbers: int) -> None:
        """Freeze these brokers, or all (SIGSTOP): their connections stay open and they answer nothing."""
        self._each(LocalKafka.pause, numbers)

    def resume(self, *numbers: int) -> None:
        """Let frozen brokers go on (SIGCONT)."""
        self._each(LocalKafka.resume, numbers)

    def restart(self, *numbers: int) -> None:
        """Stop these brokers, or all, in order, then start them with the same data on the same ports."""
        self.stop(*numbers)
        self.start(*numbers)

    def leader_of(self, topic: str, partition: int) -> int:
        """The number of the broker that leads a partition. Raises `LocalServerError` when none does."""
        return self._leader(topic, lambda _count: partition)

    def transaction_coordinator_of(self, transactional_id: str) -> int:
        """The number of the broker that keeps the transactions of this id; they must have begun once."""
        return self._leader("__transaction_state", lambda count: java_hash(transactional_id) % count)

    def group_coordinator_of(self, group: str) -> int:
        """The number of the broker that keeps this group's offsets; some must have been committed once."""
        return self._leader("__consumer_offsets", lambda count: java_hash(group) % count)

    def controller(self) -> int:
        """The number of the active controller, by what the running brokers know of the newest election."""
        known = []
        for number in self.running:
            quorum = self.brokers[number].directory / "data" / "__cluster_metadata-0" / "quorum-state"
            state = json.loads(quorum.read_text())
            known.append((state["leaderEpoch"], state["leaderId"]))
        if not known or max(known)[1] < 0:
            raise LocalServerError("no controller is elected")
        return int(max(known)[1])

    def in_sync(self) -> bool:
        """Whether every partition has all its replicas in sync and a leader."""
        try:
            topics = self._metadata().topics
        except LocalServerError:
            return False
        return all(
            entry.leader >= 0 and len(entry.isrs) == len(entry.replicas)
            for topic in topics.values()
            for entry in topic.partitions.values()
        )

    def wait_until_in_sync(self, timeout: float = IN_SYNC_SECONDS) -> None:
        """Wait until the loss of one broker more would cost nothing."""
        if not until(self.in_sync, timeout):
            raise LocalServerError(f"after {timeout:.0f} s some partitions still lack replicas in sync")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _each(self, action: Callable[[LocalKafka], object], numbers: tuple[int, ...]) -> None:
        """Do something to several brokers side by side: alone, the first of them might wait for the others."""
        chosen = [self.brokers[number] for number in numbers or self.brokers]
        with ThreadPoolExecutor(len(self.brokers)) as together:
            for done in [together.submit(action, broker) for broker in chosen]:
                done.result()

    def _leader(self, topic: str, which: Callable[[int], int]) -> int:
        partitions = self._metadata(topic).topics[topic].partitions
        partition = which(len(partitions) or 1)
        if partition not in partitions or partitions[partition].leader < 0:
            raise LocalServerError(f"no broker leads {topic}[{partition}]")
        return int(partitions[partition].leader)

    def _take_part(self, numbers: tuple[int, ...]) -> bool:
        try:
            return set(numbers) <= set(self._metadata().brokers)
        except LocalServerError:
            return False

    def _metadata(self, *topics: str) -> Any:
        quick = {"reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 100, "log_level": 0}
        admin = AdminClient({"bootstrap.servers": self.bootstrap_servers, **quick})
        try:
            return admin.list_topics(*topics, timeout=METADATA_SECONDS)
        except KafkaException as error:
            raise LocalServerError(f"no broker in {self.directory} answers: {error.args[0].str()}") from error

    def _cluster_id(self) -> str:
        """The cluster's id, chosen once; all brokers' data are made with it."""
        with locked(self.directory / "lock"):
            file = self.directory / "cluster-id"
            if not file.exists():
                write_whole(file, new_cluster_id())
            return file.read_text()


def java_hash(text: str) -> int:
    """The absolute value of Java's `String.hashCode()`, by which Kafka places groups and transactional ids."""
    value = 0
    for unit in memoryview(text.encode("utf-16-le")).cast("H"):
        value = (31 * value + unit) & 0xFFFFFFFF
    # Where the absolute value would be one too large for Java, Kafka takes zero.
    return min(value, (1 << 32) - value) % (1 << 31)
