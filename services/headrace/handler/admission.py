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
MAX_CAUSATION_LENGTH: Final = 300  # an event's id has its aggregate's in it, and can cause a command
# Without a group, which would cost the match half as much again.
is_uuid: Final = re.compile(r"H{8}-H{4}-H{4}-H{4}-H{12}".replace("H", "[0-9a-fA-F]")).fullmatch


class Admission(Struct, frozen=True):
    """The conditions of one partition, of so many; `span_ms` is how long in log time a resend is known."""

    number: int
    count: int
    span_ms: int

    def admit(self, key: bytes | None, meta: CommandMeta, version: int, at: int) -> None:
        """Raise the `Rejected` that a command deserves whose aggregate is at that version."""
        name = meta.aggregate_id
        if key is None or key != name.encode():
            raise KeyMismatch
        if version == 0:
            self.refuse_bad_key(key, name)
        if not is_uuid(meta.command_id):
            raise CommandIdInvalid
        actor, correlation_id, causation_id = meta.actor, meta.correlation_id, meta.causation_id
        if (
            (actor is not None and (len(actor) > MAX_ID_LENGTH or "\0" in actor))
            or (correlation_id is not None and (len(correlation_id) > MAX_ID_LENGTH or "\0" in correlation_id))
            or (causation_id is not None and (len(causation_id) > MAX_CAUSATION_LENGTH or "\0" in causation_id))
        ):
            raise EnvelopeInvalid
        issued_at, expected_version = meta.issued_at, meta.expected_version
        if issued_at is not None:
            if at - issued_at > self.span_ms - SKEW_MS:
                raise Expired
            if issued_at - at > SKEW_MS:
                raise IssuedInTheFuture
        if expected_version is not None and expected_version != version:
            raise VersionConflict

    def refuse_bad_key(self, key: bytes, aggregate_id: str) -> None:
        """Checked until the aggregate's first event is there; after it, the key is known to be right."""
        if not 0 < len(aggregate_id) <= MAX_ID_LENGTH or "\0" in aggregate_id:
            raise AggregateIdInvalid
        if murmur2(key, self.count) != self.number:
            raise WrongPartition
