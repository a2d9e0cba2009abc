"""The whole verification: domain by domain, partition by partition, each record read once."""

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from headrace_load.verify import money, rows, sums
from headrace_load.verify.audited import AUDIT
from headrace_load.verify.claims import fresh_checks
from headrace_load.verify.database import Database
from headrace_load.verify.history import JOURNAL
from headrace_load.verify.partition import Found, Job, Where
from headrace_load.verify.processes import check_all, refusing
from headrace_load.verify.reactors import reactors
from headrace_load.verify.records import Checkpoint, Place
from headrace_load.verify.report import CannotVerify, Check, Report
from headrace_load.verify.restored import Restored, read_logs
from headrace_load.verify.schemas import NotARecordError, Schemas
from headrace_load.verify.topics import REACTORS, Topics

DEDUP_WINDOW_S: Final = 300
MOST_PROCESSES: Final = 4


class Evidence(NamedTuple):
    """What others have noted: the histories of all clients, and the folder of the handlers' logs."""

    histories: tuple[Path, ...] = ()
    logs: Path | None = None


NONE: Final = Evidence()


def verify(
    bootstrap_servers: str,
    database_url: str,
    schemas_dir: Path,
    domains: Sequence[str] | None = None,
    dedup_window_s: int = DEDUP_WINDOW_S,
    evidence: Evidence = NONE,
) -> Report:
    """Read all topics and tables of the domains (those of the lock file, if none are named) and check them.

    Meant for a quiet system: what is still to be answered or applied counts as a problem of `positions`.
    `evidence` is what others have noted meanwhile; without it the checks that need it count nothing.
    Raises `CannotVerify` when servers, topics or tables cannot be reached, or when there is nothing in them.
    """
    began = time.monotonic()
    schemas = Schemas.read(schemas_dir)
    where = Where(bootstrap_servers, database_url, schemas_dir, evidence.histories)
    restored = read_logs(evidence.logs)
    with refusing(), Database(database_url) as database:
        verification = Verification(schemas, where, database, dedup_window_s * 1000, restored)
        checked = domains or schemas.domains
        for domain in checked:
            verification.check_domain(domain)
        if set(money.DOMAINS) <= set(checked):
            verification.check_money()
        verification.check_reactors()
    if not verification.read:
        raise CannotVerify("nothing to verify: no record lies in any topic, and none in the journal")
    return Report(tuple(verification.checks.values()), time.monotonic() - began)


class Verification:
    """One run over all domains; `read` counts all records that were there."""

    def __init__(
        self,
        schemas: Schemas,
        where: Where,
        database: Database,
        window_ms: int,
        restored: dict[tuple[str, int], list[Restored]],
    ) -> None:
        self.checks = fresh_checks()
        self.read = 0
        self._moved: list[money.Moved] = []
        self._reactors: set[str] = set()
        self._schemas = schemas
        self._where = where
        self._database = database
        self._window_ms = window_ms
        self._restored = restored

    def check_domain(self, domain: str) -> None:
        """Check one domain's topics, journal, checkpoints and read model."""
        model = rows.MODELS.get(domain)
        tables = [f"headrace.{name}" for name in ("journal", "checkpoints", "parked", "released")]
        self._database.require(*tables, *([model.TABLE, model.SEEN] if model else []))
        events = f"{domain}.events"
        aside = self._database.not_applied(events, model.PROJECTOR) if model else set()
        summed = self._summed(domain)
        jobs = self._jobs(domain, aside, summed)
        where = self._where._replace(snapshot=self._database.snapshot())
        expected: dict[str, bytes] = {}
        gathered = sums.tables(domain, summed)
        for found in check_all(where, jobs, min(MOST_PROCESSES, os.cpu_count() or 1)):
            self._add(found)
            expected.update(found.rows)
            for projector, its_rows in found.sums.items():
                gathered[projector].rows.update(its_rows)
        self._check_strays("journal", events, len(jobs))
        if any(job.audit for job in jobs):
            self._check_strays("audit", f"{domain}.outcomes", len(jobs))
        if model:
            self.checks["rows"].count(aggregates=len(expected), set_aside=len(aside))
            self._check_rows(model, model.TABLE, dict(expected), events, aside)
            self._check_rows(model, model.SEEN, expected, events, aside)
        for table in gathered.values():
            table.compare(self._database, self.checks["rows"])

    def _check_strays(self, table: str, topic: str, partitions: int) -> None:
        for number, count in self._database.strays(f"headrace.{table}", topic, partitions):
            self.checks[table].problem(f"the {table} holds {count} rows of {topic}[{number}], which does not exist")

    def check_money(self) -> None:
        """Check what all partitions of accounts and transfers have told of money."""
        money.compare(self._moved, self.checks["money"])

    def check_reactors(self) -> None:
        """Check what the reactors that read of the domains keep for themselves."""
        if self._reactors:
            with Topics(self._where.kafka) as topics:
                reactors(topics, self._reactors, self.checks["reactors"])

    def _summed(self, domain: str) -> dict[str, set[Place]]:
        """What is not applied in tables whose rows are no aggregate's own, but for projectors that never ran."""
        events, found = f"{domain}.events", {}
        known = {
            projector for by_projector in self._database.checkpoints(events).values() for projector in by_projector
        }
        for model in sums.MODELS.get(domain, ()):
            if model.PROJECTOR in known or self._database.has_rows(model.TABLE):
                self._database.require(model.TABLE, model.SEEN)
                found[model.PROJECTOR] = self._database.not_applied(events, model.PROJECTOR)
        return found

    def _jobs(self, domain: str, aside: set[Place], summed: dict[str, set[Place]]) -> list[Job]:
        events, commands = f"{domain}.events", f"{domain}.commands"
        with Topics(self._where.kafka) as topics:
            partitions = topics.partitions(domain)
            committed = topics.committed(f"headrace.handle.{domain}", commands, partitions)
            all_ends = topics.ends(domain, partitions)
            reacted = topics.reacted(domain, partitions)
        self._reactors.update(group.removeprefix(REACTORS) for group, _ in reacted)
        checkpoints = self._database.checkpoints(events)
        outcomes = f"{domain}.outcomes"
        audited = self._database.checkpoints(outcomes)
        kept = bool(audited) or self._database.has_audited(outcomes)
        model = rows.MODELS.get(domain)
        # Of an unknown domain those that have come to any partition; one that has not come to another is behind there.
        known = {JOURNAL, *(projector for found in checkpoints.values() for projector in found)}
        projectors = (JOURNAL, model.PROJECTOR, *summed) if model else tuple(sorted(known))
        jobs = []
        for number, ends in enumerate(all_ends):
            found, told = checkpoints.get(number, {}), self._restored.get((events, number), [])
            job = Job(domain, number, partitions, ends, committed[number], found, aside, told, self._window_ms, summed)
            # A partition that a projector has not come to yet is one that it is behind in.
            audit = audited.get(number, {}).get(AUDIT, Checkpoint(0, -1)) if kept else None
            its = tuple((reader, offsets[number]) for reader, offsets in reacted.items())
            jobs.append(job._replace(projectors=projectors, audit=audit, reacted=its))
        return jobs

    def _add(self, found: Found) -> None:
        self.read += found.read
        if found.moved is not None:
            self._moved.append(found.moved)
        for name, check in found.checks.items():
            self.checks[name].add(check)

    def _check_rows(self, model: Any, table: str, expected: dict[str, bytes], topic: str, aside: set[Place]) -> None:
        check = self.checks["rows"]
        different = rows.compare_rows(table, expected, self._database.table(table, model.COLUMNS), check)
        again = rows.Fold(model, Check("", ""), aside)
        for aggregate_id, offset, record in self._database.history(topic, [row[0] for row in different]):
            with suppress(NotARecordError):  # noted when it was read
                again.apply(aggregate_id, offset, self._schemas.decode(record))
        rows.explain(table, model.COLUMNS, different, again.open_rows(), check)
