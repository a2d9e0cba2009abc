"""Check of what readers of committed records do not see: aborted transactions, and nothing that was committed."""

from collections.abc import Callable, Iterable

from headrace_load.verify.reading import read_outcomes, read_parked
from headrace_load.verify.records import Partition, Record
from headrace_load.verify.report import Check
from headrace_load.verify.schemas import NotARecordError, Schemas

Others = Callable[[set[int]], Iterable[Record]]
"""All records of a topic by an uncommitted reader but those at the offsets that it is given; it leaves in them what was
not there."""


def hidden(part: Partition, kind: str, others: Others, check: Check) -> list[Record]:
    """The records of a topic below its stable end that only a reader of uncommitted records sees."""
    visible, stable = part.visible[kind], part.ends[kind].stable
    missing = set(visible)
    found = [record for record in others(missing) if record.offset < stable]
    if missing and kind == "events":
        # Compaction may have come between the two readings: it leaves each aggregate's newest.
        missing &= set({event.aggregate_id: event.offset for event in part.events if event.in_topic}.values())
    if missing:
        check.problem(
            f"{part.domain}.{kind}[{part.number}]: {len(missing)} committed records are not among all records "
            f"(the first at offset {min(missing)})"
        )
    check.count(**{f"{kind}_committed": len(visible), f"{kind}_aborted": len(found)})
    return found


def isolation(part: Partition, aborted: dict[str, list[Record]], schemas: Schemas, check: Check) -> None:
    """What was aborted was done again, or was not to be done; and no aborted event has reached the journal."""
    answered = {outcome.command_offset for outcome in part.outcomes} | {parked.origin for parked in part.parked}
    journaled = {event.offset for event in part.events if event.in_journal}
    for record in aborted["events"]:
        if record.offset in journaled:
            check.problem(f"{part.place('events', record.offset)} was aborted, and the journal holds it")
    ghost = Partition(part.domain, part.number, part.partitions, part.ends)
    read_outcomes(ghost, schemas, aborted["outcomes"])
    read_parked(ghost, aborted["parked"])
    origins = [("outcomes", outcome.offset, outcome.command_offset) for outcome in ghost.outcomes]
    origins += [("parked", parked.offset, parked.origin) for parked in ghost.parked]
    origins += [("events", record.offset, _origin(schemas, record)) for record in aborted["events"]]
    low, committed = part.ends["commands"].low, part.committed or 0
    for kind, offset, origin in origins:
        if low <= origin < committed and origin not in answered:
            check.problem(
                f"{part.place(kind, offset)} is hidden, and nothing else answers command offset {origin}, which the "
                f"handlers have passed"
            )


def _origin(schemas: Schemas, record: Record) -> int:
    """The command offset that an event comes from, -1 when it cannot be read: then nobody misses it."""
    try:
        offset: int = schemas.decode(record.value).fields["meta"]["command_offset"]
    except (NotARecordError, LookupError):
        return -1
    return offset
