"""What waits because our code broke on it: parked commands, reactions, events."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import psycopg

from headrace.doctor.finding import Finding, ok, warn
from headrace.handler.parked import ParkedCommands
from headrace.kernel.app import App
from headrace.reactor.parked import ParkedReactions
from headrace.settings import Settings

PARKED: Final = "SELECT DISTINCT projector, aggregate_id FROM headrace.parked"


def parked_in_kafka(app: App, settings: Settings) -> Iterator[Finding]:
    """The keys that handlers and reactors have parked."""
    shelves = {each.name: ParkedCommands(app, each.name, settings).keys() for each in app.aggregates}
    shelves |= {f"--reactor {each.name}": ParkedReactions(app, each.name, settings).keys() for each in app.reactors}
    yield from _said("parked in kafka", shelves)


def parked_in_postgres(connection: psycopg.Connection[Any], app: App) -> Iterator[Finding]:
    """The keys that projectors have parked."""
    parked: dict[str, list[str]] = {}
    for projector, key in connection.execute(PARKED).fetchall():
        parked.setdefault(projector, []).append(key)
    shelves = {f"--projector {each.name}": parked.get(each.schema, []) for each in app.views}
    yield from _said("parked in postgres", shelves)


def _said(about: str, shelves: Mapping[str, list[str]]) -> Iterator[Finding]:
    wrong = False
    for name, keys in shelves.items():
        if keys:
            wrong = True
            again = "restart it" if name.startswith("--reactor") else f"headrace parked redrive {name} --all"
            todo = f"headrace parked list {name}; after the fix {again}"
            yield warn(about, f"{len(keys)} keys of {name.rpartition(' ')[2]} wait", todo)
    if not wrong:
        yield ok(about, "no key waits")
