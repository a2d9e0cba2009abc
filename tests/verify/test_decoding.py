"""What counts as a command: anything may lie on a command topic."""

import json
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest

from headrace_load.verify.report import CannotVerify
from headrace_load.verify.schemas import LARGEST, NotARecordError, Schemas
from verify.checking import ENTRIES, SCHEMAS, log_of, read, small_past
from verify.past import PAY, Past

META: dict[str, Any] = {
    "command_id": "c", "aggregate_id": "o-1", "expected_version": None, "issued_at": 1_000, "actor": None,
    "correlation_id": None, "causation_id": None,
}  # fmt: skip

CONDITIONS = {name: value for name, value in META.items() if name not in ("command_id", "aggregate_id")}


@pytest.fixture
def past() -> Past:
    return small_past()


@pytest.fixture
def frame(past: Past) -> bytes:
    return past.encode("PayOrder", {"meta": META, **PAY})


def test_a_command_is_read_to_its_last_byte_and_times_stay_milliseconds(frame: bytes) -> None:
    form, fields = SCHEMAS.decode(frame)
    assert (form.domain, form.name, form.kind) == ("orders", "PayOrder", "command")
    assert fields == {"meta": META, **PAY}
    assert SCHEMAS.meta(frame) == META
    own = b"PayOrder\0" + frame[frame.index(b"\x06p-1") :]
    assert SCHEMAS.command(frame) == (form, "c", "o-1", blake2b(own, digest_size=16).digest(), CONDITIONS)


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda frame: frame[:-1], "not a PayOrder: "),
        (lambda frame: frame + b"x", "1 bytes too many for a PayOrder"),
        (lambda frame: b"\1" + frame[1:], "not in Confluent framing"),
        (lambda frame: frame[:4], "not in Confluent framing"),
        (lambda _: b"", "not in Confluent framing"),
        (lambda frame: b"\0\0\0\0\1" + frame[5:], "schema id 1 is not locked"),
        (lambda frame: frame + bytes(LARGEST), "bytes, more than the 1000000"),
        (lambda frame: frame[:-3] + b"\xff\xfe\xfd", "not a PayOrder: UnicodeDecodeError"),
        (lambda _: None, "no value"),
    ],
    ids=["truncated", "trailing", "magic", "short", "empty", "unknown id", "too large", "not utf-8", "null"],
)
def test_bytes_that_no_schema_explains_are_no_record_and_it_is_said_why(frame: bytes, damage: Any, why: str) -> None:
    for decode in (SCHEMAS.decode, SCHEMAS.command):
        with pytest.raises(NotARecordError, match=why):
            decode(damage(frame))


def test_an_event_on_the_command_topic_is_not_a_command(past: Past) -> None:
    value = log_of(past).topics["orders.events", 0][0][3]
    past.log.append("orders.commands", 0, b"o-1", value, [])
    last = read(past).commands[-1]
    assert (last.type, last.why) == ("", "a OrderCreated")


def test_only_domains_with_commands_are_verified() -> None:
    assert SCHEMAS.domains == ["accounts", "orders", "transfers"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "set HEADRACE_SCHEMAS"),
        ("{", "is no list of schemas"),
        ("[1]", "is no list of schemas"),
        (
            json.dumps([ENTRIES[0] | {"schema": {"type": "record", "name": "X", "fields": [{}]}}]),
            "is no list of schemas",
        ),
    ],
    ids=["missing", "no JSON", "no objects", "no schema"],
)
def test_a_lock_file_that_cannot_be_used_is_refused_in_one_line(tmp_path: Path, text: str | None, why: str) -> None:
    if text is not None:
        (tmp_path / "ids.json").write_text(text)
    with pytest.raises(CannotVerify, match=why) as error:
        Schemas.read(tmp_path)
    assert "\n" not in str(error.value)
