"""The hash chain of a partition's rows: each row's hash is over the hash before it and over all that the row says.

It follows from the log alone: whoever keeps the same rows from the same offset on has the same hashes. Pure.
"""

from hashlib import sha256
from typing import Any, Final, TypeAlias

from msgspec import Struct, msgpack

Content: TypeAlias = tuple[Any, ...]
"""A row: topic, partition, offset, and the other columns in their table's order; times in microseconds since 1970."""

encode: Final = msgpack.Encoder().encode


class Head(Struct, frozen=True):
    """Where the chain of one partition stands.

    Every row from the offset `starts_at` on is in it; `unchained` rows lie below, older than the chain. `length` counts
    its rows, `offset` is the last one's (-1 for none), and `hash` is that one's hash.
    """

    starts_at: int
    unchained: int
    length: int
    offset: int
    hash: bytes


def beginning(topic: str, partition: int, starts_at: int = 0, unchained: int = 0) -> Head:
    """The head of a chain without rows."""
    said = encode(("headrace chain 1", topic, partition, starts_at, unchained))
    return Head(starts_at, unchained, 0, -1, sha256(said).digest())


def link(before: bytes, number: int, content: Content) -> bytes:
    """The hash of the row of this number (from 1) behind the row, or the beginning, whose hash is `before`.

    SHA-256 over that hash and the MessagePack array, in its shortest form, of the number and the content.
    """
    return sha256(before + encode((number, *content))).digest()
