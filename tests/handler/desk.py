"""Where tests hand in commands and read the answers: a partition with its log, and nothing of Kafka."""

from itertools import count
from typing import Any
from uuid import UUID

from msgspec import Struct

from handler.bells import bell_codec, bells
from headrace.avro.codec import Codec, Decoded
from headrace.handler.partition import Answer, Partition, Versioned
from headrace.handler.window import SKEW_MS, Window, is_first_answer
from headrace.kernel.aggregate import Aggregate
from headrace.kernel.message import CommandMeta, Outcome, Writer
from headrace.orders.decider import orders
from messages import shipped_codec

WINDOW_MS = 300_000
SPAN_MS = WINDOW_MS + SKEW_MS
START = 1_700_000_000_000
WRITER = Writer("handler-0", 17)


def command_id(number: int) -> str:
    return str(UUID(int=number))


class Reply(Struct, frozen=True):
    """An answer, read back from its bytes."""

    outcome: Outcome
    events: list[Decoded]


class Desk:
    """A partition, and what lies in its topics: committed events by aggregate, and committed outcomes."""

    def __init__(self, aggregate: Aggregate[Any, Any, Any], codec: Codec, number: int = 0, partitions: int = 1) -> None:
        self.aggregate, self.codec = aggregate, codec
        self.number, self.partitions = number, partitions
        self.partition = Partition(aggregate, codec, number, partitions, Window(SPAN_MS), WRITER)
        self.at = START
        self.offsets = count()
        self.ids = count(1)
        self.events: list[tuple[str, bytes]] = []
        self.outcomes: list[bytes] = []
        self._open: list[Answer] = []

    def put(self, key: bytes | None, value: bytes | None) -> Answer:
        """A record as it comes from the command topic, a millisecond after the one before it."""
        self.at += 1
        answer = self.partition.answer(key, value, next(self.offsets), self.at)
        self._open.append(answer)
        return answer

    def ask(self, name: str, command: Struct, key: bytes | None = b"its own", **meta: Any) -> Reply:
        """A command to the aggregate of that name; its meta may be set, its id is new unless it is given."""
        meta = {"command_id": command_id(next(self.ids)), "aggregate_id": name} | meta
        frame = self.codec.encode(command, CommandMeta(**meta))
        answer = self.put(name.encode() if key == b"its own" else key, frame)
        assert answer.set_aside is None
        assert answer.key == name
        events = [self.codec.decode(frame) for _, frame in answer.events]
        assert [kind for kind, _ in answer.events] == [event.contract.name for event in events]
        return Reply(self.codec.decode(answer.outcome).body, events)

    def commit(self) -> None:
        self.partition.commit()
        for answer in self._open:
            self.events += [(answer.key, frame) for _, frame in answer.events]
            self.outcomes += [answer.outcome] if answer.outcome else []
        self._open = []

    def discard(self) -> None:
        self.partition.discard()
        self._open = []

    def successor(self) -> "Desk":
        """Another process that takes the partition over, and knows what was committed."""
        desk = Desk(self.aggregate, self.codec, self.number, self.partitions)
        window = Window(SPAN_MS)
        for frame in self.outcomes:
            outcome = self.codec.decode(frame).body
            if window.find(outcome.command_id) is None or is_first_answer(outcome):
                window.remember({outcome.command_id: frame}, outcome.occurred_at)
        desk.partition = Partition(self.aggregate, self.codec, self.number, self.partitions, window, WRITER)
        newest: dict[str, Versioned | bytes] = dict(self.events)
        desk.partition.restore(newest)
        desk.at, desk.events, desk.outcomes = self.at, list(self.events), list(self.outcomes)
        return desk


def order_desk(number: int = 0, partitions: int = 1) -> Desk:
    return Desk(orders, shipped_codec(), number, partitions)


def bell_desk() -> Desk:
    return Desk(bells, bell_codec())
