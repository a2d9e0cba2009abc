"""How records of one contract are read and written: by straight-line functions, or by fastavro where those cannot."""

from collections.abc import Callable
from datetime import date
from io import BytesIO
from typing import Any, Final, TypeAlias

import msgspec
from fastavro import schemaless_reader, schemaless_writer
from msgspec import Struct

from headrace.avro.contract import Catalogue, Contract, split
from headrace.avro.guard import as_wanted, as_written
from headrace.avro.schema import Schema
from headrace.avro.straight import NotStraight, Piece, reader_for, writer_for

NATIVE: Final = (bytes, date)

Reader: TypeAlias = Callable[[bytes, int], tuple[Any, int]]
"""From a frame and a place in it to the Struct that lies there and the place after it."""
Writer: TypeAlias = Callable[[Any, Any, Any], bytes]
"""From meta, body and state to a frame."""


class Form(Struct, frozen=True):
    """A contract's functions; a record has no meta or no state where their reader is None."""

    contract: Contract
    name: str
    is_command: bool
    read_meta: Reader | None
    read_body: Reader
    read_state: Reader | None
    write: Writer
    upcast: Callable[[Any], Any] | None


def form_of(
    contract: Contract, catalogue: Catalogue, kinds: tuple[Any, Any, Any], upcast: Callable[[Any], Any] | None
) -> Form:
    """The form of a contract whose meta, body and state become `kinds`; an older one is resolved to the newest."""
    newest = catalogue.newest[contract.domain, contract.name]
    writers = split(contract)
    wanted: tuple[Schema | None, ...] = split(newest) if newest.id != contract.id else (None, None, None)
    readers = [
        _reader(writer, reader, kind) if writer else None
        for writer, reader, kind in zip(writers, wanted, kinds, strict=True)
    ]
    body = readers[1]
    assert body is not None  # noqa: S101 - every record has fields of its own, if only none of them
    return Form(
        contract,
        contract.name,
        contract.kind == "command",
        readers[0],
        body,
        readers[2],
        _writer([(schema, kind) if schema else None for schema, kind in zip(writers, kinds, strict=True)], contract.id),
        upcast,
    )


def _reader(writer: Schema, wanted: Schema | None, kind: type) -> Reader:
    """Straight-line where a record is read as it was written, fastavro where it is resolved to a newer schema."""
    if wanted is None:
        try:
            return reader_for(writer, kind)
        except NotStraight:
            pass
    written, resolved = as_written(writer), wanted and as_wanted(wanted)

    def read(frame: bytes, at: int) -> tuple[Any, int]:
        source = BytesIO(frame)
        source.seek(at)
        value: Any = msgspec.convert(schemaless_reader(source, written, resolved), kind)
        return value, source.tell()

    return read


def _writer(pieces: list[Piece | None], schema_id: int) -> Writer:
    prefix = schema_id.to_bytes(5, "big")
    meta, body, state = pieces
    assert body is not None  # noqa: S101 - as above
    try:
        return writer_for(meta, body, state, prefix)
    except NotStraight:
        schemas = [piece and as_written(piece[0]) for piece in pieces]

    def write(*values: Any) -> bytes:
        target = BytesIO(prefix)
        target.seek(len(prefix))
        for schema, value in zip(schemas, values, strict=True):
            if schema is not None:
                schemaless_writer(target, schema, msgspec.to_builtins(value, builtin_types=NATIVE))
        return target.getvalue()

    return write
