"""From bytes to what the checks look at: each record decoded once, the journal laid beside its topic by offset."""

import re
from collections.abc import Callable, Iterable, Iterator
from operator import itemgetter
from typing import Any, Final, TypeVar

from headrace_load.verify import content
from headrace_load.verify.audited import Kept, compare
from headrace_load.verify.parking import KEY, RELEASED
from headrace_load.verify.records import Command, Event, Outcome, Parked, Partition, Record, Row
from headrace_load.verify.schemas import ENVELOPE, Decoded, NotARecordError, Schemas

Apply = Callable[[str, int, Decoded], Any]
"""What is told of each event in the journal, in offset order: the aggregate's id, the offset and the event."""

RowT = TypeVar("RowT", Row, Kept)
See = Callable[[Record | None, Row | None], None]

ANSWER: Final = itemgetter(*Outcome._fields[2:-1])
REPEATED: Final = (
    "command_id", "aggregate_id", "command_type", "command_offset", "occurred_at", "body_hash", "result",
)  # fmt: skip
LARGEST_KEY: Final = 10_001
LARGEST_VALUE: Final = 1_000_000
REACTOR: Final = "reactor/"
EVENT_ID: Final = re.compile(r"[^/]+/.+/\d+", re.DOTALL)
ORIGIN: Final = ("topic", "partition", "offset", "timestamp")


def read_commands(part: Partition, schemas: Schemas, records: Iterable[Record]) -> None:
    """Read the command topic, after the parked one. What is not a command of the domain is kept as such."""
    parked = {record.origin for record in part.parked if record.kind == KEY}
    for record in records:
        command = _command(part, schemas, record)
        part.commands.append(command)
        if part.leads:
            part.asked.append(content.asked(part.leads.get(command.type), schemas, record.value))
        if record.offset in parked:
            part.whole[record.offset] = content_of(record.key, record.value)
    part.read["commands"] = len(part.commands)


def read_outcomes(part: Partition, schemas: Schemas, records: Iterable[Record], rows: Iterable[Kept] = ()) -> None:
    """Read the outcome topic, and the audit beside it."""
    visible, keep = part.visible["outcomes"], part.known.setdefault
    for record, row in side_by_side(records, rows):
        if record is None:
            compare(part, None, row, None)
            continue
        visible.append(record.offset)
        try:
            decoded = schemas.decode(record.value)
            if decoded.form.kind != "outcome":
                raise NotARecordError(f"a {decoded.form.name}")
        except NotARecordError as error:
            part.unreadable.append(f"{part.place('outcomes', record.offset)} is no outcome: {error}")
            compare(part, record, row, None)
            continue
        fields, key = decoded.fields, record.key
        compare(part, record, row, fields)
        for name in REPEATED:
            value = fields[name]
            fields[name] = keep(value, value)
        told = _told(fields["command_id"], fields)
        part.outcomes.append(Outcome._make((record.offset, keep(key, key), *ANSWER(fields), keep(told, told))))
    part.read["outcomes"] = len(visible)


def read_parked(part: Partition, records: Iterable[Record]) -> None:
    """Read the parked topic."""
    visible = part.visible["parked"]
    for record in records:
        visible.append(record.offset)
        headers = dict(reversed(record.headers or []))  # the first of a name is ours
        try:
            kind = _text(headers, "headrace-parking")
            topic, number, origin, log_time = (_text(headers, f"kafka_dlt-original-{name}") for name in ORIGIN)
            parked = Parked(
                record.offset,
                topic,
                int(number),
                int(origin),
                int(log_time),
                content_of(record.key, record.value),
                _text(headers, "headrace-reason" if kind == RELEASED else "kafka_dlt-exception-message"),
                kind,
                _text(headers, "headrace-aggregate-id"),
                int(_text(headers, "headrace-through")) if kind == RELEASED else -1,
            )
        except (LookupError, ValueError, AttributeError) as error:
            why = f"header {error}" if isinstance(error, LookupError) else str(error)
            part.unreadable.append(f"{part.place('parked', record.offset)} does not say where it came from: {why}")
            continue
        part.parked.append(parked)
    part.read["parked"] = len(visible)


def read_events(
    part: Partition, schemas: Schemas, records: Iterable[Record], rows: Iterable[Row], apply: Apply, see: See
) -> None:
    """Read the event topic and its journal side by side, and tell `apply` of every event in the journal.

    `see` is told of all, as they lie there, before anything is made of them.
    """
    visible = part.visible["events"]
    for record, row in side_by_side(records, rows):
        see(record, row)
        part.read["journal"] += row is not None
        if record is not None:
            visible.append(record.offset)
            key = (record.key or b"").decode(errors="replace")
            if record.value is None and row is None:
                part.erased.add(key)
                continue
            part.erased.discard(key)
        decoded = _decode_event(part, schemas, record, row)
        if decoded is None:
            continue
        event = _event(part, decoded, record, row)
        part.events.append(event)
        if part.leads:
            content.compare(part, event.offset, decoded)
        if row is not None:
            apply(row.aggregate_id, row.offset, decoded)
    part.read["events"] = len(visible)


def side_by_side(records: Iterable[Record], rows: Iterable[RowT]) -> Iterator[tuple[Record | None, RowT | None]]:
    """Records and rows in offset order, those of the same offset together."""
    left, right = iter(records), iter(rows)
    record, row = next(left, None), next(right, None)
    while record is not None or row is not None:
        if row is None or (record is not None and record.offset < row.offset):
            yield record, None
            record = next(left, None)
        elif record is None or row.offset < record.offset:
            yield None, row
            row = next(right, None)
        else:
            yield record, row
            record, row = next(left, None), next(right, None)


def _command(part: Partition, schemas: Schemas, record: Record) -> Command:
    keep, value = part.known.setdefault, record.value
    offset, log_time, key = record.offset, record.log_time, record.key
    place = (keep(offset, offset), keep(log_time, log_time), keep(key, key))
    try:
        form, command_id, aggregate_id, body_hash, asked = schemas.command(value)
        if form.domain not in (part.domain, ENVELOPE):
            raise NotARecordError(f"a {form.name} is no command of {part.domain}")
    except NotARecordError as error:
        return Command(*place, "", "", "", content_of(key, value), str(error))
    told = _told(command_id, asked)
    return Command(
        *place,
        form.name,
        keep(command_id, command_id),
        keep(aggregate_id, aggregate_id),
        keep(body_hash, body_hash),
        "",
        asked["expected_version"],
        asked["issued_at"],
        keep(told, told),
        (asked["actor"] or "").startswith(REACTOR) and bool(EVENT_ID.fullmatch(asked["causation_id"] or "")),
    )


def content_of(key: bytes | None, value: bytes | None) -> int:
    """A hash of a record's key and value, as far as they are kept when it is parked."""
    return hash((key and key[:LARGEST_KEY], value and value[:LARGEST_VALUE]))


def _told(own: str, said: dict[str, Any]) -> int:
    """A hash of who asked, in which conversation and because of what; 0 where a command says nothing of it."""
    actor, conversation, cause = said["actor"], said["correlation_id"], said["causation_id"]
    if actor is None and conversation in (None, own) and cause in (None, own):
        return 0
    return hash((actor, conversation or own, cause or own))


def _text(headers: dict[str, Any], name: str) -> str:
    text: str = headers[name].decode()
    return text


def _decode_event(part: Partition, schemas: Schemas, record: Record | None, row: Row | None) -> Decoded | None:
    """The event as the journal has it, else as the topic has it; what cannot be read is noted."""
    found = None
    sources = (("the journal's copy of ", row and row.record), ("", record and record.value))
    for source, frame in sources:
        if found is not None or (row if source else record) is None:
            continue
        try:
            decoded = schemas.decode(frame)
            if decoded.form.kind != "event" or decoded.form.domain != part.domain:
                raise NotARecordError(f"a {decoded.form.name}")
            found = decoded
        except NotARecordError as error:
            offset = next(side.offset for side in (record, row) if side is not None)
            part.unreadable.append(f"{source}{part.place('events', offset)} is no event: {error}")
    return found


def _event(part: Partition, decoded: Decoded, record: Record | None, row: Row | None) -> Event:
    meta, keep = decoded.fields["meta"], part.known.setdefault
    source = record or row
    assert source is not None  # noqa: S101 - one of the two is always there
    name, version, command_id = meta["aggregate_id"], meta["version"], meta["command_id"]
    log_time, occurred_at, command_offset = source.log_time, meta["occurred_at"], meta["command_offset"]
    event_id, restored_to, told = meta["event_id"], meta["writer"]["restored_to"], _told(command_id, meta)
    return Event(
        source.offset,
        record is not None,
        row is not None,
        keep(log_time, log_time),
        decoded.form.name,
        keep(name, name),
        version,
        "" if event_id == f"{part.domain}/{name}/{version}" else event_id,
        keep(occurred_at, occurred_at),
        keep(command_id, command_id),
        keep(command_offset, command_offset),
        keep(restored_to, restored_to),
        hash(record.value if record is not None else row and row.record) if part.held else 0,
        differences(decoded, record, row),
        keep(told, told),
    )


def differences(decoded: Decoded, record: Record | None, row: Row | None) -> tuple[str, ...]:
    """How a record, its row in the journal and what surrounds both disagree."""
    meta, name = decoded.fields["meta"], decoded.form.name
    found = []
    if record is not None:
        if record.key != meta["aggregate_id"].encode():
            found.append(f"its key is {record.key!r}, its meta says {meta['aggregate_id']!r}")
        header = next((value for key, value in record.headers or () if key == "type"), None)
        if header != name.encode():
            found.append(f"its header says type {header!r}, it is a {name}")
    if row is not None:
        columns = (row.aggregate_id, row.version, row.record_type)
        content = (meta["aggregate_id"], meta["version"], name)
        if columns != content:
            found.append(f"the journal's columns say {columns}, its record {content}")
    if record is not None and row is not None:
        if record.value != row.record:
            found.append("the journal has other bytes than the topic")
        if record.log_time != row.log_time:
            found.append(f"the journal says it was logged at {row.log_time}, the topic at {record.log_time}")
    return tuple(found)
