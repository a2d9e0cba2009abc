"""Headers that only other clients send: a name that is no UTF-8, which our own client cannot even write."""

import ctypes
from pathlib import Path
from typing import Any, Final

import confluent_kafka
import pytest

from headrace.accounts.commands import DepositMoney, OpenAccount
from headrace.kernel.message import CommandMeta
from running import Running

pytestmark = [pytest.mark.edge, pytest.mark.timeout(300)]

# librdkafka's own tags of the arguments of `rd_kafka_producev`, and what it does with the value.
TOPIC, KEY, VALUE, FLAGS, HEADER, END = 1, 5, 4, 7, 9, 0
COPY: Final = 2
NAME: Final = b"\xff\xfe"


def produce(bootstrap: str, topic: str, key: bytes, value: bytes) -> None:
    """A record with a header of that name, by librdkafka itself."""
    libraries = Path(confluent_kafka.__file__).parent.parent / "confluent_kafka.libs"
    kafka: Any = ctypes.CDLL(str(next(libraries.glob("librdkafka*"))))
    for function in (kafka.rd_kafka_conf_new, kafka.rd_kafka_new):
        function.restype = ctypes.c_void_p
    error = ctypes.create_string_buffer(512)
    settings = ctypes.c_void_p(kafka.rd_kafka_conf_new())
    for name, setting in {b"bootstrap.servers": bootstrap.encode(), b"partitioner": b"murmur2_random"}.items():
        assert kafka.rd_kafka_conf_set(settings, name, setting, error, 512) == 0, error.value
    client = ctypes.c_void_p(kafka.rd_kafka_new(0, settings, error, 512))
    text, size, number = ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int
    arguments = [
        *(number(TOPIC), text(topic.encode())),
        *(number(KEY), text(key), size(len(key))),
        *(number(VALUE), text(value), size(len(value))),
        *(number(FLAGS), number(COPY)),
        *(number(HEADER), text(NAME), text(b"v"), ctypes.c_ssize_t(1)),
    ]
    assert kafka.rd_kafka_producev(client, *arguments, number(END)) == 0
    assert kafka.rd_kafka_flush(client, 20_000) == 0
    kafka.rd_kafka_destroy(client)


def test_a_header_whose_name_is_no_text_ends_no_process_and_is_left_out(bank: Running) -> None:
    bank.start("accounts", "handle", "accounts")
    bank.start("process", "react", "transfer_process")
    bank.send("accounts", ("account-1", OpenAccount("ann", "EUR")))
    meta = CommandMeta(command_id="11111111-1111-4111-8111-111111111111", aggregate_id="account-1")
    deposit = bank.codec.encode(DepositMoney(100, "EUR", "salary"), meta)
    for value in (deposit, b"garbage"):
        produce(bank.settings.kafka, "accounts.commands", b"account-1", value)
    bank.send("accounts", ("account-1", DepositMoney(7, "EUR", "later")))
    bank.wait_until_quiet()
    balances = [bank.codec.decode(value).state.balance for _, _, _, value in bank.read("accounts.events")]
    assert balances == [0, 100, 107]
    assert [value for _, _, _, value in bank.read("accounts.parked")] == [b"garbage"]
    bank.services.stop("accounts")
    bank.start("successor", "handle", "accounts")
    bank.send("accounts", ("account-1", DepositMoney(1, "EUR", "last")))
    bank.wait_until_quiet()
    assert not bank.services.exits
