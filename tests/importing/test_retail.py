"""A shop's invoices become orders; what is none is reported with its line."""

import csv
from collections import Counter, defaultdict
from datetime import date
from io import BytesIO
from pathlib import Path

import pytest
from msgspec.structs import replace

from headrace.importing.imported import Asked, Imported, Reported
from headrace.importing.retail import COLUMNS, lifecycle, read_invoices
from headrace.kernel.errors import Rejected
from headrace.orders.commands import CreateOrder, DeliverOrder, PayOrder, ShipOrder
from headrace.orders.decider import Order, orders
from headrace.orders.events import Line

A_DAY = Path(__file__).parents[2] / "load" / "headrace_load" / "data" / "online-retail" / "2010-12-01.csv"
HEADER = ",".join(COLUMNS)
HEART = "536365,85123A,WHITE HANGING HEART,6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom"
LANTERN = "536365,71053,WHITE METAL LANTERN,8,2010-12-01 08:26:00,3.39,17850.0,United Kingdom"
UNION = "536366,22633,HAND WARMER UNION JACK,6,2010-12-01 08:28:00,1.85,,United Kingdom"


def read(*lines: str | bytes, header: str = HEADER, seen: dict[str, str] | None = None) -> list[Imported]:
    """What comes of a file with these lines under the header."""
    raw = [line.encode() if isinstance(line, str) else line for line in (header, *lines)]
    return list(read_invoices("in.csv", BytesIO(b"\n".join(raw) + b"\n"), seen))


def created(found: list[Imported]) -> dict[str, CreateOrder]:
    commands = [item for item in found if isinstance(item, Asked)]
    return {item.meta.aggregate_id: item.command for item in commands if isinstance(item.command, CreateOrder)}


def reported(found: list[Imported]) -> list[tuple[int, str]]:
    return [(item.line, item.reason) for item in found if isinstance(item, Reported)]


def a_day() -> list[Imported]:
    with A_DAY.open("rb") as stream:
        return list(read_invoices(A_DAY.name, stream))


def test_one_invoice_is_one_order() -> None:
    heart = Line("85123A", "WHITE HANGING HEART", 6, 255)
    lantern = Line("71053", "WHITE METAL LANTERN", 8, 339)
    union = Line("22633", "HAND WARMER UNION JACK", 6, 185)
    assert created(read(HEART, LANTERN, UNION)) == {
        "536365": CreateOrder([heart, lantern], "GBP", date(2010, 12, 1), "17850"),
        "536366": CreateOrder([union], "GBP", date(2010, 12, 1)),
    }


def test_the_lines_of_an_invoice_may_lie_anywhere() -> None:
    assert created(read(HEART, UNION, LANTERN)) == created(read(HEART, LANTERN, UNION))
    assert list(created(read(HEART, UNION, LANTERN))) == ["536365", "536366"]


def test_blanks_around_a_text_are_dropped_and_a_description_may_be_missing() -> None:
    found = read(HEART.replace("WHITE HANGING HEART", "  "), LANTERN.replace("WHITE METAL LANTERN", " LANTERN "))
    assert [line.description for line in created(found)["536365"].lines] == ["", "LANTERN"]


def test_a_quoted_comma_is_part_of_the_text() -> None:
    found = read(HEART.replace("WHITE HANGING HEART", '"HEART, ""WHITE"""'))
    assert created(found)["536365"].lines[0].description == 'HEART, "WHITE"'


@pytest.mark.parametrize(
    ("price", "pence"),
    [("2.55", 255), ("0.1", 10), ("1", 100), ("0.29", 29), ("1.1000", 110), ("9999999999999.99", 999999999999999)],
)
def test_money_is_exact(price: str, pence: int) -> None:
    assert created(read(HEART.replace("2.55", price)))["536365"].lines[0].unit_price == pence


def test_a_customer_number_is_no_decimal_number() -> None:
    assert created(read(HEART.replace("17850.0", "17850")))["536365"].customer == "17850"


LEFT_OUT = [
    ("a line given back", HEART.replace(",6,", ",-6,"), "quantity is not positive"),
    ("a line of nothing", HEART.replace(",6,", ",0,"), "quantity is not positive"),
    ("a line for nothing", HEART.replace("2.55", "0.0"), "price is not positive"),
    ("a line below nothing", HEART.replace("2.55", "-11062.06"), "price is not positive"),
    ("a tenth of a penny", HEART.replace("2.55", "0.001"), "price is not in whole pence"),
    ("a quantity in words", HEART.replace(",6,", ",six,"), "quantity is no whole number"),
    ("half a thing", HEART.replace(",6,", ",6.5,"), "quantity is no whole number"),
    ("digits of another script", HEART.replace(",6,", ",\u0666,"), "quantity is no whole number"),
    ("a quantity of many digits", HEART.replace(",6,", f",{10**15},"), "quantity is no whole number"),
    ("a price in words", HEART.replace("2.55", "cheap"), "price is no amount of money"),
    ("no price", HEART.replace("2.55", ""), "price is no amount of money"),
    ("a price that is not a number", HEART.replace("2.55", "NaN"), "price is no amount of money"),
    ("a price of many digits", HEART.replace("2.55", "1e400"), "price is no amount of money"),
    ("a date in words", HEART.replace("2010-12-01 08:26:00", "Wednesday"), "date is not like 2010-12-01 08:26:00"),
    ("a day that never was", HEART.replace("2010-12-01", "2010-02-30"), "date is not like 2010-12-01 08:26:00"),
    ("an hour that never was", HEART.replace("08:26:00", "25:00:00"), "date is not like 2010-12-01 08:26:00"),
    ("no stock code", HEART.replace("85123A", " "), "no stock code"),
    ("too few columns", HEART.rpartition(",")[0], "wrong number of columns"),
    ("too many columns", HEART + ",more", "wrong number of columns"),
    ("a NUL byte", HEART.replace("HEART", "HE\0RT"), "NUL byte in the line"),
    ("an open quote", HEART.replace("WHITE", '"WHITE'), "not CSV"),
    ("an endless field", HEART.replace("WHITE", "W" * 200_000), "not CSV"),
    ("latin letters of old", HEART.replace("WHITE", "CAF\u00c9").encode("latin-1"), "not UTF-8"),
    ("another customer", HEART.replace("17850.0", "13047.0"), "another customer than in the invoice's first line"),
]


@pytest.mark.parametrize(("line", "reason"), [case[1:] for case in LEFT_OUT], ids=[case[0] for case in LEFT_OUT])
def test_a_line_that_cannot_be_sold_is_reported_and_the_rest_is_an_order(line: str | bytes, reason: str) -> None:
    found = read(LANTERN, line, UNION)
    assert created(found) == created(read(LANTERN, UNION))
    assert reported(found) == [(3, reason)]


def test_a_credit_note_is_reported_once_at_its_first_line() -> None:
    note = HEART.replace("536365", "C536379")
    found = read(note, LANTERN, note.replace(",6,", ",what,"))
    assert list(created(found)) == ["536365"]
    assert [str(item) for item in found if isinstance(item, Reported)] == [
        "in.csv:2: invoice number is not all digits: 'C536379', lines of the invoice: 2"
    ]


def test_an_invoice_that_goes_on_in_another_file_is_reported_there() -> None:
    seen: dict[str, str] = {}
    assert list(created(read(HEART, seen=seen))) == ["536365"]
    found = read(UNION, LANTERN, LANTERN, seen=seen)
    assert list(created(found)) == ["536366"]
    assert [str(item) for item in found if isinstance(item, Reported)] == [
        "in.csv:3: invoice was in another file before: 536365, lines of the invoice here: 2, and it began at in.csv:2"
    ]


def test_an_invoice_of_which_nothing_was_sold_before_is_an_order() -> None:
    seen: dict[str, str] = {}
    assert created(read(HEART.replace("2.55", "0.0"), seen=seen)) == {}
    assert list(created(read(LANTERN, seen=seen))) == ["536365"]


@pytest.mark.parametrize("name", ["", "53\u00b265", "A563185", "-536365"])
def test_an_invoice_number_is_all_digits(name: str) -> None:
    found = read(HEART.replace("536365", name))
    assert created(found) == {}
    assert reported(found) == [(2, "invoice number is not all digits")]


def test_an_invoice_with_nothing_to_sell_is_reported_besides_its_lines() -> None:
    found = read(HEART.replace("2.55", "0.0"), UNION)
    assert list(created(found)) == ["536366"]
    assert reported(found) == [(2, "price is not positive"), (2, "invoice has no line that can be sold")]


@pytest.mark.parametrize("header", ["", "InvoiceNo,StockCode", HEADER.lower(), HEART, HEADER + ",More"])
def test_a_file_with_other_columns_is_no_retail_file(header: str) -> None:
    [report] = list(read_invoices("in.csv", BytesIO(header.encode())))
    assert isinstance(report, Reported)
    assert (report.line, report.reason) == (1, "wrong header")
    assert HEADER in report.detail


def test_a_header_that_is_no_text_ends_the_file() -> None:
    assert reported(list(read_invoices("in.csv", BytesIO(b"\xff\n" + HEART.encode())))) == [(1, "not UTF-8")]


def test_a_file_as_windows_writes_it_is_read() -> None:
    content = b"\xef\xbb\xbf" + f"{HEADER}\r\n{HEART}\r\n{UNION}\r\n".encode()
    assert created(list(read_invoices("in.csv", BytesIO(content)))) == created(read(HEART, UNION))


def test_the_shipped_day_has_the_orders_that_a_plain_reading_finds() -> None:
    with A_DAY.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    expected: defaultdict[str, int] = defaultdict(int)
    for row in rows:
        if row["InvoiceNo"].isdigit() and int(row["Quantity"]) > 0 and float(row["UnitPrice"]) > 0:
            expected[row["InvoiceNo"]] += int(row["Quantity"]) * round(float(row["UnitPrice"]) * 100)
    totals = {
        name: sum(line.quantity * line.unit_price for line in order.lines) for name, order in created(a_day()).items()
    }
    assert totals == expected
    assert list(totals) == list(expected)
    assert len(totals) == 127


def test_every_line_of_the_shipped_day_is_in_an_order_or_reported() -> None:
    found = a_day()
    reports = Counter(item.reason for item in found if isinstance(item, Reported))
    assert reports == {
        "invoice number is not all digits": 6,
        "invoice has no line that can be sold": 10,
        "quantity is not positive": 1,
        "price is not positive": 9,
    }
    in_credit_notes = sum(
        int(item.detail.rpartition(" ")[2])
        for item in found
        if isinstance(item, Reported) and item.reason == "invoice number is not all digits"
    )
    sold = sum(len(order.lines) for order in created(found).values())
    assert sold + 1 + 9 + in_credit_notes == len(A_DAY.read_bytes().splitlines()) - 1


def test_the_file_ships_with_its_attribution() -> None:
    attribution = (A_DAY.parent / "ATTRIBUTION.md").read_text(encoding="utf-8")
    assert "Chen" in attribution
    assert "CC BY 4.0" in attribution


def test_every_order_of_the_shipped_day_lives_its_whole_life() -> None:
    for item in a_day():
        if isinstance(item, Reported):
            continue
        order: Order = orders.initial
        for step in (item, *lifecycle(item)):
            [event] = orders.decide(step.command, order, 0)  # type: ignore[arg-type]
            order = orders.evolve(order, event)
        assert (order.status, order.paid) == ("delivered", order.total)


def test_a_life_is_paid_shipped_and_delivered_under_one_correlation() -> None:
    [order] = [item for item in read(HEART, LANTERN) if isinstance(item, Asked)]
    steps = lifecycle(order)
    assert [step.command for step in steps] == [
        PayOrder("payment-536365", 6 * 255 + 8 * 339, "GBP"),
        ShipOrder("Post", "parcel-536365"),
        DeliverOrder(),
    ]
    assert {step.meta.aggregate_id for step in steps} == {"536365"}
    assert {step.meta.correlation_id for step in (order, *steps)} == {order.meta.command_id}
    assert len({step.meta.command_id for step in (order, *steps)}) == 4
    assert {(step.file, step.line) for step in (order, *steps)} == {(order.file, 2)}
    assert lifecycle(steps[0]) == []


def test_a_second_import_asks_the_same_and_changes_nothing() -> None:
    first, second = read(HEART, UNION), read(HEART, UNION)
    assert first == second
    for item in first:
        assert isinstance(item, Asked)
        [event] = orders.decide(item.command, orders.initial, 0)  # type: ignore[arg-type]
        with pytest.raises(Rejected):
            orders.decide(item.command, orders.evolve(orders.initial, event), 0)  # type: ignore[arg-type]


def test_command_ids_are_those_of_yesterday() -> None:
    [order] = [item for item in read(HEART) if isinstance(item, Asked)]
    assert [step.meta.command_id for step in (order, *lifecycle(order))] == [
        "e1b5d5d4-ff56-5a1d-8ba5-cbf7d157bfce",
        "961f0928-50a1-5369-a641-e32dcd34b700",
        "ae087d12-2c4d-5db7-8b62-ede7fbb4dd6a",
        "f074cdde-2bfb-5e8f-9a94-d0de8d9019a8",
    ]


def test_the_id_of_an_order_does_not_depend_on_the_rest_of_the_file() -> None:
    [alone], [_, among] = read(UNION), read(HEART, LANTERN, UNION)
    assert isinstance(alone, Asked)
    assert replace(alone, line=4) == among
