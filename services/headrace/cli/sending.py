"""`headrace send` and `headrace tail`: one command in, and what happens, as it happens."""

from typing import Annotated, Any

import msgspec
import typer
from confluent_kafka import Consumer, KafkaError, TopicPartition
from msgspec import Struct, inspect, structs

from headrace.avro.codec import Codec, Undecodable, Unencodable
from headrace.avro.ids import open_codec
from headrace.cli.options import SHIPPED, AppPath, AsJson, load_app, plain, print_json
from headrace.client import Client, Unanswered, new_meta
from headrace.importing.fields import difference
from headrace.kafka.clients import admin_client, reader_config
from headrace.kafka.reading import high_watermarks
from headrace.kafka.records import Record, headers_of
from headrace.kernel.aggregate import Aggregate
from headrace.kernel.errors import Misconfigured
from headrace.kernel.message import ACCEPTED
from headrace.settings import read_settings


def send(
    aggregate: Annotated[str, typer.Argument(help="For example orders.")],
    command: Annotated[str, typer.Argument(help="For example PayOrder.")],
    aggregate_id: Annotated[str, typer.Option("--id", help="The aggregate's id, which is also the record's key.")],
    field: Annotated[
        list[str] | None, typer.Option(help="name=value, once a field; a list or a record as JSON.")
    ] = None,
    command_id: Annotated[str | None, typer.Option(help="A UUID; send the same again to resend.")] = None,
    issued_at: Annotated[
        int | None, typer.Option(min=0, help="Milliseconds since 1970, as the first time; else it is issued now.")
    ] = None,
    expected_version: Annotated[int | None, typer.Option(help="Refuse unless the aggregate is at it.")] = None,
    actor: Annotated[str | None, typer.Option(help="Who asks.")] = None,
    timeout: Annotated[float, typer.Option(min=0, help="Seconds to wait for the outcome.")] = 30.0,
    app_path: AppPath = SHIPPED,
    as_json: AsJson = False,
) -> None:
    """Send one command and print its outcome; exit code 1 when it is refused or no outcome comes in time."""
    settings = read_settings()
    app = load_app(app_path)
    target = app.aggregate(aggregate)
    body = _command(target, command, field or [])
    meta = new_meta(aggregate_id, command_id, issued_at, expected_version, actor)
    with Client(app, settings) as client:
        try:
            outcome = client.ask_with(target, body, meta, timeout)
        except Unencodable as error:
            raise Misconfigured(str(error)) from error
        except Unanswered as error:
            typer.echo(f"{error}\nresend: --command-id {error.command_id} --issued-at {error.issued_at}")
            raise typer.Exit(1) from error
    if as_json:
        print_json(outcome)
    else:
        why = f": {outcome.code}: {outcome.message}" if outcome.code else ""
        again = ", a repeat" if outcome.repeated else ""
        typer.echo(f"{outcome.result}{again} at version {outcome.version}{why}")
    if outcome.result != ACCEPTED:
        raise typer.Exit(1)


def tail(
    aggregate: Annotated[str, typer.Argument(help="For example orders.")],
    kind: Annotated[str, typer.Option(help="events, outcomes, commands or parked.")] = "events",
    aggregate_id: Annotated[str | None, typer.Option("--id", help="Only this aggregate.")] = None,
    from_beginning: Annotated[bool, typer.Option(help="All that the topic holds, not only what comes.")] = False,
    follow: Annotated[bool, typer.Option(help="Go on when the end is reached.")] = True,
    app_path: AppPath = SHIPPED,
    as_json: AsJson = False,
) -> None:
    """Print the records of a topic, decoded, until interrupted."""
    settings = read_settings()
    app = load_app(app_path)
    names = dict(zip(("commands", "events", "outcomes", "parked"), app.aggregate(aggregate).topics, strict=True))
    if kind not in names:
        raise Misconfigured(f"--kind {kind!r}: one of {', '.join(names)}")
    codec = open_codec(app, settings)
    topic = names[kind]
    places = [(topic, number) for number in range(settings.partitions)]
    ends = high_watermarks(admin_client(settings), places)
    consumer = Consumer(reader_config(settings) | {"auto.offset.reset": "earliest"})
    consumer.assign([TopicPartition(*place, 0 if from_beginning else ends[place]) for place in places])
    remaining = {place for place in places if from_beginning and ends[place] > 0}
    try:
        while follow or remaining:
            message: Any = consumer.poll(0.5)
            if message is None:
                continue
            if message.error() is not None:
                if message.error().code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
                    remaining.discard((topic, message.partition()))
                continue
            if aggregate_id is None or message.key() == aggregate_id.encode():
                _print_record(codec, message, as_json=as_json)
    except KeyboardInterrupt:
        pass
    finally:
        consumer.close()


def _print_record(codec: Codec, record: Record, *, as_json: bool) -> None:
    place: dict[str, Any] = {
        "partition": record.partition(),
        "offset": record.offset(),
        "log_time": record.timestamp()[1],
        "headers": _headers(record),
    }
    key = (record.key() or b"").decode(errors="replace")
    try:
        decoded = codec.decode(record.value())
    except Undecodable as error:
        shown: dict[str, Any] = {**place, "key": key, "undecodable": str(error)}
    else:
        parts = {"meta": decoded.meta, "fields": decoded.body, "state": decoded.state}
        shown = {
            **place,
            "key": key,
            "type": decoded.contract.name,
            **{k: v for k, v in parts.items() if v is not None},
        }
    if as_json:
        print_json(shown)
    else:
        name = shown.get("type", "?")
        rest = plain(msgspec.json.encode(shown.get("fields", shown)).decode())
        # What others have written is shown as it is: no markup, no wrapping, and nothing that a terminal obeys.
        typer.echo(f"{place['partition']}:{place['offset']} {plain(key)} {typer.style(name, bold=True)} {rest}")


def _headers(record: Record) -> dict[str, str]:
    return {name: value.decode(errors="replace") for name, value in headers_of(record.headers)}


def _command(aggregate: Aggregate[Any, Any, Any], name: str, given: list[str]) -> Struct:
    types = {kind.__name__: kind for kind in aggregate.command_types}
    if name not in types:
        raise Misconfigured(f"{aggregate.name} has no command {name!r}; it has: {', '.join(types)}")
    fields = _fields(name, types[name], given)
    try:
        command: Struct = msgspec.convert(fields, types[name], strict=False)
    except msgspec.ValidationError as error:
        raise Misconfigured(f"{name}: {error}") from error
    if problem := difference(fields, command, name):
        raise Misconfigured(f"--field: {problem}")
    return command


def _fields(name: str, kind: type[Struct], given: list[str]) -> dict[str, Any]:
    """The values by their fields; what begins like JSON is that, unless the field is a text."""
    types = {entry.encode_name: entry.type for entry in structs.fields(kind)}
    fields: dict[str, Any] = {}
    for text in given:
        field, separator, value = text.partition("=")
        if not separator:
            raise Misconfigured(f"--field {text!r}: write name=value")
        if field not in types:
            raise Misconfigured(f"{name} has no field {field}; it has: {', '.join(types)}")
        if field in fields:
            raise Misconfigured(f"--field {field} comes twice: which is it?")
        fields[field] = value
        if value[:1] in ("[", "{") and not _is_text(types[field]):
            try:
                fields[field] = msgspec.json.decode(value)
            except msgspec.DecodeError as error:
                raise Misconfigured(f"--field {field}: not JSON: {error}") from error
    return fields


def _is_text(kind: Any) -> bool:
    """Whether a field holds a text, or perhaps none, and nothing else."""
    info = inspect.type_info(kind)
    kinds = info.types if isinstance(info, inspect.UnionType) else (info,)
    return all(isinstance(it, (inspect.StrType, inspect.NoneType)) for it in kinds)
