"""A new version of a view: filled beside the old one, seen when it is as far, and the old one goes."""

import json
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest

from lifecycles import lifecycles
from running import Running

pytestmark = [pytest.mark.edge, pytest.mark.timeout(300)]

# The same rows, by other names and in another order: what CREATE OR REPLACE VIEW would refuse.
SECOND = """
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from headrace.app import shop
from headrace.orders.views import orders_view


class Row(Struct, frozen=True):
    steps: int
    order_id: str


table = replace(
    orders_view.table, row=Row, ddl="CREATE TABLE orders (steps bigint NOT NULL, order_id text PRIMARY KEY)"
)
second = replace(
    orders_view, version=2, table=table, evolve=lambda key, row, fact: Row(fact.meta.version, *key)
)
app = replace(shop, views=tuple(second if view.name == "orders" else view for view in shop.views))
"""


@pytest.fixture
def newer(tmp_path: Path) -> dict[str, str]:
    """The variables of a shop whose orders have a second version."""
    folder = tmp_path / "newer"
    folder.mkdir()
    (folder / "newer_shop.py").write_text(SECOND)
    return {"HEADRACE_APP": "newer_shop:app", "PYTHONPATH": str(folder)}


def call(shop: Running, newer: dict[str, str], *arguments: str) -> tuple[int, str]:
    """The exit code, and all that was printed."""
    done = shop.headrace(*arguments, env=newer)
    return done.returncode, done.stdout + done.stderr


def ask(shop: Running, query: str) -> list[Any]:
    with psycopg.connect(shop.settings.database, autocommit=True) as connection:
        found = connection.execute(query.encode())
        return found.fetchall() if found.description else []


def test_a_new_version_is_filled_beside_the_old_one_and_takes_its_place_when_it_is_as_far(
    shop: Running, newer: dict[str, str]
) -> None:
    shop.start("handler", "handle", "orders")
    shop.start_projectors()
    shop.send("orders", *lifecycles(20))
    shop.wait_until_quiet()
    ask(shop, "CREATE ROLE reader_of_versions; GRANT SELECT ON public.orders TO reader_of_versions")
    try:
        code, said = call(shop, newer, "migrate")
        assert code == 0
        assert said.splitlines() == [
            "view orders: version 2 in schema orders_v2",
            "readers of orders see orders_v1 until `headrace views switch orders`",
        ]
        assert ask(shop, "SELECT count(*), max(version) FROM orders") == [(20, 4)]
        code, said = call(shop, newer, "views", "switch", "orders", "--wait", "0")
        assert code == 1
        assert said.endswith("does `headrace project orders` run?\n")
        shop.services.start(
            "newer", [sys.executable, "-m", "headrace", "project", "orders"], shop.log("newer"), shop.env | newer
        )
        assert call(shop, newer, "views", "switch", "orders") == (0, "readers see version 2 of orders\n")
        assert ask(shop, "SELECT count(*), max(steps) FROM orders") == [(20, 4)]
        assert ask(shop, "SELECT has_table_privilege('reader_of_versions', 'public.orders', 'SELECT')") == [(True,)]
        assert call(shop, newer, "views", "switch", "orders")[1] == "readers see version 2 of orders already\n"
        code, said = call(shop, newer, "views", "drop", "orders", "1")
        assert (code, said) == (2, "headrace: a projector of version 1 of orders runs: stop it first\n")
        shop.services.stop("project-orders")
        assert call(shop, newer, "views", "drop", "orders", "1") == (0, "version 1 of orders is removed\n")
        assert ask(shop, "SELECT count(*) FROM headrace.checkpoints WHERE projector = 'orders_v1'") == [(0,)]
        code, said = call(shop, newer, "views", "list", "--json")
        assert '"view":"orders","version":2,"schema":"orders_v2","is_of_app":true,"is_seen":true' in said
    finally:
        ask(shop, "DROP OWNED BY reader_of_versions; DROP ROLE reader_of_versions")


def test_a_view_that_has_read_nothing_does_not_look_as_if_it_were_filled(shop: Running) -> None:
    def listed() -> dict[str, tuple[bool, int, int]]:
        found = json.loads(shop.headrace("views", "list", "--json").stdout)
        return {it["view"]: (it["has_read"], it["behind"], it["behind_seen"]) for it in found}

    assert listed() == {"orders": (False, 0, 0), "order_statistics": (False, 0, 0)}
    assert shop.headrace("views", "list").stdout.count("nothing read") == 2
    ask(
        shop,
        """INSERT INTO headrace.checkpoints (projector, topic, partition, next_offset, command_offset, owner, log_time)
           VALUES ('journal', 'orders.events', 0, 5, 3, 'x', now()), ('journal', 'others.events', 0, 9, 3, 'x', now()),
           ('orders_v1', 'orders.events', 0, 2, 3, 'x', now()), ('orders_v1', 'orders.events', 1, 4, 3, 'x', now())""",
    )
    assert listed() == {"orders": (True, 3, 0), "order_statistics": (False, 9, 0)}


@pytest.mark.parametrize(
    ("version", "why"),
    [("1", "readers see version 1 of orders"), ("2", "version 2 of orders is the app's"), ("3", "has no version 3")],
)
def test_a_version_that_somebody_needs_is_not_removed(
    shop: Running, newer: dict[str, str], version: str, why: str
) -> None:
    ask(
        shop,
        """INSERT INTO headrace.checkpoints (projector, topic, partition, next_offset, command_offset, owner)
           VALUES ('orders_v1', 'orders.events', 0, 5, 3, 'x')""",
    )
    assert call(shop, newer, "migrate")[0] == 0
    code, said = call(shop, newer, "views", "drop", "orders", version)
    assert code == 2
    assert why in said


def test_readers_keep_what_they_see_where_other_views_are_made_of_it(shop: Running, newer: dict[str, str]) -> None:
    ask(
        shop,
        """CREATE VIEW public.many AS SELECT count(*) FROM public.orders;
           INSERT INTO headrace.checkpoints (projector, topic, partition, next_offset, command_offset, owner)
           VALUES ('orders_v1', 'orders.events', 0, 5, 3, 'x'), ('orders_v2', 'orders.events', 0, 5, 3, 'x')""",
    )
    assert call(shop, newer, "migrate")[0] == 0
    code, said = call(shop, newer, "views", "switch", "orders")
    assert code == 2
    assert "other views are made of public.orders" in said
    ask(shop, "DROP VIEW public.many")
    assert call(shop, newer, "views", "switch", "orders")[0] == 0
