"""Batches of records from the partitions that this process owns, and nothing from those that it no longer does.

A partition that the group gives to this process is fetched only once its owner is ready for it: the callback of the
rebalance notes it, `poll` makes it ready step by step, and meanwhile the other partitions, the group's heartbeat and
the next rebalance go on.
"""

import time
from collections import deque
from collections.abc import Generator, Mapping
from contextlib import suppress
from typing import Any, Final, Protocol, TypeAlias, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from msgspec import Struct

from headrace.kafka.clients import fatal_errors_to
from headrace.kafka.pace import Pace
from headrace.kafka.records import Place, Record
from headrace.kernel.errors import Fault, Misconfigured

PASSING: Final = frozenset(
    {
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001 - librdkafka's own codes begin so
        KafkaError._TRANSPORT,  # noqa: SLF001
        KafkaError._TIMED_OUT,  # noqa: SLF001
        KafkaError._RESOLVE,  # noqa: SLF001
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError.REBALANCE_IN_PROGRESS,
    }
)


HINT_EVERY_S: Final = 0.5

Steps: TypeAlias = Generator[None, None, dict[Place, int]]
"""Work in steps of a second at most; what it returns is the offset to start from for each partition."""


class Owner(Protocol):
    """Who processes the records: made ready for each partition before its first record, told after its last."""

    def acquire(self, places: set[Place]) -> Steps:
        """Make ready to process these partitions; one that is revoked meanwhile leaves the set, and is not taken."""

    def release(self, places: list[Place]) -> None:
        """Forget these partitions: another process owns them from now on."""


class Batch(Struct, frozen=True):
    """Records by partition, in offset order.

    `first` is a partition's first offset here, `next` the one after its last.
    """

    by_place: dict[Place, list[Record]]
    first: dict[Place, int]
    next: dict[Place, int]

    def __len__(self) -> int:
        return sum(map(len, self.by_place.values()))

    @property
    def oldest_ms(self) -> int:
        """The log-append time of the oldest record, in milliseconds."""
        return min(records[0].timestamp()[1] for records in self.by_place.values())


class BatchConsumer:
    """A member of a consumer group that hands out batches; use it from one thread."""

    def __init__(self, config: dict[str, Any], topics: list[str], owner: Owner, size: int, window_s: float) -> None:
        self._owner = owner
        self._pace = Pace(size)
        self._window_s = window_s
        self._window_ends = 0.0
        self._expected: dict[Place, int] = {}
        self._rewound: set[Place] = set()
        self._waiting: deque[set[Place]] = deque()
        self._taking: set[Place] = set()
        self._steps: Steps | None = None
        self._has_joined = False
        self._fault: BaseException | None = None
        self._hints: dict[Place, int] = {}
        self._hinted_at = 0.0
        self._client = Consumer(config | fatal_errors_to(self._stop))
        self._client.subscribe(topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke)

    def poll(self, timeout_s: float) -> Batch | None:
        """The next batch: what comes until the window is over that began with the batch before; None for nothing.

        So batches follow each other a window apart under load, the time in which they are processed included, and what
        comes after a pause is not kept waiting. Of a backlog one takes as many records as its `Pace` says.

        One step of `Owner.acquire` comes first, when partitions wait for it; what it raises is raised here, and a
        `Fault` for a client error that does not pass by itself.
        """
        self._pace.end()
        if self._hints and time.monotonic() - self._hinted_at > HINT_EVERY_S:
            self._give_hints()
        first = self._client.poll(0 if self._take_a_step() else timeout_s)
        self._raise_fault()
        if first is None:
            return None
        messages = [cast("Record", first)]
        if self._pace.size > 1:
            left_s = max(0.0, self._window_ends - time.monotonic())
            messages += cast("list[Record]", self._client.consume(self._pace.size - 1, left_s))
            self._window_ends = time.monotonic() + self._window_s
        self._raise_fault()
        self._pace.begin(len(messages))
        return self._owned(messages)

    def take_less(self) -> None:
        """The last batch leads to more than there is room for: the next one is half as large."""
        self._pace.overflowed()

    def keep_open(self, seconds: float) -> None:
        """The next batch is complete so many seconds from now at the earliest, unless it is full."""
        self._window_ends = max(self._window_ends, time.monotonic() + seconds)

    def group_metadata(self) -> Any | None:
        """What fences this member's offsets in a transaction, anew for each batch; None while it is no member.

        Without a member's id and generation the broker would take the offsets unchecked.
        """
        return self._client.consumer_group_metadata() if self._client.memberid() else None

    def committed(self, places: list[Place], timeout_s: float) -> dict[Place, int]:
        """The group's committed offsets, -1001 for none; waits until pending transactions have settled them."""
        found = self._client.committed([TopicPartition(*place) for place in places], timeout=timeout_s)
        return {(entry.topic, entry.partition): entry.offset for entry in found}

    @property
    def is_settled(self) -> bool:
        """Whether the group has given this member its partitions, and all of them are made ready."""
        return self._has_joined and self._steps is None and not self._waiting

    def positions(self, places: list[Place]) -> dict[Place, int]:
        """The offset after the last one handed out, past markers and aborted records; -1001 before any was."""
        found = self._client.position([TopicPartition(*place) for place in places])
        return {(entry.topic, entry.partition): entry.offset for entry in found}

    def next_offset(self, place: Place) -> int:
        """The offset of an owned partition's next record: what comes before it is handed out."""
        return self._expected[place]

    def passed(self) -> dict[Place, int]:
        """Where the client stands past what it has handed out: nothing but marks and aborted records lies between.

        To be asked while no batch is under way. A partition that was rewound is left out until it is read again: the
        client may still tell where it stood before.
        """
        places = [place for place in self._expected if place not in self._rewound]
        return {place: at for place, at in self.positions(places).items() if at > self._expected[place]}

    def pass_over(self, offsets: Mapping[Place, int]) -> None:
        """The partitions' next records lie there, or further on."""
        self._expected.update({place: offset for place, offset in offsets.items() if place in self._expected})

    def commit_as_hint(self, offsets: dict[Place, int]) -> None:
        """Tell Kafka the offsets for lag tools, soon; nothing depends on it, so nothing waits for it."""
        self._hints |= offsets

    def rewind(self, first: Mapping[Place, int]) -> None:
        """Go back to these offsets, where the partition is still owned and was not taken back further."""
        for place, offset in first.items():
            if self._expected.get(place, 0) > offset:
                self._rewound.add(place)
                with suppress(KafkaException):  # lost to another member, which the next `poll` tells
                    self._client.seek(TopicPartition(*place, offset))
                    self._expected[place] = offset

    def halt(self, place: Place) -> None:
        """Fetch no more of a partition, and keep it: nobody goes on with it before this process leaves the group."""
        if self._expected.pop(place, None) is not None:
            self._client.incremental_unassign([TopicPartition(*place)])

    def close(self) -> None:
        """Leave the group; its partitions are released."""
        self._give_hints()
        self._client.close()

    def _give_hints(self) -> None:
        """Not for each batch: a broker appends it to a log, and is asked for it as often as for the batch itself."""
        offsets = [TopicPartition(*place, offset) for place, offset in self._hints.items()]
        self._hints, self._hinted_at = {}, time.monotonic()
        if offsets:
            with suppress(KafkaException):
                self._client.commit(offsets=offsets, asynchronous=True)

    def _owned(self, messages: list[Record]) -> Batch | None:
        expected = self._expected
        by_place: dict[Place, list[Record]] = {}
        first: dict[Place, int] = {}
        after: dict[Place, int] = {}
        for message in messages:
            error = message.error()
            if error is not None:
                if passes(error):
                    continue
                if error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001
                    raise Misconfigured(
                        f"{message.topic()}[{message.partition()}]: records were removed before this group had read "
                        f"them ({error.str()}): see what `headrace doctor` says of retention.ms and of the group"
                    )
                raise Fault(f"consumer error {error.name()}: {error.str()}") from KafkaException(error)
            place = (message.topic(), message.partition())
            offset = message.offset()
            records = by_place.get(place)
            if records is None:
                start = expected.get(place)
                # A record of a partition that was revoked, or read before a rewind, is another's to process.
                if start is None or offset < start:
                    continue
                first[place] = offset
                records = by_place[place] = []
            elif offset < after[place]:
                continue
            after[place] = offset + 1
            records.append(message)
        expected.update(after)
        self._rewound.difference_update(after)
        return Batch(by_place, first, after) if by_place else None

    def _take_a_step(self) -> bool:
        """Get on with making the next partitions ready; says whether more of that is to be done."""
        if self._steps is None:
            if not self._waiting:
                return False
            self._taking = self._waiting.popleft()
            self._steps = self._owner.acquire(self._taking)
        try:
            next(self._steps)
        except StopIteration as done:
            starts = {place: done.value[place] for place in sorted(self._taking)}
            self._steps, self._taking = None, set()
            self._client.incremental_assign([TopicPartition(*place, offset) for place, offset in starts.items()])
            self._expected.update(starts)
        return self._steps is not None or bool(self._waiting)

    def _on_assign(self, client: Consumer, partitions: list[TopicPartition]) -> None:
        # Nothing is fetched yet: `_take_a_step` assigns what is ready. An exception here would be lost: it is kept.
        try:
            client.incremental_assign([])
            self._has_joined = True
            if partitions:
                self._waiting.append({(entry.topic, entry.partition) for entry in partitions})
        except BaseException as error:  # noqa: BLE001 - whatever it is, `poll` raises it
            self._fault = error

    def _on_revoke(self, client: Consumer, partitions: list[TopicPartition]) -> None:
        try:
            self._give_hints()
            places = [(entry.topic, entry.partition) for entry in partitions]
            fetched = [TopicPartition(*place) for place in places if self._expected.pop(place, None) is not None]
            client.incremental_unassign(fetched)
            for group in (self._taking, *self._waiting):
                group.difference_update(places)
            self._waiting = deque(group for group in self._waiting if group)
            if self._steps is not None and not self._taking:
                self._steps.close()
                self._steps = None
            self._owner.release(places)
        except BaseException as error:  # noqa: BLE001 - whatever it is, `poll` raises it
            self._fault = error

    def _stop(self, why: str) -> None:
        self._fault = self._fault or Fault(why)

    def _raise_fault(self) -> None:
        if self._fault is not None:
            raise self._fault


def passes(error: KafkaError) -> bool:
    """Whether a consumer's error passes by itself, as when a broker restarts."""
    return error.code() in PASSING or error.retriable()
