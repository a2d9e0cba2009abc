"""From where on a compacted topic is sure to hold every record."""

import time
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, OffsetSpec

from headrace.kafka.clients import REQUEST_TIMEOUT_S
from headrace.kafka.reading import list_offsets
from headrace.kafka.records import Place, Record
from headrace.kernel.errors import Fault

LAG: Final = "min.compaction.lag.ms"
HALF: Final = 0.5
"""A share of the lag that leaves the other half for the reading."""
HELD_BACK_MS: Final = 60_000
"""An event may be as old as its transaction when it can be read at last, however short the lag is."""


def whole_from(
    admin: AdminClient, places: Collection[Place], lags_ms: Mapping[str, int], share: float = 1.0
) -> dict[Place, int]:
    """The first offset of each partition behind which nothing can have been compacted away.

    Kafka keeps what is younger than the topic's min.compaction.lag.ms whole; of what is older, compaction may have left
    each aggregate's newest event only. A `share` of that lag, in milliseconds by topic, leaves the rest of it for the
    reading.
    """
    if not places:
        return {}
    now_ms = int(time.time() * 1000)
    # The ends first: what is appended meanwhile is young, and lies behind them.
    ends = list_offsets(admin, dict.fromkeys(places, OffsetSpec.latest()))
    found = list_offsets(
        admin, {place: OffsetSpec.for_timestamp(now_ms - round(lags_ms[place[0]] * share)) for place in places}
    )
    return {place: info.offset if info.offset >= 0 else ends[place].offset for place, info in found.items()}


def is_late(first: Record, lag_ms: int) -> bool:
    """Whether a batch's first record is so old that compaction may have taken others before it.

    Of what compaction takes it leaves the newest of a key, which is as old: whoever misses something sees that.
    """
    return first.timestamp()[1] < time.time() * 1000 - max(lag_ms, HELD_BACK_MS)


def compaction_lags_ms(admin: AdminClient, places: Iterable[Place]) -> dict[str, int]:
    """How old records must be before Kafka may compact them, by topic of these partitions."""
    names = sorted({topic for topic, _ in places})
    if not names:
        return {}
    resources = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in names]
    try:
        found = admin.describe_configs(resources, request_timeout=REQUEST_TIMEOUT_S)
        return {resource.name: int(future.result()[LAG].value) for resource, future in found.items()}
    except KafkaException as error:
        raise Fault(f"the brokers do not tell the settings of {', '.join(names)}: {error.args[0].str()}") from error
