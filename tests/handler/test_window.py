"""How long a first answer is remembered, in log time, and that it is forgotten."""

from hypothesis import given
from hypothesis import strategies as st

from headrace.handler.window import Window, is_first_answer
from headrace.kernel.message import Outcome

SPAN = 1000
START = 1_700_000_000_000


def test_what_was_never_answered_is_not_found() -> None:
    window = Window(SPAN)
    assert window.find("a") is None
    assert len(window) == 0


def test_an_answer_is_found_at_once_and_as_often_as_it_is_asked_for() -> None:
    window = Window(SPAN)
    window.remember({"a": b"1", "b": b"2"}, START)
    assert [window.find(name) for name in "aba"] == [b"1", b"2", b"1"]
    assert len(window) == 2


def test_a_newer_answer_takes_the_older_ones_place_in_either_generation() -> None:
    window = Window(SPAN)
    window.remember({"a": b"1", "b": b"1"}, START)
    window.remember({"a": b"2"}, START + 1)
    window.remember({"b": b"2"}, START + SPAN + 1)
    assert (window.find("a"), window.find("b")) == (b"2", b"2")


def test_generations_turn_over_when_the_younger_is_older_than_the_span() -> None:
    window = Window(SPAN)
    for turn in range(3):
        window.remember({f"first {turn}": b"1"}, START + turn * (SPAN + 1))
        window.remember({f"last {turn}": b"1"}, START + turn * (SPAN + 1) + SPAN)
        assert len(window) == (2 if turn == 0 else 4)
    assert window.find("last 0") is None
    assert window.find("first 1") == b"1"


def test_an_idle_window_forgets_nothing_and_a_late_batch_all() -> None:
    window = Window(SPAN)
    window.remember({"a": b"1"}, START)
    window.remember({}, START + 100 * SPAN)
    assert window.find("a") == b"1"
    window.remember({}, START + 102 * SPAN)
    assert window.find("a") is None
    assert len(window) == 0


@given(st.lists(st.integers(0, SPAN // 2 + 1), min_size=1, max_size=60))
def test_an_answer_is_remembered_for_the_span_and_forgotten_after_two(steps: list[int]) -> None:
    """With batches that come at least twice a span: what is remembered is bounded by what came in two of them."""
    window = Window(SPAN)
    at = START
    answered: dict[str, int] = {}
    for number, step in enumerate(steps):
        at += step
        window.remember({str(number): b"1"}, at)
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
