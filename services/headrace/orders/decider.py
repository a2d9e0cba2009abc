"""The rules of an order: what may follow what, and what it costs."""

from datetime import date
from typing import Literal, TypeAlias, assert_never

from msgspec import Struct
from msgspec.structs import replace

from headrace.kernel.aggregate import Aggregate
from headrace.kernel.errors import Rejected
from headrace.orders.commands import CancelOrder, Command, CreateOrder, DeliverOrder, PayOrder, ShipOrder
from headrace.orders.events import Event, Line, OrderCancelled, OrderCreated, OrderDelivered, OrderPaid, OrderShipped

LARGEST_NUMBER = 2**53 - 1  # what every JSON reader keeps exactly
LONGEST_TEXT = 500  # in characters: an index row of Postgres holds 2,704 bytes

Status: TypeAlias = Literal["blank", "created", "paid", "shipped", "delivered", "cancelled"]


class Order(Struct, frozen=True):
    """All that is true of an order now; `status` is blank until it is created. Money in minor units of `currency`."""

    status: Status = "blank"
    lines: list[Line] = []
    currency: str = ""
    customer: str | None = None
    business_date: date | None = None
    total: int = 0
    paid: int = 0
    refund_owed: int = 0
    payment_id: str | None = None
    carrier: str | None = None
    tracking: str | None = None
    cancel_reason: str | None = None


class AlreadyCreated(Rejected):
    """The order was created before."""


class UnknownOrder(Rejected):
    """There is no such order: create it first."""


class AlreadyPaid(Rejected):
    """The order was paid before."""


class NotPaid(Rejected):
    """The order is not paid yet."""


class AlreadyShipped(Rejected):
    """The order was shipped before."""


class NotShipped(Rejected):
    """The order is not shipped yet."""


class AlreadyDelivered(Rejected):
    """The order was delivered before."""


class AlreadyCancelled(Rejected):
    """The order was cancelled before."""


class TooLateToCancel(Rejected):
    """The order is shipped and can no longer be cancelled."""


class NoLines(Rejected):
    """An order has at least one line."""


class QuantityNotPositive(Rejected):
    """The quantity of a line is at least 1."""


class QuantityTooLarge(Rejected):
    """The quantity of a line is at most 9007199254740991."""


class NegativePrice(Rejected):
    """The unit price of a line is not negative."""


class TotalTooLarge(Rejected):
    """The total of an order is at most 9007199254740991 minor units."""


class CurrencyInvalid(Rejected):
    """A currency is three capital letters, such as GBP."""


class AmountMismatch(Rejected):
    """The amount paid is not the total of the order."""


class CurrencyMismatch(Rejected):
    """The payment is not in the currency of the order."""


class BlankText(Rejected):
    """A sku, a payment id, a carrier, a tracking code and a reason are not blank, nor is a customer that is given."""


class TextTooLong(Rejected):
    """A text has at most 500 characters."""


class TextNotStorable(Rejected):
    """A text holds a NUL character, which no text column of the database takes."""


def decide(command: Command, order: Order, _at: int) -> list[Event]:
    """The event that the command leads to, or the refusal; no rule of an order depends on the time."""
    match command:
        case CreateOrder():
            return [_create(command, order)]
        case PayOrder():
            return [_pay(command, _living(order))]
        case ShipOrder():
            return [_ship(command, _living(order))]
        case DeliverOrder():
            return [_deliver(_living(order))]
        case CancelOrder():
            return [_cancel(command, _living(order))]
        case _:
            assert_never(command)


def evolve(order: Order, event: Event) -> Order:
    """The order after the event."""
    match event:
        case OrderCreated(lines, currency, customer, business_date, total):
            return Order("created", lines, currency, customer, business_date, total)
        case OrderPaid(payment_id, amount):
            return replace(order, status="paid", paid=amount, payment_id=payment_id)
        case OrderShipped(carrier, tracking):
            return replace(order, status="shipped", carrier=carrier, tracking=tracking)
        case OrderDelivered():
            return replace(order, status="delivered")
        case OrderCancelled(reason, refund_owed):
            return replace(order, status="cancelled", refund_owed=refund_owed, cancel_reason=reason)
        case _:
            assert_never(event)


orders = Aggregate(name="orders", initial=Order(), decide=decide, evolve=evolve, commands=Command, events=Event)


def _living(order: Order) -> Order:
    if order.status == "blank":
        raise UnknownOrder
    if order.status == "cancelled":
        raise AlreadyCancelled
    return order


def _create(command: CreateOrder, order: Order) -> OrderCreated:
    if order.status != "blank":
        raise AlreadyCreated
    if not command.lines:
        raise NoLines
    currency = command.currency
    if not (len(currency) == 3 and currency.isascii() and currency.isalpha() and currency.isupper()):  # noqa: PLR2004
        raise CurrencyInvalid
    if command.customer is not None:
        _check_name(command.customer)
    total = sum(map(_price, command.lines))
    if total > LARGEST_NUMBER:
        raise TotalTooLarge
    return OrderCreated(command.lines, currency, command.customer, command.business_date, total)


def _price(line: Line) -> int:
    _check_name(line.sku)
    _check_text(line.description)
    if line.quantity < 1:
        raise QuantityNotPositive
    if line.quantity > LARGEST_NUMBER:
        raise QuantityTooLarge
    if line.unit_price < 0:
        raise NegativePrice
    return line.quantity * line.unit_price


def _pay(command: PayOrder, order: Order) -> OrderPaid:
    if order.status != "created":
        raise AlreadyPaid
    _check_name(command.payment_id)
    if command.currency != order.currency:
        raise CurrencyMismatch
    if command.amount != order.total:
        raise AmountMismatch
    return OrderPaid(command.payment_id, command.amount, command.currency)


def _ship(command: ShipOrder, order: Order) -> OrderShipped:
    if order.status == "created":
        raise NotPaid
    if order.status != "paid":
        raise AlreadyShipped
    _check_name(command.carrier)
    _check_name(command.tracking)
    return OrderShipped(command.carrier, command.tracking)


def _deliver(order: Order) -> OrderDelivered:
    if order.status == "delivered":
        raise AlreadyDelivered
    if order.status != "shipped":
        raise NotShipped
    return OrderDelivered()


def _cancel(command: CancelOrder, order: Order) -> OrderCancelled:
    if order.status in ("shipped", "delivered"):
        raise TooLateToCancel
    _check_name(command.reason)
    return OrderCancelled(command.reason, refund_owed=order.paid, currency=order.currency)


def _check_name(text: str) -> None:
    if not text.strip():
        raise BlankText
    _check_text(text)


def _check_text(text: str) -> None:
    if len(text) > LONGEST_TEXT:
        raise TextTooLong
    if "\0" in text:
        raise TextNotStorable
