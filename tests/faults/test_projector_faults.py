"""F16 to F23, F38: what a projector's database does to it, and positions that are not of this topic."""

import threading
import time

import psycopg
import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition, murmur2

from headrace.local import LocalServers
from lifecycles import lifecycles
from outages import load, progress
from running import PARTITIONS, Running
from servers import Postgres, fresh_database
from wrong import CREATE, ORDERS, PAY, SHIP

pytestmark = [pytest.mark.edge, pytest.mark.timeout(300)]


def start(shop: Running) -> None:
    shop.start("handler", "handle", "orders")
    shop.start_projectors()


def test_a_database_that_restarts_under_load_ends_no_projector(shop: Running, servers: LocalServers) -> None:
    start(shop)
    shop.wait(lambda: all(shop.owned(name) for name in shop.projectors), "the projectors have started")
    with load(shop) as count:
        for mode in ("fast", "immediate"):
            progress(shop, count, 200)
            servers.postgres.restart(mode)  # type: ignore[arg-type]
        progress(shop, count, 200)
    shop.assert_sound()
    assert not shop.services.exits


def test_sessions_that_are_ended_again_and_again_cost_nothing_but_time(shop: Running) -> None:
    start(shop)
    shop.wait(lambda: all(len(shop.owned(it)) == PARTITIONS for it in shop.projectors), "the projectors have started")
    ended = 0
    with load(shop) as count, psycopg.connect(shop.env["DATABASE_URL"], autocommit=True) as killer:
        until = time.monotonic() + 8
        while time.monotonic() < until:
            ended += killer.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'headrace %' "
                "AND application_name NOT LIKE '%verify'"
            ).rowcount
            threading.Event().wait(0.02)
        progress(shop, count, 100)
    shop.assert_sound()
    assert ended > 20
    assert not shop.services.exits


def test_rows_that_somebody_locks_hold_a_projector_up_and_no_longer(shop: Running) -> None:
    start(shop)
    shop.send("orders", *list(lifecycles(20))[:20])
    shop.wait_until_quiet()
    with psycopg.connect(shop.env["DATABASE_URL"]) as holder:
        holder.execute("SELECT * FROM orders_v1.orders FOR UPDATE")
        shop.send("orders", *list(lifecycles(20))[20:])
        shop.wait(lambda: "lock timeout" in shop.log("project-orders").read_text(), "the wait is given up", 40)
    shop.assert_sound()
    assert not shop.services.exits


def test_partitions_that_come_back_have_the_rows_that_another_process_left(shop: Running) -> None:
    shop.start("handler", "handle", "orders")
    shop.start("project-journal", "project", "journal")
    shop.start("first", "project", "orders")
    shop.send("orders", *CREATE)
    shop.wait_until_quiet()
    shop.start("second", "project", "orders")
    shop.wait(lambda: len(shop.owned("second")) == PARTITIONS // 2, "the second has its share", 60)
    shop.send("orders", *PAY)
    shop.wait_until_quiet()
    shop.services.stop("second")
    shop.wait(lambda: len(shop.owned("first")) == PARTITIONS, "the first has all of them again", 60)
    shop.send("orders", *SHIP)
    shop.assert_sound()
    assert shop.rows("SELECT status, paid, count(*) FROM orders GROUP BY 1, 2") == [("shipped", 1530, ORDERS)]


def test_a_database_that_fell_back_reads_the_events_again(shop: Running, postgres: Postgres) -> None:
    start(shop)
    shop.send("orders", *lifecycles(20))
    shop.wait_until_quiet()
    shop.services.stop(*shop.projectors)
    with fresh_database(postgres, shop.env["DATABASE_URL"].rpartition("/")[2]) as older:
        shop.start_projectors()
        shop.send("orders", *lifecycles(20, first=20))
        shop.assert_sound()
        shop.services.stop(*shop.projectors)
        shop.env["DATABASE_URL"] = older
        shop.start_projectors()
        shop.assert_sound()
        assert shop.headrace("audit", "verify").returncode == 0  # the same events have the same hashes
        assert "the database went back" in shop.log("project-orders").read_text()
        shop.services.stop(*shop.projectors)
        shop.change("UPDATE headrace.checkpoints SET next_offset = 0 WHERE projector IN ('orders_v1', 'journal')")
        shop.change("TRUNCATE headrace.journal")
        configure(shop, "min.compaction.lag.ms=0")
        done = shop.headrace("project", "orders")
    assert done.returncode == 1
    assert "may have compacted" in said(done.stderr)


REPLICA = """
    DELETE FROM orders_v1.orders; INSERT INTO orders_v1.orders SELECT * FROM public.rows_before;
    DELETE FROM headrace.checkpoints; INSERT INTO headrace.checkpoints SELECT * FROM public.checkpoints_before;
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'headrace%'"""
BEFORE = """
    CREATE TABLE public.rows_before AS TABLE orders_v1.orders;
    CREATE TABLE public.checkpoints_before AS TABLE headrace.checkpoints"""


def test_a_replica_that_lacks_the_last_batches_is_noticed_by_a_batch_of_another_partition(shop: Running) -> None:
    shop.start("handler", "handle", "orders")
    shop.start("project-orders", "project", "orders")
    shop.send("orders", *CREATE)
    shop.wait_until_quiet()
    shop.change(BEFORE)
    quiet = [command for command in PAY if murmur2(command[0].encode(), PARTITIONS) == 0]
    shop.send("orders", *[command for command in PAY if command not in quiet])
    shop.wait_until_quiet()
    shop.change(REPLICA)
    shop.send("orders", *quiet)
    paid = "SELECT count(*) FROM orders WHERE status = 'paid'"
    shop.wait(lambda: shop.rows(paid) == [(ORDERS,)], "all events that the replica lacks are read again")
    assert "its checkpoints stand where this process has not left them" in shop.log("project-orders").read_text()


def test_positions_of_another_topic_or_cluster_are_refused(shop: Running) -> None:
    start(shop)
    shop.send("orders", *lifecycles(20))
    shop.assert_sound()
    shop.services.stop("handler", *shop.projectors)
    shop.change("UPDATE headrace.checkpoints SET cluster_id = 'elsewhere' WHERE projector = 'journal'")
    done = shop.headrace("project", "journal")
    assert (done.returncode, "was filled from Kafka cluster elsewhere" in said(done.stderr)) == (2, True), done.stderr
    shop.remove()
    assert shop.headrace("topics", "create").returncode == 0
    done = shop.headrace("project", "orders")
    assert (done.returncode, "topic orders.events was made anew" in said(done.stderr)) == (2, True), done.stderr


def test_positions_outside_of_their_partition_are_refused(shop: Running) -> None:
    start(shop)
    shop.send("orders", *lifecycles(20))
    shop.assert_sound()
    shop.services.stop(*shop.projectors)
    shop.change("UPDATE headrace.checkpoints SET next_offset = 100000 WHERE projector = 'journal'")
    done = shop.headrace("project", "journal")
    assert (done.returncode, "stands at offset 100000" in said(done.stderr)) == (2, True), done.stderr
    shop.change("UPDATE headrace.checkpoints SET next_offset = 0 WHERE projector = 'orders_v1'")
    configure(shop, "cleanup.policy=delete")
    asked = [TopicPartition("orders.events", number, 3) for number in range(PARTITIONS)]

    def are_deleted() -> bool:
        try:
            for future in shop.admin.delete_records(asked).values():
                future.result()
        except KafkaException as error:
            if error.args[0].code() == KafkaError.POLICY_VIOLATION:
                return False  # the new policy has not come to the broker yet
            raise
        return True

    shop.wait(are_deleted, "they are deleted")
    configure(shop, "cleanup.policy=compact")
    done = shop.headrace("project", "orders")
    assert (done.returncode, "which begins at 3" in said(done.stderr)) == (2, True), done.stderr


def said(stderr: str) -> str:
    """The command's own line, after what it logged."""
    return stderr.splitlines()[-1]


def configure(shop: Running, setting: str) -> None:
    """Change a setting of the event topic."""
    from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource  # noqa: PLC0415

    name, _, value = setting.partition("=")
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ConfigResource.Type.TOPIC, "orders.events", incremental_configs=[entry])
    for future in shop.admin.incremental_alter_configs([resource]).values():
        future.result()
