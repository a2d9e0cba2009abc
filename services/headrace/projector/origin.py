"""What a projector's positions are compared with when it takes partitions over: the topics as Kafka has them."""

import time
from typing import Final

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, ConfigResource, OffsetSpec

from headrace.kafka.clients import REQUEST_TIMEOUT_S
from headrace.kafka.consumer import Place
from headrace.kafka.reading import list_offsets
from headrace.kernel.errors import Fault, Misconfigured
from headrace.postgres.checkpoint import Origin

LAG: Final = "min.compaction.lag.ms"


def find_origin(admin: AdminClient, topics: list[str]) -> Origin:
    """The cluster's id and the topics'; `Fault` when the brokers do not tell."""
    try:
        cluster_id = str(admin.list_topics(topics[0], timeout=REQUEST_TIMEOUT_S).cluster_id)
        found = admin.describe_topics(TopicCollection(topics), request_timeout=REQUEST_TIMEOUT_S)
        return Origin(cluster_id, {name: str(future.result().topic_id) for name, future in found.items()})
    except KafkaException as error:
        raise Fault(f"the brokers do not tell their topics' ids: {error.args[0].str()}") from error


def refuse_impossible(
    projector: str, found: dict[Place, int], earliest: dict[Place, int], latest: dict[Place, int]
) -> None:
    """`Misconfigured` for a position outside of its partition."""
    for (topic, number), offset in found.items():
        low, high = earliest[topic, number], latest[topic, number]
        if offset > high:
            raise Misconfigured(
                f"{projector} stands at offset {offset} of {topic}[{number}], which ends at {high}: the topic was made "
                f"anew, or this is another cluster's database"
            )
        if offset < low:
            raise Misconfigured(
                f"{projector} stands at offset {offset} of {topic}[{number}], which begins at {low}: the events "
                f"between were deleted; fill the view anew from the journal"
            )


def refuse_compacted(admin: AdminClient, projector: str, rewound: dict[Place, int]) -> None:
    """`Misconfigured` unless Kafka is sure to hold every event from these positions on.

    A database that went back in time reads the events again. Kafka keeps what is younger than the topic's
    min.compaction.lag.ms whole; of what is older, compaction may have left each aggregate's newest event only.
    """
    now_ms = int(time.time() * 1000)
    lags = {topic: _compaction_lag_ms(admin, topic) for topic in {topic for topic, _ in rewound}}
    specs = {place: OffsetSpec.for_timestamp(now_ms - lags[place[0]]) for place in rewound}
    ends = list_offsets(admin, dict.fromkeys(rewound, OffsetSpec.latest()))
    for place, info in list_offsets(admin, specs).items():
        whole_from = info.offset if info.offset >= 0 else ends[place].offset
        if rewound[place] < whole_from:
            raise Misconfigured(
                f"{projector}: the database went back to offset {rewound[place]} of {place[0]}[{place[1]}], and Kafka "
                f"may have compacted events below {whole_from}: fill the view anew from a journal that has them"
            )


def _compaction_lag_ms(admin: AdminClient, topic: str) -> int:
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    try:
        found = admin.describe_configs([resource], request_timeout=REQUEST_TIMEOUT_S)[resource].result()
    except KafkaException as error:
        raise Fault(f"the brokers do not tell the settings of {topic}: {error.args[0].str()}") from error
    return int(found[LAG].value)
