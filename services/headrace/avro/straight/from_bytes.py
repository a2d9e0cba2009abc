"""What generated code calls to read what is rare or long: numbers of more than a byte, and all that is refused."""

import struct
from datetime import date
from typing import Final

EPOCH: Final = date(1970, 1, 1).toordinal()
SMALLEST_INT: Final = -(2**31)
LARGEST_INT: Final = 2**31 - 1
NEAR: Final = tuple(n >> 1 ^ -(n & 1) for n in range(128))


def far(b: bytes, q: int) -> tuple[int, int]:
    """The long of two bytes or more at a place, and the place after it.

    A step adds a byte, less one for the bit by which the byte before had said that there is more. Four bytes by
    themselves, because Python is quickest below 30 bits.
    """
    n = b[q] + (b[q + 1] - 1 << 7)
    q += 2
    if n >> 14:
        n += b[q] - 1 << 14
        q += 1
        if n >> 21:
            n += b[q] - 1 << 21
            q += 1
            if n >> 28:
                return _farther(b, q, n - 2**28)
    return ~(n >> 1) if n & 1 else n >> 1, q


def _farther(b: bytes, q: int, low: int) -> tuple[int, int]:
    high, shift = b[q], 7
    q += 1
    while high >> shift:
        high += b[q] - 1 << shift
        q += 1
        shift += 7
        if shift == 42:  # noqa: PLR2004 - that was the tenth byte, whatever it says
            break
    if high >> 36:
        raise OverflowError("a number of more than 64 bits")
    n = (low >> 1) + (high << 27)
    return ~n if low & 1 else n, q


def far_int(b: bytes, q: int) -> tuple[int, int]:
    """`far` for Avro's int."""
    n, q = far(b, q)
    if not SMALLEST_INT <= n <= LARGEST_INT:
        raise OverflowError(f"{n} in an int of 32 bits")
    return n, q


def far_index(b: bytes, q: int) -> tuple[int, int]:
    """The index of two bytes or more at a place, in zigzag as one of a single byte stands there; the place after it."""
    n, q = far(b, q)
    return n << 1 ^ n >> 63, q


def span(b: bytes, q: int) -> tuple[int, int]:
    """Start and end of what its length, at a place, says is long, or negative."""
    n, p = far(b, q) if b[q] > 0x7F else (NEAR[b[q]], q + 1)  # noqa: PLR2004 - the bit that says that more follows
    if n < 0:
        raise ValueError(f"{n} bytes of text or bytes")
    return p, p + n


def block(b: bytes, q: int, n: int) -> tuple[int, int]:
    """How many items a block has whose count is negative, or more than there are bytes left, and where they begin."""
    if n < 0:
        # A negative count stands before the block's size in bytes, for readers that would skip it.
        _, q = far(b, q) if b[q] > 0x7F else (0, q + 1)  # noqa: PLR2004 - likewise
        n = -n
    if n > len(b) - q:
        raise EOFError(f"a block of {n} items in {len(b) - q} bytes")
    return n, q


def no_branch(n: int, of: str) -> IndexError:
    """The error of an index, in zigzag, that a union or an enum does not have."""
    return IndexError(f"{n >> 1 ^ -(n & 1)} is no index of {of}")


def no_value(found: object, of: str) -> ValueError:
    """The error of a value that is none of those that there are."""
    return ValueError(f"{found!r} is no value of {of}")


def float_of(b: bytes) -> float:
    """Avro's float."""
    return _unpacked(_FLOAT, b)


def double_of(b: bytes) -> float:
    """Avro's double."""
    return _unpacked(_DOUBLE, b)


def _unpacked(form: struct.Struct, b: bytes) -> float:
    if len(b) < form.size:
        raise EOFError("ends in the middle of a number")
    number: float = form.unpack(b)[0]
    return number


_FLOAT: Final = struct.Struct("<f")
_DOUBLE: Final = struct.Struct("<d")
