"""Check of the audit: a row for every outcome of the topic, that says what it says, and no other row."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from headrace_load.verify.records import Partition, Record
from headrace_load.verify.report import Check

AUDIT: Final = "audit"


class Kept(NamedTuple):
    """A row of the audit; times in milliseconds. From `occurred_at` on it has the names of an outcome's fields."""

    offset: int
    log_time: int
    occurred_at: int
    actor: str | None
    command_type: str
    aggregate_id: str
    command_id: str
    command_offset: int
    correlation_id: str
    causation_id: str
    result: str
    code: str | None
    message: str | None
    version: int
    events: int
    repeated: bool
    body_hash: bytes


SAID: Final = Kept._fields[2:]


def compare(part: Partition, record: Record | None, row: Kept | None, fields: dict[str, Any] | None) -> None:
    """Note how an outcome and its row disagree; `fields` is None for a record that cannot be read."""
    audit = part.audit
    if audit is None:
        return
    if row is not None:
        part.read[AUDIT] += 1
    if record is None:
        if row is not None and row.offset >= part.ends["outcomes"].low:
            part.unkept.append(f"offset {row.offset} ({row.aggregate_id}) is in the audit and not in the topic")
    elif row is None:
        late = record.offset >= audit.next_offset  # `positions` says so
        if not late:
            what = f"is missing in the audit, which claims to hold all below offset {audit.next_offset}"
            part.unkept.append(f"{part.place('outcomes', record.offset)} {what}")
    elif fields is not None:
        for problem in _differences(record, row, fields):
            part.unkept.append(f"{part.place('outcomes', record.offset)}: {problem}")


def audited(part: Partition, check: Check) -> None:
    """The audit holds what the topic does, as far as it has come; only what the topic has deleted it has alone."""
    if part.audit is None:
        return
    for problem in part.unkept:
        check.problem(problem)
    check.count(in_topic=part.read["outcomes"], in_audit=part.read[AUDIT])


def _differences(record: Record, row: Kept, fields: dict[str, Any]) -> Iterator[str]:
    if row.log_time != record.log_time:
        yield f"the audit says it was logged at {row.log_time}, the topic at {record.log_time}"
    for name in SAID:
        told, kept = fields[name], getattr(row, name)
        # Postgres takes no NUL; what was refused may hold one.
        if kept != (told.replace("\0", "\\0") if isinstance(told, str) else told):
            yield f"the audit says {name} {kept!r}, the outcome {told!r}"
