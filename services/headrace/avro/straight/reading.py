"""Reading by straight-line code: a record's bytes, field after field, into the arguments of its class.

In generated code `b` is the frame, `q` the place of the next byte and `end` the frame's length. What has a length is
`b[p:q]`; whether the frame has all of it is asked once, at the end: places only grow, and no byte is read behind it.
"""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any, Final

import msgspec

from headrace.avro.straight import from_bytes
from headrace.avro.straight.shape import Choice, Fixed, Items, Pairs, Record, Shape, Simple, Union
from headrace.avro.straight.source import Source

GIVEN: Final[dict[str, Any]] = {
    "NEAR": from_bytes.NEAR,
    "BOOLEANS": (False, True),
    "EPOCH": from_bytes.EPOCH,
    "far": from_bytes.far,
    "far_int": from_bytes.far_int,
    "far_index": from_bytes.far_index,
    "span": from_bytes.span,
    "block": from_bytes.block,
    "no_branch": from_bytes.no_branch,
    "no_value": from_bytes.no_value,
    "float_of": from_bytes.float_of,
    "double_of": from_bytes.double_of,
    "day": date.fromordinal,
    "convert": msgspec.convert,
}


def reading(shapes: Sequence[Record | None]) -> tuple[str, Callable[[bytes, int], tuple[Any, ...]]]:
    """Source of, and the function that reads records one after the other: `(bytes, place) -> (Struct, place, …)`.

    After each record comes the place behind it; where there is no shape, None and the place where it would be.
    """
    known = [shape for shape in shapes if shape is not None]
    about = ", ".join(f"{shape.name} -> {shape.cls.__name__}" for shape in known)
    source = Source(about, "def read(b, q):", GIVEN)
    source.add("end = len(b)")
    found = []
    for number, shape in enumerate(shapes, 1):
        found.append("None" if shape is None else _read(source, shape, shape.cls.__name__))
        if number < len(shapes):
            place = source.local("place")
            source.add(f"{place} = q")
            found.append(place)
    source.add("if q > end:", "    raise EOFError('ends too early')", f"return {', '.join(found)}, q")
    return source.text, source.function("read")


def _read(source: Source, shape: Shape, of: str, value: str = "") -> str:
    """Add what reads one value; the local variable that holds it afterwards."""
    value = value or source.local(of.rpartition(".")[2])
    match shape:
        case Simple(kind=kind):
            _read_simple(source, kind, value)
        case Fixed(size=size):
            source.add("p = q", f"q += {size}", f"{value} = b[p:q]")
        case Choice():
            _read_choice(source, shape, value, of)
        case Record():
            _read_record(source, shape, value)
        case Items() | Pairs():
            _read_blocks(source, shape, value, of)
        case Union():
            _read_union(source, shape, value, of)
    limits = getattr(shape, "limits", None)
    if limits is not None:
        source.add(f"{value} = convert({value}, {source.constant('Limits', limits)})")
    return value


def _read_simple(source: Source, kind: str, value: str) -> None:
    match kind:
        case "null":
            source.add(f"{value} = None")
        case "boolean":
            source.add(f"{value} = BOOLEANS[b[q]]", "q += 1")
        case "int" | "long" | "date":
            _read_number(source, value, "far_int" if kind == "int" else "far")
        case "float" | "double":
            size = 4 if kind == "float" else 8
            source.add("p = q", f"q += {size}", f"{value} = {kind}_of(b[p:q])")
        case "string" | "bytes":
            _read_span(source)
            source.add(f"{value} = b[p:q]" + (".decode()" if kind == "string" else ""))
    if kind == "date":
        source.add(f"{value} = day({value} + EPOCH)")


def _read_number(source: Source, value: str, otherwise: str) -> None:
    source.add(
        f"{value} = b[q]",
        f"if {value} < 128:",
        f"    {value} = NEAR[{value}]",
        "    q += 1",
        "else:",
        f"    {value}, q = {otherwise}(b, q)",
    )


def _read_span(source: Source) -> None:
    source.add(
        "n = b[q]",
        "if n & 129:",
        "    p, q = span(b, q)",
        "else:",
        "    p = q + 1",
        "    q = p + (n >> 1)",
    )


def _read_index(source: Source) -> None:
    source.add("n = b[q]", "if n < 128:", "    q += 1", "else:", "    n, q = far_index(b, q)")


def _read_choice(source: Source, shape: Choice, value: str, of: str) -> None:
    if shape.kind == "enum":
        values = source.constant("SYMBOLS", tuple(shape.values.get(symbol) for symbol in shape.symbols))
        _read_index(source)
        source.add(f"if n & 1 or n > {2 * len(shape.symbols) - 2}:", f"    raise no_branch(n, {of!r})")
        source.add(f"{value} = {values}[n >> 1]")
    elif shape.kind == "string":
        values = source.constant("VALUES", {text.encode(): value for text, value in shape.values.items()})
        _read_span(source)
        source.add(f"{value} = {values}.get(b[p:q])")
    else:
        _read_number(source, value, "far")
        source.add(f"n = {value}", f"{value} = {source.constant('VALUES', shape.values)}.get(n)")
    found = {"enum": "n >> 1", "string": "b[p:q]"}.get(shape.kind, "n")
    source.add(f"if {value} is None:", f"    raise no_value({found}, {of!r})")


def _read_record(source: Source, shape: Record, value: str) -> None:
    values = {}
    for member in shape.members:
        values[member.attribute] = _read(source, member.shape, f"{shape.cls.__name__}.{member.name}")
    taken = [f"{name}={values[name]}" if by_name else values[name] for name, by_name in shape.call]
    source.add(f"{value} = {source.constant(shape.cls.__name__, shape.cls)}({', '.join(taken)})")


def _read_blocks(source: Source, shape: Items | Pairs, value: str, of: str) -> None:
    count = source.local("count")
    source.add(f"{value} = {'[]' if isinstance(shape, Items) else '{}'}")
    with source.block("while True:"):
        _read_number(source, count, "far")
        source.add(f"if not {count}:", "    break")
        source.add(f"if {count} < 0 or {count} > end - q:", f"    {count}, q = block(b, q, {count})")
        with source.block(f"for _ in range({count}):"):
            if isinstance(shape, Items):
                source.add(f"{value}.append({_read(source, shape.item, f'{of}.item')})")
            else:
                key = _read(source, Simple("string"), f"{of}.key")
                source.add(f"{value}[{key}] = {_read(source, shape.value, f'{of}.value')}")
    if isinstance(shape, Items) and shape.is_tuple:
        source.add(f"{value} = tuple({value})")


def _read_union(source: Source, shape: Union, value: str, of: str) -> None:
    _read_index(source)
    for index, branch in enumerate(shape.branches):
        with source.block(f"{'elif' if index else 'if'} n == {2 * index}:"):
            _read(source, branch, of, value)
    source.add("else:", f"    raise no_branch(n, {of!r})")
