"""The projector's loop: poll, decode, then one database transaction with the checkpoints first."""

from typing import Final

from confluent_kafka.admin import OffsetSpec
from structlog import get_logger

from headrace.avro.codec import Codec, Decoded, Undecodable
from headrace.avro.contract import read_lock
from headrace.failpoint import Failpoints
from headrace.kafka.clients import admin_client, consumer_config
from headrace.kafka.consumer import Batch, BatchConsumer, Place, Record
from headrace.kafka.reading import list_offsets
from headrace.kafka.topics import refuse_other_topics
from headrace.kernel.app import JOURNAL, App
from headrace.kernel.errors import Fault, Misconfigured
from headrace.postgres.checkpoint import Step, advance, positions
from headrace.postgres.connection import connect
from headrace.postgres.schema import refuse_unmigrated
from headrace.projector.projection import Journal, Projection, ViewFold
from headrace.settings import Settings

POLL_S: Final = 0.1

log = get_logger("headrace.projector")


def group_of(projector: str) -> str:
    """The consumer group of a projector's replicas."""
    return f"headrace.project.{projector}"


class Projector:
    """One replica of a view's projector, or of the journal's; it owns some partitions of the event topics, alone."""

    def __init__(self, app: App, name: str, settings: Settings) -> None:
        self._settings = settings
        self._failpoints = Failpoints(settings)
        self._codec = Codec(app, read_lock(settings.schemas))
        self._admin = admin_client(settings)
        views = () if name == JOURNAL else (app.view(name),)
        sources = views[0].sources if views else tuple(aggregate.name for aggregate in app.aggregates)
        aggregates = tuple(app.aggregate(source) for source in sources)
        refuse_other_topics(self._admin, aggregates, settings)
        self._name = views[0].schema if views else JOURNAL
        self._connection = connect(settings, f"headrace {self._name}")
        refuse_unmigrated(self._connection, views)
        self._connection.commit()
        self._projection: Projection = ViewFold(self._connection, views[0]) if views else Journal()
        self._positions: dict[Place, int] = {}
        self._consumer = BatchConsumer(
            consumer_config(settings, group_of(self._name)),
            [aggregate.event_topic for aggregate in aggregates],
            self,
            settings.batch_size,
            min(settings.window_ms, 20) / 1000,
        )
        self.stopping = False

    def run(self) -> None:
        """Apply events until told to stop; raises a `Fault` when only a restart helps."""
        try:
            while not self.stopping:
                self.run_once()
        finally:
            self._consumer.close()
            self._connection.close()

    def run_once(self) -> bool:
        """One batch in one transaction; says whether there was one."""
        batch = self._consumer.poll(POLL_S)
        if batch is None:
            return False
        decode = self._codec.decode
        records = []
        for record in batch.messages:
            if record.value() is None:
                continue  # a tombstone follows an event that says that the aggregate is erased
            try:
                records.append((record, decode(record.value())))
            except Undecodable as error:
                raise Fault(f"{record.topic()}[{record.partition()}] offset {record.offset()}: {error}") from error
        steps = self._steps(batch, records)
        with self._connection.transaction(), self._connection.cursor() as cursor:
            advance(cursor, self._name, self._settings.instance, steps)
            self._failpoints.reach("advanced")
            self._projection.apply(cursor, records)
            self._failpoints.reach("applied")
        self._failpoints.reach("committed")
        self._positions.update(batch.next)
        self._consumer.commit_as_hint(batch.next)
        return True

    def acquire(self, places: list[Place]) -> dict[Place, int]:
        """Start where the database says, not where Kafka does: rows and positions were committed together."""
        if not places:
            return {}
        earliest = list_offsets(self._admin, dict.fromkeys(places, OffsetSpec.earliest()))
        starts = {place: earliest[place].offset for place in places}
        found = positions(self._connection, self._name, self._settings.instance, starts)
        self._refuse_impossible(found)
        self._positions.update(found)
        log.info("partitions acquired", projector=self._name, partitions=sorted(found))
        return found

    def release(self, places: list[Place]) -> None:
        """Forget the partitions that another process owns from now on."""
        for place in places:
            self._positions.pop(place, None)
        log.info("partitions released", projector=self._name, partitions=sorted(places))

    def _steps(self, batch: Batch, records: list[tuple[Record, Decoded]]) -> list[Step]:
        last = {(record.topic(), record.partition()): (record, decoded) for record, decoded in records}
        steps = []
        for place, after in batch.next.items():
            record, decoded = last.get(place, (None, None))
            command_offset = decoded.meta.command_offset if decoded else -1
            log_time = record.timestamp()[1] if record else batch.messages[-1].timestamp()[1]
            steps.append(Step(*place, self._positions[place], after, command_offset, log_time))
        return steps

    def _refuse_impossible(self, found: dict[Place, int]) -> None:
        """A position past the end of its partition belongs to another topic of the same name, or to another cluster."""
        latest = list_offsets(self._admin, dict.fromkeys(found, OffsetSpec.latest()))
        for place, offset in found.items():
            if offset > latest[place].offset:
                raise Misconfigured(
                    f"{self._name} stands at offset {offset} of {place[0]}[{place[1]}], which ends at "
                    f"{latest[place].offset}: the topic was made anew, or this is another cluster's database"
                )
