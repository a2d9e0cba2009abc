"""Whether bytes are what an Avro schema says, to the letter, and where what it says ends.

fastavro takes a branch of index -1 for the last one, a number of more than 64 bits for some number, any byte but 0 for
true. Who decides what counts as a command may not: so commands are walked, value by value, and nothing is made of them.
"""

from collections.abc import Callable
from datetime import date
from typing import Any, Final

Walk = Callable[[bytes, int], int]
"""From a place in the bytes to the place after the value that lies there; raises one of BROKEN when none does."""

BROKEN: Final = (IndexError, EOFError, ValueError, OverflowError, RecursionError)
"""What a walk raises; UnicodeDecodeError is a ValueError."""

INT: Final = range(-(2**31), 2**31)
EPOCH: Final = date(1970, 1, 1).toordinal()
DAYS: Final = range(date.min.toordinal() - EPOCH, date.max.toordinal() - EPOCH + 1)
SIZES: Final = {"null": 0, "float": 4, "double": 8}
MOST_BYTES: Final = 10
MORE: Final = 0x80


def number(b: bytes, at: int) -> tuple[int, int]:
    """The long at a place, in zigzag and seven bits a byte, and the place after it."""
    value = 0
    for shift in range(0, 7 * MOST_BYTES, 7):
        byte = b[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < MORE:
            if value >> 64:
                break
            return (value >> 1) ^ -(value & 1), at
    raise OverflowError("a number of more than 64 bits")


def span(b: bytes, at: int) -> tuple[int, int]:
    """Where a text or bytes begin and end."""
    length, start = number(b, at)
    if length < 0:
        raise ValueError(f"{length} bytes")
    if start + length > len(b):
        raise EOFError("ends too early")
    return start, start + length


def text(b: bytes, at: int) -> tuple[str, int]:
    """The text at a place, and the place after it."""
    length = b[at]
    if length & 0x81:  # negative, or longer than what one byte tells
        start, end = span(b, at)
    elif (end := at + 1 + (length >> 1)) > len(b):
        raise EOFError("ends too early")
    else:
        start = at + 1
    return b[start:end].decode(), end


READERS: Final[dict[str, Callable[[bytes, int], tuple[Any, int]]]] = {"string": text, "long": number}


def optionals(fields: list[dict[str, Any]]) -> Callable[[bytes, int], tuple[dict[str, Any], int]]:
    """Reads fields that may each be null, else a text or a long: what they hold, and the place after the last one.

    Raises `ValueError` for other fields than that.
    """
    kinds = {field["name"]: field["type"][1] for field in fields if field["type"][:1] == ["null"]}
    plain = {name: kind["type"] if isinstance(kind, dict) else kind for name, kind in kinds.items()}
    if len(plain) != len(fields) or not set(plain.values()) <= READERS.keys():
        raise ValueError("a meta has fields that are neither a text nor a long, or that may not be null")
    readers = [(name, READERS[kind]) for name, kind in plain.items()]

    def read(b: bytes, at: int) -> tuple[dict[str, Any], int]:
        found: dict[str, Any] = {}
        for name, of in readers:
            index, at = number(b, at) if b[at] & 0x81 else (b[at] >> 1, at + 1)
            if index == 0:
                found[name] = None
            elif index == 1:
                found[name], at = of(b, at)
            else:
                raise IndexError(f"{index} is no branch of a union")
        return found, at

    return read


def walker(schema: Any, known: dict[str, Walk] | None = None) -> Walk:  # noqa: PLR0911 - one a kind
    """The walk of a schema; `known` has those of the named types so far."""
    known = {} if known is None else known
    if isinstance(schema, list):
        return _union([walker(branch, known) for branch in schema])
    if isinstance(schema, str):
        return known[schema] if schema in known else _simple(schema)
    match kind := schema["type"]:
        case "record":
            return _record(schema, known)
        case "array" | "map":
            return _blocks(walker(schema["items" if kind == "array" else "values"], known), named=kind == "map")
        case "enum":
            return _name(schema, known, _number_in(range(len(schema["symbols"]))))
        case "fixed":
            return _name(schema, known, _sized(schema["size"]))
        case "int" if schema.get("logicalType") == "date":
            return _number_in(DAYS)
        case _:
            return walker(kind, known)


def _simple(kind: str) -> Walk:
    if kind == "string":
        return _text
    if kind == "bytes":
        return lambda b, at: span(b, at)[1]
    if kind == "boolean":
        return _boolean
    if kind in SIZES:
        return _sized(SIZES[kind])
    return _long if kind == "long" else {"int": _number_in(INT)}[kind]


def _text(b: bytes, at: int) -> int:
    return text(b, at)[1]


def _long(b: bytes, at: int) -> int:
    return at + 1 if b[at] < MORE else number(b, at)[1]


def _boolean(b: bytes, at: int) -> int:
    if b[at] > 1:
        raise ValueError(f"the byte {b[at]} for true or false")
    return at + 1


def _sized(size: int) -> Walk:
    def walk(b: bytes, at: int) -> int:
        if at + size > len(b):
            raise EOFError("ends too early")
        return at + size

    return walk


def _number_in(allowed: range) -> Walk:
    def walk(b: bytes, at: int) -> int:
        value, at = number(b, at)
        if value not in allowed:
            raise OverflowError(f"{value} is not from {allowed[0]} to {allowed[-1]}")
        return at

    return walk


def _union(branches: list[Walk]) -> Walk:
    def walk(b: bytes, at: int) -> int:
        index, at = number(b, at) if b[at] & 0x81 else (b[at] >> 1, at + 1)
        if index < 0:
            raise IndexError(f"{index} is no branch of a union")
        return branches[index](b, at)

    return walk


def _blocks(item: Walk, *, named: bool) -> Walk:
    def walk(b: bytes, at: int) -> int:
        while True:
            count, at = number(b, at)
            if count == 0:
                return at
            if count < 0:  # then the block's size in bytes follows
                count, at = -count, number(b, at)[1]
            if count > len(b) - at:
                raise EOFError(f"a block of {count} items in {len(b) - at} bytes")
            for _ in range(count):
                at = item(b, _text(b, at) if named else at)

    return walk


def _record(schema: Any, known: dict[str, Walk]) -> Walk:
    steps: list[Walk] = []

    def walk(b: bytes, at: int) -> int:
        for step in steps:
            at = step(b, at)
        return at

    _name(schema, known, walk)  # before its fields, which may name it
    steps += [walker(field["type"], known) for field in schema["fields"]]
    return walk


def _name(schema: Any, known: dict[str, Walk], walk: Walk) -> Walk:
    """Make a type known by its name, with and without its namespace."""
    short = schema["name"].rpartition(".")[2]
    space = schema.get("namespace") or schema["name"].rpartition(".")[0]
    known[short] = known[f"{space}.{short}"] = walk
    return walk
