"""What a projector does with a batch of records: fold a view, copy events into the journal, or keep outcomes."""

from collections.abc import Callable
from typing import Any, Final, Protocol, TypeAlias

import psycopg

from headrace.audit.chain import Content
from headrace.avro.codec import Decoded
from headrace.kafka.records import Record
from headrace.kernel.errors import Fault
from headrace.kernel.message import Fact, Outcome
from headrace.kernel.view import Key, View
from headrace.postgres.chained import AUDIT_TABLE, JOURNAL_TABLE, append
from headrace.postgres.exact import Held
from headrace.postgres.rows import ViewRows
from headrace.projector.reading import Pair
from headrace.projector.recent import Recent

NEWEST: Final = """
    SELECT topic, aggregate_id, max(version) FROM headrace.journal
    JOIN unnest(%b::text[], %b::text[]) AS wanted (topic, aggregate_id) USING (topic, aggregate_id)
    GROUP BY topic, aggregate_id"""


Reading: TypeAlias = Callable[[], psycopg.Cursor[Any]]
"""Gives a cursor to read with."""


class Projection(Protocol):
    """Applies records to tables in two steps; the first can be done while the batch before is being written."""

    def prepare(self, reading: Reading, records: list[Pair], before: Any = None) -> Any:
        """What the records lead to; `before` is what was prepared of the batch before, while that may not be written.

        Nothing is written, and nothing read that another process may write while this one owns the partitions.
        """

    def write(self, cursor: psycopg.Cursor[Any], prepared: Any) -> int:
        """Write that, within the transaction that the cursor is in and has advanced; returns how many rows it is."""

    def keep(self, prepared: Any) -> None:
        """What was prepared is committed, and need not be read again while nobody else writes."""

    def forget(self) -> None:
        """Somebody else may write, or has written: everything is read again."""


def apply(projection: Projection, cursor: psycopg.Cursor[Any], records: list[Pair]) -> int:
    """Both steps at once, on what the transaction sees; returns how many rows were written."""
    return projection.write(cursor, projection.prepare(lambda: cursor, records))


class ViewFold:
    """Folds a view: the rows that the batch touches are read once, folded in memory and written once."""

    def __init__(
        self, connection: psycopg.Connection[Any], view: View[Any], recent: int, *, by_python: bool = False
    ) -> None:
        self._view = view
        self._rows = ViewRows(connection, view, by_python=by_python)
        self._evolve = _held_evolve(view, self._rows.as_held)
        self._recent = Recent(recent)

    def prepare(self, reading: Reading, records: list[Pair], before: dict[Key, Any] | None = None) -> dict[Key, Any]:
        """Fold the records into the view's rows: those of the batch before, those kept, or else those of the table."""
        keys, evolve = self._view.touched, self._evolve
        touched: list[tuple[Key, Fact[Any]]] = []
        for record, decoded in records:
            fact = fact_of(record, decoded)
            touched += [(key, fact) for key in keys(fact)]
        if not touched:
            return {}
        rows, unknown = self._recent.look_up([key for key, _ in touched], before or {})
        if unknown:
            rows.update(self._rows.read(reading(), unknown))
        for key, fact in touched:
            rows[key] = evolve(key, rows[key], fact)
        return rows

    def write(self, cursor: psycopg.Cursor[Any], prepared: dict[Key, Any]) -> int:
        """Insert, replace or delete the rows."""
        self._rows.write(cursor, prepared)
        return len(prepared)

    def keep(self, prepared: dict[Key, Any]) -> None:
        """The rows as they are now."""
        self._recent.keep(prepared)

    def forget(self) -> None:
        """No row is known."""
        self._recent.forget()


def _held_evolve(view: View[Any], as_held: Held | None) -> Callable[[Key, Any, Fact[Any]], Any]:
    """The view's own; where a table rounds, one whose rows are as they will be read again after a restart."""
    if as_held is None:
        return view.evolve

    def evolve(key: Key, row: Any, fact: Fact[Any]) -> Any:
        after = view.evolve(key, row, fact)
        return None if after is None else as_held(after)

    return evolve


class Journal:
    """Copies every event as it stands in the log, and stops at a gap in an aggregate's versions.

    It parks nothing. What is parked is not in the table that everything else is filled from: the journal may be the
    only place that still has an event after compaction, so an event that waited outside would be missing in each view
    filled meanwhile. Nor can a record that does not decode be copied by its key and the first bytes of its meta: a
    foreign record may carry a version that would then stand in the way of the true one. It ends the process instead.
    """

    def __init__(self, recent: int, *, by_python: bool = False) -> None:
        self._by_python = by_python
        self._versions = Recent(recent)

    def prepare(self, _reading: Reading, records: list[Pair], _before: Any = None) -> list[Content]:
        """A row of each record."""
        return [_journal_row(record, decoded) for record, decoded in records]

    def write(self, cursor: psycopg.Cursor[Any], prepared: list[Content]) -> int:
        """Append the rows; `Fault` names the aggregate whose next version is missing."""
        self._refuse_gaps(cursor, prepared)
        return append(cursor, JOURNAL_TABLE, prepared, by_python=self._by_python)

    def keep(self, prepared: list[Content]) -> None:
        """The versions that aggregates have in the journal now."""
        self._versions.keep({(topic, name): version for topic, _, _, _, name, version, _, _ in prepared})

    def forget(self) -> None:
        """No version is known."""
        self._versions.forget()

    def _refuse_gaps(self, cursor: psycopg.Cursor[Any], rows: list[Content]) -> None:
        newest = self._newest(cursor, rows)
        for topic, partition, offset, _, name, version, _, _ in rows:
            before = newest.get((topic, name)) or 0
            if version != before + 1:
                raise Fault(
                    f"{topic}[{partition}] offset {offset}: its aggregate has version {version} after {before} in the "
                    f"journal: events are missing; the journal stops here"
                )
            newest[topic, name] = version

    def _newest(self, cursor: psycopg.Cursor[Any], rows: list[Content]) -> dict[tuple[str, str], int | None]:
        """By topic and name, the versions that the rows' aggregates have in the journal; None for one without any."""
        first: dict[tuple[str, str], int] = {}
        for topic, _, _, _, name, version, _, _ in rows:
            first.setdefault((topic, name), version)
        # An aggregate that begins here has nothing before it to look up.
        older = [place for place, version in first.items() if version != 1]
        newest, unknown = self._versions.look_up(older)
        if unknown:
            cursor.execute(NEWEST, [list(column) for column in zip(*unknown, strict=True)])
            newest |= {(topic, name): version for topic, name, version in cursor.fetchall()}
        return newest


class Audit:
    """Keeps every outcome, refused and repeated ones too, and stops, as the journal does, at what it cannot read."""

    def __init__(self, *, by_python: bool = False) -> None:
        self._by_python = by_python

    def prepare(self, _reading: Reading, records: list[Pair], _before: Any = None) -> list[Content]:
        """A row of each record."""
        return [_audit_row(record, decoded.body) for record, decoded in records]

    def write(self, cursor: psycopg.Cursor[Any], prepared: list[Content]) -> int:
        """Append the outcomes."""
        return append(cursor, AUDIT_TABLE, prepared, by_python=self._by_python)

    def keep(self, _prepared: list[Content]) -> None:
        """Nothing of it is read again."""

    def forget(self) -> None:
        """Nothing is kept."""


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
