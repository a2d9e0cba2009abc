"""Services on a broker that lets each do what `headrace acls` says, and nothing else."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from msgspec import structs

from headrace.accounts.commands import DepositMoney, OpenAccount
from headrace.app import bank
from headrace.cli.acls import every_service
from headrace.handler.loop import open_handler
from headrace.kafka.clients import admin_client
from headrace.kafka.rights import Right, Rights, refuse_missing_rights
from headrace.kernel.errors import Misconfigured
from headrace.local import LocalKafka
from headrace.observe.health import Health
from headrace.projector.loop import Projector
from headrace.reactor.loop import open_reactor
from headrace.settings import Settings
from headrace.transfers.commands import RequestTransfer
from headrace.watch.groups import OPTIONAL, groups_of, topics_of
from headrace.watch.loop import Watch
from running import Running, running
from secured import grant, login, password_of, revoke, secured_kafka

pytestmark = pytest.mark.edge

SERVICES = {rights.service: rights for rights in every_service(bank)}
RUN = [name for name in SERVICES if name.startswith(("handle-", "react-", "project-"))]


@pytest.fixture(scope="module")
def guarded() -> Iterator[LocalKafka]:
    """A broker with a user for each service, who has the service's rights alone."""
    with secured_kafka(SERVICES) as kafka:
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
        for rights in SERVICES.values():
            grant(admin, rights.service, rights.needed)
        yield kafka


@pytest.fixture
def heart(guarded: LocalKafka, database: str, tmp_path: Path) -> Iterator[Running]:
    """The bank on it."""
    with running(guarded.bootstrap_servers, database, tmp_path, "headrace.app:bank") as heart:
        yield heart


def test_each_service_works_with_its_own_rights_alone(heart: Running, guarded: LocalKafka) -> None:
    heart.remove()
    created = heart.headrace("topics", "create", env=login(guarded, "topics"))
    assert created.returncode == 0, created.stderr
    for name in RUN:
        heart.start(name, *SERVICES[name].command.split(), **login(guarded, name))
    opened = heart.headrace(
        *("send", "accounts", "OpenAccount", "--id", "ann", "--field", "owner=Ann", "--field", "currency=GBP"),
        env=login(guarded, "send-accounts"),
    )
    assert opened.stdout == "accepted at version 1\n", opened.stderr
    heart.send("accounts", ("bob", OpenAccount("Bob", "GBP")), ("ann", DepositMoney(900, "GBP", "pay")))
    heart.send("transfers", ("t-1", RequestTransfer("ann", "bob", 500, "GBP", "Ann", "rent")))
    heart.wait(lambda: heart.rows("SELECT 1 FROM transfers WHERE status = 'completed'") != [], "the transfer's end")
    heart.wait_until_quiet()
    verified = heart.headrace("verify", env=login(guarded, "verify"))
    assert verified.returncode == 0, verified.stdout + verified.stderr


def refusal(attempt: Callable[[], object]) -> str:
    """The line that a service ends with, once the brokers know that a right was taken away."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            attempt()
        except Misconfigured as refused:
            return str(refused)
    raise AssertionError("not refused within 20 s")


def each_of(rights: Rights) -> Iterator[Right]:
    for right in rights.needed:
        for operation in right.operations:
            yield structs.replace(right, operations=(operation,))


def opening(service: str, settings: Settings) -> Callable[[], object]:
    kind, name = SERVICES[service].command.split()
    if kind == "handle":
        return lambda: open_handler(bank, name, "0", settings)
    if kind == "react":
        return lambda: open_reactor(bank, name, "0", settings)
    return lambda: Projector(bank, name, settings)


@pytest.mark.parametrize("service", ["handle-accounts", "react-transfer_process", "project-accounts", "project-audit"])
def test_without_any_one_of_its_rights_a_service_is_refused_by_the_name_of_that_right(
    service: str, heart: Running, guarded: LocalKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in login(guarded, service).items():
        monkeypatch.setenv(name, value)
    rights = SERVICES[service]
    settings = heart.settings.model_copy(update={"kafka_bootstrap_servers": guarded.secured_servers})
    admin = admin_client(settings)
    for right in each_of(rights):
        revoke(heart.admin, service, right)
        if right.resource == "transactional id":  # which brokers do not tell before it is taken
            line = refusal(opening(service, settings))
        else:
            line = refusal(lambda: refuse_missing_rights(admin, rights, settings.instance))
        assert f"Kafka does not let this user {right.operations[0]} {right.resource} {right.name}" in line
        assert "\n" not in line
        assert "headrace acls" in line
        assert password_of(service) not in line
        grant(heart.admin, service, [right])


@pytest.mark.parametrize("service", ["react-transfer_process", "project-accounts"])
def test_it_is_asked_for_its_rights_before_anything_else(
    service: str, heart: Running, guarded: LocalKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in login(guarded, "send-accounts").items():
        monkeypatch.setenv(name, value)
    settings = heart.settings.model_copy(update={"kafka_bootstrap_servers": guarded.secured_servers})
    with pytest.raises(Misconfigured, match=rf"READ topic accounts\.events, .* --service {service}`"):
        opening(service, settings)()


def test_a_missing_right_ends_the_command_with_one_line_and_exit_code_2(heart: Running, guarded: LocalKafka) -> None:
    ended = heart.headrace("handle", "transfers", env=login(guarded, "handle-accounts"))
    assert ended.returncode == 2
    last = ended.stderr.splitlines()[-1]
    assert last.startswith("headrace: Kafka does not let this user READ topic transfers.commands, DESCRIBE_CONFIGS ")
    assert last.endswith("as `headrace acls --service handle-transfers` lists the rights")
    assert password_of("handle-accounts") not in ended.stderr + ended.stdout


def test_the_watch_sees_all_by_its_rights_and_all_the_rest_without_one_of_them(
    heart: Running, guarded: LocalKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    heart.send("accounts", ("ann", OpenAccount("Ann", "GBP")))
    for name, value in login(guarded, "watch").items():
        monkeypatch.setenv(name, value)
    settings = heart.settings.model_copy(update={"kafka_bootstrap_servers": guarded.secured_servers})
    with closing(Watch(bank, settings, Health())) as watch:

        def sees_all() -> bool:
            watch.look()
            seen = watch.sights.seen
            wanted = groups_of(bank).keys()
            return seen.groups.keys() | OPTIONAL == wanted and seen.behind.keys() | OPTIONAL == wanted

        heart.wait(sees_all, "every group is told of")
        seen = watch.sights.seen
        assert sum(it.records for it in seen.behind["headrace.handle.accounts"].values()) == 1
        lost = Right("group", "headrace.handle.transfers", ("DESCRIBE",))
        revoke(heart.admin, "watch", lost)

        def looked() -> bool:
            watch.look()
            return "headrace.handle.transfers" not in watch.sights.seen.groups

        heart.wait(looked, "that group is not told of any more")
        grant(heart.admin, "watch", [lost])
        seen = watch.sights.seen
        assert (seen.brokers, set(seen.topics)) == (1, set(topics_of(bank)))
        told = groups_of(bank).keys() - OPTIONAL - {"headrace.handle.transfers"}
        assert seen.groups.keys() - OPTIONAL == seen.behind.keys() - OPTIONAL == told
