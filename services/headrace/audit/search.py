"""Outcomes that are looked for in the audit: who asked what of which aggregate when, and what came of it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import psycopg
from msgspec import Struct

from headrace.kernel.errors import Misconfigured
from headrace.kernel.message import ACCEPTED, PARKED, REFUSED

PAGE: Final = 1_000
RESULTS: Final = (ACCEPTED, REFUSED, PARKED)

COLUMNS: Final = (
    "logged_at", "topic", "partition", "offset", "asked_at", "actor", "command_type", "aggregate_id", "command_id",
    "command_offset", "correlation_id", "causation_id", "result", "code", "message", "version", "events", "repeated",
    "body_hash", "link", "hash",
)  # fmt: skip
PLACE: Final = 4
"""So many of the first columns say where a row lies, in the order of time."""

# An index holds what a valid id has; the whole is compared besides.
CONDITIONS: Final = {
    "actor": "left(actor, 200) = left(%(actor)s, 200) AND actor = %(actor)s",
    "subject": "left(aggregate_id, 200) = left(%(subject)s, 200) AND aggregate_id = %(subject)s",
    "topic": "topic = %(topic)s",
    "command_type": "command_type = %(command_type)s",
    "result": "result = %(result)s",
    "since": "logged_at >= %(since)s",
    "until": "logged_at < %(until)s",
}


class Sought(Struct, frozen=True, kw_only=True):
    """What is looked for, None for anything; times are those of the log, from `since` to before `until`."""

    actor: str | None = None
    subject: str | None = None
    topic: str | None = None
    command_type: str | None = None
    result: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def refuse_impossible(what: Sought) -> None:
    """`Misconfigured` names what cannot be in the audit."""
    if what.result not in (None, *RESULTS):
        raise Misconfigured(f"--result {what.result!r}: a result is {', '.join(RESULTS[:-1])} or {RESULTS[-1]}")
    for name, value in (("actor", what.actor), ("id", what.subject), ("type", what.command_type)):
        if "\0" in (value or ""):
            raise Misconfigured(f"--{name} {value!r}: the audit holds no NUL, but \\0 in its place")


def find(
    connection: psycopg.Connection[Any], what: Sought, *, newest_first: bool = False, limit: int | None = None
) -> Iterator[tuple[Any, ...]]:
    """The rows, a page at a time in the order of their log times; each page is a transaction, so nobody is held up."""
    asked = {name: getattr(what, name) for name in what.__struct_fields__}
    conditions = [CONDITIONS[name] for name, value in asked.items() if value is not None]
    after: tuple[Any, ...] | None = None
    left = limit
    while left is None or left > 0:
        size = PAGE if left is None else min(PAGE, left)
        rows = connection.execute(_query(conditions, after is not None, newest_first), asked | _bound(after, size))
        page = rows.fetchall()
        connection.commit()
        yield from page
        if len(page) < size:
            return
        after = page[-1][:PLACE]
        left = None if left is None else left - size


def _query(conditions: list[str], goes_on: bool, newest_first: bool) -> bytes:
    place = 'logged_at, topic, partition, "offset"'
    behind = f"({place}) {'<' if newest_first else '>'} (%(logged_at)s, %(at_topic)s, %(at_partition)s, %(at_offset)s)"
    where = " AND ".join([*conditions, *([behind] if goes_on else [])]) or "true"
    order = ", ".join(f"{name} {'DESC' if newest_first else 'ASC'}" for name in place.split(", "))
    columns = ", ".join(f'"{name}"' for name in COLUMNS)
    text = f"SELECT {columns} FROM headrace.audit WHERE {where} ORDER BY {order} LIMIT %(size)s"  # noqa: S608 - ours
    return text.encode()


def _bound(after: tuple[Any, ...] | None, size: int) -> dict[str, Any]:
    names = ("logged_at", "at_topic", "at_partition", "at_offset")
    return {"size": size, **(dict(zip(names, after, strict=True)) if after else {})}


def read_time(option: str, said: str | None) -> datetime | None:
    """A time as people write it; without an offset it is UTC. `Misconfigured` names the option that holds none."""
    if said is None:
        return None
    try:
        found = datetime.fromisoformat(said)
    except ValueError as error:
        raise Misconfigured(f"{option} {said!r}: write a time as 2026-11-24 or 2026-11-24T18:00:00Z") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)
