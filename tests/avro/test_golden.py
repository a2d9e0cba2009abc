"""Bytes that lie in somebody's log: they mean today what they meant when they were written.

Each entry of golden.json is a record as it was written once, and what it says. Entries are added, and never changed.
"""

import json
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest

from headrace.app import app
from headrace.avro.codec import Codec, Decoded
from headrace.avro.contract import Catalogue

GOLDEN: list[dict[str, Any]] = json.loads(Path(__file__).with_name("golden.json").read_text(encoding="utf-8"))


def plain(value: Any) -> Any:
    """As JSON has it: days as texts, bytes as hex."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value.hex() if isinstance(value, bytes) else str(value) if isinstance(value, date) else value


def told(decoded: Decoded) -> dict[str, Any]:
    """What golden.json holds of a record, beside its bytes."""
    pieces = {"meta": decoded.meta, "body": decoded.body, "state": decoded.state, "body_hash": decoded.body_hash}
    return {
        "record": decoded.contract.record,
        "versions": decoded.contract.versions,
        **{name: plain(msgspec.to_builtins(piece, builtin_types=(bytes, date))) for name, piece in pieces.items()},
    }


def still_says(now: Any, then: Any) -> bool:
    """Equal, but for fields that came later and have their defaults."""
    if isinstance(then, dict):
        return isinstance(now, dict) and all(name in now and still_says(now[name], then[name]) for name in then)
    if isinstance(then, list):
        return isinstance(now, list) and len(now) == len(then) and all(map(still_says, now, then))
    return type(now) is type(then) and bool(now == then)


@pytest.mark.parametrize("entry", GOLDEN, ids=lambda entry: entry["record"])
def test_an_old_record_says_what_it_always_said(codec: Codec, entry: dict[str, Any]) -> None:
    now = told(codec.decode(bytes.fromhex(entry["frame"])))
    for name in now:
        assert still_says(now[name], entry[name]), name


@pytest.mark.parametrize("entry", GOLDEN, ids=lambda entry: entry["record"])
def test_an_old_record_of_the_newest_contract_would_be_written_the_same(
    codec: Codec, catalogue: Catalogue, entry: dict[str, Any]
) -> None:
    decoded = codec.decode(bytes.fromhex(entry["frame"]))
    again = codec.encode(decoded.body, decoded.meta, decoded.state)
    newest = catalogue.newest[decoded.contract.domain, decoded.contract.name]
    assert (again.hex() == entry["frame"]) == (decoded.contract == newest)


def test_every_type_of_message_has_its_golden_record() -> None:
    kinds = [kind for aggregate in app.aggregates for kind in (*aggregate.command_types, *aggregate.event_types)]
    assert {entry["record"].rpartition(".")[2] for entry in GOLDEN} == {"Outcome", *(kind.__name__ for kind in kinds)}
