"""An application that cannot be right is refused when it is loaded, whatever was asked."""

from pathlib import Path

import pytest

from headrace.cli import main

BAD = """
from datetime import date
from msgspec import Struct
from headrace.kernel.view import Table

class Day(Struct, frozen=True):
    day: date
    orders: int

TABLE = Table(name="days", row=Day, key=("day",), ddl="CREATE TABLE days (day date PRIMARY KEY, orders bigint)")
"""


@pytest.mark.parametrize("command", [["migrate"], ["parked", "list"]], ids=" ".join)
def test_a_table_that_replicas_would_overwrite_for_each_other_is_one_line_and_exit_code_2(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad_shop.py").write_text(BAD)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("sys.argv", ["headrace", *command, "--app", "bad_shop:app"])
    with pytest.raises(SystemExit) as ended:
        main()
    line = capsys.readouterr().err
    assert (ended.value.code, line.count("\n")) == (2, 1), line
    assert line.startswith("headrace: table days: no column of the key ('day',) can hold an aggregate's id")
    assert "put the column partition into the key" in line
