"""A transaction keeps clear of the one before it, as long as its broker needs and no longer."""

from hypothesis import given
from hypothesis import strategies as st

from headrace.transactional.settling import FEW, LONGEST_S, settling_s

SECONDS = st.floats(0, 1000)


@given(few=st.integers(1, FEW - 1), commit_s=SECONDS)
def test_a_slower_broker_is_given_more_time_and_never_more_than_the_pause_that_is_spared(
    few: int, commit_s: float
) -> None:
    assert settling_s(few, 0.008) == 0.004
    assert settling_s(few, commit_s) <= settling_s(few, 2 * commit_s) <= LONGEST_S
    assert settling_s(few, commit_s) < commit_s or commit_s == 0


@given(records=st.integers(FEW), commit_s=SECONDS)
def test_a_backlog_is_gone_on_with_at_once(records: int, commit_s: float) -> None:
    assert settling_s(records, commit_s) == 0
