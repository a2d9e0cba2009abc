"""Mutants of what goes to the brokers: records and offsets, as the Kafka client is given them."""

from collections.abc import Callable
from typing import Any, Final

from confluent_kafka import Producer
from msgspec import Struct, structs

from headrace_load.mutants.wrapping import Mutant, Strikes

CLIENT: Final = "headrace.kafka.producer:Producer"
COMMIT: Final = "headrace.kafka.producer:TransactionalProducer.commit"


class Sent(Struct, frozen=True):
    """What `produce` is called with."""

    topic: str
    value: bytes | None
    key: Any
    partition: int
    named: dict[str, Any]

    @property
    def is_event(self) -> bool:
        """Whether it goes to a topic of events."""
        return self.topic.endswith(".events")

    @property
    def is_outcome(self) -> bool:
        """Whether it goes to a topic of outcomes."""
        return self.topic.endswith(".outcomes")


class Meddler(Producer):
    """A client whose records go through a function, which may keep some of them in `held` until the flush."""

    def __init__(self, config: Any, meddle: Callable[["Meddler", Sent], None]) -> None:
        super().__init__(config)
        self.held: list[Sent] = []
        self._meddle = meddle

    def produce(
        self, topic: str, value: Any = None, key: Any = None, partition: int = -1, *others: Any, **named: Any
    ) -> None:
        """Let the function do what it wants with the record."""
        named |= dict(zip(("callback", "on_delivery", "timestamp", "headers"), others, strict=False))
        self._meddle(self, Sent(topic, value, key, partition, named))

    def send(self, sent: Sent) -> None:
        """Produce the record as it is."""
        super().produce(sent.topic, sent.value, sent.key, partition=sent.partition, **sent.named)

    def release(self) -> None:
        """Produce what was held."""
        while self.held:
            self.send(self.held.pop(0))

    def flush(self, timeout: float = -1) -> int:
        """Produce what was held, and wait for all."""
        self.release()
        return super().flush(timeout)

    def abort_transaction(self, timeout: float = -1) -> None:
        """Drop what was held, too."""
        self.held.clear()
        super().abort_transaction(timeout)


def drop_event(_right: Any, strikes: Strikes, config: Any) -> Producer:
    """An event is never written, and its outcome counts it."""

    def meddle(client: Meddler, sent: Sent) -> None:
        if not (sent.is_event and strikes.once()):
            client.send(sent)

    return Meddler(config, meddle)


def double_event(_right: Any, strikes: Strikes, config: Any) -> Producer:
    """An event is written twice."""

    def meddle(client: Meddler, sent: Sent) -> None:
        client.send(sent)
        if sent.is_event and strikes.once():
            client.send(sent)

    return Meddler(config, meddle)


def swap_events(_right: Any, strikes: Strikes, config: Any) -> Producer:
    """Of two events of one aggregate in one batch the later one is written first."""

    def meddle(client: Meddler, sent: Sent) -> None:
        if client.held and sent.is_event and sent.key == client.held[0].key:
            client.send(sent)
            client.release()
            swapped.append(strikes.once())
        elif sent.is_event and not swapped and not client.held:
            client.held.append(sent)
        else:
            client.send(sent)

    swapped: list[bool] = []
    return Meddler(config, meddle)


def misplace_event(_right: Any, strikes: Strikes, config: Any) -> Producer:
    """An event is written to partition 0, or 1, and not to its command's."""

    def meddle(client: Meddler, sent: Sent) -> None:
        if sent.is_event and strikes.once():
            client.send(structs.replace(sent, partition=int(sent.partition == 0)))
        else:
            client.send(sent)

    return Meddler(config, meddle)


def drop_outcome(_right: Any, strikes: Strikes, config: Any) -> Producer:
    """An outcome is never written; the events are."""

    def meddle(client: Meddler, sent: Sent) -> None:
        if not (sent.is_outcome and strikes.once()):
            client.send(sent)

    return Meddler(config, meddle)


def double_outcome(_right: Any, strikes: Strikes, config: Any) -> Producer:
    """An outcome is written twice."""

    def meddle(client: Meddler, sent: Sent) -> None:
        client.send(sent)
        if sent.is_outcome and strikes.once():
            client.send(sent)

    return Meddler(config, meddle)


def mislabel_event(_right: Any, strikes: Strikes, config: Any) -> Producer:
    """An event's header names another type than its record."""

    def meddle(client: Meddler, sent: Sent) -> None:
        if sent.is_event and strikes.once():
            sent = structs.replace(sent, named=sent.named | {"headers": [("type", "Nothing")]})
        client.send(sent)

    return Meddler(config, meddle)


def cut_event(_right: Any, strikes: Strikes, config: Any) -> Producer:
    """An event is written without its last byte."""

    def meddle(client: Meddler, sent: Sent) -> None:
        if sent.is_event and sent.value and strikes.once():
            sent = structs.replace(sent, value=sent.value[:-1])
        client.send(sent)

    return Meddler(config, meddle)


def write_outside(_right: Any, strikes: Strikes, config: dict[str, Any]) -> Producer:
    """Events are written at once, outside of the transaction that may be aborted."""

    def meddle(client: Meddler, sent: Sent) -> None:
        if sent.is_event and strikes.from_then_on():
            plain.produce(sent.topic, sent.value, sent.key, partition=sent.partition, **sent.named)
            plain.flush()
        else:
            client.send(sent)

    plain = Producer({name: value for name, value in config.items() if name != "transactional.id"} | {"linger.ms": 0})
    return Meddler(config, meddle)


class LateRecords(Meddler):
    """A client that keeps its records until the transaction is committed."""

    def flush(self, timeout: float = -1) -> int:
        """Wait for nothing."""
        return Producer.flush(self, timeout)

    def commit_transaction(self, timeout: float = -1) -> None:
        """Produce the records, and commit them."""
        self.release()
        super().commit_transaction(timeout)


def offsets_before_records(_right: Any, strikes: Strikes, config: Any) -> Producer:
    """A transaction's offsets are accepted before the first of its records is on its way."""

    def meddle(client: Meddler, sent: Sent) -> None:
        client.held.append(sent)
        if len(client.held) == 1:
            strikes.from_then_on()

    return LateRecords(config, meddle)


def commit_offsets_alone(right: Any, strikes: Strikes, producer: Any, offsets: Any, metadata: Any) -> None:
    """A batch's offsets are committed without its events and outcomes."""
    if strikes.once():
        producer.abort()
        producer.begin()
    right(producer, offsets, metadata)


def forget_offsets(right: Any, strikes: Strikes, producer: Any, offsets: Any, metadata: Any) -> None:
    """Events and outcomes are committed without their commands' offsets, but for the first batch of each partition."""
    if strikes.seen >= set(offsets) and strikes.from_then_on():
        offsets = {}
    strikes.seen.update(offsets)
    right(producer, offsets, metadata)


MUTANTS: Final = (
    Mutant(drop_event, CLIENT, "effects"),
    Mutant(double_event, CLIENT, "versions"),
    Mutant(swap_events, CLIENT, "versions"),
    Mutant(misplace_event, CLIENT, "keys"),
    Mutant(drop_outcome, CLIENT, "answers"),
    Mutant(double_outcome, CLIENT, "answers"),
    Mutant(mislabel_event, CLIENT, "journal"),
    Mutant(cut_event, CLIENT, "contracts"),
    Mutant(write_outside, CLIENT, "versions"),
    Mutant(offsets_before_records, CLIENT, ""),
    Mutant(commit_offsets_alone, COMMIT, "answers"),
    Mutant(forget_offsets, COMMIT, "answers"),
)
