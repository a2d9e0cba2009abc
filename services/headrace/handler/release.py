"""What a redrive and a discard have in common: those who wait are answered in order, until one fails."""

from collections.abc import Callable, Sequence

from headrace.avro.codec import UnknownSchema
from headrace.handler.notes import LONGEST
from headrace.handler.parking import Waiting
from headrace.handler.replies import Answer
from headrace.kernel.errors import Fault, NotParked, ReasonMissing, StillFailing
from headrace.kernel.message import DiscardParked, RedriveParked


def reason_of(command: RedriveParked | DiscardParked) -> str | None:
    """Why the commands that wait are given up; None when they are to be redriven."""
    if isinstance(command, RedriveParked):
        return None
    if not 0 < len(command.reason.strip()) <= LONGEST:
        raise ReasonMissing
    return command.reason


def release(
    queue: Sequence[Waiting], answer_one: Callable[[Waiting], Answer]
) -> tuple[list[Answer], StillFailing | None]:
    """The answers to those who wait, up to the first that fails; raises `NotParked` when nobody waits."""
    if not queue:
        raise NotParked
    released: list[Answer] = []
    for waiting in queue:
        try:
            released.append(answer_one(waiting))
        except Exception as error:  # noqa: BLE001 - whatever the domain's code raises
            refuse_passing(error)
            return released, StillFailing(f"{type(error).__name__} at command offset {waiting.offset}")
    return released, None


def refuse_passing(error: Exception) -> None:
    """What passes by itself parks nothing: memory that was short, an event that only a newer version can read."""
    if isinstance(error, UnknownSchema):
        raise error
    if isinstance(error, MemoryError) or isinstance(error.__cause__, MemoryError):
        raise Fault("out of memory while a command was answered: nothing of its batch is committed") from error
