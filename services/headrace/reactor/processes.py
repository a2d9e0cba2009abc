"""Which processes are under way, how old they are in log time, and what they wait for: as the log has them now."""

from collections.abc import Iterator

from msgspec import Struct

from headrace.avro.codec import peek_version
from headrace.avro.ids import open_codec
from headrace.kafka.clients import admin_client
from headrace.kafka.reading import read_whole
from headrace.kafka.records import Record
from headrace.kernel.app import App
from headrace.kernel.errors import Misconfigured
from headrace.settings import Settings


class OpenProcess(Struct, frozen=True):
    """A process that is not over: its aggregate's id and version, and the step that it waits for.

    `began_at` and `waits_since` are log times in milliseconds. Where compaction has taken a process's first events, it
    began earlier than `began_at` says, and `is_older` is true.
    """

    reactor: str
    process: str
    id: str
    version: int
    waits_for: str
    began_at: int
    waits_since: int
    is_older: bool


class Seen(Struct):
    """What was read of one process: its oldest event's time and version, and its newest event."""

    began_at: int
    from_version: int
    newest: Record


def open_processes(app: App, name: str, settings: Settings) -> Iterator[OpenProcess]:
    """The open processes of one reactor, the one that has waited longest first; `Misconfigured` if it has none."""
    reactor = app.reactor(name)
    if not reactor.process:
        raise Misconfigured(
            f"reactor {name} does not say which aggregate its processes are: set process= and waits_for= on the Reactor"
        )
    topic = app.aggregate(reactor.process).event_topic
    codec = open_codec(app, settings)
    found = []
    for process_id, seen in _read(topic, settings).items():
        record = seen.newest
        decoded = codec.decode_event(record.value(), whole=True)
        waits_for = reactor.waits_for(decoded.state)
        if waits_for is not None:
            version, since = decoded.meta.version, record.timestamp()[1]
            is_older = seen.from_version > 1
            began_at = seen.began_at
            found.append(OpenProcess(name, reactor.process, process_id, version, waits_for, began_at, since, is_older))
    yield from sorted(found, key=lambda process: (process.waits_since, process.id))


def _read(topic: str, settings: Settings) -> dict[str, Seen]:
    places = [(topic, number) for number in range(settings.partitions)]
    seen: dict[str, Seen] = {}
    for chunk in read_whole(admin_client(settings), settings, places):
        for record in chunk:
            _see(seen, record)
    return seen


def _see(seen: dict[str, Seen], record: Record) -> None:
    key, frame = (record.key() or b"").decode(), record.value()
    if frame is None:
        seen.pop(key, None)
        return
    known = seen.get(key)
    if known is None:
        seen[key] = Seen(record.timestamp()[1], peek_version(frame), record)
    else:
        known.newest = record
