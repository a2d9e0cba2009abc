"""What a command did not take of its fields is said, wherever it lies."""

from typing import Any

import msgspec
import pytest
from msgspec import Struct

from headrace.importing.fields import difference


class Item(Struct, frozen=True):
    sku: str
    quantity: int = 1


class Pack(Struct, frozen=True):
    first: Item
    some: list[Item] = []
    others: tuple[Item, ...] = ()
    named: dict[str, Item] = {}


HAT: dict[str, Any] = {"sku": "hat"}
RED = {**HAT, "colour": "red"}


def found(fields: dict[str, Any]) -> str:
    return difference(fields, msgspec.convert(fields, Pack), "fields")


def test_what_is_taken_whole_has_no_difference() -> None:
    assert found({"first": HAT, "some": [HAT], "others": [HAT, HAT], "named": {"a": HAT}}) == ""


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"first": RED}, "fields.first has no 'colour'"),
        ({"first": HAT, "some": [HAT, RED]}, "fields.some[1] has no 'colour'"),
        ({"first": HAT, "others": [RED]}, "fields.others[0] has no 'colour'"),
        ({"first": HAT, "named": {"a": RED}}, "fields.named.a has no 'colour'"),
        ({"first": HAT, "others": [{**HAT, "quantity": 2**63}]}, "fields.others[0].quantity is out of the range of 64"),
    ],
)
def test_what_is_not_taken_is_named_with_its_place(fields: dict[str, Any], said: str) -> None:
    assert found(fields).startswith(said)


class Note(Struct, frozen=True, rename="camel", omit_defaults=True, tag=True):
    written_by: str
    is_loud: bool = False


def test_fields_have_the_names_that_records_have_whether_or_not_they_are_as_by_default() -> None:
    fields = {"type": "Note", "writtenBy": "ann", "isLoud": False}
    note = msgspec.convert(fields, Note)
    assert difference(fields, note, "fields") == ""
    assert difference({**fields, "is_loud": True}, note, "fields") == "fields has no 'is_loud'"
