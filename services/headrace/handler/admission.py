"""What the engine itself refuses, before the domain is asked."""

import re
from typing import Final

from confluent_kafka import murmur2
from msgspec import Struct

from headrace.handler.window import SKEW_MS
from headrace.kernel.errors import (
    AggregateIdInvalid,
    CommandIdInvalid,
    EnvelopeInvalid,
    Expired,
    IssuedInTheFuture,
    KeyMismatch,
    VersionConflict,
    WrongPartition,
)
from headrace.kernel.message import CommandMeta

MAX_ID_LENGTH: Final = 200
UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class Admission(Struct, frozen=True):
    """The conditions of one partition, of so many; `span_ms` is how long in log time a resend is known."""

    number: int
    count: int
    span_ms: int

    def admit(self, key: bytes | None, meta: CommandMeta, version: int, at: int) -> None:
        """Raise the `Rejected` that a command deserves whose aggregate is at that version."""
        if key is None or key != meta.aggregate_id.encode():
            raise KeyMismatch
        if version == 0:
            self._refuse_bad_key(key, meta.aggregate_id)
        if not UUID.fullmatch(meta.command_id):
            raise CommandIdInvalid
        for text in (meta.actor, meta.correlation_id, meta.causation_id):
            if text is not None and (len(text) > MAX_ID_LENGTH or "\0" in text):
                raise EnvelopeInvalid
        if meta.issued_at is not None:
            if at - meta.issued_at > self.span_ms - SKEW_MS:
                raise Expired
            if meta.issued_at - at > SKEW_MS:
                raise IssuedInTheFuture
        if meta.expected_version is not None and meta.expected_version != version:
            raise VersionConflict

    def _refuse_bad_key(self, key: bytes, aggregate_id: str) -> None:
        """Checked until the aggregate's first event is there; after it, the key is known to be right."""
        if not 0 < len(aggregate_id) <= MAX_ID_LENGTH or "\0" in aggregate_id:
            raise AggregateIdInvalid
        if murmur2(key, self.count) != self.number:
            raise WrongPartition
