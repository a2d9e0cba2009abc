"""The contracts of orders say what the code says."""

import json
from datetime import date
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from msgspec import Struct

from headrace.orders.decider import orders

FOLDER = Path(__file__).parents[2] / "schemas" / "orders"
KINDS = {
    **dict.fromkeys(orders.command_types, "command"),
    **dict.fromkeys(orders.event_types, "event"),
    orders.state_type: "state",
}


def newest(kind: type) -> dict[str, Any]:
    """The part of the highest version."""
    files = sorted(FOLDER.glob(f"{kind.__name__}.v*.avsc"), key=lambda path: int(path.stem.rpartition(".v")[2]))
    part: dict[str, Any] = json.loads(files[-1].read_text(encoding="utf-8"))
    return part


def avro(hint: Any) -> Any:
    """The Avro type that a Python type is written as, without documentation."""
    if hint is date:
        return {"type": "int", "logicalType": "date"}
    if get_origin(hint) is UnionType:
        [inner] = [branch for branch in get_args(hint) if branch is not NoneType]
        return ["null", avro(inner)]
    if get_origin(hint) is Literal:
        return "string"
    if get_origin(hint) is list:
        return {"type": "array", "items": avro(get_args(hint)[0])}
    if isinstance(hint, type) and issubclass(hint, Struct):
        return {"type": "record", "name": hint.__name__, "namespace": "headrace.orders", "fields": fields(hint)}
    return {str: "string", int: "long"}[hint]


def fields(kind: type) -> list[tuple[str, Any]]:
    return [(name, avro(hint)) for name, hint in get_type_hints(kind).items()]


def plain(schema: Any) -> Any:
    """The schema in the shape of `avro`: fields as pairs, documentation and defaults left out."""
    if isinstance(schema, list):
        return [plain(branch) for branch in schema]
    if not isinstance(schema, dict):
        return schema
    shape = {key: plain(value) for key, value in schema.items() if key not in ("doc", "default", "fields", "kind")}
    if "fields" in schema:
        shape["fields"] = [(field["name"], plain(field["type"])) for field in schema["fields"]]
    return shape


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_schema_has_the_fields_of_its_class_in_their_order(kind: type) -> None:
    assert plain(newest(kind)) == avro(kind)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_schema_says_what_kind_of_record_it_is_and_what_it_means(kind: type) -> None:
    part = newest(kind)
    assert part["kind"] == KINDS[kind]
    assert part["doc"]
    assert all(field["doc"] for field in part["fields"])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_what_may_be_null_is_null_by_default(kind: type) -> None:
    for field in newest(kind)["fields"]:
        assert (isinstance(field["type"], list) and field["type"][0] == "null") == ("default" in field)


def test_there_is_no_schema_without_a_class() -> None:
    assert {path.name.partition(".")[0] for path in FOLDER.iterdir()} == {kind.__name__ for kind in KINDS}
