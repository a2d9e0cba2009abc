"""A real Prometheus scrapes a real shop and bank under load: every query of dashboards and alerts gets data.

Three alerts fire for real, each on a fault that is made here; `for` is left out of the rules, so that they do at once.
"""

import json
import re
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from debian import program
from headrace.local.prometheus import write_configuration
from headrace.orders.commands import CreateOrder
from headrace.orders.events import Line
from headrace_load.demo.trickle import Trickle
from running import Running, running
from scraping import free_port, get
from servers import Kafka, Postgres, fresh_database

pytestmark = [pytest.mark.edge, pytest.mark.timeout(420)]

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus"
BOARDS = {
    file.stem: json.loads(file.read_text()) for file in (ROOT / "deploy" / "grafana" / "dashboards").glob("*.json")
}

RIGHTLY_EMPTY = {
    "Standbys": "one Postgres, no standby",
    "HeadracePostgresReplicationLag": "one Postgres, no standby",
    "HeadraceWatchDown": "absent() says nothing while there is something",
}
SERVICES = {
    "handler-orders": ("handle", "orders"),
    "handler-accounts": ("handle", "accounts"),
    "handler-transfers": ("handle", "transfers"),
    "reactor": ("react", "transfer_process"),
    "project-orders": ("project", "orders"),
    "project-order-statistics": ("project", "order_statistics"),
    "project-accounts": ("project", "accounts"),
    "project-statements": ("project", "statements"),
    "project-transfers": ("project", "transfers"),
    "project-transfer-volumes": ("project", "transfer_volumes"),
    "project-journal": ("project", "journal"),
    "project-audit": ("project", "audit"),
    "watch": ("watch",),
}


class Watched:
    """A shop and a bank that run under load, and the Prometheus that looks at them."""

    def __init__(self, heart: Running, address: str) -> None:
        self.heart = heart
        self.address = address

    def ask(self, expression: str) -> list[dict[str, Any]]:
        """The samples; an expression that Prometheus does not take fails the test."""
        query = urllib.parse.urlencode({"query": expression})
        status, _, body = get(f"{self.address}/api/v1/query?{query}")
        assert status == 200, f"{expression}: {body}"
        found: list[dict[str, Any]] = json.loads(body)["data"]["result"]
        return found

    def is_up(self) -> bool:
        try:
            return get(f"{self.address}/-/ready")[0] == 200
        except OSError:
            return False

    def firing(self) -> set[str]:
        return {sample["metric"]["alertname"] for sample in self.ask('ALERTS{alertstate="firing"}')}


@pytest.fixture(scope="module")
def watched(kafka: Kafka, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("prometheus")
    exporter = program("prometheus-node-exporter", "prometheus-node-exporter")
    with ExitStack() as stack:
        database = stack.enter_context(fresh_database(postgres))
        heart = stack.enter_context(running(kafka.bootstrap_servers, database, folder, "headrace.app:app"))
        heart.forget_groups()
        ports = {name: free_port() for name in SERVICES}
        for name, arguments in SERVICES.items():
            heart.start(name, *arguments, METRICS_PORT=str(ports[name]), METRICS_HOST="127.0.0.1")
        disks = f"127.0.0.1:{free_port()}"
        heart.services.start("disks", [exporter, f"--web.listen-address={disks}"], heart.log("disks"))
        addresses = {"headrace": [f"127.0.0.1:{port}" for port in ports.values()], "node": [disks]}
        configuration = write_configuration(folder, addresses, at_once(folder), interval_s=1)
        port = free_port()
        program("prometheus", "prometheus")
        heart.start("prometheus", "local", "prometheus", str(configuration), "--port", str(port))
        found = Watched(heart, f"http://127.0.0.1:{port}")
        stack.enter_context(Trickle(heart.settings))
        heart.wait(found.is_up, "Prometheus is up")
        yield found


def at_once(folder: Path) -> Iterator[Path]:
    """The rules as they are, but alerts fire as soon as their expressions hold."""
    for name in ("rules.yml", "alerts.yml"):
        derived = folder / name
        derived.write_text(re.sub(r"^( +for: )\w+$", r"\g<1>0s", (RULES / name).read_text(), flags=re.MULTILINE))
        yield derived


def queries() -> Iterator[tuple[str, str]]:
    """What each panel asks for, all its variables wide open; what each rule does, its comparisons as values."""
    for board in BOARDS.values():
        for panel in board["panels"]:
            for target in panel.get("targets") or ():
                expression = target["expr"].replace("$__rate_interval", "10s")
                yield panel["title"], re.sub(r"\$\w+", ".+", expression)
    for name in ("rules.yml", "alerts.yml"):
        for group in yaml.safe_load((RULES / name).read_text())["groups"]:
            for rule in group["rules"]:
                without = re.sub(r" (==|>|<|<=|>=) (?!bool)", r" \1 bool ", rule["expr"])
                yield rule.get("alert", rule.get("record")), without if "alert" in rule else rule["expr"]


def test_every_query_of_every_dashboard_and_rule_returns_data_under_load(watched: Watched) -> None:
    asked = list(dict.fromkeys(queries()))
    assert len(asked) > 90
    missing: list[tuple[str, str]] = asked

    def all_there() -> bool:
        nonlocal missing
        missing = [it for it in missing if not watched.ask(it[1]) and it[0] not in RIGHTLY_EMPTY]
        return not missing

    try:
        watched.heart.wait(all_there, "every query has data", 150)
    except AssertionError as error:
        raise AssertionError(f"no data: {missing}") from error
    assert {name for name, expression in asked if not watched.ask(expression)} <= set(RIGHTLY_EMPTY)


def test_nothing_fires_while_all_is_well(watched: Watched) -> None:
    """A takeover a moment ago may have left an unserved partition; then the budget, and no more, is seen to burn."""
    watched.heart.wait(lambda: watched.firing() <= {"HeadraceErrorBudgetBurn"}, "all is well", 60)


def test_a_poison_event_that_is_parked_fires(watched: Watched) -> None:
    heart = watched.heart
    heart.change("ALTER TABLE orders_v1.orders ADD CONSTRAINT poison CHECK (customer <> 'poison') NOT VALID")
    poison(heart)
    heart.wait(lambda: "HeadraceParkedKeys" in watched.firing(), "the parked key fires", 60)
    [sample] = watched.ask("sum by (group) (headrace_parked_keys) > 0")
    assert sample["metric"]["group"] == "headrace.project.orders_v1"
    heart.change("ALTER TABLE orders_v1.orders DROP CONSTRAINT poison")
    done = heart.headrace("parked", "redrive", "--projector", "orders", "--all")
    assert done.returncode == 0, done.stderr
    heart.wait(lambda: "HeadraceParkedKeys" not in watched.firing(), "it is over once it is redriven", 60)


def poison(heart: Running) -> None:
    heart.send("orders", ("poisoned", CreateOrder([Line("1", "A", 1, 1)], "GBP", date(2010, 12, 1), "poison")))


@pytest.mark.parametrize(
    ("name", "alert"),
    [("handler-orders", "HeadraceHandlerStopped"), ("project-journal", "HeadraceJournalStopped")],
    ids=["handler killed", "journal stopped"],
)
def test_a_service_that_is_gone_fires(watched: Watched, name: str, alert: str) -> None:
    heart = watched.heart
    assert alert not in watched.firing()
    heart.services.kill(name)
    heart.services.stop(name)  # nobody starts it again
    heart.wait(lambda: alert in watched.firing(), "its alert fires", 90)
    heart.wait(lambda: "HeadraceTargetDown" in watched.firing(), "Prometheus misses it, too", 30)
