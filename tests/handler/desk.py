"""Where tests hand in commands and read the answers: a partition with its log, and nothing of Kafka."""

from itertools import count
from typing import Any
from uuid import UUID

from msgspec import Struct

from handler.bells import bell_codec, bells
from headrace.avro.codec import Codec, Decoded
from headrace.handler.memory import Versioned
from headrace.handler.notes import ALONE, KEY, Headers, known_note, parked_copy
from headrace.handler.parking import Caps, Parking
from headrace.handler.partition import Partition
from headrace.handler.replies import Answer
from headrace.handler.window import SKEW_MS, Window
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


class Row:
    """A record of a topic, as confluent-kafka gives it."""

    def __init__(
        self, place: tuple[str, int, int], at: int, key: bytes | None, value: bytes | None, headers: Headers
    ) -> None:
        self.place, self.at, self.its_key, self.its_value = place, at, key, value
        self.its_headers = [(name, it if isinstance(it, bytes) else it.encode()) for name, it in headers]

    def topic(self) -> str:
        return self.place[0]

    def partition(self) -> int:
        return self.place[1]

    def offset(self) -> int:
        return self.place[2]

    def timestamp(self) -> tuple[int, int]:
        return 2, self.at

    def key(self) -> bytes | None:
        return self.its_key

    def value(self) -> bytes | None:
        return self.its_value

    def headers(self) -> Headers | None:
        return self.its_headers or None

    def error(self) -> None:
        return None


class Desk:
    """A partition, and what lies in its topics: committed events by aggregate, and committed outcomes."""

    def __init__(
        self,
        aggregate: Aggregate[Any, Any, Any],
        codec: Codec,
        number: int = 0,
        partitions: int = 1,
        caps: Caps | None = None,
    ) -> None:
        self.aggregate, self.codec = aggregate, codec
        self.number, self.partitions = number, partitions
        self.parking = Parking("bells.commands[0]", caps)
        self.partition = Partition(aggregate, codec, number, partitions, Window(SPAN_MS), WRITER, self.parking)
        self.at = START
        self.offsets = count()
        self.ids = count(1)
        self.events: list[tuple[str, bytes]] = []
        self.outcomes: list[bytes] = []
        self.parked: list[Row] = []
        self._open: list[tuple[Row, Answer]] = []

    def put(self, key: bytes | None, value: bytes | None, headers: Headers | None = None) -> Answer:
        """A record as it comes from the command topic, a millisecond after the one before it."""
        self.at += 1
        row = Row((self.aggregate.command_topic, self.number, next(self.offsets)), self.at, key, value, headers or [])
        answer = self.partition.answer(key, value, row.offset(), self.at, row.headers)
        self._open.append((row, answer))
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
        for row, answer in self._open:
            for each in (*answer.released, answer):
                self.events += [(each.key, frame) for _, frame in each.events]
                self.outcomes += [each.outcome] if each.outcome else []
            self._park(row, answer)
        self._open = []

    def _park(self, row: Row, answer: Answer) -> None:
        """What the loop appends to the parked topic."""
        headers = answer.mark
        value: bytes | None
        key: bytes | None
        if answer.set_aside is not None:
            value, key, headers = parked_copy(row, ALONE, answer.set_aside)
        elif answer.parked is not None:
            value, key, headers = parked_copy(row, KEY, answer.parked, answer.key)
        elif answer.released:
            key, value = answer.key.encode(), None
        else:
            return
        place = (self.aggregate.parked_topic, self.number, len(self.parked))
        self.parked.append(Row(place, row.at, key, value, headers))

    def discard(self) -> None:
        self.partition.discard()
        self._open = []

    def successor(self, aggregate: Aggregate[Any, Any, Any] | None = None) -> "Desk":
        """Another process that takes the partition over, and knows what was committed; its code may be another."""
        desk = Desk(aggregate or self.aggregate, self.codec, self.number, self.partitions)
        window = Window(SPAN_MS)
        for frame in self.outcomes:
            window.recall(frame, self.codec)
        for row in self.parked:
            if (note := known_note(row)) is not None:
                desk.parking.recall(row, note)
        desk.parking.restored()
        desk.partition = Partition(
            desk.aggregate, self.codec, self.number, self.partitions, window, WRITER, desk.parking
        )
        newest: dict[str, Versioned | bytes] = dict(self.events)
        desk.partition.restore(newest)
        desk.at, desk.events, desk.outcomes, desk.parked = self.at, self.events[:], self.outcomes[:], self.parked[:]
        desk.offsets, desk.ids = self.offsets, self.ids
        return desk


def order_desk(number: int = 0, partitions: int = 1) -> Desk:
    return Desk(orders, shipped_codec(), number, partitions)


def bell_desk() -> Desk:
    return Desk(bells, bell_codec())
