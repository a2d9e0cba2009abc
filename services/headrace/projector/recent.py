"""What a projector wrote last, kept in memory: most keys are written again soon, and need not be read for it."""

from collections.abc import Iterable, Mapping
from typing import Any


class Recent:
    """What lies under the keys that were written last, as it was committed.

    It is what the database has for as long as nobody else writes these keys, which is so while this process's
    checkpoints stand where it has left them: each transaction begins with a look at those. Whoever lets somebody else
    write forgets what is here: where partitions are taken over, and where events are parked, which a redrive applies.
    """

    def __init__(self, size: int) -> None:
        """Room for so many keys at least; twice as many, and what one batch adds, at most."""
        self._size = size
        self._young: dict[Any, Any] = {}
        self._old: dict[Any, Any] = {}

    def of(self, keys: Iterable[Any]) -> dict[Any, Any]:
        """What is known of these keys, and nothing for the others; None for one that was deleted."""
        young, old = self._young, self._old
        found = {key: young[key] for key in keys if key in young}
        if old:
            found |= {key: old[key] for key in keys if key in old and key not in young}
        return found

    def keep(self, written: Mapping[Any, Any]) -> None:
        """What was committed just now."""
        self._young.update(written)
        if len(self._young) >= self._size:
            self._young, self._old = {}, self._young

    def forget(self) -> None:
        """Somebody else may write, or has written."""
        self._young, self._old = {}, {}
