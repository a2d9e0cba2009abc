"""Writing by straight-line code: the attributes of messages, field after field, into one frame.

In generated code `o` holds the parts that are written, as far as something that repeats or branches ends them.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import Any, Final

from headrace.avro.straight import to_bytes
from headrace.avro.straight.from_bytes import EPOCH, LARGEST_INT, SMALLEST_INT
from headrace.avro.straight.shape import Choice, Fixed, Items, Pairs, Record, Shape, Simple, Union
from headrace.avro.straight.source import Source

GIVEN: Final[dict[str, Any]] = {
    "LONG": to_bytes.LONG,
    "SIZE": to_bytes.SIZE,
    "EPOCH": EPOCH,
    "date": date,
    "long": to_bytes.long,
    "int32": to_bytes.int32,
    "single": to_bytes.single,
    "double": to_bytes.double,
    "boolean": to_bytes.boolean,
    "plain": to_bytes.plain,
    "fixed": to_bytes.fixed,
    "items": to_bytes.items,
    "among": to_bytes.among,
    "misfit": to_bytes.misfit,
}
# In a union a text's length and its branch are one part; a union of two with null has one of these.
SIZES: Final = {0: to_bytes.Sizes(to_bytes.LONG[0]), 1: to_bytes.SIZE_OF_SECOND}
NEAREST: Final = to_bytes.NEAREST
NULL: Final = Simple("null")
OF_TYPE: Final = {
    "null": "{0} is None",
    "boolean": "{0} is True or {0} is False",
    "int": f"type({{0}}) is int and {SMALLEST_INT} <= {{0}} <= {LARGEST_INT}",
    "long": "type({0}) is int",
    "float": "type({0}) is float",
    "double": "type({0}) is float",
    "bytes": "type({0}) is bytes",
    "string": "isinstance({0}, str)",
    "date": "isinstance({0}, date)",
}


class _Parts:
    """The expressions of one frame's parts, in order, as far as they are not yet in `o`."""

    def __init__(self, source: Source, *, is_open: bool = False) -> None:
        self.source = source
        self.waiting: list[str] = []
        self._is_open = is_open

    def add(self, *expressions: str) -> None:
        self.waiting += expressions

    def flush(self) -> None:
        """Put what waits into `o`, which is there from then on."""
        if not self._is_open:
            self._lines("o = [", "]")
        elif len(self.waiting) == 1:
            self.source.add(f"o.append({self.waiting[0]})")
        elif self.waiting:
            self._lines("o += (", ")")
        self.waiting, self._is_open = [], True

    def finish(self) -> None:
        """Return all of it."""
        if self._is_open:
            self.flush()
            self.source.add("return b''.join(o)")
        else:
            self._lines("return b''.join([", "])")

    def _lines(self, opening: str, closing: str) -> None:
        self.source.add(opening, *(f"    {expression}," for expression in self.waiting), closing)


def writing(
    parts: Sequence[tuple[str, Record | None]], prefix: bytes, ready: str = ""
) -> tuple[str, Callable[..., bytes]]:
    """Source of, and the function that takes the parts of a record by position and gives its frame, after the prefix.

    What it is given for a part without a shape is left out. With a part that is `ready` it takes no such parts, and of
    that one the bytes of each field, in the order of the class, which it only puts into the order of the schema.
    """
    taken: list[str] = []
    about: list[str] = []
    for name, shape in parts:
        if shape is None:
            taken += [] if ready else [name]
            continue
        taken += [field for field, _ in shape.call] if name == ready else [name]
        about.append(shape.cls.__name__ + " in bytes" * (name == ready))
    source = Source(f"{' + '.join(about)} -> bytes", f"def write({', '.join(taken)}):", GIVEN)
    frame = _Parts(source)
    if prefix:
        frame.add(source.constant("PREFIX", prefix))
    for name, shape in parts:
        if shape is not None and name == ready:
            frame.add(*(member.attribute for member in shape.members))
        elif shape is not None:
            _write(frame, shape, name)
    frame.finish()
    return source.text, source.function("write")


def _write(frame: _Parts, shape: Shape, x: str) -> None:
    """Add the parts of the value that the expression `x` stands for."""
    match shape:
        case Simple(kind=kind):
            _write_simple(frame, kind, x)
        case Fixed(size=size):
            frame.add(f"fixed({x}, {size})")
        case Choice():
            frame.add(f"{_bytes_of(frame.source, shape)}[{x}]")
        case Record():
            _write_record(frame, shape, x)
        case Items() | Pairs():
            _write_block(frame, shape, x)
        case Union(branches=branches) if all(isinstance(branch, Simple | Fixed | Choice) for branch in branches):
            _write_simple_union(frame, shape, x)
        case Union():
            _write_union(frame, shape, x)


def _write_simple(frame: _Parts, kind: str, x: str, sizes: str = "SIZE") -> None:
    source = frame.source
    value = x if x.isidentifier() and kind in ("int", "long", "bytes") else source.local(_stem(x))
    match kind:
        case "null":
            source.add(f"if {x} is not None:", f"    raise misfit({x}, 'null')")
        case "boolean":
            source.add(f"{value} = {x}")
            frame.add(f"(b'\\1' if {value} is True else boolean({value}))")
        case "int" | "long" | "date":
            if value != x:
                source.add(f"{value} = {x}" + (".toordinal() - EPOCH" if kind == "date" else ""))
            otherwise = "int32" if kind == "int" else "long"
            frame.add(f"(LONG[{value}] if {-NEAREST} <= {value} < {NEAREST} else {otherwise}({value}))")
        case "float":
            frame.add(f"single({x})")
        case "double":
            frame.add(f"double({x})")
        case "string":
            source.add(f"{value} = {x}.encode()")
            frame.add(f"{sizes}[len({value})]", value)
        case "bytes":
            if value != x:
                source.add(f"{value} = {x}")
            source.add(f"if type({value}) is not bytes:", f"    {value} = plain({value})")
            frame.add(f"{sizes}[len({value})]", value)


def _write_record(frame: _Parts, shape: Record, x: str) -> None:
    record = x
    if "." in x:
        record = frame.source.local(_stem(x))
        frame.source.add(f"{record} = {x}")
    if not shape.members:
        name = shape.cls.__name__
        frame.source.add(
            f"if type({record}) is not {frame.source.constant(name, shape.cls)}:",
            f"    raise misfit({record}, {name!r})",
        )
    for member in shape.members:
        _write(frame, member.shape, f"{record}.{member.attribute}")


def _write_block(frame: _Parts, shape: Items | Pairs, x: str) -> None:
    """One block with all that there is, if there is something, and the empty block that ends it."""
    source, several, item = frame.source, frame.source.local(_stem(x)), frame.source.local("item")
    frame.flush()
    if isinstance(shape, Items):
        source.add(f"{several} = {x}", f"if type({several}) is not list:", f"    {several} = items({several})")
    else:
        source.add(f"{several} = {x}.items()")
    with source.block(f"if {several}:"):
        source.add(f"o.append(SIZE[len({several})])")
        if isinstance(shape, Items):
            with source.block(f"for {item} in {several}:"):
                _write(frame, shape.item, item)
                frame.flush()
        else:
            key = source.local("key")
            with source.block(f"for {key}, {item} in {several}:"):
                _write_simple(frame, "string", key)
                _write(frame, shape.value, item)
                frame.flush()
    frame.add("b'\\0'")


def _write_simple_union(frame: _Parts, shape: Union, x: str) -> None:
    """One part whatever the branch: its index, or that and a length in one, and what follows it."""
    source, value, whole = frame.source, frame.source.local(_stem(x)), frame.source.local(f"{_stem(x)}_whole")
    source.add(f"{value} = {x}")
    for index, branch, line in _branches(source, shape, value):
        with source.block(line):
            alone = _Parts(source)
            if isinstance(branch, Simple) and branch.kind in ("string", "bytes") and index in SIZES:
                _write_simple(alone, branch.kind, value, source.constant("SIZE", SIZES[index]))
            else:
                alone.add(repr(to_bytes.LONG[index]))
                if branch != NULL:
                    _write(alone, branch, value)
            source.add(f"{whole} = {' + '.join(alone.waiting)}")
    _refuse_others(source, shape, value)
    frame.add(whole)


def _write_union(frame: _Parts, shape: Union, x: str) -> None:
    source, value = frame.source, frame.source.local(_stem(x))
    frame.flush()
    source.add(f"{value} = {x}")
    for index, branch, line in _branches(source, shape, value):
        with source.block(line):
            frame.add(repr(to_bytes.long(index)))
            if branch != NULL:
                _write(frame, branch, value)
            frame.flush()
    _refuse_others(source, shape, value)


def _refuse_others(source: Source, shape: Union, value: str) -> None:
    if not _is_nullable(shape):
        source.add("else:", f"    raise misfit({value}, 'a union')")


def _is_nullable(shape: Union) -> bool:
    return len(shape.branches) == 2 and NULL in shape.branches  # noqa: PLR2004 - null and what it may be instead


def _branches(source: Source, shape: Union, value: str) -> Iterator[tuple[int, Shape, str]]:
    """Index and shape of each branch, null first, and the line that chooses it; one beside null has what is left."""
    word = "if"
    for index, branch in sorted(enumerate(shape.branches), key=lambda each: each[1] != NULL):
        is_left = _is_nullable(shape) and branch != NULL
        yield index, branch, "else:" if is_left else f"{word} {_is_of(source, branch, value)}:"
        word = "elif"


def _is_of(source: Source, shape: Shape, value: str) -> str:
    match shape:
        case Simple(kind=kind):
            return OF_TYPE[kind].format(value)
        case Fixed(size=size):
            return f"type({value}) is bytes and len({value}) == {size}"
        case Choice():
            return f"among({value}, {_bytes_of(source, shape)})"
        case Record():
            return f"type({value}) is {source.constant(shape.cls.__name__, shape.cls)}"
        case Items():
            return f"isinstance({value}, (list, tuple))"
        case Pairs() | Union():
            return f"isinstance({value}, dict)"


def _stem(x: str) -> str:
    """What a value is called after: the attribute that it comes from."""
    return x.rpartition(".")[2]


def _bytes_of(source: Source, shape: Choice) -> str:
    """The table of the few values' bytes."""
    return source.constant("VALUES", to_bytes.values_of(shape))
