"""The reactor: what it does in the transactional loop with events and answers, and with what they lead to."""

from collections.abc import Mapping, Sequence
from typing import Any

from structlog import get_logger

from headrace.avro.ids import open_codec
from headrace.failpoint import Failpoints
from headrace.handler.notes import KEY, Failure, parked_copy
from headrace.kafka.clients import admin_client
from headrace.kafka.consumer import BatchConsumer
from headrace.kafka.producer import TransactionalProducer
from headrace.kafka.records import Place, Record
from headrace.kafka.rights import refuse_missing_rights
from headrace.kafka.topics import refuse_other_topics
from headrace.kernel.app import App
from headrace.kernel.reactor import Reactor
from headrace.observe.counting import ReactorMetrics
from headrace.observe.health import Health
from headrace.reactor.messages import Message, Messages
from headrace.reactor.part import Reacted, SourcePart
from headrace.reactor.rights import group_of, reactor_rights
from headrace.reactor.takeover import Takeover
from headrace.reactor.timers import TimerPart
from headrace.settings import Settings
from headrace.transactional.loop import Restored, TransactionalLoop

log = get_logger("headrace.reactor")


def sources_of(app: App, reactor: Reactor) -> dict[str, str]:
    """The topics that a reactor reacts to, each with its aggregate; its timers' topic is read beside them."""
    sources = {app.aggregate(source).event_topic: source for source in reactor.events}
    return sources | {app.aggregate(source).outcome_topic: source for source in reactor.answers}


def open_reactor(app: App, name: str, slot: str, settings: Settings, health: Health | None = None) -> TransactionalLoop:
    """One process that reacts to what a reactor reads; `slot` names its place: a restart ends what it left open."""
    reactor = app.reactor(name)
    codec = open_codec(app, settings, health)
    admin = admin_client(settings)
    rights = reactor_rights(app, reactor)
    refuse_missing_rights(admin, rights, settings.instance)
    refuse_other_topics(admin, (*app.aggregates, reactor), settings, rights.topics)
    failpoints = Failpoints(settings)
    sources = sources_of(app, reactor)
    messages = Messages(app, reactor, codec, settings.partitions)
    takeover = Takeover(reactor, sources, codec, messages, settings, admin, failpoints)
    topics = [*sources, reactor.timer_topic]
    work = Reacting(reactor, takeover, failpoints)
    return TransactionalLoop(work, topics, group_of(name), slot, settings, admin, failpoints, health)


class Reacting:
    """A reactor's work: takes partitions over, and hands what their records lead to over to the producer."""

    def __init__(self, reactor: Reactor, takeover: Takeover, failpoints: Failpoints) -> None:
        self._parked_topic = reactor.parked_topic
        self._takeover = takeover
        self._failpoints = failpoints
        self._sent: list[str] = []
        self._dead: list[tuple[str, str]] = []
        self._metrics = ReactorMetrics(reactor.name)

    def restore(self, consumer: BatchConsumer, places: set[Place]) -> Restored:
        """The partitions with those who wait in them, keys and timers."""
        return (yield from self._takeover.restore(consumer, sorted(places)))

    def due(self, parts: Mapping[Place, SourcePart | TimerPart]) -> dict[Place, list[Any]]:
        """Timers whose time has come, and what was parked when this process took over."""
        return {place: due for place, part in parts.items() if (due := part.due())}

    def begin(self) -> None:
        """Nothing is sent or parked yet."""
        self._sent.clear()
        self._dead.clear()

    def produce(self, producer: TransactionalProducer, records: list[Record], answers: list[Reacted | None]) -> None:
        """Hand over what the records lead to, on the partitions that its keys have."""
        self._takeover.refuse_late(records[0])
        reach = self._failpoints.reach
        for record, reacted in zip(records, answers, strict=True):
            if reacted is None:
                continue  # a timer that was taken note of
            if reacted.parked is not None:
                self._produce_parked(producer, record, reacted, reacted.parked)
            self._send(producer, reacted.messages)
            reach("producing")

    def produce_due(self, producer: TransactionalProducer, place: Place, answers: list[Message | Reacted]) -> None:
        """Likewise, and leave a mark for keys that are released."""
        for due in answers:
            if isinstance(due, Message):
                self._send(producer, [due])
                continue
            self._send(producer, due.messages)
            producer.produce(self._parked_topic, None, due.key.encode(), partition=place[1], headers=due.mark)
            log.warning("key released", topic=place[0], partition=place[1], records=len(due.messages))

    def tell(self, _told: list[Any]) -> None:
        """Count what a committed batch led to."""
        self._metrics.reacted(self._sent, self._dead)

    def _send(self, producer: TransactionalProducer, messages: Sequence[Message]) -> None:
        produce = producer.produce
        for message in messages:
            produce(message.topic, message.value, message.key, message.partition, headers=message.headers)
            self._sent.append(message.topic)

    def _produce_parked(self, producer: TransactionalProducer, record: Record, reacted: Reacted, why: Failure) -> None:
        place = {"topic": record.topic(), "partition": record.partition(), "offset": record.offset()}
        self._dead.append((record.topic(), why.name))
        if not why.is_behind:
            log.error("key parked", **place, error=why.name, where=why.where)
        value, key, headers = parked_copy(record, KEY, why, reacted.key)
        producer.produce(self._parked_topic, value or b"", key, record.partition(), headers=headers)
