"""Which commands were answered lately: what makes a resend harmless."""

from typing import Final

from headrace.avro.codec import Codec, peek_outcome
from headrace.kernel.errors import CommandIdReused
from headrace.kernel.message import Outcome

SKEW_MS: Final = 60_000
"""How far a client's clock may be ahead of the broker's; ids are remembered for so much longer than the window."""


class Window:
    """The first outcome of each command id, as bytes, for as long in log time as a resend may come.

    Two generations are kept and turned over when the younger is as old as the span, so forgetting costs nothing per
    command. What is found may be older than the span: the caller looks at its time.
    """

    def __init__(self, span_ms: int) -> None:
        self.span_ms = span_ms
        self._young: dict[str, bytes] = {}
        self._old: dict[str, bytes] = {}
        self._young_since = 0

    def find(self, command_id: str) -> bytes | None:
        """The first outcome of that id, if it is remembered."""
        return self._young.get(command_id) or self._old.get(command_id)

    def remember(self, outcomes: dict[str, bytes], at: int) -> None:
        """Keep these first outcomes, by command id, of commands that were appended up to `at`."""
        if at - self._young_since > self.span_ms:
            self._turn_over(at)
        self._young.update(outcomes)

    def recall(self, frame: bytes, codec: Codec) -> None:
        """Keep an outcome that is read back from the log, if it is what a resend would be answered with.

        A redrive answers a command long after later ones: the last command of an id counts, not the last outcome.
        """
        command_id, occurred_at = peek_outcome(frame)
        known = self.find(command_id)
        if known is not None and not _replaces(codec.decode(frame).body, codec.decode(known).body):
            return
        if occurred_at - self._young_since > self.span_ms:
            self._turn_over(occurred_at)
        self._young[command_id] = frame

    def _turn_over(self, at: int) -> None:
        self._old, self._young, self._young_since = self._young, {}, at

    def tells_of_events(self, codec: Codec) -> bool:
        """Whether one of the outcomes says that its command led to events."""
        return any(codec.decode(frame).body.events for frame in (*self._young.values(), *self._old.values()))

    def __len__(self) -> int:
        return len(self._young) + len(self._old)


def _replaces(outcome: Outcome, known: Outcome) -> bool:
    if not is_first_answer(outcome):
        return False
    return not is_first_answer(known) or known.command_offset <= outcome.command_offset


def is_first_answer(outcome: Outcome) -> bool:
    """Whether an outcome is what resends of its id are answered with, and not itself the answer to one."""
    return not outcome.repeated and outcome.code != CommandIdReused.__name__
