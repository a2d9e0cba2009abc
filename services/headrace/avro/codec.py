"""The one place where bytes become messages and messages bytes.

Framing is Confluent's: a zero byte, the schema id in four bytes, the Avro body. Everything that reads a record comes
through `Codec.decode`: handlers, projectors, tools. Straight-line functions do the work, fastavro where schemas differ.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import msgspec
from fastavro.read import SchemaResolutionError
from msgspec import Struct

from headrace.avro.agreement import mismatches
from headrace.avro.contract import ENVELOPE, Catalogue, Contract
from headrace.avro.forms import Form, form_of
from headrace.avro.functions import BEST, Functions
from headrace.avro.straight.from_bytes import NEAR, far
from headrace.kernel.aggregate import Aggregate
from headrace.kernel.app import App
from headrace.kernel.errors import Fault, Misconfigured
from headrace.kernel.message import CommandMeta, DiscardParked, EventMeta, Later, Outcome, RedriveParked

PREFIX_LENGTH: Final = 5
NONE: Final[Mapping[int, int]] = {}
MAX_RECORD_BYTES: Final = 1_000_000
# An outcome repeats its command's ids, one of them up to three times, and must still fit into a record.
MAX_META_BYTES: Final = 10_000
# What readers and writers raise on bytes, or on values, that are not what their schema says.
BROKEN: Final = (
    EOFError, IndexError, KeyError, ValueError, TypeError, AttributeError, OverflowError, MemoryError, RecursionError,
    StopIteration, msgspec.ValidationError, SchemaResolutionError,
)  # fmt: skip


class Undecodable(Fault):
    """The bytes are not a record that any known schema explains; the message says why."""


class UnknownSchema(Undecodable):
    """The record names a schema id that neither the lock file has nor, as far as it was asked, the registry."""


class Unencodable(Fault):
    """A message holds what its schema cannot: most often a whole number of more than 64 bits."""


class TooLarge(Unencodable):
    """A command has more bytes than a handler looks at."""


class Decoded(Struct, frozen=True, gc=False):
    """A record's parts: `meta` and `state` are None where the kind of record has none; `body_hash` is of a command."""

    contract: Contract
    meta: Any
    body: Any
    state: Any
    body_hash: bytes


class Codec:
    """Encodes and decodes every record of an application, by the contracts in its lock file.

    A registry may have given them other ids: `written` has those that records are to be written with, by the lock
    file's, and `known` the lock file's by every other that records may have.
    """

    def __init__(
        self,
        app: App,
        catalogue: Catalogue,
        written: Mapping[int, int] = NONE,
        known: Mapping[int, int] = NONE,
        functions: Functions = BEST,
    ) -> None:
        self.functions = functions
        types = types_of(app)
        # A field that only the class has would vanish when written, and with it what a restored state should be.
        for disagreement in mismatches(app, catalogue):
            raise Misconfigured(disagreement)
        self._by_id: dict[bytes, Form] = {}
        for contract in catalogue.contracts:
            if (contract.domain, contract.name) in types:
                kind, state, upcast = types[contract.domain, contract.name]
                meta = CommandMeta if contract.kind == "command" else EventMeta
                prefix = written.get(contract.id, contract.id).to_bytes(PREFIX_LENGTH, "big")
                kinds = (meta, kind, state)
                self._by_id[contract.prefix] = form_of(contract, catalogue, kinds, upcast, prefix, functions)
        locked = {number: self._by_id.get(own.to_bytes(PREFIX_LENGTH, "big")) for number, own in known.items()}
        self._by_id |= {number.to_bytes(PREFIX_LENGTH, "big"): form for number, form in locked.items() if form}
        self._by_type = {kind: self._by_id[catalogue.newest[key].prefix] for key, (kind, *_) in types.items()}
        self._writers = {kind: (form.name, form.write) for kind, form in self._by_type.items() if form.write}

    def decode(self, frame: bytes | None) -> Decoded:
        """The message in a record's value; `Undecodable` says what is wrong with it."""
        form = self._by_id.get(frame[:PREFIX_LENGTH]) if frame is not None else None
        if frame is None or form is None or len(frame) > MAX_RECORD_BYTES:
            raise _unknown(frame)
        try:
            meta, start, body, _, state, end = form.read(frame, PREFIX_LENGTH)
        except BROKEN as error:
            raise Undecodable(f"not a {form.name}: {type(error).__name__}: {error}") from error
        if end != len(frame) or start > MAX_META_BYTES:
            raise _misplaced(form, start, end, frame)
        body_hash = b""
        if form.digest is not None:
            digest = form.digest.copy()
            digest.update(frame[start:])
            body_hash = digest.digest()
        if form.upcast is not None:
            body = form.upcast(body)
        return Decoded(form.contract, meta, body, state, body_hash)

    def decode_event(self, frame: bytes | None, *, whole: bool = False) -> Decoded:
        """The same for an event, but for its state, which is a `Later`: most readers of events never ask for it."""
        form = self._by_id.get(frame[:PREFIX_LENGTH]) if frame is not None else None
        if frame is None or form is None or len(frame) > MAX_RECORD_BYTES:
            raise _unknown(frame)
        if form.read_early is None:
            raise Undecodable(f"a {form.name} is no event")
        try:
            meta, start, body, place, _, _ = form.read_early(frame, PREFIX_LENGTH)
        except BROKEN as error:
            raise Undecodable(f"not a {form.name}: {type(error).__name__}: {error}") from error
        if start > MAX_META_BYTES:
            raise _misplaced(form, start, len(frame), frame)
        if form.upcast is not None:
            body = form.upcast(body)
        state = _state_of(form, frame, place) if whole else Later(_state_of, (form, frame, place))
        return Decoded(form.contract, meta, body, state, b"")

    def check_event(self, frame: bytes | None) -> Decoded:
        """An event that could be decoded to its end; body and state are None where that is seen without making them."""
        form = self._by_id.get(frame[:PREFIX_LENGTH]) if frame is not None else None
        if frame is not None and form is not None and form.check is not None and len(frame) <= MAX_RECORD_BYTES:
            try:
                meta, start = form.check(frame, PREFIX_LENGTH)
            except Exception:  # noqa: BLE001 - whatever it is, what decodes it says so, or takes it
                return self.decode_event(frame, whole=True)
            if start <= MAX_META_BYTES:
                return Decoded(form.contract, meta, None, None, b"")
        return self.decode_event(frame, whole=True)

    def encode(self, body: Struct, meta: Struct | None = None, state: Struct | None = None) -> bytes:
        """The record's value, written by the newest contract of the body's type; `Unencodable` when it does not fit."""
        name, write = self._writers[type(body)]
        try:
            return write(meta, body, state)
        except BROKEN as error:
            raise unencodable(name, error) from error

    def encode_command(self, body: Struct, meta: CommandMeta) -> bytes:
        """The same for a command; `Unencodable` for one that no handler would take, such as a record too large."""
        frame = self.encode(body, meta)
        if len(frame) > MAX_META_BYTES:
            try:
                self.decode(frame)
            except Undecodable as error:
                raise TooLarge(f"this {type(body).__name__} is too large: {error}") from error
        return frame

    def ready_writer(self, kind: type) -> Callable[..., bytes]:
        """What writes events of a class whose meta's fields are bytes already, or outcomes all of whose fields are.

        It takes them in the order of the class, then, for an event, body and state. It raises what `BROKEN` lists.
        """
        write = self._by_type[kind].write_ready
        assert write is not None  # noqa: S101 - commands are written by others
        return write

    def forms_of(self, kind: type) -> dict[bytes, Form]:
        """By the first bytes of a record, the form of a type's newest contract: an id of the lock file, and others."""
        newest = self._by_type[kind]
        return {prefix: form for prefix, form in self._by_id.items() if form is newest}

    def name_of(self, kind: type) -> str:
        """The record name that messages of a type are written under."""
        return self._by_type[kind].name


def unencodable(name: str, error: Exception) -> Unencodable:
    """The error of a message whose writer raised that."""
    return Unencodable(f"this {name} does not fit its schema: {error}")


def _unknown(frame: bytes | None) -> Undecodable:
    """Why there is no form for a frame."""
    if frame is None:
        return Undecodable("no value")
    if len(frame) > MAX_RECORD_BYTES:
        return Undecodable(f"{len(frame)} bytes, more than the {MAX_RECORD_BYTES} that a record may have")
    if len(frame) < PREFIX_LENGTH or frame[0] != 0:
        return Undecodable("not in Confluent framing: a zero byte, four bytes of schema id, the Avro body")
    number = int.from_bytes(frame[1:PREFIX_LENGTH], "big")
    return UnknownSchema(
        f"schema id {number} is not in the lock file: if a newer version of the app wrote it, start the service by that"
    )


def _misplaced(form: Form, start: int, end: int, frame: bytes) -> Undecodable:
    """What is wrong with a record whose parts end where they must not."""
    if start > MAX_META_BYTES:
        return Undecodable(f"{start} bytes of meta, more than the {MAX_META_BYTES} that it may have")
    return Undecodable(f"{len(frame) - end} bytes too many for a {form.name}")


def _state_of(form: Form, frame: bytes, place: int) -> Any:
    """The state that an event ends with, from its place on."""
    assert form.read_state is not None  # noqa: S101 - every event has one
    try:
        state, end = form.read_state(frame, place)
    except BROKEN as error:
        raise Undecodable(f"not a {form.name}: {type(error).__name__}: {error}") from error
    if end != len(frame):
        raise _misplaced(form, 0, end, frame)
    return state


def peek_version(frame: bytes) -> int:
    """The version in an event's meta, read from the first bytes without decoding the rest."""
    return _long(frame, PREFIX_LENGTH)[0]


def peek_outcome(frame: bytes) -> tuple[str, int]:
    """The command id and the log time of an outcome, read likewise."""
    length, start = _long(frame, PREFIX_LENGTH)
    return frame[start : start + length].decode(), _long(frame, start + length)[0]


def _long(frame: bytes, at: int) -> tuple[int, int]:
    """The Avro long at a place in the frame, and the place after it."""
    try:
        return (NEAR[frame[at]], at + 1) if frame[at] < 0x80 else far(frame, at)  # noqa: PLR2004 - else more follows
    except (IndexError, OverflowError) as error:
        raise Undecodable("ends in the middle of a number") from error


def types_of(app: App) -> dict[tuple[str, str], tuple[Any, ...]]:
    """By domain and record name: the class, the class of its aggregate's state, and what lifts it if it is retired."""
    own = (Outcome, RedriveParked, DiscardParked)
    found: list[tuple[str, Any, Any, Any]] = [(ENVELOPE, kind, None, None) for kind in own]
    for aggregate in app.aggregates:
        found += [(aggregate.name, kind, None, None) for kind in aggregate.command_types]
        found += [(aggregate.name, kind, aggregate.state_type, None) for kind in aggregate.event_types]
        found += [
            (aggregate.name, kind, aggregate.state_type, partial(_lifted, aggregate)) for kind in aggregate.upcasts
        ]
    names, classes = [(domain, kind.__name__) for domain, kind, *_ in found], [kind for _, kind, *_ in found]
    for name, kind in zip(names, classes, strict=True):
        if names.count(name) > 1 or classes.count(kind) > 1:
            raise Misconfigured(f"{kind.__name__} is listed twice: each command and each event has a class of its own")
    return {(domain, kind.__name__): (kind, *rest) for domain, kind, *rest in found}


def _lifted(aggregate: Aggregate[Any, Any, Any], event: Any) -> Any:
    """Today's event in the place of a retired one, by as many upcasts as it takes, each of which is needed once."""
    for _ in aggregate.upcasts:
        name = type(event).__name__
        try:
            event = aggregate.upcasts[type(event)](event)
        except Exception as error:
            raise Fault(f"the upcast of {name} fails: {type(error).__name__}: {error}") from error
        if type(event) in aggregate.event_types:
            return event
        if type(event) not in aggregate.upcasts:
            raise Fault(f"the upcast of {name} returns {type(event).__name__}, which is no event of {aggregate.name}")
    raise Fault(f"the upcasts of {aggregate.name} lift {name} to itself: one of them has to lead to an event of today")
