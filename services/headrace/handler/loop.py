"""The handler's loop: poll, then one transaction around the batch. Two frames lead from here to `decide`."""

import time
from collections.abc import Generator
from typing import Final, TypeVar

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, KafkaException
from structlog import get_logger

from headrace.avro.codec import Codec
from headrace.avro.contract import read_lock
from headrace.collector import keep_what_lives
from headrace.failpoint import Failpoints
from headrace.handler.notes import ALONE, KEY, Headers, trace_of, where_it_broke, why_parked
from headrace.handler.partition import Partition
from headrace.handler.replies import Answer
from headrace.handler.takeover import Takeover
from headrace.kafka.clients import TRANSACTION_TIMEOUT_MS, admin_client, consumer_config
from headrace.kafka.consumer import Batch, BatchConsumer, Place, Record, Steps
from headrace.kafka.ladder import Aborted, Unsettled
from headrace.kafka.producer import TransactionalProducer
from headrace.kafka.topics import refuse_other_topics
from headrace.kernel.app import App
from headrace.kernel.errors import Fault, KeyParked, Misconfigured, TooMuchParked
from headrace.observe.counting import HandlerMetrics
from headrace.observe.health import Health
from headrace.observe.loop import ObservedLoop, Timing
from headrace.observe.states import total
from headrace.settings import Settings

POLL_S: Final = 0.1

ResultT = TypeVar("ResultT")

log = get_logger("headrace.handler")


def group_of(aggregate_name: str) -> str:
    """The consumer group of an aggregate's handlers."""
    return f"headrace.handle.{aggregate_name}"


class Handler:
    """One process that answers an aggregate's commands; `slot` names its place: a restart ends what it left open."""

    def __init__(
        self, app: App, aggregate_name: str, slot: str, settings: Settings, health: Health | None = None
    ) -> None:
        self._aggregate = app.aggregate(aggregate_name)
        _, self._event_topic, self._outcome_topic, self._parked_topic = self._aggregate.topics
        codec = Codec(app, read_lock(settings.schemas))
        admin = admin_client(settings)
        refuse_other_topics(admin, (self._aggregate,), settings)
        self._failpoints = Failpoints(settings)
        self._profile = settings.profile
        self._takeover = Takeover(self._aggregate, codec, settings, admin, self._failpoints)
        self._partitions: dict[int, Partition] = {}
        self._typed: dict[str, Headers] = {
            kind.__name__: [("type", kind.__name__)] for kind in self._aggregate.event_types
        }
        self.stopped: dict[Place, str] = {}
        self._dead: list[tuple[str, str]] = []
        group = group_of(aggregate_name)
        self._metrics = HandlerMetrics(aggregate_name)
        self._observed = ObservedLoop(
            settings,
            admin,
            health or Health(),
            group,
            lambda: total(one.held for one in list(self._partitions.values())),
        )
        self._producer = TransactionalProducer(
            settings, f"{group}.{slot}", self._failpoints, self._observed.health.beat
        )
        self._consumer = BatchConsumer(
            consumer_config(settings, group),
            [self._aggregate.command_topic],
            self,
            settings.batch_size,
            settings.window_ms / 1000,
        )
        self.stopping = False

    def run(self) -> None:
        """Answer commands until told to stop; raises a `Fault` when only a restart helps."""
        try:
            with self._observed:
                while not self.stopping:
                    self._observed.turn(self._consumer)
                    self.run_once()
        finally:
            self._consumer.close()

    def run_once(self) -> bool:
        """One batch in one transaction; says whether there was one."""
        batch = self._consumer.poll(POLL_S)
        if batch is None:
            return False
        metadata = self._consumer.group_metadata()
        touched = {number: self._partitions[number] for _, number in batch.next}
        timing = Timing()
        reach = self._failpoints.reach
        if metadata is None:
            self._start_over(batch, touched, "this process is no member of its group at the moment")
            return True
        try:
            self._producer.begin()
            reach("begun")
            answers = []
            for record in batch.messages:
                kind, at = record.timestamp()
                if kind != TIMESTAMP_LOG_APPEND_TIME:
                    raise Misconfigured(
                        f"{self._aggregate.command_topic} must have message.timestamp.type=LogAppendTime"
                    )
                partition = touched[record.partition()]
                answers.append(partition.answer(record.key(), record.value(), record.offset(), at, record.headers))
            reach("answered")
            self._produce_all(batch, answers)
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
        self._failpoints.reach("committed")
        self._tell(batch, touched, timing)
        return True

    def acquire(self, places: set[Place]) -> Steps:
        """Restore the partitions that the group gives to this process."""
        began = time.monotonic()
        self._observed.acquiring(places)
        numbers = sorted(number for _, number in places)
        partitions, starts = yield from self._takeover.restore(self._consumer, numbers)
        taken = sorted(number for _, number in places)
        self._partitions.update({number: partitions[number] for number in taken})
        keep_what_lives()
        seconds = time.monotonic() - began
        self._observed.acquired({place: starts[place] for place in places}, seconds)
        log.info("partitions acquired", partitions=taken, seconds=round(seconds, 3))
        return starts

    def release(self, places: list[Place]) -> None:
        """Forget the partitions that another process owns from now on."""
        for place in places:
            self._partitions.pop(place[1], None)
            self.stopped.pop(place, None)
        self._observed.released(places)
        log.info("partitions released", partitions=sorted(number for _, number in places))

    def _tell(self, batch: Batch, touched: dict[int, Partition], timing: Timing) -> None:
        """The batch is committed: its partitions and whoever looks at this process learn what it led to."""
        self._metrics.answered([partition.commit() for partition in touched.values()], self._dead)
        log_times = {place: touched[place[1]].log_time for place in batch.next}
        self._observed.committed(batch, timing, log_times, batch.messages[0].timestamp()[1])

    def _produce_all(self, batch: Batch, answers: list[Answer]) -> None:
        """All at once: records that trickle in between decisions make a request each.

        `Aborted` when the client takes no more, as it does when an earlier record of the transaction has timed out.
        """
        reach = self._failpoints.reach
        self._dead.clear()
        try:
            for record, answer in zip(batch.messages, answers, strict=True):
                number = record.partition()
                if answer.set_aside is not None or answer.parked is not None or answer.released:
                    self._produce_parked(record, number, answer)
                self._produce(answer, number, record.headers() if answer.events else None)
                reach("producing")
        except (KafkaException, BufferError) as error:
            raise Aborted(f"a record was not taken: {error}") from error

    def _produce(self, answer: Answer, number: int, headers: Headers | None) -> None:
        """Hand an answer's events and outcome to the producer, on the command's own partition number."""
        produce, key = self._producer.produce, answer.key
        for name, frame in answer.events:
            own = self._typed[name]
            produce(self._event_topic, frame, key, number, headers=[*own, *trace_of(headers)] if headers else own)
        if answer.outcome:
            produce(self._outcome_topic, answer.outcome, key, number)

    def _produce_parked(self, record: Record, number: int, answer: Answer) -> None:
        """Park a record, alone or with its key; or answer those that are released, and leave a mark."""
        place = {"topic": record.topic(), "partition": number, "offset": record.offset()}
        parked, value, key = self._parked_topic, record.value(), record.key()
        if answer.set_aside is not None:
            headers = why_parked(record, ALONE, answer.set_aside)
            self._dead.append((record.topic(), type(answer.set_aside).__name__))
            log.warning("record set aside", **place, why=str(answer.set_aside))
        elif answer.parked is not None:
            headers = why_parked(record, KEY, answer.parked, answer.key)
            self._dead.append((record.topic(), type(answer.parked).__name__))
            if not isinstance(answer.parked, KeyParked):
                error, where = type(answer.parked).__name__, where_it_broke(answer.parked)
                log.error("key parked", **place, error=error, where=where)
        else:
            for earlier in answer.released:
                self._produce(earlier, number, earlier.trace)
            headers, value, key = answer.mark, None, answer.key.encode()
            log.warning("key released", **place, commands=len(answer.released))
        self._producer.produce(parked, value, key, partition=number, headers=headers)

    def _was_committed(self, batch: Batch) -> bool:
        """Whether a commit that nobody answered took place: the group's offsets have moved, or have not."""
        limit_s = 2 * TRANSACTION_TIMEOUT_MS[self._profile] / 1000 + 20
        settled = self._to_the_end(self._takeover.settled_offsets(self._consumer, list(batch.next), limit_s))
        return has_moved(settled, batch.next)

    def _to_the_end(self, steps: Generator[None, None, ResultT]) -> ResultT:
        """Do all steps, with a sign of life at each."""
        while True:
            self._observed.health.beat()
            try:
                next(steps)
            except StopIteration as done:
                return done.value  # type: ignore[no-any-return]

    def _start_over(self, batch: Batch, touched: dict[int, Partition], why: str) -> None:
        log.warning("transaction not committed, its records are read again", why=why, records=len(batch.messages))
        for partition in touched.values():
            partition.discard()
        self._observed.not_committed(batch)
        self._consumer.rewind(batch)

    def _halt(self, why: TooMuchParked) -> None:
        """Go on without a partition. It stays this process's, so that no other runs into the same."""
        log.error("partition stopped", topic=why.place[0], partition=why.place[1], why=str(why))
        self.stopped[why.place] = str(why)
        self._observed.halted(why.place)
        self._consumer.halt(why.place)


def has_moved(settled: dict[Place, int], wanted: dict[Place, int]) -> bool:
    """Whether the group's offsets are those that a transaction wanted; all of them are, or none, since it is one.

    `Fault` when they are neither: another process has gone on with a partition, and the state here is out of date.
    """
    if all(settled[place] == offset for place, offset in wanted.items()):
        return True
    if all(settled[place] < offset for place, offset in wanted.items()):
        return False
    raise Fault("another process has taken over partitions of an unanswered commit: this one restores anew")
