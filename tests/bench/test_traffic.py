from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path

import pytest
from confluent_kafka import murmur2

from headrace.app import bank, shop
from headrace.avro.codec import Codec
from headrace.avro.contract import read_lock
from headrace.orders.decider import Order, decide, evolve
from headrace_load.bench import traffic

PARTITIONS = 4


@pytest.fixture(scope="module")
def codec() -> Codec:
    return Codec(shop, read_lock(Path(__file__).parents[2] / "schemas"))


@pytest.mark.parametrize("count", [4, 400, 30_000])
def test_every_command_of_the_bench_is_one_that_its_order_accepts(codec: Codec, count: int) -> None:
    orders: dict[str, Order] = defaultdict(Order)
    ids = set()
    for frame in traffic.commands(codec, count, PARTITIONS):
        command = codec.decode(frame.value)
        name = command.meta.aggregate_id
        (event,) = decide(command.body, orders[name], 0)
        orders[name] = evolve(orders[name], event)
        ids.add(command.meta.command_id)
    assert len(ids) == count
    assert Counter(order.status for order in orders.values()) == {"delivered": count // 4}


def test_the_steps_of_an_order_lie_too_far_apart_to_meet_in_one_batch(codec: Codec) -> None:
    places = defaultdict(list)
    for place, frame in enumerate(traffic.commands(codec, 60_000, PARTITIONS)):
        places[frame.key].append(place)
    nearest = min(after - before for steps in places.values() for before, after in pairwise(steps))
    assert nearest >= 5_000


def test_a_delivered_order_is_stored_with_all_that_is_true_of_it(codec: Codec) -> None:
    frames = traffic.delivered_orders(codec, 100, PARTITIONS)
    decoded = [codec.decode(frame.value) for frame in frames]
    assert {event.meta.aggregate_id for event in decoded} == {frame.key.decode() for frame in frames}
    assert len({frame.key for frame in frames}) == 100
    assert {(event.meta.version, event.state.status, event.state.paid) for event in decoded} == {(4, "delivered", 1530)}


def test_deposits_are_for_accounts_that_are_there_and_are_accepted() -> None:
    codec = Codec(bank, read_lock(Path(__file__).parents[2] / "schemas"))
    accounts = {frame.key: codec.decode(frame.value) for frame in traffic.funded_accounts(codec, 50, PARTITIONS)}
    deposits = traffic.deposits(codec, 1_000, 50, PARTITIONS)
    assert len(accounts) == len({frame.key for frame in deposits}) == 50
    for frame in deposits:
        account, command = accounts[frame.key].state, codec.decode(frame.value).body
        (event,) = bank.aggregate("accounts").decide(command, account, 0)
        assert event.amount == 125
    assert {account.meta.version for account in accounts.values()} == {2}


def test_records_are_stored_where_murmur2_sends_their_keys(codec: Codec) -> None:
    frames = traffic.commands(codec, 400, PARTITIONS) + traffic.delivered_orders(codec, 100, PARTITIONS)
    assert all(frame.partition == murmur2(frame.key, PARTITIONS) for frame in frames)
