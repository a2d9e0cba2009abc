"""The handler: what it does in the transactional loop with commands, and with what they lead to."""

from collections.abc import Iterable, Mapping
from typing import Any

from structlog import get_logger

from headrace.avro.ids import open_codec
from headrace.failpoint import Failpoints
from headrace.handler.notes import ALONE, KEY, Header, Headers, parked_copy, trace_of
from headrace.handler.replies import Answer
from headrace.handler.rights import group_of, handler_rights
from headrace.handler.takeover import Takeover
from headrace.kafka.clients import admin_client
from headrace.kafka.consumer import BatchConsumer
from headrace.kafka.producer import TransactionalProducer
from headrace.kafka.records import Place, Record, headers_of
from headrace.kafka.rights import refuse_missing_rights
from headrace.kafka.topics import refuse_other_topics
from headrace.kernel.aggregate import Aggregate
from headrace.kernel.app import App
from headrace.observe.counting import HandlerMetrics, Tally
from headrace.observe.health import Health
from headrace.settings import Settings
from headrace.transactional.loop import Restored, TransactionalLoop

log = get_logger("headrace.handler")


def open_handler(
    app: App, aggregate_name: str, slot: str, settings: Settings, health: Health | None = None
) -> TransactionalLoop:
    """One process that answers an aggregate's commands; `slot` names its place: a restart ends what it left open."""
    aggregate = app.aggregate(aggregate_name)
    codec = open_codec(app, settings, health)
    admin = admin_client(settings)
    refuse_missing_rights(admin, handler_rights(aggregate), settings.instance)
    refuse_other_topics(admin, (aggregate,), settings)
    failpoints = Failpoints(settings)
    takeover = Takeover(aggregate, codec, settings, admin, failpoints, have_marks=bool(app.senders_to(aggregate.name)))
    work = Handling(aggregate, takeover, failpoints)
    group = group_of(aggregate_name)
    return TransactionalLoop(work, [aggregate.command_topic], group, slot, settings, admin, failpoints, health)


class Handling:
    """A handler's work: takes partitions of commands over, and hands what commands lead to over to the producer."""

    def __init__(self, aggregate: Aggregate[Any, Any, Any], takeover: Takeover, failpoints: Failpoints) -> None:
        self._command_topic, self._event_topic, self._outcome_topic, self._parked_topic = aggregate.topics
        self._takeover = takeover
        self._failpoints = failpoints
        self._typed: dict[str, Headers] = {kind.__name__: [("type", kind.__name__)] for kind in aggregate.event_types}
        self._dead: list[tuple[str, str]] = []
        self._metrics = HandlerMetrics(aggregate.name)

    def restore(self, consumer: BatchConsumer, places: set[Place]) -> Restored:
        """The partitions as they are after their last answered command."""
        numbers = sorted(number for _, number in places)
        partitions, starts = yield from self._takeover.restore(
            consumer, numbers, lambda number: (self._command_topic, number) in places
        )
        return {(self._command_topic, number): partition for number, partition in partitions.items()}, starts

    def due(self, _parts: Mapping[Place, Any]) -> dict[Place, list[Any]]:
        """A handler writes nothing that no command asks for."""
        return {}

    def produce_due(self, producer: TransactionalProducer, place: Place, answers: list[Any]) -> None:
        """Nothing is ever due."""

    def begin(self) -> None:
        """Nothing is parked yet."""
        self._dead.clear()

    def produce(self, producer: TransactionalProducer, records: list[Record], answers: list[Answer]) -> None:
        """All at once: records that trickle in between decisions make a request each."""
        reach = self._failpoints.reach
        for record, answer in zip(records, answers, strict=True):
            number = record.partition()
            if answer.set_aside is not None or answer.parked is not None or answer.released:
                self._produce_parked(producer, record, number, answer)
            self._produce(producer, answer, number, headers_of(record.headers) if answer.events else None)
            reach("producing")

    def tell(self, told: list[Tally]) -> None:
        """Count what a committed batch led to."""
        self._metrics.answered(told, self._dead)

    def _produce(
        self, producer: TransactionalProducer, answer: Answer, number: int, headers: Iterable[Header] | None
    ) -> None:
        """Hand an answer's events and outcome to the producer, on the command's own partition number."""
        produce, key = producer.produce, answer.key
        for name, frame in answer.events:
            own = self._typed[name]
            given = [*own, *trace_of(headers)] if headers else own
            # By position, without callback and timestamp: to name the headers takes a fifth of the call.
            produce(self._event_topic, frame, key, number, None, None, 0, given)
        if answer.outcome:
            produce(self._outcome_topic, answer.outcome, key, number)

    def _produce_parked(self, producer: TransactionalProducer, record: Record, number: int, answer: Answer) -> None:
        """Park a record, alone or with its key; or answer those that are released, and leave a mark."""
        place = {"topic": record.topic(), "partition": number, "offset": record.offset()}
        value: bytes | None
        key: bytes | None
        if answer.set_aside is not None:
            value, key, headers = parked_copy(record, ALONE, answer.set_aside)
            self._dead.append((record.topic(), answer.set_aside.name))
            log.warning("record set aside", **place, why=answer.set_aside.said.decode(errors="replace"))
        elif answer.parked is not None:
            value, key, headers = parked_copy(record, KEY, answer.parked, answer.key)
            self._dead.append((record.topic(), answer.parked.name))
            if not answer.parked.is_behind:
                log.error("key parked", **place, error=answer.parked.name, where=answer.parked.where)
        else:
            for earlier in answer.released:
                self._produce(producer, earlier, number, earlier.trace)
            value, key, headers = None, answer.key.encode(), list(answer.mark)
            log.warning("key released", **place, commands=len(answer.released))
        producer.produce(self._parked_topic, value, key, partition=number, headers=headers)
