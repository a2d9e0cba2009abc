import random

import pytest
from confluent_kafka import murmur2 as librdkafkas_partition

from headrace_load.verify.murmur2 import murmur2, partition_of


@pytest.mark.parametrize(
    ("key", "signed"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"abc", 479470107),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
    ],
)
def test_a_hash_is_the_one_that_kafkas_own_tests_expect(key: bytes, signed: int) -> None:
    assert murmur2(key) == signed % 2**32


def test_a_partition_is_the_one_that_librdkafka_names() -> None:
    source = random.Random(7)  # noqa: S311
    keys = [source.randbytes(length) for length in range(1, 80) for _ in range(20)]
    assert [partition_of(key, 12) for key in keys] == [librdkafkas_partition(key, 12) for key in keys]
