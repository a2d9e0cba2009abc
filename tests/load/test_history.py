"""The history of a run, written and read."""

import json
from pathlib import Path

import msgspec
import pytest

from headrace_load.history import BrokenHistory, HistoryReader, HistoryWriter, Sent

OK = Sent("c-1", "orders", "o-1", 1_000.0, 1_002.5, "ok", partition=3, offset=17)
LATE = Sent("c-2", "orders", "o-1", 1_003.0, 2_003.0, "info")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.jsonl"


def written(path: Path, *operations: Sent, complete: bool = True) -> Path:
    with HistoryWriter(path) as history:
        for operation in operations:
            history.write(operation)
        if complete:
            history.complete()
    return path


def test_what_was_written_is_read_and_a_last_line_says_that_it_is_all(path: Path) -> None:
    reader = HistoryReader(written(path, OK, LATE))
    assert list(reader) == [OK, LATE]
    assert reader.complete


def test_each_line_is_one_json_object(path: Path) -> None:
    first, last = map(json.loads, written(path, OK).read_text().splitlines())
    assert first == {
        "op": "send", "command_id": "c-1", "aggregate": "orders", "aggregate_id": "o-1", "start_ms": 1000.0,
        "end_ms": 1002.5, "result": "ok", "partition": 3, "offset": 17,
    }  # fmt: skip
    assert last == {"op": "complete", "sent": 1}


def test_a_history_that_was_cut_short_is_read_and_is_not_complete(path: Path) -> None:
    reader = HistoryReader(written(path, OK, LATE, complete=False))
    assert list(reader) == [OK, LATE]
    assert not reader.complete


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "line 2: Input data was truncated"),
        ("\n", "line 2: Input data was truncated"),
        ('{"op": "send"}', "line 2: Object missing required field `command_id`"),
        ('{"op": "buy"}', "line 2: Invalid value 'buy'"),
        ('{"op": "complete", "sent": 5}', "line 2: says that 5 operations are all, 1 lie before"),
        (
            msgspec.json.encode(msgspec.structs.replace(OK, offset=None)).decode(),
            "line 2: ok, without its partition and offset",
        ),
        ('{"op": "complete", "sent": 1}\n{"op": "complete", "sent": 1}', "line 3: more follows"),
    ],
)
def test_a_line_that_is_not_what_it_must_be_is_named_with_its_number(path: Path, line: str, why: str) -> None:
    written(path, OK, complete=False)
    with path.open("a") as file:
        file.write(line)
    with pytest.raises(BrokenHistory, match=why) as broken:
        list(HistoryReader(path))
    assert "\n" not in str(broken.value)


def test_a_file_that_is_not_there_is_one_line(path: Path) -> None:
    with pytest.raises(BrokenHistory, match=r"cannot read the history .*: No such file or directory"):
        list(HistoryReader(path))
