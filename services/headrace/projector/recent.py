"""What a projector wrote last, kept in memory: most keys are written again soon, and need not be read for it."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

NOTHING: Final[Mapping[Any, Any]] = {}
UNKNOWN: Final = object()


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

    def look_up(self, keys: Iterable[Any], ahead: Mapping[Any, Any] = NOTHING) -> tuple[dict[Any, Any], list[Any]]:
        """What is known of these keys, each once, and of which of them nothing is; what is `ahead` is newer than this.

        Under a key of which nothing is known lies None, as under one that was deleted.
        """
        found: dict[Any, Any] = {}
        unknown: list[Any] = []
        young, old = self._young.get, self._old.get
        for key in keys:
            if key in found:
                continue
            value = ahead.get(key, UNKNOWN)
            if value is UNKNOWN:
                value = young(key, UNKNOWN)
            if value is UNKNOWN:
                value = old(key, UNKNOWN)
            if value is UNKNOWN:
                unknown.append(key)
                value = None
            found[key] = value
        return found, unknown

    def keep(self, written: Mapping[Any, Any]) -> None:
        """What was committed just now."""
        self._young.update(written)
        if len(self._young) >= self._size:
            self._young, self._old = {}, self._young

    def forget(self) -> None:
        """Somebody else may write, or has written."""
        self._young, self._old = {}, {}
