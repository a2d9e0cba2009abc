"""What the headers of a parked record say: where it came from, why it is there, and what released it.

Where Spring Kafka has a name for something (`kafka_dlt-…`), it is used: people and tools know it. Ours come first, the
sender's own follow, and the first of a name counts. Brokers bound what they take as it is compressed, so that a sender
may send far more than fits into a record of ours: of that the beginning is kept, and `headrace-cut` says what it was.

headrace-parking: alone     no command, kept for somebody to look at
                  key       a command that waits, with all that follow it for its aggregate
                  released  a mark: the commands up to `headrace-through` were redriven or discarded
"""

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeAlias

from msgspec import Struct
from structlog import get_logger

from headrace import __version__
from headrace.avro.codec import MAX_META_BYTES, MAX_RECORD_BYTES
from headrace.kafka.records import Record, headers_of
from headrace.kernel.errors import Fault, KeyParked
from headrace.kernel.message import CommandMeta

Header: TypeAlias = tuple[str, Any]
Headers: TypeAlias = list[Header]

ALONE: Final = "alone"
KEY: Final = "key"
RELEASED: Final = "released"
CUT: Final = "headrace-cut"
LONGEST: Final = 1_000
TRACE: Final = "traceparent"
LONGEST_TRACE: Final = 128
"""Twice what there is today: it goes on to whatever follows from a record."""
LARGEST_VALUE: Final = MAX_RECORD_BYTES
LARGEST_KEY: Final = MAX_META_BYTES + 1
"""Longer than an aggregate's id can be, so that what is cut off makes no key an aggregate's."""
LARGEST_HEADERS: Final = 100_000


log = get_logger("headrace.handler")


class Note(Struct, frozen=True):
    """A parked record's headers: its kind, its origin, and what else its kind has."""

    kind: str
    topic: str
    offset: int
    log_time: int
    aggregate_id: str = ""
    exception: str = ""
    message: str = ""
    through: int = -1
    result: str = ""
    actor: str = ""


class Failure(Struct, frozen=True):
    """Why a record is parked: the class of an exception, what it says, and the innermost line that it came through.

    Not the exception, whose traceback holds the frames that lead to it, and with them all of its batch.
    """

    kind: str
    said: bytes
    where: str

    @property
    def name(self) -> str:
        """The class without its module."""
        return self.kind.rpartition(".")[2]

    @property
    def is_behind(self) -> bool:
        """Whether the record only waits behind another."""
        return self.kind == BEHIND


BEHIND: Final = f"{KeyParked.__module__}.{KeyParked.__name__}"


def failure_of(error: Exception) -> Failure:
    """What is kept of an exception."""
    kind = type(error)
    where = "" if kind is KeyParked else _where_it_broke(error)
    return Failure(f"{kind.__module__}.{kind.__name__}", _said(error), where)


def parked_copy(
    record: Record, kind: str, failure: Failure, aggregate_id: str = ""
) -> tuple[bytes | None, bytes | None, Headers]:
    """Value, key and headers of a record that is parked for that failure; of what is too much, the beginning."""
    value, key, sent = record.value(), record.key(), headers_of(record.headers)
    kept, size = [], 0
    for name, content in sent:
        size += len(name) + len(content or b"")
        if size <= LARGEST_HEADERS:
            kept.append((name, content))
    headers = _why(record, kind, failure, aggregate_id)
    bytes_of_value, bytes_of_key = len(value or b""), len(key or b"")
    if bytes_of_value > LARGEST_VALUE or bytes_of_key > LARGEST_KEY or len(kept) < len(sent):
        headers.append((CUT, f"value {bytes_of_value} bytes, key {bytes_of_key} bytes, {len(sent)} headers"))
    return value and value[:LARGEST_VALUE], key and key[:LARGEST_KEY], [*headers, *kept]


def _why(record: Record, kind: str, failure: Failure, aggregate_id: str) -> Headers:
    return [
        ("headrace-parking", kind),
        ("headrace-aggregate-id", aggregate_id),
        ("headrace-version", __version__),
        *_origin(record.topic(), record.partition(), record.offset(), record.timestamp()[1]),
        ("kafka_dlt-exception-fqcn", failure.kind),
        ("kafka_dlt-exception-message", failure.said),
    ]


def why_released(place: tuple[str, int, int, int], meta: CommandMeta, through: int, reason: str | None) -> Headers:
    """The headers of the mark that a redrive leaves, or a discard for a reason; `place` is its own and its log time."""
    return [
        ("headrace-parking", RELEASED),
        ("headrace-aggregate-id", meta.aggregate_id),
        ("headrace-version", __version__),
        *_origin(*place),
        ("headrace-through", str(through)),
        ("headrace-result", "redriven" if reason is None else "discarded"),
        ("headrace-reason", reason or ""),
        ("headrace-actor", meta.actor or ""),
    ]


def read_note(record: Record) -> Note:
    """What a parked record says of itself; `Fault` when it does not."""
    found = {name: value or b"" for name, value in reversed(headers_of(record.headers))}

    def text(name: str) -> str:
        return found.get(name, b"").decode(errors="replace")

    kind = text("headrace-parking") or ALONE
    is_mark = kind == RELEASED  # what only marks have may be among other records' headers as their senders' own
    try:
        return Note(
            kind,
            text("kafka_dlt-original-topic"),
            int(found["kafka_dlt-original-offset"]),
            int(found["kafka_dlt-original-timestamp"]),
            text("headrace-aggregate-id"),
            "" if is_mark else text("kafka_dlt-exception-fqcn"),
            text("headrace-reason" if is_mark else "kafka_dlt-exception-message"),
            int(found["headrace-through"]) if is_mark else -1,
            text("headrace-result") if is_mark else "",
            text("headrace-actor") if is_mark else "",
        )
    except (LookupError, ValueError) as error:
        raise Fault(
            f"{record.topic()}[{record.partition()}] offset {record.offset()} does not say where it came from: "
            f"only handlers may write to this topic"
        ) from error


def known_note(record: Record) -> Note | None:
    """The same; None for somebody else's record, which is logged: it stays where it lies, and nothing waits for it."""
    try:
        return read_note(record)
    except Fault as error:
        log.error("no parked record", why=str(error))  # noqa: TRY400 - it quotes the record
        return None


def trace_of(headers: Iterable[tuple[str, Any]] | None) -> Headers:
    """What a tracer needs of a record's headers; nothing that is longer than a trace is."""
    found = (header for header in headers or () if header[0] == TRACE and len(header[1] or b"") <= LONGEST_TRACE)
    return list(islice(found, 1))


def _where_it_broke(error: Exception) -> str:
    """The innermost line of code that an exception came through; nothing of what it says."""
    trace = error.__traceback__
    if trace is None:
        return ""
    while trace.tb_next is not None:
        trace = trace.tb_next
    code = trace.tb_frame.f_code
    return f"{Path(code.co_filename).name}:{trace.tb_lineno} {code.co_name}"


def _origin(topic: str, partition: int, offset: int, log_time: int) -> Headers:
    return [
        ("kafka_dlt-original-topic", topic),
        ("kafka_dlt-original-partition", str(partition)),
        ("kafka_dlt-original-offset", str(offset)),
        ("kafka_dlt-original-timestamp", str(log_time)),
    ]


def _said(error: Exception) -> bytes:
    """An exception's own words, whatever they are made of."""
    try:
        text = str(error)
    except Exception as second:  # noqa: BLE001 - the domain's class may break on this too
        text = type(second).__name__
    return text[:LONGEST].encode(errors="replace")
