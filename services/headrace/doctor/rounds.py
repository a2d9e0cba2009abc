"""Everything is looked at, in an order; what needs a server that is away is left out, and the server is told of."""

from collections.abc import Iterator
from contextlib import closing

import psycopg
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from headrace.doctor import contracts, groups, servers, tables, topics, waiting
from headrace.doctor.finding import Finding, Verdict, fail
from headrace.doctor.standing import Standing
from headrace.kafka.clients import REQUEST_TIMEOUT_S, admin_client
from headrace.kernel.app import App
from headrace.kernel.errors import Fault
from headrace.postgres.connection import connect
from headrace.postgres.session import Connection
from headrace.settings import Settings
from headrace.watch.groups import topics_of


def examine(app: App, settings: Settings, *, writes: bool = True) -> Iterator[Finding]:
    """What is found, as it is found. `writes`: a topic may be made, and removed again, to ask the brokers' clock."""
    agreed = list(contracts.schemas(app, settings))
    yield from agreed
    if agreed[0].verdict is Verdict.OK:
        yield from contracts.registry(app, settings)
    admin, connection = _kafka(settings), _postgres(settings)
    if isinstance(admin, Finding):
        yield admin
    else:
        with closing(Standing(settings, None if isinstance(connection, Finding) else connection)) as standing:
            yield from _guarded("kafka", of_kafka(admin, app, settings, standing, writes=writes))
    if isinstance(connection, Finding):
        yield connection
        return
    with connection:
        yield from _guarded("postgres", of_postgres(connection, app))
        if not isinstance(admin, Finding):
            yield from _guarded("positions", of_both(connection, admin, app, settings))


def of_kafka(
    admin: AdminClient, app: App, settings: Settings, standing: Standing, *, writes: bool
) -> Iterator[Finding]:
    """What the brokers can tell, and where groups stand; where topics are missing, no more than that."""
    yield from servers.brokers(admin, settings)
    there = admin.list_topics(timeout=REQUEST_TIMEOUT_S).topics
    known = {name: entry.partitions for name, entry in there.items() if name in topics_of(app)}
    places = sorted((name, number) for name, partitions in known.items() for number in partitions)
    yield from servers.broker_clocks(admin, settings, places, writes=writes)
    yield from topics.settings_of_topics(admin, app, settings)
    if len(known) < len(topics_of(app)):
        return
    yield from topics.replicas(admin, app)
    yield from topics.transactions(admin, settings, places)
    yield from groups.members(admin, app, settings, standing)
    yield from groups.lost(admin, app, settings, standing)
    yield from waiting.parked_in_kafka(app, settings)


def of_postgres(connection: Connection, app: App) -> Iterator[Finding]:
    """What the database alone can tell; where it is not migrated, no more than that."""
    yield servers.database_version(connection)
    yield servers.database_takes_writes(connection)
    yield servers.database_clock(connection)
    state = tables.migrated(connection, app)
    yield state
    if state.verdict is Verdict.OK:
        yield from waiting.parked_in_postgres(connection, app)


def of_both(connection: Connection, admin: AdminClient, app: App, settings: Settings) -> Iterator[Finding]:
    """Whether the two fit each other; both must be as they should for that."""
    there = admin.list_topics(timeout=REQUEST_TIMEOUT_S).topics
    if tables.migrated(connection, app).verdict is Verdict.OK and set(topics_of(app)) <= set(there):
        yield from tables.checkpoints(connection, admin, app)
        yield from tables.compaction(connection, admin, app, settings)


def _guarded(about: str, findings: Iterator[Finding]) -> Iterator[Finding]:
    """A server that goes away in the middle is a finding, too."""
    try:
        yield from findings
    except (Fault, KafkaException, psycopg.Error) as error:
        yield fail(about, " ".join(str(error).split()), "bring it back, or grant what is missing, and ask again")


def _kafka(settings: Settings) -> AdminClient | Finding:
    try:
        return admin_client(settings)
    except Fault as error:
        return fail("brokers", str(error), "bring them back, or set KAFKA_BOOTSTRAP_SERVERS right")


def _postgres(settings: Settings) -> Connection | Finding:
    try:
        return connect(settings, "headrace doctor", autocommit=True)
    except Fault as error:
        return fail("postgres", str(error), "bring it back, or set DATABASE_URL right")
