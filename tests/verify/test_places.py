"""Keys that lie where they should not, and which check names them."""

import pytest

from headrace_load.verify.murmur2 import partition_of
from headrace_load.verify.records import Partition
from verify.checking import read, small_past, wrong

REFUSED = 3


@pytest.fixture
def part() -> Partition:
    return read(small_past())


def move(part: Partition) -> int:
    """Say that the topics have so many partitions that the keys belong elsewhere; returns where o-1 belongs."""
    part.partitions = next(count for count in range(2, 50) if 0 not in (_at(b"o-1", count), _at(b"o-2", count)))
    return _at(b"o-1", part.partitions)


def _at(key: bytes, partitions: int) -> int:
    return partition_of(key, partitions)


def answer(part: Partition, number: int, **changes: object) -> None:
    part.outcomes[number] = part.outcomes[number]._replace(**changes)  # type: ignore[arg-type]


def test_an_aggregate_on_another_partition_than_its_keys_is_named(part: Partition) -> None:
    belongs = move(part)
    found = wrong(part)["keys"]
    assert found[0] == f"orders.events[0] holds o-1, whose partition is {belongs}"
    assert f"orders.commands[0] offset 0 (o-1): its key's partition is {belongs}, and it was accepted (None)" in found


def test_a_command_on_a_wrong_partition_that_is_refused_for_it_is_fine(part: Partition) -> None:
    move(part)
    part.events.clear()
    for number in range(len(part.outcomes)):
        answer(part, number, result="refused", code="WrongPartition")
    assert "keys" not in wrong(part)


@pytest.mark.parametrize("code", ["WrongPartition", "KeyMismatch"])
def test_a_command_on_its_own_partition_that_is_refused_for_its_place_is_named(part: Partition, code: str) -> None:
    answer(part, REFUSED, code=code)
    [problem] = wrong(part)["keys"]
    assert problem.startswith(f"orders.commands[0] offset 6 (o-2): it was refused as {code}, and it")


@pytest.mark.parametrize("key", [b"o-1", None], ids=["another key", "no key"])
def test_a_command_whose_key_is_not_its_aggregates_id_must_be_refused_for_it(
    part: Partition, key: bytes | None
) -> None:
    part.commands[REFUSED] = part.commands[REFUSED]._replace(key=key)
    assert wrong(part)["keys"] == [
        f"orders.commands[0] offset 6 (o-2): its key is {key!r}, and it was refused (NotPaid)"
    ]
    answer(part, REFUSED, code="KeyMismatch")
    assert wrong(part) == {}
