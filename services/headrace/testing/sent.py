"""A command in memory, and what an event and an answer repeat of it."""

from typing import Any

from msgspec import Struct

from headrace.handler.replies import UNTOLD
from headrace.kernel.errors import Rejected
from headrace.kernel.message import EventMeta, Outcome, Writer


class Sent(Struct, frozen=True):
    """A command as it lies in its log; `to` and `process` are the aggregate that it is for, and that it follows from.

    `cause` and `correlation` are the event, or the command, that it follows from, and the first command of all.
    `offset` counts the commands to aggregates of its kind, as they are answered.
    `forgotten` is one that came before, so long ago that nothing but the aggregate's state can tell.
    """

    command_id: str
    to: tuple[str, str]
    command: Any
    at: int
    expected_version: int | None = None
    reactor: str = ""
    process: tuple[str, str] = ("", "")
    process_version: int = 0
    cause: str = ""
    forgotten: bool = False
    correlation: str = ""
    offset: int = 0

    def meta(self, version: int, actor: str | None) -> EventMeta:
        """What surrounds the event of that version that the command leads to."""
        aggregate, aggregate_id = self.to
        return EventMeta(
            version=version,
            event_id=f"{aggregate}/{aggregate_id}/{version}",
            aggregate_id=aggregate_id,
            occurred_at=self.at,
            command_id=self.command_id,
            command_offset=self.offset,
            correlation_id=self.correlation or self.command_id,
            causation_id=self.cause or self.command_id,
            actor=actor,
            writer=Writer("w", 0),
        )

    def outcome(self, result: str, why: Exception | None, version: int, events: int, actor: str | None) -> Outcome:
        """How it ends, and the refusal or the error that says why."""
        told = (why.code, why.message) if isinstance(why, Rejected) else (type(why).__name__, UNTOLD.format(self.to[0]))
        code, message = told if why else (None, None)
        return Outcome(
            command_id=self.command_id,
            occurred_at=self.at,
            aggregate_id=self.to[1],
            command_type=type(self.command).__name__,
            command_offset=self.offset,
            body_hash=b"",
            result=result,
            code=code,
            message=message,
            version=version,
            events=events,
            actor=actor,
            correlation_id=self.correlation or self.command_id,
            causation_id=self.cause or self.command_id,
        )
