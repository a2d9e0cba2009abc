"""The whole verification: domain by domain, partition by partition, each record read once."""

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import psycopg
from confluent_kafka import KafkaException

from headrace_load.verify import answers, held, history, parking, places, positions, rows
from headrace_load.verify.database import Database
from headrace_load.verify.reading import read_commands, read_events, read_outcomes, read_parked
from headrace_load.verify.records import Checkpoint, Ends, Partition
from headrace_load.verify.report import CannotVerify, Check, Report
from headrace_load.verify.schemas import Decoded, NotARecordError, Schemas
from headrace_load.verify.topics import Topics

DEDUP_WINDOW_S: Final = 300

CLAIMS: Final = {
    "versions": "each aggregate's versions are 1..n in the journal, rising in offset order",
    "journal": "the journal holds every event of the topic, byte for byte, and no other",
    "answers": "every command has one outcome, one more when it was parked; every other record is set aside once",
    "parking": "what is parked waits in order, and nothing of its key passes it",
    "effects": "events exist exactly where an outcome says so",
    "resends": "a resend has the first answer and no effect",
    "facts": "ids, times and writers of events follow from their commands",
    "states": "the state in each event is the fold of the events up to it",
    "rows": "each row is the fold of its events in the journal, without those that were set aside",
    "held": "what projectors hold back is in the log, and nothing of its key has overtaken it",
    "positions": "projectors and handlers stand at the end, no transaction is open",
    "keys": "each key lies on the partition that murmur2 names",
    "contracts": "every event, outcome and parked record can be read",
}


def verify(
    bootstrap_servers: str,
    database_url: str,
    schemas_dir: Path,
    domains: Sequence[str] | None = None,
    dedup_window_s: int = DEDUP_WINDOW_S,
) -> Report:
    """Read all topics and tables of the domains (those of the lock file, if none are named) and check them.

    Meant for a quiet system: what is still to be answered or applied counts as a problem of `positions`.
    Raises `CannotVerify` when servers, topics or tables cannot be reached, or when there is nothing in them.
    """
    began = time.monotonic()
    schemas = Schemas.read(schemas_dir)
    try:
        with Topics(bootstrap_servers) as topics, Database(database_url) as database:
            verification = Verification(schemas, topics, database, dedup_window_s * 1000)
            for domain in domains or schemas.domains:
                verification.check_domain(domain)
    except psycopg.Error as error:
        raise CannotVerify(f"the database does not answer as it must: {' '.join(str(error).split())}") from error
    except KafkaException as error:
        raise CannotVerify(f"the brokers do not answer as they must: {error.args[0].str()}") from error
    if not verification.read:
        raise CannotVerify("nothing to verify: no record lies in any topic, and none in the journal")
    return Report(tuple(verification.checks.values()), time.monotonic() - began)


class Verification:
    """One run over all domains; `read` counts all records that were there."""

    def __init__(self, schemas: Schemas, topics: Topics, database: Database, window_ms: int) -> None:
        self.checks = {name: Check(name, claim) for name, claim in CLAIMS.items()}
        self.read = 0
        self._schemas = schemas
        self._topics = topics
        self._database = database
        self._window_ms = window_ms

    def check_domain(self, domain: str) -> None:
        """Check one domain's topics, journal, checkpoints and read model."""
        model = rows.MODELS.get(domain)
        tables = [
            "headrace.journal",
            "headrace.checkpoints",
            "headrace.parked",
            "headrace.released",
            *([model.TABLE] if model else []),
        ]
        self._database.require(*tables)
        events = f"{domain}.events"
        partitions = self._topics.partitions(domain)
        committed = self._topics.committed(f"headrace.handle.{domain}", f"{domain}.commands", partitions)
        checkpoints = self._database.checkpoints(events)
        aside = self._database.not_applied(events, model.PROJECTOR) if model else set()
        fold = rows.Fold(model, self.checks["states"], aside) if model else None
        for number, ends in enumerate(self._topics.ends(domain, partitions)):
            known = checkpoints.get(number, {})
            part = self._read(domain, (number, partitions), ends, committed[number], known, fold)
            self._check(part, model)
        for number, count in self._database.strays(events, partitions):
            self.checks["journal"].problem(
                f"the journal holds {count} rows of {events}[{number}], which does not exist"
            )
        if model and fold:
            self._check_rows(model, fold, events, aside)

    def _read(
        self,
        domain: str,
        number_of: tuple[int, int],
        ends: dict[str, Ends],
        committed: int | None,
        checkpoints: dict[str, Checkpoint],
        fold: rows.Fold | None,
    ) -> Partition:
        number = number_of[0]
        part = Partition(domain, *number_of, ends, committed, checkpoints)
        part.held = self._database.held(f"{domain}.events", number)
        read_parked(part, self._topics.records(f"{domain}.parked", number, ends["parked"]))
        read_commands(part, self._schemas, self._topics.records(f"{domain}.commands", number, ends["commands"]))
        read_outcomes(part, self._schemas, self._topics.records(f"{domain}.outcomes", number, ends["outcomes"]))
        records = self._topics.records(f"{domain}.events", number, ends["events"])
        journal = self._database.journal(f"{domain}.events", number)
        read_events(part, self._schemas, records, journal, fold.apply if fold else _ignore)
        if fold:
            fold.close_partition()
        self.read += part.read.total()
        return part

    def _check(self, part: Partition, model: Any) -> None:
        checks = self.checks
        history.versions(part, checks["versions"])
        history.journal(part, checks["journal"])
        history.facts(part, checks["facts"])
        history.contracts(part, checks["contracts"])
        answers.answers(part, checks["answers"])
        parking.parking(part, checks["parking"])
        answers.effects(part, checks["effects"])
        answers.resends(part, checks["resends"], self._window_ms)
        places.keys(part, checks["keys"])
        held.held_back(part, checks["held"])
        projectors = (history.JOURNAL, model.PROJECTOR) if model else tuple({history.JOURNAL, *part.checkpoints})
        positions.positions(part, checks["positions"], projectors)

    def _check_rows(self, model: Any, fold: rows.Fold, topic: str, aside: set[tuple[str, int]]) -> None:
        check = self.checks["rows"]
        check.count(aggregates=len(fold.rows), set_aside=len(aside))
        different = rows.compare_rows(fold.rows, self._database.table(model.TABLE, model.COLUMNS), check)
        again = rows.Fold(model, Check("", ""), aside)
        for aggregate_id, offset, record in self._database.history(topic, [row[0] for row in different]):
            with suppress(NotARecordError):  # noted when it was read
                again.apply(aggregate_id, offset, self._schemas.decode(record))
        rows.explain(model.COLUMNS, different, again.open_rows(), check)


def _ignore(_aggregate_id: str, _offset: int, _event: Decoded) -> None:
    """No model of the domain, nothing to fold."""
