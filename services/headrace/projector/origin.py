"""What a projector's positions are compared with when it takes partitions over: the topics as Kafka has them."""

import contextlib

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient
from structlog import get_logger

from headrace.kafka.clients import REQUEST_TIMEOUT_S
from headrace.kafka.consumer import BatchConsumer
from headrace.kafka.records import Place
from headrace.kernel.errors import Fault, Misconfigured
from headrace.postgres.checkpoint import Origin

log = get_logger("headrace.projector")


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
    """`Misconfigured` for a position outside of its partition, but for one right before its beginning."""
    for (topic, number), offset in found.items():
        low, high = earliest[topic, number], latest[topic, number]
        if offset > high:
            raise Misconfigured(
                f"{projector} stands at offset {offset} of {topic}[{number}], which ends at {high}: the topic was made "
                f"anew, or this is another cluster's database"
            )
        if offset == low - 1:  # the mark of the last record's transaction, which retention has removed with it
            log.warning("the log begins behind the position", projector=projector, topic=topic, partition=number)
        elif offset < low:
            raise Misconfigured(
                f"{projector} stands at offset {offset} of {topic}[{number}], which begins at {low}: the records "
                f"between were deleted; fill a view anew from the journal; nobody else has the outcomes for the audit"
            )


def tell_rewound(projector: str, consumer: BatchConsumer, found: dict[Place, int]) -> None:
    """Offsets are told to Kafka after they were committed here: if it knows later ones, the database went back."""
    hints: dict[Place, int] = {}
    with contextlib.suppress(KafkaException):  # a hint, and no more
        hints = consumer.committed(list(found), REQUEST_TIMEOUT_S)
    rewound = {place: offset for place, offset in found.items() if hints.get(place, -1) > offset}
    if rewound:
        log.warning("the database went back: events are read again", projector=projector, partitions=sorted(rewound))
