"""Hypothesis strategies for messages, from the types of their fields; and the shipped contracts."""

from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from msgspec import Struct, inspect

from headrace.app import app
from headrace.avro.codec import Codec
from headrace.avro.contract import Catalogue, read_lock
from headrace.kernel.message import CommandMeta, EventMeta, Outcome

SCHEMAS = Path(__file__).parent.parent / "schemas"
LONGS = st.integers(-(2**63), 2**63 - 1)
INTS = st.integers(-(2**31), 2**31 - 1)
SIMPLE: dict[type, st.SearchStrategy[Any]] = {
    inspect.StrType: st.text(max_size=12),
    inspect.IntType: LONGS,
    inspect.BoolType: st.booleans(),
    inspect.BytesType: st.binary(max_size=16),
    inspect.DateType: st.dates(),
    inspect.NoneType: st.none(),
}


@cache
def shipped_catalogue() -> Catalogue:
    return read_lock(SCHEMAS)


@cache
def shipped_codec() -> Codec:
    return Codec(app, shipped_catalogue())


@cache
def messages(kind: type) -> st.SearchStrategy[Any]:
    """Any value of a message's class."""
    return _values(inspect.type_info(kind))


def records() -> st.SearchStrategy[tuple[Any, Any, Any]]:
    """Body, meta and state of any record of the shipped app."""
    kinds: list[st.SearchStrategy[tuple[Any, Any, Any]]] = [st.tuples(outcomes(), st.none(), st.none())]
    for aggregate in app.aggregates:
        kinds += [st.tuples(messages(kind), messages(CommandMeta), st.none()) for kind in aggregate.command_types]
        state = messages(aggregate.state_type)
        kinds += [st.tuples(messages(kind), messages(EventMeta), state) for kind in aggregate.event_types]
    return st.one_of(kinds)


def commands() -> st.SearchStrategy[tuple[Any, Any]]:
    """Body and meta of any command of the shipped app."""
    kinds = [kind for aggregate in app.aggregates for kind in aggregate.command_types]
    return st.one_of([st.tuples(messages(kind), messages(CommandMeta)) for kind in kinds])


def outcomes() -> st.SearchStrategy[Outcome]:
    """Any outcome; its count of events is an int of 32 bits."""
    known = {field.name: _values(field.type) for field in _struct(Outcome).fields}
    return st.builds(Outcome, **known | {"events": INTS})


def _values(info: inspect.Type) -> st.SearchStrategy[Any]:
    if isinstance(info, inspect.StructType):
        return st.builds(info.cls, **{field.name: _values(field.type) for field in info.fields})
    if isinstance(info, inspect.UnionType):
        return st.one_of(*map(_values, info.types))
    if isinstance(info, inspect.ListType):
        return st.lists(_values(info.item_type), max_size=3)
    if isinstance(info, inspect.DictType):
        return st.dictionaries(_values(info.key_type), _values(info.value_type), max_size=3)
    if isinstance(info, inspect.LiteralType):
        return st.sampled_from(info.values)
    return SIMPLE[type(info)]


def _struct(kind: type[Struct]) -> inspect.StructType:
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    return info
