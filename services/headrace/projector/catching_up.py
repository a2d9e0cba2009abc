"""Events that compaction may have taken from their topic, as the journal has them, for a view that was away."""

from collections.abc import Callable, Generator
from typing import Any, Final

from confluent_kafka.admin import AdminClient
from msgspec import Struct
from structlog import get_logger

from headrace.kafka.compaction import HALF, compaction_lags_ms, is_late, whole_from
from headrace.kafka.consumer import Batch
from headrace.kafka.reading import read_to
from headrace.kafka.records import Place, Record
from headrace.kernel.app import JOURNAL
from headrace.kernel.errors import Fault
from headrace.postgres.session import Session
from headrace.projector.stored import StoredEvent
from headrace.settings import Settings

POSITION: Final = """
    SELECT next_offset FROM headrace.checkpoints WHERE projector = %s AND topic = %s AND partition = %s"""

EVENTS: Final = """
    SELECT topic, partition, "offset", aggregate_id, record, logged_at FROM headrace.journal
    WHERE topic = %s AND partition = %s AND "offset" >= %s AND "offset" < %s
    ORDER BY "offset" LIMIT %s"""


log = get_logger("headrace.projector")


class CatchingUp(Struct, frozen=True):
    """What one view's projector does where it stands before what Kafka is sure to hold whole.

    `lags_ms` has the compaction lag of each topic that was taken over, in milliseconds.
    """

    settings: Settings
    admin: AdminClient
    session: Session
    name: str
    lags_ms: dict[str, int]

    def run(
        self,
        places: set[Place],
        found: dict[Place, int],
        positions: dict[Place, int],
        write: Callable[[Batch], None],
    ) -> Generator[None, None, None]:
        """Apply from the journal what Kafka may have compacted; a half of the compaction lag is left for the rest.

        A partition that is revoked meanwhile leaves `places`; `found` has each one's position in the end, `positions`
        while it is written. Filling one takes its time, in which events of the others grow old, and of those that are
        filled already: it is over when none is behind.
        """
        self.lags_ms.update(compaction_lags_ms(self.admin, found))
        filled = dict(found)  # further than `found` where only marks of transactions lie behind an event
        while True:
            whole = whole_from(self.admin, found, self.lags_ms, HALF)
            behind = sorted(place for place in places if filled[place] < whole[place])
            if not behind:
                return
            for place in behind:
                yield from self._fill(place, whole[place], places, found, positions, write)
                filled[place] = max(found[place], whole[place])
            yield

    def refuse_late(self, batch: Batch) -> None:
        """`Fault` where a batch's first event is so old that compaction may have taken others before it."""
        for place, records in batch.by_place.items():
            if is_late(records[0], self.lags_ms[place[0]]):
                raise Fault(
                    f"{self.name} reads {place[0]}[{place[1]}] at offset {records[0].offset()}, and Kafka may have "
                    f"compacted events before that: a restart reads them from the journal"
                )

    def _fill(
        self,
        place: Place,
        whole: int,
        places: set[Place],
        found: dict[Place, int],
        positions: dict[Place, int],
        write: Callable[[Batch], None],
    ) -> Generator[None, None, None]:
        """Apply what the journal has of one partition, if that reaches what Kafka is sure to hold whole."""
        end = self._journal_end(place)
        # What lies behind the journal's position may be marks of transactions, or events that it has to copy yet.
        for chunk in read_to(self.settings, {place: max(end, found[place])}, {place: whole}):
            if chunk:
                raise self._behind(place, end, whole)
            yield
        if place not in places:
            return
        positions[place] = first = found[place]
        while place in places:
            start = positions[place]
            records = self._events(place, start, end)
            if not records:
                break
            # What is not written, as when the process is to stop, is not passed over either.
            write(Batch({place: records}, {place: start}, {place: records[-1].offset() + 1}))
            yield
        found[place] = positions.pop(place, found[place])
        log.info("caught up from the journal", projector=self.name, place=place, since=first, to=found[place])

    def _journal_end(self, place: Place) -> int:
        """Where the journal stands: it has every event below that."""
        connection = self.session.connection
        with connection.transaction():
            row = connection.execute(POSITION, [JOURNAL, *place]).fetchone()
        return int(row[0]) if row else 0

    def _behind(self, place: Place, end: int, wanted: int) -> Fault:
        return Fault(
            f"{self.name} must read events of {place[0]}[{place[1]}] below {wanted} from the journal, since Kafka may "
            f"have compacted them, and the journal stands at {end}: let `headrace project journal` catch up"
        )

    def _events(self, place: Place, start: int, end: int) -> list[Record]:
        """The partition's next events between two offsets, oldest first."""
        connection = self.session.connection
        with connection.transaction():
            rows: list[Any] = connection.execute(EVENTS, [*place, start, end, self.settings.batch_size]).fetchall()
        return [StoredEvent(*row) for row in rows]
