"""The servers themselves: do they answer, of which versions are they, and do their clocks agree with ours."""

import socket
import time
import uuid
from collections.abc import Iterator
from typing import Any, Final

import psycopg
from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, KafkaException, Message, Producer, libversion
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec
from msgspec import structs

from headrace.doctor.finding import Finding, Verdict, fail, ok, warn
from headrace.kafka.clients import REQUEST_TIMEOUT_S, producer_config
from headrace.kafka.reading import list_offsets
from headrace.kafka.records import Place
from headrace.kafka.topics import REPLICAS
from headrace.settings import Settings

CONNECT_S: Final = 3.0
NEAR_S: Final = 1.0
"""Clocks that are no further apart are taken to agree."""
FAR_S: Final = 30.0
"""Clocks that are further apart than this make commands expire that came in time."""
OLDEST_POSTGRES: Final = 140_000


def brokers(admin: AdminClient, settings: Settings) -> Iterator[Finding]:
    """Each broker answers, and there are as many as the profile wants."""
    found = admin.list_topics(timeout=REQUEST_TIMEOUT_S).brokers
    away = [f"{it.host}:{it.port}" for it in found.values() if not _accepts(str(it.host), it.port)]
    wanted = REPLICAS[settings.profile]
    what = f"{len(found)} brokers of cluster {admin.list_topics(timeout=REQUEST_TIMEOUT_S).cluster_id}"
    if away:
        yield fail("brokers", f"{', '.join(away)} cannot be reached from here", "open the way, or bring it back")
    elif len(found) < wanted:
        todo = "bring the others back, or set HEADRACE_PROFILE=local for a single broker"
        yield fail("brokers", f"{len(found)} of at least {wanted} that the {settings.profile} profile wants", todo)
    else:
        yield ok("brokers", f"{what}; librdkafka {libversion()[0]}")


def database_version(connection: psycopg.Connection[Any]) -> Finding:
    """Postgres is new enough, and has sessions left."""
    version = connection.info.server_version
    if version < OLDEST_POSTGRES:
        return fail("postgres", f"version {version // 10_000} is too old", "use Postgres 14 or newer")
    query = (
        "SELECT count(*), current_setting('max_connections')::int FROM pg_stat_activity WHERE backend_type LIKE 'cl%'"
    )
    [(used, allowed)] = connection.execute(query).fetchall()
    what = f"version {version // 10_000}.{version % 10_000}, {used} of {allowed} sessions"
    if used > allowed * 0.9:
        return warn("postgres", what, "raise max_connections, or end sessions that nobody needs")
    return ok("postgres", what)


def database_takes_writes(connection: psycopg.Connection[Any]) -> Finding:
    """Projectors can write: it is no standby, and not set to be read only."""
    query = "SELECT pg_is_in_recovery(), current_setting('transaction_read_only')::bool"
    [(is_standby, is_read_only)] = connection.execute(query).fetchall()
    if is_standby:
        return fail("writes", "this Postgres is a standby: it takes no writes", "set DATABASE_URL to the primary")
    if is_read_only:
        todo = "see why before default_transaction_read_only is set back: a full disk, a failover?"
        return fail("writes", "transactions of this user in this database are read only", todo)
    return ok("writes", "the database takes them")


def database_clock(connection: psycopg.Connection[Any]) -> Finding:
    """Postgres's clock beside ours."""
    before = time.time()
    [(at,)] = connection.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchall()
    return _compared("clock of postgres", at, before, time.time())


def broker_clocks(admin: AdminClient, settings: Settings, places: list[Place], *, writes: bool) -> Iterator[Finding]:
    """Each broker's clock beside ours: by records in a topic of its own, or as far as the newest records tell."""
    if not writes:
        yield _by_newest(admin, places)
        return
    topic = f"headrace.doctor.{uuid.uuid4().hex[:8]}"
    brokers = sorted(admin.list_topics(timeout=REQUEST_TIMEOUT_S).brokers)
    try:
        make_topic_on_each(admin, topic, brokers)
    except KafkaException as error:
        why = error.args[0].str()
        todo = "allow it, or use --read-only"
        yield warn("clock of brokers", f"a topic to ask them by cannot be made: {why}", todo)
        return
    try:
        found = [(broker, _by_record(settings, topic, number)) for number, broker in enumerate(brokers)]
    finally:
        admin.delete_topics([topic], operation_timeout=REQUEST_TIMEOUT_S)[topic].result()
    apart = [
        structs.replace(it, what=f"that of {broker} {it.what}") for broker, it in found if it.verdict != Verdict.OK
    ]
    yield from apart or [ok("clock of brokers", "agrees with ours" if len(found) == 1 else "all agree with ours")]


def make_topic_on_each(admin: AdminClient, topic: str, brokers: list[int]) -> None:
    """A topic with a partition on each of these brokers, in their order."""
    config = {"message.timestamp.type": "LogAppendTime", "min.insync.replicas": "1"}
    new = NewTopic(topic, len(brokers), replica_assignment=[[broker] for broker in brokers], config=config)
    admin.create_topics([new], operation_timeout=REQUEST_TIMEOUT_S)[topic].result()


def _by_record(settings: Settings, topic: str, partition: int) -> Finding:
    producer = Producer(producer_config(settings))
    appended: list[Message] = []

    def append() -> None:
        producer.produce(
            topic,
            b"",
            partition=partition,
            on_delivery=lambda error, message: appended.append(message) if error is None else None,
        )
        producer.flush(REQUEST_TIMEOUT_S)

    append()  # the first record finds the partition's leader
    appended.clear()
    before = time.time()
    append()
    if not appended or appended[0].timestamp()[0] != TIMESTAMP_LOG_APPEND_TIME:
        return warn("clock of brokers", "did not confirm a record in time", "look at the broker, and ask again")
    return _compared("clock of brokers", appended[0].timestamp()[1] / 1000, before, time.time())


def _by_newest(admin: AdminClient, places: list[Place]) -> Finding:
    found = list_offsets(admin, dict.fromkeys(places, OffsetSpec.max_timestamp())) if places else {}
    newest = max((info.timestamp for info in found.values()), default=-1) / 1000
    ahead = newest - time.time()
    if ahead > NEAR_S:
        return fail("clock of brokers", f"a record is {ahead:.0f} s ahead of our clock", "set clocks by NTP")
    return ok("clock of brokers", "no record is ahead of our clock")


def _compared(about: str, theirs: float, before: float, after: float) -> Finding:
    """`theirs` was read between two readings of our own clock."""
    apart = before - theirs if theirs < before else max(0.0, theirs - after)
    if apart <= NEAR_S:
        return ok(about, "agrees with ours")
    what = f"{apart:.1f} s {'behind' if theirs < before else 'ahead of'} ours"
    todo = "set both by NTP: latencies are wrong by as much, and commands with a time of issue may expire"
    return (fail if apart > FAR_S else warn)(about, what, todo)


def _accepts(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), CONNECT_S):
            return True
    except OSError:
        return False
