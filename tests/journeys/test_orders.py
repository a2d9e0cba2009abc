"""From a command on a topic to a row in Postgres, as a user of the command line sees it."""

import json
import uuid

import pytest

from running import ROOT, Running

pytestmark = pytest.mark.edge

CREATE = (
    "send", "orders", "CreateOrder", "--field", "currency=GBP", "--field", "business_date=2010-12-01",
    "--field", 'lines=[{"sku": "85123A", "description": "HEART T-LIGHT", "quantity": 6, "unit_price": 255}]',
)  # fmt: skip
PAY = ("send", "orders", "PayOrder", "--field", "payment_id=p-1", "--field", "amount=1530", "--field", "currency=GBP")


def test_a_command_becomes_an_outcome_an_event_and_a_row(shop: Running) -> None:
    shop.start("handler", "handle", "orders")
    shop.start_projectors()
    created = shop.headrace(*CREATE, "--id", "536365")
    paid = shop.headrace(*PAY, "--id", "536365", "--json")
    again = shop.headrace(*PAY, "--id", "536365")
    assert created.stdout.strip() == "accepted at version 1", created.stderr
    assert json.loads(paid.stdout)["result"] == "accepted"
    assert again.returncode == 1
    assert "refused at version 2: AlreadyPaid" in again.stdout
    shop.assert_sound()
    assert shop.rows("SELECT status, total, paid FROM orders WHERE order_id = '536365'") == [("paid", 1530, 1530)]
    events = shop.headrace("tail", "orders", "--from-beginning", "--no-follow", "--json").stdout.splitlines()
    assert [json.loads(line)["type"] for line in events] == ["OrderCreated", "OrderPaid"]


def test_a_resend_is_answered_as_the_first_time_and_has_no_effect_of_its_own(shop: Running) -> None:
    shop.start("handler", "handle", "orders")
    shop.start_projectors()
    command_id = str(uuid.uuid4())
    first = shop.headrace(*CREATE, "--id", "1", "--command-id", command_id)
    resent = shop.headrace(*CREATE, "--id", "1", "--command-id", command_id)
    other = shop.headrace(*PAY, "--id", "1", "--command-id", command_id)
    assert first.stdout.strip() == "accepted at version 1"
    assert resent.stdout.strip() == "accepted, a repeat at version 1"
    assert "CommandIdReused" in other.stdout
    assert len(shop.read("orders.events")) == 1
    shop.assert_sound()


def test_an_expected_version_that_is_not_the_order_s_is_refused(shop: Running) -> None:
    shop.start("handler", "handle", "orders")
    shop.start_projectors()
    assert "accepted" in shop.headrace(*CREATE, "--id", "1", "--expected-version", "0").stdout
    assert "VersionConflict" in shop.headrace(*PAY, "--id", "1", "--expected-version", "0").stdout
    assert "accepted" in shop.headrace(*PAY, "--id", "1", "--expected-version", "1").stdout
    shop.assert_sound()


def test_a_retail_day_imported_twice_is_there_once(shop: Running) -> None:
    shop.start("handler-0", "handle", "orders", "--slot", "0")
    shop.start("handler-1", "handle", "orders", "--slot", "1")
    shop.start_projectors()
    day = str(ROOT / "load/headrace_load/data/online-retail/2010-12-01.csv")
    first = json.loads(shop.headrace("import", day, "--format", "retail", "--steps", "--json").stdout)
    orders = first["sent"]["CreateOrder"]
    shop.wait_until_quiet()
    before = shop.read("orders.events")
    second = json.loads(shop.headrace("import", day, "--format", "retail", "--steps", "--json").stdout)
    shop.wait_until_quiet()
    assert second["sent"] == first["sent"]
    assert len(before) == 4 * orders
    assert shop.read("orders.events") == before
    assert shop.rows("SELECT status, count(*) FROM orders GROUP BY status") == [("delivered", orders)]
    shop.assert_sound()


def test_a_view_that_starts_late_reads_all_that_happened(shop: Running) -> None:
    shop.start("handler", "handle", "orders")
    assert "accepted" in shop.headrace(*CREATE, "--id", "1").stdout
    shop.start_projectors()
    shop.assert_sound()
    assert shop.rows("SELECT count(*) FROM orders") == [(1,)]
