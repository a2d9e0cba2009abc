"""A small process over orders: one that is created is to be paid in time, else it is cancelled; gifts follow."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from headrace.app import shop
from headrace.avro.codec import Codec
from headrace.avro.contract import read_lock
from headrace.handler.parking import Parking
from headrace.kafka.records import Place
from headrace.kernel.app import App
from headrace.kernel.message import EventMeta, Fact, Outcome, Writer
from headrace.kernel.reactor import Answered, Reaction, Reactor, Schedule, Send, Unschedule
from headrace.orders.commands import CancelOrder, PayOrder, ShipOrder
from headrace.orders.decider import Order
from headrace.orders.events import Event, Line, OrderCancelled, OrderCreated, OrderDelivered, OrderPaid, OrderShipped
from headrace.reactor.messages import Messages
from headrace.reactor.part import SourcePart

PARTITIONS = 4
CREATED = OrderCreated([Line("A", "", 1, 5)], "GBP", None, date(2010, 12, 1), 5)
PAID = OrderPaid("p", 5, "GBP")
SHIPPED = OrderShipped("Post", "T1")
DELIVERED = OrderDelivered()
CANCELLED = OrderCancelled("late", 0, "GBP")
CAUSE = "orders/o-1/1"


def react(message: Fact[Event] | Answered) -> Sequence[Reaction]:
    """What follows; a delivered order breaks it."""
    if isinstance(message, Answered):
        return [Send("orders", message.process_id, ShipOrder("Post", "again"))] if message.outcome.code else []
    name = message.aggregate_id
    match message.event:
        case OrderCreated():
            return [Schedule("payment", message.meta.occurred_at + 1000, Send("orders", name, CancelOrder("late")))]
        case OrderPaid():
            ship = Send("orders", f"{name}-gift", ShipOrder("Post", "T"))
            return [Unschedule("payment"), ship, ship]
        case OrderShipped():
            return [Send("users", name, PayOrder("p", 1, "GBP"))]
        case OrderDelivered():
            raise KeyError(name)
    return []


reminders = Reactor(name="reminders", events=("orders",), answers=("orders",), react=react)
app = App(aggregates=shop.aggregates, reactors=(reminders,))
codec = Codec(app, read_lock(Path("schemas")))
messages = Messages(app, reminders, codec, PARTITIONS)


def events_part(parking: Parking | None = None, reactor: Reactor = reminders) -> SourcePart:
    """A partition of the orders' events."""
    made = Messages(app, reactor, codec, PARTITIONS)
    place: Place = ("orders.events", 0)
    return SourcePart(reactor, "orders", codec, made, place, parking or Parking(place))


def answers_part() -> SourcePart:
    """A partition of the orders' outcomes."""
    place: Place = ("orders.outcomes", 0)
    return SourcePart(reminders, "orders", codec, messages, place, Parking(place))


def event(body: Event, name: str = "o-1", version: int = 1, at: int = 5) -> bytes:
    """The record of an event."""
    command_id = "00000000-0000-0000-0000-000000000001"
    meta = EventMeta(
        version, f"orders/{name}/{version}", name, at, command_id, 0, "talk", command_id, "ann", Writer("w", 0)
    )
    return codec.encode(body, meta, Order())


def outcome(**changes: Any) -> bytes:
    """The record of an outcome: a refusal of a command that the reminders have sent, unless told otherwise."""
    said = {
        "command_id": "00000000-0000-0000-0000-000000000002", "occurred_at": 9, "aggregate_id": "o-1-gift",
        "command_type": "ShipOrder", "command_offset": 3, "body_hash": b"", "result": "refused", "code": "UnknownOrder",
        "message": "There is no such order.", "version": 0, "events": 0, "actor": reminders.actor,
        "correlation_id": "talk", "causation_id": CAUSE,
    }  # fmt: skip
    return codec.encode(Outcome(**(said | changes)))
