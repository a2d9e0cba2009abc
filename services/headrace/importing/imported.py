"""What comes out of a file: commands to send, and reports of what is no command."""

from typing import TypeAlias
from uuid import UUID, uuid5

from msgspec import Struct

from headrace.kernel.message import CommandMeta

LONGEST_DETAIL = 200  # characters
NAMESPACE = UUID("6f1d2c1e-8a57-5d0b-9d55-3f1f8f0e7a41")


class Asked(Struct, frozen=True):
    """A command to send to the aggregate called `aggregate`; its id is the same at every import of the same source.

    `file` and `line` are where it comes from.
    """

    aggregate: str
    meta: CommandMeta
    command: Struct
    file: str
    line: int


class Reported(Struct, frozen=True):
    """What is not imported: `reason` is one of a few, for counting, and `detail` what was found at that line."""

    file: str
    line: int
    reason: str
    detail: str = ""

    def __str__(self) -> str:
        """As compilers say it: file, line, what is wrong."""
        detail = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in self.detail)
        clipped = detail if len(detail) <= LONGEST_DETAIL else detail[:LONGEST_DETAIL] + "…"
        return f"{self.file}:{self.line}: {self.reason}" + (f": {clipped}" if clipped else "")


class Unusable(Exception):  # noqa: N818 - it is the line that is unusable
    """A line that is no command, or no part of one: the reason and the detail of its report."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail


Imported: TypeAlias = Asked | Reported


def derived_id(*source: str) -> str:
    """The command id that follows from where the command came from."""
    return str(uuid5(NAMESPACE, "\0".join(source)))
