"""`headrace parked`: what waits because our code broke on it, what was no command, and what to do about both."""

import uuid
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from confluent_kafka import murmur2
from confluent_kafka.admin import OffsetSpec
from msgspec import Struct
from rich.console import Console
from rich.table import Table

from headrace.avro.codec import Codec, Undecodable
from headrace.avro.contract import read_lock
from headrace.cli.options import SHIPPED, AppPath, AsJson, load_app, print_json
from headrace.client import CommandClient, OutcomeWatch
from headrace.handler.notes import ALONE, KEY, RELEASED, Note, read_note
from headrace.kafka.clients import admin_client
from headrace.kafka.consumer import Record
from headrace.kafka.reading import high_watermarks, list_offsets, read_to
from headrace.kernel.aggregate import Aggregate
from headrace.kernel.errors import Misconfigured, NotParked
from headrace.kernel.message import ACCEPTED, CommandMeta, DiscardParked, Outcome, RedriveParked
from headrace.settings import Settings, read_settings

app = typer.Typer(no_args_is_help=True)

AggregateName = Annotated[str, typer.Argument(help="For example orders.")]
Key = Annotated[str, typer.Argument(help="The aggregate's id.")]
Actor = Annotated[str | None, typer.Option(help="Who asks; kept in the parked topic.")]
Timeout = Annotated[float, typer.Option(help="Seconds to wait for the outcome.")]


class Entry(Struct, frozen=True):
    """A parked record and what it says of itself."""

    record: Record
    note: Note

    @property
    def place(self) -> dict[str, Any]:
        """Where the record lay in the command topic, why it is parked and when that was (milliseconds)."""
        return {
            "partition": self.record.partition(),
            "offset": self.note.offset,
            "log_time": self.note.log_time,
            "parked_at": self.record.timestamp()[1],
            "exception": self.note.exception,
            "message": self.note.message,
        }


@app.command(name="list")
def list_parked(
    aggregate: Annotated[str | None, typer.Argument(help="For example orders; without it, all.")] = None,
    app_path: AppPath = SHIPPED,
    as_json: AsJson = False,
) -> None:
    """List the keys that are parked and the records that were set aside, without what they hold."""
    settings, loaded = read_settings(), load_app(app_path)
    listed = [_listed(each, settings) for each in ([loaded.aggregate(aggregate)] if aggregate else loaded.aggregates)]
    if as_json:
        print_json(listed)
        return
    for found in listed:
        keys, aside = found["parked"], found["set_aside"]
        typer.echo(f"{found['aggregate']}: {len(keys)} keys parked, {len(aside)} records set aside")
        rows = [[row["key"], row["commands"], row["partition"], row["offset"], row["exception"]] for row in keys]
        _print_table(("key", "commands", "partition", "first offset", "because of"), rows)
        rows = [[row["partition"], row["offset"], row["message"]] for row in aside]
        _print_table(("partition", "offset", "set aside because"), rows)


@app.command()
def show(aggregate: AggregateName, key: Key, app_path: AppPath = SHIPPED, as_json: AsJson = False) -> None:
    """Show the commands that wait for one key, in order, and what was released of it before."""
    settings, loaded = read_settings(), load_app(app_path)
    codec = Codec(loaded, read_lock(settings.schemas))
    partition = murmur2(key.encode(), settings.partitions)
    entries = [e for e in _entries(loaded.aggregate(aggregate), settings, [partition]) if e.note.aggregate_id == key]
    waiting = _waiting(entries).get(key, [])
    marks = [entry for entry in entries if entry.note.kind == RELEASED]
    if not entries:
        raise _not_parked(aggregate, key)
    shown = {
        "aggregate": aggregate,
        "key": key,
        "waiting": [entry.place | _content(codec, entry.record) for entry in waiting],
        "released": [_release(entry) for entry in marks],
    }
    print_json(shown) if as_json else Console().print_json(data=shown, default=str)


@app.command()
def redrive(
    aggregate: AggregateName,
    key: Key,
    actor: Actor = None,
    timeout: Timeout = 30.0,
    app_path: AppPath = SHIPPED,
    as_json: AsJson = False,
) -> None:
    """Have the commands of a parked key answered, in order, by the version that is deployed now."""
    _ask(aggregate, key, RedriveParked(), actor, timeout, app_path, as_json=as_json)


@app.command()
def discard(
    aggregate: AggregateName,
    key: Key,
    reason: Annotated[str, typer.Option(help="Why; kept in the parked topic.")],
    actor: Actor = None,
    timeout: Timeout = 30.0,
    app_path: AppPath = SHIPPED,
    as_json: AsJson = False,
) -> None:
    """Give the commands of a parked key up: each is refused as Discarded."""
    if not reason.strip():
        raise Misconfigured("--reason is empty: say why these commands may be lost")
    _ask(aggregate, key, DiscardParked(reason), actor, timeout, app_path, as_json=as_json)


def _ask(
    aggregate: str, key: str, command: Struct, actor: str | None, timeout: float, app_path: str, *, as_json: bool
) -> None:
    """Append the engine's command behind what lies in the log, and wait for its outcome."""
    settings, loaded = read_settings(), load_app(app_path)
    target = loaded.aggregate(aggregate)
    codec = Codec(loaded, read_lock(settings.schemas))
    meta = CommandMeta(command_id=str(uuid.uuid4()), aggregate_id=key, actor=actor)
    partition = murmur2(key.encode(), settings.partitions)
    watch = OutcomeWatch(codec, settings, admin_client(settings), target.outcome_topic, partition)
    client = CommandClient(codec, settings)
    client.send(target, command, meta)
    client.flush()
    outcome = watch.wait(lambda found: found.command_id == meta.command_id, timeout)
    watch.close()
    if outcome is None:
        typer.echo(f"no outcome within {timeout:.0f} s: it is in the log; is `headrace handle {aggregate}` running?")
        raise typer.Exit(1)
    if outcome.code == NotParked.__name__:
        raise _not_parked(aggregate, key)
    _tell(outcome, as_json=as_json)
    if outcome.result != ACCEPTED:
        raise typer.Exit(1)


def _tell(outcome: Outcome, *, as_json: bool) -> None:
    if as_json:
        print_json(outcome)
    else:
        why = f": {outcome.code}: {outcome.message}" if outcome.code else ""
        typer.echo(
            f"{outcome.aggregate_id} is at version {outcome.version}, {outcome.command_type} {outcome.result}{why}"
        )


def _not_parked(aggregate: str, key: str) -> Misconfigured:
    return Misconfigured(f"nothing is parked for {key!r} in {aggregate}: `headrace parked list` says what is")


def _entries(aggregate: Aggregate[Any, Any, Any], settings: Settings, numbers: list[int]) -> Iterator[Entry]:
    """What lies in the parked topic, partition by partition, oldest first."""
    places = [(aggregate.parked_topic, number) for number in numbers]
    admin = admin_client(settings)
    begins = {
        place: it.offset for place, it in list_offsets(admin, dict.fromkeys(places, OffsetSpec.earliest())).items()
    }
    for chunk in read_to(settings, begins, high_watermarks(admin, places)):
        for record in chunk:
            yield Entry(record, read_note(record))


def _waiting(entries: list[Entry]) -> dict[str, list[Entry]]:
    """The commands that wait, by key."""
    queues: dict[str, list[Entry]] = {}
    for entry in entries:
        name = entry.note.aggregate_id
        if entry.note.kind == KEY:
            queues.setdefault(name, []).append(entry)
        elif entry.note.kind == RELEASED:
            queues[name] = [each for each in queues.get(name, ()) if each.note.offset > entry.note.through]
    return {name: queue for name, queue in queues.items() if queue}


def _listed(aggregate: Aggregate[Any, Any, Any], settings: Settings) -> dict[str, Any]:
    entries = list(_entries(aggregate, settings, list(range(settings.partitions))))
    keys = []
    for name, queue in _waiting(entries).items():
        # What somebody's exception says may quote a command: `show` tells it, of one key.
        first = {what: value for what, value in queue[0].place.items() if what != "message"}
        keys.append({"key": name, "commands": len(queue)} | first)
    aside = [entry.place for entry in entries if entry.note.kind == ALONE]
    return {"aggregate": aggregate.name, "parked": keys, "set_aside": aside}


def _content(codec: Codec, record: Record) -> dict[str, Any]:
    try:
        decoded = codec.decode(record.value())
    except Undecodable as error:
        return {"undecodable": str(error)}
    return {"type": decoded.contract.name, "meta": decoded.meta, "fields": decoded.body}


def _release(entry: Entry) -> dict[str, Any]:
    note = entry.note
    return {
        "result": note.result,
        "through": note.through,
        "reason": note.message,
        "actor": note.actor,
        "released_at": entry.record.timestamp()[1],
    }


def _print_table(columns: tuple[str, ...], rows: list[list[Any]]) -> None:
    if rows:
        table = Table(*columns, box=None, pad_edge=False, header_style="dim")
        for row in rows:
            table.add_row(*map(str, row))
        Console(markup=False).print(table)
