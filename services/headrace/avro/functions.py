"""The functions that read and write records: straight-line Python, or, where they are built, compiled ones.

Both give the same bytes, the same values and the same errors. The compiled ones need a C compiler when the package is
built, and nothing when it runs.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec import Struct

from headrace.avro.schema import Schema
from headrace.avro.straight import Piece, to_bytes
from headrace.avro.straight.reading import reading
from headrace.avro.straight.shape import Record, shape_of
from headrace.avro.straight.writing import writing
from headrace.kernel.errors import Misconfigured

try:
    from headrace.avro import compiled
except ImportError:
    compiled = None  # type: ignore[assignment]

Shapes = Sequence[Record | None]
Reading = Callable[[bytes, int], tuple[Any, ...]]
Writing = Callable[..., bytes]


class Functions(Struct, frozen=True):
    """One way to read and to write: what makes functions for shapes, and what writes single values."""

    name: str
    reading: Callable[[Shapes], Reading]
    writing: Callable[[Sequence[tuple[str, Record | None]], bytes, str], Writing]
    singles: tuple[Callable[[int], bytes], Callable[[str], bytes], Callable[[str | None], bytes]]
    """What writes a long, a text, and a text or null, each by itself."""

    def reader_for(self, schema: Schema, kind: type) -> Callable[[bytes, int], tuple[Any, int]]:
        """A function that reads a record at a place in a frame: it gives the Struct and the place after it.

        It raises what `codec.BROKEN` lists on bytes that are not such a record. This raises `NotStraight` where schema
        and class disagree, where a record contains itself, and where an array's items take no bytes.
        """
        made: Any = self.reading([shape_of(schema, kind)])
        return made  # type: ignore[no-any-return]

    def whole_reader_for(self, meta: Piece | None, body: Piece, state: Piece | None) -> Reading:
        """A function that reads meta, body and state, each with the place after it, and None for what has no piece.

        Both raise like `reader_for` and what it makes.
        """
        return self.reading([piece and shape_of(*piece) for piece in (meta, body, state)])

    def writer_for(
        self, meta: Piece | None, body: Piece | None, state: Piece | None, prefix: bytes = b"", ready: str = ""
    ) -> Writing:
        """A function that writes meta, body and state, one after the other, behind a prefix.

        It takes all three, and leaves out what has no piece. For the one that is `ready` ("meta" or "body") it takes
        the bytes of each field instead, in the order of the class, and checks nothing of them: what many records have
        in common need not be made for each. It raises what `codec.BROKEN` lists on values that their schema cannot
        hold; this raises like `reader_for`.
        """
        pieces = (("meta", meta), ("body", body), ("state", state))
        return self.writing([(name, piece and shape_of(*piece)) for name, piece in pieces], prefix, ready)


def _compiled_reading(shapes: Shapes) -> Reading:
    return compiled.Reader(shapes, reading(shapes)[1]).read


def _compiled_writing(parts: Sequence[tuple[str, Record | None]], prefix: bytes, ready: str) -> Writing:
    return compiled.Writer(parts, prefix, ready, writing(parts, prefix, ready)[1]).write


PYTHON: Final = Functions(
    "python",
    lambda shapes: reading(shapes)[1],
    lambda *parts: writing(*parts)[1],
    (to_bytes.long, to_bytes.text, to_bytes.text_or_null),
)
COMPILED: Final = compiled and Functions(
    "compiled", _compiled_reading, _compiled_writing, (compiled.long, compiled.text, compiled.text_or_null)
)
BEST: Final = COMPILED or PYTHON


def functions_called(name: str) -> Functions:
    """What HEADRACE_CODEC names: `auto` is the best that there is; `Misconfigured` when it is not there."""
    if name == "compiled" and COMPILED is None:
        raise Misconfigured(
            "HEADRACE_CODEC=compiled, and this installation was built without a C compiler: build it where there is "
            "one, or leave it at auto"
        )
    return {"auto": BEST, "compiled": BEST, "python": PYTHON}[name]


if __name__ == "__main__":
    built = "compiled" if COMPILED else "python: no C compiler was found, pure Python does its work"
    print(f"codec: {built}")  # noqa: T201 - `make setup` says so
