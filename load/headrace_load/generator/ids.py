"""Ids that say where they come from: a command's id holds the run, whether it is sent once, and when it was due.

So whoever sees a command's event knows how long it took, without asking who sent it. A command id is a UUID of version
8 (RFC 9562: the content is ours to choose):

    rrrrrrrr-wwww-8fss-8sss-uuuuuuuuuuuu

`r` the run, `w` the worker, `f` 0 for an id that is sent once and 1 for others, `s` a counter, `u` microseconds from
the run's start to the time at which the command was due.
"""

from typing import Final

# An Avro string of 36 bytes begins with its length, zigzag: 72, which is "H".
LENGTH: Final = b"H"
ID_BYTES: Final = 36
COUNTER: Final = 0xFFFFF
LARGEST_DUE: Final = 0xFFFFFFFFFFFF


def command_id(run: str, worker: int, counter: int, due_us: int, *, once: bool = True) -> str:
    """The id of a command; ids of one worker differ in their due time or in the last 20 bits of the counter."""
    kept = counter & COUNTER
    return f"{run}-{worker:04x}-8{'0' if once else '1'}{kept >> 12:02x}-8{kept & 0xFFF:03x}-{due_us:012x}"


def order_id(run: str, key: int, number: int) -> str:
    """The id of a key's order of that number; all of a run are equally long."""
    return f"{run}.{key:06x}.{number:08x}"


def order_id_mark(run: str) -> bytes:
    """What the ids of all orders of a run begin with, and those of no other."""
    return f"{run}.".encode()


class Due:
    """Reads the due time out of the command id in an event or an outcome of one run."""

    def __init__(self, run: str) -> None:
        self._mark = LENGTH + run.encode() + b"-"

    def read(self, frame: bytes) -> int | None:
        """Microseconds from the run's start; None for a frame of another run, and for ids that are sent again."""
        # An event names its aggregate first; an order's id has another length, and no dash after the run.
        at = frame.find(self._mark, 5, 500)
        if at < 0 or frame[at + 16] != 0x30:  # noqa: PLR2004 - "0": sent once
            return None
        return int(frame[at + 25 : at + 37], 16)
