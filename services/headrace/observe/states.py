"""Metrics that are a state and no count: read when somebody asks, so that they cost the loop nothing."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from msgspec import Struct, structs
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from headrace.observe.health import Health
from headrace.observe.lag import Behind, Lag
from headrace.observe.metrics import REGISTRY


class Held(Struct, frozen=True):
    """What a service has in memory or parked: parked keys, their records, aggregates, timers, outcomes for resends."""

    parked_keys: int = 0
    parked_records: int = 0
    aggregates: int = 0
    timers: int = 0
    outcomes: int = 0


def total(parts: Iterable[Held]) -> Held:
    """What they hold together."""
    sums = [sum(column) for column in zip(*map(structs.astuple, parts), strict=True)]
    return Held(*sums)


class Watched(Struct, frozen=True):
    """A consumer group's member as it is looked at; `projection` is empty for a handler."""

    group: str
    health: Health
    lag: Lag
    held: Callable[[], Held]
    projection: str = ""
    takeover_s: Callable[[], float] = lambda: 0.0


class States(Collector):
    """What is so at the moment, asked when somebody scrapes."""

    def __init__(self) -> None:
        self._watched: list[Watched] = []

    def watch(self, watched: Watched) -> None:
        """Show this member of a group from now on."""
        self._watched.append(watched)

    def describe(self) -> Iterable[Metric]:
        """The families, without values."""
        return self._families().values()

    def collect(self) -> Iterator[Metric]:
        """The families, with their values."""
        families = self._families()
        for watched in self._watched:
            for name, labels, value in _states(watched):
                families[name].add_metric(labels, value)
        yield from families.values()

    def _families(self) -> dict[str, GaugeMetricFamily]:
        return {name: GaugeMetricFamily(name, text, labels=labels) for name, (text, labels) in GAUGES.items()}


PLACE: Final = ("group", "topic", "partition")
GAUGES: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "headrace_ready": ("1 when the service is ready, as /readyz says.", ("group",)),
    "headrace_heartbeat_age_seconds": ("Since the loop came round last.", ("group",)),
    "headrace_consumer_partitions": ("Partitions that the process owns.", ("group",)),
    "headrace_consumer_halted_partitions": ("Owned partitions that the process does not go on with.", ("group",)),
    "headrace_consumer_position": ("The next offset to be processed; what lies before is committed.", PLACE),
    "headrace_consumer_lag_records": ("Offsets from the position to the last stable one; 0 when all is read.", PLACE),
    "headrace_consumer_lag_seconds": ("How old the next record is at most; 0 when all is read.", PLACE),
    "headrace_consumer_unstable_seconds": ("For how long an open transaction has held back the end.", PLACE),
    "headrace_parked_keys": ("Aggregates that wait because our code broke on one of their records.", ("group",)),
    "headrace_parked_records": ("Records that wait with parked aggregates, the first one included.", ("group",)),
    "headrace_aggregates": ("Aggregates in a handler's memory.", ("group",)),
    "headrace_remembered_outcomes": ("Outcomes in a handler's memory that resends are answered with.", ("group",)),
    "headrace_takeover_age_seconds": ("For how long partitions are being restored; 0 when none are.", ("group",)),
    "headrace_timers": ("Timers of a reactor that have not fired yet.", ("group",)),
    "headrace_projection_lag_seconds": ("Lag of the owned partition that is furthest behind.", ("projection",)),
    "headrace_projection_rebuild_ratio": ("Share of the owned partitions' offsets that is applied.", ("projection",)),
}


def _states(watched: Watched) -> Iterator[tuple[str, list[str], float]]:
    group, found, held = [watched.group], watched.lag.read(), watched.held()
    yield "headrace_ready", group, float(watched.health.is_ready().ok)
    yield "headrace_heartbeat_age_seconds", group, watched.health.silent_s
    yield "headrace_consumer_partitions", group, len(found)
    yield "headrace_consumer_halted_partitions", group, sum(behind.is_halted for behind in found.values())
    yield "headrace_takeover_age_seconds", group, watched.takeover_s()
    yield "headrace_parked_keys", group, held.parked_keys
    yield "headrace_parked_records", group, held.parked_records
    for (topic, number), behind in found.items():
        place = [watched.group, topic, str(number)]
        yield "headrace_consumer_position", place, behind.position
        if behind.records >= 0:
            yield "headrace_consumer_lag_records", place, behind.records
            yield "headrace_consumer_lag_seconds", place, behind.seconds
            yield "headrace_consumer_unstable_seconds", place, behind.unstable_s
    if watched.projection and found:
        yield from _progress(watched.projection, found.values())
    elif not watched.projection:
        yield "headrace_aggregates", group, held.aggregates
        yield "headrace_remembered_outcomes", group, held.outcomes
        yield "headrace_timers", group, held.timers


def _progress(projection: str, found: Iterable[Behind]) -> Iterator[tuple[str, list[str], float]]:
    applied = total = 0
    longest = 0.0
    for behind in found:
        if behind.records < 0:
            return
        applied += behind.position
        total += behind.position + behind.records
        longest = max(longest, behind.seconds)
    yield "headrace_projection_lag_seconds", [projection], longest
    yield "headrace_projection_rebuild_ratio", [projection], applied / total if total else 1.0


STATES: Final = States()
REGISTRY.register(STATES)
