"""Looking for outcomes in the audit, as `headrace audit list` and `export` do."""

import csv
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest

from headrace.app import app
from headrace.audit import search
from headrace.audit.search import Sought, find
from headrace.cli import main
from headrace.postgres.chained import AUDIT_TABLE, append
from headrace.postgres.connection import connect
from headrace.postgres.schema import migrate
from headrace.settings import Settings

pytestmark = pytest.mark.edge

FIRST_MS = 1_291_190_400_000
LONG = "x" * 10_000


def outcome(number: int, **changes: Any) -> tuple[Any, ...]:
    """An outcome in the audit, one a second, in turn in three partitions."""
    known = {
        "topic": "orders.outcomes", "partition": number % 3, "offset": number,
        "logged_at": (FIRST_MS + number * 1000) * 1000, "asked_at": (FIRST_MS + number * 1000 - 5) * 1000,
        "actor": ("ann", "eve", None)[number % 3], "command_type": ("PayOrder", "ShipOrder")[number % 2],
        "aggregate_id": f"order-{number % 5}", "command_id": f"c-{number}", "command_offset": number,
        "correlation_id": "r-1", "causation_id": f"c-{number}", "result": "accepted", "code": None, "message": None,
        "version": 1 + number // 5, "events": 1, "repeated": False, "body_hash": b"\1\2",
    }  # fmt: skip
    return tuple((known | changes).values())


@pytest.fixture
def settings(database: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("DATABASE_URL", database)
    settings = Settings(DATABASE_URL=database)  # type: ignore[call-arg]
    migrate(app, settings)
    return settings


@pytest.fixture
def connection(settings: Settings) -> Iterator[psycopg.Connection[Any]]:
    with connect(settings, "test") as connection:
        yield connection


@pytest.fixture
def trail(connection: psycopg.Connection[Any]) -> psycopg.Connection[Any]:
    """Twenty outcomes; the 13th is refused, and long."""
    rows = [outcome(number) for number in range(20)]
    refusal = {"result": "refused", "code": "AggregateIdInvalid", "message": 'Too, "long".', "aggregate_id": LONG}
    rows[13] = outcome(13, actor=LONG, events=0, **refusal)
    with connection.transaction(), connection.cursor() as cursor:
        append(cursor, AUDIT_TABLE, rows)
    return connection


def offsets(
    connection: psycopg.Connection[Any], *, newest_first: bool = False, limit: int | None = None, **what: Any
) -> list[int]:
    place = search.COLUMNS.index("offset")
    return [row[place] for row in find(connection, Sought(**what), newest_first=newest_first, limit=limit)]


def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, str, str]:
    """The command's exit code and what it prints."""
    monkeypatch.setattr("sys.argv", ["headrace", "audit", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


@pytest.mark.parametrize("page", [1, 3, 7, 19, 20, 21])
def test_pages_add_up_to_all_in_the_order_of_time_either_way(
    trail: psycopg.Connection[Any], page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "PAGE", page)
    assert offsets(trail) == list(range(20))
    assert offsets(trail, newest_first=True) == list(range(19, -1, -1))
    assert offsets(trail, newest_first=True, limit=7) == list(range(19, 12, -1))


@pytest.mark.parametrize(
    ("what", "found"),
    [
        ({"actor": "ann"}, [0, 3, 6, 9, 12, 15, 18]),
        ({"actor": LONG}, [13]),
        ({"actor": LONG[:200]}, []),
        ({"subject": "order-2"}, [2, 7, 12, 17]),
        ({"subject": LONG}, [13]),
        ({"command_type": "ShipOrder", "subject": "order-1"}, [1, 11]),
        ({"result": "refused"}, [13]),
        ({"topic": "bells.outcomes"}, []),
        ({"since": datetime(2010, 12, 1, 8, 0, 17, tzinfo=UTC)}, [17, 18, 19]),
        ({"until": datetime(2010, 12, 1, 8, 0, 2, tzinfo=UTC)}, [0, 1]),
        ({"actor": "eve", "result": "accepted", "since": datetime(2010, 12, 1, 8, 0, 5, tzinfo=UTC)}, [7, 10, 16, 19]),
    ],
    ids=str,
)
def test_outcomes_are_found_by_what_is_asked(
    trail: psycopg.Connection[Any], what: dict[str, Any], found: list[int]
) -> None:
    assert offsets(trail, **what) == found


def test_outcomes_of_one_moment_are_all_found(
    connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "PAGE", 2)
    with connection.transaction(), connection.cursor() as cursor:
        append(cursor, AUDIT_TABLE, [outcome(number, logged_at=FIRST_MS * 1000) for number in range(9)])
    assert sorted(offsets(connection)) == list(range(9))
    assert offsets(connection, newest_first=True) == offsets(connection)[::-1]


@pytest.mark.usefixtures("trail")
def test_a_list_shows_the_newest_first(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, _ = run(capsys, monkeypatch, "list", "--actor", "eve", "--limit", "2")
    lines = [line.split() for line in out.splitlines()]
    assert code == 0
    assert lines[0][:4] == ["when", "who", "what", "of"]
    assert lines[1][:6] == ["2010-12-01T08:00:19.000Z", "eve", "ShipOrder", "orders", "order-4", "accepted"]
    assert lines[2][-2:] == ["orders.outcomes[1]", "16"]
    code, out, _ = run(capsys, monkeypatch, "list", "--result", "refused", "--json")
    [told] = json.loads(out)
    assert (told["aggregate"], told["code"], told["message"]) == ("orders", "AggregateIdInvalid", 'Too, "long".')


@pytest.mark.usefixtures("trail")
def test_an_export_is_complete_as_json_lines_and_as_csv(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    code, out, _ = run(capsys, monkeypatch, "export")
    rows = [json.loads(line) for line in out.splitlines()]
    assert (code, [row["offset"] for row in rows]) == (0, list(range(20)))
    assert rows[3] | {"hash": ""} == {
        "logged_at": "2010-12-01T08:00:03.000Z", "aggregate": "orders", "topic": "orders.outcomes", "partition": 0,
        "offset": 3, "asked_at": "2010-12-01T08:00:02.995Z", "actor": "ann", "command_type": "ShipOrder",
        "aggregate_id": "order-3", "command_id": "c-3", "command_offset": 3, "correlation_id": "r-1",
        "causation_id": "c-3", "result": "accepted", "code": None, "message": None, "version": 1, "events": 1,
        "repeated": False, "body_hash": "0102", "link": 2, "hash": "",
    }  # fmt: skip
    path = tmp_path / "trail.csv"
    code, out, _ = run(capsys, monkeypatch, "export", "--format", "csv", "--output", str(path), "--aggregate", "orders")
    found = list(csv.DictReader(StringIO(path.read_text())))
    assert (code, out, len(found)) == (0, "", 20)
    assert (found[13]["message"], found[13]["actor"], found[0]["code"]) == ('Too, "long".', LONG, "")
    assert list(found[0]) == list(rows[0])
    code, _, err = run(capsys, monkeypatch, "export", "--output", str(path))
    assert (code, err) == (2, f"headrace: --output {path}: there is such a file; name another\n")


def test_what_a_client_writes_forges_no_row_of_an_export_and_no_line_of_a_list(
    connection: psycopg.Connection[Any],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    actors = ["eve\r2010-12-01T08:00:00.000Z,orders", "eve\n", "\x1b[2J\u202e", '"', "a,b"]
    with connection.transaction(), connection.cursor() as cursor:
        append(cursor, AUDIT_TABLE, [outcome(number, actor=actor) for number, actor in enumerate(actors)])
    path = tmp_path / "trail.csv"
    assert run(capsys, monkeypatch, "export", "--format", "csv", "--output", str(path))[0] == 0
    with path.open(newline="", encoding="utf-8") as stream:
        assert [row["actor"] for row in csv.DictReader(stream)] == actors
    code, out, _ = run(capsys, monkeypatch, "list")
    assert (code, len(out.splitlines())) == (0, 1 + len(actors))
    assert r"\x1b[2J\u202e" in out


@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["list", "--since", "yesterday"], "--since 'yesterday': write a time as 2026-11-24 or 2026-11-24T18:00:00Z"),
        (["export", "--until", "2010-13-01"], "--until '2010-13-01': write a time as"),
        (["list", "--result", "lost"], "--result 'lost': a result is accepted, refused or parked"),
        (["list", "--aggregate", "moons"], "no aggregate is called 'moons'; the app has: "),
        (["list", "--actor", "a\0b"], "--actor 'a\\x00b': the audit holds no NUL, but \\0 in its place"),
        (["export", "--output", "/nowhere/x"], "--output /nowhere/x: No such file or directory"),
    ],
    ids=lambda it: it if isinstance(it, str) else " ".join(it),
)
def test_what_cannot_be_is_one_line_and_exit_code_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, err = run(capsys, monkeypatch, *arguments)
    assert (code, err.count("\n")) == (2, 1), err
    assert err.startswith(f"headrace: {said}")


@pytest.mark.parametrize("command", ["list", "export", "verify"])
def test_a_database_that_is_not_migrated_is_refused(
    command: str, database: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database)
    code, _, err = run(capsys, monkeypatch, command)
    assert (code, err) == (2, "headrace: the database is not migrated: run `headrace migrate`\n")


@pytest.mark.usefixtures("settings")
def test_an_empty_audit_is_fine(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert run(capsys, monkeypatch, "list") == (0, "", "")
    assert run(capsys, monkeypatch, "export") == (0, "", "")
    nothing = "journal: 0 chains, 0 rows\naudit: 0 chains, 0 rows\nnothing was rewritten\n"
    assert run(capsys, monkeypatch, "verify") == (0, nothing, "")
    assert run(capsys, monkeypatch, "key", str(tmp_path / "key"))[0] == 0
    assert run(capsys, monkeypatch, "checkpoint", "--key", str(tmp_path / "key")) == (0, "", "")


def test_the_indexes_are_used(trail: psycopg.Connection[Any]) -> None:
    trail.execute("SET enable_seqscan = off")
    for what, index in (({"subject": "order-2"}, "audit_by_subject"), ({"actor": "ann"}, "audit_by_actor")):
        conditions = [search.CONDITIONS[name] for name in what]
        query = b"EXPLAIN " + search._query(conditions, goes_on=False, newest_first=True)
        plan = trail.execute(query, what | {"size": 5}).fetchall()
        assert index in str(plan)
        assert "Sort" not in str(plan)
