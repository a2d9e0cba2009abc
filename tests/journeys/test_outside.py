"""What a team does with its own domain, and with clients of its own."""

import io
import json
import os
import subprocess
import uuid
from pathlib import Path

import fastavro
import pytest

from headrace.local import LocalServers
from lamps import lock_lamps
from lifecycles import lifecycles
from running import Running, running
from servers import Kafka

pytestmark = pytest.mark.edge

HERE = Path(__file__).parent


def test_a_team_s_own_domain_runs_on_the_package_unchanged(
    kafka: Kafka, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(HERE / "outside"))
    monkeypatch.setenv("PYTHONPATH", str(HERE / "outside"), prepend=os.pathsep)
    schemas = lock_lamps(tmp_path)
    with running(kafka.bootstrap_servers, database, tmp_path, "lights:app", schemas) as house:
        house.start("handler", "handle", "lights")
        house.start("rooms-0", "project", "rooms")
        house.start("rooms-1", "project", "rooms")
        house.start("journal", "project", "journal")
        lamps = [f"lamp-{number}" for number in range(30)]
        import lights  # type: ignore[import-not-found]  # noqa: PLC0415 - it is on the path only now

        house.send(
            "lights", *[(lamp, lights.Hang("hall" if number % 2 else "attic")) for number, lamp in enumerate(lamps)]
        )
        house.send("lights", *[(lamp, lights.Switch(on=on)) for on in (True, True, False) for lamp in lamps])
        house.send("lights", ("lamp-none", lights.Switch(on=True)))
        house.wait_until_quiet()
        seen = house.rows("SELECT room, lamps, switchings FROM rooms ORDER BY room")
        assert seen == [("attic", 15, 30), ("hall", 15, 30)]
        refused = [house.codec.decode(value).body.code for _, _, _, value in house.read("lights.outcomes")]
        assert (refused.count("NotHung"), refused.count(None)) == (1, 120)
        assert house.rows("SELECT count(*) FROM headrace.journal") == [(90,)]


def test_the_java_console_producer_can_command(shop: Running, servers: LocalServers) -> None:
    """Nothing of Headrace here but the contract's id: Avro bytes framed by hand, sent by Java's default partitioner."""
    shop.start("handler", "handle", "orders")
    shop.start_projectors()
    shop.send("orders", *list(lifecycles(20))[:40])  # created and paid
    locked = json.loads((shop.schemas / "ids.json").read_text())
    contract = next(entry for entry in locked if entry["record"] == "headrace.orders.ShipOrder")
    lines = b""
    for number in range(20):
        meta = {"command_id": str(uuid.uuid4()), "aggregate_id": f"order-{number}"}
        framed = io.BytesIO(contract["id"].to_bytes(5, "big"))
        framed.seek(5)
        fastavro.schemaless_writer(framed, contract["schema"], {"meta": meta, "carrier": "DHL", "tracking": "T"})
        lines += f"order-{number}|".encode() + framed.getvalue() + b"\n"
    sent = subprocess.run(
        [
            servers.kafka.java, "-cp", servers.kafka.classpath, "org.apache.kafka.tools.ConsoleProducer",
            "--bootstrap-server", shop.env["KAFKA_BOOTSTRAP_SERVERS"], "--topic", "orders.commands",
            "--reader-property", "parse.key=true", "--reader-property", "key.separator=|",
        ],
        input=lines,
        capture_output=True,
        check=False,
    )  # fmt: skip
    assert sent.returncode == 0, sent.stderr
    shop.assert_sound()
    assert shop.rows("SELECT status, carrier, count(*) FROM orders GROUP BY 1, 2") == [("shipped", "DHL", 20)]
