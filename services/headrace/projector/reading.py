"""Records as a projector reads them: decoded, or with the reason why they cannot be."""

import time
from collections.abc import Callable
from typing import Final

from structlog import get_logger

from headrace.avro.codec import PREFIX_LENGTH, Codec, Decoded, UnknownSchema
from headrace.avro.contract import read_lock
from headrace.avro.ids import Ids, codec_with, fetched_ids
from headrace.avro.registry import Registry, Silent
from headrace.kafka.records import Record
from headrace.kernel.app import App
from headrace.kernel.errors import Fault
from headrace.kernel.message import EventMeta, Outcome
from headrace.observe.health import Health
from headrace.projector.reasons import printable
from headrace.settings import Settings

# A service of a newer version may write before this one's schemas are there: a deploy takes seconds.
SCHEMA_PATIENCE_S: Final = 30.0
PAUSE_S: Final = 0.5

Pair = tuple[Record, Decoded]
Unreadable = tuple[Record, Exception]

log = get_logger("headrace.projector")


class RecordReader:
    """Decodes records; one of an unknown schema is waited for, once per schema.

    A view's events are decoded up to their state, which is decoded when the view asks for it; others as `decode` does.
    """

    def __init__(
        self,
        app: App,
        settings: Settings,
        is_stopping: Callable[[], bool] = lambda: False,
        patience_s: float = SCHEMA_PATIENCE_S,
        decode: Callable[[Codec, bytes], Decoded] = Codec.decode_event,
        health: Health | None = None,
    ) -> None:
        self._app = app
        self._settings = settings
        self._is_stopping = is_stopping
        self._patience_s = patience_s
        self._ids = fetched_ids(app, settings, health)
        self._registry = Registry(settings.registry) if settings.registry else None
        self._codec = codec_with(app, settings, self._ids)
        self._decode = decode
        self._given_up: set[bytes] = set()

    def read(self, records: list[Record]) -> tuple[list[Pair], list[Unreadable]]:
        """The records that can be read, decoded, and those that cannot, with the reason.

        A record without a value is neither: it follows an event that says that the aggregate is erased.
        """
        pairs: list[Pair] = []
        unreadable: list[Unreadable] = []
        codec, decode = self._codec, self._decode
        for record in records:
            value = record.value()
            if value is None:
                continue
            try:
                pairs.append((record, decode(codec, value)))
            except MemoryError:
                raise
            except Exception as error:  # noqa: BLE001 - an upcast is the domain's code, and may raise anything
                unreadable.append((record, error))
        if unreadable and self._is_worth_waiting(unreadable):
            return self.read(records)
        return pairs, unreadable

    def _is_worth_waiting(self, unreadable: list[Unreadable]) -> bool:
        """Wait for the schemas that are unknown; whether one of them has come."""
        values = [record.value() or b"" for record, error in unreadable if isinstance(error, UnknownSchema)]
        missing = {value[:PREFIX_LENGTH]: value for value in values if value[:PREFIX_LENGTH] not in self._given_up}
        deadline = time.monotonic() + self._patience_s
        while missing and not self._is_stopping():
            self._reload({number_of(prefix) for prefix in missing})
            if any(self._knows(value) for value in missing.values()):
                return True
            if time.monotonic() > deadline:
                self._given_up.update(missing)
                return False
            log.warning("waiting for schemas", ids=sorted(map(number_of, missing)))
            time.sleep(PAUSE_S)
        return False

    def _reload(self, missing: set[int]) -> None:
        """Read the lock file anew, and ask the registry, if there is one, what the missing ids mean."""
        try:
            if self._ids and self._registry:
                self._learn(missing, self._ids, self._registry)
            self._codec = codec_with(self._app, self._settings, self._ids)
        except Fault as error:  # a lock file in the middle of its change, or one of a newer app than this process
            log.warning("the lock file cannot be used", why=str(error))

    def _learn(self, missing: set[int], ids: Ids, registry: Registry) -> None:
        catalogue = read_lock(self._settings.schemas)
        try:
            for number in sorted(missing):
                ids.learn(number, catalogue, registry)
        except Silent as error:
            log.warning("the schema registry cannot be asked", why=str(error))

    def _knows(self, value: bytes) -> bool:
        try:
            self._codec.decode(value)
        except UnknownSchema:
            return False
        except Exception:  # noqa: BLE001 - whatever else is wrong with it, its schema is there
            return True
        return True


def number_of(prefix: bytes) -> int:
    """The schema id in a record's first bytes."""
    return int.from_bytes(prefix[1:PREFIX_LENGTH], "big")


def told(decoded: Decoded) -> EventMeta | Outcome:
    """What says which command a record follows from: an event's meta, or an outcome itself."""
    said: EventMeta | Outcome = decoded.meta or decoded.body
    return said


def newest_command(pairs: list[Pair]) -> int:
    """The highest offset of a command that these records follow from; what a redrive led to comes behind newer ones."""
    return max((told(decoded).command_offset for _, decoded in pairs), default=-1)


def key_of(record: Record) -> str:
    """The aggregate's id, as the record's key says it; of a foreign record as text that Postgres can hold."""
    return printable((record.key() or b"").decode(errors="backslashreplace"))
