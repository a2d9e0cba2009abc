"""How long a first answer is remembered, in log time, and that it is forgotten."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handler.desk import command_id
from headrace.handler import window as window_module
from headrace.handler.window import Window, is_first_answer
from headrace.kernel.errors import CommandIdReused, Fault
from headrace.kernel.message import Outcome
from messages import shipped_codec

SPAN = 1000
START = 1_700_000_000_000


def remember(window: Window, outcomes: dict[str, bytes], at: int) -> None:
    """A batch with these answers is committed, its last command appended at that time."""
    for name, answer in outcomes.items():
        window.younger[name] = answer
    window.turn_over(at)


def test_what_was_never_answered_is_not_found() -> None:
    window = Window(SPAN)
    assert window.find("a") is None
    assert len(window) == 0


def test_an_answer_is_found_at_once_and_as_often_as_it_is_asked_for() -> None:
    window = Window(SPAN)
    remember(window, {"a": b"1", "b": b"2"}, START)
    assert [window.find(name) for name in "aba"] == [b"1", b"2", b"1"]
    assert len(window) == 2


def test_a_newer_answer_takes_the_older_ones_place_in_either_generation() -> None:
    window = Window(SPAN)
    remember(window, {"a": b"1", "b": b"1"}, START)
    remember(window, {"a": b"2"}, START + 1)
    assert (window.find("a"), window.find("b")) == (b"2", b"1")
    remember(window, {"b": b"2"}, START + SPAN)
    assert (window.find("a"), window.find("b")) == (b"2", b"2")


def test_generations_turn_over_when_the_younger_is_older_than_the_span() -> None:
    window = Window(SPAN)
    remember(window, {"first": b"1"}, START)  # a window that is new turns over at once
    remember(window, {"second": b"1"}, START + SPAN)
    assert window.generations == [{"second": b"1"}, {"first": b"1"}]
    remember(window, {"third": b"1"}, START + SPAN + 1)
    assert window.generations == [{}, {"second": b"1", "third": b"1"}]
    remember(window, {"fourth": b"1"}, START + 2 * SPAN + 1)
    assert window.generations == [{"fourth": b"1"}, {"second": b"1", "third": b"1"}]


def test_an_idle_window_forgets_nothing_and_a_late_batch_all() -> None:
    window = Window(SPAN)
    remember(window, {"a": b"1"}, START)
    assert window.find("a") == b"1"
    remember(window, {}, START + 100 * SPAN)
    assert window.find("a") is None
    assert len(window) == 0


def test_what_one_long_batch_answered_is_remembered_for_the_span_after_its_last_command() -> None:
    window = Window(SPAN)
    remember(window, {"early": b"1", "late": b"1"}, START + 100 * SPAN)
    remember(window, {}, START + 101 * SPAN)
    assert (window.find("early"), window.find("late")) == (b"1", b"1")


@given(st.lists(st.integers(0, SPAN // 2 + 1), min_size=1, max_size=60))
def test_an_answer_is_remembered_for_the_span_and_forgotten_after_two(steps: list[int]) -> None:
    """With batches that come at least twice a span: what is remembered is bounded by what came in two of them."""
    window = Window(SPAN)
    at = START
    answered: dict[str, int] = {}
    for number, step in enumerate(steps):
        at += step
        remember(window, {str(number): b"1"}, at)
        answered[str(number)] = at
        for name, since in answered.items():
            if at - since <= SPAN:
                assert window.find(name) == b"1"
            if at - since > 2 * SPAN + SPAN // 2 + 1:
                assert window.find(name) is None


def outcome(code: str | None, *, repeated: bool = False) -> Outcome:
    return Outcome(
        command_id="c",
        occurred_at=START,
        aggregate_id="a",
        command_type="Ring",
        command_offset=0,
        body_hash=b"",
        result="accepted" if code is None else "refused",
        code=code,
        version=0,
        events=0,
        repeated=repeated,
        correlation_id="c",
        causation_id="c",
    )


def test_a_resend_is_answered_with_what_was_no_resend() -> None:
    assert is_first_answer(outcome(None))
    assert is_first_answer(outcome("Muffled"))
    assert not is_first_answer(outcome(None, repeated=True))
    assert not is_first_answer(outcome("Muffled", repeated=True))
    assert not is_first_answer(outcome("CommandIdReused"))


LOGGED = st.lists(
    st.builds(
        Outcome,
        command_id=st.sampled_from(["a", "b", "", "é", command_id(1), command_id(2), "x" * 63, "x" * 64, "x" * 200]),
        occurred_at=st.integers(0, 5).map(lambda spans: START + spans * SPAN // 2),
        aggregate_id=st.just("o-1"),
        command_type=st.just("PayOrder"),
        command_offset=st.integers(0, 9),
        body_hash=st.just(b""),
        result=st.sampled_from(["accepted", "refused"]),
        code=st.sampled_from([None, "NotPaid", CommandIdReused.__name__]),
        version=st.just(1),
        events=st.just(0),
        repeated=st.booleans(),
        correlation_id=st.just("a"),
        causation_id=st.just("a"),
    ),
    max_size=30,
)


def restored(frames: list[bytes]) -> list[Any]:
    """What a window has that is read back from the log, and how the reading ended."""
    window = Window(SPAN)
    end = ""
    try:
        for frame in frames:
            window.recall(frame, shipped_codec())
    except (Fault, UnicodeDecodeError) as error:
        end = repr(error)
    return [end, *window.generations]


@given(LOGGED, st.none() | st.tuples(st.integers(0, 60), st.binary(max_size=3)))
def test_what_is_read_back_is_the_same_whether_compiled_or_not(
    logged: list[Outcome], damage: tuple[int, bytes] | None
) -> None:
    frames = [*map(shipped_codec().encode, logged)]
    if damage and frames:
        place, instead = damage
        frames[-1] = frames[-1][:place] + instead + frames[-1][place + 1 :]
    found = restored(frames)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(window_module, "recall", None)
        assert restored(frames) == found
