"""A new domain: scaffolded, tested, run on real servers and verified, as somebody would who begins."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from headrace.scaffold.names import RESERVED_BY_SQL
from running import Running, running
from servers import Kafka

pytestmark = pytest.mark.edge


def headrace(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder, with nothing set."""
    said = {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")}
    return subprocess.run(
        [sys.executable, "-m", "headrace", *arguments],
        cwd=folder,
        env=said,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def ask(house: Running, *arguments: str) -> tuple[int, str]:
    done = house.headrace("send", "gift_cards", *arguments)
    return done.returncode, done.stdout + done.stderr


def test_a_scaffolded_domain_passes_its_tests_runs_and_is_verified(
    kafka: Kafka, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = headrace(tmp_path, "new", "domain", "gift_cards")
    assert made.returncode == 0, made.stderr
    assert "tests/test_gift_cards.py" in made.stdout
    locked = headrace(tmp_path, "schemas", "lock", "--app", "gift_cards.app:app")
    assert locked.stdout == "9 contracts locked, 9 of them new\n", locked.stderr
    checked = headrace(tmp_path, "schemas", "check", "--app", "gift_cards.app:app")
    assert checked.stdout == "9 contracts are sound\n", checked.stderr
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "9 passed" in tested.stdout, tested.stdout
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    with running(kafka.bootstrap_servers, database, tmp_path, "gift_cards.app:app", tmp_path / "schemas") as house:
        house.start("handler", "handle", "gift_cards")
        house.start_projectors()
        assert ask(house, "OpenGiftCard", "--id", "card-1", "--field", "title=for Ann")[0] == 0
        assert ask(house, "RenameGiftCard", "--id", "card-1", "--field", "title=for Bob")[0] == 0
        code, said = ask(house, "CloseGiftCard", "--id", "card-2", "--field", "reason=lost")
        assert (code, "UnknownGiftCard" in said) == (1, True)
        report = house.assert_sound()
        assert report.check("versions").counted == {"events": 2, "aggregates": 1}
        assert house.rows("SELECT gift_card_id, version, title FROM gift_cards") == [("card-1", 2, "for Bob")]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["Gifts"], "a name is 1 to 60 lower-case letters"),
        (["sheep"], "give the one another name with --singular"),
        (["gifts", "--singular", "class"], "a word of Python's own"),
        (["calendars", "--singular", "a b"], "a name is 1 to 60 lower-case letters"),
        (["json", "--singular", "one"], "is a Python module already"),
    ],
)
def test_a_name_that_would_not_work_is_refused_and_nothing_is_written(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    done = headrace(tmp_path, "new", "domain", *arguments)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done
    assert said in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_words_that_postgres_reserves_are_known(database: str) -> None:
    with psycopg.connect(database) as connection:
        words = connection.execute("SELECT word FROM pg_get_keywords() WHERE catcode IN ('R', 'T')").fetchall()
    assert {word for (word,) in words} <= set(RESERVED_BY_SQL.split())


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_gifts.py").write_text("mine")
    done = headrace(tmp_path, "new", "domain", "gifts")
    assert done.returncode == 2
    assert "is there already" in done.stderr
    assert (tmp_path / "tests" / "test_gifts.py").read_text() == "mine"
    assert not (tmp_path / "gifts").exists()
