"""Mutants of taking over a partition, and of being put out of one."""

from collections.abc import Iterator
from typing import Any, Final

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, TopicPartition

from headrace.kafka.clients import admin_client
from headrace.kafka.records import Place
from headrace.settings import Settings
from headrace_load.mutants.wrapping import Mutant, Strikes


class Unsettled:
    """A consumer that tells its group's offsets at once, whatever an open transaction may still do to them."""

    def __init__(self, consumer: Any, settings: Settings, group: str) -> None:
        self._consumer = consumer
        self._admin = admin_client(settings)
        self._group = group

    def __getattr__(self, name: str) -> Any:
        return getattr(self._consumer, name)

    def committed(self, places: list[Place], *_timeout: float, **_named: float) -> dict[Place, int]:
        """The offsets as they are at the moment."""
        wanted = [TopicPartition(*place) for place in places]
        asked = [ConsumerGroupTopicPartitions(self._group, wanted)]
        found = self._admin.list_consumer_group_offsets(asked, require_stable=False)[self._group].result()
        return {(entry.topic, entry.partition): entry.offset for entry in found.topic_partitions}


def restore_first(right: Any, strikes: Strikes, takeover: Any, consumer: Any, numbers: list[int], *more: Any) -> Any:
    """A partition is restored before its predecessor's offsets are settled."""
    name = takeover._aggregate.name  # noqa: SLF001
    unsettled = Unsettled(consumer, takeover._settings, f"headrace.handle.{name}")  # noqa: SLF001
    partitions, _ = yield from right(takeover, unsettled, numbers, *more)
    strikes.from_then_on()
    starts = yield from takeover.settled_offsets(consumer, [(f"{name}.commands", number) for number in numbers])
    return partitions, {place: max(offset, 0) for place, offset in starts.items()}


def restore_uncommitted(right: Any, strikes: Strikes, settings: Settings) -> dict[str, Any]:
    """A partition's past is read with what was never committed."""
    config: dict[str, Any] = right(settings)
    return config | {"isolation.level": "read_uncommitted"} if strikes.from_then_on() else config


def skip_in_restore(
    right: Any, strikes: Strikes, settings: Settings, starts: dict[Place, int], ends: dict[Place, int]
) -> Iterator[list[Any]]:
    """An event is passed over when a partition's past is read."""
    for chunk in right(settings, starts, ends):
        yield [record for record in chunk if not (record.topic().endswith(".events") and strikes.once())]


def lose_state(right: Any, strikes: Strikes, partition: Any, aggregates: dict[str, Any]) -> None:
    """An aggregate is not there after a takeover."""
    right(partition, {name: state for name, state in aggregates.items() if not strikes.once()})


def tell_no_restore(right: Any, strikes: Strikes, instance: str, restored_to: int) -> Any:
    """Events do not say how far the partition's past was read before they were written."""
    return right(instance, -1 if strikes.from_then_on() else restored_to)


def lose_parked(right: Any, strikes: Strikes, parking: Any, *recalled: Any) -> None:
    """Nobody waits any more after a takeover."""
    if not strikes.from_then_on():
        right(parking, *recalled)


def forget_window(right: Any, strikes: Strikes, window: Any, *outcome: Any) -> None:
    """No answer is remembered over a takeover."""
    if not strikes.from_then_on():
        right(window, *outcome)


class Stranger(Consumer):
    """A member of a group that shows the metadata of nobody: the broker takes its offsets unchecked."""

    def __init__(self, config: dict[str, Any], strikes: Strikes) -> None:
        super().__init__(config)
        self._strikes = strikes
        self._group = config["group.id"]

    def consumer_group_metadata(self) -> Any:
        """Metadata without a member and without a generation."""
        nobody = Consumer({"group.id": self._group})
        self._strikes.from_then_on()
        return nobody.consumer_group_metadata()


def show_no_generation(_right: Any, strikes: Strikes, config: dict[str, Any]) -> Consumer:
    """The group does not learn from whom offsets come, and takes them from a member that it has put out."""
    return Stranger(config, strikes)


MUTANTS: Final = (
    Mutant(restore_first, "headrace.handler.takeover:Takeover.restore", "versions"),
    Mutant(restore_uncommitted, "headrace.kafka.reading:reader_config", "resends"),
    Mutant(skip_in_restore, "headrace.handler.takeover:read_to", "restored"),
    Mutant(lose_state, "headrace.handler.partition:Partition.restore", "versions"),
    Mutant(tell_no_restore, "headrace.handler.takeover:Writer", "writers"),
    Mutant(lose_parked, "headrace.handler.parking:Parking.recall", "parking"),
    Mutant(forget_window, "headrace.handler.window:Window.recall", "resends"),
    Mutant(show_no_generation, "headrace.kafka.consumer:Consumer", "versions"),
)
