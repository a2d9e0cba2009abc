"""A shop's invoices, one line an item ("Online Retail", UCI): one invoice, one order, in British pounds.

An invoice is an order when its number is all digits and at least one of its lines has a positive quantity and price.
Everything else is reported: a line, or a whole invoice (such as a credit note, C536379) at its first line.
"""

import csv
import re
import sys
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import BinaryIO

from msgspec import Struct

from headrace.importing.imported import Asked, Imported, Reported, Unusable, derived_id
from headrace.importing.lines import text_lines
from headrace.kernel.message import CommandMeta
from headrace.orders.commands import Command, CreateOrder, DeliverOrder, PayOrder, ShipOrder
from headrace.orders.events import Line

COLUMNS = ["InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"]
CURRENCY = "GBP"
WHOLE = re.compile(r"-?[0-9]{1,15}")
AMOUNT = re.compile(r"-?[0-9]{1,13}(\.[0-9]{1,9})?")
TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")


class Invoice(Struct):
    """What the file says of one invoice: where it begins, how many lines it has, and those of them that can be sold."""

    first_line: int
    all_lines: int = 0
    customer: str | None = None
    business_date: date = date.min
    lines: list[Line] = []


def read_invoices(file: str, stream: BinaryIO, seen: dict[str, str] | None = None) -> Iterator[Imported]:
    """A CreateOrder for each order, in the order of their first lines, after the reports of single lines.

    The lines of an invoice may lie anywhere in the file, so the whole file is read, and kept, before the first order:
    some 100 MB for the 540,000 lines of the full data set. `seen` says of each order where it began in an earlier file:
    what this one adds to it is reported, since the order is asked for already.
    """
    seen = {} if seen is None else seen
    rows = text_lines(file, stream)
    problem = _header_problem(file, next(rows, None))
    if problem:
        yield problem
        return
    invoices: dict[str, Invoice] = {}
    for row in rows:
        if isinstance(row, Reported):
            yield row
            continue
        number, text = row
        try:
            _enter(invoices, number, _fields(text))
        except Unusable as unusable:
            yield Reported(file, number, unusable.reason, unusable.detail)
    for name, invoice in invoices.items():
        yield _imported(file, name, invoice, seen)


def lifecycle(created: Asked) -> list[Asked]:
    """What follows an order that was created: paid in full, shipped, delivered; nothing after another command."""
    if not isinstance(created.command, CreateOrder):
        return []
    invoice = created.meta.aggregate_id
    total = sum(line.quantity * line.unit_price for line in created.command.lines)
    steps: list[Command] = [
        PayOrder(f"payment-{invoice}", total, created.command.currency),
        ShipOrder("Post", f"parcel-{invoice}"),
        DeliverOrder(),
    ]
    return [_asked(created.file, created.line, invoice, step) for step in steps]


def _header_problem(file: str, header: tuple[int, str] | Reported | None) -> Reported | None:
    expected = ",".join(COLUMNS)
    if header is None:
        return Reported(file, 1, "wrong header", f"the file is empty; the first line is {expected}")
    if isinstance(header, Reported):
        return header
    number, text = header
    if [name.strip() for name in text.split(",")] != COLUMNS:
        return Reported(file, number, "wrong header", f"the first line is {expected}")
    return None


def _fields(text: str) -> list[str]:
    if "\0" in text:
        raise Unusable("NUL byte in the line")
    try:
        [fields] = csv.reader([text], strict=True)
    except csv.Error as error:
        raise Unusable("not CSV", str(error)) from error
    if len(fields) != len(COLUMNS):
        raise Unusable("wrong number of columns", f"{len(fields)} instead of {len(COLUMNS)}")
    return [field.strip() for field in fields]


def _enter(invoices: dict[str, Invoice], number: int, fields: list[str]) -> None:
    """Add a line of the file to its invoice; `Unusable` when it is nothing to sell."""
    name, sku, description, quantity, time, price, customer, _country = fields
    invoice = invoices.get(name)
    if invoice is None:
        invoice = invoices[name] = Invoice(number)
    invoice.all_lines += 1
    if not _is_order(name):
        return
    buyer, day = _customer(customer), _day(time)
    line = Line(sys.intern(sku), sys.intern(description), _quantity(quantity), _price(price))
    if not sku:
        raise Unusable("no stock code")
    if not invoice.lines:
        invoice.customer, invoice.business_date = buyer, day
    elif invoice.customer != buyer:
        raise Unusable("another customer than in the invoice's first line", f"{buyer} instead of {invoice.customer}")
    invoice.lines.append(line)


def _imported(file: str, name: str, invoice: Invoice, seen: dict[str, str]) -> Imported:
    if not _is_order(name):
        detail = f"{name!r}, lines of the invoice: {invoice.all_lines}"
        return Reported(file, invoice.first_line, "invoice number is not all digits", detail)
    if not invoice.lines:
        detail = f"{name}, lines of the invoice: {invoice.all_lines}"
        return Reported(file, invoice.first_line, "invoice has no line that can be sold", detail)
    if name in seen:
        detail = f"{name}, lines of the invoice here: {invoice.all_lines}, and it began at {seen[name]}"
        return Reported(file, invoice.first_line, "invoice was in another file before", detail)
    seen[name] = f"{file}:{invoice.first_line}"
    command = CreateOrder(invoice.lines, CURRENCY, invoice.business_date, invoice.customer)
    return _asked(file, invoice.first_line, name, command)


def _asked(file: str, line: int, invoice: str, command: Command) -> Asked:
    """The command with the id that the invoice and the step give it; the steps of one order share a correlation."""
    created = derived_id("retail", invoice, CreateOrder.__name__)
    step = derived_id("retail", invoice, type(command).__name__)
    meta = CommandMeta(command_id=step, aggregate_id=invoice, correlation_id=created)
    return Asked("orders", meta, command, file, line)


def _is_order(name: str) -> bool:
    return name.isascii() and name.isdigit()


def _customer(text: str) -> str | None:
    """The customer's number, which some program wrote as a decimal number."""
    return text.removesuffix(".0") or None


@lru_cache(maxsize=4096)
def _quantity(text: str) -> int:
    if not WHOLE.fullmatch(text):
        raise Unusable("quantity is no whole number", repr(text))
    if int(text) < 1:
        raise Unusable("quantity is not positive", text)
    return int(text)


@lru_cache(maxsize=4096)
def _price(text: str) -> int:
    """The price in pence."""
    if not AMOUNT.fullmatch(text):
        raise Unusable("price is no amount of money", repr(text))
    pence = Decimal(text) * 100
    if pence <= 0:
        raise Unusable("price is not positive", text)
    if pence != int(pence):
        raise Unusable("price is not in whole pence", text)
    return int(pence)


@lru_cache(maxsize=4096)
def _day(text: str) -> date:
    try:
        if TIME.fullmatch(text):
            return datetime.fromisoformat(text).date()
    except ValueError:
        pass
    raise Unusable("date is not like 2010-12-01 08:26:00", repr(text))
