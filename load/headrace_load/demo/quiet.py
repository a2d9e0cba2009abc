"""When the demo is over: every command is answered, and every event is in all that projectors fill."""

from confluent_kafka import KafkaException

from headrace_load.verify.database import Database
from headrace_load.verify.records import Ends
from headrace_load.verify.topics import Topics

PROJECTORS = ("orders_v1", "journal")
"""Those that must have begun; any other counts as soon as it has."""


class Quiet:
    """Looks at the stored positions of a domain; ask `answered` until it holds, then `applied`."""

    def __init__(
        self, bootstrap_servers: str, database_url: str, domain: str, projectors: tuple[str, ...] = PROJECTORS
    ) -> None:
        self._projectors = set(projectors)
        self._topics = Topics(bootstrap_servers)
        self._database_url = database_url
        self._domain = domain
        self._partitions = self._topics.partitions(domain)
        self._ends: dict[int, int] = {}

    def answered(self) -> bool:
        """Whether the handlers have committed the end of the command topic."""
        ends = self._topics.ends(self._domain, self._partitions)
        try:
            group = f"headrace.handle.{self._domain}"
            committed = self._topics.committed(group, f"{self._domain}.commands", self._partitions)
        except KafkaException:  # while a transaction settles there is no answer
            return False
        # What a reactor has sent is followed by its transaction's marker, which nobody answers.
        return all(
            (offset or 0) >= end["commands"].high or (offset or 0) > self._newest("commands", number, end)
            for number, (offset, end) in enumerate(zip(committed, ends, strict=True))
        )

    def applied(self) -> bool:
        """Whether all projectors are past the newest event; all commands must be answered before."""
        self._ends = self._ends or self._newest_events()
        with Database(self._database_url) as database:
            found = database.checkpoints(f"{self._domain}.events")
        return all(
            found.get(number, {}).keys() >= self._projectors
            and all(checkpoint.next_offset > newest for checkpoint in found[number].values())
            for number, newest in self._ends.items()
        )

    def _newest_events(self) -> dict[int, int]:
        found = {}
        for number, ends in enumerate(self._topics.ends(self._domain, self._partitions)):
            if (newest := self._newest("events", number, ends)) >= 0:
                found[number] = newest
        return found

    def _newest(self, kind: str, number: int, ends: dict[str, Ends]) -> int:
        """The offset of the newest committed record, -1 for none."""
        newest = -1
        for record in self._topics.records(f"{self._domain}.{kind}", number, ends[kind]):
            newest = record.offset
        return newest
