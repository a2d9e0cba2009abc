"""How far a consumer is behind the end of its partitions, in records and in seconds.

A transaction leaves a marker after its records, so the end of a partition that is read whole lies past its last record.
The client's own position goes over markers and over aborted records: where it is asked while no batch is under way,
everything below it has been dealt with, and it is what the end is compared with. The end is the last stable offset:
what lies after it, nobody can have read yet.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from msgspec import Struct

from headrace.kafka.records import Place

LOOK_S: Final = 0.5
"""How often the client is asked for its positions."""
TURNS: Final = 5
"""So many times as long a partition may wait for the backlog of others."""


class Behind(Struct, frozen=True):
    """One partition: the next offset, and the records and seconds from there to the end; -1 records are not known yet.

    `unstable_s` is for how many seconds an open transaction has kept the end where it is.
    """

    position: int
    records: int
    seconds: float
    unstable_s: float
    is_halted: bool


class Track(Struct):
    """What is known of one partition; times are seconds since 1970."""

    position: int
    moved_at: float
    newest: float = 0.0
    end: int = -1
    end_seen_at: float = 0.0
    caught_up_at: float = 0.0
    unstable_since: float = 0.0
    is_halted: bool = False
    is_filling: bool = False

    @property
    def is_fetched(self) -> bool:
        """Whether the consumer reads it: it was not halted, nor is it filled from elsewhere first."""
        return not (self.is_halted or self.is_filling)

    @property
    def records(self) -> int:
        """How many offsets lie between the position and the end; -1 before the end is known."""
        return max(0, self.end - self.position) if self.end >= 0 else -1

    def stands_still(self, now: float, served: float, seconds: float) -> bool:
        """Whether it has not moved for so long, `served` being when another was that has a backlog."""
        still_since = max(self.moved_at, self.caught_up_at)
        waits = self.records > 0 and self.is_fetched
        return waits and (now - max(still_since, served) > seconds or now - still_since > TURNS * seconds)

    def see(self) -> None:
        """A partition that has reached the end was not behind when the end was seen."""
        if self.position >= self.end >= 0:
            self.caught_up_at = self.end_seen_at


class Lag:
    """The partitions of one consumer: its loop tells where they stand, another thread where they end."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._tracks: dict[Place, Track] = {}
        self._rewound: set[Place] = set()
        self._looked = 0.0

    def filling(self, starts: Mapping[Place, int]) -> None:
        """The consumer has these partitions and is at these offsets; it goes on from elsewhere before it fetches."""
        now = self._clock()
        with self._lock:
            self._tracks.update({place: Track(offset, now, is_filling=True) for place, offset in starts.items()})

    def acquired(self, starts: Mapping[Place, int]) -> None:
        """The consumer owns these partitions from now on, and goes on at these offsets."""
        now = self._clock()
        with self._lock:
            self._tracks.update({place: Track(offset, now) for place, offset in starts.items()})

    def released(self, places: Iterable[Place]) -> None:
        """Other processes own them."""
        with self._lock:
            for place in places:
                self._tracks.pop(place, None)
                self._rewound.discard(place)

    def halted(self, place: Place) -> None:
        """The consumer keeps a partition and goes on with it no more."""
        with self._lock:
            if place in self._tracks:
                self._tracks[place].is_halted = True

    def moved(self, after: Mapping[Place, int], log_times: Mapping[Place, int]) -> None:
        """A batch is committed: its next offsets, and its newest log times in milliseconds."""
        now = self._clock()
        with self._lock:
            for place, offset in after.items():
                track = self._tracks.get(place)
                if track is not None:
                    track.position, track.moved_at = offset, now
                    track.newest = max(track.newest, log_times.get(place, 0) / 1000)
            self._rewound.difference_update(after)

    def rewound(self, places: Iterable[Place]) -> None:
        """A batch is read again: until it is committed, the client's positions are those before or after it."""
        with self._lock:
            self._rewound.update(place for place in places if place in self._tracks)

    def look(self, ask: Callable[[list[Place]], dict[Place, int]]) -> None:
        """Ask the client for its positions, now and then; to be called while no batch is under way."""
        now = time.monotonic()
        if now - self._looked < LOOK_S:
            return
        self._looked = now
        found = ask([place for place, track in self._tracks.items() if track.is_fetched])
        with self._lock:
            for place, offset in found.items():
                track = self._tracks.get(place)
                if track is not None and offset > track.position and place not in self._rewound:
                    track.position, track.moved_at = offset, self._clock()

    @property
    def places(self) -> list[Place]:
        """The partitions that the consumer owns."""
        with self._lock:
            return sorted(self._tracks)

    def ends(self, stable: Mapping[Place, int], high: Mapping[Place, int]) -> None:
        """The last stable offsets and the high watermarks, as the brokers have just told them."""
        now = self._clock()
        with self._lock:
            for place, end in stable.items():
                track = self._tracks.get(place)
                if track is None:
                    continue
                track.see()
                is_unstable = high[place] > end
                if not is_unstable or end > track.end or not track.unstable_since:
                    track.unstable_since = now if is_unstable else 0.0
                track.end, track.end_seen_at = end, now
                track.see()

    def unseen(self) -> None:
        """The brokers do not tell: who gets no answer cannot say that a partition stands still."""
        now = self._clock()
        with self._lock:
            for track in self._tracks.values():
                track.moved_at = now

    def stalled(self, seconds: float, batch: int) -> dict[Place, tuple[int, int]]:
        """The partitions that have not moved for so long although the end is not reached: position and end.

        A client hands out what it has fetched one partition after the other. While it gets on with another that is
        more than a batch behind, a partition waits for its turn, and stands still only after `TURNS` times as long.
        """
        now = self._clock()
        with self._lock:
            tracks = self._tracks
            served = max((track.moved_at for track in tracks.values() if track.records > batch), default=0.0)
            return {
                place: (track.position, track.end)
                for place, track in tracks.items()
                if track.stands_still(now, served, seconds)
            }

    def nothing_between(self, place: Place, position: int, end: int) -> None:
        """There is no record from this position to this end."""
        with self._lock:
            track = self._tracks.get(place)
            if track is not None and track.position == position:
                track.position, track.moved_at = end, self._clock()

    def read(self) -> dict[Place, Behind]:
        """How things are.

        The seconds are the age that the next record can have at most: it was appended after the newest that is done,
        and after the moment of which it is known that nothing was left.
        """
        now = self._clock()
        with self._lock:
            for track in self._tracks.values():
                track.see()
            return {place: _behind(track, now) for place, track in self._tracks.items()}


def _behind(track: Track, now: float) -> Behind:
    # Of a partition that has not moved since it was acquired it is only known that it is no less behind than that.
    known_since = max(track.newest, track.caught_up_at) or track.moved_at
    return Behind(
        track.position,
        track.records,
        max(0.0, now - known_since) if track.records > 0 else 0.0,
        now - track.unstable_since if track.unstable_since else 0.0,
        track.is_halted,
    )
