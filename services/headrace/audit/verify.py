"""Whether history was rewritten: a walk along every chain, what rows say against each other, and what was signed."""

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct, structs

from headrace.audit.chain import Head, beginning
from headrace.audit.checkpoints import EVENTS, OUTCOMES
from headrace.audit.evidence import Evidence
from headrace.audit.findings import CHANGED, REMOVED, REWRITTEN, Finding, Pin
from headrace.audit.meaning import begun, events_and_outcomes, leading_to_events, missing, positions, versions
from headrace.audit.tables import Tables
from headrace.audit.walk import Walk
from headrace.kafka.records import Place
from headrace.kernel.app import AUDIT, JOURNAL
from headrace.postgres.chained import AUDIT_TABLE, JOURNAL_TABLE, Chained


class Walked(Struct, frozen=True):
    """One chain: its rows, those of them that are older than it, and up to which offset it was signed (-1: nowhere)."""

    table: str
    topic: str
    partition: int
    rows: int
    unchained: int
    last_offset: int
    signed_to: int


class Report(Struct, frozen=True):
    """All chains, all that is wrong, and what could not be looked at."""

    chains: list[Walked]
    findings: list[Finding]
    notes: list[str] = []

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    def as_json(self) -> dict[str, Any]:
        """The report for programs."""
        return {"ok": self.ok, "chains": self.chains, "findings": self.findings, "notes": self.notes}


def verify_history(tables: Tables, evidence: Evidence | None = None) -> Report:
    """Walk along all chains of journal and audit; `evidence` is what was signed."""
    said = evidence or Evidence()
    pins = said.pins
    chains: list[Walked] = []
    findings: list[Finding] = list(said.findings)
    notes: list[str] = list(said.notes)
    heads = tables.chains()
    outcomes = {(_swapped(topic), number): (topic, number) for topic, number in leading_to_events(tables)}
    events = {(_swapped(topic), number): (topic, number) for topic, number in tables.places(JOURNAL_TABLE)}
    for table, projector, suffix, told in (
        (JOURNAL_TABLE, JOURNAL, EVENTS, outcomes),
        (AUDIT_TABLE, AUDIT, OUTCOMES, events),
    ):
        its_heads = {place: head for place, head in heads.items() if place[0].endswith(suffix)}
        its_pins = {place: pinned for place, pinned in pins.items() if place[0].endswith(suffix)}
        places = sorted({*tables.places(table), *its_heads, *its_pins})
        for place in places:
            walked, found = _walk(tables, table, place, heads.get(place), pins.get(place, ()))
            chains.append(walked)
            findings += found
        findings += positions(tables, projector, its_heads)
        known = begun(tables, projector) | set(places)
        if told and not known and projector == AUDIT:
            notes.append("there is no audit at all: nothing tells which commands led to the events")
        else:
            findings += missing(projector, known, told)
        if table is JOURNAL_TABLE:
            for topic in sorted({topic for topic, _ in (*places, *told)}):
                findings += versions(tables, topic)
                findings += events_and_outcomes(tables, topic, _swapped(topic))
    return Report(chains, findings, notes)


def _swapped(topic: str) -> str:
    """The topic of the events that a topic's outcomes tell of, or the other way round."""
    if topic.endswith(OUTCOMES):
        return topic.removesuffix(OUTCOMES) + EVENTS
    return topic.removesuffix(EVENTS) + OUTCOMES


def _walk(
    tables: Tables, table: Chained, place: Place, head: Head | None, pins: Sequence[Pin]
) -> tuple[Walked, list[Finding]]:
    findings = []
    if head is None:
        findings.append(Finding(*place, None, None, None, REMOVED, "the chain's head is missing in headrace.chains"))
        last = tables.last(table, place)
        head = Head(0, 0, *last) if last else beginning(*place)
    if table is AUDIT_TABLE and (head.starts_at or head.unchained):
        what = f"its chain says that it begins at offset {head.starts_at}; the audit's begin with their first rows"
        findings.append(Finding(*place, None, None, None, CHANGED, what))
    walk = Walk(place, head, pins)
    for row in tables.rows(table, place):
        walk.see(row)
    findings += _named(tables, table, place, walk.end())
    broken = any(finding.kind == REWRITTEN for finding in findings)
    signed_to = max((pin.head.offset for pin in pins), default=-1)
    walked = Walked(table.name, *place, walk.rows, head.unchained, head.offset, -1 if broken else signed_to)
    return walked, findings


def _named(tables: Tables, table: Chained, place: Place, findings: list[Finding]) -> Iterator[Finding]:
    """The findings, each with the aggregate that its row is of."""
    nameless = [finding.offset for finding in findings if finding.offset is not None and finding.aggregate_id is None]
    names = tables.names(table, place, nameless) if nameless else {}
    for finding in findings:
        if finding.aggregate_id is None and finding.offset in names:
            aggregate_id, version = names[finding.offset]
            yield structs.replace(finding, aggregate_id=aggregate_id, version=version)
        else:
            yield finding
