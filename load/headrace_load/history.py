"""What the clients of a run saw: one JSON object a line for each command sent, and a last line that says it is all.

The load generator and the chaos runner write it, the verifier reads it (`headrace verify --history FILE`). Times are
milliseconds since 1970 by the client's clock, which all clients of one history share.

    {"op": "send", "command_id": "…", "aggregate": "orders", "aggregate_id": "o-1", "start_ms": 1.0, "end_ms": 2.5,
     "result": "ok", "partition": 3, "offset": 17}
    {"op": "complete", "sent": 1}
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self

import msgspec

Result = Literal["ok", "fail", "info"]


class Sent(msgspec.Struct, frozen=True, gc=False, tag_field="op", tag="send", omit_defaults=True):
    """One record that a client produced to a command topic, from handing it over until its delivery was told.

    `result` is ok when the broker confirmed it, then `partition` and `offset` say where it lies; fail when it surely
    lies nowhere (the client's queue was full, the record too large); info when it may lie there or not (a timeout, a
    broken connection, a client that was killed). A resend is an operation of its own with the same `command_id`; what
    is sent on purpose and is no command has an empty one.
    """

    command_id: str
    aggregate: str
    """The domain's name, `orders`: the topic is `<aggregate>.commands`."""
    aggregate_id: str
    start_ms: float
    end_ms: float
    result: Result
    partition: int | None = None
    offset: int | None = None


class Complete(msgspec.Struct, frozen=True, tag_field="op", tag="complete"):
    """The last line: every operation of every client that wrote to these topics is in this history."""

    sent: int


class BrokenHistory(ValueError):  # noqa: N818 - an answer to the one who asked
    """The file is no history; the message is one line with file, line number and reason."""


LINE: Final = msgspec.json.Decoder(Sent | Complete)


class HistoryWriter:
    """Writes a history. Not for several threads at once: call it where delivery reports are served.

    A run whose operations are all in says so by `complete()`, or else the verifier will not take a command that is not
    in the history for a wrong one.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._encode = msgspec.json.Encoder().encode
        self._sent = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def write(self, operation: Sent) -> None:
        """Add an operation that is over."""
        self._file.write(self._encode(operation) + b"\n")
        self._sent += 1

    def complete(self) -> None:
        """Say that no operation is missing; nothing may be written after it."""
        self._file.write(self._encode(Complete(self._sent)) + b"\n")

    def close(self) -> None:
        """Write out what is left and close the file."""
        self._file.close()


class HistoryReader:
    """Reads a history, operation by operation, in the order of the file; `complete` is known afterwards.

    Raises `BrokenHistory` when the file cannot be read or a line is not what it must be.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.complete = False

    def __iter__(self) -> Iterator[Sent]:
        self.complete = False
        try:
            with self._path.open("rb") as file:
                yield from self._operations(file)
        except OSError as error:
            raise BrokenHistory(f"cannot read the history {self._path}: {error.strerror}") from error

    def _operations(self, lines: Iterable[bytes]) -> Iterator[Sent]:
        sent = 0
        for number, line in enumerate(lines, 1):
            try:
                operation = LINE.decode(line)
                if self.complete:
                    raise ValueError("more follows the line that says it is complete")
                if isinstance(operation, Complete):
                    self._close(operation.sent, sent)
                    continue
                if operation.result == "ok" and (operation.partition is None or operation.offset is None):
                    raise ValueError("ok, without its partition and offset")
            except (msgspec.MsgspecError, ValueError) as error:
                raise BrokenHistory(f"{self._path} line {number}: {error}") from error
            sent += 1
            yield operation

    def _close(self, told: int, sent: int) -> None:
        if told != sent:
            raise ValueError(f"says that {told} operations are all, {sent} lie before")
        self.complete = True
