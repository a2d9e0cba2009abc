"""JSON Lines become commands; each line that is none is reported, and takes no other with it."""

import json
from datetime import date
from io import BytesIO
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from headrace.app import app
from headrace.importing.imported import Asked, Imported, Reported
from headrace.importing.json_lines import Known, read_json_lines
from headrace.orders.commands import CreateOrder, DeliverOrder, PayOrder
from headrace.orders.events import Line

FIELDS = {"payment_id": "p-1", "amount": 13912, "currency": "GBP"}
PAY = {"aggregate": "orders", "type": "PayOrder", "id": "536365", "fields": FIELDS}
LINE = {"sku": "85123A", "description": "", "quantity": 6, "unit_price": 255}
CREATE_FIELDS = {
    "lines": [LINE],
    "currency": "GBP",
    "customer": None,
    "business_date": "2010-12-01",
}
CREATE = {"aggregate": "orders", "type": "CreateOrder", "id": "536365", "fields": CREATE_FIELDS}
AN_ID = "0b6f0d1e-6d53-4d5c-8f5e-0d7b9f4c5a11"


def read(*lines: dict[str, Any] | bytes, file: str = "in.jsonl", known: Known | None = None) -> list[Imported]:
    """What comes of a file with these lines."""
    raw = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    return list(read_json_lines(app, file, BytesIO(b"\n".join(raw)), known))


def asked(*lines: dict[str, Any] | bytes) -> list[Asked]:
    """The commands of a file in which every line is one."""
    found = read(*lines)
    assert not [report for report in found if isinstance(report, Reported)]
    return [command for command in found if isinstance(command, Asked)]


def without(line: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in line.items() if name not in names}


def test_a_line_is_a_command_to_an_aggregate() -> None:
    [pay] = asked(PAY)
    assert (pay.aggregate, pay.meta.aggregate_id) == ("orders", "536365")
    assert pay.command == PayOrder("p-1", 13912, "GBP")
    assert str(UUID(pay.meta.command_id)) == pay.meta.command_id


def test_nested_fields_and_dates_become_what_the_command_holds() -> None:
    [create] = asked(CREATE)
    assert create.command == CreateOrder([Line("85123A", "", 6, 255)], "GBP", date(2010, 12, 1))


def test_a_command_without_fields_needs_none() -> None:
    [deliver] = asked({"aggregate": "orders", "type": "DeliverOrder", "id": "536365"})
    assert deliver.command == DeliverOrder()


def test_what_surrounds_a_command_is_taken_over() -> None:
    around = {
        "command_id": AN_ID.upper(),
        "expected_version": 1,
        "issued_at": 1_291_192_000_000,
        "actor": "till 4",
        "correlation_id": "c",
        "causation_id": "d",
    }
    [pay] = asked({**PAY, **around})
    assert pay.meta.command_id == AN_ID
    assert (pay.meta.expected_version, pay.meta.issued_at) == (1, 1_291_192_000_000)
    assert (pay.meta.actor, pay.meta.correlation_id, pay.meta.causation_id) == ("till 4", "c", "d")


def test_a_second_import_asks_the_same() -> None:
    file = (PAY, CREATE, PAY)
    assert asked(*file) == asked(*file)


def test_what_a_file_says_twice_is_asked_twice() -> None:
    first, second = asked(PAY, PAY)
    assert first.command == second.command
    assert first.meta.command_id != second.meta.command_id


def ids(*lines: dict[str, Any] | bytes, file: str = "in.jsonl", known: Known | None = None) -> list[str]:
    return [it.meta.command_id for it in read(*lines, file=file, known=known) if isinstance(it, Asked)]


def test_the_same_line_of_another_file_is_another_command_in_one_call_and_in_two() -> None:
    both = Known()
    assert ids(PAY, known=both) != ids(PAY, file="tuesday.jsonl", known=both)
    assert ids(PAY) != ids(PAY, file="tuesday.jsonl")
    assert ids(PAY, file="there/in.jsonl") == ids(PAY)


def test_files_of_one_source_are_read_like_one_file_whatever_they_are_called() -> None:
    source = Known("till 4")
    first, second = (ids(PAY, file=name, known=source) for name in ("monday.jsonl", "tuesday.jsonl"))
    assert [*first, *second] == ids(PAY, PAY, known=Known("till 4"))
    assert first != ids(PAY, known=Known("till 5"))


def test_a_line_with_an_id_of_its_own_keeps_it_wherever_it_comes_from() -> None:
    known = Known()
    line = {**PAY, "command_id": AN_ID}
    assert ids(line, known=known) == ids(line, file="tuesday.jsonl", known=known) == [AN_ID]
    [report] = read({**line, "id": "536366"}, file="tuesday.jsonl", known=known)
    assert isinstance(report, Reported)
    assert (report.file, report.reason) == ("tuesday.jsonl", "command_id used before")


def test_the_derived_id_depends_on_the_content_and_not_on_how_it_is_written() -> None:
    turned = {name: PAY[name] for name in reversed(PAY)}
    assert asked(turned, CREATE) == asked(json.dumps(PAY, indent=None, separators=(" ,", " : ")).encode(), CREATE)
    other = {**PAY, "expected_version": 3}
    assert asked(other)[0].meta.command_id != asked(PAY)[0].meta.command_id


def test_derived_ids_are_those_of_yesterday() -> None:
    assert asked(PAY)[0].meta.command_id == "f0e85871-5f50-5893-b465-f80a92d64cb0"


def test_a_command_that_a_file_repeats_under_its_id_is_a_resend() -> None:
    first, second = asked({**PAY, "command_id": AN_ID}, {**PAY, "command_id": AN_ID.upper()})
    assert (first.meta, first.command) == (second.meta, second.command)
    assert (first.line, second.line) == (1, 2)


@pytest.mark.parametrize(
    "other",
    [
        {**PAY, "fields": {**FIELDS, "amount": 1}},
        {**PAY, "id": "536366"},
        without({**PAY, "type": "DeliverOrder"}, "fields"),
    ],
    ids=["other fields", "other aggregate", "other type"],
)
def test_one_id_for_two_commands_is_reported(other: dict[str, Any]) -> None:
    first, second = read({**PAY, "command_id": AN_ID}, {**other, "command_id": AN_ID})
    assert isinstance(first, Asked)
    assert isinstance(second, Reported)
    assert (second.line, second.reason) == (2, "command_id used before")


BROKEN: list[tuple[str, dict[str, Any] | bytes, str, str]] = [
    ("no JSON", b'{"aggregate": "orders"', "bad JSON", "line 1 column 23"),
    ("something behind the JSON", json.dumps(PAY).encode() + b" ]", "bad JSON", "Extra data"),
    ("a key twice", b'{"id": "a", "id": "b"}', "bad JSON", "key 'id' comes twice"),
    ("a key of a field twice", b'{"fields": {"amount": 1, "amount": 2}}', "bad JSON", "key 'amount' comes twice"),
    ("not a number", b'{"id": NaN}', "bad JSON", "NaN is no number"),
    ("a number of endless digits", b'{"id": ' + b"9" * 5000 + b"}", "bad JSON", "digits"),
    ("endless brackets", b"[" * 100_000, "bad JSON", "recursion"),
    ("half of a surrogate pair", {**PAY, "fields": {**FIELDS, "payment_id": "\ud800"}}, "bad JSON", "surrogate"),
    ("half of a pair in who asks", {**PAY, "actor": "\ud800"}, "bad JSON", "surrogate"),
    ("half of a pair in a cause", {**PAY, "causation_id": "\udc00"}, "bad JSON", "surrogate"),
    ("not UTF-8", b'{"id": "\xff"}', "not UTF-8", "byte 0xff at 9"),
    ("no object", b"[1, 2]", "not a command line", "Expected `object`, got `array`"),
    ("no aggregate", without(PAY, "aggregate"), "not a command line", "missing required field `aggregate`"),
    ("no type", without(PAY, "type"), "not a command line", "missing required field `type`"),
    ("no id", without(PAY, "id"), "not a command line", "missing required field `id`"),
    ("an empty id", {**PAY, "id": ""}, "not a command line", "$.id"),
    ("an id that is a number", {**PAY, "id": 536365}, "not a command line", "Expected `str`, got `int` - at `$.id`"),
    ("a long id", {**PAY, "id": "x" * 201}, "not a command line", "$.id"),
    ("an unknown key", {**PAY, "expectedVersion": 1}, "not a command line", "unknown field `expectedVersion`"),
    ("a negative version", {**PAY, "expected_version": -1}, "not a command line", "$.expected_version"),
    ("a version beyond 64 bits", {**PAY, "expected_version": 2**63}, "not a command line", "$.expected_version"),
    ("an issue time beyond 64 bits", {**PAY, "issued_at": 2**63}, "not a command line", "$.issued_at"),
    ("an unknown aggregate", {**PAY, "aggregate": "moons"}, "unknown aggregate", "the app has: "),
    ("an unknown type", {**PAY, "type": "BuyMoon"}, "unknown type", "'BuyMoon'; orders takes CreateOrder, PayOrder"),
    ("an event as a type", {**PAY, "type": "OrderPaid"}, "unknown type", "'OrderPaid'"),
    (
        "a missing field",
        {**PAY, "fields": without(FIELDS, "amount")},
        "wrong fields",
        "missing required field `amount`",
    ),
    ("an ill-typed field", {**PAY, "fields": {**FIELDS, "amount": "1"}}, "wrong fields", "got `str` - at `$.amount`"),
    ("a fraction of a penny", {**PAY, "fields": {**FIELDS, "amount": 1.5}}, "wrong fields", "got `float`"),
    ("an unknown field", {**PAY, "fields": {**FIELDS, "tip": 1}}, "wrong fields", "PayOrder: fields has no 'tip'"),
    ("a field beyond 64 bits", {**PAY, "fields": {**FIELDS, "amount": 2**63}}, "wrong fields", "fields.amount is out"),
    (
        "a date that is none",
        {**CREATE, "fields": {**CREATE_FIELDS, "business_date": "2010-13-01"}},
        "wrong fields",
        "date",
    ),
    (
        "an unknown field in a line",
        {**CREATE, "fields": {**CREATE_FIELDS, "lines": [{**LINE, "colour": "red"}]}},
        "wrong fields",
        "fields.lines[0] has no 'colour'",
    ),
    (
        "a quantity below 64 bits",
        {**CREATE, "fields": {**CREATE_FIELDS, "lines": [{**LINE, "quantity": -(2**63) - 1}]}},
        "wrong fields",
        "fields.lines[0].quantity is out of the range of 64 bits",
    ),
    ("a command id that is no UUID", {**PAY, "command_id": "17"}, "command_id is no UUID", "'17'"),
    ("a UUID without dashes", {**PAY, "command_id": AN_ID.replace("-", "")}, "command_id is no UUID", "36 character"),
]


@pytest.mark.parametrize(("line", "reason", "detail"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_a_line_that_is_no_command_is_reported_and_the_rest_goes_on(
    line: dict[str, Any] | bytes, reason: str, detail: str
) -> None:
    before, report, after = read(CREATE, line, PAY)
    assert isinstance(after, Asked)
    assert [before, replace(after, line=2)] == asked(CREATE, PAY)
    assert isinstance(report, Reported)
    assert (report.file, report.line, report.reason) == ("in.jsonl", 2, reason)
    assert detail in report.detail


def test_the_largest_and_the_smallest_long_are_taken() -> None:
    for amount in (2**63 - 1, -(2**63)):
        [pay] = asked({**PAY, "fields": {**FIELDS, "amount": amount}})
        assert pay.command == PayOrder("p-1", amount, "GBP")
