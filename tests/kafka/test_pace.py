"""A batch of a backlog takes as many records as are done in a quarter of a second; the usual, if not even those are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.kafka.pace import ENDANGERED_S, FIRST, LONGEST_S, USUAL, Pace

MOST = 10_000
COSTS = st.floats(0, 10)


def after(pace: Pace, cost_s: float, batches: int = 20) -> int:
    """The size after so many full batches whose records cost that much each."""
    for _ in range(batches):
        pace.took(pace.size, pace.size * cost_s)
    return pace.size


def test_a_backlog_of_cheap_records_is_soon_taken_in_the_largest_batches() -> None:
    assert after(Pace(MOST), 10e-6, batches=6) == MOST


def test_dearer_ones_get_what_can_be_done_in_a_quarter_of_a_second() -> None:
    assert after(Pace(MOST), 0.00005) == 5_000


def test_slow_code_gets_the_usual_batches() -> None:
    assert after(Pace(MOST), 0.0019) == USUAL


@pytest.mark.parametrize("cost_s", [0.01, 0.1, 1.0, 60.0])
def test_code_so_slow_that_transactions_would_time_out_gets_smaller_ones_and_the_usual_when_it_is_mended(
    cost_s: float,
) -> None:
    pace = Pace(MOST)
    size = after(pace, cost_s)
    assert size == 1 or ENDANGERED_S / 4 <= size * cost_s <= ENDANGERED_S
    assert after(pace, 0.0001) == 2_500


def test_batches_that_overflow_are_halved_and_grow_again() -> None:
    pace = Pace(MOST)
    for expected in (125, 62, 31):
        pace.begin(pace.size)
        pace.overflowed()
        pace.end()
        assert pace.size == expected
    assert after(pace, 10e-6, batches=9) == MOST
    pace = Pace(1)
    pace.begin(1)
    pace.overflowed()
    assert pace.size == 1


def test_a_batch_that_is_not_full_and_not_slow_changes_nothing() -> None:
    pace = Pace(MOST)
    pace.took(FIRST - 1, 0.0)
    assert pace.size == FIRST
    pace.took(FIRST, 0.0)
    assert pace.size == 2 * FIRST
    pace.took(FIRST, LONGEST_S)
    assert pace.size == 2 * FIRST


def test_one_that_is_too_slow_tells_although_it_is_not_full() -> None:
    pace = Pace(MOST)
    after(pace, 0.0)
    pace.took(USUAL * 2, 1.6 * LONGEST_S)
    assert pace.size == 2_500


def test_a_single_stall_is_made_good_by_doubling() -> None:
    pace = Pace(MOST)
    after(pace, 10e-6)
    pace.took(MOST, 60.0)
    assert pace.size == USUAL
    assert after(pace, 10e-6, batches=3) == MOST


def test_no_batch_is_larger_than_it_may_be() -> None:
    assert after(Pace(3), 0.0) == 3
    assert after(Pace(1), 60.0) == 1


@given(COSTS, COSTS)
def test_whatever_records_cost_full_batches_come_to_take_the_longest_time_or_a_bound(before: float, now: float) -> None:
    pace = Pace(MOST)
    after(pace, before)
    size = after(pace, now)
    if size > USUAL and size != MOST:
        assert LONGEST_S - 2 * now <= size * now
    if size > USUAL:
        assert size * now <= LONGEST_S + 1e-6
    assert size == 1 or size * now <= ENDANGERED_S
