"""A real registry beside real servers: its ids and those of the lock file in one log, and its absence."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from headrace.app import bank as bank_app
from headrace.doctor import contracts
from headrace.doctor.finding import Verdict
from headrace.local import LocalRegistry
from headrace.orders.commands import CreateOrder, PayOrder, ShipOrder
from headrace.orders.events import Line
from running import Running
from scraping import free_port, get
from servers import readable_folder

pytestmark = [pytest.mark.edge, pytest.mark.timeout(400)]

CREATE = CreateOrder([Line("85123A", "HEART T-LIGHT", 6, 255)], "GBP", date(2010, 12, 1))
FREEZE = "accounts.commands-headrace.accounts.FreezeAccount"


def headrace_local(*arguments: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "headrace", "local", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if "--json" in arguments else None


def bring_up(registry: LocalRegistry) -> Any:
    folder = str(registry.directory.parent)
    return headrace_local("up", "--registry", "--no-kafka", "--no-postgres", "-d", folder, "--json")


@pytest.fixture(scope="module")
def registry() -> Iterator[LocalRegistry]:
    """As `headrace local up --registry` starts it. Who kills it brings it up again."""
    with readable_folder() as folder:
        server = LocalRegistry(folder / "registry", detached=True)
        try:
            up = bring_up(server)
            assert up["environment"] == {"SCHEMA_REGISTRY_URL": server.url, "HEADRACE_PROFILE": "local"}
            yield server
            assert headrace_local("status", "-d", str(folder), "--json")["registry"]["running"]
        finally:
            headrace_local("down", "-d", str(folder))


@contextmanager
def asking(registry: LocalRegistry) -> Iterator[SchemaRegistryClient]:
    with SchemaRegistryClient({"url": registry.url, "timeout": 30}) as client:
        yield client


def register(shop: Running, registry: LocalRegistry, app: str = "headrace.app:shop") -> Any:
    done = shop.headrace("schemas", "register", "--app", app, "--json", env={"SCHEMA_REGISTRY_URL": registry.url})
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_registering_again_changes_nothing_and_what_is_registered_must_go_together(
    shop: Running, registry: LocalRegistry
) -> None:
    first, second = register(shop, registry), register(shop, registry)
    assert [entry["subject"] for entry in first["subjects"]] == [entry["subject"] for entry in second["subjects"]]
    assert not any(entry["new"] for entry in second["subjects"])
    with asking(registry) as client:
        assert {client.get_compatibility(entry["subject"]) for entry in first["subjects"]} == {"FULL_TRANSITIVE"}
        assert {tuple(client.get_versions(entry["subject"])) for entry in first["subjects"]} == {(1,)}


def test_a_schema_that_does_not_go_with_what_is_there_is_refused_and_no_service_starts_with_it(
    bank: Running, registry: LocalRegistry
) -> None:
    fields = [{"name": "somebody_elses", "type": "string"}]
    other = {"type": "record", "name": "headrace.accounts.FreezeAccount", "fields": fields}
    with asking(registry) as client:
        client.register_schema(FREEZE, Schema(json.dumps(other), "AVRO"))
    env = {"SCHEMA_REGISTRY_URL": registry.url}
    refused = bank.headrace("schemas", "register", env=env)
    assert refused.returncode == 1
    assert refused.stderr.startswith("headrace: the schema registry refuses schemas:")
    assert FREEZE in refused.stderr
    assert "ncompatible" in refused.stderr
    for command in (("handle", "accounts"), ("project", "accounts")):
        ended = bank.headrace(*command, env=env)
        assert ended.returncode == 2, ended.stderr
        last = ended.stderr.splitlines()[-1]
        assert f"has other schemas under {FREEZE} than the lock file: run `headrace schemas register`" in last


def kinds_of(shop: Running, topic: str) -> set[bool]:
    """Whether the schema ids in a topic are the lock file's."""
    locked = {contract.prefix for contract in shop.catalogue.contracts}
    return {(value or b"")[:5] in locked for _, _, _, value in shop.read(topic)}


def test_both_kinds_of_ids_lie_in_one_log_and_services_go_on_without_the_registry(
    shop: Running, registry: LocalRegistry
) -> None:
    register(shop, registry)
    shop.start("before", "handle", "orders")
    shop.send("orders", ("o-1", CREATE))
    shop.wait(lambda: bool(shop.read("orders.events")), "an event with the lock file's id")
    shop.services.stop()
    env = {"SCHEMA_REGISTRY_URL": registry.url}
    shop.start("handler", "handle", "orders", **env)
    shop.start("orders", "project", "orders", **env)
    shop.start("journal", "project", "journal", **env)
    paid = shop.headrace(
        *("send", "orders", "PayOrder", "--id", "o-1"),
        *("--field", "payment_id=p-1", "--field", "amount=1530", "--field", "currency=GBP"),
        env=env,
    )
    assert paid.stdout == "accepted at version 2\n", paid.stderr
    shop.wait_until_quiet()
    assert kinds_of(shop, "orders.events") == kinds_of(shop, "orders.outcomes") == {True, False}
    assert kinds_of(shop, "orders.commands") == {True, False}

    registry.kill()
    shop.send("orders", ("o-1", ShipOrder("DHL", "T1")), ("o-2", CREATE))
    shop.send("orders", ("o-2", PayOrder("p-2", 1530, "GBP")))
    shop.wait_until_quiet()
    port = free_port()
    shop.start("late", "project", "order_statistics", METRICS_PORT=str(port), **env)
    shop.wait(lambda: "waiting for the schema registry" in shop.log("late").read_text(), "it waits, and says so")
    status, _, why = get(f"http://127.0.0.1:{port}/readyz")
    assert (status, f"the schema registry at {registry.url} does not answer" in why) == (503, True)

    bring_up(registry)
    shop.wait_until_quiet()
    assert "schema ids fetched" in shop.log("late").read_text()
    verified = shop.headrace("verify", env=env)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    blind = shop.headrace("verify")
    assert blind.returncode == 1
    assert "is not locked" in blind.stdout


def test_a_doctor_says_which_schemas_are_not_registered_and_where_all_are(
    shop: Running, registry: LocalRegistry
) -> None:
    register(shop, registry)
    settings = shop.settings.model_copy(update={"registry": registry.url})
    [finding] = contracts.registry(shop.app, settings)
    assert finding.verdict is Verdict.OK
    # Of the bank's nobody has registered all: of one there is another, or there is none.
    [finding] = contracts.registry(bank_app, settings)
    assert finding.verdict is Verdict.FAIL
    assert finding.what.startswith(f"the schema registry at {registry.url} has ")
    assert finding.todo == "run `headrace schemas register`, which says whether they go together"
    assert list(contracts.registry(shop.app, shop.settings)) == []
