"""What is sent: by the mix, by the keys, each order's steps in order, as the codec would have written it."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import murmur2

from headrace.app import shop
from headrace.avro.codec import Codec, Undecodable
from headrace.avro.contract import read_lock
from headrace_load.generator.arrivals import Constant
from headrace_load.generator.frames import WRONG_VERSION, Frames
from headrace_load.generator.ids import COUNTER, LARGEST_DUE, Due, command_id
from headrace_load.generator.scenario import Hot, Mix, Scenario, Uniform, Zipf
from headrace_load.generator.traffic import Operation, Traffic, share_of

CODEC = Codec(shop, read_lock(Path(__file__).parents[2] / "schemas"))
FRAMES = Frames(CODEC)
RUN = "0123abcd"
PARTITIONS = 12


def scenario(mix: Mix, keys: Uniform | Zipf | Hot | None = None, **other: Any) -> Scenario:
    arrivals = Constant(rate=1, count=1)
    return Scenario(description="x", arrivals=arrivals, keys=keys or Uniform(count=50), mix=mix, **other)


def sent(asked: Scenario, count: int, worker: int = 0) -> list[Operation]:
    traffic = Traffic(asked, FRAMES, RUN, worker, PARTITIONS)
    return [traffic.next(number) for number in range(count)]


def names(operations: list[Operation]) -> list[str]:
    return [type(CODEC.decode(operation.value).body).__name__ for operation in operations]


def test_lives_of_orders_are_sent_step_by_step_and_some_are_cancelled() -> None:
    steps: dict[str, list[str]] = {}
    operations = sent(scenario(Mix(lifecycle=1)), 4_000)
    for operation, name in zip(operations, names(operations), strict=True):
        steps.setdefault(operation.order_id, []).append(name)
    lives = Counter(tuple(life) for life in steps.values())
    whole = ("CreateOrder", "PayOrder", "ShipOrder", "DeliverOrder")
    cancelled = ("CreateOrder", "PayOrder", "CancelOrder")
    assert set(lives) <= {whole[:1], whole[:2], whole[:3], whole, cancelled}
    assert lives[whole] > 5 * lives[cancelled] > 0


def test_every_command_decodes_to_what_it_says_under_its_key_and_on_its_partition() -> None:
    for number, operation in enumerate(sent(scenario(Mix(lifecycle=1, refused=1)), 500)):
        decoded = CODEC.decode(operation.value)
        assert (decoded.meta.command_id, decoded.meta.aggregate_id) == (operation.command_id, operation.order_id)
        assert operation.key == operation.order_id.encode()
        assert operation.partition == murmur2(operation.key, PARTITIONS)
        assert Due(RUN).read(operation.value or b"") == number


def test_the_mix_is_as_it_says() -> None:
    operations = sent(scenario(Mix(lifecycle=60, garbage=20, conflict=20), Uniform(count=500)), 10_000)
    garbage = [operation for operation in operations if not operation.command_id]
    conflicts = [
        operation
        for operation in operations
        if operation.command_id and CODEC.decode(operation.value).meta.expected_version == WRONG_VERSION
    ]
    assert len(garbage) == pytest.approx(2_000, rel=0.1)
    assert len(conflicts) == pytest.approx(2_000, rel=0.1)


def test_garbage_is_nothing_that_any_schema_explains() -> None:
    for operation in sent(scenario(Mix(garbage=1)), 100):
        with pytest.raises(Undecodable):
            CODEC.decode(operation.value)


def test_resends_are_the_same_record_up_to_five_times_more() -> None:
    operations = sent(scenario(Mix(lifecycle=50, resend=50)), 5_000)
    times = Counter(operation.command_id for operation in operations)
    assert set(times.values()) == {1, 2, 3, 4, 5, 6}
    first: dict[str, Operation] = {}
    assert all(first.setdefault(operation.command_id, operation) == operation for operation in operations)


def test_an_id_is_used_again_with_another_body() -> None:
    operations = sent(scenario(Mix(lifecycle=50, reused_id=50)), 2_000)
    times = Counter(operation.command_id for operation in operations)
    assert set(times.values()) == {1, 2}
    twice = [operation for operation in operations if times[operation.command_id] == 2]
    bodies: dict[str, set[bytes]] = {}
    for operation in twice:
        bodies.setdefault(operation.command_id, set()).add(CODEC.decode(operation.value).body_hash)
    assert all(len(found) == 2 for found in bodies.values())
    # Its answers are two: which of them a latency would be of, nobody could say.
    assert all(Due(RUN).read(operation.value or b"") is None for operation in twice)


def test_a_hot_key_gets_its_share_and_stays_on_its_partition() -> None:
    asked = scenario(Mix(lifecycle=1), Hot(count=200, share=0.5))
    operations = sent(asked, 4_000)
    hot = [operation for operation in operations if operation.order_id.startswith(f"{RUN}.000000.")]
    assert len(hot) == pytest.approx(2_000, rel=0.1)
    assert len({operation.partition for operation in hot}) == 1
    assert len({operation.order_id for operation in hot}) > 400


def test_zipf_keys_fall_with_their_rank() -> None:
    operations = sent(scenario(Mix(lifecycle=1), Zipf(count=1_000, exponent=1.0)), 20_000)
    ranks = Counter(int(operation.order_id[9:15], 16) for operation in operations)
    assert ranks[0] == pytest.approx(2 * ranks[1], rel=0.2)
    assert ranks[0] == pytest.approx(10 * ranks[9], rel=0.4)


@pytest.mark.parametrize("keys", [Uniform(count=10), Zipf(count=10), Hot(count=10, share=0.7)])
def test_workers_share_all_keys_and_no_key(keys: Uniform | Zipf | Hot) -> None:
    asked = scenario(Mix(lifecycle=1), keys, workers=3)
    assert sum(share_of(asked, worker) for worker in range(3)) == pytest.approx(1)
    keys_of = [{operation.order_id[9:15] for operation in sent(asked, 1_000, worker)} for worker in range(3)]
    assert [len(found) for found in keys_of] == [4, 3, 3]
    assert len(set.union(*keys_of)) == 10


def test_the_same_seed_sends_the_same_and_another_does_not() -> None:
    mix = Mix(lifecycle=3, refused=1, resend=1, reused_id=1, conflict=1, garbage=1)
    assert sent(scenario(mix), 500) == sent(scenario(mix), 500)
    assert sent(scenario(mix), 500) != sent(scenario(mix, seed=2), 500)


@pytest.mark.parametrize("due_us", [0, 1, 123_456_789, LARGEST_DUE])
def test_the_due_time_is_read_back_from_an_id(due_us: int) -> None:
    frame = b"\0\0\0\0\1\x02H" + command_id(RUN, 3, COUNTER + 5, due_us).encode() + b"rest"
    assert Due(RUN).read(frame) == due_us
    assert Due("89abcdef").read(frame) is None
    assert Due(RUN).read(b"") is None
