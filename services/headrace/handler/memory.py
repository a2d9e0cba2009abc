"""What a partition remembers: its aggregates as they are now, and which commands were answered lately.

A batch changes it in place, once for each change, and what was there before is kept until the transaction has
committed: most batches commit, so an aborted one has the work of taking them back.
"""

from typing import Any

from msgspec import Struct

from headrace.handler.window import Window


class Versioned(Struct, frozen=True, gc=False):
    """An aggregate as it is after its newest event; version 0 is before its first."""

    version: int
    state: Any


class Memory:
    """The aggregates by name, each as its newest event was written or decoded, and the window of first outcomes.

    `before` has three entries for each change of a batch, in order: the mapping that was changed, the key, and what was
    there, None for nothing.
    """

    def __init__(self, window: Window) -> None:
        self.aggregates: dict[str, Versioned | bytes] = {}
        self.window = window
        self.before: list[Any] = []

    def change(self, name: str, after: Versioned) -> None:
        """The aggregate has had an event."""
        self._put(self.aggregates, name, after)

    def answered(self, command_id: str, outcome: bytes) -> None:
        """A resend of that command is answered with this."""
        self._put(self.window.younger, command_id, outcome)

    def commit(self, at: int) -> None:
        """What the batch has changed is how things are; its last command was appended `at`."""
        self.before.clear()
        self.window.turn_over(at)

    def discard(self) -> None:
        """All is as it was before the batch."""
        while self.before:
            value, key, whole = self.before.pop(), self.before.pop(), self.before.pop()
            if value is None:
                del whole[key]
            else:
                whole[key] = value

    def _put(self, whole: Any, key: str, value: Versioned | bytes) -> None:
        self.before += whole, key, whole.get(key)
        whole[key] = value
