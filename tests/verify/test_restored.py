"""What handlers say that they restored, against the log."""

import json
from hashlib import blake2b
from pathlib import Path

import pytest

from headrace_load.verify.records import Record, Row
from headrace_load.verify.report import CannotVerify, Check
from headrace_load.verify.restored import Restored, RestoreFold, read_logs

RECORDS = [
    Record(0, 1, b"o-1", b"first", None),
    Record(2, 2, b"o-2", b"other", None),
    Record(5, 3, b"o-1", b"second", None),
    Record(6, 4, b"o-2", None, None),
]


def digest(records: dict[bytes, bytes]) -> str:
    sums = [int.from_bytes(blake2b(key + b"\0" + value, digest_size=8).digest()) for key, value in records.items()]
    return f"{sum(sums) % 2**64:016x}"


def problems(*takeovers: Restored, records: list[Record] = RECORDS) -> list[str]:
    check = Check("", "")
    fold = RestoreFold(list(takeovers), "orders.events[0]", check)
    for record in records:
        fold.see(record, None)
    fold.close(8)
    assert check.counted["takeovers"] == len(takeovers)
    return check.problems


def test_a_takeover_that_restored_what_lay_there_is_fine() -> None:
    assert (
        problems(
            Restored("a.log", 0, 0, digest({})),
            Restored("a.log", 2, 1, digest({b"o-1": b"first"})),
            Restored("b.log", 5, 2, digest({b"o-1": b"first", b"o-2": b"other"})),
            Restored("a.log", 8, 1, digest({b"o-1": b"second"})),
        )
        == []
    )


@pytest.mark.parametrize(
    "told",
    [
        Restored("a.log", 6, 2, digest({b"o-1": b"first", b"o-2": b"other"})),
        Restored("a.log", 6, 1, digest({b"o-1": b"second", b"o-2": b"other"})),
        Restored("a.log", 8, 2, digest({b"o-1": b"second", b"o-2": b"other"})),
    ],
    ids=["an older record", "another number of aggregates", "an erased aggregate"],
)
def test_a_takeover_that_restored_something_else_is_named(told: Restored) -> None:
    [problem] = problems(told)
    assert problem.startswith(f"a.log: restored orders.events[0] to {told.restored_to} as {told.aggregates} aggregates")


def test_a_takeover_that_had_read_beyond_the_log_s_end_is_named() -> None:
    beyond = Restored("a.log", 9, 1, digest({b"o-1": b"second"}))
    assert problems(beyond) == ["a.log: restored orders.events[0] to 9, the log ends at 8"]


def test_what_compaction_has_removed_is_taken_from_the_journal() -> None:
    check = Check("", "")
    fold = RestoreFold([Restored("a.log", 1, 1, digest({b"o-1": b"first"}))], "", check)
    fold.see(None, Row(0, "o-1", 1, "OrderCreated", 1, b"first"))
    fold.see(RECORDS[2], None)
    assert check.problems == []
    assert check.counted["takeovers"] == 1


def test_logs_are_read_for_takeovers_and_all_other_lines_pass(tmp_path: Path) -> None:
    told = {"event": "partition restored", "topic": "orders.events", "partition": 1, "aggregates": 1, "digest": "ab"}
    lines = [json.dumps(told | {"restored_to": offset}) for offset in (7, 3)]
    (tmp_path / "handler.log").write_text(
        "\n".join(["Traceback", '{"event": "other"}', '{"partition restored"', *lines])
    )
    (tmp_path / "other.txt").write_text(lines[0])
    found = read_logs(tmp_path)
    assert found == {("orders.events", 1): [Restored("handler.log", at, 1, "ab") for at in (3, 7)]}
    assert read_logs(None) == {}


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(CannotVerify, match=r"no folder .*nowhere"):
        read_logs(tmp_path / "nowhere")
