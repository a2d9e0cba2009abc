"""What a batch changes in a partition's memory is kept when it commits, and gone without a trace when it does not."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from headrace.handler.memory import Memory, Versioned
from headrace.handler.window import Window

SPAN = 1000
NAMES = st.sampled_from("abc")
CHANGES = st.lists(st.tuples(st.sampled_from(["change", "answer"]), NAMES, st.integers(1, 9)), max_size=12)
STEPS = st.integers(0, SPAN + 1)
"""Milliseconds between the ends of batches: the generations turn over now and then."""


def all_of(memory: Memory) -> tuple[Any, ...]:
    younger, older = memory.window.generations
    return dict(memory.aggregates), dict(younger), dict(older)


@given(st.lists(st.tuples(CHANGES, st.booleans(), STEPS), max_size=8))
def test_a_batch_is_remembered_wholly_or_not_at_all(batches: list[tuple[list[Any], bool, int]]) -> None:
    memory = Memory(Window(SPAN))
    memory.aggregates["a"] = b"undecoded"
    aggregates: dict[str, Any] = dict(memory.aggregates)
    outcomes: dict[str, bytes] = {}
    at = 1_700_000_000_000
    for changes, commits, step in batches:
        before = all_of(memory)
        changed, answered = {}, {}
        for what, name, number in changes:
            if what == "change":
                after = changed[name] = Versioned(number, None)
                memory.change(name, after)
                assert memory.aggregates[name] is after
            else:
                outcome = answered[name] = b"%d" % number
                memory.answered(name, outcome)
                assert memory.window.find(name) == outcome
        at += step
        if commits:
            memory.commit(at)
            aggregates |= changed
            outcomes |= answered
        else:
            memory.discard()
            assert all_of(memory) == before
        assert memory.aggregates == aggregates
        assert memory.before == []
        assert all(memory.window.find(name) in (outcomes[name], None) for name in outcomes)
        assert all(memory.window.find(name) == outcome for name, outcome in answered.items() if commits)


def test_what_a_new_outcome_took_the_place_of_is_there_again_after_an_abort() -> None:
    memory = Memory(Window(SPAN))
    memory.answered("a", b"first")
    memory.commit(0)
    memory.answered("a", b"second")
    memory.answered("a", b"third")
    memory.answered("b", b"first")
    memory.discard()
    assert (memory.window.find("a"), memory.window.find("b")) == (b"first", None)
