"""What the engine itself refuses, before a domain is asked."""

from datetime import date
from typing import Any

import pytest
from confluent_kafka import murmur2

from handler.bells import Ring, Touch
from handler.desk import WINDOW_MS, Desk, bell_desk, command_id, order_desk
from headrace.handler.admission import MAX_ID_LENGTH
from headrace.handler.window import SKEW_MS
from headrace.kernel import errors
from headrace.orders.commands import CreateOrder, PayOrder
from headrace.orders.events import Line

CREATE = CreateOrder(lines=[Line("A", "", 1, 100)], currency="GBP", customer=None, business_date=date(2010, 12, 1))
PAY = PayOrder("p-1", 100, "GBP")


def refusal(desk: Desk, name: str, **meta: Any) -> str | None:
    """The code of the refusal of a command that the domain would accept."""
    reply = desk.ask(name, Ring(1), **meta)
    assert bool(reply.events) == (reply.outcome.code is None)
    if reply.outcome.code is not None:
        kind = getattr(errors, reply.outcome.code)
        assert reply.outcome.message == kind().message
    return reply.outcome.code


@pytest.mark.parametrize("key", [None, b"", b"b-2", b"B-1", b"b-1 ", b"\xff"])
def test_a_key_that_is_not_the_aggregates_id_is_refused(key: bytes | None) -> None:
    desk = bell_desk()
    assert refusal(desk, "b-1", key=key) == "KeyMismatch"
    assert refusal(desk, "b-1") is None
    assert refusal(desk, "b-1", key=key) == "KeyMismatch"


def test_a_key_is_the_ids_utf_8() -> None:
    assert refusal(bell_desk(), "Größe №1") is None


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("", "AggregateIdInvalid"),
        ("x", None),
        ("x" * MAX_ID_LENGTH, None),
        ("ä" * MAX_ID_LENGTH, None),
        ("x" * (MAX_ID_LENGTH + 1), "AggregateIdInvalid"),
        ("x" * 5000, "AggregateIdInvalid"),
        ("a\0b", "AggregateIdInvalid"),
    ],
    ids=["empty", "short", "longest", "longest, not ASCII", "too long", "much too long", "NUL"],
)
def test_an_aggregate_id_has_a_length_and_no_nul(name: str, code: str | None) -> None:
    assert refusal(bell_desk(), name) == code


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("123e4567-e89b-12d3-a456-426614174000", None),
        ("123E4567-E89B-12D3-A456-426614174000", None),
        ("123e4567e89b12d3a456426614174000", "CommandIdInvalid"),
        ("{123e4567-e89b-12d3-a456-426614174000}", "CommandIdInvalid"),
        ("123e4567-e89b-12d3-a456-42661417400g", "CommandIdInvalid"),
        ("123e4567-e89b-12d3-a456-426614174000\n", "CommandIdInvalid"),
        ("12\uff13e4567-e89b-12d3-a456-426614174000", "CommandIdInvalid"),
        ("", "CommandIdInvalid"),
        ("7", "CommandIdInvalid"),
        ("x" * 3000, "CommandIdInvalid"),
    ],
)
def test_a_command_id_is_a_uuid(given: str, code: str | None) -> None:
    assert refusal(bell_desk(), "b-1", command_id=given) == code


@pytest.mark.parametrize(("name", "most"), [("actor", 200), ("correlation_id", 200), ("causation_id", 300)])
def test_what_else_surrounds_a_command_is_short_and_has_no_nul(name: str, most: int) -> None:
    for text, code in (
        ("", None),
        ("x" * most, None),
        ("x" * (most + 1), "EnvelopeInvalid"),
        ("\0", "EnvelopeInvalid"),
    ):
        assert refusal(bell_desk(), "b-1", **{name: text}) == code


def on_partition(number: int, partitions: int) -> str:
    """An id that murmur2 puts there."""
    return next(name for name in map("o-{}".format, range(1000)) if murmur2(name.encode(), partitions) == number)


def test_a_record_on_another_partition_than_its_keys_is_refused() -> None:
    desk = order_desk(number=1, partitions=4)
    assert desk.ask(on_partition(2, 4), CREATE).outcome.code == "WrongPartition"
    assert desk.ask(on_partition(1, 4), CREATE).outcome.code is None


def test_the_partition_is_looked_at_until_the_aggregate_is_there() -> None:
    """Afterwards it is known, and the price of a hash is saved."""
    stray = on_partition(2, 4)
    home = order_desk(number=2, partitions=4)
    home.ask(stray, CREATE)
    home.commit()
    desk = order_desk(number=1, partitions=4)
    assert desk.ask(stray, PAY).outcome.code == "WrongPartition"
    assert desk.ask(stray, PAY).outcome.code == "WrongPartition"
    desk.partition.restore({stray: home.events[0][1]})
    assert desk.ask(stray, PAY, command_id=command_id(9)).outcome.code is None


@pytest.mark.parametrize(
    ("age", "code"),
    [
        (0, None),
        (WINDOW_MS, None),
        (WINDOW_MS + 1, "Expired"),
        (10 * WINDOW_MS, "Expired"),
        (-SKEW_MS, None),
        (-SKEW_MS - 1, "IssuedInTheFuture"),
        (-10 * WINDOW_MS, "IssuedInTheFuture"),
    ],
)
def test_a_command_is_appended_within_the_window_after_it_was_issued(age: int, code: str | None) -> None:
    desk = bell_desk()
    assert refusal(desk, "b-1", issued_at=desk.at + 1 - age) == code


def test_what_is_refused_first_is_what_is_said() -> None:
    """The order of the questions is part of the answer: the key, the ids, the time, the version, the domain."""
    desk = bell_desk()
    wrong: dict[str, Any] = {"command_id": "7", "issued_at": 0, "expected_version": 9}
    assert refusal(desk, "", key=None, **wrong) == "KeyMismatch"
    assert refusal(desk, "", **wrong | {"command_id": "8"}) == "AggregateIdInvalid"
    assert refusal(desk, "b", **wrong | {"command_id": "9"}) == "CommandIdInvalid"
    assert refusal(desk, "b", **wrong | {"command_id": command_id(7)}) == "Expired"
    assert refusal(desk, "b", expected_version=9) == "VersionConflict"
    assert desk.ask("b", Ring(10)).outcome.code == "Muffled"
    assert desk.ask("b", Touch()).outcome.version == 0


def test_a_refusal_of_the_engine_asks_nothing_of_the_domain() -> None:
    desk = bell_desk()
    desk.ask("b", Ring(1))
    reply = desk.ask("b", Ring(1), expected_version=7)
    assert (reply.outcome.result, reply.outcome.version, reply.outcome.events) == ("refused", 1, 0)
