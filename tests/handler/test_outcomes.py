"""The mapping from command ids to outcomes beside a dict, which does its work where nothing is compiled."""

import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handler.desk import START, command_id
from headrace.handler.window import Outcomes
from headrace.kernel.message import Outcome
from messages import outcomes, shipped_codec

IDS = [command_id(number) for number in range(40)] + ["", "a", "é" * 40, "x" * 9_000]
BYTES = st.binary(max_size=40)


def outcome_named(name: str, more: bytes) -> bytes:
    """Bytes that have the id where most outcomes have theirs."""
    return b"\0\0\0\0\1H" + name.encode() + more


CHANGES = st.lists(
    st.tuples(st.sampled_from(IDS), BYTES | st.none() | st.tuples(BYTES)), max_size=120
)  # bytes to put; none to delete; in a tuple, what follows the id in an outcome


@given(CHANGES)
def test_it_has_what_a_dict_has(changes: list[tuple[str, bytes | tuple[bytes] | None]]) -> None:
    found: Any = Outcomes()
    plain: dict[str, bytes] = {}
    for name, change in changes:
        if change is None:
            assert plain.pop(name, None) == found.get(name)
            if name in found:
                del found[name]
        else:
            plain[name] = found[name] = outcome_named(name, change[0]) if isinstance(change, tuple) else change
        assert (name in found, found.get(name), len(found)) == (name in plain, plain.get(name), len(plain))
    assert all(found.get(name) == plain.get(name) for name in IDS)
    assert found == plain
    assert dict(found) == plain
    assert sorted(found) == sorted(plain)
    assert sorted(found.values()) == sorted(plain.values())


@given(st.lists(st.tuples(st.integers(0, 5_000), st.booleans()), max_size=30))
def test_what_is_put_and_taken_back_in_turn_leaves_no_trace(batches: list[tuple[int, bool]]) -> None:
    """As a batch that is given up does it: the last one first."""
    found: Any = Outcomes()
    plain: dict[str, bytes] = {}
    for begin, is_kept in batches:
        names = [name for name in map(command_id, range(begin, begin + 50)) if name not in plain]
        for name in names:
            found[name] = plain[name] = outcome_named(name, b"accepted")
        if not is_kept:
            for name in reversed(names):
                del found[name], plain[name]
    assert found == plain


@given(outcomes())
def test_an_outcome_is_found_by_its_commands_id_as_it_was_written(outcome: Any) -> None:
    found: Any = Outcomes()
    found[outcome.command_id] = frame = shipped_codec().encode(outcome)
    assert found.get(outcome.command_id) == frame
    assert found.get(outcome.command_id + "x") is None


def test_a_hundred_thousand_are_found_and_no_others() -> None:
    found: Any = Outcomes()
    for number in range(100_000):
        found[command_id(number)] = outcome_named(command_id(number), b"accepted")
    assert len(found) == 100_000
    assert all(found[command_id(number)].endswith(b"accepted") for number in range(100_000))
    assert not any(command_id(number) in found for number in range(100_000, 200_000))


@pytest.mark.skipif(Outcomes is dict, reason="built without a C compiler")
def test_most_outcomes_take_about_220_bytes() -> None:
    """So the README has it."""
    codec = shipped_codec()
    found: Any = Outcomes()
    tracemalloc.start()
    try:
        for number in range(100_000):
            name = command_id(number)
            answer = Outcome(
                command_id=name, occurred_at=START, aggregate_id=f"order-{number:08d}", command_type="CreateOrder",
                command_offset=number, body_hash=bytes(16), result="accepted", version=1, events=1,
                correlation_id=name, causation_id=name,
            )  # fmt: skip
            found[name] = codec.encode(answer)
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert 200 < taken / len(found) < 240


def test_outcomes_of_nearly_a_megabyte_lie_beside_small_ones() -> None:
    found: Any = Outcomes()
    plain = {command_id(number): bytes([number]) * (1_000_000 if number % 3 else 10) for number in range(12)}
    for name, outcome in plain.items():
        found[name] = outcome
    assert found == plain


def test_an_id_that_is_not_there_can_be_neither_had_nor_deleted() -> None:
    found: Any = Outcomes()
    for _ in range(2):
        with pytest.raises(KeyError, match="nobody"):
            found["nobody"]
        with pytest.raises(KeyError, match="nobody"):
            del found["nobody"]
        found["somebody"] = b""


@pytest.mark.skipif(Outcomes is dict, reason="built without a C compiler")
def test_what_is_larger_than_any_record_is_refused() -> None:
    found: Any = Outcomes()
    with pytest.raises(ValueError, match="more than a megabyte"):
        found["a"] = bytes(2**20)
    assert len(found) == 0
    with pytest.raises(TypeError):
        found["a"] = None
