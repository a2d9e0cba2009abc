"""A partition's past, read to the end that was asked for."""

import pytest

from headrace.kafka.reading import read_to
from lifecycles import lifecycles
from running import PARTITIONS, Running

pytestmark = pytest.mark.edge


def test_nothing_behind_the_end_is_read_although_it_is_there(shop: Running) -> None:
    """Another process may own the partition already, and go on with it."""
    shop.send("orders", *lifecycles(50))
    places = [("orders.commands", number) for number in range(PARTITIONS)]
    ends = {place: number for number, place in enumerate(places)}
    found = [
        (record.partition(), record.offset())
        for chunk in read_to(shop.settings, dict.fromkeys(places, 0), ends)
        for record in chunk
    ]
    assert sorted(found) == [(number, offset) for number in range(PARTITIONS) for offset in range(number)]
