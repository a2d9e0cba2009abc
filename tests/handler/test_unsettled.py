"""A commit that nobody answered: the group's committed offsets tell whether it took place."""

import pytest

from headrace.kernel.errors import Fault
from headrace.transactional.offsets import has_moved

ONE, TWO = ("orders.commands", 1), ("orders.commands", 2)
WANTED = {ONE: 10, TWO: 20}


def test_a_transaction_whose_offsets_are_all_there_was_committed() -> None:
    assert has_moved({ONE: 10, TWO: 20}, WANTED)


@pytest.mark.parametrize("settled", [{ONE: 5, TWO: 15}, {ONE: -1001, TWO: 15}])
def test_a_transaction_none_of_whose_offsets_is_there_was_not(settled: dict[tuple[str, int], int]) -> None:
    assert not has_moved(settled, WANTED)


@pytest.mark.parametrize("settled", [{ONE: 10, TWO: 15}, {ONE: 11, TWO: 20}, {ONE: 5, TWO: 21}])
def test_offsets_that_another_process_has_moved_end_this_one(settled: dict[tuple[str, int], int]) -> None:
    with pytest.raises(Fault, match="another process has taken over"):
        has_moved(settled, WANTED)
