"""`headrace audit`: who asked what, what came of it, and whether somebody has rewritten history since.

It reads Postgres alone; the projector `headrace project audit` keeps the outcomes there.
"""

import csv
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, TextIO

import msgspec
import typer

from headrace.audit.search import COLUMNS, Sought, find, read_time, refuse_impossible
from headrace.cli.audit_history import checkpoint, key, verify
from headrace.cli.options import SHIPPED, AppPath, AsJson, load_app, print_json, print_table
from headrace.kernel.errors import Misconfigured
from headrace.postgres.connection import connect
from headrace.postgres.schema import refuse_unmigrated
from headrace.settings import read_settings

app = typer.Typer(
    help="Who asked what, what came of it, and whether history was rewritten.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
for command in (verify, checkpoint, key):
    app.command()(command)

Actor = Annotated[str | None, typer.Option(help="Who asked.")]
Subject = Annotated[str | None, typer.Option("--id", help="The id of the aggregate that was asked of.")]
Of = Annotated[str | None, typer.Option("--aggregate", help="The kind of aggregate, such as orders.")]
Kind = Annotated[str | None, typer.Option("--type", help="The type of the command, such as PayOrder.")]
Result = Annotated[str | None, typer.Option(help="accepted, refused or parked.")]
Since = Annotated[str | None, typer.Option(help="From this time on, as 2026-11-24T18:00:00Z; without an offset UTC.")]
Until = Annotated[str | None, typer.Option(help="Before this time.")]


class Format(Enum):
    """How outcomes are written."""

    jsonl = "jsonl"
    csv = "csv"


@app.command(name="list")
def list_outcomes(
    actor: Actor = None,
    subject: Subject = None,
    aggregate: Of = None,
    kind: Kind = None,
    result: Result = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, help="So many at most.")] = 50,
    app_path: AppPath = SHIPPED,
    as_json: AsJson = False,
) -> None:
    """List the newest outcomes, the newest first."""
    what = _sought((actor, subject, kind, result), aggregate, app_path, (since, until))
    found = (_told(row) for row in _find(what, newest_first=True, limit=limit))
    if as_json:
        print_json(list(found))
        return
    columns = ("when", "who", "what", "of", "result", "version", "because", "at")
    rows = [
        [
            it["logged_at"],
            it["actor"] or "-",
            it["command_type"],
            f"{it['aggregate']} {it['aggregate_id']}",
            f"{it['result']}{', repeated' if it['repeated'] else ''}",
            it["version"],
            it["message"] or "",
            f"{it['topic']}[{it['partition']}] {it['offset']}",
        ]
        for it in found
    ]
    print_table(columns, rows)


@app.command()
def export(
    actor: Actor = None,
    subject: Subject = None,
    aggregate: Of = None,
    kind: Kind = None,
    result: Result = None,
    since: Since = None,
    until: Until = None,
    file_format: Annotated[Format, typer.Option("--format", help="JSON Lines, or CSV with a header.")] = Format.jsonl,
    output: Annotated[Path | None, typer.Option(help="A file to write; without it, standard output.")] = None,
    app_path: AppPath = SHIPPED,
) -> None:
    """Write all outcomes with all that is known of them, the oldest first, page by page."""
    what = _sought((actor, subject, kind, result), aggregate, app_path, (since, until))
    rows = _find(what)
    with _target(output) as target:
        if file_format is Format.csv:
            _write_csv(target, map(_told, rows))
        else:
            for row in rows:
                target.write(msgspec.json.encode(_told(row)).decode() + "\n")


def _sought(
    said: tuple[str | None, str | None, str | None, str | None],
    aggregate: str | None,
    app_path: str,
    times: tuple[str | None, str | None],
) -> Sought:
    actor, subject, kind, result = said
    what = Sought(
        actor=actor,
        subject=subject,
        topic=load_app(app_path).aggregate(aggregate).outcome_topic if aggregate else None,
        command_type=kind,
        result=result,
        since=read_time("--since", times[0]),
        until=read_time("--until", times[1]),
    )
    refuse_impossible(what)
    return what


def _find(what: Sought, *, newest_first: bool = False, limit: int | None = None) -> Iterator[tuple[Any, ...]]:
    with connect(read_settings(), "headrace audit") as connection:
        refuse_unmigrated(connection, ())
        connection.commit()
        yield from find(connection, what, newest_first=newest_first, limit=limit)


def _told(row: tuple[Any, ...]) -> dict[str, Any]:
    """A row for people and programs: times in ISO 8601, bytes in hexadecimal digits."""
    found = {name: _plain(value) for name, value in zip(COLUMNS, row, strict=True)}
    return {"logged_at": found.pop("logged_at"), "aggregate": found["topic"].rpartition(".")[0], **found}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value.hex() if isinstance(value, bytes) else value


def _write_csv(target: TextIO, rows: Iterable[dict[str, Any]]) -> None:
    # Of a text alone it would not quote a carriage return, at which most programs end a row.
    writer = csv.writer(target, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(["logged_at", "aggregate", *COLUMNS[1:]])
    writer.writerows(row.values() for row in rows)


@contextmanager
def _target(output: Path | None) -> Iterator[TextIO]:
    """Where to write."""
    if output is None:
        yield sys.stdout
        return
    try:
        with output.open("x", encoding="utf-8", newline="") as stream:
            yield stream
    except FileExistsError as error:
        raise Misconfigured(f"--output {output}: there is such a file; name another") from error
    except OSError as error:
        raise Misconfigured(f"--output {output}: {error.strerror}") from error
