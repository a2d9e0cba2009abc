"""The projector's loop: poll, decode, fold, then one database transaction while the next batch is on its way."""

import time
from concurrent.futures import Future, wait
from functools import partial
from typing import TYPE_CHECKING, Final

from confluent_kafka.admin import OffsetSpec
from structlog import get_logger

from headrace.collector import keep_what_lives
from headrace.kafka.clients import admin_client, consumer_config
from headrace.kafka.consumer import Batch, BatchConsumer, Steps
from headrace.kafka.reading import read_offsets
from headrace.kafka.records import Place, Record
from headrace.kafka.rights import refuse_missing_rights
from headrace.kafka.topics import refuse_other_topics
from headrace.kernel.app import App
from headrace.kernel.errors import KeyParked, TooMuchParked
from headrace.observe.counting import ProjectorMetrics
from headrace.observe.health import Health
from headrace.observe.loop import ObservedLoop, Timing
from headrace.observe.states import Held
from headrace.postgres.checkpoint import Step, positions
from headrace.postgres.session import Connection
from headrace.projector.catching_up import CatchingUp
from headrace.projector.extent import Extent, Ready
from headrace.projector.kind import kind_of
from headrace.projector.origin import find_origin, refuse_impossible, tell_rewound
from headrace.projector.parking import Applied
from headrace.projector.reading import Pair, RecordReader, newest_command, told
from headrace.projector.rights import group_of, projector_rights
from headrace.projector.writing import Poisoned, Work, Writing
from headrace.settings import Settings

if TYPE_CHECKING:
    from headrace.projector.interval import IntervalSigner

POLL_S: Final = 0.1
WINDOWS_PER_BURST: Final = 4
"""A handler's events come in a burst, one a window: batches as far apart would meet each burst at some time of its own,
and keep it waiting."""
LONGEST_WINDOW_MS: Final = 20
"""Handlers of long windows buy throughput; a projector's transactions are long enough by then."""
PASS_S: Final = 60.0

log = get_logger("headrace.projector")


class Projector:
    """One replica of a view's projector, the journal's or the audit's; it owns some partitions, alone."""

    def __init__(self, app: App, name: str, settings: Settings, health: Health | None = None) -> None:
        self._settings = settings
        self.stopping = False
        self._health = health or Health()
        self._kind = kind = kind_of(app, name)
        self._name = kind.name
        self._reader = RecordReader(app, settings, self._is_stopping, decode=kind.decode, health=self._health)
        self._admin = admin_client(settings)
        rights = projector_rights(kind)
        refuse_missing_rights(self._admin, rights, settings.instance)
        refuse_other_topics(self._admin, kind.aggregates, settings, rights.topics)
        self._positions: dict[Place, int] = {}
        self._writing = Writing(kind, settings, self._is_stopping, self._positions)
        self._underway: tuple[Ready, Future[Applied]] | None = None
        self._catching_up = CatchingUp(settings, self._admin, self._writing.session, self._name, {})
        self._signer = _signer(settings, self._name) if settings.audit_key and not kind.view else None
        self._passed_at = time.monotonic()
        self.stopped: dict[Place, str] = {}
        group = group_of(self._name)
        self._metrics = ProjectorMetrics(self._name)
        self._observed = ObservedLoop(
            settings, self._admin, self._health, group, lambda: Held(*self._writing.parking.size), self._name
        )
        self._consumer = BatchConsumer(
            consumer_config(settings, group),
            kind.topics,
            self,
            settings.batch_size,
            min(settings.window_ms / WINDOWS_PER_BURST, LONGEST_WINDOW_MS) / 1000,
        )

    def run(self) -> None:
        """Apply events until told to stop; raises a `Fault` when only a restart helps."""
        try:
            with self._observed:
                while not self.stopping:
                    self._observed.turn(self._consumer, is_idle=self._underway is None)
                    self.run_once()
                    if self._signer and self._signer.is_due:
                        self._finish()
                        self._signer.sign(self._writing.session, list(self._positions))
                self._finish()
        finally:
            self._consumer.close()
            self._writing.close()

    def run_once(self) -> bool:
        """Read one batch while the one before is written, and have it written; says whether there was one."""
        self._pass_marks()
        ready = self._ready(self._consumer.poll(POLL_S))
        is_written = self._finish()
        self._writing.look()
        if ready is None:
            return False
        if not is_written:
            self._not_written(ready.extent)  # it was prepared on what did not come to be
        elif ready.work is None:
            ready.extent.timing.commit()
            self._underway = ready, self._writing.begin(ready.extent.steps, ready.prepared, ready.extent.timing)
        elif ready.work.unreadable and self.stopping:
            return False  # the successor reads the batch again
        else:
            self._apply(ready.extent, ready.work)
        return True

    def _ready(self, batch: Batch | None) -> Ready | None:
        """Read a batch and prepare it, so that its records need not be kept while it waits for its turn."""
        if batch is None:
            return None
        if self._kind.view is not None:  # the journal sees from versions what is missing; outcomes are not compacted
            self._catching_up.refuse_late(batch)
        extent, work = self._read(batch)
        prepared = self._writing.prepare(work, self._underway[0].prepared if self._underway else None)
        return Ready(extent, work=work) if prepared is None else Ready(extent, prepared)

    def _read(self, batch: Batch) -> tuple[Extent, Work]:
        timing = Timing()
        work = Work([], [], [])
        asked_at = batch.oldest_ms
        for place, records in batch.by_place.items():
            pairs, unreadable = self._reader.read(records)
            work.pairs.extend(pairs)
            work.unreadable.extend(unreadable)
            work.steps.append(self._step(place, batch.next[place], records, pairs))
            if pairs:
                asked_at = min(asked_at, told(pairs[0][1]).occurred_at)
        return Extent(batch.first, batch.next, len(batch), work.steps, asked_at, timing), work

    def _finish(self) -> bool:
        """Wait for the batch that is being written; says whether it was, as it was prepared."""
        if self._underway is None:
            return True
        (ready, applied), self._underway = self._underway, None
        try:
            self._written(ready.extent, applied.result())
        except Poisoned:
            self._not_written(ready.extent)
            return False
        self._writing.written(ready.prepared)
        return True

    def _apply(self, extent: Extent, work: Work) -> None:
        """Write a batch before anything else is done, around what is poison in it."""
        extent.timing.commit()
        try:
            applied = self._writing.apply(work)
        except TooMuchParked as why:
            self._halt(extent, why)
        else:
            self._written(extent, applied)

    def _catch_up(self, places: set[Place], batch: Batch) -> None:
        """Write a batch from the journal; not when the process is to stop and does not wait for a schema to the end.

        A partition that parks too much leaves the `places` that are taken over, and stands still.
        """
        extent, work = self._read(batch)
        if work.unreadable and self.stopping:
            return
        extent.timing.commit()
        try:
            applied = self._writing.apply(work)
        except TooMuchParked as why:
            self._halt(extent, why)
            places.discard(why.place)
        else:
            self._written(extent, applied)

    def acquire(self, places: set[Place]) -> Steps:
        """Start where the database says, not where Kafka does: rows and positions were committed together."""
        began = time.monotonic()
        self._finish()
        self._writing.forget()  # rows of these partitions from when they were this process's before
        self._observed.acquiring(places)
        asked = sorted(places)
        starts = self._offsets(asked, OffsetSpec.earliest())
        origin = find_origin(self._admin, self._kind.topics)
        yield
        self._finish()  # as after each step: a batch that began meanwhile is written on the connection used here
        found: dict[Place, int] = {}

        def take_over(connection: Connection) -> None:
            found.update(positions(connection, self._name, self._settings.instance, starts, origin))
            # After the positions: whoever parks a key later moves them, and is noticed by that.
            with connection.transaction(), connection.cursor() as cursor:
                self._writing.parking.load(cursor, asked)

        self._writing.session.persist(take_over)
        yield
        self._finish()
        refuse_impossible(self._name, found, starts, self._offsets(asked, OffsetSpec.latest()))
        tell_rewound(self._name, self._consumer, found)
        if self._kind.view is not None:
            self._observed.filling({place: found[place] for place in places})
            for _ in self._catching_up.run(places, found, self._positions, partial(self._catch_up, places)):
                yield
                self._finish()
        for place in asked:
            if place in places:
                self._positions[place] = found[place]
            else:
                self._writing.parking.forget(place)
        keep_what_lives()
        self._observed.acquired({place: found[place] for place in places}, time.monotonic() - began)
        log.info("partitions acquired", projector=self._name, partitions=sorted(places))
        return {place: max(offset, starts[place]) for place, offset in found.items()}

    def release(self, places: list[Place]) -> None:
        """Forget the partitions that another process owns from now on, once none of theirs is being written."""
        if self._underway is not None:
            wait([self._underway[1]])
        for place in places:
            self._positions.pop(place, None)
            self._writing.parking.forget(place)
            self.stopped.pop(place, None)
        self._observed.released(places)
        log.info("partitions released", projector=self._name, partitions=sorted(places))

    def _written(self, extent: Extent, applied: Applied) -> None:
        """The batch is committed: the next one goes on from it, and whoever looks at this process learns of it."""
        moved = {place: after for place, after in extent.next.items() if place in self._positions}
        self._positions.update(moved)
        if self._signer:
            self._signer.wrote(applied.rows)
        log_times = {(step.topic, step.partition): step.log_time for step in extent.steps}
        parked = [(record.topic(), type(error or KeyParked()).__name__) for record, error in applied.parked]
        self._metrics.applied(extent.records, applied.rows, parked)
        self._observed.committed(extent.next, extent.records, extent.timing, log_times, extent.asked_at)
        self._consumer.commit_as_hint(moved)

    def _pass_marks(self) -> None:
        """Once a minute the checkpoints pass the marks and aborted records that lie behind the last records.

        Retention takes these one day, and the log would then begin behind a checkpoint that lies before them.
        """
        now = time.monotonic()
        if now - self._passed_at < PASS_S:
            return
        self._finish()
        self._passed_at = now
        if passed := self._consumer.passed():
            self._writing.pass_over([Step(*place, self._positions[place], at, -1, 0) for place, at in passed.items()])
            self._positions.update(passed)
            self._consumer.pass_over(passed)
            self._consumer.commit_as_hint(passed)

    def _is_stopping(self) -> bool:
        """Asked by whatever waits for a schema or for Postgres: who asks gets on."""
        self._health.beat()
        return self.stopping

    def _halt(self, extent: Extent, why: TooMuchParked) -> None:
        """Go on without a partition. It stays this process's, so that no other runs into the same."""
        log.error("partition stopped", topic=why.place[0], partition=why.place[1], why=str(why))
        self.stopped[why.place] = str(why)
        self._writing.parking.forget(why.place)
        self._observed.halted(why.place)
        self._consumer.halt(why.place)
        self._not_written(extent)

    def _not_written(self, extent: Extent) -> None:
        self._observed.not_committed(extent.first)
        self._consumer.rewind(extent.first)

    def _offsets(self, places: list[Place], spec: OffsetSpec) -> dict[Place, int]:
        return read_offsets(self._admin, places, spec)

    def _step(self, place: Place, after: int, records: list[Record], pairs: list[Pair]) -> Step:
        """How a partition's checkpoint moves: from where the batch that is still being written leaves it."""
        ahead = self._underway[0].extent.next if self._underway else {}
        newest = pairs[-1][0] if pairs else records[-1]
        before = ahead.get(place, self._positions[place])
        return Step(*place, before, after, newest_command(pairs), newest.timestamp()[1])


def _signer(settings: Settings, name: str) -> "IntervalSigner":
    from headrace.projector.interval import IntervalSigner  # noqa: PLC0415 - cryptography is slow to import

    return IntervalSigner(settings, name)
