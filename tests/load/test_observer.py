"""The observer on real servers: what it sees, what it calls wrong, and that no server needs to be up."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from confluent_kafka import Consumer, TopicPartition

from headrace.local import LocalServers
from headrace_load.observe import Observer
from headrace_load.observe.leaders import End
from headrace_load.observe.positions import KafkaPositions
from headrace_load.observe.visible import Seen, vanished
from servers import Kafka
from verify.past import Past, write_small_past
from verify.past_on_servers import PARTITIONS, KafkaLog, abort_something, save, schemas_of, topics_of_its_own

pytestmark = pytest.mark.edge


@pytest.fixture
def past(kafka: Kafka, database: str, tmp_path: Path) -> Iterator[Past]:
    """An empty past on topics and tables of its own."""
    with topics_of_its_own(kafka.bootstrap_servers) as domain:
        _, entries = schemas_of(domain, tmp_path)
        past = Past(KafkaLog(kafka.bootstrap_servers), entries, domain, PARTITIONS)
        save(past, kafka.bootstrap_servers, database)
        yield past


def observer(kafka: Kafka, database: str, past: Past) -> Observer:
    return Observer(kafka.bootstrap_servers, database, past.domain, every_s=0.05)


def wait(condition: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline


def sampled_again(watching: Observer) -> Callable[[], bool]:
    """Whether both servers were sampled twice from now on: the second time surely after now."""
    before = watching.samples()
    return lambda: all(watching.samples()[name] > before[name] + 1 for name in ("kafka", "database"))


def store(past: Past, database: str, next_offset: int) -> None:
    with psycopg.connect(database) as connection:
        connection.execute(
            "INSERT INTO headrace.checkpoints VALUES ('journal', %s, 0, %s, 1, now(), 'test', now()) "
            "ON CONFLICT (projector, topic, partition) DO UPDATE SET next_offset = excluded.next_offset",
            [f"{past.domain}.events", next_offset],
        )


def commit(kafka: Kafka, past: Past, offset: int) -> None:
    group = Consumer({"bootstrap.servers": kafka.bootstrap_servers, "group.id": f"headrace.handle.{past.domain}"})
    group.commit(offsets=[TopicPartition(f"{past.domain}.commands", 0, offset)], asynchronous=False)
    group.close()


def test_what_goes_well_is_counted_and_no_problem(kafka: Kafka, database: str, past: Past) -> None:
    with observer(kafka, database, past) as watching:
        wait(watching.is_tailing)
        write_small_past(past)
        assert isinstance(past.log, KafkaLog)
        abort_something(past, past.log)
        wait(lambda: watching.visible().total() == 23)
    seen = watching.report()
    assert seen.problems == ()
    assert seen.visible == {f"{past.domain}.{kind}": n for kind, n in KINDS_OF_SMALL_PAST.items()}
    assert min(seen.samples.values()) > 0
    assert all(0 < seen.slowest_ms[topic] < 30_000 for topic in seen.visible)
    json.dumps(seen.as_json())


KINDS_OF_SMALL_PAST = {"commands": 9, "events": 5, "outcomes": 8, "parked": 1}


def test_positions_that_go_back_or_too_far_are_problems(kafka: Kafka, database: str, past: Past) -> None:
    with observer(kafka, database, past) as watching:
        wait(watching.is_tailing)
        for offset in (40, 30):
            store(past, database, offset)
            commit(kafka, past, offset)
            wait(sampled_again(watching))
        with psycopg.connect(database) as connection:
            connection.execute("DELETE FROM headrace.checkpoints")
        wait(sampled_again(watching))
    domain = past.domain
    assert sorted(watching.report().problems) == [
        f"handler stands at 30 of {domain}.commands[0], where committed records end at 0",
        f"handler stands at 40 of {domain}.commands[0], where committed records end at 0",
        f"handler went back from 40 to 30 in {domain}.commands[0]",
        "journal has no checkpoint in partition 0 any more",
        f"journal stands at 30 of {domain}.events[0], where committed records end at 0",
        f"journal stands at 40 of {domain}.events[0], where committed records end at 0",
        f"journal went back from 40 to 30 in {domain}.events[0]",
    ]


def test_a_handler_that_leaves_commands_waiting_stands_still(kafka: Kafka, database: str, past: Past) -> None:
    with observer(kafka, database, past) as watching:
        wait(watching.is_tailing)
        asked = past.ask("o-1", "CancelOrder", {"reason": "late"})
        wait(lambda: any(one.seconds > 0.5 for one in watching.standstills()))
    seen = watching.report()
    assert seen.standstills[0]._replace(seconds=0, began=0) == ("handler", asked.partition, 0, 0)
    assert seen.longest("handler") > 0.5
    assert seen.longest("journal") == 0


def test_what_was_visible_and_is_no_longer_is_a_problem(kafka: Kafka, past: Past) -> None:
    write_small_past(past)
    place = (f"{past.domain}.outcomes", 0)
    seen = Seen()
    for column, value in ((seen.offsets, 77), (seen.contents, 1), (seen.keys, 1)):
        column.append(value)
    assert list(vanished(kafka.bootstrap_servers, past.domain, {place: seen})) == [
        f"{place[0]}[0] offset 77 was visible, and is no longer"
    ]


def test_topics_need_not_be_there_yet(kafka: Kafka, database: str) -> None:
    with Observer(kafka.bootstrap_servers, database, "absent", every_s=0.05) as watching:
        wait(lambda: watching.samples()["kafka"] > 2)
    seen = watching.report()
    assert (seen.problems, seen.visible, seen.standstills) == ((), {}, ())


def test_an_observer_that_fails_itself_says_so(kafka: Kafka, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    watching = Observer(kafka.bootstrap_servers, database, "absent", every_s=0.05)
    monkeypatch.setattr(watching, "_positions", None)
    watching.start()
    wait(lambda: watching.report().problems)
    watching._stopping.set()
    assert "the observer itself failed: AttributeError" in watching.report().problems[0]


def test_brokers_tell_by_whom_they_are_led(kafka: Kafka, past: Past) -> None:
    positions = KafkaPositions(kafka.bootstrap_servers, past.domain, timeout_s=60)
    ends = positions.ends((f"{past.domain}.events",), PARTITIONS)
    positions.close()
    assert ends == {(f"{past.domain}.events", number): End(0, 0) for number in range(PARTITIONS)}


def test_no_server_needs_to_be_up() -> None:
    with Observer("127.0.0.1:1", "postgresql://127.0.0.1:1/none", every_s=0.05) as watching:
        wait(lambda: watching.blind_for("kafka") > 0.2 and watching.blind_for("database") > 0.2)
    assert watching.samples().total() == 0


def test_servers_that_stop_and_come_back_are_observed_again(
    servers: LocalServers, kafka: Kafka, postgres: object, database: str, past: Past
) -> None:
    assert postgres
    with observer(kafka, database, past) as watching:
        wait(watching.is_tailing)
        wait(sampled_again(watching))
        servers.kafka.kill()
        servers.postgres.stop()
        wait(lambda: min(map(watching.blind_for, ("kafka", "database"))) > 1)
        servers.start()
        wait(sampled_again(watching), 60)
        past.ask("o-1", "CancelOrder", {"reason": "late"})
        wait(lambda: watching.visible().total() == 1, 60)
    seen = watching.report()
    assert seen.problems == ()
    assert min(seen.blind_s.values()) > 1
