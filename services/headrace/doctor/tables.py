"""The database: is it migrated, do its checkpoints fit the topics, and is the journal ahead of compaction."""

from collections.abc import Iterator
from typing import Any, Final

import psycopg
from confluent_kafka.admin import AdminClient, OffsetSpec

from headrace.doctor.finding import Finding, fail, ok, warn
from headrace.doctor.groups import has_records
from headrace.kafka.compaction import compaction_lags_ms, whole_from
from headrace.kafka.reading import read_offsets
from headrace.kafka.records import Place
from headrace.kernel.app import BUILT_IN, JOURNAL, App
from headrace.kernel.errors import Misconfigured
from headrace.postgres.schema import refuse_unmigrated
from headrace.projector.kind import kind_of
from headrace.projector.origin import find_origin, refuse_impossible
from headrace.settings import Settings

POSITIONS: Final = """
    SELECT projector, topic, partition, next_offset, cluster_id, topic_id FROM headrace.checkpoints"""
USED_UP: Final = ((1.0, fail), (0.25, warn))
"""Shares of the compaction lag that an event may have waited for the journal, and what is said of more."""

Positions = dict[str, dict[Place, int]]


def migrated(connection: psycopg.Connection[Any], app: App) -> Finding:
    """What a projector would refuse at its start."""
    try:
        refuse_unmigrated(connection, app.views)
    except Misconfigured as error:
        what, _, is_unmigrated = str(error).partition(": run ")
        return fail("migrations", what, f"{'' if is_unmigrated else 'give it one, then '}run headrace migrate")
    return ok("migrations", "the tables are this version's")


def checkpoints(connection: psycopg.Connection[Any], admin: AdminClient, app: App) -> Iterator[Finding]:
    """No projector stands outside of its partitions, or was filled from other topics."""
    topics = [aggregate.event_topic for aggregate in app.aggregates]
    topics += [aggregate.outcome_topic for aggregate in app.aggregates]
    origin = find_origin(admin, topics)
    known = {kind_of(app, name).name for name in (*(view.name for view in app.views), *BUILT_IN)}
    rows = [row for row in connection.execute(POSITIONS).fetchall() if row[0] in known and row[1] in topics]
    wrong = False
    for projector, topic in sorted({(row[0], row[1]) for row in rows if _is_other(row, origin)}):
        wrong = True
        todo = "are KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL right? else use a database of its own, or fill it anew"
        yield fail("checkpoints", f"{projector} was filled from another {topic} than this one", todo)
    places = sorted({(row[1], row[2]) for row in rows})
    low, high = read_offsets(admin, places, OffsetSpec.earliest()), read_offsets(admin, places, OffsetSpec.latest())
    for projector, topic, number, offset, *_ in rows:
        try:
            refuse_impossible(projector, {(topic, number): offset}, low, high)
        except Misconfigured as error:
            wrong = True
            what, _, todo = str(error).partition(": ")
            yield fail("checkpoints", what, todo)
    if not wrong:
        yield ok("checkpoints", f"{len(rows)} positions of projectors fit their partitions")


def compaction(
    connection: psycopg.Connection[Any], admin: AdminClient, app: App, settings: Settings
) -> Iterator[Finding]:
    """The journal has what compaction may take, and is well ahead of it."""
    rows = connection.execute(POSITIONS).fetchall()
    stands = {(row[1], row[2]): row[3] for row in rows if row[0] == JOURNAL}
    places = [(each.event_topic, number) for each in app.aggregates for number in range(settings.partitions)]
    begins = read_offsets(admin, places, OffsetSpec.earliest())
    starts = {place: max(begins[place], stands.get(place, 0)) for place in places}
    lags_ms = compaction_lags_ms(admin, places)
    for share, say in USED_UP:
        due = whole_from(admin, places, lags_ms, share)
        behind = [place for place in places if starts[place] < due[place] and has_records(settings, place, starts, due)]
        if behind:
            where = ", ".join(f"{topic}[{number}]" for topic, number in behind[:3]) + ", …" * (len(behind) > 3)  # noqa: PLR2004
            what = f"the journal has not copied events older than {share:.0%} of the compaction lag: {where}"
            yield say(
                "journal",
                what,
                "raise min.compaction.lag.ms of the event topics now, then start headrace project journal",
            )
            return
    yield ok("journal", "it has every event that is older than a quarter of the compaction lag")


def _is_other(row: tuple[Any, ...], origin: Any) -> bool:
    _, topic, _, _, cluster_id, topic_id = row
    return cluster_id is not None and (cluster_id, topic_id) != (origin.cluster_id, origin.topic_ids[topic])
