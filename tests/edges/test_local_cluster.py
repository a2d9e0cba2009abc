"""Three local brokers as one cluster: any of them may go, and it can be told who does what."""

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from headrace.local import LocalKafkaCluster, LocalServerError
from headrace.local.cluster import java_hash
from headrace.local.process import until

pytestmark = pytest.mark.edge

TOPIC = "kept-three-times"


def test_what_is_written_outlives_the_broker_that_led_it(cluster: LocalKafkaCluster) -> None:
    address = cluster.bootstrap_servers
    admin = AdminClient({"bootstrap.servers": address})
    admin.create_topics([NewTopic(TOPIC, 1, 3)])[TOPIC].result(20)
    producer = Producer({"bootstrap.servers": address, "acks": "all", "log_level": 0})
    producer.produce(TOPIC, b"before the crash", partition=0)
    assert producer.flush(20) == 0
    cluster.wait_until_in_sync()
    leader = cluster.leader_of(TOPIC, 0)
    cluster.kill(leader)
    assert cluster.running == [number for number in (1, 2, 3) if number != leader]
    assert until(lambda: leads(cluster) not in (None, leader), 30), "another broker leads"
    cluster.start(leader)
    cluster.wait_until_in_sync()
    assert cluster.bootstrap_servers == address
    assert recall(address) == b"before the crash"


def test_it_is_told_which_broker_coordinates_and_which_controls(cluster: LocalKafkaCluster) -> None:
    producer = Producer({"bootstrap.servers": cluster.bootstrap_servers, "transactional.id": "told", "log_level": 0})
    producer.init_transactions(60)
    coordinator = cluster.transaction_coordinator_of("told")
    state = cluster.brokers[coordinator].directory / "data" / f"__transaction_state-{java_hash('told') % 4}"
    assert state.is_dir()
    assert cluster.controller() in cluster.running


def test_a_partition_that_is_not_there_has_no_leader(cluster: LocalKafkaCluster) -> None:
    with pytest.raises(LocalServerError, match=r"no broker leads nowhere\[7\]"):
        cluster.leader_of("nowhere", 7)


@pytest.mark.parametrize(
    ("text", "known"),
    [("", 0), ("a", 97), ("headrace.handle.orders", 472364782), ("polygenelubricants", 0), ("Aa😀", 3802531)],
)
def test_names_are_hashed_as_java_does(text: str, known: int) -> None:
    assert java_hash(text) == known


def leads(cluster: LocalKafkaCluster) -> int | None:
    try:
        return cluster.leader_of(TOPIC, 0)
    except LocalServerError:
        return None


def recall(address: str) -> bytes | None:
    consumer = Consumer({"bootstrap.servers": address, "group.id": "recall", "log_level": 0})
    consumer.assign([TopicPartition(TOPIC, 0, 0)])
    message = consumer.poll(20)
    consumer.close()
    return message.value() if message else None
