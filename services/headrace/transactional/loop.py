"""Poll, then one transaction around the batch: the loop of handlers and reactors. Two frames lead to `decide`."""

import time
from collections.abc import Callable, Generator, Mapping
from typing import Any, Final, Protocol, TypeAlias, TypeVar

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, KafkaException
from confluent_kafka.admin import AdminClient
from structlog import get_logger

from headrace.collector import keep_what_lives
from headrace.failpoint import Failpoints
from headrace.kafka.clients import TRANSACTION_TIMEOUT_MS, consumer_config
from headrace.kafka.consumer import Batch, BatchConsumer, Steps
from headrace.kafka.ladder import Aborted, Unsettled
from headrace.kafka.producer import TransactionalProducer
from headrace.kafka.records import Place, Record
from headrace.kernel.errors import Fault, Misconfigured, TooMuchParked
from headrace.observe.health import Health
from headrace.observe.loop import ObservedLoop, Timing
from headrace.observe.states import Held, total
from headrace.settings import Settings
from headrace.transactional.offsets import has_moved, settled_offsets
from headrace.transactional.settling import settling_s

POLL_S: Final = 0.1
QUIET_S: Final = 60.0

ResultT = TypeVar("ResultT")

log = get_logger("headrace.loop")


class Part(Protocol):
    """One owned partition: what its records lead to. What a batch changes is taken back unless it is committed."""

    @property
    def log_time(self) -> int:
        """The log-append time of the newest record taken, in milliseconds; 0 before the first."""

    @property
    def held(self) -> Held:
        """How much is in memory."""

    def answer(self, key: bytes | None, value: bytes | None, offset: int, at: int, headers: Callable[[], Any]) -> Any:
        """What one record leads to; `at` is its log-append time."""

    def commit(self) -> Any:
        """The batch's transaction is committed; returns what to count."""

    def discard(self) -> None:
        """The batch's transaction is aborted: nothing has changed."""


Parts: TypeAlias = dict[Place, Any]
Restored: TypeAlias = Generator[None, None, tuple[Parts, dict[Place, int]]]
"""Steps that lead to the parts of some partitions, and the offset to start from for each."""


class Work(Protocol):
    """What is done in the loop: a handler's, or a reactor's."""

    def restore(self, consumer: BatchConsumer, places: set[Place]) -> Restored:
        """Make partitions ready once no predecessor can change them; one that is revoked meanwhile leaves the set."""

    def begin(self) -> None:
        """A batch begins: what was counted of one that was not committed does not count."""

    def produce(self, producer: TransactionalProducer, records: list[Record], answers: list[Any]) -> None:
        """Hand what a partition's records led to over to the producer, all at once."""

    def due(self, parts: Mapping[Place, Any]) -> dict[Place, list[Any]]:
        """What is to be written now without a record that asks for it, by partition; nothing, nearly always."""

    def produce_due(self, producer: TransactionalProducer, place: Place, answers: list[Any]) -> None:
        """Hand that over to the producer."""

    def tell(self, told: list[Any]) -> None:
        """A batch is committed: count what its parts returned."""


class TransactionalLoop:
    """One process of a consumer group, with one producer; `slot` names its place: a restart ends what it left open."""

    def __init__(
        self,
        work: Work,
        topics: list[str],
        group: str,
        slot: str,
        settings: Settings,
        admin: AdminClient,
        failpoints: Failpoints,
        health: Health | None = None,
    ) -> None:
        self._work = work
        self._failpoints = failpoints
        self._profile = settings.profile
        self._parts: Parts = {}
        self._has_one_topic = len(topics) == 1
        self.stopped: dict[Place, str] = {}
        self._observed = ObservedLoop(
            settings, admin, health or Health(), group, lambda: total(one.held for one in list(self._parts.values()))
        )
        self._producer = TransactionalProducer(settings, f"{group}.{slot}", failpoints, self._observed.health.beat)
        self._consumer = BatchConsumer(
            consumer_config(settings, group), topics, self, settings.batch_size, settings.window_ms / 1000
        )
        self._active_at = time.monotonic()
        self.stopping = False

    def run(self) -> None:
        """Go on until told to stop; raises a `Fault` when only a restart helps."""
        try:
            with self._observed:
                while not self.stopping:
                    self._observed.turn(self._consumer)
                    self.run_once()
        finally:
            self._consumer.close()

    def run_once(self) -> bool:
        """One batch in one transaction, and one with what is due; says whether there was a batch."""
        self._write_due()
        batch = self._consumer.poll(POLL_S)
        if batch is None:
            self._rest()
            return False
        self._active_at = time.monotonic()
        metadata = self._consumer.group_metadata()
        touched = {place: self._parts[place] for place in batch.next}
        timing = Timing()
        reach = self._failpoints.reach
        if metadata is None:
            self._start_over(batch, touched, "this process is no member of its group at the moment")
            return True
        try:
            self._producer.begin()
            reach("begun")
            self._work.begin()
            for place, records in batch.by_place.items():
                answer, answers = touched[place].answer, []
                for record in records:
                    kind, at = record.timestamp()
                    if kind != TIMESTAMP_LOG_APPEND_TIME:
                        raise Misconfigured(f"{place[0]} must have message.timestamp.type=LogAppendTime")
                    answers.append(answer(record.key(), record.value(), record.offset(), at, record.headers))
                reach("answered")
                # A partition at a time: the broker works on its records while the next partition's are answered.
                self._produce(self._work.produce, records, answers)
            reach("produced")
            timing.commit()
            self._producer.commit(batch.next, metadata)
        except Aborted as error:
            self._producer.abort()
            self._start_over(batch, touched, str(error))
            return True
        except TooMuchParked as error:
            self._producer.abort()
            self._halt(error)
            self._start_over(batch, touched, "one of its partitions stops")
            return True
        except Unsettled as error:
            self._observed.unanswered()
            if not self._was_committed(batch):
                self._start_over(batch, touched, str(error))
                return True
        reach("committed")
        self._consumer.keep_open(settling_s(len(batch), time.monotonic() - timing.committing))
        self._tell(batch, touched, timing)
        return True

    def acquire(self, places: set[Place]) -> Steps:
        """Restore the partitions that the group gives to this process."""
        began = time.monotonic()
        self._observed.acquiring(places)
        parts, starts = yield from self._work.restore(self._consumer, places)
        taken = sorted(places)
        self._parts.update({place: parts[place] for place in taken})
        keep_what_lives()
        seconds = time.monotonic() - began
        self._observed.acquired({place: starts[place] for place in places}, seconds)
        log.info("partitions acquired", partitions=self._named(taken), seconds=round(seconds, 3))
        return starts

    def release(self, places: list[Place]) -> None:
        """Forget the partitions that another process owns from now on."""
        for place in places:
            self._parts.pop(place, None)
            self.stopped.pop(place, None)
        self._observed.released(places)
        log.info("partitions released", partitions=self._named(sorted(places)))

    def _named(self, places: list[Place]) -> list[Any]:
        """How a log line names them: by number where there is one topic."""
        return [number for _, number in places] if self._has_one_topic else list(places)

    def _write_due(self) -> None:
        """A transaction of its own, fenced by the offsets as they are: another owner's generation refuses it."""
        due = self._work.due({place: part for place, part in self._parts.items() if place not in self.stopped})
        if not due:
            return
        touched = [self._parts[place] for place in due]
        if self._transact({place: self._consumer.next_offset(place) for place in due}, due):
            self._work.tell([part.commit() for part in touched])
            return
        for part in touched:
            part.discard()

    def _rest(self) -> None:
        """After a quiet minute the group's offsets pass the marks of transactions that lie behind the last records.

        Retention takes these marks one day, and the log would then begin behind an offset that lies before them.
        """
        now = time.monotonic()
        if now - self._active_at < QUIET_S:
            return
        self._active_at = now
        if (passed := self._consumer.passed()) and self._transact(passed, {}):
            self._consumer.pass_over(passed)

    def _transact(self, offsets: dict[Place, int], due: Mapping[Place, list[Any]]) -> bool:
        """A transaction that no record asks for; says whether it is committed."""
        metadata = self._consumer.group_metadata()
        if metadata is None:
            return False
        try:
            self._producer.begin()
            self._work.begin()
            for place, answers in due.items():
                self._produce(self._work.produce_due, place, answers)
            self._failpoints.reach("due")
            self._producer.commit(offsets, metadata)
        except Aborted as error:
            self._producer.abort()
            log.warning("transaction not committed, what is due is tried again", why=str(error))
            return False
        except Unsettled as error:
            # The offsets are the same either way: only what is in the log can tell, which a restart reads.
            raise Fault(f"{error}: whether what was due is written, a restart finds out") from error
        return True

    def _produce(self, produce: Callable[[TransactionalProducer, Any, list[Any]], None], *what: Any) -> None:
        """`Aborted` when the client takes no more, as when an earlier record of the transaction has timed out."""
        try:
            produce(self._producer, *what)
        except (KafkaException, BufferError) as error:
            if isinstance(error, BufferError):
                self._consumer.take_less()
            raise Aborted(f"a record was not taken: {error}") from error

    def _tell(self, batch: Batch, touched: Parts, timing: Timing) -> None:
        """The batch is committed: its partitions and whoever looks at this process learn what it led to."""
        self._work.tell([part.commit() for part in touched.values()])
        log_times = {place: touched[place].log_time for place in batch.next}
        self._observed.committed(batch.next, len(batch), timing, log_times, batch.oldest_ms)

    def _was_committed(self, batch: Batch) -> bool:
        """Whether a commit that nobody answered took place: the group's offsets have moved, or have not."""
        limit_s = 2 * TRANSACTION_TIMEOUT_MS[self._profile] / 1000 + 20
        reach = self._failpoints.reach
        settled = self._to_the_end(settled_offsets(self._consumer, list(batch.next), reach, limit_s))
        return has_moved(settled, batch.next)

    def _to_the_end(self, steps: Generator[None, None, ResultT]) -> ResultT:
        """Do all steps, with a sign of life at each."""
        while True:
            self._observed.health.beat()
            try:
                next(steps)
            except StopIteration as done:
                return done.value  # type: ignore[no-any-return]

    def _start_over(self, batch: Batch, touched: Parts, why: str) -> None:
        log.warning("transaction not committed, its records are read again", why=why, records=len(batch))
        for part in touched.values():
            part.discard()
        self._observed.not_committed(batch.first)
        self._consumer.rewind(batch.first)

    def _halt(self, why: TooMuchParked) -> None:
        """Go on without a partition. It stays this process's, so that no other runs into the same."""
        log.error("partition stopped", topic=why.place[0], partition=why.place[1], why=str(why))
        self.stopped[why.place] = str(why)
        self._observed.halted(why.place)
        self._consumer.halt(why.place)
