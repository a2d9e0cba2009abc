"""From where on a compacted topic is sure to hold every record."""

import time
from collections.abc import Collection
from typing import Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, OffsetSpec

from headrace.kafka.clients import REQUEST_TIMEOUT_S
from headrace.kafka.consumer import Place
from headrace.kafka.reading import list_offsets
from headrace.kernel.errors import Fault

LAG: Final = "min.compaction.lag.ms"
HALF: Final = 0.5
"""A share of the lag that leaves the other half for the reading."""


def whole_from(admin: AdminClient, places: Collection[Place], share: float = 1.0) -> dict[Place, int]:
    """The first offset of each partition behind which nothing can have been compacted away.

    Kafka keeps what is younger than the topic's min.compaction.lag.ms whole; of what is older, compaction may have left
    each aggregate's newest event only. A `share` of that lag leaves the rest of it for the reading.
    """
    if not places:
        return {}
    now_ms = int(time.time() * 1000)
    lags = {topic: compaction_lag_ms(admin, topic) for topic in {topic for topic, _ in places}}
    # The ends first: what is appended meanwhile is young, and lies behind them.
    ends = list_offsets(admin, dict.fromkeys(places, OffsetSpec.latest()))
    found = list_offsets(
        admin, {place: OffsetSpec.for_timestamp(now_ms - round(lags[place[0]] * share)) for place in places}
    )
    return {place: info.offset if info.offset >= 0 else ends[place].offset for place, info in found.items()}


def compaction_lag_ms(admin: AdminClient, topic: str) -> int:
    """How old records must be before Kafka may compact them."""
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    try:
        found = admin.describe_configs([resource], request_timeout=REQUEST_TIMEOUT_S)[resource].result()
    except KafkaException as error:
        raise Fault(f"the brokers do not tell the settings of {topic}: {error.args[0].str()}") from error
    return int(found[LAG].value)
