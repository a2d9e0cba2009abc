"""All checks of one partition, on what was read from a log in memory."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from headrace_load.verify import admission, answers, audited, content, held, history, parking, places, positions
from headrace_load.verify.audited import SAID, Kept
from headrace_load.verify.reading import read_commands, read_events, read_outcomes, read_parked
from headrace_load.verify.records import Checkpoint, Ends, Held, Partition, Record, Row
from headrace_load.verify.report import Check
from headrace_load.verify.rows import MODELS, Fold
from headrace_load.verify.schemas import Schemas
from verify.past import MemoryLog, Past, write_small_past

SCHEMAS_FOLDER = Path(__file__).parents[2] / "schemas"
ENTRIES: list[dict[str, Any]] = json.loads((SCHEMAS_FOLDER / "ids.json").read_text())
SCHEMAS = Schemas(ENTRIES)
WINDOW_MS = 300_000


def small_past() -> Past:
    """A past in memory, all in one partition."""
    past = Past(MemoryLog(), ENTRIES)
    write_small_past(past)
    return past


def log_of(past: Past) -> MemoryLog:
    """The log of a past in memory."""
    assert isinstance(past.log, MemoryLog)
    return past.log


def kept(past: Past) -> list[Kept]:
    """What the audit holds of a past."""
    rows = []
    for record in map(Record._make, log_of(past).topics["orders.outcomes", 0]):
        fields = SCHEMAS.decode(record.value).fields
        rows.append(Kept(record.offset, record.log_time, *[fields[name] for name in SAID]))
    return rows


def read(
    past: Past,
    fold: Fold | None = None,
    held: dict[str, list[Held]] | None = None,
    audit: tuple[Checkpoint, list[Kept]] | None = None,
) -> Partition:
    """The past's only partition, as the verifier reads it, with what projectors hold back of it, and its audit."""
    log = log_of(past)
    topics = {kind: log.topics["orders." + kind, 0] for kind in ("commands", "events", "outcomes", "parked")}
    ends = {kind: Ends(0, *(2 * [records[-1][0] + 2 if records else 0])) for kind, records in topics.items()}
    part = Partition("orders", 0, 1, ends, past.committed.get(0), held=held or {})
    if 0 in past.checkpoints:
        part.checkpoints = dict.fromkeys(("journal", "orders_v1"), Checkpoint(*past.checkpoints[0]))
    records = {kind: [Record(*record) for record in found] for kind, found in topics.items()}
    journal = [Row(row[2], *row[3:]) for row in past.journal]
    part.leads = MODELS["orders"].LEADS_TO
    read_parked(part, records["parked"])
    read_commands(part, SCHEMAS, records["commands"])
    if audit:
        part.audit = audit[0]
    read_outcomes(part, SCHEMAS, records["outcomes"], audit[1] if audit else ())
    fold = fold or Fold(MODELS["orders"], Check("", ""))
    read_events(part, SCHEMAS, records["events"], journal, fold.apply, lambda *_: None)
    return part


def wrong(part: Partition) -> dict[str, list[str]]:
    """The problems in a partition, by the name of the check that finds them."""
    checks = {name: Check(name, "") for name in CHECKS}
    for name, check in checks.items():
        CHECKS[name](part, check)
    return {name: check.problems for name, check in checks.items() if check.problems}


CHECKS: dict[str, Callable[[Partition, Check], None]] = {
    "versions": history.versions,
    "journal": history.journal,
    "facts": history.facts,
    "writers": history.writers,
    "contracts": history.contracts,
    "answers": answers.answers,
    "audit": audited.audited,
    "parking": parking.parking,
    "effects": answers.effects,
    "content": content.content,
    "resends": lambda part, check: answers.resends(part, check, WINDOW_MS),
    "admission": lambda part, check: admission.admission(part, check, WINDOW_MS),
    "keys": places.keys,
    "held": held.held_back,
    "positions": lambda part, check: positions.positions(part, check, ("journal", "orders_v1")),
}
