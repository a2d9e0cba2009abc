"""Each rung of the error ladder, by errors as confluent-kafka raises them."""

import threading
from collections.abc import Callable

import pytest
from confluent_kafka import KafkaError, KafkaException

from headrace.kafka.ladder import Aborted, Bounded, Unsettled, climb
from headrace.kernel.errors import Fault


def error(code: int, *, fatal: bool = False, retriable: bool = False, abortable: bool = False) -> KafkaException:
    return KafkaException(KafkaError(code, "as told", fatal, retriable, abortable))


def failing(*errors: KafkaException) -> Callable[..., None]:
    """A call that raises these one after the other, and then succeeds."""
    left = list(errors)

    def call(*_arguments: object) -> None:
        if left:
            raise left.pop(0)

    return call


LOADING = error(KafkaError.COORDINATOR_LOAD_IN_PROGRESS, retriable=True)
FENCED = error(KafkaError._FENCED, fatal=True)
ILLEGAL = error(KafkaError.ILLEGAL_GENERATION, abortable=True)
ODD = error(KafkaError.INVALID_TXN_STATE)


def test_a_call_that_succeeds_went_through_at_once() -> None:
    assert climb(failing(), seconds=1)


def test_a_retriable_error_is_tried_again_and_told() -> None:
    assert not climb(failing(LOADING, LOADING), seconds=5)


def test_the_same_call_is_repeated_with_the_same_arguments() -> None:
    seen = []
    call = failing(LOADING)

    def remembering(*arguments: object) -> None:
        seen.append(arguments)
        call()

    climb(remembering, "positions", "metadata", seconds=5)
    assert seen == [("positions", "metadata")] * 2


@pytest.mark.parametrize("late", [Fault, Aborted, Unsettled])
def test_a_retriable_error_past_the_deadline_is_what_the_caller_says(late: type[Exception]) -> None:
    with pytest.raises(late, match="COORDINATOR_LOAD_IN_PROGRESS: as told"):
        climb(failing(*[LOADING] * 3), seconds=-1, late=late)


def test_an_abortable_error_aborts() -> None:
    with pytest.raises(Aborted, match="ILLEGAL_GENERATION"):
        climb(failing(ILLEGAL), seconds=1)


@pytest.mark.parametrize("last", [FENCED, ODD], ids=["fatal", "none of the kinds"])
def test_what_is_fatal_or_of_no_kind_ends_the_process(last: KafkaException) -> None:
    with pytest.raises(Fault, match="as told"):
        climb(failing(LOADING, last), seconds=5)


def test_an_error_that_is_both_fatal_and_abortable_is_fatal() -> None:
    with pytest.raises(Fault):
        climb(failing(error(KafkaError._FENCED, fatal=True, abortable=True)), seconds=1)


def test_a_bounded_call_returns_or_raises_what_the_call_does() -> None:
    calls = Bounded()
    assert calls.call(10, max, 3, 5) == 5
    with pytest.raises(KafkaException, match="as told"):
        calls.call(10, failing(ODD))
    calls.end()


def test_a_call_that_does_not_come_back_is_left_behind() -> None:
    calls, came_back, over = Bounded(), threading.Event(), threading.Event()
    with pytest.raises(TimeoutError):
        calls.call(0.05, lambda: (over.wait(60), came_back.set()))
    calls.end()
    assert not came_back.is_set()
    over.set()
    assert came_back.wait(10)
