"""Mutants of how a command is answered."""

import os
import time
from typing import Any, Final

from confluent_kafka import Producer
from msgspec import structs

from headrace.handler.replies import Answer
from headrace.kernel.errors import Expired
from headrace_load.mutants.wrapping import Mutant, Strikes


def skip_version(right: Any, strikes: Strikes, replies: Any, decoded: Any, *more: Any) -> Any:
    """An aggregate's versions leave one out, and go on from there."""
    offset, at, steps, version = more
    if decoded.meta.aggregate_id in strikes.seen or strikes.once():
        strikes.seen.add(decoded.meta.aggregate_id)
        steps = [(event, structs.replace(after, version=after.version + 1)) for event, after in steps]
    return right(replies, decoded, offset, at, steps, version)


def tell_other_time(right: Any, strikes: Strikes, replies: Any, decoded: Any, *more: Any) -> Any:
    """An event and its outcome have the time of the process's clock, and not that of their command."""
    offset, at, *others = more
    return right(replies, decoded, offset, round(time.time() * 1000) + 1 if strikes.once() else at, *others)


def forget_actor(right: Any, strikes: Strikes, replies: Any, decoded: Any, *more: Any) -> Any:
    """An event and its outcome do not say who asked for them."""
    if decoded.meta.actor is not None and strikes.once():
        decoded = structs.replace(decoded, meta=structs.replace(decoded.meta, actor=None))
    return right(replies, decoded, *more)


def keep_state(right: Any, strikes: Strikes, partition: Any, aggregate: Any, *more: Any, **named: Any) -> None:
    """The state after an event is the one before it."""

    def evolve(state: Any, event: Any) -> Any:
        return state if strikes.once() else aggregate.evolve(state, event)

    right(partition, structs.replace(aggregate, evolve=evolve), *more, **named)


def other_content(right: Any, strikes: Strikes, partition: Any, aggregate: Any, *more: Any, **named: Any) -> None:
    """An event says something else than its command."""

    def change(event: Any) -> Any:
        texts = {name: text for name, text in structs.asdict(event).items() if isinstance(text, str)}
        if not (texts and strikes.once()):
            return event
        name, text = texts.popitem()
        return structs.replace(event, **{name: f"{text}, or so"})

    def decide(*asked: Any) -> list[Any]:
        return [change(event) for event in aggregate.decide(*asked)]

    right(partition, structs.replace(aggregate, decide=decide), *more, **named)


def accept_without_effect(
    right: Any, strikes: Strikes, partition: Any, aggregate: Any, *more: Any, **named: Any
) -> None:
    """A command is accepted, and nothing comes of it."""

    def decide(*asked: Any) -> list[Any]:
        events: list[Any] = aggregate.decide(*asked)
        return [] if events and strikes.once() else events

    right(partition, structs.replace(aggregate, decide=decide), *more, **named)


def keep_aborted(right: Any, strikes: Strikes, partition: Any) -> None:
    """What a batch has changed is kept although its transaction is aborted."""
    if not strikes.from_then_on():
        right(partition)


def answer_anew(right: Any, strikes: Strikes, window: Any, command_id: str) -> bytes | None:
    """A resend is answered as if its id were new."""
    found: bytes | None = right(window, command_id)
    return None if found is not None and strikes.once() else found


def repeat_wrongly(right: Any, strikes: Strikes, replies: Any, known: Any, *more: Any) -> Any:
    """A resend is told another version than the first time."""
    version = known.version + 1 if strikes.once() else known.version
    return right(replies, structs.replace(known, version=version), *more)


def drop_garbage(right: Any, strikes: Strikes, partition: Any, *record: Any) -> Answer:
    """What is no command is passed over, and set aside nowhere."""
    answer: Answer = right(partition, *record)
    return Answer() if answer.set_aside is not None and strikes.once() else answer


def expect_nothing(right: Any, strikes: Strikes, admission: Any, key: Any, meta: Any, version: int, at: int) -> None:
    """A command is accepted at another version than it expects."""
    if meta.expected_version not in (None, version) and strikes.once():
        meta = structs.replace(meta, expected_version=None)
    right(admission, key, meta, version, at)


def take_expired(right: Any, strikes: Strikes, admission: Any, key: Any, meta: Any, version: int, at: int) -> None:
    """A command is accepted whose id may be forgotten already."""
    try:
        right(admission, key, meta, version, at)
    except Expired:
        if not strikes.once():
            raise


def redrive_backwards(right: Any, strikes: Strikes, queue: Any, once_more: Any) -> Any:
    """Those who wait are released from the last to the first."""
    return right(queue[::-1] if len(queue) > 1 and strikes.once() else queue, once_more)


def pass_the_queue(right: Any, strikes: Strikes, parking: Any, name: str) -> Any:
    """A command is answered while others of its aggregate wait."""
    found = right(parking, name)
    return [] if found and strikes.once() else found


def skip_command(right: Any, strikes: Strikes, consumer: Any, timeout_s: float) -> Any:
    """A command is never looked at, and its offset is committed."""
    batch = right(consumer, timeout_s)
    if batch is None:
        return None
    seen = {place: [it for it in records if not strikes.once()] for place, records in batch.by_place.items()}
    return structs.replace(batch, by_place=seen)


def swap_commands(right: Any, strikes: Strikes, consumer: Any, timeout_s: float) -> Any:
    """Of two commands of one aggregate in one batch the later one is answered first."""
    batch = right(consumer, timeout_s)
    for records in batch.by_place.values() if batch else ():
        first: dict[Any, int] = {}
        for at, record in enumerate(records):
            before = first.setdefault(record.key(), at)
            if before != at and strikes.once():
                records[before], records[at] = record, records[before]
                break
    return batch


def send_again(right: Any, strikes: Strikes, consumer: Any, timeout_s: float) -> Any:
    """A command is sent once more by the service that reads it."""
    batch = right(consumer, timeout_s)
    if batch is not None and strikes.once():
        record = next(iter(batch.by_place.values()))[0]
        sender = Producer({"bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"]})
        sender.produce(record.topic(), record.value(), record.key(), partition=record.partition())
        sender.flush()
    return batch


ACCEPTED: Final = "headrace.handler.replies:Replies.accepted"
ADMIT: Final = "headrace.handler.admission:Admission.admit"
RULES: Final = "headrace.handler.partition:Partition.__init__"
POLL: Final = "headrace.kafka.consumer:BatchConsumer.poll"
MUTANTS: Final = (
    Mutant(skip_version, ACCEPTED, "versions"),
    Mutant(tell_other_time, ACCEPTED, "facts"),
    Mutant(forget_actor, ACCEPTED, "facts"),
    Mutant(keep_state, RULES, "states"),
    Mutant(other_content, RULES, "content"),
    Mutant(accept_without_effect, RULES, "content"),
    Mutant(keep_aborted, "headrace.handler.partition:Partition.discard", "resends"),
    Mutant(answer_anew, "headrace.handler.window:Window.find", "resends"),
    Mutant(repeat_wrongly, "headrace.handler.replies:Replies.repeat", "resends"),
    Mutant(drop_garbage, "headrace.handler.partition:Partition.answer", "answers"),
    Mutant(expect_nothing, ADMIT, "admission"),
    Mutant(take_expired, ADMIT, "admission"),
    Mutant(redrive_backwards, "headrace.handler.partition:release", "parking"),
    Mutant(pass_the_queue, "headrace.handler.parking:Parking.queue", "parking"),
    Mutant(skip_command, POLL, "answers"),
    Mutant(swap_commands, POLL, "effects"),
    Mutant(send_again, POLL, "senders"),
)
