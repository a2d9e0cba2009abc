"""What `headrace send` makes of its arguments, before it asks anybody."""

import pytest
from msgspec import Struct, structs

from headrace.cli.sending import _command, _is_text
from headrace.kernel.errors import Misconfigured
from headrace.orders.commands import CancelOrder, CreateOrder
from headrace.orders.decider import orders
from headrace.orders.events import Line

LINE = '{"sku": "a", "description": "", "quantity": 6, "unit_price": 255}'
CREATE = [f"lines=[{LINE}]", "currency=GBP", "business_date=2010-12-01"]


def test_a_list_is_json_and_a_text_is_as_it_stands() -> None:
    created = _command(orders, "CreateOrder", [*CREATE, "customer=[x] {y"])
    assert isinstance(created, CreateOrder)
    assert (created.lines, created.customer) == ([Line("a", "", 6, 255)], "[x] {y")
    assert _command(orders, "CancelOrder", ['reason={"a": 1}']) == CancelOrder('{"a": 1}')


class Note(Struct, frozen=True, rename="camel", omit_defaults=True):
    written_by: str
    is_loud: bool = False


def test_a_field_has_the_name_that_its_record_has_and_may_be_as_by_default() -> None:
    noting = structs.replace(orders, commands=Note)
    assert _command(noting, "Note", ["writtenBy=ann", "isLoud=false"]) == Note("ann")
    with pytest.raises(Misconfigured, match="Note has no field written_by; it has: writtenBy, isLoud"):
        _command(noting, "Note", ["written_by=ann"])


class Fields(Struct, frozen=True):
    text: str
    perhaps: str | None
    number: int
    some: list[str]
    either: list[str] | str


def test_only_what_can_be_nothing_else_is_a_text() -> None:
    assert [name for name, kind in Fields.__annotations__.items() if _is_text(kind)] == ["text", "perhaps"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([*CREATE, "currency=EUR"], "--field currency comes twice: which is it?"),
        ([f'lines=[{LINE[:-1]}, "discont": 50}}]', *CREATE[1:]], "--field: CreateOrder.lines[0] has no 'discont'"),
        ([*CREATE, "tip=1"], "CreateOrder has no field tip; it has: lines, currency, "),
        (["lines=[", *CREATE[1:]], "--field lines: not JSON: "),
        (["lines"], "--field 'lines': write name=value"),
        ([LINE.replace("255", str(2**63)).join(["lines=[", "]"]), *CREATE[1:]], "--field: CreateOrder.lines[0].unit_p"),
        ([], "CreateOrder: Object missing required field `lines`"),
    ],
    ids=["twice", "unknown in a line", "unknown", "no JSON", "no value", "beyond 64 bits", "nothing"],
)
def test_fields_that_would_be_lost_or_are_none_are_refused(given: list[str], said: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        _command(orders, "CreateOrder", given)
    assert str(refused.value).startswith(said)
