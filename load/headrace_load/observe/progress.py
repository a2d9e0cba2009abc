"""Whether something moves on while there is something to do: of handlers and projectors, partition by partition."""

from typing import NamedTuple


class Standstill(NamedTuple):
    """The longest time that somebody made no progress in a partition although something was there to do.

    `who` is "handler" or a projector's name. `began` is in seconds since the observation's start. `seconds` may be
    longer than it was by the time between two samples.
    """

    who: str
    partition: int
    seconds: float
    began: float


class Progress:
    """One position, sample after sample; times in seconds of one clock."""

    def __init__(self) -> None:
        self.longest = 0.0
        self.began = 0.0
        self._position = -1
        self._waiting_since: float | None = None

    def note(self, now: float, position: int, end: int) -> bool:
        """A sample: there is something to do below `end`. Says whether the position has gone back."""
        before, self._position = self._position, position
        if self._waiting_since is None:
            self._waiting_since = now if position < end else None
        else:
            if now - self._waiting_since > self.longest:
                self.longest, self.began = now - self._waiting_since, self._waiting_since
            if position != before:
                self._waiting_since = now if position < end else None
        return position < before

    @property
    def position(self) -> int:
        """Where it was last; -1 before the first sample."""
        return self._position
