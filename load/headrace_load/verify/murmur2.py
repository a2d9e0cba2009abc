"""On which partition a key lies: Kafka's murmur2, as its Java clients compute it."""

import struct
from typing import Final

SEED: Final = 0x9747B28C
MULTIPLIER: Final = 0x5BD1E995
MASK: Final = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """The hash as an unsigned number of 32 bits."""
    length = len(data)
    whole = length & ~3
    value = SEED ^ length
    for (word,) in struct.iter_unpack("<I", data[:whole]):
        mixed = (word * MULTIPLIER) & MASK
        mixed = ((mixed ^ (mixed >> 24)) * MULTIPLIER) & MASK
        value = ((value * MULTIPLIER) & MASK) ^ mixed
    if rest := data[whole:]:
        value = ((value ^ int.from_bytes(rest, "little")) * MULTIPLIER) & MASK
    value = ((value ^ (value >> 13)) * MULTIPLIER) & MASK
    return value ^ (value >> 15)


def partition_of(key: bytes, partitions: int) -> int:
    """The partition of a key among so many."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions
