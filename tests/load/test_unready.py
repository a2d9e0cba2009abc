"""Systems that are not ready for a load: told in one line, with nothing sent."""

from pathlib import Path

import pytest

from load.runs import commands, load, refused
from running import Running

pytestmark = pytest.mark.edge


def test_commands_that_nobody_would_answer_are_not_sent(shop: Running, tmp_path: Path) -> None:
    ran = load(shop, "steady", "--output", str(tmp_path / "run"))
    refused(
        ran, "nobody does `headrace handle orders`, `headrace project orders`, `headrace project journal`: start it"
    )
    assert commands(shop) == 0


def test_a_database_without_tables_is_refused(shop: Running, tmp_path: Path) -> None:
    shop.change("DROP SCHEMA headrace CASCADE")
    refused(
        load(shop, "steady", "--output", str(tmp_path / "run")), "the database is not migrated: run `headrace migrate`"
    )
    assert commands(shop) == 0
