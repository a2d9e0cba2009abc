"""I18: what people put into ids, fields and headers is in no log, no metric, no error line, whatever breaks on it."""

import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from confluent_kafka import Producer, murmur2

from headrace.kernel.message import CommandMeta
from lamps import OUTSIDE, lock_lamps
from running import PARTITIONS, Running, running
from scraping import free_port, get, scrape
from servers import Kafka

pytestmark = [pytest.mark.edge, pytest.mark.timeout(300)]

CANARY = "tweety-7f3a"
BROKEN, REFUSED = f"{CANARY}-attic", f"{CANARY}-cellar"


@pytest.fixture
def house(kafka: Kafka, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """Lamps whose code breaks in one room, and whose view Postgres refuses for another."""
    faulty = Path(__file__).parent / "outside"
    for folder in (OUTSIDE, faulty):
        monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", f"{OUTSIDE}:{faulty}", prepend=os.pathsep)
    with running(kafka.bootstrap_servers, database, tmp_path, "faulty_lights:app", lock_lamps(tmp_path)) as heart:
        heart.change(f"ALTER TABLE rooms_v1.rooms ADD CHECK (room <> '{REFUSED}')")
        yield heart


def garbage(house: Running) -> list[bytes]:
    """Values that are no command, each for another reason, each with the canary in it."""
    import lights  # type: ignore[import-not-found]  # noqa: PLC0415 - it is on the path only now

    meta = CommandMeta(command_id=str(uuid.uuid4()), aggregate_id=CANARY)
    good = house.codec.encode(lights.Hang(BROKEN), meta)
    at = good.index(BROKEN.encode())
    return [
        CANARY.encode(),
        b"\0" + CANARY.encode(),
        good + CANARY.encode(),
        good[: at + 3],
        good[:at] + b"\xff\xfe" + good[at + 2 :],
        good[:5] + b"\xff\xff\xff\xff\x7f" + CANARY.encode(),
    ]


def test_what_people_write_is_in_no_log_and_no_metric(house: Running) -> None:
    import lights  # noqa: PLC0415

    ports = {"handler": free_port(), "view": free_port()}
    debug = {"LOG_LEVEL": "debug", "LOG_FORMAT": "json"}
    house.start("handler", "handle", "lights", BROKEN_ROOM=BROKEN, METRICS_PORT=str(ports["handler"]), **debug)
    house.start("view", "project", "rooms", METRICS_PORT=str(ports["view"]), **debug)
    # Before its group has offsets it would refuse to begin behind an event.
    house.wait(lambda: len(house.owned("handler")) == PARTITIONS, "the handler has its partitions")

    lamps = [f"{CANARY}-{number}" for number in range(8)]
    said = {"actor": CANARY, "correlation_id": CANARY}
    house.send("lights", *[(lamp, lights.Hang(BROKEN)) for lamp in lamps[:2]], **said)
    house.send("lights", *[(lamp, lights.Hang(REFUSED)) for lamp in lamps[2:4]], **said)
    house.send("lights", *[(lamp, lights.Switch(on=True)) for lamp in lamps], **said)
    producer = Producer({"bootstrap.servers": house.env["KAFKA_BOOTSTRAP_SERVERS"]})
    for value in garbage(house):
        producer.produce("lights.commands", value, CANARY.encode(), headers=[(CANARY, CANARY.encode())], partition=1)
    place = murmur2(lamps[4].encode(), PARTITIONS)
    producer.produce("lights.events", garbage(house)[2], lamps[4].encode(), partition=place)
    producer.flush()
    house.wait(lambda: "event parked" in house.log("view").read_text(), "a row is refused", 120)
    house.wait(
        lambda: house.log("handler").read_text().count("record set aside") >= len(garbage(house)), "all is read", 120
    )
    house.wait(lambda: house.log("handler").read_text().count("key parked") >= 2, "the bug has struck", 120)
    house.headrace("parked", "redrive", "lights", lamps[0], env={"BROKEN_ROOM": BROKEN})
    journal = house.headrace("project", "journal", env=debug).stderr
    assert "the journal stops here" in journal
    seen = [scrape(ports[name]).text + get(f"http://127.0.0.1:{ports[name]}/readyz")[2] for name in ("handler", "view")]
    house.services.send("view", signal.SIGTERM)
    for text in [journal, *seen, *(path.read_text() for path in house.folder.glob("*.log"))]:
        assert text
        assert CANARY not in text.lower()


def test_an_error_that_nobody_foresaw_is_told_without_its_words(house: Running) -> None:
    """A database that somebody changed by hand: psycopg's error quotes the row, the service's last line does not."""
    with psycopg.connect(house.env["DATABASE_URL"]) as connection:
        connection.execute(
            f"CREATE FUNCTION headrace.quote() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION 'no' USING DETAIL = '{CANARY}', HINT = '{CANARY}', ERRCODE = 'F0000'; END $$"
        )
        connection.execute(
            "CREATE TRIGGER quote BEFORE INSERT OR UPDATE ON headrace.checkpoints "
            "FOR EACH ROW EXECUTE FUNCTION headrace.quote()"
        )
    done = house.headrace("project", "journal")
    assert done.returncode == 1
    assert "Postgres: no" in done.stderr
    assert CANARY not in done.stderr
