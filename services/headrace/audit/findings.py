"""What a walk along a chain can find, and what it compares with: rows, and what was signed of them. Pure."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from msgspec import Struct

from headrace.audit.chain import Content, Head

CHANGED: Final = "changed"
REMOVED: Final = "removed"
INSERTED: Final = "inserted"
MOVED: Final = "moved"
REWRITTEN: Final = "rewritten"

Why = tuple[str, str]
"""The kind of a finding, and what is wrong."""


class Row(NamedTuple):
    """A row as its table has it; `number` and `hash` are None for one outside of the chain."""

    offset: int
    aggregate_id: str
    version: int
    number: int | None
    hash: bytes | None
    content: Content


class Finding(Struct, frozen=True):
    """What is wrong where; without an offset it is about a whole partition, or about a row that is gone."""

    topic: str
    partition: int
    offset: int | None
    aggregate_id: str | None
    version: int | None
    kind: str
    what: str


class Seen(NamedTuple):
    """Where a row lies, and its hash."""

    offset: int
    hash: bytes


class Pin(Struct, frozen=True):
    """What was signed of a chain: its head then; `source` says by what."""

    head: Head
    source: str


class Pins:
    """What was signed of one partition, beside its rows as they are now."""

    def __init__(self, head: Head, pins: Iterable[Pin]) -> None:
        self._head = head
        self._pins = sorted(pins, key=lambda pin: pin.head.length)
        self._wanted = {(pin.head.length, pin.head.offset, pin.head.hash) for pin in self._pins}
        self._found: set[tuple[int, int, bytes]] = set()

    def see(self, number: int, row: Seen) -> None:
        """The row of this number."""
        if (number, *row) in self._wanted:
            self._found.add((number, *row))

    def wrong(self) -> Iterator[Why]:
        """The first that does not hold, and from where on it does not."""
        proven, since = 0, "anywhere below"
        for pin in self._pins:
            said = pin.head
            if (said.starts_at, said.unchained) != (self._head.starts_at, self._head.unchained):
                yield REWRITTEN, f"{pin.source} says that the chain begins at offset {said.starts_at}, not so here"
                return
            if said.length and (said.length, said.offset, said.hash) not in self._found:
                which = f"rows {proven + 1} to {said.length} of the chain, {since}"
                yield (
                    REWRITTEN,
                    f"up to offset {said.offset} it is not what {pin.source} signed: of {which}, some are forged",
                )
                return
            proven, since = said.length, f"behind offset {said.offset}"
