"""Taking over partitions that a reactor reads: where to go on, who waits, and which timers have not fired yet."""

from collections.abc import Generator
from typing import Any

from confluent_kafka.admin import AdminClient, OffsetSpec

from headrace.avro.codec import Codec
from headrace.failpoint import Failpoints
from headrace.handler.notes import read_note
from headrace.handler.parking import Caps, Parking
from headrace.kafka.compaction import whole_from
from headrace.kafka.consumer import BatchConsumer, Place, Record, place_of
from headrace.kafka.reading import high_watermarks, list_offsets, read_to
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
        found = yield from self._read(ends)
        for place in sources:
            parking = self._parking_of(place, found)
            parts[place] = SourcePart(
                self._reactor, self._sources[place[0]], self._codec, self._messages, place, parking
            )
        for place in timers:
            part = TimerPart(place, self._messages)
            part.restore(record for record in found if place_of(record) == place)
            parts[place] = part
        return parts, starts | {place: ends[place] for place in timers}

    def _starts(self, places: list[Place], settled: dict[Place, int]) -> dict[Place, int]:
        """The group's offsets; where it has none yet, the beginning: nothing that happened is passed over."""
        found = list_offsets(self._admin, dict.fromkeys(places, OffsetSpec.earliest())) if places else {}
        return within({place: settled[place] for place in places}, {place: it.offset for place, it in found.items()})

    def _refuse_compacted(self, starts: dict[Place, int]) -> Generator[None, None, None]:
        """Where events may be missing nothing can be made of the rest.

        Behind the last event that was reacted to lies the mark of its transaction, and that may be all that is old.
        """
        events = {place: offset for place, offset in starts.items() if place[0].endswith(".events")}
        ends = high_watermarks(self._admin, list(events)) if events else {}
        whole = whole_from(self._admin, events)
        old = {place: offset for place, offset in events.items() if offset < whole[place]}
        for chunk in read_to(self._settings, old, {place: whole[place] for place in old}):
            for record in chunk:
                raise self._compacted(place_of(record), starts, whole)
            yield
        for place, offset in old.items():
            # An event that compaction took has a newer one of its aggregate: here there is none, nor can there be one
            # behind the end; elsewhere it may be a young one, but in the place of a single mark there was no event.
            if whole[place] < ends[place] and whole[place] - offset > 1:
                raise self._compacted(place, starts, whole)

    def _compacted(self, place: Place, starts: dict[Place, int], whole: dict[Place, int]) -> Misconfigured:
        return Misconfigured(
            f"reactor {self._reactor.name} would go on at offset {starts[place]} of {place[0]}[{place[1]}], "
            f"and Kafka may have compacted events below {whole[place]}: set its group's offsets to where it is to go "
            f"on, with Kafka's own kafka-consumer-groups, and see to what lies between by hand"
        )

    def _read(self, ends: dict[Place, int]) -> Generator[None, None, list[Record]]:
        """All that is committed in these partitions; waits for what is open to be decided."""
        earliest = list_offsets(self._admin, dict.fromkeys(ends, OffsetSpec.earliest()))
        found: list[Record] = []
        for chunk in read_to(self._settings, {place: info.offset for place, info in earliest.items()}, ends):
            found += chunk
            self._failpoints.reach("restoring")
            yield
        return found

    def _parking_of(self, place: Place, found: list[Record]) -> Parking:
        caps = Caps(self._settings.parked_keys, self._settings.parked_records, self._settings.parked_bytes)
        parking = Parking(place, caps)
        parking.restore(
            record
            for record in found
            if place_of(record) == (self._reactor.parked_topic, place[1]) and read_note(record).topic == place[0]
        )
        return parking
