"""The ids of a registry beside those of the lock file, and a registry that is not as it must be."""

import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from headrace.app import shop
from headrace.avro import ids as module
from headrace.avro.codec import Codec, UnknownSchema
from headrace.avro.contract import Catalogue
from headrace.avro.ids import Ids, codec_with, contracts_of, fetched_ids, subjects_of
from headrace.avro.registry import Silent
from headrace.kernel.errors import Misconfigured
from headrace.kernel.message import CommandMeta
from headrace.observe.health import Health
from headrace.orders.commands import PayOrder
from headrace.projector.reading import RecordReader
from headrace.settings import Settings
from headrace_load.verify.schemas import NotARecordError, Schemas
from messages import SCHEMAS
from registries import Stub, stubbed

META = CommandMeta(command_id="2c1e3a52-52a4-4f7a-b4cd-6f3a3d1a0c11", aggregate_id="o-1")
PAY = PayOrder("p-1", 1530, "GBP")


@pytest.fixture
def stub(catalogue: Catalogue) -> Iterator[Stub]:
    with stubbed(catalogue) as server:
        yield server


def settings_of(url: str) -> Settings:
    return Settings(SCHEMA_REGISTRY_URL=url, HEADRACE_SCHEMAS=SCHEMAS)


def with_id(frame: bytes, number: int) -> bytes:
    return number.to_bytes(5, "big") + frame[5:]


def refused(url: str) -> str:
    with pytest.raises(Misconfigured) as caught:
        fetched_ids(shop, settings_of(url))
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_record_is_written_with_the_registrys_id_and_read_with_either(stub: Stub, catalogue: Catalogue) -> None:
    locked = Codec(shop, catalogue)
    codec = codec_with(shop, settings_of(stub.url), fetched_ids(shop, settings_of(stub.url)))
    frame = codec.encode(PAY, META)
    number = int.from_bytes(frame[:5], "big")
    assert stub.schemas[number]["name"] == "headrace.orders.PayOrder"
    assert frame[5:] == locked.encode(PAY, META)[5:]
    assert codec.decode(frame).body == codec.decode(locked.encode(PAY, META)).body == PAY
    with pytest.raises(UnknownSchema):
        locked.decode(frame)


def test_the_engines_contracts_have_a_subject_in_every_domain(catalogue: Catalogue) -> None:
    subjects = {subject for contract in contracts_of(shop, catalogue) for subject in subjects_of(contract, shop)}
    assert {"orders.events-headrace.orders.OrderPaid", "orders.commands-headrace.orders.PayOrder"} <= subjects
    assert {"orders.outcomes-headrace.Outcome", "orders.commands-headrace.RedriveParked"} <= subjects
    assert not any(subject.startswith("accounts.") for subject in subjects)


def test_a_schema_that_is_not_registered_is_one_line_that_says_how(stub: Stub) -> None:
    [number] = [number for number, schema in stub.schemas.items() if schema["name"].endswith(".PayOrder")]
    del stub.schemas[number]
    line = refused(stub.url)
    assert line.endswith("has no subject orders.commands-headrace.orders.PayOrder: run `headrace schemas register`")


def test_another_schema_under_a_subject_is_one_line_that_says_what_to_do(stub: Stub) -> None:
    [number] = [number for number, schema in stub.schemas.items() if schema["name"].endswith(".ShipOrder")]
    del stub.schemas[number]
    line = refused(stub.url)
    assert "has other schemas under orders.commands-headrace.orders.ShipOrder than the lock file: run `headrace" in line


def test_another_schema_for_an_id_is_one_line_that_says_what_to_do(stub: Stub) -> None:
    [number] = [number for number, schema in stub.schemas.items() if schema["name"].endswith(".OrderPaid")]
    stub.gives[number] = {**stub.gives[number], "fields": stub.gives[number]["fields"][:-1]}
    line = refused(stub.url)
    assert f"OrderPaid has id {number}, and gives another schema for that id" in line
    assert "unset SCHEMA_REGISTRY_URL" in line


def test_an_id_that_the_lock_file_gives_to_another_is_refused(stub: Stub, catalogue: Catalogue) -> None:
    first, *_, last = (contract for contract in catalogue.contracts if contract.domain == "orders")
    [number] = [number for number, schema in stub.schemas.items() if schema is first.schema]
    stub.schemas[last.id], stub.gives[last.id] = stub.schemas.pop(number), stub.gives.pop(number)
    assert f"the id {last.id}, which the lock file gives {last.record}" in refused(stub.url)


def test_a_wrong_password_is_one_line_without_it(stub: Stub) -> None:
    line = refused(stub.url.replace("top%20secret", "other%20secret"))
    assert "refuses this user: see to name and password in SCHEMA_REGISTRY_URL" in line


@pytest.mark.parametrize(("status", "page"), [(200, "<html>hello</html>"), (405, "")])
def test_what_is_no_registry_is_one_line_that_says_how_an_address_looks(stub: Stub, status: int, page: str) -> None:
    stub.status, stub.page = status, page
    assert "is no schema registry: SCHEMA_REGISTRY_URL is the address of one with the path" in refused(stub.url)


@pytest.mark.parametrize("url", ["registry:8080", "ftp://ann:top secret@host/", "http://ann:top secret@host:x/"])
def test_what_is_no_address_is_one_line_without_the_password(url: str) -> None:
    assert "SCHEMA_REGISTRY_URL is no address: write http://host:port/path" in refused(url)


def test_a_missing_client_library_is_one_line_that_says_how_to_install_it(
    stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "confluent_kafka.schema_registry", None)
    assert "pip install 'headrace[registry]'" in refused(stub.url)


def test_a_service_waits_for_a_registry_that_is_busy_and_a_probe_learns_why(stub: Stub) -> None:
    stub.status = 503
    health = Health()
    found: list[Ids | None] = []
    waiting = threading.Thread(target=lambda: found.append(fetched_ids(shop, settings_of(stub.url), health)))
    waiting.start()
    deadline = threading.Event()
    for _ in range(400):
        if "answers 503" in health.is_ready().why:
            break
        deadline.wait(0.05)
    why = health.is_ready().why
    assert why == f"the schema registry at http://127.0.0.1:{stub.server_port}/apis/ccompat/v7 answers 503 (not now)"
    stub.status = 200
    waiting.join(60)
    assert found
    assert health.is_ready().why == "Kafka and Postgres have not answered yet"


def test_a_command_that_somebody_waits_for_gives_up_soon(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TOOLS_PATIENCE_S", 0.5)
    url = stub.url
    stub.shutdown()
    stub.server_close()
    with pytest.raises(Silent, match="does not answer") as caught:
        fetched_ids(shop, settings_of(url))
    assert "secret" not in str(caught.value)


class Event:
    """As much of a record as a reader of events looks at."""

    def __init__(self, frame: bytes) -> None:
        self._frame = frame

    def value(self) -> bytes:
        return self._frame


def test_an_id_that_is_met_in_the_log_is_looked_up(stub: Stub, catalogue: Catalogue) -> None:
    reader = RecordReader(shop, settings_of(stub.url), patience_s=0, decode=Codec.decode)
    [number] = [number for number, schema in stub.schemas.items() if schema["name"].endswith(".PayOrder")]
    stub.gives[4711] = stub.gives[number]
    record: Any = Event(with_id(Codec(shop, catalogue).encode(PAY, META), 4711))
    [(_, decoded)], unreadable = reader.read([record])
    assert (decoded.body, unreadable) == (PAY, [])


def test_an_id_that_the_registry_does_not_know_stays_unknown_and_so_does_any_while_it_is_down(
    stub: Stub, catalogue: Catalogue
) -> None:
    reader = RecordReader(shop, settings_of(stub.url), patience_s=0, decode=Codec.decode)
    frame = Codec(shop, catalogue).encode(PAY, META)
    stranger: Any = Event(with_id(frame, 4712))
    assert [type(error) for _, error in reader.read([stranger])[1]] == [UnknownSchema]
    stub.status = 503
    late: Any = Event(with_id(frame, 4713))
    assert [type(error) for _, error in reader.read([late])[1]] == [UnknownSchema]


def test_the_verifier_looks_ids_up_by_itself(stub: Stub, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCHEMA_REGISTRY_URL", stub.url)
    schemas = Schemas.read(SCHEMAS)
    [number] = [number for number, schema in stub.schemas.items() if schema["name"].endswith(".PayOrder")]
    frame = Codec(shop, catalogue).encode(PAY, META)
    assert schemas.command(with_id(frame, number)) == schemas.command(frame)
    with pytest.raises(NotARecordError, match="schema id 4711 is not locked"):
        schemas.command(with_id(frame, 4711))
    assert stub.asked.count(f"/schemas/ids/{number}") == 1
