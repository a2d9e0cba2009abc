"""How far the handlers and the projectors are behind, as the brokers and the database tell."""

import contextlib
import time
from typing import Final, Self

import psycopg
from confluent_kafka import KafkaException

from headrace.app import shop
from headrace.settings import Settings
from headrace_load.generator.check import DOMAIN, VIEW
from headrace_load.observe.positions import Checkpoints, Ends, KafkaPositions

PATIENCE_S: Final = 30.0


class Lag:
    """Looks at a domain's offsets; use it in a `with`."""

    def __init__(self, settings: Settings) -> None:
        self._partitions = settings.partitions
        aggregate = shop.aggregate(DOMAIN)
        self._commands = aggregate.command_topic
        self._answers = (aggregate.event_topic, aggregate.outcome_topic)
        self._view = shop.view(VIEW).schema
        self._kafka = KafkaPositions(settings.kafka, DOMAIN)
        self._checkpoints = Checkpoints(settings.database, DOMAIN)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._kafka.close()
        self._checkpoints.close()

    def unanswered(self) -> int | None:
        """Commands in the log that the handlers have not committed; None while the brokers do not say."""
        with contextlib.suppress(KafkaException):
            ends = self._kafka.stable((self._commands,), self._partitions)
            committed = self._kafka.committed(self._partitions)
            return sum(max(0, end - max(committed.get(number, 0), 0)) for (_, number), end in ends.items())
        return None

    def commands(self) -> int:
        """How many records the command topic has ever held."""
        return sum(self._ends_of(self._commands).values())

    def ends(self) -> Ends:
        """Where readers of committed events and outcomes stop now."""
        return self._ends_of(*self._answers)

    def _ends_of(self, *topics: str) -> Ends:
        """Asked again where a busy broker does not answer in time."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return self._kafka.stable(topics, self._partitions)
            except KafkaException:
                if time.monotonic() > deadline:
                    raise

    def behind_the_view(self) -> list[str]:
        """The projectors that have not applied what the view has; those without a checkpoint do not run."""
        try:
            found = self._checkpoints.read()
        except psycopg.Error:
            return ["all of them, while the database is away"]
        wanted = {number: offset for (projector, number), offset in found.items() if projector == self._view}
        return sorted(
            {name for (name, _) in found if any(found.get((name, n), 0) < offset for n, offset in wanted.items())}
        )
