"""What a reactor makes of a record: commands with derived ids, timers, or a key that waits."""

import time
import uuid
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, murmur2
from msgspec import structs

from headrace.avro.codec import UnknownSchema
from headrace.handler.parking import Caps, Parking, Waiting
from headrace.kernel.errors import Misconfigured, TooMuchParked
from headrace.kernel.reactor import Schedule, Send
from headrace.orders.commands import CancelOrder, ShipOrder
from headrace.reactor.loop import Reacting
from headrace.reactor.messages import DUE, KEY, TOPIC, Message
from headrace.reactor.part import Reacted, SourcePart
from headrace.reactor.takeover import Takeover
from reactor.reminders import (
    CAUSE,
    CREATED,
    DELIVERED,
    PAID,
    PARTITIONS,
    SHIPPED,
    answers_part,
    codec,
    event,
    events_part,
    messages,
    outcome,
    reminders,
)  # fmt: skip

HOUR_MS = 3_600_000
TOO_LARGE = CancelOrder("r" * 1_000_000)


def tell(part: SourcePart, value: bytes | None, key: str = "o-1", offset: int = 0, headers: Any = None) -> Reacted:
    return part.answer(key.encode(), value, offset, 7, lambda: headers)


def test_a_command_says_what_it_follows_from_and_who_sends_it() -> None:
    _, message, _ = tell(
        events_part(), event(PAID), headers=[("type", b"OrderPaid"), ("traceparent", b"00-1")]
    ).messages
    sent = codec.decode(message.value)
    assert sent.body == ShipOrder("Post", "T")
    assert (message.topic, message.key) == ("orders.commands", "o-1-gift")
    assert message.partition == murmur2(b"o-1-gift", PARTITIONS)
    assert message.headers == [("traceparent", b"00-1")]
    meta = sent.meta
    assert (meta.aggregate_id, meta.actor) == ("o-1-gift", "reactor/reminders")
    assert (meta.correlation_id, meta.causation_id) == ("talk", "orders/o-1/1")
    assert (meta.expected_version, meta.issued_at) == (None, None)


def test_ids_are_the_same_however_often_a_record_is_read_and_different_for_each_command() -> None:
    def ids(part: SourcePart, value: bytes) -> list[str]:
        return [codec.decode(message.value).meta.command_id for message in tell(part, value).messages[1:]]

    first, again, later = (ids(events_part(), event(PAID, version=version)) for version in (2, 2, 3))
    assert first == again
    assert len({*first, *later}) == 4
    assert all(str(uuid.UUID(each)) == each for each in first)


def test_a_timer_lies_in_the_log_as_the_command_that_it_will_be() -> None:
    [message] = tell(events_part(), event(CREATED)).messages
    assert (message.topic, message.key) == ("reminders.timers", "payment/o-1")
    assert message.partition == murmur2(b"o-1", PARTITIONS)
    assert message.headers == [(DUE, "1005"), (TOPIC, "orders.commands"), (KEY, "o-1")]
    assert codec.decode(message.value).body == CancelOrder("late")


def test_a_timer_is_taken_back_by_a_tombstone() -> None:
    message = tell(events_part(), event(PAID)).messages[0]
    assert (message.topic, message.key, message.value) == ("reminders.timers", "payment/o-1", None)


def test_an_answer_to_a_command_of_its_own_is_reacted_to_with_the_process_that_it_belongs_to() -> None:
    [message] = tell(answers_part(), outcome(), "o-1-gift").messages
    meta = codec.decode(message.value).meta
    assert (message.key, meta.causation_id, meta.correlation_id) == ("o-1", CAUSE, "talk")


@pytest.mark.parametrize("changes", [{"actor": "ann"}, {"actor": None}, {"repeated": True}])
def test_answers_to_others_and_repeated_ones_are_none_of_its_business(changes: dict[str, Any]) -> None:
    assert tell(answers_part(), outcome(**changes)).messages == []


def test_a_command_that_is_answered_as_parked_and_then_as_refused_has_reactions_of_their_own() -> None:
    found = {
        codec.decode(tell(answers_part(), outcome(result=result)).messages[0].value).meta.command_id
        for result in ("parked", "refused")
    }
    assert len(found) == 2


def test_an_erased_aggregate_leads_to_nothing() -> None:
    assert tell(events_part(), None) == Reacted("o-1")


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (event(DELIVERED), "KeyError"),
        (event(SHIPPED), "Fault"),  # it sends to an aggregate that the app does not have
        (b"\0no record", "UnknownSchema"),
        (event(CREATED)[:40], "Undecodable"),
        (outcome(causation_id="nonsense"), "Undecodable"),
    ],
)
def test_what_our_code_breaks_on_waits_and_so_does_all_that_follows_for_its_key(value: bytes, error: str) -> None:
    part = events_part()
    if error == "UnknownSchema":
        with pytest.raises(UnknownSchema):
            tell(part, value)
        return
    broken, behind, other = tell(part, value), tell(part, event(PAID)), tell(part, event(PAID, "o-2"), "o-2")
    assert broken.parked is not None
    assert broken.parked.name == error
    assert behind.parked is not None
    assert behind.parked.is_behind
    assert other.parked is None
    assert len(other.messages) == 3
    part.commit()
    assert (part.held.parked_keys, part.held.parked_records) == (1, 2)


def test_a_command_that_no_handler_would_take_is_not_sent_and_its_key_waits() -> None:
    part = events_part(reactor=structs.replace(reminders, react=lambda _: [Send("orders", "o-1", TOO_LARGE)]))
    broken = tell(part, event(PAID))
    assert broken.parked is not None
    assert b"this CancelOrder is too large: 1000" in broken.parked.said
    assert broken.messages == []


@pytest.mark.parametrize("due_at", [1005.0, datetime(2010, 12, 1, tzinfo=UTC), timedelta(1), "1005", True, None])
def test_a_time_that_could_not_be_read_again_is_not_written_and_its_key_waits(due_at: Any) -> None:
    later = Send("orders", "o-1", CancelOrder("late"))
    part = events_part(reactor=structs.replace(reminders, react=lambda _: [Schedule("payment", due_at, later)]))
    broken = tell(part, event(PAID))
    assert broken.parked is not None
    assert f"timer payment: due_at is a {type(due_at).__name__}, must be an int".encode() in broken.parked.said
    assert broken.messages == []


@pytest.mark.parametrize("cause", ["", "nonsense", "orders/o-1/", "orders/o-1/x", "//1", "orders//1", "orders/o-1/²"])
def test_a_command_in_its_name_that_followed_from_no_event_is_none_of_its_business(cause: str) -> None:
    """Anybody may send one: if it waited, so would all true answers behind it."""
    part = answers_part()
    assert tell(part, outcome(causation_id=cause), "o-1-gift") == Reacted("o-1-gift")
    assert tell(part, outcome(), "o-1-gift").messages


def test_what_an_aborted_batch_parked_is_not_parked() -> None:
    part = events_part()
    tell(part, event(DELIVERED))
    part.discard()
    assert tell(part, event(PAID)).parked is None


def test_a_partition_stops_above_its_caps() -> None:
    part = events_part(Parking(("orders.events", 0), Caps(keys=1)))
    tell(part, event(DELIVERED))
    with pytest.raises(TooMuchParked):
        tell(part, event(DELIVERED, "o-2"), "o-2")


def waiting_since_before(*values: bytes) -> Parking:
    parking = Parking(("orders.events", 0))
    for offset, value in enumerate(values):
        parking.add("o-1", Waiting(b"o-1", value, offset, 7, []))
    parking.commit()
    return parking


def test_a_fixed_version_takes_up_what_waits_when_it_takes_over_in_order() -> None:
    mended = structs.replace(reminders, react=lambda fact: [Send("orders", "o-9", ShipOrder("x", str(fact.version)))])
    part = events_part(waiting_since_before(event(DELIVERED, version=4), event(CREATED, version=5)), mended)
    [released] = part.due()
    assert [codec.decode(message.value).body.tracking for message in released.messages] == ["4", "5"]
    assert dict(released.mark)["headrace-through"] == "1"
    part.commit()
    assert part.held.parked_keys == 0
    assert part.due() == []


def test_what_still_fails_goes_on_waiting_with_all_behind_it() -> None:
    part = events_part(waiting_since_before(event(CREATED), event(DELIVERED), event(PAID)))
    [released] = part.due()
    assert len(released.messages) == 1
    assert dict(released.mark)["headrace-through"] == "0"
    part.commit()
    assert part.held.parked_records == 2
    assert part.due() == []


def test_an_aborted_release_is_tried_again() -> None:
    part = events_part(waiting_since_before(event(CREATED)))
    assert part.due()
    part.discard()
    assert part.due()


def test_what_is_due_in_several_partitions_is_counted_once_for_all() -> None:
    unused: Any = None
    reacting = Reacting(reminders, unused, unused)
    sent: Any = SimpleNamespace(produce=lambda *_, **__: None)
    message = Message("orders.commands", 0, "o-1", b"", [])
    reacting.begin()
    for number in (0, 1):
        reacting.produce_due(sent, (reminders.timer_topic, number), [message])
    assert reacting._sent == ["orders.commands", "orders.commands"]


@pytest.mark.parametrize(
    ("topic", "age_ms", "goes_on"),
    [
        ("orders.events", HOUR_MS - 60_000, True),
        ("orders.events", HOUR_MS + 60_000, False),
        ("orders.outcomes", 2 * HOUR_MS, True),
        ("users.events", 50_000, True),  # they may be compacted at once, but a transaction holds both back for as long
        ("users.events", 70_000, False),
    ],
)
def test_a_reactor_so_slow_that_events_may_be_compacted_before_it_reads_them_ends(
    topic: str, age_ms: int, goes_on: bool
) -> None:
    unused: Any = None
    takeover = Takeover(reminders, {}, codec, messages, unused, unused, unused)
    takeover._lags_ms = {"orders.events": HOUR_MS, "users.events": 0}
    failpoints: Any = SimpleNamespace(reach=lambda _: None)
    at = time.time() * 1000 - age_ms
    record: Any = SimpleNamespace(
        topic=lambda: topic, partition=lambda: 1, offset=lambda: 7, timestamp=lambda: (TIMESTAMP_LOG_APPEND_TIME, at)
    )
    reacting = Reacting(reminders, takeover, failpoints)
    if goes_on:
        reacting.produce(unused, [record], [None])
        return
    with pytest.raises(Misconfigured, match=r"offset 7 of .*\[1\], and Kafka may have compacted events below 7"):
        reacting.produce(unused, [record], [None])
