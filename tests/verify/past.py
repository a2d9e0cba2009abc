"""A small past of some orders, written as Headrace writes, by an encoder of its own: what the verifier is tried on."""

import uuid
from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import date
from hashlib import blake2b
from io import BytesIO
from typing import Any, NamedTuple, Protocol

from fastavro import parse_schema, schemaless_writer

from headrace_load.verify.murmur2 import partition_of

Headers = list[tuple[str, bytes]]
Row = tuple[Any, ...]

LINES = [{"sku": "85123A", "description": "a heart", "quantity": 6, "unit_price": 255}]
CREATE = {"lines": LINES, "currency": "GBP", "customer": "17850", "business_date": date(2010, 12, 1)}
PAY = {"payment_id": "p-1", "amount": 1530, "currency": "GBP"}
SHIP = {"carrier": "Post", "tracking": "T1"}
BLANK: dict[str, Any] = {
    "status": "", "lines": [], "currency": "", "customer": None, "business_date": None, "total": 0, "paid": 0,
    "refund_owed": 0, "payment_id": None, "carrier": None, "tracking": None, "cancel_reason": None,
}  # fmt: skip
PREFIX = 5
GARBAGE = b"\x00\xffnot a command"


class Log(Protocol):
    """Where records go: a broker, or a list."""

    def append(
        self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers
    ) -> tuple[int, int]:
        """Append a record; returns its offset and its log-append time."""

    def transaction(self) -> AbstractContextManager[None]:
        """What is appended inside is committed together."""


@dataclass
class MemoryLog:
    """A log that is a list; times are 1, 2, 3 …, and every transaction leaves a marker behind."""

    topics: dict[tuple[str, int], list[tuple[Any, ...]]] = field(default_factory=lambda: defaultdict(list))
    now: int = 1_000_000

    def append(
        self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers
    ) -> tuple[int, int]:
        records = self.topics[topic, partition]
        offset = records[-1][0] + 2 if records else 0
        self.now += 1
        records.append((offset, self.now, key, value, headers))
        return offset, self.now

    def transaction(self) -> AbstractContextManager[None]:
        return nullcontext()


class Asked(NamedTuple):
    """A command record that was appended."""

    aggregate_id: str
    type: str
    command_id: str
    key: bytes | None
    partition: int
    offset: int
    log_time: int
    value: bytes = b""

    @property
    def body_hash(self) -> bytes:
        """What its outcome must say of it. Its meta is two short texts, each behind its length, and five nulls."""
        own = self.value[PREFIX + 1 + len(self.command_id) + 1 + len(self.aggregate_id) + 5 :]
        return blake2b(self.type.encode() + b"\0" + own, digest_size=16).digest()


class Past:
    """Writes commands, answers them, and keeps what the journal, the checkpoints and the rows must then be."""

    def __init__(self, log: Log, schemas: list[dict[str, Any]], domain: str = "orders", partitions: int = 1) -> None:
        self.log = log
        self.domain = domain
        self.partitions = partitions
        self.journal: list[Row] = []
        self.rows: dict[str, Row] = {}
        self.checkpoints: dict[int, tuple[int, int]] = {}
        self.committed: dict[int, int] = {}
        self._forms = {e["record"].rpartition(".")[2]: (e["id"], parse_schema(e["schema"])) for e in schemas}
        self._states: dict[str, dict[str, Any]] = {}
        self._versions: dict[str, int] = defaultdict(int)

    def encode(self, name: str, fields: dict[str, Any]) -> bytes:
        number, schema = self._forms[name]
        target = BytesIO()
        target.write(b"\0" + number.to_bytes(4, "big"))
        schemaless_writer(target, schema, fields, strict=True)
        return target.getvalue()

    def ask(
        self,
        aggregate_id: str,
        name: str,
        fields: dict[str, Any],
        *,
        command_id: str = "",
        partition: int | None = None,
        **said: str | None,
    ) -> Asked:
        """Append a command; `said` is what it says of who asks, in which conversation and because of what."""
        key = aggregate_id.encode()
        place = partition_of(key, self.partitions) if partition is None else partition
        command_id = command_id or str(uuid.uuid4())
        meta = {"command_id": command_id, "aggregate_id": aggregate_id, "expected_version": None, "issued_at": None}
        meta |= {"actor": None, "correlation_id": None, "causation_id": None} | said
        value = self.encode(name, {"meta": meta, **fields})
        offset, log_time = self.log.append(f"{self.domain}.commands", place, key, value, [])
        return Asked(aggregate_id, name, command_id, key, place, offset, log_time, value)

    def accept(self, asked: Asked, name: str, fields: dict[str, Any]) -> None:
        """Answer with one event."""
        with self.log.transaction():
            self.event(asked, name, fields)
            self.outcome(asked, version=self._versions[asked.aggregate_id], events=1)

    def refuse(self, asked: Asked, code: str) -> None:
        """Answer with a refusal."""
        version = self._versions[asked.aggregate_id]
        with self.log.transaction():
            self.outcome(asked, result="refused", code=code, message="why", version=version)

    def event(self, asked: Asked, name: str, fields: dict[str, Any], **changes: Any) -> None:
        """Append an event, and note what journal, checkpoint and row must then be."""
        state = EVOLVE[name](self._states.get(asked.aggregate_id, BLANK), fields)
        version = self._versions[asked.aggregate_id] = self._versions[asked.aggregate_id] + 1
        meta = {
            "version": version, "event_id": f"{self.domain}/{asked.aggregate_id}/{version}",
            "aggregate_id": asked.aggregate_id, "occurred_at": asked.log_time, "command_id": asked.command_id,
            "command_offset": asked.offset, "correlation_id": asked.command_id, "causation_id": asked.command_id,
            "actor": None, "writer": {"instance": "test", "restored_to": 0},
        } | changes  # fmt: skip
        value = self.encode(name, {"meta": meta, **fields, "state": state})
        topic, key = f"{self.domain}.events", asked.aggregate_id.encode()
        offset, log_time = self.log.append(topic, asked.partition, key, value, [("type", name.encode())])
        self._states[asked.aggregate_id] = state
        self.journal.append(
            (topic, asked.partition, offset, asked.aggregate_id, meta["version"], name, log_time, value)
        )
        newest = self.checkpoints.get(asked.partition, (0, -1))[1]
        self.checkpoints[asked.partition] = (offset + 1, max(newest, asked.offset))
        created_at = self.rows[asked.aggregate_id][-2] if asked.aggregate_id in self.rows else asked.log_time
        self.rows[asked.aggregate_id] = _row(asked.aggregate_id, version, state, (created_at, asked.log_time))

    def outcome(self, asked: Asked, **changes: Any) -> None:
        """Append an outcome, and move the handlers' offset past its command."""
        fields = {
            "command_id": asked.command_id, "occurred_at": asked.log_time, "aggregate_id": asked.aggregate_id,
            "command_type": asked.type, "command_offset": asked.offset, "body_hash": asked.body_hash,
            "result": "accepted", "code": None, "message": None, "version": 1, "events": 0, "repeated": False,
            "actor": None, "correlation_id": asked.command_id, "causation_id": asked.command_id,
        } | changes  # fmt: skip
        key = asked.aggregate_id.encode()
        self.log.append(f"{self.domain}.outcomes", asked.partition, key, self.encode("Outcome", fields), [])
        # An answer to what was parked comes after those to later commands.
        self.committed[asked.partition] = max(self.committed.get(asked.partition, 0), asked.offset + 1)

    def garbage(self, partition: int, value: bytes = GARBAGE) -> Asked:
        """Append what is not a command."""
        offset, log_time = self.log.append(f"{self.domain}.commands", partition, b"k", value, [])
        return Asked("", "", "", b"k", partition, offset, log_time)

    def set_aside(self, asked: Asked, value: bytes = GARBAGE) -> None:
        """Park a record."""
        headers = self._parking(asked, "alone")
        headers += [("kafka_dlt-exception-fqcn", b"x.Y"), ("kafka_dlt-exception-message", b"no command")]
        with self.log.transaction():
            self.log.append(f"{self.domain}.parked", asked.partition, asked.key, value, headers)
        self.committed[asked.partition] = asked.offset + 1

    def park(self, asked: Asked, code: str = "KeyError") -> None:
        """Park a command by its key."""
        headers = [*self._parking(asked, "key"), ("kafka_dlt-exception-message", b"no such thing")]
        with self.log.transaction():
            self.log.append(f"{self.domain}.parked", asked.partition, asked.key, asked.value, headers)
            self.outcome(asked, result="parked", code=code, message="why", version=self._versions[asked.aggregate_id])

    def release(self, asked: Asked, through: Asked) -> None:
        """Mark what waits as released, by a redrive, and answer that."""
        headers = [("headrace-through", str(through.offset).encode()), ("headrace-reason", b"")]
        self.log.append(
            f"{self.domain}.parked", asked.partition, asked.key, None, self._parking(asked, "released") + headers
        )
        self.outcome(asked, version=self._versions[asked.aggregate_id])

    def _parking(self, asked: Asked, kind: str) -> Headers:
        origin = {"topic": f"{self.domain}.commands", "partition": asked.partition, "offset": asked.offset}
        origin |= {"timestamp": asked.log_time}
        headers = [("headrace-parking", kind.encode()), ("headrace-aggregate-id", asked.aggregate_id.encode())]
        return headers + [(f"kafka_dlt-original-{name}", str(it).encode()) for name, it in origin.items()]


def write_small_past(past: Past) -> None:
    """Two orders on their way, a refusal, a resend, another command under a used id, and garbage."""
    first = past.ask("o-1", "CreateOrder", CREATE)
    past.accept(first, "OrderCreated", CREATE | {"total": 1530})
    second = past.ask("o-2", "CreateOrder", CREATE)
    past.accept(second, "OrderCreated", CREATE | {"total": 1530})
    past.accept(past.ask("o-1", "PayOrder", PAY), "OrderPaid", PAY)
    past.refuse(past.ask("o-2", "ShipOrder", SHIP), "NotPaid")
    again = past.ask("o-1", "CreateOrder", CREATE, command_id=first.command_id)
    past.outcome(again, events=1, repeated=True)
    other = past.ask("o-1", "CreateOrder", CREATE | {"customer": None}, command_id=first.command_id)
    past.outcome(other, result="refused", code="CommandIdReused", message="why", version=0)
    past.set_aside(past.garbage(first.partition))
    past.accept(past.ask("o-1", "ShipOrder", SHIP), "OrderShipped", SHIP)
    past.accept(past.ask("o-2", "CancelOrder", {"reason": "late"}), "OrderCancelled", CANCELLED)


CANCELLED = {"reason": "late", "refund_owed": 0, "currency": "GBP"}

State = dict[str, Any]
EVOLVE: dict[str, Callable[[State, State], State]] = {
    "OrderCreated": lambda _, event: {**BLANK, **event, "status": "created"},
    "OrderPaid": lambda s, event: s | {"status": "paid", "paid": event["amount"], "payment_id": event["payment_id"]},
    "OrderShipped": lambda s, event: s | {"status": "shipped", **event},
    "OrderCancelled": lambda s, event: s | {"status": "cancelled", "cancel_reason": event["reason"]},
}


def _row(order_id: str, version: int, state: State, times: tuple[int, int]) -> Row:
    shown = ("customer", "currency", "business_date")
    money = ("total", "paid", "refund_owed", "payment_id", "carrier", "tracking")
    described, paid = (state[name] for name in shown), (state[name] for name in money)
    return (order_id, version, state["status"], *described, len(state["lines"]), *paid, *times)
