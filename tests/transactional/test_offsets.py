"""Where a group goes on, when the log begins behind its offsets."""

import pytest

from headrace.kernel.errors import Misconfigured
from headrace.transactional.offsets import within

PLACE = ("orders.commands", 3)


def test_a_group_goes_on_at_its_offset_and_without_one_at_the_beginning() -> None:
    other = ("orders.commands", 4)
    assert within({PLACE: 7, other: -1001}, {PLACE: 7, other: 2}, have_marks=False) == {PLACE: 7, other: 2}


def test_one_offset_that_is_gone_was_a_mark_where_somebody_writes_in_transactions() -> None:
    assert within({PLACE: 7}, {PLACE: 8}) == {PLACE: 8}


@pytest.mark.parametrize(("begin", "have_marks"), [(9, True), (8, False)], ids=["two", "one, and no mark lies there"])
def test_what_is_gone_and_was_more_than_a_mark_is_named(begin: int, *, have_marks: bool) -> None:
    with pytest.raises(Misconfigured, match=rf"orders.commands\[3\] begins at {begin}, and the group stands at 7"):
        within({PLACE: 7}, {PLACE: begin}, have_marks=have_marks)
