"""`headrace import`: files into commands."""

from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from headrace.avro.codec import Unencodable
from headrace.avro.ids import open_codec
from headrace.cli.options import SHIPPED, AppPath, AsJson, load_app, print_json
from headrace.client import CommandClient
from headrace.importing.imported import Imported, Reported
from headrace.importing.json_lines import read_json_lines
from headrace.importing.retail import lifecycle, read_invoices
from headrace.kafka.clients import admin_client
from headrace.kafka.topics import refuse_other_topics
from headrace.kernel.app import App
from headrace.kernel.errors import Misconfigured
from headrace.settings import read_settings


class Format(StrEnum):
    """What a file holds."""

    jsonl = "jsonl"
    retail = "retail"


def import_files(
    files: Annotated[list[Path], typer.Argument(help="Files to read, in this order.")],
    file_format: Annotated[Format, typer.Option("--format", help="What they hold.")] = Format.jsonl,
    steps: Annotated[bool, typer.Option(help="retail: also pay, ship and deliver each order.")] = False,
    strict: Annotated[bool, typer.Option(help="Exit with 1 when anything was reported.")] = False,
    app_path: AppPath = SHIPPED,
    as_json: AsJson = False,
) -> None:
    """Send the commands that files hold; what is no command is reported with file, line and reason.

    Command ids follow from the source, so importing the same file again changes nothing.
    """
    missing = [str(path) for path in files if not path.is_file()]
    if missing:
        raise Misconfigured(f"no such file: {', '.join(missing)}")
    settings, app = read_settings(), load_app(app_path)
    refuse_other_topics(admin_client(settings), app.aggregates, settings)
    client = CommandClient(open_codec(app, settings), settings)
    sent: Counter[str] = Counter()
    reported: Counter[str] = Counter()
    for entry in _entries(app, files, file_format):
        if isinstance(entry, Reported):
            reported[entry.reason] += 1
            typer.echo(str(entry), err=True)
            continue
        for asked in [entry, *lifecycle(entry)] if steps and file_format is Format.retail else [entry]:
            try:
                client.send(app.aggregate(asked.aggregate), asked.command, asked.meta)
            except Unencodable as error:
                reported["too large"] += 1
                typer.echo(f"{asked.aggregate} {asked.meta.aggregate_id}: {error}", err=True)
                continue
            sent[type(asked.command).__name__] += 1
    client.flush()
    if as_json:
        print_json({"sent": sent, "reported": reported})
    else:
        typer.echo(f"sent {sent.total()} commands: {_counts(sent)}")
        typer.echo(f"reported {reported.total()} lines: {_counts(reported)}")
    if strict and reported:
        raise typer.Exit(1)


def _entries(app: App, files: list[Path], file_format: Format) -> Iterator[Imported]:
    for path in files:
        with path.open("rb") as stream:
            if file_format is Format.retail:
                yield from read_invoices(str(path), stream)
            else:
                yield from read_json_lines(app, str(path), stream)


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counter.most_common()) or "none"
