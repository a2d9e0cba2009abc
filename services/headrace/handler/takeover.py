"""Taking over a partition: the order of the steps is what keeps an aggregate from being written by two.

1. The group's committed offset, which waits until a predecessor's pending offsets are settled; later ones are refused.
2. The high watermark of events, outcomes and parked, records of open transactions included.
3. All three read to there, committed records only.
4. Only then the first command.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, OffsetSpec

from headrace.avro.codec import Codec, peek_version
from headrace.handler.parking import Caps, Parking
from headrace.handler.partition import Partition
from headrace.handler.replies import Versioned
from headrace.handler.window import SKEW_MS, Window
from headrace.kafka.clients import TRANSACTION_TIMEOUT_MS
from headrace.kafka.consumer import BatchConsumer, Place, Record
from headrace.kafka.reading import high_watermarks, list_offsets, read_to
from headrace.kernel.aggregate import Aggregate
from headrace.kernel.errors import Fault
from headrace.kernel.message import Writer
from headrace.settings import Settings


class Takeover:
    """Restores the partitions that the group gives to this process."""

    def __init__(
        self,
        aggregate: Aggregate[Any, Any, Any],
        codec: Codec,
        settings: Settings,
        admin: AdminClient,
        beat: Callable[[], None],
    ) -> None:
        self._aggregate = aggregate
        self._codec = codec
        self._settings = settings
        self._admin = admin
        self._beat = beat
        self._span_ms = settings.dedup_window_s * 1000 + SKEW_MS

    def restore(self, consumer: BatchConsumer, numbers: list[int]) -> tuple[dict[int, Partition], dict[Place, int]]:
        """The partitions of these numbers, ready for their next command, and the offset of it for each."""
        if not numbers:
            return {}, {}
        commands, events, outcomes, parked = self._aggregate.topics
        starts = self.settled_offsets(consumer, [(commands, number) for number in numbers])
        ends = high_watermarks(self._admin, [(topic, n) for topic in (events, outcomes, parked) for n in numbers])
        self._refuse_lost_offsets(starts, ends)
        windows = self._restore_windows(starts, {place: end for place, end in ends.items() if place[0] == outcomes})
        states = self._restore_states({place: end for place, end in ends.items() if place[0] == events})
        parkings = self._restore_parkings(consumer, {place: end for place, end in ends.items() if place[0] == parked})
        partitions = {}
        for number in numbers:
            writer = Writer(self._settings.instance, ends[events, number])
            count = self._settings.partitions
            partition = Partition(
                self._aggregate, self._codec, number, count, windows[number], writer, parkings[number]
            )
            partition.restore(states[number])
            partitions[number] = partition
        return partitions, {place: max(offset, 0) for place, offset in starts.items()}

    def settled_offsets(self, consumer: BatchConsumer, places: list[Place]) -> dict[Place, int]:
        """Step 1: the group's offsets, once no open transaction can still change them.

        A predecessor's transaction ends by its restart or by its timeout: so long it can take.
        """
        deadline = time.monotonic() + 2 * TRANSACTION_TIMEOUT_MS[self._settings.profile] / 1000 + 20
        while True:
            self._beat()
            try:
                return consumer.committed(places, timeout_s=5.0)
            except KafkaException as error:
                if time.monotonic() > deadline:
                    raise Fault(f"the group's offsets stay unsettled: {error.args[0].str()}") from error

    def _refuse_lost_offsets(self, starts: dict[Place, int], ends: dict[Place, int]) -> None:
        """Without its offsets the group would answer every command again: better it stops and says so.

        An outcome must be there to be read: aborted ones raise the high watermark too.
        """
        without = {(self._aggregate.outcome_topic, number) for (_, number), start in starts.items() if start < 0}
        earliest = list_offsets(self._admin, dict.fromkeys(without, OffsetSpec.earliest())) if without else {}
        begins = {place: info.offset for place, info in earliest.items()}
        for chunk in self._read(begins, {place: ends[place] for place in begins}):
            raise Fault(
                f"the group has no offset for {self._aggregate.command_topic}[{chunk[0].partition()}], although "
                f"commands of it were answered: offsets expired or were deleted; set them again by the last outcome's "
                f"command_offset + 1"
            )

    def _read(self, starts: dict[Place, int], ends: dict[Place, int]) -> Iterator[list[Record]]:
        """What lies between, with a sign of life at each chunk: a long restore is no standstill."""
        for chunk in read_to(self._settings, starts, ends):
            self._beat()
            yield chunk

    def _restore_windows(self, starts: dict[Place, int], ends: dict[Place, int]) -> dict[int, Window]:
        """The first outcome of each id that a resend may still name.

        The next command comes no earlier in log time than the newest that was answered; an outcome lies in the log no
        earlier than its command. So outcomes appended a span before the next command are all that count.
        """
        windows = {number: Window(self._span_ms) for _, number in starts}
        since = self._times_of_next_commands(starts)
        wanted = {
            (self._aggregate.outcome_topic, number): OffsetSpec.for_timestamp(max(0, at - self._span_ms))
            for number, at in since.items()
        }
        found = list_offsets(self._admin, wanted) if wanted else {}
        begins = {place: found[place].offset for place in wanted if found[place].offset >= 0}
        for chunk in self._read(begins, {place: ends[place] for place in begins}):
            for record in chunk:
                windows[record.partition()].recall(record.value() or b"", self._codec)
        return windows

    def _times_of_next_commands(self, starts: dict[Place, int]) -> dict[int, int]:
        """The log time of each partition's first unanswered command, or of its newest record when all are answered."""
        ends = high_watermarks(self._admin, list(starts))
        newest = list_offsets(self._admin, dict.fromkeys(starts, OffsetSpec.max_timestamp()))
        waiting = {place: max(offset, 0) for place, offset in starts.items() if max(offset, 0) < ends[place]}
        times: dict[int, int] = {}
        for chunk in self._read(waiting, {place: offset + 1 for place, offset in waiting.items()}):
            for record in chunk:
                times.setdefault(record.partition(), record.timestamp()[1])
        for place in starts:
            times.setdefault(place[1], newest[place].timestamp)
        return {number: at for number, at in times.items() if at >= 0}

    def _restore_parkings(self, consumer: BatchConsumer, ends: dict[Place, int]) -> dict[int, Parking]:
        """Who waits in each partition.

        The group's offset for the parked topic says how far everything was released when a predecessor took over;
        nothing that comes later lies before it, so an old one costs time and nothing else.
        """
        caps = Caps(self._settings.parked_keys, self._settings.parked_records, self._settings.parked_bytes)
        parkings = {number: Parking(f"{self._aggregate.command_topic}[{number}]", caps) for _, number in ends}
        earliest = list_offsets(self._admin, dict.fromkeys(ends, OffsetSpec.earliest()))
        begins = {place: info.offset for place, info in earliest.items()}
        for place, offset in self.settled_offsets(consumer, list(ends)).items():
            if begins[place] < offset <= ends[place]:
                begins[place] = offset
        found: dict[int, list[Record]] = {number: [] for _, number in ends}
        for chunk in self._read(begins, ends):
            for record in chunk:
                found[record.partition()].append(record)
        released = {}
        for place, end in ends.items():
            first = parkings[place[1]].restore(found[place[1]])
            if (released_to := end if first is None else first) > begins[place]:
                released[place] = released_to
        if released:
            consumer.commit_as_hint(released)
        return parkings

    def _restore_states(self, ends: dict[Place, int]) -> dict[int, dict[str, Versioned | bytes]]:
        """The newest record of each aggregate as bytes; a version that does not rise stops the takeover."""
        states: dict[int, dict[str, Versioned | bytes]] = {number: {} for _, number in ends}
        earliest = list_offsets(self._admin, dict.fromkeys(ends, OffsetSpec.earliest()))
        for chunk in self._read({place: earliest[place].offset for place in ends}, ends):
            for record in chunk:
                key, frame, state = (record.key() or b"").decode(), record.value(), states[record.partition()]
                if frame is None:
                    state.pop(key, None)
                    continue
                before = state.get(key)
                if isinstance(before, bytes) and peek_version(frame) <= peek_version(before):
                    raise Fault(
                        f"{record.topic()}[{record.partition()}] offset {record.offset()}: aggregate {key} goes from "
                        f"version {peek_version(before)} to {peek_version(frame)}: two processes wrote it"
                    )
                state[key] = frame
        return states
