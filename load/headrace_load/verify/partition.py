"""One partition of a domain: read from its four topics and the journal, and checked."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from headrace_load.verify import (
    admission,
    answers,
    audited,
    clients,
    content,
    held,
    history,
    isolation,
    money,
    parking,
    places,
    positions,
    rows,
    sums,
)
from headrace_load.verify.claims import fresh_checks
from headrace_load.verify.database import Database
from headrace_load.verify.reading import Apply, read_commands, read_events, read_outcomes, read_parked
from headrace_load.verify.records import ANSWERS, Checkpoint, Ends, Partition, Place
from headrace_load.verify.report import Check
from headrace_load.verify.restored import Restored, RestoreFold
from headrace_load.verify.schemas import Decoded, Schemas
from headrace_load.verify.topics import Topics


class Where(NamedTuple):
    """The servers, the folder of the lock file and the clients' histories.

    `snapshot` is the moment of the database that all look at.
    """

    kafka: str
    database: str
    schemas: Path
    histories: tuple[Path, ...] = ()
    snapshot: str = ""


class Job(NamedTuple):
    """What is to be checked, and what was known of it beforehand."""

    domain: str
    number: int
    partitions: int
    ends: dict[str, Ends]
    committed: int | None
    checkpoints: dict[str, Checkpoint]
    not_applied: set[Place]
    restored: list[Restored]
    window_ms: int
    summed: dict[str, set[Place]]
    """What is not applied in tables whose rows are no aggregate's own, by projector."""
    projectors: tuple[str, ...] = ()
    """Those that must have come to the end of the events."""
    audit: Checkpoint | None = None
    """Where the audit stands in the outcomes; None when none is kept."""
    reacted: tuple[tuple[tuple[str, str], int | None], ...] = ()
    """Where reactors stand, by group and kind of topic."""

    @property
    def size(self) -> int:
        """About how many records there are to read."""
        return sum(ends.high - ends.low for ends in self.ends.values())


class Found(NamedTuple):
    """What was found in a partition: the checks, how many records were read, and a digest of each row that follows.

    `sums` are the partition's rows of the tables whose rows are no aggregate's own, by projector; `moved` is what it
    tells of money, where it does.
    """

    checks: dict[str, Check]
    read: int
    rows: dict[str, bytes]
    sums: dict[str, sums.Rows]
    moved: money.Moved | None = None


class Sources:
    """Where partitions are read from, by one process; `histories` has what clients saw, by domain and partition."""

    def __init__(
        self,
        schemas: Schemas,
        topics: Topics,
        database: Database,
        histories: dict[tuple[str, int], clients.Clients],
    ) -> None:
        self._schemas = schemas
        self._topics = topics
        self._database = database
        self._histories = histories

    def check(self, job: Job) -> Found:
        """Read a partition, and check it."""
        checks = fresh_checks()
        model = rows.MODELS.get(job.domain)
        fold = rows.Fold(model, checks["states"], job.not_applied) if model else None
        place = f"{job.domain}.events[{job.number}]"
        tables = sums.tables(job.domain, job.summed)
        ledger = money.Ledger(job.domain, checks["money"]) if job.domain in money.DOMAINS else None
        apply = _into(job.number, fold, list(tables.values()), ledger) if fold else _ignore
        part = self._read(job, model, apply, RestoreFold(job.restored, place, checks["restored"]))
        if fold:
            fold.close_partition()
        run_checks(part, checks, job.window_ms, job.projectors)
        self._compare(part, job, checks)
        of_tables = {projector: table.rows for projector, table in tables.items()}
        moved = ledger.close() if ledger else None
        return Found(checks, part.read.total(), fold.rows if fold else {}, of_tables, moved)

    def _read(self, job: Job, model: Any, apply: Apply, restores: RestoreFold) -> Partition:
        part = Partition(job.domain, job.number, job.partitions, job.ends, job.committed, job.checkpoints)
        events = f"{job.domain}.events"
        part.held, part.audit, part.reacted = self._database.held(events, job.number), job.audit, dict(job.reacted)
        part.leads = model.LEADS_TO if model else {}
        read_parked(part, self._records(job, "parked"))
        read_commands(part, self._schemas, self._records(job, "commands"))
        kept = self._database.audit(f"{job.domain}.outcomes", job.number) if job.audit else ()
        read_outcomes(part, self._schemas, self._records(job, "outcomes"), kept)
        journal = self._database.journal(events, job.number)
        read_events(part, self._schemas, self._records(job, "events"), journal, apply, restores.see)
        restores.close(job.ends["events"].high)
        part.known.clear()
        return part

    def _compare(self, part: Partition, job: Job, checks: dict[str, Check]) -> None:
        """The checks that need more than what a reader of committed records sees."""
        aborted = {}
        for kind in ANSWERS:
            others = partial(self._topics.others, f"{job.domain}.{kind}", job.number, job.ends[kind])
            aborted[kind] = isolation.hidden(part, kind, others, checks["isolation"])
        isolation.isolation(part, aborted, self._schemas, checks["isolation"])
        told = self._histories.get((job.domain, job.number))
        if told is not None:
            clients.acknowledged(part, told, checks["acknowledged"])
            clients.sent_by_somebody(part, told, checks["senders"])
            clients.order(part, told, checks["order"])

    def _records(self, job: Job, kind: str) -> Iterator[Any]:
        return self._topics.records(f"{job.domain}.{kind}", job.number, job.ends[kind])


def run_checks(part: Partition, checks: dict[str, Check], window_ms: int, projectors: tuple[str, ...]) -> None:
    """All checks of what was read of a partition; `projectors` must have come to its end."""
    history.versions(part, checks["versions"])
    history.journal(part, checks["journal"])
    history.facts(part, checks["facts"])
    history.writers(part, checks["writers"])
    history.contracts(part, checks["contracts"])
    answers.answers(part, checks["answers"])
    audited.audited(part, checks["audit"])
    parking.parking(part, checks["parking"])
    answers.effects(part, checks["effects"])
    content.content(part, checks["content"])
    answers.resends(part, checks["resends"], window_ms)
    admission.admission(part, checks["admission"], window_ms)
    places.keys(part, checks["keys"])
    held.held_back(part, checks["held"])
    positions.positions(part, checks["positions"], projectors)


def _into(number: int, fold: rows.Fold, tables: list[sums.Sums], ledger: money.Ledger | None) -> Apply:
    """What is told of a partition's events: the fold, the tables whose rows are no aggregate's own, and the ledger."""
    if not tables and ledger is None:
        return fold.apply

    def apply(aggregate_id: str, offset: int, event: Decoded) -> None:
        aggregate = fold.apply(aggregate_id, offset, event)
        if ledger is not None:
            ledger.see(event)
        if aggregate is not None:
            for table in tables:
                table.apply((number, aggregate_id, offset), event, aggregate)

    return apply


def _ignore(_aggregate_id: str, _offset: int, _event: Decoded) -> None:
    """No model of the domain, nothing to fold."""
