"""The short way to most answers, where the codec is compiled: one call from a record to decider and back."""

from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

from headrace.avro.codec import Codec
from headrace.avro.contract import split
from headrace.avro.forms import Form, owner_of
from headrace.avro.straight.to_bytes import text
from headrace.handler.admission import Admission
from headrace.handler.memory import Memory
from headrace.handler.replies import Answer, Replies
from headrace.kernel.aggregate import Aggregate
from headrace.kernel.message import Outcome

try:
    from headrace.avro.compiled import Reader, Writer
    from headrace.handler.accepting import Accepting
except ImportError:  # built without a C compiler
    Accepting = None  # type: ignore[assignment,misc]

META: Final = [
    ("command_id", "string"),
    ("aggregate_id", "string"),
    ("expected_version", ["null", "long"]),
    ("issued_at", ["null", {"type": "long", "logicalType": "timestamp-millis"}]),
    ("actor", ["null", "string"]),
    ("correlation_id", ["null", "string"]),
    ("causation_id", ["null", "string"]),
]
"""How a command's meta is laid out where it can be read as it lies in the record; one of another layout is decoded."""

Shortcut: TypeAlias = Callable[[bytes | None, bytes | None, int, int], Answer | None]
"""From a record's key, value, offset and log-append time to its answer; None, with nothing changed, for most kinds."""


def no_shortcut(_key: bytes | None, _value: bytes | None, _offset: int, _at: int) -> None:
    """Every answer is given the long way."""


def shortcut(
    aggregate: Aggregate[Any, Any, Any],
    codec: Codec,
    admission: Admission,
    replies: Replies,
    memory: Memory,
) -> Shortcut:
    """The short way of one partition, for what the domain accepts or refuses; none where anything is not compiled."""
    owners = {kind: owner_of(codec.ready_writer(kind)) for kind in (*aggregate.event_types, Outcome)}
    if Accepting is None or not all(isinstance(owner, Writer) for owner in owners.values()):
        return no_shortcut
    write_outcome = owners.pop(Outcome)
    writers = {kind: (kind.__name__, owner) for kind, owner in owners.items()}
    kinds = {
        prefix: (reader, form.digest, text(form.name), replies.accepted_as(kind))
        for kind in aggregate.command_types
        for prefix, form, reader in _compiled(codec, kind)
        if _meta_of(form) == META
    }
    readers = {prefix: reader for kind in aggregate.event_types for prefix, _, reader in _compiled(codec, kind)}
    whole = Accepting(aggregate, kinds, writers, readers, write_outcome, admission, codec.decode, replies, memory)
    return whole.answer


def _compiled(codec: Codec, kind: type) -> Iterator[tuple[bytes, Form, Reader]]:
    """By what records of a type begin with, their form and what reads them, where that is compiled."""
    for prefix, form in codec.forms_of(kind).items():
        reader = owner_of(form.read)
        if isinstance(reader, Reader):
            yield prefix, form, reader


def _meta_of(form: Form) -> list[tuple[str, Any]]:
    """The names and types of a command's meta, in order."""
    meta = split(form.contract)[0]
    return [(field["name"], field["type"]) for field in meta["fields"]] if isinstance(meta, dict) else []
