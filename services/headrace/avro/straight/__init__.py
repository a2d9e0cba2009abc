"""Records read and written by straight-line Python, made for each schema and class when the process starts.

fastavro walks a schema for each record and hands over a dict; here the walk is done once, and what it leaves behind is
a function that goes from bytes to Structs, or back, and does nothing else. It is stricter than fastavro where fastavro
would write something else than it was given, and reads only what was written by the very schema that it was made for.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

from headrace.avro.schema import Schema
from headrace.avro.straight.reading import reading
from headrace.avro.straight.shape import NotStraight, shape_of
from headrace.avro.straight.writing import writing

__all__ = ["NotStraight", "Piece", "reader_for", "source_of", "whole_reader_for", "writer_for"]

Piece: TypeAlias = tuple[Schema, type]


def reader_for(schema: Schema, kind: type) -> Callable[[bytes, int], tuple[Any, int]]:
    """A function that reads a record at a place in a frame: it gives the Struct and the place after it.

    It raises what `codec.BROKEN` lists on bytes that are not such a record. This raises `NotStraight` where schema and
    class disagree, where a record contains itself, and where an array's items take no bytes.
    """
    return reading([shape_of(schema, kind)])[1]


def whole_reader_for(meta: Piece | None, body: Piece, state: Piece | None) -> Callable[[bytes, int], tuple[Any, ...]]:
    """A function that reads meta, body and state, each with the place after it, and None for what has no piece.

    Both raise like `reader_for` and what it makes.
    """
    return reading([piece and shape_of(*piece) for piece in (meta, body, state)])[1]


def writer_for(
    meta: Piece | None, body: Piece | None, state: Piece | None, prefix: bytes = b"", ready: str = ""
) -> Callable[..., bytes]:
    """A function that writes meta, body and state, one after the other, behind a prefix.

    It takes all three, and leaves out what has no piece. For the one that is `ready` ("meta" or "body") it takes the
    bytes of each field instead, in the order of the class, and checks nothing of them: what many records have in
    common need not be made for each. It raises what `codec.BROKEN` lists on values that their schema cannot hold; this
    raises like `reader_for`.
    """
    return _writing(meta, body, state, prefix, ready)[1]


def source_of(meta: Piece | None, body: Piece, state: Piece | None, prefix: bytes = b"") -> str:
    """The source that is compiled for a record: a function that writes it, and one that reads it."""
    written = _writing(meta, body, state, prefix, "")[0]
    return written + "\n\n" + reading([piece and shape_of(*piece) for piece in (meta, body, state)])[0]


def _writing(
    meta: Piece | None, body: Piece | None, state: Piece | None, prefix: bytes, ready: str
) -> tuple[str, Callable[..., bytes]]:
    pieces = (("meta", meta), ("body", body), ("state", state))
    return writing([(name, piece and shape_of(*piece)) for name, piece in pieces], prefix, ready)
