"""What generated code calls to write: bytes made ready, numbers that have none, and all that is refused."""

import struct
from collections.abc import Sequence
from typing import Any, Final

from headrace.avro.straight.from_bytes import LARGEST_INT, SMALLEST_INT
from headrace.avro.straight.shape import Choice

GROUP: Final = 2**14  # what two bytes of a number hold
WITHIN_GROUP: Final = GROUP - 1
NEAREST: Final = GROUP // 2  # numbers from -NEAREST to NEAREST - 1 have their bytes ready


def _last(z: int) -> bytes:
    return bytes((z,)) if z < 0x80 else bytes((z & 0x7F | 0x80, z >> 7))  # noqa: PLR2004 - seven bits a byte


MORE: Final = [bytes((z & 0x7F | 0x80, z >> 7 | 0x80)) for z in range(GROUP)]
LAST: Final = [_last(z) for z in range(GROUP)]
LONG: Final = LAST[::2] + LAST[::-2]  # by the number itself: Python counts negative ones from the end


def long(n: int) -> bytes:
    """Avro's long: zigzag, seven bits a byte; two bytes at a time from tables."""
    z = n << 1 ^ n >> 63
    if z < GROUP:
        return LAST[z]
    if z < GROUP**2:
        return MORE[z & WITHIN_GROUP] + LAST[z >> 14]
    if z < GROUP**3:
        return MORE[z & WITHIN_GROUP] + MORE[z >> 14 & WITHIN_GROUP] + LAST[z >> 28]
    if z >= 2**64:
        raise OverflowError(f"{n} in a long of 64 bits")
    parts = []
    while z >= GROUP:
        parts.append(MORE[z & WITHIN_GROUP])
        z >>= 14
    return b"".join(parts) + LAST[z]


def int32(n: int) -> bytes:
    """Avro's int."""
    if not SMALLEST_INT <= n <= LARGEST_INT:
        raise OverflowError(f"{n} in an int of 32 bits")
    return long(n)


class Sizes(dict[int, bytes]):
    """The bytes before a text of so many bytes: the index of its branch, if it is in a union, and its length."""

    def __init__(self, branch: bytes = b"") -> None:
        self._branch = branch
        super().__init__((size, branch + LONG[size]) for size in range(1024))

    def __missing__(self, size: int) -> bytes:
        return self._branch + long(size)


SIZE: Final = Sizes()
SIZE_OF_SECOND: Final = Sizes(LONG[1])


def text(value: str) -> bytes:
    """Avro's string."""
    found = value.encode()
    return SIZE[len(found)] + found


def text_or_null(value: str | None) -> bytes:
    """A union of null and string, in this order."""
    if value is None:
        return b"\0"
    found = value.encode()
    return SIZE_OF_SECOND[len(found)] + found


class Values(dict[Any, bytes]):
    """The bytes of the few values that there are."""

    def __missing__(self, value: object) -> bytes:
        raise ValueError(f"{value!r} is none of {', '.join(map(repr, self))}")


def values_of(shape: Choice) -> Values:
    """The bytes of each value that there is."""
    if shape.kind == "enum":
        return Values({value: long(shape.symbols.index(symbol)) for symbol, value in shape.values.items()})
    if shape.kind == "string":
        return Values({value: text(key) for key, value in shape.values.items()})
    return Values({value: long(number) for number, value in shape.values.items()})


def misfit(value: object, wanted: str) -> TypeError:
    """The error of a value that is not what its schema wants."""
    return TypeError(f"{type(value).__name__} for {wanted}")


def boolean(value: object) -> bytes:
    """Avro's boolean, of nothing but True and False."""
    if value is True:
        return b"\1"
    if value is False:
        return b"\0"
    raise misfit(value, "a boolean")


def plain(value: object) -> bytes:
    """What is like bytes, as bytes; a memoryview's length is not always its size."""
    if not isinstance(value, bytes | bytearray | memoryview):
        raise misfit(value, "bytes")
    return bytes(value)


def fixed(value: object, size: int) -> bytes:
    """Avro's fixed."""
    found = plain(value)
    if len(found) != size:
        raise ValueError(f"{len(found)} bytes in a fixed of {size}")
    return found


def items(value: object) -> Sequence[Any]:
    """A list or a tuple, and no text, which would be taken apart."""
    if not isinstance(value, list | tuple):
        raise misfit(value, "an array")
    return value


def single(value: object) -> bytes:
    """Avro's float."""
    return _FLOAT.pack(_number(value))


def double(value: object) -> bytes:
    """Avro's double."""
    return _DOUBLE.pack(_number(value))


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise misfit(value, "a float")
    return float(value)


_FLOAT: Final = struct.Struct("<f")
_DOUBLE: Final = struct.Struct("<d")


def among(value: object, values: dict[Any, bytes]) -> bool:
    """Whether it is one of the few values that there are; what has no hash, as a record with a list, is none."""
    try:
        return not isinstance(value, bool) and value in values
    except TypeError:
        return False
