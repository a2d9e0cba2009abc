"""A history that was written by services, and what is found when somebody forges it afterwards."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from headrace.audit.findings import Finding
from headrace.audit.meaning import REACHED, UNDONE, UNTOLD
from headrace.audit.signing import make_key_pair
from headrace.audit.tables import Tables
from headrace.audit.verify import Report, verify_history
from headrace.orders.events import OrderPaid
from headrace.postgres.chained import AUDIT_TABLE, JOURNAL_TABLE
from headrace.settings import Settings
from headrace_load.bank.forgeries import Forger
from lifecycles import lifecycles
from messages import shipped_codec
from running import Running, running
from servers import Kafka, Postgres, fresh_database

pytestmark = [pytest.mark.edge, pytest.mark.timeout(300)]

EVENTS, OUTCOMES = "orders.events", "orders.outcomes"


@pytest.fixture(scope="module")
def history(kafka: Kafka, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Forty orders on their way, each with a refusal, kept by journal and audit; nothing runs any more."""
    with (
        fresh_database(postgres) as database,
        running(kafka.bootstrap_servers, database, tmp_path_factory.mktemp("history")) as shop,
    ):
        shop.start("handler", "handle", "orders")
        for name in ("journal", "audit"):
            shop.start(f"project-{name}", "project", name, HEADRACE_BATCH_SIZE="50")
        commands = list(lifecycles(40))
        shop.send("orders", *commands[:80], actor="ann")
        shop.wait_until_quiet()
        shop.send("orders", *commands[80:], actor="ann")
        shop.send("orders", *commands[:40], actor="eve")
        shop.wait_until_quiet()
        shop.services.stop()
        yield shop


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A private key; the public one lies beside it."""
    path = tmp_path_factory.mktemp("keys") / "key"
    make_key_pair(path)
    return path


@pytest.fixture
def url(history: Running, postgres: Postgres) -> Iterator[str]:
    """A copy of that history, to forge."""
    with fresh_database(postgres, history.env["DATABASE_URL"].rpartition("/")[2]) as copy:
        yield copy


@pytest.fixture
def forger(url: str) -> Iterator[Forger]:
    forger = Forger(Settings(DATABASE_URL=url))  # type: ignore[call-arg]
    yield forger
    forger.close()


def verified(url: str) -> Report:
    with Tables(Settings(DATABASE_URL=url)) as tables:  # type: ignore[call-arg]
        return verify_history(tables)


def named(findings: list[Finding]) -> list[tuple[Any, ...]]:
    return [(it.topic, it.partition, it.offset, it.aggregate_id, it.version, it.kind) for it in findings]


def event(forger: Forger, record_type: str, nth: int = 0) -> tuple[Any, ...]:
    """Partition, offset, aggregate id, version and record of an event."""
    return forger.ask(
        'SELECT partition, "offset", aggregate_id, version, record FROM headrace.journal WHERE record_type = %s '
        'ORDER BY partition, "offset" OFFSET %s LIMIT 1',
        *(record_type, nth),
    )[0]


def with_another_amount(record: bytes) -> bytes:
    decoded = shipped_codec().decode(record)
    assert isinstance(decoded.body, OrderPaid)
    return shipped_codec().encode(structs.replace(decoded.body, amount=1), decoded.meta, decoded.state)


def test_a_history_that_nobody_touched_is_whole(history: Running, url: str) -> None:
    report = verified(url)
    assert report.findings == []
    assert {chain.table: 0 for chain in report.chains} == {"journal": 0, "audit": 0}
    assert sum(chain.rows for chain in report.chains if chain.table == "journal") == 160
    assert sum(chain.rows for chain in report.chains if chain.table == "audit") == 200
    done = history.headrace("audit", "verify", env={"DATABASE_URL": url})
    assert (done.returncode, done.stdout) == (
        0,
        "journal: 4 chains, 160 rows\naudit: 4 chains, 200 rows\nnothing was rewritten\n",
    )


@pytest.mark.parametrize("query", [UNTOLD, UNDONE], ids=["untold", "undone"])
def test_tables_are_not_gone_through_row_by_row_of_another_even_when_they_look_small(url: str, query: str) -> None:
    """They always do without statistics, just after a fill: eighty thousand rows once took more than eight minutes."""
    with Tables(Settings(DATABASE_URL=url)) as tables:  # type: ignore[call-arg]
        plan = tables.ask("EXPLAIN " + REACHED + query, {"events": EVENTS, "outcomes": OUTCOMES})
    joins = [line for (line,) in plan if "Left Join" in line or "Right Join" in line]
    assert joins
    assert not [line for line in joins if "Nested Loop" in line], plan


def test_a_changed_amount_is_named(history: Running, url: str, forger: Forger) -> None:
    partition, offset, name, version, record = event(forger, "OrderPaid", 7)
    forger.do(
        'UPDATE headrace.journal SET record = %s WHERE topic = %s AND partition = %s AND "offset" = %s',
        *(with_another_amount(record), EVENTS, partition, offset),
    )
    assert named(verified(url).findings) == [(EVENTS, partition, offset, name, version, "changed")]
    done = history.headrace("audit", "verify", env={"DATABASE_URL": url})
    assert done.returncode == 1
    assert (
        f"orders.events[{partition}] offset {offset} ({name} version {version}): changed: its hash does not follow "
        f"from its content and the row before it\n1 findings\n"
    ) in done.stdout
    told = json.loads(history.headrace("audit", "verify", "--json", env={"DATABASE_URL": url}).stdout)
    assert (told["ok"], told["findings"][0]["offset"]) == (False, offset)


def test_a_time_that_was_changed_by_a_microsecond_is_named(url: str, forger: Forger) -> None:
    partition, offset, name, version, _ = event(forger, "OrderShipped", 3)
    forger.do(
        "UPDATE headrace.journal SET logged_at = logged_at + interval '1 us' WHERE partition = %s AND \"offset\" = %s",
        *(partition, offset),
    )
    assert named(verified(url).findings) == [(EVENTS, partition, offset, name, version, "changed")]


def test_a_time_that_no_clock_tells_is_named_too(url: str, forger: Forger) -> None:
    partition, offset, name, version, _ = event(forger, "OrderShipped", 3)
    forger.do(
        "UPDATE headrace.journal SET logged_at = 'infinity' WHERE partition = %s AND \"offset\" = %s",
        *(partition, offset),
    )
    assert (EVENTS, partition, offset, name, version, "changed") in named(verified(url).findings)


def test_an_audit_that_says_its_rows_are_older_than_its_chain_is_told(url: str, forger: Forger) -> None:
    [(count,)] = forger.ask("SELECT count(*) FROM headrace.audit WHERE partition = 0")
    forger.do("ALTER TABLE headrace.audit ALTER link DROP NOT NULL, ALTER hash DROP NOT NULL")
    forger.do("UPDATE headrace.audit SET link = NULL, hash = NULL WHERE partition = 0")
    forger.do(
        "UPDATE headrace.chains SET starts_at = 1000, unchained = %s, length = 0, last_offset = -1, head = NULL "
        "WHERE topic = %s AND partition = 0",
        *(count, OUTCOMES),
    )
    assert [(it.topic, it.partition, it.kind) for it in verified(url).findings] == [(OUTCOMES, 0, "changed")]


def test_a_deleted_row_is_missed_by_its_number_its_version_and_its_outcome(url: str, forger: Forger) -> None:
    partition, offset, name, version, _ = event(forger, "OrderPaid", 2)
    forger.do('DELETE FROM headrace.journal WHERE partition = %s AND "offset" = %s', partition, offset)
    findings = verified(url).findings
    assert [it.kind for it in findings] == ["removed"] * 3
    by_number, by_version, by_outcome = findings
    assert by_number.what.startswith("row ")
    assert " of the chain is missing, behind offset " in by_number.what
    assert (by_version.aggregate_id, by_version.version, by_version.what) == (
        name, version + 1, f"version {version} is missing before it",
    )  # fmt: skip
    assert (by_outcome.aggregate_id, by_outcome.version) == (name, version)


def test_a_deleted_last_row_is_missed_by_the_head(url: str, forger: Forger) -> None:
    last = 'SELECT max("offset") FROM headrace.{} WHERE topic = %s AND partition = 1'
    for table, topic in (("journal", EVENTS), ("audit", OUTCOMES)):
        [(offset,)] = forger.ask(last.format(table), topic)
        forger.do(f'DELETE FROM headrace.{table} WHERE topic = %s AND partition = 1 AND "offset" = %s', topic, offset)
    findings = verified(url).findings
    at_the_end = [it.topic for it in findings if it.what.endswith("at the end")]
    assert (at_the_end, {it.kind for it in findings}) == ([EVENTS, OUTCOMES], {"removed"})


def test_swapped_rows_are_both_named(url: str, forger: Forger) -> None:
    rows = forger.ask(
        'SELECT "offset", aggregate_id, version FROM headrace.journal WHERE partition = 2 ORDER BY "offset" LIMIT 12'
    )
    one, two = rows[4], rows[9]
    move = 'UPDATE headrace.journal SET "offset" = %s WHERE partition = 2 AND "offset" = %s'
    for to, at in ((-1, one[0]), (one[0], two[0]), (two[0], -1)):
        forger.do(move, to, at)
    findings = [it for it in verified(url).findings if "of the chain, and was at" in it.what]
    assert named(findings) == [
        (EVENTS, 2, one[0], *two[1:], "moved"),
        (EVENTS, 2, two[0], *one[1:], "moved"),
    ]  # fmt: skip


def test_a_refusal_that_became_an_acceptance_is_named(url: str, forger: Forger) -> None:
    [(partition, offset, name, version)] = forger.ask(
        "SELECT partition, \"offset\", aggregate_id, version FROM headrace.audit WHERE result = 'refused' LIMIT 1"
    )
    forger.do(
        "UPDATE headrace.audit SET result = 'accepted', code = NULL, message = NULL "
        'WHERE partition = %s AND "offset" = %s',
        *(partition, offset),
    )
    assert named(verified(url).findings) == [(OUTCOMES, partition, offset, name, version, "changed")]


def test_a_deleted_outcome_and_the_event_that_no_outcome_leads_to_are_named(url: str, forger: Forger) -> None:
    [(partition, offset, name, version)] = forger.ask(
        'SELECT partition, "offset", aggregate_id, version FROM headrace.audit WHERE command_type = %s LIMIT 1',
        "PayOrder",
    )
    forger.do('DELETE FROM headrace.audit WHERE partition = %s AND "offset" = %s', partition, offset)
    forger.rehash(AUDIT_TABLE, (OUTCOMES, partition))
    [finding] = verified(url).findings
    assert (finding.kind, finding.aggregate_id, finding.version) == ("inserted", name, version)
    assert finding.what == "no accepted outcome in the audit leads to it"


def insert(forger: Forger) -> tuple[Any, ...]:
    """A new order's event at the place of a transaction's marker, with its hash and all later ones."""
    partition, _, _, _, record = event(forger, "OrderCreated", 3)
    [(free,)] = forger.ask(
        'SELECT n FROM generate_series(1, 1000) AS n LEFT JOIN headrace.journal ON "offset" = n AND partition = %s '
        'WHERE "offset" IS NULL AND n < (SELECT max("offset") FROM headrace.journal WHERE partition = %s) LIMIT 1',
        *(partition, partition),
    )
    forger.do(
        "INSERT INTO headrace.journal SELECT topic, partition, %s, 'order-x', 1, record_type, logged_at, %s, "
        "copied_at, 0, '' FROM headrace.journal WHERE partition = %s ORDER BY \"offset\" LIMIT 1",
        *(free, record, partition),
    )
    forger.rehash(JOURNAL_TABLE, (EVENTS, partition))
    return EVENTS, partition, free, "order-x", 1


def test_an_inserted_event_with_all_hashes_computed_anew_is_named_since_no_outcome_leads_to_it(
    url: str, forger: Forger
) -> None:
    place = insert(forger)
    assert named(verified(url).findings) == [(*place, "inserted")]


def test_a_head_or_a_checkpoint_that_is_gone_is_told(url: str, forger: Forger) -> None:
    forger.do("DELETE FROM headrace.chains WHERE topic = %s AND partition = 1", OUTCOMES)
    forger.do("DELETE FROM headrace.checkpoints WHERE projector = 'journal' AND partition = 2")
    findings = verified(url).findings
    assert [(it.topic, it.partition, it.kind) for it in findings] == [
        (EVENTS, 2, "changed"), (OUTCOMES, 1, "removed"), (OUTCOMES, 1, "removed")
    ]  # fmt: skip
    assert [it.what for it in findings[:2]] == [
        "the checkpoint of the journal is missing",
        "the chain's head is missing in headrace.chains",
    ]
    assert findings[2].what.endswith(", its checkpoint says; it has no chain")


def take_away(forger: Forger, table: str, topic: str, partition: int | None = None) -> None:
    """All that a projector had of a topic, or of one partition: rows, chains, checkpoints."""
    for name in (table, "chains", "checkpoints"):
        forger.do(
            f"DELETE FROM headrace.{name} WHERE topic = %s AND partition = coalesce(%s, partition)"
            + (" AND projector = %s" if name == "checkpoints" else " AND %s <> ''"),
            *(topic, partition, table),
        )


@pytest.mark.parametrize("partition", [None, 1])
@pytest.mark.parametrize(
    ("table", "topic", "other"), [("journal", EVENTS, OUTCOMES), ("audit", OUTCOMES, EVENTS)], ids=["journal", "audit"]
)
def test_rows_that_are_gone_with_their_chains_and_checkpoints_are_missed_by_the_other_table(
    url: str, forger: Forger, table: str, topic: str, other: str, partition: int | None
) -> None:
    if table == "audit":  # of another aggregate, or nothing would tell that it ever was in use
        forger.do("INSERT INTO headrace.checkpoints SELECT 'audit', 'other.outcomes', 0, 0, -1, now(), 'ann'")
    take_away(forger, table, topic, partition)
    findings = verified(url).findings
    expected = range(4) if partition is None else [partition]
    assert named(findings) == [(topic, number, None, None, None, "removed") for number in expected]
    assert [it.what for it in findings] == [
        f"{other}[{number}] tells of its rows, and the {table} has neither rows nor a checkpoint of it: removed, or "
        f"never projected"
        for number in expected
    ]


def test_a_journal_without_any_audit_is_compared_with_nothing_and_it_is_said(url: str, forger: Forger) -> None:
    take_away(forger, "audit", OUTCOMES)
    report = verified(url)
    assert report.findings == []
    assert report.notes == ["there is no audit at all: nothing tells which commands led to the events"]


def audit(history: Running, url: str, *arguments: str) -> tuple[int, str, str]:
    """Run `headrace audit` on a copy of the history."""
    done = history.headrace("audit", *arguments, env={"DATABASE_URL": url})
    return done.returncode, done.stdout, done.stderr


def saved_elsewhere(history: Running, url: str, key: Path, tmp_path: Path) -> list[str]:
    """A checkpoint in a file, and what to say to have it believed."""
    path = str(tmp_path / "saved")
    code, out, err = audit(history, url, "checkpoint", "--key", str(key), "--output", path)
    assert (code, out[:16]) == (0, "signed 8 chains "), err
    return ["--checkpoint", path, "--public-key", f"{key}.pub"]


def test_a_checkpoint_that_was_saved_holds_on_an_untouched_history(
    history: Running, url: str, key: Path, tmp_path: Path
) -> None:
    saved = saved_elsewhere(history, url, key, tmp_path)
    code, out, _ = audit(history, url, "verify", *saved)
    assert (code, out.splitlines()) == (0, [
        "journal: 4 chains, 160 rows, 4 chains as signed before",
        "audit: 4 chains, 200 rows, 4 chains as signed before",
        "nothing was rewritten",
    ])  # fmt: skip
    assert audit(history, url, "verify")[1].splitlines()[2] == "signatures are not checked without --public-key"


def test_a_changed_amount_with_all_hashes_computed_anew_is_found_by_a_checkpoint_alone(
    history: Running, url: str, forger: Forger, key: Path, tmp_path: Path
) -> None:
    saved = saved_elsewhere(history, url, key, tmp_path)
    partition, offset, _, _, record = event(forger, "OrderPaid", 7)
    forger.do(
        'UPDATE headrace.journal SET record = %s WHERE topic = %s AND partition = %s AND "offset" = %s',
        *(with_another_amount(record), EVENTS, partition, offset),
    )
    forger.rehash(JOURNAL_TABLE, (EVENTS, partition))
    forger.do("DELETE FROM headrace.audit_checkpoints")
    code, out, _ = audit(history, url, "verify")
    assert (code, out.splitlines()[-1]) == (0, "nothing was rewritten")  # as good as it gets without one
    code, out, _ = audit(history, url, "verify", *saved)
    [finding] = [line for line in out.splitlines() if "rewritten: " in line]
    assert code == 1
    assert finding.startswith(f"orders.events[{partition}]: rewritten: up to offset ")
    assert f"it is not what {saved[1]} of " in finding


def test_checkpoints_at_intervals_tell_where_the_forgery_begins(
    history: Running, url: str, forger: Forger, key: Path
) -> None:
    """Of each partition's first rows as if they had been all, and of all."""
    rows = forger.ask('SELECT "offset" FROM headrace.journal WHERE partition = 1 ORDER BY "offset"')
    for count in (10, 20, len(rows)):
        forger.do(
            'UPDATE headrace.chains AS c SET length = j.link, last_offset = j."offset", head = j.hash '
            "FROM headrace.journal AS j WHERE (c.topic, c.partition) = (j.topic, j.partition) AND j.partition = 1 "
            "AND j.link = %s",
            count,
        )
        assert audit(history, url, "checkpoint", "--key", str(key))[0] == 0
    [(forged,)] = forger.ask('SELECT "offset" FROM headrace.journal WHERE partition = 1 AND link = 15')
    forger.do("UPDATE headrace.journal SET record_type = 'OrderLost' WHERE partition = 1 AND link = 15")
    forger.rehash(JOURNAL_TABLE, (EVENTS, 1))
    code, out, _ = audit(history, url, "verify", "--public-key", f"{key}.pub")
    assert code == 1
    assert f"of rows 11 to 20 of the chain, behind offset {rows[9][0]}, some are forged" in out
    assert rows[9][0] < forged < rows[19][0]
    assert "1 findings" in out


def test_a_forgery_in_both_tables_is_found_by_a_checkpoint(
    history: Running, url: str, forger: Forger, key: Path, tmp_path: Path
) -> None:
    saved = saved_elsewhere(history, url, key, tmp_path)
    _, partition, *_ = insert(forger)
    forger.do(
        'INSERT INTO headrace.audit SELECT topic, partition, "offset" + 1, logged_at, asked_at, actor, command_type, '
        "'order-x', 'forged', command_offset, correlation_id, causation_id, result, code, message, 1, 1, repeated, "
        "body_hash, 0, '' FROM headrace.audit AS one WHERE partition = %s AND NOT EXISTS (SELECT FROM headrace.audit "
        'AS next WHERE next.partition = one.partition AND next."offset" = one."offset" + 1) ORDER BY "offset" LIMIT 1',
        partition,
    )
    forger.rehash(AUDIT_TABLE, (OUTCOMES, partition))
    assert verified(url).findings == []
    code, out, _ = audit(history, url, "verify", *saved)
    assert (code, out.count(": rewritten: ")) == (1, 2)


def test_nothing_is_signed_that_contradicts_what_was_signed(
    history: Running, url: str, forger: Forger, key: Path
) -> None:
    assert audit(history, url, "checkpoint", "--key", str(key))[0] == 0
    partition, offset, *_ = event(forger, "OrderPaid", 7)
    forger.do('UPDATE headrace.journal SET version = 9 WHERE partition = %s AND "offset" = %s', partition, offset)
    forger.rehash(JOURNAL_TABLE, (EVENTS, partition))
    code, out, err = audit(history, url, "checkpoint", "--key", str(key))
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith(f"headrace: orders.events[{partition}]: what was signed at ")


def test_a_stored_checkpoint_that_was_changed_is_told(history: Running, url: str, forger: Forger, key: Path) -> None:
    assert audit(history, url, "checkpoint", "--key", str(key))[0] == 0
    forger.do("UPDATE headrace.audit_checkpoints SET made_at = made_at - interval '1 day' WHERE partition = 3")
    code, out, _ = audit(history, url, "verify", "--public-key", f"{key}.pub")
    assert (code, out.count("is not as the key")) == (1, 2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["checkpoint"], "HEADRACE_AUDIT_KEY is not set, nor --key: `headrace audit key` makes one"),
        (["checkpoint", "--key", "/nowhere"], "/nowhere: No such file or directory"),
        (["checkpoint", "--key", "{key}.pub"], "{key}.pub holds no private key without a password"),
        (["checkpoint", "--key", "{key}", "--output", "/nowhere/x"], "--output /nowhere/x: No such file or directory"),
        (["verify", "--public-key", "{key}"], "{key} holds no public key"),
        (["verify", "--checkpoint", "/nowhere"], "/nowhere: No such file or directory"),
        (["verify", "--checkpoint", "{key}"], "{key} line 1 is no checkpoint"),
        (["key", "{key}"], "{key}: there is such a file"),
    ],
    ids=lambda it: it if isinstance(it, str) else " ".join(it),
)
def test_wrong_use_is_one_line_and_exit_code_2(history: Running, key: Path, arguments: list[str], said: str) -> None:
    url = history.env["DATABASE_URL"]
    code, out, err = audit(history, url, *[it.format(key=key) for it in arguments])
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert err.startswith(f"headrace: {said.format(key=key)}")
