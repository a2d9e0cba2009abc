"""Taking over partitions that a reactor reads: where to go on, who waits, and which timers have not fired yet."""

from collections.abc import Generator
from typing import Any

from confluent_kafka.admin import AdminClient, OffsetSpec

from headrace.avro.codec import Codec
from headrace.failpoint import Failpoints
from headrace.handler.notes import known_note
from headrace.handler.parking import Caps, Parking
from headrace.kafka.compaction import HALF, LAG, compaction_lags_ms, is_late, whole_from
from headrace.kafka.consumer import BatchConsumer
from headrace.kafka.reading import high_watermarks, read_offsets, read_to
from headrace.kafka.records import Place, Record, place_of
from headrace.kernel.errors import Misconfigured
from headrace.kernel.reactor import Reactor
from headrace.reactor.messages import Messages
from headrace.reactor.part import SourcePart
from headrace.reactor.timers import TimerPart
from headrace.settings import Settings
from headrace.transactional.loop import Restored
from headrace.transactional.offsets import settled_offsets, within


class Takeover:
    """Makes the partitions ready that the group gives to this process; `sources` has each topic's aggregate."""

    def __init__(
        self,
        reactor: Reactor,
        sources: dict[str, str],
        codec: Codec,
        messages: Messages,
        settings: Settings,
        admin: AdminClient,
        failpoints: Failpoints,
    ) -> None:
        self._reactor = reactor
        self._sources = sources
        self._codec = codec
        self._messages = messages
        self._settings = settings
        self._admin = admin
        self._failpoints = failpoints
        self._lags_ms: dict[str, int] = {}

    def restore(self, consumer: BatchConsumer, places: list[Place]) -> Restored:
        """The parts, once no predecessor can change them any more, and the offset to start from for each."""
        settled = yield from settled_offsets(consumer, places, self._failpoints.reach)
        timers = [place for place in places if place[0] == self._reactor.timer_topic]
        sources = [place for place in places if place[0] in self._sources]
        starts = self._starts(sources, settled)
        yield from self._refuse_compacted(starts)
        yield
        parts: dict[Place, Any] = {}
        waiting = [(self._reactor.parked_topic, number) for number in sorted({number for _, number in sources})]
        ends = high_watermarks(self._admin, [*waiting, *timers])
        caps = Caps(self._settings.parked_keys, self._settings.parked_records, self._settings.parked_bytes)
        parkings = {place: Parking(place, caps) for place in sources}
        parts |= {place: TimerPart(place, self._messages) for place in timers}
        yield from self._recall(ends, parkings, parts)
        for place, parking in parkings.items():
            parking.restored()
            parts[place] = SourcePart(
                self._reactor, self._sources[place[0]], self._codec, self._messages, place, parking
            )
        return parts, starts | {place: ends[place] for place in timers}

    def _starts(self, places: list[Place], settled: dict[Place, int]) -> dict[Place, int]:
        """The group's offsets; where it has none yet, the beginning: nothing that happened is passed over."""
        begins = read_offsets(self._admin, places, OffsetSpec.earliest())
        return within({place: settled[place] for place in places}, begins)

    def refuse_late(self, first: Record) -> None:
        """`Misconfigured` where a batch's first event is so old that compaction may have taken others before it."""
        lag_ms = self._lags_ms.get(first.topic())
        if lag_ms is not None and is_late(first, lag_ms):
            raise self._compacted(place_of(first), first.offset(), first.offset())

    def _refuse_compacted(self, starts: dict[Place, int]) -> Generator[None, None, None]:
        """Where events may be missing, or may be before they are read, nothing can be made of the rest.

        Behind the last event that was reacted to lies the mark of its transaction, and that may be all that is old.
        """
        events = {place: offset for place, offset in starts.items() if place[0].endswith(".events")}
        self._lags_ms |= compaction_lags_ms(self._admin, events)
        ends = high_watermarks(self._admin, list(events)) if events else {}
        whole, half = (whole_from(self._admin, events, self._lags_ms, share) for share in (1.0, HALF))
        old = {place: offset for place, offset in events.items() if offset < half[place]}
        # An event that compaction took has a newer one of its aggregate: where there is none, nor can there be one
        # behind the end, nothing is missing; elsewhere that may be a young one, but in the place of a single mark there
        # was no event.
        gaps = {place for place, offset in old.items() if whole[place] < ends[place] and whole[place] - offset > 1}
        for chunk in read_to(self._settings, old, {place: half[place] for place in old}):
            for record in chunk:
                place = place_of(record)
                if place in gaps or record.offset() < whole[place]:
                    raise self._compacted(place, starts[place], whole[place])
                raise self._soon_compacted(place, starts[place], half[place])
            yield
        for place in gaps:
            raise self._compacted(place, starts[place], whole[place])

    def _compacted(self, place: Place, start: int, whole: int) -> Misconfigured:
        return Misconfigured(
            f"reactor {self._reactor.name} would go on at offset {start} of {place[0]}[{place[1]}], "
            f"and Kafka may have compacted events below {whole}: set its group's offsets to where it is to go "
            f"on, with Kafka's own kafka-consumer-groups, and see to what lies between by hand"
        )

    def _soon_compacted(self, place: Place, start: int, half: int) -> Misconfigured:
        return Misconfigured(
            f"reactor {self._reactor.name} would go on at offset {start} of {place[0]}[{place[1]}], and Kafka may "
            f"compact events below {half} before they are read, since half of {LAG} is over: set that higher for this "
            f"topic, with Kafka's own kafka-configs, until the reactor has caught up"
        )

    def _recall(
        self, ends: dict[Place, int], parkings: dict[Place, Parking], timers: dict[Place, TimerPart]
    ) -> Generator[None, None, None]:
        """All that is committed in these partitions, as it is read; waits for what is open to be decided."""
        begins = read_offsets(self._admin, ends, OffsetSpec.earliest())
        for chunk in read_to(self._settings, begins, ends):
            for record in chunk:
                if record.topic() == self._reactor.timer_topic:
                    timers[place_of(record)].recall(record)
                elif (note := known_note(record)) is not None and (note.topic, record.partition()) in parkings:
                    parkings[note.topic, record.partition()].recall(record, note)
            self._failpoints.reach("restoring")
            yield
