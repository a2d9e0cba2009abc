"""Records read and written by straight-line Python, made for each schema and class when the process starts.

fastavro walks a schema for each record and hands over a dict; here the walk is done once, and what it leaves behind is
a function that goes from bytes to Structs, or back, and does nothing else. It is stricter than fastavro where fastavro
would write something else than it was given, and reads only what was written by the very schema that it was made for.
"""

from typing import TypeAlias

from headrace.avro.schema import Schema
from headrace.avro.straight.reading import reading
from headrace.avro.straight.shape import NotStraight, shape_of
from headrace.avro.straight.writing import writing

__all__ = ["NotStraight", "Piece", "source_of"]

Piece: TypeAlias = tuple[Schema, type]


def source_of(meta: Piece | None, body: Piece, state: Piece | None, prefix: bytes = b"") -> str:
    """The source that is compiled for a record: a function that writes it, and one that reads it."""
    pieces = (("meta", meta), ("body", body), ("state", state))
    written = writing([(name, piece and shape_of(*piece)) for name, piece in pieces], prefix)[0]
    return written + "\n\n" + reading([piece and shape_of(*piece) for _, piece in pieces])[0]
