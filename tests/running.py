"""A whole Headrace for a test: topics, database and services as processes, on real servers."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from msgspec import Struct

from headrace.avro.codec import Codec
from headrace.avro.contract import read_lock
from headrace.cli.options import load_app
from headrace.client import CommandClient
from headrace.kafka.clients import admin_client, reader_config
from headrace.kafka.reading import high_watermarks, list_offsets, read_to
from headrace.kafka.records import Place
from headrace.kafka.topics import create_topics
from headrace.kernel.app import AUDIT, BUILT_IN, JOURNAL
from headrace.kernel.message import CommandMeta
from headrace.local import Supervisor
from headrace.postgres.schema import migrate
from headrace.settings import Settings
from headrace.watch.groups import groups_of
from headrace_load.verify import Report, verify

ROOT = Path(__file__).parent.parent
PARTITIONS = 4
OWN = ("HEADRACE_", "KAFKA_", "SCHEMA_REGISTRY_")


class Running:
    """One application's topics and tables, and the processes that a test starts on them."""

    def __init__(self, kafka: str, database: str, folder: Path, app: str, schemas: Path, services: Supervisor) -> None:
        self.app_path = app
        self.app = load_app(app)
        self.schemas = schemas
        self.folder = folder
        self.env = {
            **{
                name: value
                for name, value in os.environ.items()
                if not name.startswith(("HEADRACE_", "KAFKA_", "SCHEMA_"))
            },
            "KAFKA_BOOTSTRAP_SERVERS": kafka,
            "DATABASE_URL": database,
            "HEADRACE_PROFILE": "local",
            "HEADRACE_PARTITIONS": str(PARTITIONS),
            "HEADRACE_SCHEMAS": str(schemas),
            "HEADRACE_APP": app,
            "KAFKA_CONSUMER__SESSION_TIMEOUT_MS": "3000",
            "PYTHONPATH": os.pathsep.join([os.environ.get("PYTHONPATH", ""), f"{ROOT}/services", f"{ROOT}/load"]),
        }
        self.settings = Settings(
            KAFKA_BOOTSTRAP_SERVERS=kafka,
            DATABASE_URL=database,
            HEADRACE_PROFILE="local",
            HEADRACE_PARTITIONS=PARTITIONS,
            HEADRACE_SCHEMAS=schemas,
        )
        self.catalogue = read_lock(schemas)
        self.codec = Codec(self.app, self.catalogue)
        self.services = services
        self.projecting: set[str] = set()
        self.reacting: set[str] = set()
        self.admin: AdminClient = admin_client(self.settings)
        self._groups: dict[str, Consumer] = {}
        self._ends: dict[Place, tuple[int, int]] = {}

    def headrace(self, *arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run the command as a user would."""
        return subprocess.run(
            [sys.executable, "-m", "headrace", *arguments],
            env=self.env | (env or {}),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def start(self, name: str, *arguments: str, **env: str) -> None:
        """Start a service and keep it running; `env` adds variables."""
        if arguments[0] == "react":
            self.reacting.add(arguments[1])
        if arguments[0] == "project":
            self.projecting.add(arguments[1] if arguments[1] in BUILT_IN else self.app.view(arguments[1]).schema)
        self.services.start(name, [sys.executable, "-m", "headrace", *arguments], self.log(name), self.env | env)

    @property
    def projectors(self) -> list[str]:
        """What `start_projectors` calls its services."""
        return [f"project-{name}" for name in [*(view.name for view in self.app.views), JOURNAL]]

    def start_projectors(self) -> None:
        """One replica of each."""
        for name in self.projectors:
            self.start(name, "project", name.removeprefix("project-"))

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def owned(self, name: str) -> set[str]:
        """The partitions that a service owns, as its log tells it."""
        owned: set[str] = set()
        for line in self.log(name).read_text().splitlines():
            if "partitions acquired" in line:
                owned |= set(map(str, json.loads(line)["partitions"]))
            elif "partitions released" in line:
                owned -= set(map(str, json.loads(line)["partitions"]))
        return owned

    def send(self, aggregate: str, *commands: tuple[str, Struct], **meta: str | int) -> list[str]:
        """Append commands, each with its aggregate's id; returns the command ids."""
        client = CommandClient(self.codec, self.settings)
        ids = []
        for aggregate_id, command in commands:
            made = CommandMeta(**{"command_id": str(uuid4()), "aggregate_id": aggregate_id, **meta})  # type: ignore[arg-type]
            client.send(self.app.aggregate(aggregate), command, made)
            ids.append(made.command_id)
        client.flush()
        return ids

    def read(self, topic: str) -> list[tuple[int, int, bytes | None, bytes | None]]:
        """The committed records of a topic: partition, offset, key, value."""
        places = [(topic, number) for number in range(PARTITIONS)]
        earliest = list_offsets(self.admin, dict.fromkeys(places, OffsetSpec.earliest()))
        starts = {place: info.offset for place, info in earliest.items()}
        return [
            (record.partition(), record.offset(), record.key(), record.value())
            for chunk in read_to(self.settings, starts, high_watermarks(self.admin, places))
            for record in chunk
        ]

    def committed(self, group: str, topic: str) -> dict[int, int]:
        """A group's committed offsets, settled."""
        if group not in self._groups:
            self._groups[group] = Consumer(reader_config(self.settings) | {"group.id": group})
        try:
            places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
            return {entry.partition: entry.offset for entry in self._groups[group].committed(places, timeout=10)}
        except KafkaException:
            return {}

    def ends(self, topic: str) -> dict[Place, int]:
        """The offset after the newest committed record of each partition; only what is new is read."""
        now = high_watermarks(self.admin, [(topic, number) for number in range(PARTITIONS)])
        unknown = [place for place in now if place not in self._ends]
        earliest = list_offsets(self.admin, dict.fromkeys(unknown, OffsetSpec.earliest())) if unknown else {}
        self._ends |= {place: (info.offset, 0) for place, info in earliest.items()}
        known = {place: self._ends[place] for place in now}
        new = {place: end for place, end in now.items() if end != known[place][0]}
        for chunk in read_to(self.settings, {place: known[place][0] for place in new}, new):
            for record in chunk:
                place = (record.topic(), record.partition())
                known[place] = (known[place][0], max(known[place][1], record.offset() + 1))
        self._ends |= {place: (now[place], last) for place, (_, last) in known.items()}
        return {place: last for place, (_, last) in known.items() if last}

    def is_quiet(self) -> bool:
        """Every command answered, every reaction done, and every projector that was started at its end.

        A timer that waits is quiet. Nothing was written meanwhile: a reaction to the last event may be a command.
        """
        before = self._everything() if self.reacting else {}
        return self._is_answered_and_projected() and self._is_reacted() and (not before or self._everything() == before)

    def _everything(self) -> dict[Place, int]:
        owners = (*self.app.aggregates, *self.app.reactors)
        return high_watermarks(
            self.admin, [(t, n) for owner in owners for t in owner.topics for n in range(PARTITIONS)]
        )

    def _is_reacted(self) -> bool:
        for reactor in map(self.app.reactor, self.reacting):
            topics = [self.app.aggregate(name).event_topic for name in reactor.events]
            topics += [self.app.aggregate(name).outcome_topic for name in reactor.answers]
            for topic in topics:
                committed = self.committed(f"headrace.react.{reactor.name}", topic)
                if any(committed.get(number, -1) < end for (_, number), end in self.ends(topic).items()):
                    return False
        return True

    def _is_answered_and_projected(self) -> bool:
        ends: dict[Place, int] = {}
        audited: dict[Place, int] = {}
        for aggregate in self.app.aggregates:
            committed = self.committed(f"headrace.handle.{aggregate.name}", aggregate.command_topic)
            # Not the high watermark: behind a reactor's last command lies the marker of its transaction.
            for (_, number), end in self.ends(aggregate.command_topic).items():
                if committed.get(number, -1) < end:
                    return False
            ends |= self.ends(aggregate.event_topic)
            audited |= self.ends(aggregate.outcome_topic) if AUDIT in self.projecting else {}
        found = {
            (projector, (topic, number)): offset
            for projector, topic, number, offset in self.rows(
                "SELECT projector, topic, partition, next_offset FROM headrace.checkpoints"
            )
        }
        wanted = {name: self._read_by(name, audited if name == AUDIT else ends) for name in self.projecting}
        return all(found.get((name, place), 0) >= end for name in wanted for place, end in wanted[name].items())

    def _read_by(self, projector: str, ends: dict[Place, int]) -> dict[Place, int]:
        """The ends of what a projector reads: of its view's sources, or of all when it is one of ours."""
        read = {
            self.app.aggregate(source).event_topic
            for view in self.app.views
            for source in view.sources
            if view.schema == projector
        }
        return {place: end for place, end in ends.items() if place[0] in read or not read}

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """What the database answers."""
        with psycopg.connect(self.env["DATABASE_URL"]) as connection:
            return connection.execute(query.encode()).fetchall()

    def change(self, statement: str) -> None:
        """Change the database behind everybody's back; triggers are for others."""
        with psycopg.connect(self.env["DATABASE_URL"], options="-c session_replication_role=replica") as connection:
            connection.execute(statement.encode())

    def wait_until_quiet(self, seconds: float = 90) -> None:
        self.wait(self.is_quiet, "everything answered and projected", seconds)

    def wait(self, condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
        """Wait for a condition; on failure show the services' last lines."""
        deadline = time.monotonic() + seconds
        while not condition():
            self.services.check()
            if time.monotonic() > deadline:
                logs = "\n".join(f"--- {path.name}\n{path.read_text()[-1500:]}" for path in self.folder.glob("*.log"))
                raise AssertionError(f"not within {seconds:.0f} s: {what}\n{logs}")
            threading.Event().wait(0.05)

    def last_words(self) -> list[tuple[str, str]]:
        """Of each service that ended unasked, and its log's end."""
        return [(f"{name} ended", self.log(name).read_text()[-1500:]) for name in self.services.restarts]

    def verify(self) -> Report:
        domains = tuple(aggregate.name for aggregate in self.app.aggregates)
        return verify(self.env["KAFKA_BOOTSTRAP_SERVERS"], self.env["DATABASE_URL"], self.schemas, domains=domains)

    def assert_sound(self) -> Report:
        """Stop nothing, wait for quiet, verify; the report for further questions."""
        self.wait_until_quiet()
        report = self.verify()
        assert report.ok, json.dumps(report.as_json(), indent=1)
        return report

    def forget_groups(self) -> None:
        """Groups that earlier tests have left empty would count as services that are gone; nothing runs yet."""

        def forgotten() -> bool:
            for future in self.admin.delete_consumer_groups([*groups_of(self.app)]).values():
                try:
                    future.result()
                except KafkaException as error:
                    if error.args[0].code() != KafkaError.GROUP_ID_NOT_FOUND:
                        return False
            return True

        self.wait(forgotten, "no group is left", 30)

    def remove(self) -> None:
        """Forget the topics; their groups' offsets go with them."""
        for consumer in self._groups.values():
            consumer.close()
        self._groups.clear()
        self._ends.clear()
        topics = {topic for owner in (*self.app.aggregates, *self.app.reactors) for topic in owner.topics}
        existing = topics & set(self.admin.list_topics(timeout=10).topics)
        for future in self.admin.delete_topics(sorted(existing)).values() if existing else ():
            future.result()
        self.wait(lambda: not topics & set(self.admin.list_topics(timeout=10).topics), "topics deleted", 20)


@contextmanager
def running(
    kafka: str,
    database: str,
    folder: Path,
    app: str = "headrace.app:shop",
    schemas: Path = ROOT / "schemas",
    profile: str = "local",
    **topics: str,
) -> Iterator[Running]:
    """An application with its topics (`topics` overrides settings, dots as underscores) and its tables."""
    with Supervisor() as services:
        heart = Running(kafka, database, folder, app, schemas, services)
        heart.env["HEADRACE_PROFILE"] = profile
        overrides = {name.replace("_", "."): value for name, value in topics.items()}
        create_topics(heart.admin, heart.app, heart.settings.model_copy(update={"profile": profile}), overrides)
        migrate(heart.app, heart.settings)
        try:
            yield heart
        finally:
            # A test that fails leaves no positions behind, which the next one would find.
            services.stop()
            heart.remove()
