"""`headrace import`: files into commands."""

from collections import Counter
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from headrace.avro.codec import TooLarge, Unencodable
from headrace.avro.ids import open_codec
from headrace.cli.options import SHIPPED, AppPath, AsJson, load_app, print_json
from headrace.client import CommandClient
from headrace.importing.imported import Asked, Imported, Reported
from headrace.importing.json_lines import Known, read_json_lines
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
    source: Annotated[
        str | None, typer.Option(help="jsonl: what ids are derived from, with the lines; without it, the file's name.")
    ] = None,
    steps: Annotated[bool, typer.Option(help="retail: also pay, ship and deliver each order.")] = False,
    strict: Annotated[
        bool, typer.Option(help="Exit with 1 when anything was reported, not only when a file had nothing to send.")
    ] = False,
    app_path: AppPath = SHIPPED,
    as_json: AsJson = False,
) -> None:
    """Send the commands that files hold; what is no command is reported with file, line and reason.

    Command ids follow from source and line, or from invoice and step: the same file again is a resend, without effect,
    within the window in which ids are remembered (HEADRACE_DEDUP_WINDOW_S). After it, only the domain's own rules know
    it again: orders have such rules, but a deposit or a withdrawal is made a second time.
    """
    _refuse_files(files, file_format, source)
    settings, app = read_settings(), load_app(app_path)
    refuse_other_topics(admin_client(settings), app.aggregates, settings)
    client = CommandClient(open_codec(app, settings), settings)
    sent: Counter[str] = Counter()
    reported: Counter[str] = Counter()
    useless = False
    for entries in _invoices(files, steps=steps) if file_format is Format.retail else _lines(app, files, source):
        its_sent, its_reported = _send(client, app, entries)
        useless |= bool(its_reported) and not its_sent
        sent += its_sent
        reported += its_reported
    client.flush()
    if as_json:
        print_json({"sent": sent, "reported": reported})
    else:
        typer.echo(f"sent {sent.total()} commands: {_counts(sent)}")
        typer.echo(f"reported {reported.total()} lines: {_counts(reported)}")
    if useless or (strict and reported):
        raise typer.Exit(1)


def _refuse_files(files: list[Path], file_format: Format, source: str | None) -> None:
    """`Misconfigured` for what would be lost or doubled without a word."""
    missing = [str(path) for path in files if not path.is_file()]
    if missing:
        raise Misconfigured(f"no such file: {', '.join(missing)}")
    if source is not None and file_format is Format.retail:
        raise Misconfigured("--source: ids of retail orders follow from the invoices' numbers alone: leave it out")
    paths = [path.resolve() for path in files]
    named = [path.name for path in files] if file_format is Format.jsonl and source is None else []
    for path in files:
        if paths.count(path.resolve()) > 1:
            raise Misconfigured(f"{path} is named twice: a file is read once")
        if named.count(path.name) > 1:
            raise Misconfigured(
                f"several files are called {path.name}, and ids follow from that name: name them otherwise, or import "
                f"each by itself, with a --source of its own"
            )


def _lines(app: App, files: list[Path], source: str | None) -> Iterator[Iterator[Imported]]:
    """What comes of each file, in turn."""
    known = Known(source)
    for path in files:
        with path.open("rb") as stream:
            yield read_json_lines(app, str(path), stream, known)


def _invoices(files: list[Path], *, steps: bool) -> Iterator[Iterator[Imported]]:
    """Likewise."""
    seen: dict[str, str] = {}
    for path in files:
        with path.open("rb") as stream:
            found = read_invoices(str(path), stream, seen)
            yield _with_steps(found) if steps else found


def _with_steps(entries: Iterable[Imported]) -> Iterator[Imported]:
    for entry in entries:
        yield entry
        if isinstance(entry, Asked):
            yield from lifecycle(entry)


def _send(client: CommandClient, app: App, entries: Iterable[Imported]) -> tuple[Counter[str], Counter[str]]:
    """Send what can be sent, and tell the rest; returns what was sent, by type, and what was not, by reason."""
    sent, reported = Counter[str](), Counter[str]()
    for entry in entries:
        report = entry if isinstance(entry, Reported) else _sent(client, app, entry)
        if isinstance(report, Reported):
            reported[report.reason] += 1
            typer.echo(str(report), err=True)
        else:
            sent[report] += 1
    return sent, reported


def _sent(client: CommandClient, app: App, asked: Asked) -> str | Reported:
    """The type of a command that is sent, or the report of why no handler would take it."""
    try:
        client.send(app.aggregate(asked.aggregate), asked.command, asked.meta)
    except Unencodable as error:
        reason = "too large" if isinstance(error, TooLarge) else "does not fit its schema"
        return Reported(asked.file, asked.line, reason, f"{asked.aggregate} {asked.meta.aggregate_id}: {error}")
    return type(asked.command).__name__


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counter.most_common()) or "none"
