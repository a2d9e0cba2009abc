"""`headrace send` and `headrace tail` on a real broker: what others have written is shown as it is."""

import json
from datetime import date
from pathlib import Path

import pytest
from confluent_kafka import Producer

from headrace.orders.commands import CreateOrder
from headrace.orders.events import Line
from running import Running

pytestmark = pytest.mark.edge


def call(shop: Running, *arguments: str) -> tuple[int, str]:
    """The exit code, and all that was printed."""
    done = shop.headrace(*arguments)
    return done.returncode, done.stdout + done.stderr


def order(sku: str) -> tuple[str, ...]:
    line = f'lines=[{{"sku":"{sku}","description":"see [/docs]","quantity":1,"unit_price":2}}]'
    return ("--field", line, "--field", "currency=GBP", "--field", "business_date=2026-01-05")


def test_texts_that_look_like_markup_are_shown_as_they_are(shop: Running) -> None:
    shop.start("handler", "handle", "orders")
    assert call(shop, "send", "orders", "CreateOrder", "--id", "a[/x]", *order("[bold]A[/bold]"))[0] == 0
    code, said = call(shop, "tail", "orders", "--no-follow", "--from-beginning")
    assert code == 0
    assert said.split(":", 1)[1].startswith("0 a[/x] OrderCreated {")
    assert '"sku":"[bold]A[/bold]","description":"see [/docs]"' in said


def test_fields_that_a_terminal_would_obey_are_escaped(shop: Running) -> None:
    shop.start("handler", "handle", "orders")
    shop.send("orders", ("o-1", CreateOrder([Line("\x9b2J\x7f\u202e", "Zoë", 1, 2)], "GBP", date(2026, 1, 5))))
    shop.wait(lambda: len(shop.read("orders.events")) == 1, "it is answered")
    for kind in ("events", "commands"):
        code, said = call(shop, "tail", "orders", "--kind", kind, "--no-follow", "--from-beginning")
        assert code == 0
        assert r'"sku":"\x9b2J\x7f\u202e","description":"Zoë"' in said


def test_a_long_key_and_one_that_a_terminal_would_obey_are_one_line_each(shop: Running) -> None:
    producer = Producer({"bootstrap.servers": shop.settings.kafka})
    for key in (b"k" * 100_000, b"\x1b[31mred\nline"):
        producer.produce("orders.commands", b"x", key, partition=0)
    producer.flush()
    code, said = call(shop, "tail", "orders", "--kind", "commands", "--no-follow", "--from-beginning")
    assert code == 0
    long, coloured = said.splitlines()
    assert long.startswith("0:0 kkk")
    assert coloured.startswith("0:1 \\x1b[31mred\\nline ? {")


@pytest.mark.parametrize("actor", ["a" * 12_000])
def test_a_command_that_no_handler_would_take_is_not_sent(shop: Running, actor: str) -> None:
    code, said = call(shop, "send", "orders", "DeliverOrder", "--id", "o-1", "--actor", actor)
    assert code == 2
    assert "this DeliverOrder is too large: " in said
    assert "of meta, more than the 10000 that it may have" in said
    large = ("--field", f"reason={'r' * 100_000}", "--timeout", "1")
    code, said = call(shop, "send", "orders", "CancelOrder", "--id", "o-1", *large)
    assert code == 1  # a handler takes it: here there is none


def test_a_command_without_an_outcome_is_printed_with_what_sends_it_again(shop: Running) -> None:
    deliver = ("send", "orders", "DeliverOrder", "--id", "o-1")
    code, said = call(shop, *deliver, "--timeout", "1")
    again = said.splitlines()[-1]
    assert (code, again.startswith("resend: --command-id ")) == (1, True)
    shop.start("handler", "handle", "orders")
    assert "UnknownOrder" in call(shop, *deliver, *again.split()[1:])[1]
    assert "Expired" in call(shop, *deliver, "--issued-at", "1")[1]


def test_topics_that_do_not_exist_are_told_at_once_with_the_command_that_makes_them(shop: Running) -> None:
    shop.admin.delete_topics(["orders.outcomes"])["orders.outcomes"].result()
    shop.wait(lambda: "orders.outcomes" not in shop.admin.list_topics(timeout=10).topics, "the topic is gone")
    for command in (("tail", "orders", "--kind", "outcomes"), ("send", "orders", "DeliverOrder", "--id", "o-1")):
        code, said = call(shop, *command)
        assert (code, said) == (2, "headrace: topics orders.outcomes do not exist: run `headrace topics create`\n")


def test_an_imported_command_that_no_handler_would_take_is_reported_and_the_rest_is_sent(
    shop: Running, tmp_path: Path
) -> None:
    reasons = ("late", "r" * 1_000_000)
    lines = [{"aggregate": "orders", "type": "CancelOrder", "id": "o-1", "fields": {"reason": it}} for it in reasons]
    (tmp_path / "c.jsonl").write_text("\n".join(map(json.dumps, lines)))
    code, said = call(shop, "import", "--strict", str(tmp_path / "c.jsonl"))
    assert code == 1
    assert said.startswith("sent 1 commands: 1 CancelOrder\nreported 1 lines: 1 too large\n")
    assert f"\n{tmp_path}/c.jsonl:2: too large: orders o-1: this CancelOrder is too large: 1000" in said


def test_a_deposit_of_another_file_is_another_deposit_and_of_the_same_file_the_same(
    bank: Running, tmp_path: Path
) -> None:
    bank.start("handler", "handle", "accounts")
    lines = [
        {"type": "OpenAccount", "fields": {"owner": "Ann", "currency": "GBP"}},
        {"type": "DepositMoney", "fields": {"amount": 100, "currency": "GBP", "reference": "salary"}},
    ]
    first, second = [json.dumps({"aggregate": "accounts", "id": "ann", **line}) for line in lines]
    for name, content in (("monday", f"{first}\n{second}"), ("tuesday", second)):
        (tmp_path / name).write_text(content)
    for name in ("monday", "tuesday", "monday", "tuesday"):
        assert call(bank, "import", str(tmp_path / name))[0] == 0
    bank.wait(lambda: len(bank.read("accounts.outcomes")) == 6, "all are answered")
    assert len(bank.read("accounts.events")) == 3


@pytest.mark.parametrize(
    ("content", "arguments", "expected"),
    [
        ("", [], 0),
        ("{", [], 1),
        ('{\n{"aggregate": "orders", "type": "DeliverOrder", "id": "o-1"}', [], 0),
        ("InvoiceNo;StockCode", ["--format", "retail"], 1),
    ],
    ids=["an empty file", "no command", "a command and a line that is none", "wrong columns"],
)
def test_a_file_of_which_nothing_can_be_sent_is_exit_code_1(
    shop: Running, tmp_path: Path, content: str, arguments: list[str], expected: int
) -> None:
    (tmp_path / "c.jsonl").write_text(content)
    code, said = call(shop, "import", str(tmp_path / "c.jsonl"), *arguments)
    assert (code, said.count(":1: ")) == (expected, bool(content)), said
