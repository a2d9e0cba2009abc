"""The client where no broker answers: what it says of commands that nobody has."""

import pytest
from confluent_kafka.admin import AdminClient

from headrace.client import CommandClient
from headrace.kafka.topics import refuse_other_counts
from headrace.kernel.errors import Fault
from headrace.kernel.message import CommandMeta
from headrace.orders.commands import CancelOrder
from headrace.orders.decider import orders
from headrace.settings import Settings
from messages import shipped_codec


def test_a_flush_that_no_broker_answers_says_how_long_it_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace.client.DELIVERY_TIMEOUT_S", 0.1)
    nowhere = Settings(KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1", HEADRACE_PROFILE="local")
    client = CommandClient(shipped_codec(), nowhere)
    client.send(orders, CancelOrder("late"), CommandMeta(command_id="c", aggregate_id="o-1"))
    with pytest.raises(Fault, match="delivered: no broker has taken 1 of them within 0 s"):
        client.flush()


def test_brokers_that_do_not_tell_of_topics_have_the_time_that_they_are_given_and_nothing_is_sent() -> None:
    admin = AdminClient({"bootstrap.servers": "127.0.0.1:1", "log_level": 2})
    with pytest.raises(Fault, match=r"the brokers do not tell of orders\.commands: .*; nothing was sent"):
        refuse_other_counts(admin, ["orders.commands"], 4, 0.2)
