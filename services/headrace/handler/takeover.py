"""Taking over a partition: the order of the steps is what keeps an aggregate from being written by two.

1. The group's committed offset, which waits until a predecessor's pending offsets are settled; later ones are refused.
2. The high watermark of events, outcomes and parked, records of open transactions included.
3. All three read to there, committed records only.
4. Only then the first command.

It goes on in steps, each a request or a chunk of records: between two of them the process answers the commands of the
partitions that it has, and takes part in its group.
"""

from collections.abc import Callable, Collection, Generator
from hashlib import blake2b
from typing import Any, TypeAlias

from confluent_kafka.admin import AdminClient, OffsetSpec
from structlog import get_logger

from headrace.avro.codec import Codec, Undecodable, peek_version
from headrace.failpoint import Failpoints
from headrace.handler.memory import Versioned
from headrace.handler.notes import known_note
from headrace.handler.parking import Caps, Parking
from headrace.handler.partition import Partition
from headrace.handler.window import SKEW_MS, Window
from headrace.kafka.consumer import BatchConsumer
from headrace.kafka.reading import high_watermarks, list_offsets, read_offsets, read_to
from headrace.kafka.records import Place, Record
from headrace.kernel.aggregate import Aggregate
from headrace.kernel.errors import Fault, Misconfigured
from headrace.kernel.message import Writer
from headrace.settings import Settings
from headrace.transactional.offsets import settled_offsets, within

States: TypeAlias = dict[int, dict[str, Versioned | bytes]]
"""The newest record of each aggregate, by partition number and aggregate id."""

log = get_logger("headrace.handler")


class Takeover:
    """Restores the partitions that the group gives to this process; `have_marks`: some commands lie in transactions."""

    def __init__(
        self,
        aggregate: Aggregate[Any, Any, Any],
        codec: Codec,
        settings: Settings,
        admin: AdminClient,
        failpoints: Failpoints,
        *,
        have_marks: bool = True,
    ) -> None:
        self._aggregate = aggregate
        self._codec = codec
        self._settings = settings
        self._admin = admin
        self._failpoints = failpoints
        self._have_marks = have_marks
        self._span_ms = settings.dedup_window_s * 1000 + SKEW_MS

    def restore(
        self, consumer: BatchConsumer, numbers: list[int], is_wanted: Callable[[int], bool] = lambda _number: True
    ) -> Generator[None, None, tuple[dict[int, Partition], dict[Place, int]]]:
        """The partitions of these numbers, ready for their next command, and the offset of it for each.

        One that is not wanted any more, since another process owns it, is not told of.
        """
        commands, events, outcomes, parked = self._aggregate.topics
        settled = yield from self.settled_offsets(consumer, [(commands, number) for number in numbers])
        starts = within(settled, self._earliest(settled), have_marks=self._have_marks)
        ends = high_watermarks(self._admin, [(topic, n) for topic in (events, outcomes, parked) for n in numbers])
        yield
        without = {place: starts[place] for place, offset in settled.items() if offset < 0}
        yield from self._refuse_lost_offsets(without, ends)
        windows = yield from self._restore_windows(starts, _of(outcomes, ends))
        self._refuse_lost_events(windows, _of(events, ends))
        states = yield from self._restore_states(_of(events, ends), is_wanted)
        parkings = yield from self._restore_parkings(consumer, _of(parked, ends))
        partitions = {}
        for number in numbers:
            writer = Writer(self._settings.instance, ends[events, number])
            count = self._settings.partitions
            partition = Partition(
                self._aggregate, self._codec, number, count, windows[number], writer, parkings[number]
            )
            partition.restore(states[number])
            partitions[number] = partition
        return partitions, starts

    def settled_offsets(self, consumer: BatchConsumer, places: list[Place]) -> Generator[None, None, dict[Place, int]]:
        """Step 1: the group's offsets, once no open transaction can still change them."""
        return settled_offsets(consumer, places, self._failpoints.reach)

    def _refuse_lost_offsets(self, begins: dict[Place, int], ends: dict[Place, int]) -> Generator[None, None, None]:
        """Without its offsets the group would answer every command again that is there: better it stops and says so.

        Outcomes expire as the offsets do; events never. One of them must be there to be read: aborted ones raise the
        high watermark too.
        """
        commands, *answers = self._aggregate.topics
        there = high_watermarks(self._admin, list(begins)) if begins else {}
        # Where all that there was is removed nothing can be answered again; a log that never held a record is another.
        asked = [place[1] for place, begin in begins.items() if begin < there[place] or there[place] == 0]
        places = [(topic, number) for topic in answers for number in asked]

        def refuse(chunk: list[Record]) -> None:
            ours = [it for it in chunk if it.topic() != self._aggregate.parked_topic or known_note(it) is not None]
            if not ours:
                return
            raise Misconfigured(
                f"the group has no offset for {commands}[{ours[0].partition()}], although commands of it were "
                f"answered: offsets expired or were deleted; set them again by the last outcome's command_offset + 1 "
                f"(the audit has it, or else the newest event)"
            )

        yield from self._read(self._earliest(places), {place: ends[place] for place in places}, refuse)

    def _refuse_lost_events(self, windows: dict[int, Window], ends: dict[Place, int]) -> None:
        """In a topic that was made anew every aggregate would begin again at version 1."""
        for (topic, number), end in ends.items():
            if end == 0 and windows[number].tells_of_events(self._codec):
                raise Misconfigured(
                    f"{topic}[{number}] never held a record, although commands of it were answered with events: it was "
                    f"made anew; restore it, or begin with new topics for {self._aggregate.name} altogether"
                )

    def _earliest(self, places: Collection[Place]) -> dict[Place, int]:
        return read_offsets(self._admin, places, OffsetSpec.earliest())

    def _read(
        self, starts: dict[Place, int], ends: dict[Place, int], take: Callable[[list[Record]], None]
    ) -> Generator[None, None, None]:
        """Hand over what lies between, a step for each chunk."""
        for chunk in read_to(self._settings, starts, ends):
            if chunk:
                take(chunk)
            self._failpoints.reach("restoring")
            yield

    def _restore_windows(
        self, starts: dict[Place, int], ends: dict[Place, int]
    ) -> Generator[None, None, dict[int, Window]]:
        """The first outcome of each id that a resend may still name.

        The next command comes no earlier in log time than the newest that was answered; an outcome lies in the log no
        earlier than its command. So outcomes appended a span before the next command are all that count.
        """
        windows = {number: Window(self._span_ms) for _, number in starts}
        since = yield from self._times_of_next_commands(starts)
        wanted = {
            (self._aggregate.outcome_topic, number): OffsetSpec.for_timestamp(max(0, at - self._span_ms))
            for number, at in since.items()
        }
        found = list_offsets(self._admin, wanted) if wanted else {}
        begins = {place: found[place].offset for place in wanted if found[place].offset >= 0}

        def recall(chunk: list[Record]) -> None:
            for record in chunk:
                windows[record.partition()].recall(record.value() or b"", self._codec)

        yield from self._read(begins, {place: ends[place] for place in begins}, recall)
        return windows

    def _times_of_next_commands(self, starts: dict[Place, int]) -> Generator[None, None, dict[int, int]]:
        """The log time of each partition's first unanswered record, or of its newest when all are answered.

        It may be one of a transaction that is open or was aborted: the next command comes no earlier than that. What
        lies at the group's offset may also be the mark of a transaction, which has no time that could be read.
        """
        ends = high_watermarks(self._admin, list(starts))
        newest = list_offsets(self._admin, dict.fromkeys(starts, OffsetSpec.max_timestamp()))
        waiting = {place: offset for place, offset in starts.items() if offset < ends[place]}
        times: dict[int, int] = {}
        yield from self._note_times(waiting, {place: offset + 1 for place, offset in waiting.items()}, times)
        marked = {place: offset for place, offset in waiting.items() if place[1] not in times}
        yield from self._note_times(marked, {place: ends[place] for place in marked}, times)
        for place in starts:
            times.setdefault(place[1], newest[place].timestamp)
        return {number: at for number, at in times.items() if at >= 0}

    def _note_times(
        self, starts: dict[Place, int], ends: dict[Place, int], times: dict[int, int]
    ) -> Generator[None, None, None]:
        """The log time of each partition's first record that lies there, until all that are read have one."""
        for chunk in read_to(self._settings, starts, ends, uncommitted=True):
            for record in chunk:
                times.setdefault(record.partition(), record.timestamp()[1])
            self._failpoints.reach("restoring")
            yield
            if all(number in times for _, number in starts):
                return

    def _restore_parkings(
        self, consumer: BatchConsumer, ends: dict[Place, int]
    ) -> Generator[None, None, dict[int, Parking]]:
        """Who waits in each partition.

        The group's offset for the parked topic says how far everything was released when a predecessor took over;
        nothing that comes later lies before it, so an old one costs time and nothing else.
        """
        caps = Caps(self._settings.parked_keys, self._settings.parked_records, self._settings.parked_bytes)
        parkings = {number: Parking((self._aggregate.command_topic, number), caps) for _, number in ends}
        begins = self._earliest(ends)
        settled = yield from self.settled_offsets(consumer, list(ends))
        for place, offset in settled.items():
            if begins[place] < offset <= ends[place]:
                begins[place] = offset

        def recall(chunk: list[Record]) -> None:
            for record in chunk:
                if (note := known_note(record)) is not None:
                    parkings[record.partition()].recall(record, note)

        yield from self._read(begins, ends, recall)
        released = {}
        for place, end in ends.items():
            first = parkings[place[1]].restored()
            if (released_to := end if first is None else first) > begins[place]:
                released[place] = released_to
        if released:
            consumer.commit_as_hint(released)
        return parkings

    def _restore_states(
        self, ends: dict[Place, int], is_wanted: Callable[[int], bool]
    ) -> Generator[None, None, States]:
        """The newest record of each aggregate as bytes; a version that does not rise stops the takeover."""
        states: States = {number: {} for _, number in ends}

        def keep(chunk: list[Record]) -> None:
            for record in chunk:
                key, frame, state = (record.key() or b"").decode(), record.value(), states[record.partition()]
                if frame is None:
                    state.pop(key, None)
                    continue
                before = state.get(key)
                if isinstance(before, bytes) and not _rises(before, frame):
                    raise _does_not_rise(record, before)
                state[key] = frame

        yield from self._read(self._earliest(ends), ends, keep)
        if self._settings.restore_digest:
            _tell_digests(states, {place: end for place, end in ends.items() if is_wanted(place[1])})
        return states


def _rises(before: bytes, frame: bytes) -> bool:
    """Whether an event has a version above the one before it, as all of an aggregate have."""
    try:
        return peek_version(frame) > peek_version(before)
    except Undecodable:
        return False


def _does_not_rise(record: Record, before: bytes) -> Fault:
    """What is wrong with a record behind that one."""
    place = f"{record.topic()}[{record.partition()}] offset {record.offset()}"
    key = (record.key() or b"").decode()
    try:
        versions = f"{peek_version(before)} to {peek_version(record.value() or b'')}"
    except Undecodable as error:
        return Fault(f"{place}: a version of aggregate {key}, here or before, cannot be read: {error}")
    return Fault(f"{place}: aggregate {key} goes from version {versions}: two processes wrote it")


def _of(topic: str, ends: dict[Place, int]) -> dict[Place, int]:
    return {place: end for place, end in ends.items() if place[0] == topic}


def _tell_digests(states: States, ends: dict[Place, int]) -> None:
    """Log what was restored in a form that a verifier can compute from the log by itself."""
    for (topic, number), end in ends.items():
        records = states[number].items()
        total = sum(
            int.from_bytes(blake2b(b"%b\0%b" % (name.encode(), frame), digest_size=8).digest())
            for name, frame in records
            if isinstance(frame, bytes)
        )
        log.info(
            "partition restored",
            topic=topic,
            partition=number,
            restored_to=end,
            aggregates=len(records),
            digest=f"{total % 2**64:016x}",
        )
