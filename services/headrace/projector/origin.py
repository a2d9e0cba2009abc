"""What a projector's positions are compared with when it takes partitions over: the topics as Kafka has them."""

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from headrace.kafka.clients import REQUEST_TIMEOUT_S
from headrace.kafka.consumer import Place
from headrace.kernel.errors import Fault, Misconfigured
from headrace.postgres.checkpoint import Origin


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
                f"{projector} stands at offset {offset} of {topic}[{number}], which begins at {low}: the records "
                f"between were deleted; fill a view anew from the journal; nobody else has the outcomes for the audit"
            )
