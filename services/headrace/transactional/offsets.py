"""Where a group stands, once nobody's open transaction can still change it."""

import math
import time
from collections.abc import Callable, Generator
from typing import Final

from confluent_kafka import KafkaException
from structlog import get_logger

from headrace.kafka.consumer import BatchConsumer
from headrace.kafka.records import Place
from headrace.kernel.errors import Fault, Misconfigured

PATIENCE_S: Final = 0.25
"""How long one request for settled offsets waits, since the partitions that run already wait with it."""
TELL_S: Final = 15.0

log = get_logger("headrace.loop")


def settled_offsets(
    consumer: BatchConsumer, places: list[Place], reach: Callable[[str], None], limit_s: float = math.inf
) -> Generator[None, None, dict[Place, int]]:
    """The group's offsets, -1001 where it has none, in steps; after `limit_s` a `Fault`.

    A predecessor's transaction ends by its restart or by its timeout; a broker that lost its way may take longer. A
    takeover waits for as long as it takes, since to start anew would not help.
    """
    began = told = time.monotonic()
    while True:
        try:
            return consumer.committed(places, PATIENCE_S)
        except KafkaException as error:
            why, now = error.args[0].str(), time.monotonic()
        if now - began > limit_s:
            raise Fault(f"the group's offsets stay unsettled: {why}")
        if now - told > TELL_S:
            log.warning("the group's offsets are not settled yet", seconds=round(now - began), why=why)
            told = now
        reach("restoring")
        yield


def within(settled: dict[Place, int], earliest: dict[Place, int], *, have_marks: bool = True) -> dict[Place, int]:
    """Where to go on: the group's offset, or the beginning where it has none.

    Where the log begins one further, that one was the mark of a transaction, nearly always: a quiet group's offsets
    pass these. `Misconfigured` where it begins later still, or where the topics have no marks, since nobody writes them
    in transactions: what was removed may be what nobody has dealt with.
    """
    starts = {}
    for place, offset in settled.items():
        begin, (topic, number) = earliest[place], place
        if 0 <= offset < begin - have_marks:
            raise Misconfigured(
                f"{topic}[{number}] begins at {begin}, and the group stands at {offset}: what lay between was removed, "
                f"perhaps before anybody had dealt with it; see to that by hand, then set the group's offset to "
                f"{begin}, with Kafka's own kafka-consumer-groups"
            )
        if offset == begin - 1 and offset >= 0:
            log.warning("the log begins behind the group's offset", topic=topic, partition=number, offset=offset)
        starts[place] = max(offset, begin)
    return starts


def has_moved(settled: dict[Place, int], wanted: dict[Place, int]) -> bool:
    """Whether the group's offsets are those that a transaction wanted; all of them are, or none, since it is one.

    `Fault` when they are neither: another process has gone on with a partition, and the state here is out of date.
    """
    if all(settled[place] == offset for place, offset in wanted.items()):
        return True
    if all(settled[place] < offset for place, offset in wanted.items()):
        return False
    raise Fault("another process has taken over partitions of an unanswered commit: this one restores anew")
