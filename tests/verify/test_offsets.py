"""Offsets that brokers tell, and those that they do not."""

import pytest
from confluent_kafka import OFFSET_INVALID, KafkaError, KafkaException

from headrace_load.verify.topics import ON_THE_MOVE, all_told

ONE, TWO = ("orders.events", 0), ("orders.events", 1)


def test_offsets_are_taken_as_they_are_told() -> None:
    assert all_told({ONE: 0, TWO: 7}) == {ONE: 0, TWO: 7}


def test_a_partition_without_a_leader_has_no_end_that_anybody_could_stand_behind() -> None:
    with pytest.raises(KafkaException) as raised:
        all_told({ONE: 3, TWO: OFFSET_INVALID})
    assert raised.value.args[0].code() == KafkaError.LEADER_NOT_AVAILABLE
    assert raised.value.args[0].code() in ON_THE_MOVE
