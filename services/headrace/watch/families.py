"""What was seen last, as metrics: `headrace watch` shows them, and no other service has them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from msgspec import Struct
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from headrace.kafka.records import Place
from headrace.observe.metrics import Family
from headrace.observe.states import PLACE
from headrace.watch.backlog import Behind
from headrace.watch.brokers import GroupState, TopicState
from headrace.watch.database import DatabaseState


class Seen(Struct, frozen=True):
    """The last look; `database` is None while Postgres does not answer, `brokers` 0 while Kafka does not.

    `looked` says when the last look at each server ended, answered or not, in seconds since 1970.
    """

    brokers: int = 0
    topics: Mapping[str, TopicState] = {}
    groups: Mapping[str, GroupState] = {}
    behind: Mapping[str, Mapping[Place, Behind]] = {}
    database: DatabaseState | None = None
    looked: Mapping[str, float] = {}


Sample = tuple[str, list[str], float]

FAMILIES: Final = tuple(
    Family(f"headrace_{name}", "counter" if name.endswith("_total") else "gauge", labels, text)
    for name, labels, text in (
        ("kafka_brokers", (), "Brokers that are there; 0 when none answered at the last look."),
        ("topic_partitions", ("topic",), "Partitions of a topic."),
        ("topic_leaderless_partitions", ("topic",), "Partitions that no broker leads: they take and give nothing."),
        ("topic_underreplicated_partitions", ("topic",), "Partitions that lack a replica in sync."),
        ("topic_appended_total", ("topic",), "Offsets given out in a topic, markers of transactions included."),
        ("topic_unstable_seconds", ("topic",), "For how long an open transaction has held back a partition's end."),
        ("topic_compaction_lag_seconds", ("topic",), "How old a record must be before compaction may take it."),
        ("group_members", ("group",), "Members of a consumer group that the app is to have."),
        ("group_partitions", ("group",), "Partitions that a consumer group has to read."),
        ("group_unassigned_partitions", ("group",), "Partitions of a group that none of its members has."),
        ("group_lag_records", PLACE, "Offsets that wait for a group; 0 when all is read."),
        ("group_lag_seconds", PLACE, "How old the first record is at most that waits."),
        ("watch_look_timestamp_seconds", ("server",), "When the last look at a server was over, answered or not."),
        ("postgres_up", (), "1 when Postgres answered at the last look."),
        ("postgres_database_bytes", (), "Size of the database."),
        ("postgres_table_bytes", ("table",), "Size of a table with its indexes."),
        ("postgres_transactions_total", ("result",), "Transactions of the database: committed, rolled back."),
        ("postgres_blocks_total", ("source",), "Blocks that were needed: from the cache, or from below it."),
        ("postgres_deadlocks_total", (), "Deadlocks in the database."),
        ("postgres_connections", ("state",), "Sessions in the database."),
        ("postgres_max_connections", (), "Sessions that the server allows."),
        ("postgres_oldest_transaction_seconds", (), "Age of the oldest transaction under way."),
        ("postgres_replication_lag_bytes", ("standby",), "Write-ahead log that a standby has not replayed yet."),
    )
)  # fmt: skip


class Sights(Collector):
    """The metrics of the last look; `seen` is replaced at each."""

    def __init__(self) -> None:
        self.seen = Seen()

    def describe(self) -> Iterable[Metric]:
        """The families, without values."""
        return self._families().values()

    def collect(self) -> Iterator[Metric]:
        """The families, with their values; none before the first look."""
        families = self._families()
        for name, labels, value in _samples(self.seen):
            families[f"headrace_{name}"].add_metric(labels, value)
        yield from families.values()

    def _families(self) -> dict[str, CounterMetricFamily | GaugeMetricFamily]:
        kinds = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily}
        return {it.name: kinds[it.kind](it.name, it.text, labels=it.labels) for it in FAMILIES}


def _samples(seen: Seen) -> Iterator[Sample]:
    yield from (("watch_look_timestamp_seconds", [server], at) for server, at in seen.looked.items())
    if "kafka" in seen.looked:
        yield "kafka_brokers", [], seen.brokers
    for topic, state in seen.topics.items():
        yield from _topic(topic, state)
    for group, members in seen.groups.items():
        yield "group_members", [group], members.members
        yield "group_partitions", [group], members.partitions
        yield "group_unassigned_partitions", [group], members.unassigned
    for group, places in seen.behind.items():
        for (topic, number), behind in places.items():
            yield "group_lag_records", [group, topic, str(number)], behind.records
            yield "group_lag_seconds", [group, topic, str(number)], behind.seconds
    if "postgres" in seen.looked:
        yield "postgres_up", [], float(seen.database is not None)
    if seen.database is not None:
        yield from _database(seen.database)


def _topic(topic: str, state: TopicState) -> Iterator[Sample]:
    yield "topic_partitions", [topic], state.partitions
    yield "topic_leaderless_partitions", [topic], state.leaderless
    yield "topic_underreplicated_partitions", [topic], state.underreplicated
    if state.appended is not None:
        yield "topic_appended_total", [topic], state.appended
    if state.unstable_s is not None:
        yield "topic_unstable_seconds", [topic], state.unstable_s
    if state.compaction_lag_s is not None:
        yield "topic_compaction_lag_seconds", [topic], state.compaction_lag_s


def _database(state: DatabaseState) -> Iterator[Sample]:
    yield "postgres_database_bytes", [], state.size
    yield "postgres_transactions_total", ["committed"], state.committed
    yield "postgres_transactions_total", ["rolled back"], state.rolled_back
    yield "postgres_blocks_total", ["cache"], state.cached
    yield "postgres_blocks_total", ["below"], state.read
    yield "postgres_deadlocks_total", [], state.deadlocks
    yield "postgres_max_connections", [], state.most_connections
    yield "postgres_oldest_transaction_seconds", [], state.oldest_s
    yield from (("postgres_connections", [name], count) for name, count in state.sessions.items())
    yield from (("postgres_table_bytes", [name], size) for name, size in state.tables.items())
    yield from (("postgres_replication_lag_bytes", [name], lag) for name, lag in state.standbys.items())
