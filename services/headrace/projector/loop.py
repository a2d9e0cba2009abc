"""The projector's loop: poll, decode, then one database transaction with the checkpoints first."""

import contextlib
import time
from typing import TYPE_CHECKING, Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import OffsetSpec
from msgspec import Struct
from structlog import get_logger

from headrace.collector import keep_what_lives
from headrace.failpoint import Failpoints
from headrace.kafka.clients import REQUEST_TIMEOUT_S, admin_client, consumer_config
from headrace.kafka.consumer import Batch, BatchConsumer, Place, Steps
from headrace.kafka.reading import list_offsets
from headrace.kafka.rights import refuse_missing_rights
from headrace.kafka.topics import refuse_other_topics
from headrace.kernel.app import App
from headrace.kernel.errors import Fault, KeyParked, TooMuchParked
from headrace.observe.counting import ProjectorMetrics
from headrace.observe.health import Health
from headrace.observe.loop import ObservedLoop, Timing
from headrace.observe.states import Held
from headrace.postgres.checkpoint import Step, advance, positions, was_committed
from headrace.postgres.ladder import Rung, judge
from headrace.postgres.schema import refuse_unmigrated
from headrace.postgres.session import Connection, Session
from headrace.projector.catching_up import CatchingUp
from headrace.projector.kind import kind_of
from headrace.projector.origin import find_origin, refuse_impossible
from headrace.projector.parking import Applied, Parking
from headrace.projector.projection import Projection
from headrace.projector.reading import Pair, RecordReader, Unreadable, place_of, told
from headrace.projector.reasons import reason
from headrace.projector.rights import group_of, projector_rights
from headrace.settings import Settings

if TYPE_CHECKING:
    from headrace.projector.interval import IntervalSigner

POLL_S: Final = 0.1

log = get_logger("headrace.projector")


class Work(Struct, frozen=True):
    """One batch, read: its records, what cannot be read, and how the checkpoints move."""

    pairs: list[Pair]
    unreadable: list[Unreadable]
    steps: list[Step]


class Projector:
    """One replica of a view's projector, the journal's or the audit's; it owns some partitions, alone."""

    def __init__(self, app: App, name: str, settings: Settings, health: Health | None = None) -> None:
        self._settings = settings
        self._failpoints = Failpoints(settings)
        self.stopping = False
        self._health = health or Health()
        self._kind = kind = kind_of(app, name)
        self._name = kind.name
        self._reader = RecordReader(app, settings, self._is_stopping, decode=kind.decode, health=self._health)
        self._admin = admin_client(settings)
        rights = projector_rights(kind)
        refuse_missing_rights(self._admin, rights, settings.instance)
        refuse_other_topics(self._admin, kind.aggregates, settings, rights.topics)
        self._session = Session(settings, f"headrace {self._name}", self._is_stopping)
        connection = self._session.connection
        refuse_unmigrated(connection, (kind.view,) if kind.view else ())
        connection.commit()
        self._projection: Projection = kind.projection(connection, by_python=settings.codec == "python")
        self._parking = Parking(self._name)
        self._catching_up = CatchingUp(settings, self._admin, self._session, self._name)
        self._signer = _signer(settings, self._name) if settings.audit_key and not kind.view else None
        self._applied = Applied()
        self._positions: dict[Place, int] = {}
        self.stopped: dict[Place, str] = {}
        group = group_of(self._name)
        self._metrics = ProjectorMetrics(self._name)
        self._observed = ObservedLoop(
            settings, self._admin, self._health, group, lambda: Held(*self._parking.size), self._name
        )
        self._consumer = BatchConsumer(
            consumer_config(settings, group),
            kind.topics,
            self,
            settings.batch_size,
            min(settings.window_ms, 20) / 1000,
        )

    def run(self) -> None:
        """Apply events until told to stop; raises a `Fault` when only a restart helps."""
        try:
            with self._observed:
                while not self.stopping:
                    self._observed.turn(self._consumer)
                    self.run_once()
                    if self._signer:
                        self._signer.turn(self._session, list(self._positions))
        finally:
            self._consumer.close()
            self._session.close()

    def run_once(self) -> bool:
        """One batch in one transaction; says whether there was one."""
        batch = self._consumer.poll(POLL_S)
        if batch is None:
            return False
        try:
            written = self._write(batch)
        except TooMuchParked as error:
            self._halt(batch, error)
            return True
        if written:
            self._consumer.commit_as_hint(batch.next)
        return written

    def _write(self, batch: Batch) -> bool:
        """Apply a batch; not when the process is to stop and does not wait for a schema to the end."""
        timing = Timing()
        pairs, unreadable = self._reader.read(batch.messages)
        if unreadable and self.stopping:
            return False  # the successor reads the batch again
        work = Work(pairs, unreadable, self._steps(batch, pairs))
        timing.commit()
        self._apply(work)
        self._failpoints.reach("committed")
        self._positions.update(batch.next)
        if self._signer:
            self._signer.wrote(self._applied.rows)
        self._tell(batch, work, timing)
        return True

    def acquire(self, places: set[Place]) -> Steps:
        """Start where the database says, not where Kafka does: rows and positions were committed together."""
        began = time.monotonic()
        self._observed.acquiring(places)
        asked = sorted(places)
        starts = self._offsets(asked, OffsetSpec.earliest())
        origin = find_origin(self._admin, self._kind.topics)
        yield
        found: dict[Place, int] = {}

        def take_over(connection: Connection) -> None:
            found.update(positions(connection, self._name, self._settings.instance, starts, origin))
            # After the positions: whoever parks a key later moves them, and is noticed by that.
            with connection.transaction(), connection.cursor() as cursor:
                self._parking.load(cursor, asked)

        self._session.persist(take_over)
        yield
        refuse_impossible(self._name, found, starts, self._offsets(asked, OffsetSpec.latest()))
        self._tell_rewound(found)
        if self._kind.view is not None:  # the journal sees from versions what is missing; outcomes are not compacted
            yield from self._catching_up.run(places, found, self._positions, self._write)
        for place in asked:
            if place in places:
                self._positions[place] = found[place]
            else:
                self._parking.forget(place)
        keep_what_lives()
        self._observed.acquired({place: found[place] for place in places}, time.monotonic() - began)
        log.info("partitions acquired", projector=self._name, partitions=sorted(places))
        return found

    def release(self, places: list[Place]) -> None:
        """Forget the partitions that another process owns from now on."""
        for place in places:
            self._positions.pop(place, None)
            self._parking.forget(place)
            self.stopped.pop(place, None)
        self._observed.released(places)
        log.info("partitions released", projector=self._name, partitions=sorted(places))

    def _tell(self, batch: Batch, work: Work, timing: Timing) -> None:
        """The batch is committed: whoever looks at this process learns of it."""
        log_times = {(step.topic, step.partition): step.log_time for step in work.steps}
        asked_at = told(work.pairs[0][1]).occurred_at if work.pairs else batch.messages[0].timestamp()[1]
        parked = [(record.topic(), type(error or KeyParked()).__name__) for record, error in self._applied.parked]
        self._metrics.applied(len(batch.messages), self._applied.rows, parked)
        self._observed.committed(batch, timing, log_times, asked_at)

    def _is_stopping(self) -> bool:
        """Asked by whatever waits for a schema or for Postgres: who asks gets on."""
        self._health.beat()
        return self.stopping

    def _apply(self, work: Work) -> None:
        """Write the batch, and when something in it is poison, all around that."""
        try:
            self._persist(work)
        except Exception as error:
            if judge(error) is not Rung.POISON:
                raise
            self._refuse_to_skip(work, error)
            self._persist(work, search=True)

    def _halt(self, batch: Batch, why: TooMuchParked) -> None:
        """Go on without a partition. It stays this process's, so that no other runs into the same."""
        log.error("partition stopped", topic=why.place[0], partition=why.place[1], why=str(why))
        self.stopped[why.place] = str(why)
        self._parking.forget(why.place)
        self._observed.halted(why.place)
        self._observed.not_committed(batch)
        self._consumer.halt(why.place)
        self._consumer.rewind(batch)

    def _persist(self, work: Work, *, search: bool = False) -> None:
        """Rows, parked events and positions in one transaction, until it is known to be committed."""

        def write(connection: Connection) -> None:
            with connection.transaction(), connection.cursor() as cursor:
                advance(cursor, self._name, self._settings.instance, work.steps)
                self._failpoints.reach("advanced")
                if (
                    search
                    or work.unreadable
                    or self._parking.holds_any((step.topic, step.partition) for step in work.steps)
                ):
                    applied = self._parking.apply_around(
                        cursor, self._projection, work.pairs, work.unreadable, search=search
                    )
                else:
                    applied = Applied(self._projection.apply(cursor, work.pairs))
                self._applied = applied
                self._failpoints.reach("applied")

        def settled(connection: Connection) -> bool:
            with connection.transaction(), connection.cursor() as cursor:
                done = was_committed(cursor, self._name, work.steps)
                self._parking.load(cursor, self._positions)
            return done

        if work.unreadable:
            self._refuse_to_skip(work, work.unreadable[0][1])
        self._session.persist(write, settled)

    def _refuse_to_skip(self, work: Work, error: Exception) -> None:
        """A view sets aside what it cannot apply; journal and audit stop, as the journal's docstring says."""
        if self._kind.view is not None:
            return
        first = min(work.steps)
        where = f"{first.topic}[{first.partition}] from offset {first.before} on"
        if work.unreadable:
            record = work.unreadable[0][0]
            where = f"{record.topic()}[{record.partition()}] offset {record.offset()}"
        raise Fault(f"{where}: {reason(error)}; the {self._name} stops here, since it skips nothing") from error

    def _tell_rewound(self, found: dict[Place, int]) -> None:
        """Offsets are told to Kafka after they were committed here: if it knows later ones, the database went back."""
        hints: dict[Place, int] = {}
        with contextlib.suppress(KafkaException):  # a hint, and no more
            hints = self._consumer.committed(list(found), REQUEST_TIMEOUT_S)
        rewound = {place: offset for place, offset in found.items() if hints.get(place, -1) > offset}
        if rewound:
            log.warning(
                "the database went back: events are read again", projector=self._name, partitions=sorted(rewound)
            )

    def _offsets(self, places: list[Place], spec: OffsetSpec) -> dict[Place, int]:
        return {place: info.offset for place, info in list_offsets(self._admin, dict.fromkeys(places, spec)).items()}

    def _steps(self, batch: Batch, pairs: list[Pair]) -> list[Step]:
        last: dict[Place, Pair] = {}
        for pair in reversed(pairs):
            last.setdefault(place_of(pair[0]), pair)
            if len(last) == len(batch.next):
                break
        steps = []
        for place, after in batch.next.items():
            record, decoded = last.get(place, (None, None))
            command_offset = told(decoded).command_offset if decoded else -1
            log_time = record.timestamp()[1] if record else batch.messages[-1].timestamp()[1]
            steps.append(Step(*place, self._positions[place], after, command_offset, log_time))
        return steps


def _signer(settings: Settings, name: str) -> "IntervalSigner":
    from headrace.projector.interval import IntervalSigner  # noqa: PLC0415 - cryptography is slow to import

    return IntervalSigner(settings, name)
