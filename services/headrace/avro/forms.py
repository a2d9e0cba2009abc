"""How records of one contract are read and written: by straight-line functions, or by fastavro where those cannot."""

import hashlib
from collections.abc import Callable
from datetime import date
from io import BytesIO
from typing import Any, Final, TypeAlias

import msgspec
from fastavro import schemaless_reader, schemaless_writer
from msgspec import Struct

from headrace.avro.contract import Catalogue, Contract, split
from headrace.avro.functions import Functions
from headrace.avro.guard import as_wanted, as_written
from headrace.avro.schema import Schema
from headrace.avro.straight import NotStraight, Piece
from headrace.avro.straight.stand_in import stand_in_for

NATIVE: Final = (bytes, date)

Parts: TypeAlias = tuple[Any, int, Any, int, Any, int]
"""Meta, body and state, each with the place behind it; None for what a kind of record has not."""
Reader: TypeAlias = Callable[[bytes, int], Parts]
"""From a frame and a place in it to the parts that lie there."""
ReaderOfOne: TypeAlias = Callable[[bytes, int], tuple[Any, int]]
"""From a frame and a place in it to the Struct that lies there and the place behind it."""
Writer: TypeAlias = Callable[[Any, Any, Any], bytes]
"""From meta, body and state to a frame."""
Pieces: TypeAlias = tuple[Piece | None, Piece, Piece | None]


class Form(Struct, frozen=True):
    """A contract's functions; those that write are the newest contract's only.

    An event's `read_early` stops before the state, which `read_state` reads from there. `write_ready` takes the fields
    of an event's meta, or of an outcome, as bytes, each by itself, instead of the whole. A command's `digest` has seen
    its name, and is to be copied. What a kind of record has no use for is None.

    An event's `check` gives its meta and the place behind it, if what follows is such an event to the end: it makes
    nothing of that. It raises something for every other event, and for some that `read` takes; it is None where nothing
    is compiled.
    """

    contract: Contract
    name: str
    read: Reader
    write: Writer | None
    upcast: Callable[[Any], Any] | None
    digest: Any = None
    read_early: Reader | None = None
    read_state: ReaderOfOne | None = None
    write_ready: Callable[..., bytes] | None = None
    check: ReaderOfOne | None = None


def form_of(
    contract: Contract,
    catalogue: Catalogue,
    kinds: tuple[Any, Any, Any],
    upcast: Callable[[Any], Any] | None,
    prefix: bytes,
    functions: Functions,
) -> Form:
    """The form of a contract whose meta, body and state become `kinds`; an older one is resolved to the newest.

    What it writes begins with `prefix`.
    """
    newest = catalogue.newest[contract.domain, contract.name]
    meta, body, state = (
        (schema, kind) if schema is not None else None for schema, kind in zip(split(contract), kinds, strict=True)
    )
    assert body is not None  # noqa: S101 - every record has fields of its own, if only none of them
    is_newest, pieces = newest.id == contract.id, (meta, body, state)
    wanted = (None, None, None) if is_newest else split(newest)
    ready = {"event": "meta", "outcome": "body"}.get(contract.kind)
    read = _reader(functions, pieces, wanted)
    return Form(
        contract,
        contract.name,
        read,
        _writer(functions, pieces, prefix) if is_newest else None,
        upcast,
        digest=digest_of(contract.name) if contract.kind == "command" else None,
        read_early=_reader(functions, (meta, body, None), wanted) if state else None,
        read_state=_reader_of_one(functions, *state, wanted[2]) if state else None,
        write_ready=_writer(functions, pieces, prefix, ready) if is_newest and ready else None,
        check=getattr(owner_of(read), "first_of", None) if state else None,
    )


def owner_of(method: Any) -> Any:
    """What a method is of, as those of compiled readers and writers are; None for a function."""
    return getattr(method, "__self__", None)


def digest_of(name: str) -> Any:
    """What two commands of one id are compared by, before it has seen the bytes of the command's own fields."""
    return hashlib.blake2b(name.encode() + b"\0", digest_size=16)


def _reader(functions: Functions, pieces: Pieces, wanted: tuple[Schema | None, ...]) -> Reader:
    """One straight-line function where that can be made, else a piece after the other."""
    if not any(wanted):
        try:
            return functions.whole_reader_for(*pieces)
        except NotStraight:
            pass
    readers = [piece and _reader_of_one(functions, *piece, newer) for piece, newer in zip(pieces, wanted, strict=True)]

    def read(frame: bytes, at: int) -> Parts:
        found: list[Any] = []
        for reader in readers:
            value, at = reader(frame, at) if reader else (None, at)
            found += (value, at)
        return tuple(found)

    return read


def _reader_of_one(functions: Functions, writer: Schema, kind: type, wanted: Schema | None) -> ReaderOfOne:
    """Straight-line where a record is read as it was written, fastavro where it is resolved to a newer schema."""
    if wanted is None:
        try:
            return functions.reader_for(writer, kind)
        except NotStraight:
            pass
    written, resolved = as_written(writer), wanted and as_wanted(wanted)
    check = _checker_of(functions, writer) if wanted is not None else None

    def read(frame: bytes, at: int) -> tuple[Any, int]:
        if check is not None:
            check(frame, at)
        source = BytesIO(frame)
        source.seek(at)
        value: Any = msgspec.convert(schemaless_reader(source, written, resolved), kind)
        return value, source.tell()

    return read


def _checker_of(functions: Functions, writer: Schema) -> ReaderOfOne | None:
    """What refuses bytes that fastavro takes, as numbers of more than 64 bits: older records are no less sound."""
    try:
        return functions.reader_for(writer, stand_in_for(writer))
    except NotStraight:
        return None


def _writer(functions: Functions, pieces: Pieces, prefix: bytes, ready: str = "") -> Callable[..., bytes]:
    """Likewise; the meta, which may be `ready`, is our own and always straight."""
    try:
        return functions.writer_for(*pieces, prefix, ready)
    except NotStraight:
        write_meta = functions.writer_for(pieces[0], None, None, prefix, ready)
        schemas = [piece and as_written(piece[0]) for piece in pieces[1:]]

    def write(*values: Any) -> bytes:
        target = BytesIO()
        target.write(write_meta(*values[:-2]) if ready else write_meta(values[0], None, None))
        for schema, value in zip(schemas, values[-2:], strict=True):
            if schema is not None:
                schemaless_writer(target, schema, msgspec.to_builtins(value, builtin_types=NATIVE))
        return target.getvalue()

    return write
