"""What reactors keep for themselves: timers that wait, have fired or are overdue, and records that they have parked."""

from typing import Any

import pytest

from headrace.handler.notes import KEY, why_released
from headrace.kernel.message import CommandMeta
from headrace.reactor.messages import DUE, FIRED, SINCE
from headrace_load.verify.reactors import OVERDUE_MS, PARKED, TIMERS, Timer, own, waiting_timers
from headrace_load.verify.records import Ends, Record
from headrace_load.verify.report import Check

NOW = 10_000_000
ENDS = Ends(0, 9, 9)


def timer(offset: int, due: int, key: str = "deadline/t-1", **headers: int) -> Record:
    said = {DUE: due, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return Record(offset, 1, key.encode(), b"a command", [(name, str(value).encode()) for name, value in said.items()])


def ended(offset: int, fired: int | None = None, key: str = "deadline/t-1") -> Record:
    return Record(offset, 1, key.encode(), None, None if fired is None else [(FIRED, str(fired).encode())])


def since(offset: int) -> dict[str, Any]:
    return {SINCE: offset}


def checked(kind: str, *records: Record, ends: Ends = ENDS) -> Check:
    check = Check("", "")
    own("watcher", kind, 1, ends, records, NOW, check)
    return check


@pytest.mark.parametrize(
    ("records", "waits"),
    [
        ([timer(0, 5)], Timer(5, 0)),
        ([timer(0, 5), timer(1, 7)], Timer(7, 1)),
        ([timer(0, 5), ended(2)], None),
        ([timer(0, 5), ended(2, fired=0)], None),
        ([timer(0, 5), timer(2, 7), ended(3, fired=0)], Timer(7, 2)),
        ([timer(0, 5), timer(2, 7), ended(3, fired=0), timer(5, 7, **since(2)), ended(6, fired=2)], None),
        ([timer(2, 7), timer(4, 9), timer(5, 7, **since(2))], Timer(9, 4)),
        ([timer(2, 7), ended(4), timer(5, 7, **since(2))], None),
    ],
    ids=[
        "set",
        "set anew",
        "taken back",
        "fired",
        "set anew while the one before fired",
        "written again, and fired",
        "set anew before it was written again",
        "taken back before it was written again",
    ],
)
def test_a_timer_waits_until_it_has_fired_or_is_taken_back(records: list[Record], waits: Timer | None) -> None:
    assert waiting_timers(records) == ({"deadline/t-1": waits} if waits else {}, [])


def test_a_timer_that_is_overdue_is_named() -> None:
    late, in_time = NOW - OVERDUE_MS - 1_000, NOW - OVERDUE_MS
    check = checked(TIMERS, timer(0, late), timer(1, in_time, "deadline/t-2"))
    assert check.problems == ["watcher.timers[1]: the timer deadline/t-1 was due 61 s ago, and has not fired"]
    assert check.counted == {"timers": 2}


def test_what_is_no_timer_is_named() -> None:
    [said] = checked(TIMERS, Record(3, 1, b"k", b"x", None)).problems
    assert said == f"watcher.timers[1] offset 3 is no timer: KeyError: '{DUE}'"


@pytest.mark.parametrize("kind", [TIMERS, PARKED])
def test_an_open_transaction_in_a_topic_of_its_own_is_named(kind: str) -> None:
    assert checked(kind, ends=Ends(0, 4, 9)).problems == [
        f"watcher.{kind}[1]: a transaction is open, readers of committed records stop at 4 of 9"
    ]


def parked(offset: int, origin: int, key: str, topic: str = "orders.events") -> Record:
    said = {"headrace-parking": KEY, "headrace-aggregate-id": key, "kafka_dlt-exception-message": "why"}
    said |= {f"kafka_dlt-original-{name}": it for name, it in (("topic", topic), ("partition", "1"))}
    said |= {f"kafka_dlt-original-{name}": str(it) for name, it in (("offset", origin), ("timestamp", 1))}
    return Record(offset, 1, key.encode(), b"an event", [(name, value.encode()) for name, value in said.items()])


def released(offset: int, through: int, key: str) -> Record:
    headers = why_released(("orders.events", 1, through, 1), CommandMeta(command_id="", aggregate_id=key), through, "")
    return Record(offset, 1, key.encode(), None, [(name, str(it or "").encode()) for name, it in headers])


def test_what_a_reactor_has_parked_is_counted_by_key_and_source_and_is_no_problem() -> None:
    of_another_source = parked(3, 0, "o-1", "orders.outcomes")
    records = [parked(0, 4, "o-1"), parked(1, 6, "o-1"), parked(2, 5, "o-2"), of_another_source, released(4, 4, "o-1")]
    check = checked(PARKED, *records)
    assert check.problems == []
    assert check.counted == {"keys_that_wait": 3, "records_that_wait": 3}


def test_a_parked_record_that_does_not_say_where_it_came_from_is_named() -> None:
    [said] = checked(PARKED, Record(7, 1, b"k", b"v", None)).problems
    assert said.startswith("watcher.reactions.parked[1] offset 7 does not say where it came from")
