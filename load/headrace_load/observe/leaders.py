"""What the leaders of one partition tell of its end, and whether that can be held against whoever stands beyond it."""

from collections.abc import Mapping
from typing import Final, NamedTuple

# A leader that is not level with its predecessor by then will not be: it is what the brokers have to say.
SETTLES_S: Final = 60.0


class End(NamedTuple):
    """Where readers of committed records stop, as the leader of this epoch tells it; None: the broker tells none."""

    offset: int
    epoch: int | None


class Leaders:
    """The ends told of one partition.

    What was committed once still is: the end never goes back, though a new leader tells an earlier one until its
    followers have fetched. Nobody is called wrong by such a leader before it has told an end that nobody is beyond,
    or by one that was already followed by another; under one leader there is no leniency.
    """

    def __init__(self) -> None:
        self.end = 0
        self._epoch = -1
        self._since = 0.0
        self._is_level = True

    def beyond(self, told: End, standing: Mapping[str, int], now: float) -> dict[str, int]:
        """Note an end that was asked for after it was known who stands where; those surely beyond it, by name.

        `now` is in seconds, on any clock that does not go back.
        """
        epoch = self._epoch if told.epoch is None else told.epoch
        if epoch < self._epoch:
            return {}
        if epoch > self._epoch:
            self._is_level = self._epoch < 0
            self._epoch, self._since = epoch, now
        self.end = max(self.end, told.offset)
        found = {who: offset for who, offset in standing.items() if offset > self.end}
        self._is_level = self._is_level or not found or now - self._since > SETTLES_S
        return found if self._is_level else {}
