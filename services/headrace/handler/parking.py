"""The commands of one partition that wait, by aggregate, in their order, because our code breaks on the first of them.

What a batch changes lies in an overlay until its transaction has committed.
"""

from collections.abc import Sequence

from msgspec import Struct

from headrace.handler.notes import KEY, RELEASED, Headers, Note, trace_of
from headrace.kafka.records import Place, Record, headers_of
from headrace.kernel.errors import TooMuchParked


class Caps(Struct, frozen=True):
    """How much of one partition may be parked at a time."""

    keys: int = 1_000
    records: int = 10_000
    bytes: int = 64_000_000


class Waiting(Struct, frozen=True):
    """A command that waits: the record as it came, its offset and log time in the command topic, and its trace."""

    key: bytes | None
    value: bytes
    offset: int
    at: int
    trace: Headers


class Size(Struct, frozen=True):
    """How many records wait, and how large their values are."""

    records: int = 0
    bytes: int = 0

    def after(self, queue: Sequence[Waiting], sign: int = 1) -> "Size":
        """The size with those records more, or less."""
        return Size(self.records + sign * len(queue), self.bytes + sign * sum(len(waiting.value) for waiting in queue))


class Parking:
    """Who waits in one partition. `occupied` says whether anybody does: nothing else is asked while nobody does."""

    def __init__(self, place: Place = ("", 0), caps: Caps | None = None) -> None:
        self._place = place
        self._caps = caps or Caps()
        self._queues: dict[str, list[Waiting]] = {}
        self._changed: dict[str, list[Waiting]] = {}
        self._size = self._size_before = Size()
        self._lies_at: dict[int, int] = {}  # while it is recalled
        self.occupied = False

    @property
    def size(self) -> tuple[int, int]:
        """How many aggregates are parked, and how many records wait, batches under way left out."""
        return len(self._queues), self._size_before.records

    @property
    def keys(self) -> list[str]:
        """The aggregates that are parked, batches under way left out."""
        return list(self._queues)

    def queue(self, name: str) -> list[Waiting]:
        """The commands of that aggregate that wait, the first one first; none when it is not parked."""
        changed = self._changed.get(name)
        return self._queues.get(name, []) if changed is None else changed

    def add(self, name: str, waiting: Waiting) -> None:
        """Let a command wait at the end of its queue; `TooMuchParked` above the caps."""
        size = self._size.after([waiting])
        self._refuse_too_much(name, size)
        self._size = size
        self._own(name).append(waiting)
        self.occupied = True

    def release(self, name: str, count: int) -> None:
        """The first so many of a queue are done."""
        queue = self._own(name)
        self._size = self._size.after(queue[:count], -1)
        del queue[:count]

    def commit(self) -> None:
        """The batch's transaction is committed."""
        if self._changed:
            self._queues.update(self._changed)
            self._queues = {name: queue for name, queue in self._queues.items() if queue}
            self._changed = {}
            self._size_before = self._size
            self.occupied = bool(self._queues)

    def discard(self) -> None:
        """The batch's transaction is aborted: those who waited before it wait."""
        self._changed = {}
        self._size = self._size_before
        self.occupied = bool(self._queues)

    def recall(self, record: Record, note: Note) -> None:
        """Queue up a record of the parked topic, which are read oldest first, or see that it releases some."""
        value = record.value()
        if note.kind == KEY and value is not None:
            self._lies_at[note.offset] = record.offset()
            waiting = Waiting(record.key(), value, note.offset, note.log_time, trace_of(headers_of(record.headers)))
            self._own(note.aggregate_id).append(waiting)
        elif note.kind == RELEASED:
            queue = self._own(note.aggregate_id)
            for waiting in queue:
                if waiting.offset <= note.through:
                    self._lies_at.pop(waiting.offset, None)
            queue[:] = [waiting for waiting in queue if waiting.offset > note.through]

    def restored(self) -> int | None:
        """All is recalled; returns the offset at which the first record lies that waits."""
        for queue in self._changed.values():
            self._size = self._size.after(queue)
        self.commit()
        lies_at, self._lies_at = self._lies_at, {}
        return min((lies_at[queue[0].offset] for queue in self._queues.values()), default=None)

    def _own(self, name: str) -> list[Waiting]:
        """The batch's own copy of a queue."""
        if name not in self._changed:
            self._changed[name] = list(self._queues.get(name, ()))
        return self._changed[name]

    def _refuse_too_much(self, name: str, size: Size) -> None:
        keys = 0 if self.queue(name) else 1 + sum(bool(self.queue(key)) for key in self._queues | self._changed)
        for found, most, what, variable in (
            (keys, self._caps.keys, "aggregates", "HEADRACE_PARKED_KEYS"),
            (size.records, self._caps.records, "commands", "HEADRACE_PARKED_RECORDS"),
            (size.bytes, self._caps.bytes, "bytes", "HEADRACE_PARKED_BYTES"),
        ):
            if found > most:
                raise TooMuchParked(
                    self._place,
                    f"{self._place[0]}[{self._place[1]}]: {found} {what} would be parked, {most} may be: the partition "
                    f"stops here; deploy a fixed version, raise {variable}, then `headrace parked redrive`",
                )
