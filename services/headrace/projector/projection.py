"""What a projector does with a batch of records: fold a view, or copy them into the journal."""

from datetime import UTC, datetime
from typing import Any, Final, Protocol

import psycopg

from headrace.avro.codec import Decoded
from headrace.kafka.consumer import Record
from headrace.kernel.errors import Fault
from headrace.kernel.message import Fact
from headrace.kernel.view import Key, View
from headrace.postgres.rows import ViewRows

COPY: Final = """
    COPY headrace.journal (topic, partition, "offset", aggregate_id, version, record_type, logged_at, record)
    FROM STDIN WITH (FORMAT binary)"""

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

    def __init__(self, connection: psycopg.Connection[Any], view: View[Any]) -> None:
        self._view = view
        self._rows = ViewRows(connection, view)

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

    def apply(self, cursor: psycopg.Cursor[Any], records: list[tuple[Record, Decoded]]) -> int:
        """Append the records; `Fault` names the aggregate whose next version is missing."""
        self._refuse_gaps(cursor, records)
        with cursor.copy(COPY) as copy:
            copy.set_types(["text", "int4", "int8", "text", "int8", "text", "timestamptz", "bytea"])
            for record, decoded in records:
                copy.write_row(_journal_row(record, decoded))
        return len(records)

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


def _journal_row(record: Record, decoded: Decoded) -> tuple[Any, ...]:
    value = record.value()
    return (
        record.topic(),
        record.partition(),
        record.offset(),
        decoded.meta.aggregate_id,
        decoded.meta.version,
        decoded.contract.name,
        datetime.fromtimestamp(record.timestamp()[1] / 1000, UTC),
        value,
    )
