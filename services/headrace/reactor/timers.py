"""One owned partition of a reactor's timers: those that wait, and those whose time has come."""

import heapq
import time
from collections.abc import Callable, Iterable
from typing import Final

from headrace.handler.notes import Headers
from headrace.kafka.consumer import Place, Record
from headrace.observe.states import Held
from headrace.reactor.messages import FIRED, Message, Messages, Timer, read_timer

MOST_AT_ONCE: Final = 1_000
"""Timers that fire in one transaction."""


class TimerPart:
    """The timers of one partition, owned by this process alone, from the log and back into it.

    What a timer does is written with its tombstone, in one transaction. Whoever takes over reads to the end that the
    log had then, so a timer that has fired is not there any more.
    """

    def __init__(
        self, place: Place, messages: Messages, now_ms: Callable[[], float] = lambda: time.time() * 1000
    ) -> None:
        self._place = place
        self._messages = messages
        self._now_ms = now_ms
        self._waiting: dict[str, Timer] = {}
        self._queue: list[tuple[int, int, str]] = []
        self._covered: dict[str, Timer] = {}
        self._firing: list[Timer] = []
        self._rewriting: list[Timer] = []
        self.log_time = 0

    def restore(self, records: Iterable[Record]) -> None:
        """Take what the log holds, oldest first."""
        for record in records:
            self.answer(record.key(), record.value(), record.offset(), record.timestamp()[1], record.headers)

    def answer(
        self, key: bytes | None, value: bytes | None, offset: int, at: int, headers: Callable[[], Headers | None]
    ) -> None:
        """Take note of a timer, or of one that has fired or is taken back: as often as it is read, to the same end."""
        self.log_time = at
        found = dict(headers() or ())
        if value is not None:
            timer = read_timer(self._place, key, value, offset, found)
            self._waiting[timer.key] = timer
            heapq.heappush(self._queue, (timer.due_at, timer.offset, timer.key))
            return
        name = (key or b"").decode()
        waiting = self._waiting.get(name)
        if waiting is not None:
            fired = int(found[FIRED]) if FIRED in found else offset
            if fired < waiting.offset:
                self._covered[name] = waiting  # scheduled while the one before it fired: compaction would remove it
            else:
                del self._waiting[name]

    def due(self) -> list[Message]:
        """The records of the timers whose time has come, and of those that a tombstone wrongly covers."""
        now, queue = self._now_ms(), self._queue
        while queue and queue[0][0] <= now and len(self._firing) < MOST_AT_ONCE:
            _, offset, key = heapq.heappop(queue)
            timer = self._waiting.get(key)
            if timer is not None and timer.offset == offset:
                self._firing.append(timer)
        self._rewriting, self._covered = [*self._rewriting, *self._covered.values()], {}
        written = [message for timer in self._firing for message in self._messages.fired(timer)]
        return written + [self._messages.again(timer) for timer in self._rewriting if self._is_current(timer)]

    def commit(self) -> None:
        """What was due is written."""
        for timer in self._firing:
            if self._is_current(timer):
                del self._waiting[timer.key]
        self._firing, self._rewriting = [], []

    def discard(self) -> None:
        """What was due is not written: it still is."""
        for timer in self._firing:
            heapq.heappush(self._queue, (timer.due_at, timer.offset, timer.key))
        self._covered = {timer.key: timer for timer in self._rewriting} | self._covered
        self._firing, self._rewriting = [], []

    @property
    def held(self) -> Held:
        """How much is in memory."""
        return Held(timers=len(self._waiting))

    def _is_current(self, timer: Timer) -> bool:
        return self._waiting.get(timer.key) is timer
