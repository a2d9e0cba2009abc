"""What projectors hold back: rows that are behind by just that are fine, and what is wrong with it is named."""

import pytest

from headrace_load.verify import orders
from headrace_load.verify.records import Held, Partition
from headrace_load.verify.report import Check
from headrace_load.verify.rows import Fold, compare_rows
from verify.checking import read, small_past, wrong
from verify.past import Past

HELD = "orders_v1"


@pytest.fixture
def past() -> Past:
    return small_past()


def holding(past: Past, key: str, after: int) -> Partition:
    """The past with all events of a key held back but the first ones."""
    rows = [row for row in past.journal if row[3] == key][after:]
    held = [Held(offset, key, log_time, record) for _, _, offset, _, _, _, log_time, record in rows]
    return read(past, held={HELD: held})


def test_events_held_back_from_one_on_are_fine(past: Past) -> None:
    for after in (0, 1):
        assert wrong(holding(past, "o-1", after)) == {}


def test_a_held_event_that_was_lost_is_named(past: Past) -> None:
    part = holding(past, "o-1", 0)
    del part.held[HELD][1]
    assert len(part.held[HELD]) > 0
    [problem] = wrong(part)["held"]
    assert problem.startswith("orders_v1 holds o-1 from offset 0 on, and not orders.events[0] offset")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"record": b"other"}, "it has other bytes than the log"),
        ({"aggregate_id": "o-9"}, "the event is o-1's"),
        ({"log_time": 5}, "it says that it was logged at 5"),
        ({"offset": 1000}, "has not come to it"),
    ],
    ids=["bytes", "key", "time", "offset"],
)
def test_a_held_event_that_is_not_the_log_s_is_named(past: Past, change: dict[str, object], problem: str) -> None:
    part = holding(past, "o-1", 1)
    part.held[HELD][-1] = part.held[HELD][-1]._replace(**change)  # type: ignore[arg-type]
    assert any(problem in found for found in wrong(part)["held"])


def test_rows_are_behind_by_exactly_what_was_set_aside(past: Past) -> None:
    offsets = [row[2] for row in past.journal if row[3] == "o-1"]
    fresh = past.rows["o-1"]
    for kept in range(len(offsets)):
        fold = Fold(orders, Check("", ""), {("o-1", offset) for offset in offsets[kept:]})
        read(past, fold)
        row = fold.open_rows().get("o-1")
        assert (row[1] if row else 0) == kept
        fold.close_partition()
        check = Check("rows", "")
        compare_rows("orders", dict(fold.rows), [*([row] if row else []), past.rows["o-2"]], check)
        assert check.ok
        check = Check("rows", "")
        different = compare_rows("orders", dict(fold.rows), [fresh, past.rows["o-2"]], check)
        assert different or not check.ok


def test_an_event_that_was_discarded_is_left_out_and_later_ones_are_not(past: Past) -> None:
    created, paid, *_ = [row[2] for row in past.journal if row[3] == "o-1"]
    fold = Fold(orders, Check("", ""), {("o-1", paid)})
    read(past, fold)
    row = dict(zip(orders.COLUMNS, fold.open_rows()["o-1"], strict=True))
    assert (row["paid"], row["version"]) == (0, past.rows["o-1"][1])
    assert created < paid
