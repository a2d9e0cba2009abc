"""What waits for each group, asked from outside: true of a process, too, that is not there or ends before it reads."""

import math
import time
from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct

from headrace.kafka.reading import first_times
from headrace.kafka.records import Place
from headrace.settings import Settings

READ_S: Final = 5.0
"""How long one look reads; what it has not read by then, the next one may."""

Spot = tuple[Place, int]
"""A partition, and an offset in it."""


class Behind(Struct, frozen=True):
    """Offsets from a group's position to the end, and the age of the first record there, at most, in seconds.

    Both are 0 where only marks of transactions are left.
    """

    records: int = 0
    seconds: float = 0.0


class First(Struct, frozen=True):
    """What lies behind a position: when its first record was appended, in milliseconds; None for none before `end`."""

    log_time: int | None
    end: int

    def holds(self, end: int) -> bool:
        """A first record stays the first; where there was none, there may be one before another end."""
        return self.log_time is not None or self.end == end

    def behind(self, offset: int, end: int, now: float) -> Behind:
        """How far a position is behind the end."""
        if self.log_time is None:
            return Behind()
        return Behind(end - offset, max(0.0, now - self.log_time / 1000))


class Backlog:
    """Looked at again and again: only where something has waited since the last look a record is read."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._clock = clock
        self._looked = 0.0
        self._ends: Mapping[Place, int] = {}
        self._firsts: dict[Spot, First] = {}

    def look(
        self, stands: Mapping[str, Mapping[Place, int]], ends: Mapping[Place, int]
    ) -> dict[str, dict[Place, Behind]]:
        """How far each group is behind these ends, the last stable offsets; without what cannot be read in time."""
        now = self._clock()
        waiting = {spot for places in stands.values() for spot in places.items() if spot[1] < ends[spot[0]]}
        # What stood at the end when that was seen last has waited no longer than since then.
        fresh = {(place, offset) for place, offset in waiting if offset >= self._ends.get(place, math.inf)}
        old = waiting - fresh
        self._firsts = {spot: it for spot, it in self._firsts.items() if spot in old and it.holds(ends[spot[0]])}
        self._read(old - set(self._firsts), ends)
        found = {spot: it.behind(spot[1], ends[spot[0]], now) for spot, it in self._firsts.items()}
        found |= {spot: Behind(ends[spot[0]] - spot[1], now - self._looked) for spot in fresh}
        self._looked, self._ends = now, dict(ends)
        return {
            group: {
                spot[0]: found.get(spot, Behind()) for spot in places.items() if spot in found or spot not in waiting
            }
            for group, places in stands.items()
        }

    def _read(self, spots: set[Spot], ends: Mapping[Place, int]) -> None:
        """One position of each partition at a time: groups stand at different ones."""
        deadline = self._clock() + READ_S
        while spots and (left := deadline - self._clock()) > 0:
            starts = dict(spots)
            found = first_times(self._settings, starts, dict(ends), left)
            self._firsts |= {(place, starts[place]): First(at, ends[place]) for place, at in found.items()}
            spots = spots - set(starts.items())
