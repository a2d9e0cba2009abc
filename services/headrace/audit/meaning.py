"""What rows say against each other, whatever their hashes: positions, versions, events and their outcomes.

This much is told without a signed checkpoint, of a forger, too, who has computed all hashes anew.
"""

from collections.abc import Iterator
from typing import Final

from headrace.audit.chain import Head
from headrace.audit.findings import CHANGED, INSERTED, MOVED, REMOVED, Finding
from headrace.audit.tables import Tables
from headrace.kafka.records import Place
from headrace.kernel.app import AUDIT

POSITIONS: Final = """
    SELECT topic, partition, next_offset, command_offset FROM headrace.checkpoints WHERE projector = %s"""

LED_TO_EVENTS: Final = """
    SELECT DISTINCT topic, partition FROM headrace.audit WHERE result = 'accepted' AND NOT repeated AND events > 0"""

VERSIONS: Final = """
    SELECT partition, "offset", aggregate_id, version, before, below FROM (
        SELECT partition, "offset", aggregate_id, version,
               lag(version, 1, 0::bigint) OVER versions AS before, lag("offset", 1, -1::bigint) OVER versions AS below
        FROM headrace.journal WHERE topic = %s WINDOW versions AS (PARTITION BY aggregate_id ORDER BY version)
    ) AS journal
    WHERE version <> before + 1 OR "offset" <= below ORDER BY partition, "offset" LIMIT 1000"""

# How far both have come: an event may be journaled a moment before its outcome is kept, or after it. A command that was
# parked is answered long after those behind it, so that its offset tells nothing. A transaction has no room for a
# million events: who says so has forged the row, and costs no more than that.
REACHED: Final = """
    WITH reached AS (
        SELECT journal.partition, journal.command_offset AS journaled, audit.command_offset AS audited,
               least(journal.log_time, audit.log_time) - interval '1 min' AS surely,
               first."offset" = 0 AS whole, first.logged_at + interval '1 min' AS since
        FROM headrace.checkpoints AS journal
        JOIN headrace.checkpoints AS audit ON audit.partition = journal.partition, LATERAL (
            SELECT "offset", logged_at FROM headrace.audit
            WHERE topic = audit.topic AND partition = audit.partition ORDER BY "offset" LIMIT 1
        ) AS first
        WHERE journal.projector = 'journal' AND journal.topic = %(events)s
          AND audit.projector = 'audit' AND audit.topic = %(outcomes)s
    ), told AS (
        SELECT partition, "offset", logged_at, aggregate_id, command_offset,
               generate_series(version - least(events, 1000000) + 1, version) AS version
        FROM headrace.audit WHERE topic = %(outcomes)s AND result = 'accepted' AND NOT repeated AND events > 0
    ), parked AS (
        SELECT DISTINCT aggregate_id FROM headrace.audit WHERE topic = %(outcomes)s AND result = 'parked'
    )"""

UNTOLD: Final = """
    SELECT journal.partition, journal."offset", aggregate_id, version
    FROM headrace.journal AS journal JOIN reached USING (partition)
    LEFT JOIN told USING (aggregate_id, version) LEFT JOIN parked USING (aggregate_id)
    WHERE journal.topic = %(events)s AND told."offset" IS NULL AND (whole OR journal.logged_at > since)
      AND (journal.logged_at < surely OR audited >= journaled AND parked IS NULL)
    ORDER BY journal.partition, journal."offset" LIMIT 1000"""

UNDONE: Final = """
    SELECT told.partition, told."offset", aggregate_id, version
    FROM told JOIN reached USING (partition)
    LEFT JOIN (SELECT aggregate_id, version, "offset" FROM headrace.journal WHERE topic = %(events)s) AS journal
        USING (aggregate_id, version)
    LEFT JOIN parked USING (aggregate_id)
    WHERE journal."offset" IS NULL AND told.command_offset < journaled AND (parked IS NULL OR told.logged_at < surely)
    ORDER BY told.partition, told."offset" LIMIT 1000"""


def positions(tables: Tables, projector: str, heads: dict[Place, Head]) -> Iterator[Finding]:
    """Where a projector's checkpoints and its chains do not agree."""
    found = {(topic, partition): rest for topic, partition, *rest in tables.ask(POSITIONS, [projector])}
    for place, head in sorted(heads.items()):
        next_offset, command_offset = found.pop(place, (None, None))
        # The audit takes every record; the journal leaves out those without a value.
        if next_offset is None:
            yield Finding(*place, None, None, None, CHANGED, f"the checkpoint of the {projector} is missing")
        elif head.offset >= next_offset or (projector == AUDIT and head.length and head.offset + 1 != next_offset):
            said = f"the {projector} holds all below offset {next_offset}, its checkpoint says"
            what = f"{said}; its chain ends at {head.offset}"
            yield Finding(*place, None, None, None, REMOVED if head.offset < next_offset else INSERTED, what)
    for place, (next_offset, command_offset) in sorted(found.items()):
        if command_offset >= 0:
            what = f"the {projector} holds all below offset {next_offset}, its checkpoint says; it has no chain"
            yield Finding(*place, None, None, None, REMOVED, what)


def begun(tables: Tables, projector: str) -> set[Place]:
    """The partitions of which a projector has a checkpoint, which it has before its first row."""
    return {(topic, partition) for topic, partition, *_ in tables.ask(POSITIONS, [projector])}


def leading_to_events(tables: Tables) -> list[Place]:
    """The partitions whose outcomes tell of events."""
    return [(topic, partition) for topic, partition in tables.ask(LED_TO_EVENTS)]


def missing(projector: str, known: set[Place], told: dict[Place, Place]) -> Iterator[Finding]:
    """Partitions of which a projector has nothing at all, by those of the other's that tell of its rows."""
    for place in sorted(told.keys() - known):
        topic, partition = told[place]
        what = f"{topic}[{partition}] tells of its rows, and the {projector} has neither rows nor a checkpoint of it"
        yield Finding(*place, None, None, None, REMOVED, f"{what}: removed, or never projected")


def versions(tables: Tables, topic: str) -> Iterator[Finding]:
    """Versions of aggregates that are missing in the journal, or lie before older ones."""
    for partition, offset, aggregate_id, version, before, below in tables.ask(VERSIONS, [topic]):
        kind, what = MOVED, f"it lies before version {before}, at offset {below}"
        if version > before + 1:
            first, last = before + 1, version - 1
            which = f"version {first} is" if first == last else f"versions {first} to {last} are"
            kind, what = REMOVED, f"{which} missing before it"
        elif version != before + 1:
            kind, what = INSERTED, "it has a version that no event has"
        yield Finding(topic, partition, offset, aggregate_id, version, kind, what)


def events_and_outcomes(tables: Tables, events: str, outcomes: str) -> Iterator[Finding]:
    """Events that no outcome leads to, and accepted outcomes whose events are missing."""
    topics = {"events": events, "outcomes": outcomes}
    for partition, offset, aggregate_id, version in tables.ask(REACHED + UNTOLD, topics):
        what = "no accepted outcome in the audit leads to it"
        yield Finding(events, partition, offset, aggregate_id, version, INSERTED, what)
    for partition, offset, aggregate_id, version in tables.ask(REACHED + UNDONE, topics):
        what = f"the outcome at offset {offset} of {outcomes}[{partition}] leads to it"
        yield Finding(events, partition, None, aggregate_id, version, REMOVED, what)
