"""What a projector does with a batch of records: fold a view, copy events into the journal, or keep outcomes."""

from typing import Any, Final, Protocol

import psycopg

from headrace.audit.chain import Content
from headrace.avro.codec import Decoded
from headrace.kafka.consumer import Record
from headrace.kernel.errors import Fault
from headrace.kernel.message import Fact, Outcome
from headrace.kernel.view import Key, View
from headrace.postgres.chained import AUDIT_TABLE, JOURNAL_TABLE, append
from headrace.postgres.rows import ViewRows

NEWEST: Final = """
    SELECT topic, aggregate_id, max(version) FROM headrace.journal
    JOIN unnest(%b::text[], %b::text[]) AS wanted (topic, aggregate_id) USING (topic, aggregate_id)
    GROUP BY topic, aggregate_id"""


class Projection(Protocol):
    """Applies records to tables, within the transaction that the cursor is in."""

    def apply(self, cursor: psycopg.Cursor[Any], records: list[tuple[Record, Decoded]]) -> int:
        """Write what the records lead to; returns how many rows that are."""


class ViewFold:
    """Folds a view: the rows that the batch touches are read once, folded in memory and written once."""

    def __init__(self, connection: psycopg.Connection[Any], view: View[Any], *, by_python: bool = False) -> None:
        self._view = view
        self._rows = ViewRows(connection, view, by_python=by_python)

    def apply(self, cursor: psycopg.Cursor[Any], records: list[tuple[Record, Decoded]]) -> int:
        """Fold the records into the view's rows."""
        keys, evolve = self._view.touched, self._view.evolve
        touched: list[tuple[Key, Fact[Any]]] = []
        for record, decoded in records:
            fact = fact_of(record, decoded)
            touched += [(key, fact) for key in keys(fact)]
        if not touched:
            return 0
        rows: dict[Key, Any] = dict.fromkeys(key for key, _ in touched)
        rows.update(self._rows.read(cursor, list(rows)))
        for key, fact in touched:
            rows[key] = evolve(key, rows[key], fact)
        self._rows.write(cursor, rows)
        return len(rows)


class Journal:
    """Copies every event as it stands in the log, and stops at a gap in an aggregate's versions.

    It parks nothing. What is parked is not in the table that everything else is filled from: the journal may be the
    only place that still has an event after compaction, so an event that waited outside would be missing in each view
    filled meanwhile. Nor can a record that does not decode be copied by its key and the first bytes of its meta: a
    foreign record may carry a version that would then stand in the way of the true one. It ends the process instead.
    """

    def __init__(self, *, by_python: bool = False) -> None:
        self._by_python = by_python

    def apply(self, cursor: psycopg.Cursor[Any], records: list[tuple[Record, Decoded]]) -> int:
        """Append the records; `Fault` names the aggregate whose next version is missing."""
        self._refuse_gaps(cursor, records)
        rows = [_journal_row(record, decoded) for record, decoded in records]
        return append(cursor, JOURNAL_TABLE, rows, by_python=self._by_python)

    def _refuse_gaps(self, cursor: psycopg.Cursor[Any], records: list[tuple[Record, Decoded]]) -> None:
        found = [
            (record, (record.topic(), decoded.meta.aggregate_id), decoded.meta.version) for record, decoded in records
        ]
        # An aggregate whose first event is in the batch has nothing before it to look up.
        begun = {place for _, place, version in found if version == 1}
        newest: dict[tuple[str, str], int] = {}
        if older := sorted({place for _, place, _ in found} - begun):
            cursor.execute(NEWEST, [list(column) for column in zip(*older, strict=True)])
            newest = {(topic, name): version for topic, name, version in cursor.fetchall()}
        for record, place, version in found:
            before = newest.get(place, 0)
            if version != before + 1:
                raise Fault(
                    f"{record.topic()}[{record.partition()}] offset {record.offset()}: its aggregate has version "
                    f"{version} after {before} in the journal: events are missing; the journal stops here"
                )
            newest[place] = version


class Audit:
    """Keeps every outcome, refused and repeated ones too, and stops, as the journal does, at what it cannot read."""

    def __init__(self, *, by_python: bool = False) -> None:
        self._by_python = by_python

    def apply(self, cursor: psycopg.Cursor[Any], records: list[tuple[Record, Decoded]]) -> int:
        """Append the outcomes."""
        rows = [_audit_row(record, decoded.body) for record, decoded in records]
        return append(cursor, AUDIT_TABLE, rows, by_python=self._by_python)


def fact_of(record: Record, decoded: Decoded) -> Fact[Any]:
    """The event with its coordinates."""
    return Fact(
        decoded.body,
        decoded.meta,
        decoded.state,
        record.topic(),
        record.partition(),
        record.offset(),
        record.timestamp()[1],
    )


def _journal_row(record: Record, decoded: Decoded) -> Content:
    meta = decoded.meta
    return (
        record.topic(),
        record.partition(),
        record.offset(),
        record.timestamp()[1] * 1000,
        meta.aggregate_id,
        meta.version,
        decoded.contract.name,
        record.value(),
    )


def _audit_row(record: Record, outcome: Outcome) -> Content:
    return (
        record.topic(),
        record.partition(),
        record.offset(),
        record.timestamp()[1] * 1000,
        outcome.occurred_at * 1000,
        outcome.actor and _shown(outcome.actor),
        outcome.command_type,
        _shown(outcome.aggregate_id),
        _shown(outcome.command_id),
        outcome.command_offset,
        _shown(outcome.correlation_id),
        _shown(outcome.causation_id),
        outcome.result,
        outcome.code,
        outcome.message,
        outcome.version,
        outcome.events,
        outcome.repeated,
        outcome.body_hash,
    )


def _shown(text: str) -> str:
    """What a command said that may have been refused for it, as Postgres can hold it: without NUL."""
    return text.replace("\0", "\\0")
