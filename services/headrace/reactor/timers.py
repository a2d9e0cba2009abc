"""One owned partition of a reactor's timers: those that wait, and those whose time has come."""

import heapq
import time
from collections.abc import Callable
from typing import Final

from structlog import get_logger

from headrace.handler.notes import Headers
from headrace.kafka.records import Place, Record, headers_of
from headrace.kernel.errors import Fault
from headrace.observe.states import Held
from headrace.reactor.messages import Message, Messages, Timer, read_timer, read_tombstone

log = get_logger("headrace.reactor")

MOST_AT_ONCE: Final = 1_000
"""Timers that fire in one transaction."""
MOST_ENDED: Final = 10_000
"""So many of those that ended last are known: what was written again meanwhile lies a few records behind."""


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
        # Of which another record lies behind the one that counts: it is to be written again.
        self._covered: dict[str, Timer] = {}
        self._revived: dict[str, int] = {}
        self._ended: dict[str, int] = {}
        # What a transaction that is under way writes.
        self._firing: list[Timer] = []
        self._rewriting: dict[str, Timer] = {}
        self._ending: dict[str, int] = {}
        self._newest = -1
        self.log_time = 0

    def recall(self, record: Record) -> None:
        """Take note of what the log holds, oldest first."""
        self.answer(record.key(), record.value(), record.offset(), record.timestamp()[1], record.headers)

    def answer(
        self, key: bytes | None, value: bytes | None, offset: int, at: int, headers: Callable[[], Headers | None]
    ) -> None:
        """Take note of a timer, or of one that has fired or is taken back: as often as it is read, to the same end.

        What is neither is logged, and once more at each takeover, since it stays where it lies; all others go on.
        """
        self.log_time = at
        if offset <= self._newest:
            return  # a batch that was aborted: what others wrote stays written, and what is known of it is right
        self._newest = offset
        found = dict(headers_of(headers))
        try:
            if value is not None:
                self._take(read_timer(self._place, key, value, offset, found))
            else:
                self._take_back(*read_tombstone(self._place, key, offset, found))
        except Fault as error:
            where = {"topic": self._place[0], "partition": self._place[1], "offset": offset}
            log.error("no timer", **where, error=type(error.__cause__).__name__)  # noqa: TRY400 - it quotes the record
            self._take_back((key or b"").decode(errors="replace"), offset)  # as compaction does, of what it replaced

    def due(self) -> list[Message]:
        """The records of the timers whose time has come, and of those that another record wrongly covers."""
        now, queue = self._now_ms(), self._queue
        while queue and queue[0][0] <= now and len(self._firing) < MOST_AT_ONCE:
            _, offset, key = heapq.heappop(queue)
            timer = self._waiting.get(key)
            if timer is not None and timer.offset == offset:
                self._firing.append(timer)
        self._rewriting, self._covered = self._rewriting | self._covered, {}
        self._ending, self._revived = self._ending | self._revived, {}
        written = [message for timer in self._firing for message in self._messages.fired(timer)]
        written += [self._messages.again(timer) for timer in self._written_again()]
        return written + [self._messages.taken_back(self._place, key, last) for key, last in self._ending.items()]

    def commit(self) -> None:
        """What was due is written. A timer that is written again waits from when that is read."""
        for timer in (*self._firing, *self._written_again()):
            if self._is_current(timer):
                del self._waiting[timer.key]
        for timer in self._firing:
            self._end(timer.key, timer.since)
        self._firing, self._rewriting, self._ending = [], {}, {}

    def discard(self) -> None:
        """What was due is not written: it still is."""
        for timer in self._firing:
            heapq.heappush(self._queue, (timer.due_at, timer.offset, timer.key))
        self._covered, self._revived = self._rewriting | self._covered, self._ending | self._revived
        self._firing, self._rewriting, self._ending = [], {}, {}

    @property
    def held(self) -> Held:
        """How much is in memory."""
        return Held(timers=len(self._waiting))

    def _take(self, timer: Timer) -> None:
        """A timer is set, or was written again: then something newer of its name may lie between, and counts."""
        waiting = self._waiting.get(timer.key)
        if waiting is not None and waiting.since > timer.since:
            self._covered[timer.key] = waiting
        elif (last := self._ended.get(timer.key, -1)) >= timer.since:
            self._revived[timer.key] = last
        else:
            self._waiting[timer.key] = timer
            heapq.heappush(self._queue, (timer.due_at, timer.offset, timer.key))
            self._forget_ended()

    def _take_back(self, name: str, last: int) -> None:
        """Those of that name that were set up to that offset are over."""
        self._end(name, last)
        if self._revived.get(name, -1) <= last:
            self._revived.pop(name, None)  # this lies behind it, and says the same
        waiting = self._waiting.get(name)
        if waiting is not None and last < waiting.since:
            self._covered[name] = waiting  # scheduled while the one before it fired: compaction would remove it
        else:
            self._waiting.pop(name, None)

    def _forget_ended(self) -> None:
        """Timers that are taken back would lie in the queue until they were due, which may be a year."""
        if len(self._queue) > 2 * len(self._waiting) + MOST_ENDED:
            self._queue = [(timer.due_at, timer.offset, timer.key) for timer in self._waiting.values()]
            heapq.heapify(self._queue)

    def _end(self, key: str, since: int) -> None:
        """Those of a name that were set up to that offset have fired, or are taken back."""
        self._ended[key] = max(since, self._ended.pop(key, -1))
        if len(self._ended) > MOST_ENDED:
            del self._ended[next(iter(self._ended))]

    def _written_again(self) -> list[Timer]:
        """Those that are covered, but for what fires anyhow, and what is no more."""
        firing = {timer.key for timer in self._firing}
        return [timer for timer in self._rewriting.values() if self._is_current(timer) and timer.key not in firing]

    def _is_current(self, timer: Timer) -> bool:
        return self._waiting.get(timer.key) is timer
