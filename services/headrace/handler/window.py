"""Which commands were answered lately: what makes a resend harmless."""

from typing import Final

from headrace.avro.codec import Codec, peek_outcome
from headrace.kernel.errors import CommandIdReused
from headrace.kernel.message import Outcome

try:
    from headrace.handler.outcomes import Outcomes, recall
except ImportError:  # no C compiler was there when the package was built
    Outcomes, recall = dict, None  # type: ignore[assignment,misc]

SKEW_MS: Final = 60_000
"""How far a client's clock may be ahead of the broker's; ids are remembered for so much longer than the window."""


class Window:
    """The first outcome of each command id, as bytes, for as long in log time as a resend may come.

    Two generations are kept, the younger first, and turned over when that one is as old as the span, so forgetting
    costs nothing per command. What is found may be older than the span: the caller looks at its time.
    """

    def __init__(self, span_ms: int) -> None:
        self.span_ms = span_ms
        self.generations = [Outcomes(), Outcomes()]
        self._younger_since = 0

    @property
    def younger(self) -> Outcomes:
        """Where the outcomes of new commands belong, until the generations are turned over."""
        return self.generations[0]

    def find(self, command_id: str) -> bytes | None:
        """The first outcome of that id, if it is remembered."""
        younger, older = self.generations
        return younger.get(command_id) or older.get(command_id)

    def recall(self, frame: bytes, codec: Codec) -> None:
        """Keep an outcome that is read back from the log, if it is what a resend would be answered with.

        A redrive answers a command long after later ones: the last command of an id counts, not the last outcome.
        """
        # Nearly all are of an id that is new here: a takeover has millions of them to read.
        if recall is not None and recall(frame, self.generations, self._younger_since + self.span_ms):
            return
        command_id, occurred_at = peek_outcome(frame)
        known = self.find(command_id)
        if known is not None and not _replaces(codec.decode(frame).body, codec.decode(known).body):
            return
        self.turn_over(occurred_at)
        self.younger[command_id] = frame

    def turn_over(self, at: int) -> None:
        """Forget the older generation, if the younger one is older than the span at that log time."""
        if at - self._younger_since > self.span_ms:
            self.generations[:] = Outcomes(), self.younger
            self._younger_since = at

    def tells_of_events(self, codec: Codec) -> bool:
        """Whether one of the outcomes says that its command led to events."""
        return any(codec.decode(frame).body.events for outcomes in self.generations for frame in outcomes.values())

    def __len__(self) -> int:
        return sum(map(len, self.generations))


def _replaces(outcome: Outcome, known: Outcome) -> bool:
    if not is_first_answer(outcome):
        return False
    return not is_first_answer(known) or known.command_offset <= outcome.command_offset


def is_first_answer(outcome: Outcome) -> bool:
    """Whether an outcome is what resends of its id are answered with, and not itself the answer to one."""
    return not outcome.repeated and outcome.code != CommandIdReused.__name__
