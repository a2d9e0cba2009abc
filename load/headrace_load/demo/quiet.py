"""When the demo is over: every command is answered, and every event is in all that projectors fill."""

from confluent_kafka import KafkaException

from headrace_load.verify.database import Database
from headrace_load.verify.topics import Topics

PROJECTORS = {"orders_v1", "journal"}
"""Those that must have begun; any other counts as soon as it has."""


class Quiet:
    """Looks at the stored positions of a domain; ask `answered` until it holds, then `applied`."""

    def __init__(self, bootstrap_servers: str, database_url: str, domain: str) -> None:
        self._topics = Topics(bootstrap_servers)
        self._database_url = database_url
        self._domain = domain
        self._partitions = self._topics.partitions(domain)
        self._ends: dict[int, int] = {}

    def answered(self) -> bool:
        """Whether the handlers have committed the end of the command topic."""
        ends = [kinds["commands"].high for kinds in self._topics.ends(self._domain, self._partitions)]
        try:
            group = f"headrace.handle.{self._domain}"
            committed = self._topics.committed(group, f"{self._domain}.commands", self._partitions)
        except KafkaException:  # while a transaction settles there is no answer
            return False
        return all((offset or 0) >= end for offset, end in zip(committed, ends, strict=True))

    def applied(self) -> bool:
        """Whether all projectors are past the newest event; all commands must be answered before."""
        self._ends = self._ends or self._newest_events()
        with Database(self._database_url) as database:
            found = database.checkpoints(f"{self._domain}.events")
        return all(
            found.get(number, {}).keys() >= PROJECTORS
            and all(checkpoint.next_offset > newest for checkpoint in found[number].values())
            for number, newest in self._ends.items()
        )

    def _newest_events(self) -> dict[int, int]:
        newest = {}
        for number, ends in enumerate(self._topics.ends(self._domain, self._partitions)):
            for record in self._topics.records(f"{self._domain}.events", number, ends["events"]):
                newest[number] = record.offset
        return newest
