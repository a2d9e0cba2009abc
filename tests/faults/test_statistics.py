"""A view whose rows gather several orders: under replicas, rebalances and kills, and when some events come late."""

import signal
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct
from msgspec.structs import replace

from headrace.orders.commands import CancelOrder, CreateOrder, DeliverOrder, PayOrder, ShipOrder
from headrace.orders.events import Line
from lifecycles import lifecycles
from running import PARTITIONS, Running, running
from servers import Kafka
from shortened import for_each

pytestmark = [pytest.mark.edge, pytest.mark.timeout(300)]

DAYS = 3
SEEN = (
    "SELECT business_date, currency, created, paid, shipped, delivered, cancelled, sold, revenue::bigint, "
    "refunds_owed::bigint, average_basket FROM order_statistics ORDER BY 1, 2"
)


def shop_s_life(first: int, count: int) -> Iterator[tuple[str, Struct]]:
    """Orders of three days and two currencies: of each six one stays unpaid, two are cancelled, three arrive."""
    for number in range(first, first + count):
        name, price = f"order-{number}", 100 + number
        currency = "EUR" if number % 5 == 0 else "GBP"
        day = date(2010, 12, 1) + timedelta(days=number % DAYS)
        yield name, CreateOrder([Line("85123A", "HEART", 1, price)], currency, day)
        if number % 6 == 1:
            yield name, CancelOrder("changed their mind")
        if number % 6 > 1:
            yield name, PayOrder("p-1", price, currency)
        if number % 6 == 2:
            yield name, CancelOrder("out of stock")
        if number % 6 > 2:
            yield name, ShipOrder("DHL", "T1")
            yield name, DeliverOrder()


def expected(count: int) -> list[tuple[Any, ...]]:
    """What the owner must see of it: computed from what was asked, and from nothing that was answered."""
    sums: dict[tuple[date, str], Counter[str]] = {}
    for name, command in shop_s_life(0, count):
        number = int(name.partition("-")[2])
        if isinstance(command, CreateOrder):
            found = sums.setdefault((command.business_date, command.currency), Counter())
        found[type(command).__name__] += 1
        found["sold"] += isinstance(command, PayOrder) and number % 6 > 2
        found["revenue"] += command.amount if isinstance(command, PayOrder) and number % 6 > 2 else 0
        found["refunds"] += command.amount if isinstance(command, PayOrder) and number % 6 == 2 else 0
    steps = ("CreateOrder", "PayOrder", "ShipOrder", "DeliverOrder", "CancelOrder", "sold", "revenue", "refunds")
    return [
        (*day, *(it[step] for step in steps), (2 * it["revenue"] + it["sold"]) // (2 * it["sold"]))
        for day, it in sorted(sums.items())
    ]


def test_replicas_that_are_killed_and_rebalanced_again_and_again_add_up_to_the_log(shop: Running) -> None:
    shop.start("handler", "handle", "orders")
    for name in ("orders", "journal"):
        shop.start(f"project-{name}", "project", name)
    victims = [f"victim-{step}" for step in ("advanced", "applied", "committed")]
    for name in victims:
        failpoint = f"kill:{name.removeprefix('victim-')}:2"
        shop.start(name, "project", "order_statistics", HEADRACE_FAILPOINT=failpoint, HEADRACE_BATCH_SIZE="20")
    shop.wait(lambda: sum(bool(shop.owned(name)) for name in victims) == 3, "three replicas share the partitions")
    shop.send("orders", *shop_s_life(0, 400))
    shop.wait(lambda: all(shop.services.restarts[name] > 0 for name in victims), "each of them dies", 90)
    shop.services.stop(*victims)
    for name in ("first", "second"):
        shop.start(name, "project", "order_statistics", HEADRACE_BATCH_SIZE="20")
    shop.wait(lambda: bool(shop.owned("first") and shop.owned("second")), "two replicas share the partitions")
    shop.send("orders", *shop_s_life(400, 200))
    shop.services.send("first", signal.SIGKILL)
    shop.start("third", "project", "order_statistics")
    shop.wait(lambda: bool(shop.owned("third")), "a third one joins")
    shop.services.stop("second")
    shop.send("orders", *shop_s_life(600, 100))
    report = shop.assert_sound()
    assert shop.rows(SEEN) == expected(700)
    [(partitions,)] = shop.rows("SELECT count(DISTINCT partition) FROM order_statistics_v1.order_statistics")
    assert partitions == PARTITIONS
    assert report.check("rows").counted["summed"] > PARTITIONS * DAYS
    assert {gone.name for gone in shop.services.exits} <= {*victims, "first"}


def test_the_verifier_names_a_day_that_is_not_what_the_log_says(shop: Running) -> None:
    shop.start("handler", "handle", "orders")
    shop.start_projectors()
    shop.send("orders", *shop_s_life(0, 30))
    shop.assert_sound()
    shop.services.stop(*shop.projectors)
    table = "order_statistics_v1.order_statistics"
    one = f"ctid = (SELECT min(ctid) FROM {table})"
    not_added_up = (
        "CREATE OR REPLACE VIEW public.order_statistics AS SELECT business_date, currency, created, paid, shipped, "
        "delivered, cancelled, sold, revenue::numeric, refunds_owed::numeric, 1::bigint AS average_basket, "
        f"applied_at FROM {table}"
    )
    for damage, said in [
        (f"UPDATE {table} SET paid = paid + 1 WHERE currency = 'EUR' AND business_date = '2010-12-01'", "paid is"),
        (f"UPDATE {table} SET partition = 100 WHERE {one}", "no event in the journal leads to this row"),
        (f"DELETE FROM {table} WHERE currency = 'EUR'", "the row is missing"),
        (not_added_up, "public.order_statistics"),
    ]:
        shop.change(damage)
        report = shop.verify()
        assert {check.name for check in report.checks if not check.ok} == {"rows"}
        assert any(said in problem for problem in report.check("rows").problems), report.check("rows").problems


@pytest.fixture
def faulty(kafka: Kafka, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """The shipped app with a bug in its statistics."""
    outside = str(Path(__file__).parent / "outside")
    monkeypatch.syspath_prepend(outside)
    monkeypatch.setenv("PYTHONPATH", outside)
    with running(kafka.bootstrap_servers, database, tmp_path, "faulty_statistics:app") as heart:
        yield heart


@for_each("bug", ["crash", "overflow"], short=["crash"])
def test_events_that_are_applied_late_leave_the_sums_that_they_would_have_left(faulty: Running, bug: str) -> None:
    broken = ("order-3", "order-11")
    faulty.start("handler", "handle", "orders")
    for name in ("orders", "journal"):
        faulty.start(f"project-{name}", "project", name)
    faulty.start("project-order_statistics", "project", "order_statistics", FAULTY_BUG=bug)
    commands = [
        (name, replace(command, payment_id="broken") if isinstance(command, PayOrder) and name in broken else command)
        for name, command in lifecycles(20)
    ]
    faulty.send("orders", *commands[:60])
    report = faulty.assert_sound()  # days that lack what is parked are no false alarm
    assert report.check("held").counted["held"] == 4
    assert faulty.rows("SELECT created, paid, shipped, sold FROM order_statistics") == [(20, 18, 18, 18)]
    fixed = {"FAULTY_BUG": ""}
    faulty.send("orders", *commands[60:])
    faulty.wait_until_quiet()
    done = faulty.headrace("parked", "redrive", "--projector", "order_statistics", "order-11", env=fixed)
    assert done.stdout == "order-11: redriven, 3 events\n", done.stderr
    done = faulty.headrace(
        "parked", "discard", "--projector", "order_statistics", "order-3", "--all", "--reason", "a try", env=fixed
    )
    assert done.stdout == "order-3: discarded, 3 events\n", done.stderr
    faulty.assert_sound()
    assert faulty.rows("SELECT created, paid, shipped, delivered, sold, revenue FROM order_statistics") == [
        (20, 19, 19, 19, 19, 19 * 1530)
    ]
    assert not faulty.services.exits
