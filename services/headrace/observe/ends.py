"""Asks the brokers now and then where a consumer's partitions end, whatever its loop is waiting for."""

import threading
from typing import Final, Self

from confluent_kafka import IsolationLevel, KafkaException
from confluent_kafka.admin import AdminClient, OffsetSpec

from headrace.kafka.reading import read_offsets, read_to
from headrace.kafka.records import Place
from headrace.kernel.errors import Fault
from headrace.observe.health import Health
from headrace.observe.lag import Lag
from headrace.settings import Settings

INTERVAL_S: Final = 2.0
LAST_S: Final = 1.0
"""How long the end of the loop waits for a request under way."""
SUSPICIOUS_S: Final = 30.0
"""After so long without a move a partition is looked at from outside of its consumer."""


class Ends:
    """Keeps a `Lag` informed within its `with`, and tells `Health` of a partition that stands still.

    A consumer that gets no records although there are some is not seen by its loop, which comes round as ever. Where
    compaction has taken what lay before the end, there are none: another reader finds that out.
    """

    def __init__(self, settings: Settings, admin: AdminClient, lag: Lag, health: Health) -> None:
        self._settings = settings
        self._admin = admin
        self._lag = lag
        self._health = health
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="ends", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(LAST_S)

    def _watch(self) -> None:
        while not self._over.wait(INTERVAL_S):
            self.ask()

    def ask(self) -> None:
        """Ask once."""
        places = self._lag.places
        if not places:
            return
        try:
            stable = self._latest(places, IsolationLevel.READ_COMMITTED)
            high = self._latest(places, IsolationLevel.READ_UNCOMMITTED)
        except (Fault, KafkaException):
            self._lag.unseen()
            return
        self._lag.ends(stable, high)
        limit_s, batch = self._health.limit_s, self._settings.batch_size
        long_since = self._lag.stalled(limit_s, batch)
        for place, (position, end) in self._lag.stalled(min(SUSPICIOUS_S, limit_s), batch).items():
            if not self._has_records(place, position, end):
                self._lag.nothing_between(place, position, end)
            elif place in long_since:
                self._health.fail(f"{place[0]}[{place[1]}] stands still at offset {position} of {end}, {limit_s:.0f} s")

    def _has_records(self, place: Place, position: int, end: int) -> bool:
        """Whether another reader finds a record there; a partition that cannot be read is taken to have some."""
        try:
            return any(read_to(self._settings, {place: position}, {place: end}))
        except (Fault, KafkaException):
            return True

    def _latest(self, places: list[Place], isolation: IsolationLevel) -> dict[Place, int]:
        return read_offsets(self._admin, places, OffsetSpec.latest(), isolation)
